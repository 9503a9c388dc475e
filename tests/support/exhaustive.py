"""Find a job's best window by trying every one: an independent reading of the objective, in plain Python.

Nothing of the planner is used. Jobs and assets are the JSON that was sent; signals are plain tables. Constants are
those of the objective in docs/architecture.md with the default weights 0.6 (carbon), 0.3 (cost), 0.1 (deadline).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

HALF_HOUR = timedelta(minutes=30)

KAPPA_GBP_PER_KG = (0.6 / 0.3) * 0.20 / 0.15
"""(w_carbon / w_cost) · p_ref / c_ref = £2,667/t."""

DELAY_GBP_PER_KWH_H = (0.1 / 0.3) * 0.20 / 24.0
"""(w_deadline / 0.3) · p_ref / 24 h."""

PRIORITY = {"low": 0.5, "normal": 1.0, "high": 2.0, "critical": 4.0}

Signals = Mapping[str, Mapping[datetime, tuple[float, float]]]
"""By region and start of half-hour: price [GBP/kWh] and carbon [g/kWh]."""


@dataclass(frozen=True)
class Window:
    """One place and start a job could take."""

    asset_id: str
    start: datetime
    end: datetime
    cost_gbp: float
    carbon_kg: float
    delay_gbp: float

    @property
    def objective_gbp(self) -> float:
        """Return cost + κ·carbon + delay. [GBP]"""
        return self.cost_gbp + KAPPA_GBP_PER_KG * self.carbon_kg + self.delay_gbp


def instant(text: str) -> datetime:
    """Read an RFC 3339 time."""
    return datetime.fromisoformat(text).astimezone(UTC)


def next_half_hour(moment: datetime) -> datetime:
    """Return the first half-hour at or after a moment."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + math.ceil((moment - midnight) / HALF_HOUR) * HALF_HOUR


def arrival(job: Mapping[str, Any]) -> datetime:
    """Return the start of the run on arrival."""
    return next_half_hour(max(instant(job["earliest_start"]), instant(job["accepted_at"])))


def priced(
    job: Mapping[str, Any], asset: Mapping[str, Any], start: datetime, signals: Signals
) -> Window:
    """Price one run: every half-hour it touches, the last one by its minutes, at the meter."""
    hours = job["duration_hours"]
    cost = carbon_g = energy = 0.0
    for place in range(math.ceil(hours / 0.5 - 1e-9)):
        share_h = min(0.5, hours - 0.5 * place)
        kwh = job["estimated_power_kw"] * share_h * asset["pue"]
        price, intensity = signals[asset["region"]][start + place * HALF_HOUR]
        cost += price * kwh
        carbon_g += intensity * kwh
        energy += kwh
    waited_h = max(0.0, (start - arrival(job)) / timedelta(hours=1))
    delay = waited_h * DELAY_GBP_PER_KWH_H * energy * PRIORITY[job["priority"]]
    end = start + timedelta(hours=hours)
    return Window(asset["asset_id"], start, end, cost, carbon_g / 1000.0, delay)


def allowed(
    job: Mapping[str, Any], assets: Sequence[Mapping[str, Any]], signals: Signals, now: datetime
) -> Iterator[Window]:
    """Yield every window that meets regions, deadline and caps; starts lie on the half-hour."""
    first = max(arrival(job), next_half_hour(now))
    for asset in assets:
        if asset["region"] not in job["allowed_regions"]:
            continue
        start = first
        while start + timedelta(hours=job["duration_hours"]) <= instant(job["latest_finish"]):
            if not (job["flexibility_type"] == "fixed" and start > first):
                window = priced(job, asset, start, signals)
                if _meets_caps(job, asset, window):
                    yield window
            start += HALF_HOUR


def _meets_caps(job: Mapping[str, Any], asset: Mapping[str, Any], window: Window) -> bool:
    energy = job["duration_hours"] * job["estimated_power_kw"] * asset["pue"]
    most_g, most_gbp = job["carbon_cap_g_per_kwh"], job["max_price_per_kwh"]
    if most_g is not None and window.carbon_kg / energy * 1000.0 > most_g + 1e-9:
        return False
    return most_gbp is None or window.cost_gbp / energy <= most_gbp + 1e-9


def best(
    job: Mapping[str, Any],
    assets: Sequence[Mapping[str, Any]],
    signals: Signals,
    now: datetime,
    default_saving_percent: float = 5.0,
) -> Window | None:
    """Return the window the job should get with ample power, or None where no window is allowed.

    The least objective wins, ties by start; but where that saves less than the wanted share of the run on arrival,
    the run on arrival is taken if it is among the windows.
    """
    windows = list(allowed(job, assets, signals, now))
    if not windows:
        return None
    winner = min(windows, key=lambda w: (round(w.objective_gbp, 9), w.start, w.asset_id))
    own = next(asset for asset in assets if asset["asset_id"] == job["asset_id"])
    at_once = [w for w in windows if (w.asset_id, w.start) == (own["asset_id"], arrival(job))]
    wanted = job["min_saving_percent"]
    wanted = default_saving_percent if wanted is None else wanted
    if at_once and wanted > 0:
        base = at_once[0].objective_gbp
        if base - winner.objective_gbp < abs(base) * wanted / 100.0 - 1e-12:
            return at_once[0]
    return winner
