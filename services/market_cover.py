"""What was sold and can no longer be given: clusters that became smaller or are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from models.domain.asset import Asset
from models.domain.errors import Conflict
from models.domain.market import Claim, Contract, ContractState, Side, WindowKind
from models.domain.time import floor_slot
from services import market_ends, market_news, market_records
from services.context import Context
from services.market_windows import LEAST_KW

TOLERANCE_KW = 1e-6


def uncovered(context: Context, bound: Sequence[Contract]) -> int:
    """Make contracts smaller, or end them, where their cluster cannot give them any more; return how many.

    Whoever came first keeps what is left. Buyers are told.

    Args:
        context: Ports.
        bound: Binding contracts, oldest first.
    """
    with context.uow() as uow:
        claims = uow.market.claims(floor_slot(context.clock.now()))
        assets = {asset.asset_id: asset for asset in uow.assets.all_live()}
    by_contract: dict[str, list[Claim]] = {}
    for claim in claims:
        by_contract.setdefault(claim.contract_id, []).append(claim)
    given: dict[tuple[str, datetime], float] = {}
    changed = 0
    for held in bound:
        if held.side is not Side.SELLER:
            continue
        try:
            changed += _covered(context, held, by_contract.get(held.contract_id, []), assets, given)
        except Conflict:
            continue  # it changed meanwhile, and is looked at again in the next round
    return changed


def _covered(
    context: Context,
    held: Contract,
    claims: Sequence[Claim],
    assets: Mapping[str, Asset],
    given: dict[tuple[str, datetime], float],
) -> int:
    asset = assets.get(held.window.asset_id)
    if asset is None:
        market_ends.end(
            context, held, ContractState.CANCELLED, "its cluster was removed", tells=True
        )
        return 1
    if held.window.kind is not WindowKind.COMPUTE or held.job_id is not None:
        return 0
    kept = [claim for claim in claims if claim.power_kw > 0.0]
    left_kw = min(
        (
            asset.room_at(claim.slot_start) - given.get((asset.asset_id, claim.slot_start), 0.0)
            for claim in kept
        ),
        default=None,
    )
    if left_kw is None or left_kw >= kept[0].power_kw - TOLERANCE_KW:
        power_kw = kept[0].power_kw if kept else 0.0
        _give(given, kept, power_kw)
        return 0
    quantity_kw = round(left_kw * asset.pue, 3)
    if quantity_kw < LEAST_KW:
        why = "its cluster became too small to give any of it"
        market_ends.end(context, held, ContractState.CANCELLED, why, tells=True)
        return 1
    smaller = market_news.shrunk(held, quantity_kw, context.system_now())
    with context.uow(write=True) as uow:
        uow.market.put(smaller)
        uow.market.claim(held.contract_id, [replace(claim, power_kw=left_kw) for claim in kept])
        detail = {"was_kw": held.quantity_kw}
        uow.decisions.append(market_records.contract(context, smaller, "changed", detail))
        market_news.tell(context, uow, smaller)
        uow.plans.bump()
        uow.commit()
    _give(given, kept, left_kw)
    return 1


def _give(given: dict[tuple[str, datetime], float], kept: Sequence[Claim], power_kw: float) -> None:
    for claim in kept:
        place = (claim.asset_id, claim.slot_start)
        given[place] = given.get(place, 0.0) + power_kw
