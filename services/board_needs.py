"""Things only the user can settle, as lines with actions for the Schedule page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from agents.wording import when
from models.domain.job import JobStatus
from models.domain.plan import Relaxation
from models.domain.ports import JobView, UnitOfWork
from models.domain.signal import Quality
from models.domain.time import parse_rfc3339
from services.data_line import age_text
from services.lifecycle import VOID_REASON, is_open
from services.types import DataLine, Need

OLD_DATA = timedelta(hours=3)
"""A carbon forecast older than this is worth saying."""

LATE_LOG = timedelta(minutes=5)
"""Records that wait longer than this to be written to the log on disk are worth saying."""

_ORDER = ("audit", "data", "confirm", "refused", "unconfirmed", "void", "held")


def job_needs(views: Iterable[JobView], now: datetime) -> tuple[Need, ...]:
    """Return what some jobs need of their user, the most urgent first; each job at most once."""
    found: dict[str, Need] = {}
    for view in views:
        need = of_job(view, now)
        if need is not None:
            found.setdefault(view.job.job_id, need)
    return tuple(sorted(found.values(), key=lambda need: (_ORDER.index(need.kind), need.title)))


def of_job(view: JobView, now: datetime) -> Need | None:
    """Return what one job needs of its user, or None."""
    job, plan = view.job, view.plan
    award = plan.award if plan else None
    if view.status is JobStatus.REFUSED and plan is not None and plan.refusal is not None:
        return _refused(view)
    if view.status is JobStatus.UNCONFIRMED and award is not None:
        placed = award.placement
        return Need(
            "unconfirmed",
            job.job_id,
            f"{job.job_name}: did it run?",
            f"Its window {when(placed.start)} to {when(placed.end)} passed and nobody said so; until "
            "then it counts in no statement.",
            (
                ("It ran", "confirm:completed"),
                ("It failed", "confirm:failed"),
                ("It did not run", "confirm:did_not_run"),
            ),
        )
    if is_open(view, now) and award is not None:
        return Need(
            "confirm",
            job.job_id,
            f"{job.job_name}: window open, start not confirmed",
            f"Its window opened {when(award.placement.start)} and ends {when(award.placement.end)}.",
            (("It started", "confirm:started"), ("It did not run", "confirm:did_not_run")),
        )
    if view.status is JobStatus.RUNNING and award is not None and award.placement.end <= now:
        return Need(
            "confirm",
            job.job_id,
            f"{job.job_name}: has it finished?",
            f"Its window ended {when(award.placement.end)}; more power is not kept for it.",
            (("It finished", "confirm:completed"), ("It failed", "confirm:failed")),
        )
    if view.status is JobStatus.PENDING:
        return _pending(view)
    return None


def _pending(view: JobView) -> Need | None:
    job = view.job
    deferral = view.plan.deferral if view.plan else None
    if job.is_held:
        last_start = job.latest_finish - job.duration
        return Need(
            "held",
            job.job_id,
            f"{job.job_name} is held",
            f"It stays out of every plan until released; its last start is {when(last_start)}.",
            (("Release", "release"), ("Cancel", "cancel")),
        )
    if deferral is not None and deferral.reason == VOID_REASON:
        return Need(
            "void",
            job.job_id,
            f"{job.job_name}: its plan is void",
            f"{VOID_REASON[:1].upper()}{VOID_REASON[1:]}; it is planned anew.",
            (("Plan now", "schedule"),),
        )
    return None


def _refused(view: JobView) -> Need:
    assert view.plan is not None
    assert view.plan.refusal is not None
    refusal = view.plan.refusal
    nearest = refusal.smallest_relaxation
    actions: list[tuple[str, str]] = []
    text = refusal.detail
    if nearest is not None:
        actions.append((relaxation_text(nearest), f"relax:{nearest.field}"))
        text = f"{_sentence(text)} Nearest that fits: {relaxation_text(nearest)}, from {when(nearest.start)}."
    actions += [("See why", "open"), ("Cancel", "cancel")]
    return Need("refused", view.job.job_id, f"{view.job.job_name} cannot run", text, tuple(actions))


def relaxation_text(relaxation: Relaxation) -> str:
    """Return a checked relaxation in words, e.g. `finish by Sun 09:00`."""
    value = relaxation.value
    if relaxation.field == "power_profile_kw":
        return f"use at most {max(value):g} kW, in the same profile"
    words = {
        "latest_finish": "finish by {}",
        "carbon_cap_g_per_kwh": "allow {} g/kWh",
        "max_price_per_kwh": "allow £{}/kWh",
        "max_price_gbp_per_kwh": "allow £{}/kWh",
        "estimated_power_kw": "use {} kW",
        "power_kw": "use {} kW",
        "duration_hours": "run {} h",
        "allowed_regions": "allow {}",
        "earliest_start": "start from {}",
    }
    return words.get(relaxation.field, f"{relaxation.field} {{}}").format(_value_text(value))


def _value_text(value: object) -> str:
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, str) and len(value) > 10 and value[4:5] == "-" and "T" in value:
        return when(parse_rfc3339(value))
    if isinstance(value, (list, tuple)):
        return ", ".join(str(one) for one in value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."


def data_need(data: DataLine) -> Need | None:
    """Return that the signals are old or missing, or None. Simulated and replayed ones have their banner."""
    if data.mode != "live":
        return None
    if data.quality is Quality.NONE or data.carbon_age is None:
        return Need(
            "data",
            None,
            "No carbon or price data",
            "Jobs are set to the last start that meets their deadline and improve when data arrive.",
            (("See sources", "open:health"),),
        )
    if data.carbon_age > OLD_DATA:
        return Need(
            "data",
            None,
            f"The carbon forecast is {age_text(data.carbon_age)} old",
            "Its provider has not answered since; plans go on with the last answer, labelled.",
            (("See sources", "open:health"),),
        )
    return None


def audit_need(uow: UnitOfWork, system_now: datetime) -> Need | None:
    """Return that committed records have not reached the log on disk for a while, or None."""
    flushed = uow.decisions.flushed_seq()
    waiting = uow.decisions.after(flushed, 1)
    if not waiting:
        return None
    age = system_now - parse_rfc3339(waiting[0].ts_utc)
    if age <= LATE_LOG:
        return None
    count = uow.decisions.head()[0] - flushed
    return Need(
        "audit",
        None,
        "The decision log on disk is behind",
        f"{count} records have waited up to {age_text(age)}: either no worker runs, or the file differs from what "
        "was committed. Run `flask audit verify`.",
        (("Verify", "open:records"),),
    )
