"""What a plan changed and why, ready to place: the sums of the fleet, the moved jobs with their numbers, the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.domain.change import ChangeKind, PlanChange, PlanComparison, Window, Worth
from models.domain.plan import NegotiationStatus
from services.plan_changes import PlanChanges
from web.views.formatting import (
    MINUS,
    capitalised,
    count,
    intensity,
    kilograms,
    pence_per_kwh,
    pounds,
    sentence_list,
)
from web.views.stamps import Stamp, dated, span, when

KIND_WORDS = {
    ChangeKind.MOVED: "moved",
    ChangeKind.ALTERED: "given other chunks or power",
    ChangeKind.PLANNED: "planned for the first time",
    ChangeKind.SERVED: "planned after waiting or a refusal",
    ChangeKind.REFUSED: "refused",
    ChangeKind.DEFERRED: "left out for now",
    ChangeKind.STARTED: "started since",
    ChangeKind.ENDED: "ended since",
}
"""Kinds of change in words, in the order of the list."""

HEADS = {
    ChangeKind.ALTERED: "Other chunks or power from",
    ChangeKind.PLANNED: "Planned from",
    ChangeKind.SERVED: "Planned after all, from",
    ChangeKind.REFUSED: "Refused",
    ChangeKind.DEFERRED: "Left out for now",
    ChangeKind.STARTED: "Started",
    ChangeKind.ENDED: "Ended",
}
"""Head of a line in a job's history."""


@dataclass(frozen=True, slots=True)
class SumRow:
    """One figure of the fleet: before, the three reasons, after."""

    label: str
    before: str
    by_forecast: str
    by_plan: str
    by_work: str
    after: str


@dataclass(frozen=True, slots=True)
class NumbersRow:
    """One window of a move on one set of signals."""

    label: str
    cost: str
    price: str
    carbon: str
    intensity: str
    objective: str


@dataclass(frozen=True, slots=True)
class MovedRow:
    """A job that moved."""

    job_id: str
    name: str
    old: tuple[Stamp, Stamp] | None
    old_where: str
    new: tuple[Stamp, Stamp] | None
    new_where: str
    better_by: str
    churn: str
    why: str
    numbers: tuple[NumbersRow, ...]


@dataclass(frozen=True, slots=True)
class OtherRow:
    """A job that changed otherwise."""

    job_id: str
    name: str
    kind: str
    when: tuple[Stamp, Stamp] | None
    why: str


@dataclass(frozen=True, slots=True)
class ChangesView:
    """The section about what changed."""

    lead: str
    cause: str
    previous_id: str | None
    previous_at: Stamp | None
    moved: tuple[MovedRow, ...]
    others: tuple[OtherRow, ...]
    sums: tuple[SumRow, ...]
    unknown: str
    next_cursor: str | None
    is_first_page: bool
    empty: str
    """Why nothing is listed; empty text where something is."""


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of a job's own history."""

    at: Stamp
    head: str
    text: str
    negotiation_id: str


def changes_view(found: PlanChanges, now: datetime, *, is_first_page: bool = True) -> ChangesView:
    """Return the section of a plan's page."""
    comparison = found.summary.comparison
    rows = found.changes.items
    return ChangesView(
        lead=_lead(comparison),
        cause=capitalised(comparison.cause) if comparison else "",
        previous_id=comparison.previous_id if comparison else None,
        previous_at=dated(comparison.previous_at, now)
        if comparison and comparison.previous_at
        else None,
        moved=tuple(_moved(row, now) for row in rows if row.kind is ChangeKind.MOVED),
        others=tuple(_other(row, now) for row in rows if row.kind is not ChangeKind.MOVED),
        sums=_sums(comparison) if comparison and comparison.previous_id else (),
        unknown=(
            f"{count(comparison.unknown_jobs, 'job')} left out of the sums: a figure is unknown."
            if comparison and comparison.unknown_jobs
            else ""
        ),
        next_cursor=found.changes.next_cursor,
        is_first_page=is_first_page,
        empty="" if rows else _empty(found),
    )


def _empty(found: PlanChanges) -> str:
    summary = found.summary
    if summary.status is not NegotiationStatus.COMMITTED:
        return "No plan was booked, so there is nothing to compare."
    if summary.comparison is None:
        return "This plan was made before comparisons were kept."
    if summary.comparison.counts:
        return "None of your jobs changed."
    return "Nothing moved: every job keeps the answer it had."


def _lead(comparison: PlanComparison | None) -> str:
    """Return how many jobs changed, by kind, over every owner."""
    if comparison is None or not comparison.counts:
        return ""
    parts = [
        f"{comparison.counts[str(kind)]:,} {word}"
        for kind, word in KIND_WORDS.items()
        if comparison.counts.get(str(kind))
    ]
    return f"{capitalised(sentence_list(parts))}."


def _moved(row: PlanChange, now: datetime) -> MovedRow:
    values = row.values
    gain = values.gain_gbp if values else None
    return MovedRow(
        job_id=row.job_id,
        name=row.job_name,
        old=_span(row.before, now),
        old_where=row.before.asset_id if row.before else "",
        new=_span(row.after, now),
        new_where=row.after.asset_id if row.after else "",
        better_by="unknown" if gain is None else _signed(gain),
        churn=pounds(values.churn_gbp) if values else "",
        why=f"{capitalised(row.text)}.",
        numbers=()
        if values is None
        else (
            _numbers("Old window, old signals", values.old_then),
            _numbers("Old window, new signals", values.old_now),
            _numbers("New window, old signals", values.new_then),
            _numbers("New window, new signals", values.new_now),
        ),
    )


def _numbers(label: str, worth: Worth) -> NumbersRow:
    return NumbersRow(
        label,
        pounds(worth.cost_gbp),
        pence_per_kwh(worth.mean_price_gbp_per_kwh),
        kilograms(worth.carbon_kg),
        intensity(worth.mean_carbon_g_per_kwh),
        pounds(worth.objective_gbp),
    )


def _other(row: PlanChange, now: datetime) -> OtherRow:
    shown = row.after or row.before
    return OtherRow(
        row.job_id,
        row.job_name,
        KIND_WORDS[row.kind],
        _span(shown, now),
        f"{capitalised(row.text)}.",
    )


def _span(window: Window | None, now: datetime) -> tuple[Stamp, Stamp] | None:
    return None if window is None else span(window.start, window.end, now)


def _sums(found: PlanComparison) -> tuple[SumRow, ...]:
    """Return the sums as rows; a difference always carries its sign."""

    def row(
        label: str, name: str, whole: Callable[[float], str], change: Callable[[float], str]
    ) -> SumRow:
        return SumRow(
            label,
            before=whole(getattr(found.before, name)),
            by_forecast=change(getattr(found.by_forecast, name)),
            by_plan=change(getattr(found.by_plan, name)),
            by_work=change(getattr(found.by_work, name)),
            after=whole(getattr(found.after, name)),
        )

    return (
        row("Jobs with a window", "jobs", lambda n: f"{n:,}", _signed_count),
        row("Cost", "cost_gbp", pounds, _signed),
        row("Carbon", "carbon_kg", kilograms, _signed_mass),
        row("Counted for waiting", "delay_gbp", pounds, _signed),
        row("Counted for moving", "churn_gbp", pounds, _signed),
    )


def _signed_count(number: float) -> str:
    return f"{_sign(number)}{abs(number):,}" if number else "none"


def _signed_mass(kg: float) -> str:
    return "none" if abs(kg) < 1e-6 else f"{_sign(kg)}{kilograms(abs(kg))}"


def _signed(gbp: float) -> str:
    return "none" if abs(gbp) < 5e-5 else f"{_sign(gbp)}{pounds(abs(gbp))}"


def _sign(value: float) -> str:
    return MINUS if value < 0 else "+"


def history(changes: Sequence[PlanChange], now: datetime) -> tuple[HistoryLine, ...]:
    """Return what plans did with one job, newest first."""
    return tuple(_line(row, now) for row in changes)


def _line(row: PlanChange, now: datetime) -> HistoryLine:
    start = when(row.after.start, now).text if row.after else ""
    if row.kind is ChangeKind.MOVED and row.before is not None and row.after is not None:
        head = f"Moved from {when(row.before.start, now).text} to {start}"
        if row.before.asset_id != row.after.asset_id:
            head += f", from {row.before.asset_id} to {row.after.asset_id}"
    elif row.kind in {ChangeKind.ALTERED, ChangeKind.PLANNED, ChangeKind.SERVED}:
        head = f"{HEADS[row.kind]} {start}"
    else:
        head = HEADS[row.kind]
    text = "" if row.kind is ChangeKind.PLANNED else f"{capitalised(row.text)}."
    return HistoryLine(dated(row.decided_at, now), head, text, row.negotiation_id)
