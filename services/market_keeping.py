"""What a contract claims at each step, so that what was promised is still there when it is to be delivered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from models.domain.asset import Asset
from models.domain.market import Claim, Contract, Move, WindowKind
from models.domain.ports import UnitOfWork
from models.domain.time import SLOT
from services.market_windows import planned_kw


def claims_held(uow: UnitOfWork, made: Contract) -> Sequence[Claim]:
    """Return what is kept while a contract waits to be confirmed.

    Of flexibility that is the room into which work would move, beyond what the work has there already; and where load
    would be taken away, nothing more may come meanwhile.
    """
    window = made.window
    asset = uow.assets.get(window.asset_id)
    if window.kind is WindowKind.COMPUTE and made.job_id is not None:
        move = made.moves[0]
        job = uow.jobs.get(move.job_id)
        return [
            Claim(made.contract_id, asset.asset_id, move.to_start + k * SLOT, kw, job_id=job.job_id)
            for k, kw in enumerate(job.slot_power_kw())
        ]
    if window.kind is WindowKind.COMPUTE:
        power = made.quantity_kw / asset.pue
        return [Claim(made.contract_id, asset.asset_id, start, power) for start in window.starts()]
    kept = [
        Claim(made.contract_id, asset_id, start, power)
        for (asset_id, start), power in room_for(uow, made.moves).items()
    ]
    if window.kind is WindowKind.TURN_DOWN:
        loads = planned_kw(uow, asset, window)
        kept += [
            Claim(made.contract_id, asset.asset_id, start, most_kw=kw / asset.pue)
            for start, kw in zip(window.starts(), loads, strict=True)
        ]
    return kept


def claims_bound(asset: Asset, bound: Contract) -> Sequence[Claim]:
    """Return what a confirmed contract claims: jobs that are pinned take their power themselves."""
    window, name = bound.window, bound.contract_id
    if window.kind is WindowKind.TURN_DOWN:
        return [
            Claim(
                name, asset.asset_id, start,
                most_kw=max(kw - bound.quantity_kw, 0.0) / asset.pue,
            )
            for start, kw in zip(window.starts(), bound.baseline_kw, strict=True)
        ]  # fmt: skip
    if window.kind is WindowKind.TURN_UP:
        # Nothing is kept, but nobody may sell the opposite there.
        return [Claim(name, asset.asset_id, start) for start in window.starts()]
    if bound.job_id is not None:
        return ()
    power = bound.quantity_kw / asset.pue
    return [Claim(name, asset.asset_id, start, power) for start in window.starts()]


def room_for(uow: UnitOfWork, moves: Iterable[Move]) -> dict[tuple[str, datetime], float]:
    """Return the IT power that moves need where they lead, by asset and half-hour, beyond what the jobs hold there. [kW]"""
    needed: dict[tuple[str, datetime], float] = {}
    for move in moves:
        powers = uow.jobs.get(move.job_id).slot_power_kw()
        before = {
            (move.from_asset_id, move.from_start + k * SLOT): kw for k, kw in enumerate(powers)
        }
        for k, kw in enumerate(powers):
            place = (move.to_asset_id, move.to_start + k * SLOT)
            more = kw - before.get(place, 0.0)
            if more > 0.0:
                needed[place] = needed.get(place, 0.0) + more
    return needed
