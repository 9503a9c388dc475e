"""The power levels of an elastic job, and the cheapest mixes of them that any run could have.

Work is counted in half-hours at the full rate; a half-hour at rate r does r of it. Between levels only mixes exist:
the envelope of a half-hour is the least (or, where energy is paid for, the most) power that any mix of its levels
needs for some work. No level lies on the wrong side of it, so what is priced on envelopes is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from models.domain.job import Job
from models.domain.time import SLOT
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray

RATE_DECIMALS = 6
"""Rates are told apart to so many decimals."""

LEAST_KW = 1e-9
"""Power at or below this is standing still. [kW]"""


@dataclass(frozen=True)
class Levels:
    """At what power an elastic job can run, and how fast it then is; standing still is always allowed besides.

    Attributes:
        power_kw: Ascending; two values, lowest and full power, where the rate is linear between them. [kW]
        rate: Share of the full rate at each, more than 0.
        is_linear: True where every power between the two is allowed, with a rate in proportion.
    """

    power_kw: FloatArray
    rate: FloatArray
    is_linear: bool

    @property
    def lowest_kw(self) -> float:
        """Return the least power it can run at. [kW]"""
        return float(self.power_kw[0]) if self.power_kw.size else 0.0

    @property
    def full_kw(self) -> float:
        """Return the most power it can run at. [kW]"""
        return float(self.power_kw[-1]) if self.power_kw.size else 0.0

    def allowed(self, room_kw: FloatArray) -> IntArray:
        """Return how many of the levels fit into each room; levels of a job are dropped from the top. Shape as given."""
        answer: IntArray = np.searchsorted(self.power_kw, room_kw + TOLERANCE_KW, side="right")
        return answer

    @cached_property
    def envelopes(self) -> tuple[tuple[Envelope, Envelope], ...]:
        """Return (least power, most power) envelopes by how many levels are allowed, from none to all."""
        found = []
        for count in range(self.power_kw.size + 1):
            power = np.concatenate([[0.0], self.power_kw[:count]])
            rate = np.concatenate([[0.0], self.rate[:count]])
            found.append((_envelope(rate, power, 1.0), _envelope(rate, power, -1.0)))
        return tuple(found)

    @cached_property
    def pieces(self) -> tuple[FloatArray, FloatArray]:
        """Return widths and slopes of all envelopes, shape (allowed levels + 1, least or most power, pieces)."""
        most = max(each.width.size for pair in self.envelopes for each in pair)
        width = np.zeros((len(self.envelopes), 2, most))
        slope = np.zeros_like(width)
        for count, pair in enumerate(self.envelopes):
            for sign, each in enumerate(pair):
                width[count, sign, : each.width.size] = each.width
                slope[count, sign, : each.width.size] = each.slope_kw
        return width, slope


@dataclass(frozen=True)
class Envelope:
    """Straight pieces from standing still to the highest rate; arrays have shape (pieces,).

    Attributes:
        width: Rate gained on each piece.
        slope_kw: Power that a unit of rate costs on each. [kW]
    """

    width: FloatArray
    slope_kw: FloatArray


def levels_of(job: Job) -> Levels:
    """Return the levels of an elastic job.

    Without a table the rate is linear between `min_power_kw` (0 if not given) and full power. Levels below
    `min_power_kw` and levels that do no work are left out.
    """
    return _levels(job.power_kw, max(job.min_power_kw or 0.0, 0.0), tuple(job.power_levels))


@lru_cache(maxsize=4096)
def _levels(full_kw: float, least: float, power_levels: tuple[tuple[float, float], ...]) -> Levels:
    if not power_levels:
        power = np.array([least, full_kw] if least > LEAST_KW else [0.0, full_kw])
        return Levels(power, power / full_kw, is_linear=True)
    table = {
        kw: round(rate, RATE_DECIMALS)
        for kw, rate in sorted(power_levels)
        if kw > LEAST_KW and kw >= least - TOLERANCE_KW
    }
    usable = [(kw, rate) for kw, rate in table.items() if rate > 0.0]
    power, rate = np.array(usable, dtype=np.float64).reshape(-1, 2).T.copy()
    return Levels(power, rate, is_linear=False)


def work_of(job: Job) -> float:
    """Return the work a job needs: its duration at the full rate. [half-hours]"""
    return job.duration / SLOT


def _envelope(rate: FloatArray, power: FloatArray, sign: float) -> Envelope:
    """Return the lower (sign 1) or upper (sign −1) envelope of power over rate."""
    order = np.lexsort((sign * power, rate))
    hull: list[tuple[float, float]] = []
    for x, y in zip(rate[order], sign * power[order], strict=True):
        if hull and x - hull[-1][0] < 10.0**-RATE_DECIMALS / 2:
            continue
        while len(hull) > 1 and _is_above(hull[-2], hull[-1], (x, y)):
            hull.pop()
        hull.append((float(x), float(y)))
    points = np.array(hull)
    width = np.diff(points[:, 0])
    return Envelope(width, sign * np.diff(points[:, 1]) / width)


def _is_above(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    """Return whether b lies on or above the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])
