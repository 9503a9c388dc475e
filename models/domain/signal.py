"""Series over half-hours (carbon, price, generation mix, grid stress), each value with where it came from.

A series is held column-wise: one value per slot and, per slot, an index into the few provenances involved.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from models.domain.time import Horizon

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class SignalName(StrEnum):
    """What a series measures."""

    CARBON = "carbon"
    """Average location-based carbon intensity. [gCO2/kWh]"""
    PRICE = "price"
    """Octopus Agile import price, ex VAT. [GBP/kWh]"""
    GRID_STRESS = "grid_stress"
    """p10-scaled demand margin, 0 (slack) to 1 (tight); absent until a source gives it."""


UNITS: Mapping[SignalName, str] = {
    SignalName.CARBON: "gCO2/kWh",
    SignalName.PRICE: "GBP/kWh",
    SignalName.GRID_STRESS: "1",
}
"""Unit of each signal inside the product."""


class ValueKind(StrEnum):
    """What sort of statement a value is."""

    ACTUAL = "actual"
    FORECAST = "forecast"
    TARIFF = "tariff"
    ESTIMATE = "estimate"


class Quality(StrEnum):
    """How far a value can be trusted; ordered from best to worst by `QUALITY_ORDER`."""

    LIVE = "live"
    CACHED = "cached"
    STALE = "stale"
    ESTIMATED = "estimated"
    REPLAYED = "replayed"
    SIMULATED = "simulated"
    NONE = "none"


QUALITY_ORDER: tuple[Quality, ...] = (
    Quality.LIVE,
    Quality.CACHED,
    Quality.REPLAYED,
    Quality.STALE,
    Quality.ESTIMATED,
    Quality.SIMULATED,
    Quality.NONE,
)
"""From best to worst; a plan carries the worst quality among the values it used."""


def worst_quality(qualities: Iterable[Quality]) -> Quality:
    """Return the worst of some qualities; `none` when there are none."""
    return max(qualities, key=QUALITY_ORDER.index, default=Quality.NONE)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a value came from, and when."""

    source: str
    """Who said it, e.g. `NESO Carbon Intensity API`, `Octopus Agile AGILE-24-10-01`, `own estimate`."""
    endpoint: str
    """What was asked, e.g. `/regional/intensity/{from}/fw48h`; empty for own estimates."""
    kind: ValueKind
    quality: Quality
    issued_at: datetime | None
    """When the provider issued it; None where the provider gives no issue time."""
    retrieved_at: datetime
    """When we fetched or computed it, on the planning clock."""
    sha256: str = ""
    """Digest of the body or inputs it was read from (hex)."""
    note: str = ""
    """What a reader must know, e.g. `optimistic, leaks` or `mean of 28 days, same half-hour`."""


@dataclass(frozen=True, slots=True)
class SignalValue:
    """One half-hour of one series, for display and records."""

    start: datetime
    value: float | None
    unit: str
    p5: float | None
    p95: float | None
    provenance: Provenance | None


@dataclass(frozen=True)
class SignalSeries:
    """One signal of one region over consecutive half-hours; NaN marks a slot nothing is known of.

    Attributes:
        values: One value per slot, shape (slots,). [unit of the signal]
        provenance_index: Index into `provenances` per slot, -1 where the value is NaN. Shape (slots,).
        p5, p95: Quantiles per slot where known, else None. Shape (slots,).
    """

    name: SignalName
    region: str
    horizon: Horizon
    values: FloatArray
    provenance_index: IntArray
    provenances: tuple[Provenance, ...]
    p5: FloatArray | None = None
    p95: FloatArray | None = None

    def __post_init__(self) -> None:
        """Check shapes; a wrong shape is our own mistake and stops the program."""
        expected = (self.horizon.slots,)
        if self.values.shape != expected or self.provenance_index.shape != expected:
            raise ValueError(f"a series over {expected[0]} slots got {self.values.shape} values")

    @property
    def unit(self) -> str:
        """Return the unit of the values."""
        return UNITS[self.name]

    @classmethod
    def empty(cls, name: SignalName, region: str, horizon: Horizon) -> SignalSeries:
        """Return a series about which nothing is known."""
        return cls(
            name,
            region,
            horizon,
            np.full(horizon.slots, np.nan),
            np.full(horizon.slots, -1, dtype=np.int64),
            (),
        )

    @classmethod
    def of(
        cls,
        name: SignalName,
        region: str,
        horizon: Horizon,
        values: FloatArray | Iterable[float],
        provenance: Provenance,
    ) -> SignalSeries:
        """Return a series whose values all have one provenance (NaN stays without one)."""
        array = np.asarray(list(values), dtype=np.float64)
        index = np.where(np.isnan(array), -1, 0).astype(np.int64)
        return cls(name, region, horizon, array, index, (provenance,))

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Return which slots have a value, shape (slots,)."""
        return ~np.isnan(self.values)

    def at(self, index: int) -> SignalValue:
        """Return the value of slot `index` with its provenance; None values outside the horizon."""
        start = self.horizon.start_of(index)
        if not 0 <= index < self.horizon.slots or np.isnan(self.values[index]):
            return SignalValue(start, None, self.unit, None, None, None)

        def quantile(array: FloatArray | None) -> float | None:
            return None if array is None or np.isnan(array[index]) else float(array[index])

        return SignalValue(
            start,
            float(self.values[index]),
            self.unit,
            quantile(self.p5),
            quantile(self.p95),
            self.provenances[int(self.provenance_index[index])],
        )

    def rows(self) -> list[SignalValue]:
        """Return every slot as a value with provenance."""
        return [self.at(index) for index in range(self.horizon.slots)]

    def over(self, horizon: Horizon) -> SignalSeries:
        """Return the series cut or padded (with unknown) to another horizon."""
        shift = (horizon.start - self.horizon.start) // (
            self.horizon.start_of(1) - self.horizon.start
        )
        source = np.arange(horizon.slots) + shift
        inside = (source >= 0) & (source < self.horizon.slots)
        clipped = np.clip(source, 0, self.horizon.slots - 1)

        def take(array: FloatArray | None) -> FloatArray | None:
            return None if array is None else np.where(inside, array[clipped], np.nan)

        values = take(self.values)
        assert values is not None
        return SignalSeries(
            self.name,
            self.region,
            horizon,
            values,
            np.where(inside, self.provenance_index[clipped], -1).astype(np.int64),
            self.provenances,
            take(self.p5),
            take(self.p95),
        )

    def filled_from(self, other: SignalSeries) -> SignalSeries:
        """Return this series with its unknown slots taken from `other` (same horizon)."""
        if other.horizon != self.horizon:
            other = other.over(self.horizon)
        missing = ~self.is_known
        offset = len(self.provenances)
        index = np.where(
            missing & (other.provenance_index >= 0),
            other.provenance_index + offset,
            self.provenance_index,
        ).astype(np.int64)

        def merge(mine: FloatArray | None, theirs: FloatArray | None) -> FloatArray | None:
            if mine is None and theirs is None:
                return None
            blank = np.full(self.horizon.slots, np.nan)
            return np.where(
                missing,
                theirs if theirs is not None else blank,
                mine if mine is not None else blank,
            )

        return SignalSeries(
            self.name,
            self.region,
            self.horizon,
            np.where(missing, other.values, self.values),
            index,
            self.provenances + other.provenances,
            merge(self.p5, other.p5),
            merge(self.p95, other.p95),
        )

    def with_quality(self, quality: Quality) -> SignalSeries:
        """Return the series with every provenance relabelled to one quality."""
        return replace(
            self, provenances=tuple(replace(p, quality=quality) for p in self.provenances)
        )

    def provenances_used(self, indices: Iterable[int] | None = None) -> tuple[Provenance, ...]:
        """Return the distinct provenances behind some slots (all by default), in order of first use."""
        chosen = range(self.horizon.slots) if indices is None else indices
        seen: dict[int, None] = {}
        for index in chosen:
            if 0 <= index < self.horizon.slots and self.provenance_index[index] >= 0:
                seen.setdefault(int(self.provenance_index[index]))
        return tuple(self.provenances[k] for k in seen)

    def quality_over(self, indices: Iterable[int]) -> Quality:
        """Return the worst quality over some slots; `none` if any of them is unknown."""
        worst: list[Quality] = []
        for index in indices:
            if not 0 <= index < self.horizon.slots or self.provenance_index[index] < 0:
                return Quality.NONE
            worst.append(self.provenances[int(self.provenance_index[index])].quality)
        return worst_quality(worst)

    def estimated_share(self, indices: Iterable[int]) -> float:
        """Return the share of some slots whose value is an own estimate, 0 to 1."""
        kinds = [
            self.provenances[int(self.provenance_index[i])].kind is ValueKind.ESTIMATE
            for i in indices
            if 0 <= i < self.horizon.slots and self.provenance_index[i] >= 0
        ]
        return sum(kinds) / len(kinds) if kinds else 0.0

    def known_until(self) -> datetime | None:
        """Return the end of the last slot with a published value (not an own estimate), or None."""
        published = [
            i
            for i in range(self.horizon.slots)
            if self.provenance_index[i] >= 0
            and self.provenances[int(self.provenance_index[i])].kind is not ValueKind.ESTIMATE
        ]
        return self.horizon.start_of(published[-1] + 1) if published else None

    def digest(self) -> str:
        """Return a SHA-256 over name, region, horizon and values, to bind an array in a record."""
        head = f"{self.name}|{self.region}|{self.horizon.start.isoformat()}|{self.horizon.slots}|"
        rounded = np.round(self.values, 6)
        return hashlib.sha256(head.encode() + rounded.tobytes()).hexdigest()


@dataclass(frozen=True)
class MixSeries:
    """Generation mix of a region over half-hours: percent per fuel, with one provenance.

    Attributes:
        percent_by_fuel: Fuel key (`wind`, `gas`, …) to percent per slot, shape (slots,); NaN is unknown.
    """

    region: str
    horizon: Horizon
    percent_by_fuel: Mapping[str, FloatArray]
    provenance: Provenance

    RENEWABLE = frozenset({"wind", "solar", "hydro"})

    def at(self, instant: datetime) -> dict[str, float]:
        """Return the known percent per fuel in the slot that contains the instant."""
        index = self.horizon.index_of(instant)
        if not 0 <= index < self.horizon.slots:
            return {}
        return {
            fuel: float(row[index])
            for fuel, row in sorted(self.percent_by_fuel.items())
            if not np.isnan(row[index])
        }

    def renewable_percent(self, instant: datetime) -> float | None:
        """Return wind + solar + hydro in percent, or None where the mix is unknown. Biomass is not counted."""
        mix = self.at(instant)
        return self.renewable_of(mix) if mix else None

    @classmethod
    def renewable_of(cls, percent_by_fuel: Mapping[str, float]) -> float:
        """Return wind + solar + hydro of a known mix. [%]"""
        return sum(v for k, v in percent_by_fuel.items() if k in cls.RENEWABLE)


@dataclass(frozen=True)
class RegionSignals:
    """Everything the planner and the pages know about one region over one horizon."""

    region: str
    horizon: Horizon
    carbon: SignalSeries
    price: SignalSeries
    mix: tuple[MixSeries, ...] = field(default=())
    """Newest first; the first that covers a slot answers for it."""
    grid_stress: SignalSeries | None = None
