"""How wrong archived forecasts were, by how far ahead they looked.

Only the national series has metered actuals, so only for `gb` can carbon forecasts be judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.domain.signal import FloatArray, SignalName, SignalSeries, ValueKind
from models.domain.time import SLOT, Horizon, floor_slot, london_date
from services.brief import Brief
from services.context import Context

NEEDED_DAYS = 14
"""Days of archived forecasts below which no statistic is shown. Source: design section 5, "Uncertainty". [d]"""

LOOK_BACK_DAYS = 60
"""Days of forecasts that enter the statistics. [d]"""

LEAD_EDGES_HOURS = (0, 6, 12, 24, 36, 48)
"""Borders of the classes of lead time. [h]"""

_known: Brief[dict[Any, Mapping[str, Any]]] = Brief(3600.0)


def show(context: Context, slug: str, signal: SignalName) -> Mapping[str, Any]:
    """Return mean absolute error and bias by lead time, or `{"reason": …, "days": n}`."""
    if signal is not SignalName.CARBON:
        return {
            "reason": "prices are published tariffs; own estimates beyond them are not archived",
            "days": 0,
        }
    if slug != "gb":
        return {"reason": "regions have no metered actuals; ask for gb", "days": 0}
    key = (context.signals.mode, london_date(context.clock.now()))
    kept = _known.get(context, dict)
    if key not in kept:
        kept[key] = _statistics(context)
    return kept[key]


def _statistics(context: Context) -> Mapping[str, Any]:
    now = floor_slot(context.clock.now())
    horizon = Horizon(now - timedelta(days=LOOK_BACK_DAYS), LOOK_BACK_DAYS * 48)
    actual = context.signals.actuals("gb", horizon)
    issues = context.signals.issues(SignalName.CARBON, "gb", horizon)
    return summarise(actual, issues, horizon)


def summarise(
    actual: SignalSeries, issues: Iterable[SignalSeries], horizon: Horizon
) -> Mapping[str, Any]:
    """Compare archived forecasts with actuals.

    Args:
        actual: Last published values; only those of kind actual count. [gCO2/kWh]
        issues: Every archived issue, oldest first; only values of kind forecast count. [gCO2/kWh]
        horizon: Half-hours that are judged.

    Returns:
        `{"days", "unit", "by_lead": [{"lead_hours", "mae", "bias", "n"}]}` with bias = forecast − actual; or
        `{"reason", "days"}` while fewer than 14 days were archived.
    """
    metered = np.where(_is_kind(actual, ValueKind.ACTUAL), actual.values, np.nan)
    errors: list[FloatArray] = []
    leads: list[FloatArray] = []
    first: datetime | None = None
    last: datetime | None = None
    for issue in issues:
        forecast = np.where(_is_kind(issue, ValueKind.FORECAST), issue.values, np.nan)
        if not issue.provenances or np.isnan(forecast).all():
            continue
        said_at = min(p.issued_at or p.retrieved_at for p in issue.provenances)
        first, last = min(first or said_at, said_at), max(last or said_at, said_at)
        shift = (issue.horizon.start - horizon.start) // SLOT
        place = np.arange(issue.horizon.slots) + shift
        inside = (place >= 0) & (place < horizon.slots)
        error = np.full(issue.horizon.slots, np.nan)
        error[inside] = forecast[inside] - metered[place[inside]]
        errors.append(error)
        from_said = (issue.horizon.start - said_at) / timedelta(hours=1)
        leads.append(np.asarray(from_said + np.arange(issue.horizon.slots) * 0.5, dtype=np.float64))
    days = (last - first).days if first and last else 0
    if days < NEEDED_DAYS:
        return {"reason": f"needs {NEEDED_DAYS} days of archived forecasts", "days": days}
    return {
        "days": days,
        "unit": actual.unit,
        "by_lead": _by_lead(np.concatenate(errors), np.concatenate(leads)),
    }


def _by_lead(error: FloatArray, lead_hours: FloatArray) -> list[dict[str, Any]]:
    known = ~np.isnan(error) & (lead_hours >= -0.5)
    rows = []
    for low, high in pairwise(LEAD_EDGES_HOURS):
        lead = np.maximum(lead_hours, 0.0)
        chosen = error[known & (lead >= low) & (lead < high)]
        if chosen.size:
            rows.append(
                {
                    "lead_hours": f"{low}–{high}",
                    "mae": float(np.abs(chosen).mean()),
                    "bias": float(chosen.mean()),
                    "n": int(chosen.size),
                }
            )
    return rows


def _is_kind(series: SignalSeries, kind: ValueKind) -> NDArray[np.bool_]:
    table = np.asarray([*(p.kind is kind for p in series.provenances), False], dtype=np.bool_)
    return table[series.provenance_index]
