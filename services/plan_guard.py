"""Whether a plan may still be committed: what moved on while it was made, and whether the rest of it still fits.

A plan that came too late for some jobs is committed without them, so that a crowd which keeps changing jobs does not keep
everybody else from being planned. They are answered by the next plan.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from models.domain.errors import StalePlan
from models.domain.ports import UnitOfWork
from models.domain.time import Horizon
from services.situation import Facts, overtaken

log = logging.getLogger(__name__)

TOLERANCE_KW = 1e-6
"""Rounding of sums of power. [kW]"""

Held = Mapping[str, Mapping[datetime, float]]
"""Power by cluster and half-hour. [kW]"""


def late_for(uow: UnitOfWork, facts: Facts, token: int, *, is_strict: bool) -> frozenset[str]:
    """Return the jobs a plan comes too late for.

    Args:
        uow: The transaction of the commit.
        facts: What the plan was made from.
        token: Fencing token of the planner.
        is_strict: Whether anything that changed makes it stale.

    Raises:
        StalePlan: If it comes too late for all, or another planner has taken over.
    """
    version = uow.plans.version()
    late = None if is_strict or version == facts.version else overtaken(facts, uow)
    uow.plans.guard(facts.version if late is None else version, token)
    if late is None:
        return frozenset()
    log.info("a plan is taken without what was added meanwhile and %d jobs that changed", len(late))
    return late


def held_by_all(uow: UnitOfWork, horizon: Horizon) -> Held:
    """Return what every award holds within a horizon."""
    return uow.plans.reserved(horizon.start, horizon.end)


def check_room(uow: UnitOfWork, facts: Facts, horizon: Horizon, before: Held) -> None:
    """Raise `StalePlan` where a plan and what the jobs it came too late for still hold do not fit together.

    Args:
        uow: The transaction of the commit, with the plan in it.
        facts: What the plan was made from; limits of power at times and contracts included.
        horizon: Half-hours of the plan.
        before: What was held before the plan: a breach that was there is none of its making.
    """
    assets = {asset.asset_id: asset for asset in facts.assets}
    for asset_id, held in held_by_all(uow, horizon).items():
        for slot, power_kw in held.items():
            was_kw = before.get(asset_id, {}).get(slot, 0.0)
            room_kw = assets[asset_id].room_at(slot) if asset_id in assets else 0.0
            if power_kw > max(room_kw, was_kw) + TOLERANCE_KW:
                raise StalePlan(f"{asset_id} has no room for this plan any more; plan again")
