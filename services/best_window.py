"""A good start for work that is not even submitted: best window, runner-up, and starting now."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from models.domain.asset import Asset
from models.domain.errors import FieldError, Infeasible, InvalidRequest
from models.domain.job import Job
from models.domain.plan import Savings
from models.domain.regions import region
from models.domain.signal import SignalName
from models.domain.time import LONDON, at_london, ceil_slot, format_utc, london_date
from services import energy, single
from services.context import Context
from services.drafting import LONGEST_AHEAD
from services.types import BestWindow, BestWindowQuery

PRICE_NOTE = "Octopus Agile is a household tariff: read the price as a shape, ex VAT"
"""What every answer says of its price."""

PRICE_NOTE_WITH_VAT = "Octopus Agile is a household tariff: read the price as a shape, with VAT"


PLACE = "(this place)"
"""Id of the imagined cluster; no real one can have it."""


def default_ready_by(now: datetime) -> datetime:
    """Return tomorrow 09:00 in London, the deadline taken where nobody named one."""
    return at_london(london_date(now) + timedelta(days=1), 9)


def answer(context: Context, query: BestWindowQuery) -> BestWindow:
    """Return the best window of a region for a run that must be ready by a time.

    Raises:
        InvalidRequest: For an unknown region or a deadline too far ahead.
        Infeasible: If the run cannot finish in time, with the earliest finish.
    """
    region(query.region)
    now = context.clock.now()
    context.signals.ensure_fresh()
    release = max(query.earliest_start or now, now)
    _check(query, release, now)
    power_kw = query.power_kw or 1.0
    job, asset = _stand_in(query, release, now, power_kw)
    facing = single.alone(context, job, (asset,), now, is_new=True)
    told = single.answer(context, facing)
    assert told.placement is not None
    assert told.explanation is not None
    best = told.placement
    last = facing.table.horizon.start_of(facing.options.last_start)
    vat = context.settings.prices_include_vat
    return BestWindow(
        region=query.region,
        asked_at=now,
        ready_by=query.ready_by,
        duration=query.duration,
        power_kw=power_kw,
        is_per_kw=query.power_kw is None,
        best=best,
        runner_up=told.explanation.runner_up,
        on_arrival=told.baseline.placement,
        savings=told.savings or Savings(None, None, None, None),
        why=told.why.replace(f"on {asset.asset_id} ", "").replace(f" on {asset.asset_id}", ""),
        carbon_price_gbp_per_tonne=context.policy.carbon_price_gbp_per_tonne,
        data_quality=best.data_quality,
        price_note=PRICE_NOTE_WITH_VAT if vat else PRICE_NOTE,
        error_note=_error_note(context, query.region),
        sbatch_line=f"sbatch --begin={_local(best.start):%Y-%m-%dT%H:%M:%S}",
        at_line=f"at -t {_local(best.start):%Y%m%d%H%M}",
        late_latest_start=last,
    )


def _local(instant: datetime) -> datetime:
    return instant.astimezone(LONDON)


def _check(query: BestWindowQuery, release: datetime, now: datetime) -> None:
    if query.ready_by > now + LONGEST_AHEAD:
        raise InvalidRequest(
            "ready_by lies too far ahead",
            (
                FieldError(
                    "ready_by",
                    "lies further ahead than plans are made",
                    format_utc(query.ready_by),
                    f"at most {format_utc(now + LONGEST_AHEAD)}",
                    "ask again nearer to it",
                ),
            ),
        )
    first_finish = ceil_slot(release) + query.duration
    if first_finish > query.ready_by:
        hours = query.duration / timedelta(hours=1)
        raise Infeasible(
            f"a run of {hours:g} h cannot be ready by {format_utc(query.ready_by)}",
            (
                FieldError(
                    "ready_by",
                    "the run does not fit before it",
                    format_utc(query.ready_by),
                    f"at or after {format_utc(first_finish)}",
                    "choose a later time or a shorter run",
                ),
            ),
            nearest={"ready_by": format_utc(first_finish)},
        )


def _stand_in(
    query: BestWindowQuery, release: datetime, now: datetime, power_kw: float
) -> tuple[Job, Asset]:
    """Return the question as a job on a place of unlimited power in its region."""
    asset = Asset(
        asset_id=PLACE,
        owner="anybody",
        asset_type="any",
        region=query.region,
        max_power_kw=power_kw,
        created_at=now,
    )
    job = Job(
        job_id="question",
        owner="anybody",
        job_name="question",
        asset_id=asset.asset_id,
        duration=query.duration,
        power_kw=power_kw,
        earliest_start=release,
        latest_finish=query.ready_by,
        allowed_regions=(query.region,),
        accepted_at=now,
    )
    return replace(job, baseline_start=ceil_slot(job.release)), asset


def _error_note(context: Context, slug: str) -> str:
    """Return what error to expect, from archived forecasts, or why that is not known yet."""
    told = energy.forecast_error(context, slug, SignalName.CARBON)
    if "reason" in told:
        return f"Error to expect: not known yet ({told['reason']})."
    return (
        f"Error to expect: carbon forecasts were off by {float(told['mae']):.0f} g/kWh on average "
        f"over {told['days']} days."
    )
