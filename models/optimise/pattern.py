"""A run in any shape: which half-hours of one asset a job uses, at what power, and what that costs.

Contiguous runs, runs in chunks and runs of varying power are all patterns, so that an award, its description and its
checks need to know only one thing. What a pattern costs is computed here, apart from the methods that find one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from models.domain.plan import Segment
from models.domain.time import SLOT, SLOT_HOURS, Horizon
from models.optimise.table import FloatArray, IntArray

FINISH_TOLERANCE = 1e-9
"""Slack when a finish is compared with a deadline, for rounding. [half-hours]"""


@dataclass(frozen=True)
class Lane:
    """The half-hours of one asset that are open to one job, with everything that prices a run there.

    Arrays have shape (slots,), begin at slot `first` and end with the slot that contains `end`; NaN marks an unknown
    price or carbon.

    Attributes:
        row: Asset row in the priced table.
        first: First slot the job may use.
        end: Latest finish, counted from the start of the horizon; may lie inside a slot. [half-hours]
        price_gbp_per_kwh: [GBP/kWh at the meter]
        carbon_kg_per_kwh: [kg/kWh at the meter]
        shadow_gbp_per_kwh: λ, what scarce power costs on top, at least 0. [GBP/kWh of reserved IT power]
        room_kw: IT power that can be had. [kW]
        pue: Meter power over IT power, what the network draws to move the job's data included.
        kappa_gbp_per_kg: Value of carbon. [GBP/kg]
        arrived: Finish of the run on arrival, counted as `end`. [half-hours]
        delay_gbp_per_hour: Price of one hour of waiting. [GBP/h]
        charge_gbp_per_kwh: μ·carbon of days whose carbon budget is short; None: none is. [GBP/kWh at the meter]
        transfer_share: Energy of moving the data over the energy of a run at full power without breaks.
    """

    row: int
    first: int
    end: float
    price_gbp_per_kwh: FloatArray
    carbon_kg_per_kwh: FloatArray
    shadow_gbp_per_kwh: FloatArray
    room_kw: FloatArray
    pue: float
    kappa_gbp_per_kg: float
    arrived: float
    delay_gbp_per_hour: float
    charge_gbp_per_kwh: FloatArray | None = None
    transfer_share: float = 0.0

    @property
    def slots(self) -> int:
        """Return how many half-hours the lane has."""
        return int(self.price_gbp_per_kwh.size)

    @cached_property
    def has_unknown(self) -> bool:
        """Return whether the price or the carbon of some half-hour is not known."""
        return bool(
            np.isnan(self.price_gbp_per_kwh).any() or np.isnan(self.carbon_kg_per_kwh).any()
        )

    @cached_property
    def worth_gbp_per_kwh(self) -> FloatArray:
        """Return price + κ·carbon + charge of each half-hour, unknown parts as 0. [GBP/kWh at the meter]"""
        answer: FloatArray = np.nan_to_num(
            self.price_gbp_per_kwh
        ) + self.kappa_gbp_per_kg * np.nan_to_num(self.carbon_kg_per_kwh)
        return answer if self.charge_gbp_per_kwh is None else answer + self.charge_gbp_per_kwh

    def delay_gbp(self, finish: FloatArray) -> FloatArray:
        """Return the price of finishing then.

        Args:
            finish: Counted from the start of the horizon, any shape. [half-hours]
        """
        waited_h = np.maximum(finish - self.arrived, 0.0) * SLOT_HOURS
        answer: FloatArray = waited_h * self.delay_gbp_per_hour
        return answer

    def usable_share(self) -> FloatArray:
        """Return which part of each half-hour lies before the latest finish, 0 to 1."""
        starts = self.first + np.arange(self.slots, dtype=np.float64)
        answer: FloatArray = np.clip(self.end - starts, 0.0, 1.0)
        return answer


@dataclass(frozen=True)
class Pattern:
    """What a job uses on one asset; arrays have shape (used slots,), in the order of time.

    Attributes:
        row: Asset row in the priced table.
        slot: Slots used, counted from the start of the horizon.
        power_kw: IT power in each of them; the whole half-hour reserves it. [kW]
        share: Part of each half-hour in which that power is drawn and billed; 1 except, perhaps, the last.
        energy_kwh: At the meter. [kWh]
        transfer_kwh: Of the network that moves the job's data; counted in cost and carbon. [kWh]
        cost_gbp: NaN where a used half-hour has no price. [GBP]
        carbon_kg: NaN where a used half-hour has no carbon. [kg]
        delay_gbp: Price of waiting against the run on arrival. [GBP]
        charge_gbp: μ·carbon of days whose carbon budget is short. [GBP]
        objective_gbp: cost + κ·carbon + delay + charge, known parts. [GBP]
        scarcity_gbp: Σ λ · reserved kW · 0.5 h; no part of the objective. [GBP]
        chunks: Stretches without a break in between.
        finish: Counted from the start of the horizon. [half-hours]
        is_exact: True where it is proven that no pattern of this job in this room costs less.
    """

    row: int
    slot: IntArray
    power_kw: FloatArray
    share: FloatArray
    energy_kwh: float
    transfer_kwh: float
    cost_gbp: float
    carbon_kg: float
    delay_gbp: float
    charge_gbp: float
    objective_gbp: float
    scarcity_gbp: float
    chunks: int
    finish: float
    is_exact: bool

    @property
    def start(self) -> int:
        """Return the first slot used."""
        return int(self.slot[0])

    @property
    def stop(self) -> int:
        """Return the slot after the last one used."""
        return int(self.slot[-1]) + 1

    @property
    def priced_gbp(self) -> float:
        """Return objective and scarcity together: what a job agent compares patterns by. [GBP]"""
        return self.objective_gbp + self.scarcity_gbp

    @property
    def tier(self) -> int:
        """Return how many of the two signals are unknown somewhere in the run, 0 to 2."""
        return int(np.isnan(self.cost_gbp)) + int(np.isnan(self.carbon_kg))

    @property
    def parts(self) -> tuple[tuple[int, float, float], ...]:
        """Return (slot, power_kw, share) of each half-hour used."""
        return tuple(
            (int(t), float(kw), float(part))
            for t, kw, part in zip(self.slot, self.power_kw, self.share, strict=True)
        )

    def is_same_run(self, other: Pattern) -> bool:
        """Return whether two patterns use the same half-hours of the same asset at the same power."""
        return (
            self.row == other.row
            and np.array_equal(self.slot, other.slot)
            and bool(np.allclose(self.power_kw, other.power_kw, rtol=0.0, atol=1e-6))
        )


def reserve(pattern: Pattern) -> tuple[IntArray, FloatArray]:
    """Return the slots a pattern uses and the IT power it holds in each; a part-used slot holds full power. [kW]"""
    return pattern.slot, pattern.power_kw


def bill(
    lane: Lane, offset: IntArray, power_kw: FloatArray, share: FloatArray, *, is_exact: bool
) -> Pattern:
    """Price a run on a lane.

    Args:
        lane: Where it runs.
        offset: Half-hours used, counted from `lane.first`, ascending, at least one.
        power_kw: IT power in each, shape as `offset`. [kW]
        share: Part of each that is billed, shape as `offset`.
        is_exact: Passed on.
    """
    energy = power_kw * share * SLOT_HOURS * lane.pue
    cost = energy * lane.price_gbp_per_kwh[offset]
    carbon = energy * lane.carbon_kg_per_kwh[offset]
    finish = float(lane.first + offset[-1] + share[-1])
    delay = float(lane.delay_gbp(np.array(finish)))
    drawn = float(energy.sum())
    own = drawn / (1.0 + lane.transfer_share)
    charged = lane.charge_gbp_per_kwh
    charge = 0.0 if charged is None else float(energy @ charged[offset])
    known = float(np.nansum(cost)) + lane.kappa_gbp_per_kg * float(np.nansum(carbon))
    return Pattern(
        row=lane.row,
        slot=(lane.first + offset).astype(np.int64),
        power_kw=power_kw,
        share=share,
        energy_kwh=own,
        transfer_kwh=drawn - own,
        cost_gbp=float(cost.sum()),
        carbon_kg=float(carbon.sum()),
        delay_gbp=delay,
        charge_gbp=charge,
        objective_gbp=known + delay + charge,
        scarcity_gbp=float(lane.shadow_gbp_per_kwh[offset] @ power_kw) * SLOT_HOURS,
        chunks=1 + int((np.diff(offset) > 1).sum()),
        finish=finish,
        is_exact=is_exact,
    )


def segments(pattern: Pattern, horizon: Horizon) -> tuple[Segment, ...]:
    """Return the run as stretches of constant IT power; the last ends with the run, to the minute."""
    found: list[Segment] = []
    for t, kw, part in pattern.parts:
        start = horizon.start_of(t)
        end = start + part * SLOT
        if found and found[-1].power_kw == kw and found[-1].end == start:
            found[-1] = Segment(found[-1].start, end, kw)
        else:
            found.append(Segment(start, end, kw))
    return tuple(found)


def known_first(lanes: Sequence[Lane]) -> Iterator[list[Lane]]:
    """Yield the lanes with only their known half-hours open, then with all; once where all are known."""
    if not any(lane.has_unknown for lane in lanes):
        yield list(lanes)
        return
    known = [
        ~(np.isnan(lane.price_gbp_per_kwh) | np.isnan(lane.carbon_kg_per_kwh)) for lane in lanes
    ]
    yield [
        replace(
            lane,
            room_kw=np.where(is_known, lane.room_kw, -np.inf),
            price_gbp_per_kwh=np.nan_to_num(lane.price_gbp_per_kwh),
            carbon_kg_per_kwh=np.nan_to_num(lane.carbon_kg_per_kwh),
        )
        for lane, is_known in zip(lanes, known, strict=True)
    ]
    yield list(lanes)
