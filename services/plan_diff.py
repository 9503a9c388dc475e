"""Compares a plan with the one before: what changed, why, and what that is worth to the fleet.

Pure: both plans come as frozen views; the rows and sums that are stored with the new plan come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from agents.wording import significant
from models.domain.change import (
    ChangeKind,
    PlanChange,
    PlanComparison,
    PlanSums,
    SignalShift,
    Window,
)
from models.domain.job import Job, JobStatus
from models.domain.regions import REGIONS
from models.domain.signal import FloatArray
from models.domain.time import SLOT
from services.move_cause import cause_of, values_of
from services.move_types import Move
from services.plan_sides import Entry, Side, Tape

ENDS = {
    JobStatus.COMPLETED: "it was completed",
    JobStatus.FAILED: "it failed",
    JobStatus.CANCELLED: "it was cancelled",
    JobStatus.UNCONFIRMED: "its window passed unconfirmed",
    JobStatus.REFUSED: "its last start passed",
}
"""How a job left the plans, in words."""

ORDER = tuple(ChangeKind)
"""Kinds in the order of the list: what moved comes first."""

SMALLEST_CARBON_SHIFT_G = 0.5
SMALLEST_PRICE_SHIFT_GBP = 0.0005
"""Mean changes below these are not worth a word."""


@dataclass(frozen=True)
class Compared:
    """The outcome of a comparison, ready to be stored."""

    comparison: PlanComparison
    changes: tuple[PlanChange, ...]


@dataclass(frozen=True)
class Pair:
    """Two plans and the jobs in them."""

    negotiation_id: str
    previous_id: str | None
    before: Side
    """Empty where there was no plan before."""
    after: Side
    jobs: Mapping[str, Job]
    """Every job of either plan, as it stands now."""
    cause: str
    """What began the plan, in words."""
    vat_factor: Callable[[datetime], float]

    @cached_property
    def successors(self) -> dict[str, tuple[str, ...]]:
        """Return the jobs that wait for each job, by id."""
        found: dict[str, tuple[str, ...]] = {}
        for name, job in sorted(self.jobs.items()):
            for before in job.depends_on:
                found[before] = (*found.get(before, ()), name)
        return found


def compare(pair: Pair) -> Compared:
    """Return what is different, by kind and then by job, with the sums."""
    found = [
        change
        for job_id in sorted({*pair.before.entries, *pair.after.entries})
        if (change := _change(pair, job_id)) is not None
    ]
    found.sort(key=lambda change: (ORDER.index(change.kind), change.job_id))
    changes = tuple(replace(change, position=n) for n, change in enumerate(found))
    shifts = _shifts(pair) if pair.previous_id is not None else ()
    sums = _sums(pair, {change.job_id: change for change in changes})
    comparison = replace(
        sums,
        cause=_why(pair.cause, shifts),
        counts=dict(Counter(str(change.kind) for change in changes)),
        shifts=shifts,
    )
    return Compared(comparison, changes)


def _change(pair: Pair, job_id: str) -> PlanChange | None:
    old, new = pair.before.entries.get(job_id), pair.after.entries.get(job_id)
    job = pair.jobs.get(job_id)
    if job is None:
        return None
    if new is None:
        assert old is not None
        text = ENDS.get(job.status, f"it is {job.status}")
        return _row(pair, job, old, None, ChangeKind.ENDED, str(job.status), text)
    if old is not None and old.status == new.status and old.runs_like(new):
        return None
    if new.status == JobStatus.RUNNING and (old is None or old.status != JobStatus.RUNNING):
        return _row(
            pair, job, old, new, ChangeKind.STARTED, "started", "it was reported as started"
        )
    if new.schedule is None:
        kind = ChangeKind.REFUSED if new.status == JobStatus.REFUSED else ChangeKind.DEFERRED
        return _row(pair, job, old, new, kind, str(new.status), new.why.rstrip("."))
    if old is None:
        return _row(pair, job, None, new, ChangeKind.PLANNED, "new", "it is new in the plan")
    if old.schedule is None:
        word = "refused" if old.status == JobStatus.REFUSED else "left out"
        text = f"it was {word} before: {old.why.rstrip('.')}"
        return _row(pair, job, old, new, ChangeKind.SERVED, old.status, text)
    return _moved(pair, job, old, new)


def _moved(pair: Pair, job: Job, old: Entry, new: Entry) -> PlanChange | None:
    """Return the row of a job with a window on both sides; None where nothing is different."""
    if old.runs_like(new):
        return None
    assert old.placed is not None
    assert new.placed is not None
    was, now = old.placed.window, new.placed.window
    if (was.asset_id, was.start) == (now.asset_id, now.start):
        text = "its chunks or its power are different, its start is not"
        return _row(pair, job, old, new, ChangeKind.ALTERED, "pattern", text)
    values = values_of(old, new, pair.before, pair.after, pair.vat_factor)
    move = Move(
        job,
        old.placed,
        new.placed,
        values,
        pair.before,
        pair.after,
        pair.jobs,
        pair.successors.get(job.job_id, ()),
        new.saves_too_little,
    )
    why = cause_of(move)
    return replace(
        _row(pair, job, old, new, ChangeKind.MOVED, why.word, why.text),
        values=values,
        room_for=why.room_for,
        room_for_others=why.room_for_others,
    )


def _row(
    pair: Pair,
    job: Job,
    old: Entry | None,
    new: Entry | None,
    kind: ChangeKind,
    cause: str,
    text: str,
) -> PlanChange:
    return PlanChange(
        negotiation_id=pair.negotiation_id,
        position=0,
        decided_at=pair.after.at,
        job_id=job.job_id,
        job_name=job.job_name,
        owner=job.owner,
        kind=kind,
        cause=cause,
        text=text,
        before=_window(old),
        after=_window(new),
    )


def _window(entry: Entry | None) -> Window | None:
    return None if entry is None or entry.placed is None else entry.placed.window


# --- sums -----------------------------------------------------------------------------------------


def _sums(pair: Pair, changes: Mapping[str, PlanChange]) -> PlanComparison:
    """Return the sums; a job with an unknown figure on either side is left out of all of them and counted."""
    before, forecast, plan, work, after = (PlanSums() for _ in range(5))
    unknown = 0
    for job_id in sorted({*pair.before.entries, *pair.after.entries}):
        old, new = pair.before.entries.get(job_id), pair.after.entries.get(job_id)
        then, now = _figures(old), _figures(new)
        has_then = old is not None and old.schedule is not None
        has_now = new is not None and new.schedule is not None
        if (has_then and then is None) or (has_now and now is None):
            unknown += 1
            continue
        if then is not None and now is not None:
            change = changes.get(job_id)
            between = _revalued(change, then, now)
            if between is None:
                unknown += 1
                continue
            forecast = _plus(forecast, between, then, keeps="cost_gbp carbon_kg")
            plan = _plus(plan, now, between, keeps="cost_gbp carbon_kg")
            plan = _plus(plan, now, then, keeps="delay_gbp churn_gbp")
        else:
            work = _plus(work, now or PlanSums(), then or PlanSums())
        before = _plus(before, then or PlanSums(), PlanSums())
        after = _plus(after, now or PlanSums(), PlanSums())
    return PlanComparison(
        pair.previous_id,
        pair.before.at if pair.previous_id is not None else None,
        "", before, forecast, plan, work, after, unknown,
    )  # fmt: skip


def _figures(entry: Entry | None) -> PlanSums | None:
    """Return what one job adds to its plan; None where it holds no window or a figure is unknown."""
    if entry is None or entry.schedule is None:
        return None
    placed = entry.schedule
    cost_gbp, carbon_kg = placed["cost_gbp"], placed["carbon_kg"]
    if cost_gbp is None or carbon_kg is None:
        return None
    return PlanSums(1, cost_gbp, carbon_kg, placed.get("delay_gbp", 0.0), entry.churn_gbp)


def _revalued(change: PlanChange | None, then: PlanSums, now: PlanSums) -> PlanSums | None:
    """Return the old window on the new signals: of a job that stayed that is what the new plan says."""
    if change is None or change.values is None:
        return now
    worth = change.values.old_now
    if worth.cost_gbp is None or worth.carbon_kg is None:
        return None
    return replace(then, cost_gbp=worth.cost_gbp, carbon_kg=worth.carbon_kg)


def _plus(
    total: PlanSums,
    add: PlanSums,
    take: PlanSums,
    keeps: str = "jobs cost_gbp carbon_kg delay_gbp churn_gbp",
) -> PlanSums:
    """Return `total + add − take` in the named figures."""
    named = keeps.split()
    return PlanSums(
        *(
            getattr(total, f.name)
            + (getattr(add, f.name) - getattr(take, f.name) if f.name in named else 0)
            for f in fields(PlanSums)
        )
    )


# --- signals --------------------------------------------------------------------------------------


def _shifts(pair: Pair) -> tuple[SignalShift, ...]:
    regions = sorted({*pair.before.tapes} & {*pair.after.tapes})
    found = (_shift(slug, pair.before.tapes[slug], pair.after) for slug in regions)
    return tuple(one for one in found if one is not None)


def _shift(region: str, old: Tape, after: Side) -> SignalShift | None:
    """Return how a region's signals changed over the half-hours that were still to come."""
    slots = old.carbon_g_per_kwh.size
    skip = max(0, -((old.start - after.at) // SLOT))
    if slots - skip <= 0:
        return None
    start = old.start + skip * SLOT
    was = old.over(start, slots - skip)
    now = after.tapes[region].over(start, slots - skip)
    (carbon, price) = (_change_of(then, present) for then, present in zip(was, now, strict=True))
    return SignalShift(region, *carbon, *price)


def _change_of(then: FloatArray, now: FloatArray) -> tuple[int, float | None, float | None]:
    """Return how many half-hours both plans knew, and the mean and the largest change over them."""
    change = np.round((now - then)[~np.isnan(now - then)], 6)
    if not change.size:
        return 0, None, None
    return int(change.size), float(change.mean()), float(change[np.argmax(np.abs(change))])


def _why(cause: str, shifts: tuple[SignalShift, ...]) -> str:
    """Return what began the plan and the strongest change of the signals, in one sentence."""
    parts = [cause]
    carbon = [
        s for s in shifts if abs(s.carbon_mean_change_g_per_kwh or 0.0) >= SMALLEST_CARBON_SHIFT_G
    ]
    price = [
        s for s in shifts if abs(s.price_mean_change_gbp_per_kwh or 0.0) >= SMALLEST_PRICE_SHIFT_GBP
    ]
    if carbon:
        top = max(carbon, key=lambda s: abs(s.carbon_mean_change_g_per_kwh or 0.0))
        mean, most = (
            top.carbon_mean_change_g_per_kwh or 0.0,
            top.carbon_largest_change_g_per_kwh or 0.0,
        )
        parts.append(
            f"carbon in {REGIONS[top.region].name} is {significant(abs(mean))} g/kWh "
            f"{'lower' if mean < 0 else 'higher'} on average, the largest change is {_signed(most)}"
        )
    if price:
        top = max(price, key=lambda s: abs(s.price_mean_change_gbp_per_kwh or 0.0))
        mean, most = (
            top.price_mean_change_gbp_per_kwh or 0.0,
            top.price_largest_change_gbp_per_kwh or 0.0,
        )
        parts.append(
            f"prices in {REGIONS[top.region].name} are {significant(abs(mean) * 100)} p/kWh "
            f"{'lower' if mean < 0 else 'higher'} on average, the largest change is {_signed(most * 100)}"
        )
    return "; ".join(parts)


def _signed(value: float) -> str:
    """Return a change with its sign."""
    return f"{'−' if value < 0 else '+'}{significant(abs(value))}"
