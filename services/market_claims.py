"""What contracts take from the plan: power kept for others, and limits on what jobs may draw."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import NoReturn

from agents.view import Held
from models.domain.asset import Asset
from models.domain.errors import Conflict
from models.domain.exchange import ContractFilter
from models.domain.market import BINDING_STATES, Claim, ContractState, WindowKind
from models.domain.ports import UnitOfWork
from models.domain.power_limit import PowerLimit
from models.domain.time import SLOT, Horizon

MOST_BOUND = 10_000
"""Contracts that bind us at once, at most as many as are looked at."""

CONTRACT_LIMIT = "held by contract "
REASON = CONTRACT_LIMIT + "{}"
"""Reason of a limit that a contract puts on a cluster."""

HOLDER = "contract "
"""What the name of a contract that keeps power in a plan begins with."""


def limited(assets: Sequence[Asset], claims: Iterable[Claim]) -> tuple[Asset, ...]:
    """Return assets with the limits that contracts put on what their jobs may draw.

    The stored asset is left alone: these are for planning only.
    """
    limits: dict[str, list[PowerLimit]] = {}
    for claim in claims:
        if claim.most_kw is not None:
            limits.setdefault(claim.asset_id, []).append(_limit(claim))
    if not limits:
        return tuple(assets)
    return tuple(
        _with_limits(asset, limits[asset.asset_id]) if asset.asset_id in limits else asset
        for asset in assets
    )


def _limit(claim: Claim) -> PowerLimit:
    assert claim.most_kw is not None
    return PowerLimit(
        max_power_kw=claim.most_kw,
        start=claim.slot_start,
        end=claim.slot_start + SLOT,
        reason=REASON.format(claim.contract_id)[:80],
    )


def _with_limits(asset: Asset, limits: Sequence[PowerLimit]) -> Asset:
    """Add limits on jobs; a cluster's limits are on jobs and base load together."""
    added = tuple(
        replace(limit, max_power_kw=limit.max_power_kw + asset.base_load_kw) for limit in limits
    )
    return replace(asset, power_limits=(*asset.power_limits, *added))


def kept_kw(
    claims: Iterable[Claim], *, besides: str = "", jobs: Collection[str] = ()
) -> dict[str, dict[datetime, float]]:
    """Return the IT power kept for others per asset and half-hour. [kW]

    Args:
        claims: What contracts claim.
        besides: A contract that is left out.
        jobs: Jobs that take their power themselves: what is kept for them does not count.
    """
    kept: dict[str, dict[datetime, float]] = {}
    for claim in claims:
        if claim.power_kw <= 0.0 or claim.contract_id == besides or claim.job_id in jobs:
            continue
        row = kept.setdefault(claim.asset_id, {})
        row[claim.slot_start] = row.get(claim.slot_start, 0.0) + claim.power_kw
    return kept


def held_of(claims: Iterable[Claim], horizon: Horizon, jobs: Collection[str]) -> tuple[Held, ...]:
    """Return what contracts keep as work that holds power in a negotiation.

    Args:
        claims: What contracts claim.
        horizon: Half-hours of the negotiation.
        jobs: Jobs of the negotiation; what is kept for one of them it takes itself.
    """
    wanted = sorted(
        (c for c in claims if c.power_kw > 0.0 and c.job_id not in jobs),
        key=lambda c: (c.contract_id, c.asset_id, c.slot_start),
    )
    found = []
    for (contract_id, asset_id), group in groupby(wanted, lambda c: (c.contract_id, c.asset_id)):
        by_slot = {claim.slot_start: claim.power_kw for claim in group}
        first, last = min(by_slot), max(by_slot)
        count = (last - first) // SLOT + 1
        power = tuple(by_slot.get(first + k * SLOT, 0.0) for k in range(count))
        name = f"{HOLDER}{contract_id}"
        found.append(Held(name, asset_id, horizon.index_of(first), power, last + SLOT))
    return tuple(found)


def most_kw(claims: Iterable[Claim]) -> Mapping[tuple[str, datetime], float]:
    """Return the lowest limit contracts put on jobs, by asset and half-hour. [kW]"""
    found: dict[tuple[str, datetime], float] = {}
    for claim in claims:
        if claim.most_kw is not None:
            name = (claim.asset_id, claim.slot_start)
            found[name] = min(found.get(name, claim.most_kw), claim.most_kw)
    return found


def must_be_free(
    uow: UnitOfWork,
    job_id: str,
    *,
    besides: str = "",
    states: frozenset[ContractState] = BINDING_STATES | {ContractState.HELD},
) -> None:
    """Raise `Conflict` where a contract decides when a job runs.

    Args:
        uow: Any transaction.
        job_id: The job.
        besides: Transaction whose contracts do not count.
        states: States in which a contract decides.
    """
    for contract in uow.market.find(ContractFilter(job_id=job_id, states=states)):
        if not besides or contract.transaction_id != besides:
            _refuse(job_id, contract.contract_id)
    for contract in uow.market.find(ContractFilter(states=BINDING_STATES, limit=MOST_BOUND)):
        is_pinned = contract.window.kind is WindowKind.TURN_UP
        if is_pinned and any(move.job_id == job_id for move in contract.moves):
            _refuse(job_id, contract.contract_id)


def _refuse(job_id: str, contract_id: str) -> NoReturn:
    raise Conflict(f"job {job_id} is bound by contract {contract_id}; cancel the contract first")
