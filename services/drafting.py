"""From a draft to a job: fill the defaults, check the sense of it, and fix the run on arrival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from models.domain.asset import Asset
from models.domain.errors import FieldError, Infeasible, InvalidRequest
from models.domain.gpu import gpu_power_kw
from models.domain.job import Flexibility, Job, JobStatus
from models.domain.regions import admits, region
from models.domain.time import SLOT, Horizon, ceil_slot, format_utc, slots_needed
from models.optimise.limits import limited_room_kw
from models.optimise.options import candidate_assets
from models.optimise.table import fits
from services.kind_checks import kept_levels, kind_errors
from services.types import JobDraft

LONGEST_AHEAD = timedelta(days=14)
"""How far ahead a deadline may lie: the service plans 672 half-hours."""

LEAST_POWER_KW = 0.001
"""Least power that counts as running. [kW]"""


@dataclass(frozen=True)
class Power:
    """A job's power and how it was arrived at."""

    power_kw: float
    note: str


def power_of(draft: JobDraft) -> Power:
    """Return the power of a draft: as given, the mean of its profile, or from the GPU figures.

    Raises:
        InvalidRequest: If neither power nor GPU model and count are given.
    """
    if draft.power_profile_kw:
        mean = sum(draft.power_profile_kw) / len(draft.power_profile_kw)
        return Power(mean, "mean of the given profile")
    if draft.estimated_power_kw is not None:
        return Power(draft.estimated_power_kw, "as given")
    if draft.gpu_model is not None and draft.gpu_count is not None:
        power_kw, note = gpu_power_kw(draft.gpu_model, draft.gpu_count)
        return Power(power_kw, note)
    raise InvalidRequest(
        "the job's power is not known",
        (
            FieldError(
                "estimated_power_kw",
                "a job needs its power",
                None,
                "more than 0 kW",
                "send estimated_power_kw, or gpu_model and gpu_count",
            ),
        ),
    )


def job_of(
    draft: JobDraft,
    owner: str,
    own: Asset,
    assets: Sequence[Asset],
    predecessors: Mapping[str, Job],
    now: datetime,
    new_id: UUID,
) -> Job:
    """Return the job a draft describes.

    Args:
        draft: What was asked.
        owner: Whose job it is.
        own: The asset it belongs to.
        assets: Every live asset of the owner.
        predecessors: Jobs named in `depends_on` that exist for this owner.
        now: When it is accepted (planning clock).
        new_id: Used where the draft has no id.

    Raises:
        InvalidRequest: With one error per wrong field.
        Infeasible: If no plan could ever serve it as asked.
    """
    power = power_of(draft)
    flexibility = draft.flexibility or own.flexibility_type
    release = max(draft.earliest_start or now, now)
    allowed = draft.allowed_regions or (own.region,)
    _check_fields(draft, flexibility, allowed, predecessors, now)
    job_id = draft.job_id or f"job-{new_id.hex[:12]}"
    job = Job(
        job_id=job_id,
        owner=owner,
        job_name=draft.job_name or job_id,
        job_type=draft.job_type,
        asset_id=own.asset_id,
        duration=draft.duration,
        power_kw=power.power_kw,
        earliest_start=release,
        latest_finish=draft.latest_finish,
        allowed_regions=tuple(dict.fromkeys(allowed)),
        accepted_at=now,
        flexibility=flexibility,
        priority=draft.priority,
        power_profile_kw=draft.power_profile_kw,
        gpu_model=draft.gpu_model,
        gpu_count=draft.gpu_count,
        carbon_cap_g_per_kwh=draft.carbon_cap_g_per_kwh,
        max_price_gbp_per_kwh=draft.max_price_gbp_per_kwh,
        min_saving_percent=draft.min_saving_percent,
        depends_on=tuple(dict.fromkeys(draft.depends_on)),
        min_run_slots=draft.min_run_slots,
        max_chunks=draft.max_chunks,
        checkpoint_minutes=draft.checkpoint_minutes,
        min_power_kw=draft.min_power_kw,
        power_levels=kept_levels(draft.power_levels),
        data_gb=draft.data_gb,
        units_of_work=draft.units_of_work,
        workload=draft.workload,
        status=JobStatus.PENDING,
        is_demo=draft.is_demo,
        updated_at=now,
    )
    _check_window(job, now)
    _check_power(job, assets)
    start, reason = run_on_arrival(job, own)
    return replace(job, baseline_start=start, baseline_reason=reason)


def run_on_arrival(job: Job, own: Asset) -> tuple[datetime | None, str | None]:
    """Return the start of the run on arrival on the job's own asset, or None and why there is none.

    It is the first half-hour from its release at which the asset's limits leave the whole run its power.
    """
    start = ceil_slot(job.release)
    need = max(job.slot_power_kw())
    if need > own.room_kw + 1e-6:
        return None, f"it needs {need:g} kW and {own.asset_id} offers {own.room_kw:g} kW"
    if start + job.duration > job.latest_finish:
        return None, "started on arrival it would miss its deadline"
    if not own.power_limits:
        return start, None
    last = (job.latest_finish - job.duration - start) // SLOT
    room_kw = limited_room_kw(own, Horizon(start, last + job.slots))
    can_run = fits(room_kw, np.asarray(job.slot_power_kw(), dtype=np.float64))
    if not can_run.any():
        limits = f"the limits of power of {own.asset_id}"
        return None, f"{limits} leave it no start on arrival that meets its deadline"
    return start + int(can_run.argmax()) * SLOT, None


def _check_fields(
    draft: JobDraft,
    flexibility: Flexibility,
    allowed: Sequence[str],
    predecessors: Mapping[str, Job],
    now: datetime,
) -> None:
    errors: list[FieldError] = []
    for place, slug in enumerate(allowed):
        try:
            region(slug, field=f"allowed_regions.{place}")
        except InvalidRequest as error:
            errors.extend(error.fields)
    for place, name in enumerate(draft.depends_on):
        if name not in predecessors:
            errors.append(
                FieldError(
                    f"depends_on.{place}",
                    f"there is no job {name!r}",
                    name,
                    "ids of your own jobs",
                    "submit the predecessor first, or leave the field out",
                )
            )
    slots = slots_needed(draft.duration)
    if draft.power_profile_kw and len(draft.power_profile_kw) != slots:
        errors.append(
            FieldError(
                "power_profile_kw",
                f"{len(draft.power_profile_kw)} values for a run of {slots} half-hours",
                list(draft.power_profile_kw),
                f"exactly {slots} values",
                "give one value for each half-hour the run touches",
            )
        )
    if draft.power_profile_kw and max(draft.power_profile_kw) < LEAST_POWER_KW:
        errors.append(
            FieldError(
                "power_profile_kw",
                "holds no half-hour with power, so nothing would run",
                list(draft.power_profile_kw),
                f"at least one value of {LEAST_POWER_KW:g} kW or more",
                "give the power of each half-hour",
            )
        )
    errors.extend(kind_errors(draft, flexibility, slots))
    if draft.latest_finish > now + LONGEST_AHEAD:
        errors.append(
            FieldError(
                "latest_finish",
                "lies further ahead than plans are made",
                format_utc(draft.latest_finish),
                f"at most {format_utc(now + LONGEST_AHEAD)}",
                "submit the job nearer to its deadline, or choose an earlier one",
            )
        )
    if errors:
        raise InvalidRequest(f"{len(errors)} field(s) of the job are wrong", tuple(errors))


def _check_window(job: Job, now: datetime) -> None:
    if job.latest_finish <= now:
        raise Infeasible(
            f"the deadline {format_utc(job.latest_finish)} has passed",
            (
                FieldError(
                    "latest_finish",
                    "the deadline has passed",
                    format_utc(job.latest_finish),
                    f"after {format_utc(now)}",
                    "choose a later time",
                ),
            ),
        )
    first_finish = ceil_slot(job.release) + job.duration
    if first_finish > job.latest_finish:
        hours = job.duration.total_seconds() / 3600
        raise Infeasible(
            f"a run of {hours:g} h from {format_utc(ceil_slot(job.release))} ends at "
            f"{format_utc(first_finish)}, after the deadline",
            (
                FieldError(
                    "latest_finish",
                    "the run does not fit between its earliest start and this deadline",
                    format_utc(job.latest_finish),
                    f"at or after {format_utc(first_finish)}",
                    "choose a later deadline, an earlier start or a shorter run",
                ),
            ),
            nearest={"latest_finish": format_utc(first_finish)},
        )


def _check_power(job: Job, assets: Sequence[Asset]) -> None:
    need = max(job.slot_power_kw())
    candidates = candidate_assets(job, tuple(assets))
    room = max((asset.room_kw for asset in candidates), default=None)
    if room is None:
        own = next(asset for asset in assets if asset.asset_id == job.asset_id)
        if not any(admits(job.allowed_regions, asset.region) for asset in assets):
            raise Infeasible(
                f"none of your clusters is in an allowed region ({', '.join(job.allowed_regions)})",
                (
                    FieldError(
                        "allowed_regions",
                        "no cluster of yours is there",
                        list(job.allowed_regions),
                        ", ".join(sorted({asset.region for asset in assets})),
                        f"allow {own.region}, or register a cluster there",
                    ),
                ),
                nearest={"allowed_regions": [own.region]},
            )
        raise Infeasible(
            f"no cluster of type {own.asset_type} is in an allowed region",
            (
                FieldError(
                    "allowed_regions",
                    f"only clusters of another type than {own.asset_type} are there",
                    list(job.allowed_regions),
                    own.region,
                    f"allow {own.region}",
                ),
            ),
            nearest={"allowed_regions": [own.region]},
        )
    if need > room + 1e-6:
        raise Infeasible(
            f"{need:g} kW is more than the {room:g} kW that {job.asset_id} offers to jobs",
            (
                FieldError(
                    "power_profile_kw" if job.power_profile_kw else "estimated_power_kw",
                    "more power than any candidate cluster offers",
                    need,
                    f"up to {room:g} kW",
                    "ask for less power, or raise the cluster's limit",
                ),
            ),
            nearest=None if job.power_profile_kw else {"estimated_power_kw": room},
        )
