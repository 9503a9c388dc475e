"""Carbon against cost: which values of carbon are worth looking at, and which computed points are worth taking.

Pure. Plans are heuristic, so that a point can come out worse than another in both; such points are kept, marked, and
left out of the curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from models.domain.carbon_value import HIGHEST_KAPPA_GBP_PER_KG, kappa_of_weights
from models.domain.plan import Placement

COST_ONLY_GBP_PER_TONNE = 0.0
"""Preset *cost only*. [GBP/t]"""

UK_APPRAISAL_GBP_PER_TONNE = 245.0
"""Preset: central UK appraisal value of 2021. [GBP/t]

Source: DESNZ, "Valuation of greenhouse gas emissions: for policy appraisal and evaluation", 2021: £245/t in 2021.
"""

DEFAULT_GBP_PER_TONNE = round(kappa_of_weights(0.6, 0.3) * 1000.0, 3)
"""Preset *carbon first*: the weights 0.6 and 0.3. [GBP/t]"""

HIGHEST_GBP_PER_TONNE = HIGHEST_KAPPA_GBP_PER_KG * 1000.0
"""The most a tonne may count. [GBP/t]"""

SAME_SHARE = 1e-9
"""Relative difference below which two totals count as equal."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the jobs that hold an award; parts that are unknown are not counted, but their number is."""

    jobs: int = 0
    """Jobs with an award."""
    energy_kwh: float = 0.0
    carbon_kg: float = 0.0
    cost_gbp: float = 0.0
    delay_gbp: float = 0.0
    """What waiting was counted as; not money that anybody pays. [GBP]"""
    unknown_jobs: int = 0
    """Jobs whose carbon or cost is not known."""

    @classmethod
    def of(cls, placements: Iterable[Placement | None]) -> Sums:
        """Return the sums over placements; None is a job without one."""
        placed = [one for one in placements if one is not None]
        return cls(
            jobs=len(placed),
            energy_kwh=sum(one.energy_kwh for one in placed),
            carbon_kg=sum(one.carbon_kg or 0.0 for one in placed),
            cost_gbp=sum(one.cost_gbp or 0.0 for one in placed),
            delay_gbp=sum(one.delay_gbp for one in placed),
            unknown_jobs=sum(one.carbon_kg is None or one.cost_gbp is None for one in placed),
        )


@dataclass(frozen=True, slots=True)
class Point:
    """What one value of carbon gives."""

    carbon_price_gbp_per_tonne: float
    totals: Sums
    is_current: bool = False
    is_asked: bool = False
    fault: str = ""
    """Why it is not on the curve: `dominated`, or `serves fewer jobs`; empty where it is."""


@dataclass(frozen=True, slots=True)
class TradeOff:
    """All computed points, by value of carbon."""

    points: tuple[Point, ...]
    unplanned_gbp_per_tonne: tuple[float, ...]
    """Values of the curve that are not planned yet, because each takes long."""

    @property
    def curve(self) -> tuple[Point, ...]:
        """Return the points that no other one beats, cheapest first."""
        kept = [point for point in self.points if not point.fault]
        return tuple(sorted(kept, key=lambda p: (p.totals.cost_gbp, p.totals.carbon_kg)))


def as_trade_off(points: Sequence[Point], unplanned: Iterable[float] = ()) -> TradeOff:
    """Return points with their faults marked, by value of carbon.

    A point that serves fewer jobs than another is not comparable. One is dominated where another serves as many, costs
    and emits no more, and one of the two less.
    """
    most = max((point.totals.jobs for point in points), default=0)
    judged = []
    for point in points:
        fault = ""
        if point.totals.jobs < most:
            fault = "serves fewer jobs"
        elif any(_beats(other.totals, point.totals) for other in points):
            fault = "dominated"
        judged.append(replace(point, fault=fault))
    judged.sort(key=lambda point: point.carbon_price_gbp_per_tonne)
    return TradeOff(tuple(judged), tuple(sorted(unplanned)))


def _beats(other: Sums, mine: Sums) -> bool:
    if other.jobs < mine.jobs:
        return False
    pairs = ((other.cost_gbp, mine.cost_gbp), (other.carbon_kg, mine.carbon_kg))
    scale = [max(abs(a), abs(b)) * SAME_SHARE for a, b in pairs]
    no_worse = all(a <= b + s for (a, b), s in zip(pairs, scale, strict=True))
    return no_worse and any(a < b - s for (a, b), s in zip(pairs, scale, strict=True))
