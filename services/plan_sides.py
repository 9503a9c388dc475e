"""Two plans side by side: what each gave every job, what it knew of the signals, and who held which power.

Both sides are read from frozen views (`services/snapshot.py`), so that a plan is compared with exactly what was
written down about the one before. Pure: no storage, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np

from models.domain.change import Window, Worth
from models.domain.plan import Segment
from models.domain.signal import FloatArray, RegionSignals
from models.domain.time import SLOT, floor_slot, london_date, parse_rfc3339
from models.optimise.limits import TOLERANCE_KW
from services.asset_room import AssetRoom
from services.valuation import slot_energy_kwh

_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Placed:
    """A window as a plan wrote it down."""

    window: Window
    segments: tuple[Segment, ...]
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    delay_gbp: float
    estimated_share: float
    transfer_kwh: float = 0.0
    """Energy of moving its data there; in cost and carbon at the run's means, not in `energy_kwh`. [kWh]"""

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> Placed:
        """Read a placement of a frozen view."""
        return cls(
            Window(
                view["asset_id"],
                view["region"],
                parse_rfc3339(view["start_time"]),
                parse_rfc3339(view["end_time"]),
            ),
            tuple(
                Segment(
                    parse_rfc3339(part["start_time"]),
                    parse_rfc3339(part["end_time"]),
                    part["power_kw"],
                )
                for part in view["segments"]
            ),
            view["energy_kwh"],
            view["carbon_kg"],
            view["cost_gbp"],
            view.get("delay_gbp", 0.0),
            view["estimated_share"],
            view.get("transfer_kwh", 0.0),
        )

    @cached_property
    def reserved_kw(self) -> dict[datetime, float]:
        """Return the IT power it reserves in each half-hour; a part-used one reserves it whole. [kW]"""
        held: dict[datetime, float] = {}
        for segment in self.segments:
            slot = floor_slot(segment.start)
            while slot < segment.end:
                held[slot] = max(held.get(slot, 0.0), segment.power_kw)
                slot += SLOT
        return held

    @cached_property
    def meter_kwh(self) -> dict[datetime, float]:
        """Return its energy at the meter in each half-hour. [kWh]"""
        it_kwh = sum(s.power_kw * ((s.end - s.start) / _HOUR) for s in self.segments)
        pue = self.energy_kwh / it_kwh if it_kwh > 0.0 else 1.0
        return slot_energy_kwh(self.segments, pue)


@dataclass(frozen=True)
class Entry:
    """One job of a plan."""

    job_id: str
    job_name: str
    status: str
    why: str
    schedule: Mapping[str, Any] | None
    """The window as written down; read only where it is needed, for most jobs of a large fleet it is not."""
    churn_gbp: float
    saves_too_little: bool = False
    """It runs on arrival because waiting would save too little."""

    @cached_property
    def placed(self) -> Placed | None:
        """Return its window."""
        return None if self.schedule is None else Placed.of(self.schedule)

    def runs_like(self, other: Entry) -> bool:
        """Return whether two plans gave a job the same half-hours, power and cluster."""
        names = ("asset_id", "start_time", "end_time", "segments")
        mine, theirs = self.schedule or {}, other.schedule or {}
        return all(mine.get(name) == theirs.get(name) for name in names)


@dataclass(frozen=True)
class Tape:
    """Carbon and price of one region over consecutive half-hours; NaN marks an unknown one."""

    start: datetime
    carbon_g_per_kwh: FloatArray
    price_gbp_per_kwh: FloatArray
    prices_known_until: datetime | None

    @classmethod
    def of_view(cls, view: Mapping[str, Any]) -> Tape:
        """Read a region of a frozen view."""
        until = view.get("prices_known_until")
        return cls(
            parse_rfc3339(view["start_time"]),
            np.array(view["carbon_g_per_kwh"], dtype=np.float64),
            np.array(view["price_gbp_per_kwh"], dtype=np.float64),
            None if until is None else parse_rfc3339(until),
        )

    @classmethod
    def of_signals(cls, known: RegionSignals) -> Tape:
        """Read the signals a plan was made from."""
        return cls(
            known.horizon.start,
            known.carbon.values,
            known.price.values,
            known.price.known_until(),
        )

    def over(self, start: datetime, slots: int) -> tuple[FloatArray, FloatArray]:
        """Return carbon and price over other half-hours, each of shape (slots,), padded with NaN."""
        shift = (start - self.start) // SLOT
        return (
            _cut(self.carbon_g_per_kwh, shift, slots),
            _cut(self.price_gbp_per_kwh, shift, slots),
        )


@dataclass(frozen=True)
class DayBudget:
    """The carbon budget of one London day, and what a plan emits on it."""

    limit_kg: float
    planned_kg: float


@dataclass(frozen=True)
class Side:
    """One of two plans."""

    at: datetime
    entries: Mapping[str, Entry]
    tapes: Mapping[str, Tape]
    rooms: Mapping[str, AssetRoom]
    """Power for jobs by cluster. Plans written down before limits were have none."""
    kappa_gbp_per_kg: float
    budgets: Mapping[date, DayBudget] = field(default_factory=dict)
    """By London day; empty where there is no carbon budget, or none was written down."""

    @classmethod
    def of_view(
        cls, view: Mapping[str, Any], signals: Mapping[str, RegionSignals] | None = None
    ) -> Side:
        """Read a frozen view.

        Args:
            view: As `services/snapshot.py` makes it.
            signals: The signals behind it where they are at hand: a frozen view keeps four days of them.
        """
        tapes = (
            {slug: Tape.of_view(row) for slug, row in view["signals"].items()}
            if signals is None
            else {slug: Tape.of_signals(known) for slug, known in signals.items()}
        )
        return cls(
            parse_rfc3339(view["planned_at"]),
            {job["job_id"]: _entry(job) for job in view["jobs"]},
            tapes,
            {
                asset["asset_id"]: AssetRoom.of_view(
                    float(asset["room_kw"]), view.get("room", {}).get(asset["asset_id"], {})
                )
                for asset in view["assets"]
            },
            float(view["policy"]["carbon_price_gbp_per_tonne"]) / 1000.0,
            {
                date.fromisoformat(row["date"]): DayBudget(row["budget_kg"], row["planned_kg"])
                for row in view.get("carbon_budget", ())
            },
        )

    @cached_property
    def holders(self) -> dict[tuple[str, datetime], list[tuple[str, float]]]:
        """Return (job, IT power) of everything that holds power, by cluster and half-hour. [kW]"""
        held: dict[tuple[str, datetime], list[tuple[str, float]]] = {}
        for entry in self.entries.values():
            if entry.placed is None:
                continue
            place = entry.placed.window.asset_id
            for slot, kw in entry.placed.reserved_kw.items():
                held.setdefault((place, slot), []).append((entry.job_id, kw))
        return held

    def others_in(self, placed: Placed, job_id: str) -> tuple[str, ...]:
        """Return the other jobs that hold power in a window, by id."""
        place = placed.window.asset_id
        found = {
            name
            for slot in placed.reserved_kw
            for name, _ in self.holders.get((place, slot), ())
            if name != job_id
        }
        return tuple(sorted(found))

    def others_kw(self, place: str, slot: datetime, job_id: str) -> float:
        """Return the IT power that the other jobs of this plan hold in one half-hour. [kW]"""
        return sum(kw for name, kw in self.holders.get((place, slot), ()) if name != job_id)

    def too_full(self, placed: Placed, job_id: str) -> tuple[datetime, ...]:
        """Return the half-hours of a window without room for a job beside everything else in this plan."""
        place = placed.window.asset_id
        room = self.rooms.get(place)
        return tuple(
            slot
            for slot, kw in sorted(placed.reserved_kw.items())
            if room is None
            or self.others_kw(place, slot, job_id) + kw > room.free_kw(slot) + TOLERANCE_KW
        )

    def has_room(self, placed: Placed, job_id: str) -> bool:
        """Return whether a window has room for a job beside everything else in this plan."""
        return not self.too_full(placed, job_id)

    def kg_by_day(self, placed: Placed) -> dict[date, float] | None:
        """Return what a window emits by London day on the signals of this plan; None where that is not known. [kg]"""
        tape = self.tapes.get(placed.window.region)
        if tape is None or not placed.meter_kwh:
            return None
        share = 1.0 + (placed.transfer_kwh / placed.energy_kwh if placed.energy_kwh > 0.0 else 0.0)
        found: dict[date, float] = {}
        for slot, kwh in placed.meter_kwh.items():
            carbon, _ = tape.over(slot, 1)
            day = london_date(slot)
            found[day] = found.get(day, 0.0) + kwh * float(carbon[0]) / 1000.0 * share
        return None if any(np.isnan(kg) for kg in found.values()) else found

    def worth(
        self, placed: Placed, kappa_gbp_per_kg: float, vat_factor: Callable[[datetime], float]
    ) -> Worth:
        """Return what a window costs on the signals of this plan; the price of waiting is its own.

        Args:
            placed: The window.
            kappa_gbp_per_kg: Value of carbon in its objective. [GBP/kg]
            vat_factor: What prices are multiplied by, by start of the half-hour.
        """
        tape = self.tapes.get(placed.window.region)
        if tape is None or not placed.meter_kwh:
            return worth_of(placed, None, None, kappa_gbp_per_kg)
        slots = list(placed.meter_kwh)
        first = min(slots)
        carbon, price = tape.over(first, (max(slots) - first) // SLOT + 1)
        grams = pounds = 0.0
        for slot, kwh in placed.meter_kwh.items():
            k = (slot - first) // SLOT
            grams += kwh * float(carbon[k])
            pounds += kwh * float(price[k]) * vat_factor(slot)
        if placed.energy_kwh > 0.0:  # moving its data is priced at the run's means
            moved = 1.0 + placed.transfer_kwh / placed.energy_kwh
            grams, pounds = grams * moved, pounds * moved
        return worth_of(placed, _known(pounds), _known(grams / 1000.0), kappa_gbp_per_kg)


def worth_of(
    placed: Placed, cost_gbp: float | None, carbon_kg: float | None, kappa_gbp_per_kg: float
) -> Worth:
    """Return the worth of a window from its sums; the objective is unknown where either is."""
    energy = placed.energy_kwh + placed.transfer_kwh
    return Worth(
        cost_gbp,
        carbon_kg,
        placed.delay_gbp,
        None
        if cost_gbp is None or carbon_kg is None
        else cost_gbp + kappa_gbp_per_kg * carbon_kg + placed.delay_gbp,
        None if carbon_kg is None or energy <= 0.0 else carbon_kg / energy * 1000.0,
        None if cost_gbp is None or energy <= 0.0 else cost_gbp / energy,
    )


def as_planned(placed: Placed, kappa_gbp_per_kg: float) -> Worth:
    """Return a window with the figures its own plan gave it."""
    return worth_of(placed, placed.cost_gbp, placed.carbon_kg, kappa_gbp_per_kg)


def _entry(view: Mapping[str, Any]) -> Entry:
    return Entry(
        view["job_id"],
        view["job_name"],
        view["status"],
        view["why"],
        view.get("schedule"),
        float(view.get("churn_gbp", 0.0)),
        bool(view.get("saves_too_little", False)),
    )


def _cut(values: FloatArray, shift: int, slots: int) -> FloatArray:
    """Return `slots` values from index `shift` on, NaN where there are none."""
    cut = np.full(slots, np.nan)
    first, last = max(0, shift), min(values.size, shift + slots)
    if first < last:
        cut[first - shift : last - shift] = values[first:last]
    return cut


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


def published_since(before: Tape | None, after: Tape | None, windows: Sequence[Placed]) -> bool:
    """Return whether prices of some half-hour of some windows were published between two plans."""
    if before is None or after is None or after.prices_known_until is None:
        return False
    old_until = before.prices_known_until
    return any(
        slot < after.prices_known_until and (old_until is None or slot >= old_until)
        for placed in windows
        for slot in placed.meter_kwh
    )
