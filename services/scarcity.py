"""The shadow prices of the plan in force: what power is worth in its full half-hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from agents.wording import when
from models.domain.plan import NegotiationStatus, NegotiationSummary
from models.domain.ports import UnitOfWork
from models.domain.signal import FloatArray, IntArray
from models.domain.time import SLOT_HOURS, Horizon, parse_rfc3339
from services.context import Context
from services.explain_types import Scarcity, Shadow
from services.memo import Memo

_of_plan: Memo[Scarcity] = Memo(entries=4)


def in_force(context: Context, uow: UnitOfWork) -> Scarcity:
    """Return the shadow prices of the newest committed plan; without one the note says so."""
    newest = uow.plans.negotiations(status=NegotiationStatus.COMMITTED, limit=1).items
    if not newest:
        return Scarcity()
    summary = newest[0]
    return _of_plan.get(
        context,
        summary.negotiation_id,
        lambda: _read(summary, uow.plans.snapshot(summary.negotiation_id)),
    )


def prices_of(snapshot: Mapping[str, Any]) -> dict[str, tuple[datetime, FloatArray]]:
    """Return the shadow prices of a stored plan: per asset the first half-hour, and GBP/kWh from there on."""
    return {
        asset_id: (
            parse_rfc3339(row["start_time"]),
            np.array(row["gbp_per_kwh"], dtype=np.float64),
        )
        for asset_id, row in snapshot.get("shadow_prices", {}).items()
    }


def of_run(
    scarcity: Scarcity, asset_id: str, horizon: Horizon, slots: IntArray, power_kw: FloatArray
) -> Shadow | None:
    """Return what scarce power would cost a run; None where no plan is in force.

    Args:
        scarcity: Prices of the plan in force.
        asset_id: Where it would run.
        horizon: What `slots` count in.
        slots: Half-hours of the run, shape (n,), n >= 1.
        power_kw: IT power reserved in each, shape (n,). [kW]
    """
    if scarcity.negotiation_id is None:
        return None
    prices = np.array(
        [scarcity.price_gbp_per_kwh(asset_id, horizon.start_of(int(slot))) for slot in slots]
    )
    reserved_kwh = power_kw * SLOT_HOURS
    run_gbp = float(prices @ reserved_kwh)
    energy_kwh = float(reserved_kwh.sum())
    mean = run_gbp / energy_kwh if energy_kwh > 0.0 else 0.0
    return Shadow(mean, float(prices.max()), run_gbp)


def _read(summary: NegotiationSummary, snapshot: Mapping[str, Any]) -> Scarcity:
    prices = prices_of(snapshot)
    planned_at = summary.finished_at or summary.started_at
    plan = f"the plan in force, of {when(planned_at)}"
    count = sum(int((row > 0.0).sum()) for _, row in prices.values())
    if "shadow_prices" not in snapshot:
        note = f"No shadow prices were kept with {plan}."
    elif not count:
        note = f"No half-hour is scarce in {plan}: more power anywhere would not have made it better, as far as its prices tell."
    else:
        halves = "half-hour is" if count == 1 else "half-hours are"
        clusters = "1 cluster" if len(prices) == 1 else f"{len(prices)} clusters"
        note = f"{count} {halves} scarce on {clusters} in {plan}."
    return Scarcity(summary.negotiation_id, planned_at, prices, note)
