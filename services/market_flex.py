"""Flexibility that re-planning can really deliver: which jobs would leave a half-hour or come to it, and at what cost.

Each offer is a set of moves that were tried, one after the other, in the room the plan in force leaves; so what is
offered is a plan that exists, and its price is what that plan costs more, moving included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from agents import policy_agent
from models.domain.asset import Asset
from models.domain.job import Flexibility, Job, JobStatus
from models.domain.market import Claim, Move, WindowKind
from models.domain.ports import JobPlan, UnitOfWork
from models.domain.signal import FloatArray, Quality, worst_quality
from models.domain.time import Horizon
from models.optimise.assignment import UNSERVED, Assignment, Links
from models.optimise.choices import options_of
from models.optimise.options import JobOptions
from models.optimise.table import BoolArray, price_table
from models.optimise.terms import Incumbent
from services import market_claims
from services.context import Context
from services.holding import freeze_lead, reserved_kw
from services.situation import horizon_for, vat_factors

LENGTHS = (2, 4)
"""Lengths of flexibility windows in half-hours: 1 and 2 hours."""

MOST_JOBS = 150
"""Jobs that are looked at, those with the most energy first."""

MOST_MOVES = 6
"""Jobs that come to one window at most."""

LEAST_KW = 1.0


@dataclass(frozen=True)
class FlexOffer:
    """Moves that take load away from a stretch of half-hours on a cluster, or bring it there."""

    kind: WindowKind
    asset: Asset
    start: datetime
    slots: int
    capacity_kw: float
    """Change of the meter load in every half-hour of it. [kW]"""
    cost_gbp: float
    """What the plan's objective rises by. [GBP]"""
    mean_carbon_g_per_kwh: float | None
    quality: Quality
    moves: tuple[Move, ...]
    stays: tuple[Move, ...] = ()
    """Work that is there already and must stay, so that what comes is more (turn-up only)."""

    @property
    def price_gbp_per_kwh(self) -> float:
        """Return the cost of delivering a kWh. [GBP/kWh]"""
        return self.cost_gbp / (self.capacity_kw * self.slots * 0.5)


@dataclass
class _Board:
    """The plan in force as an assignment of the jobs that could move."""

    horizon: Horizon
    assets: tuple[Asset, ...]
    options: list[JobOptions]
    plan: Assignment
    picks: list[int]
    carbon: FloatArray
    quality: Quality
    loose: FloatArray
    """IT power of work that may leave and cannot be told to stay, by asset and half-hour. [kW]"""

    def gbp(self, k: int, pick: int) -> float:
        return self.options[k].objective_of(pick)


def flexibility(
    context: Context,
    uow: UnitOfWork,
    assets: Sequence[Asset],
    claims: Sequence[Claim],
    horizon: Horizon,
    *,
    besides: str = "",
) -> list[FlexOffer]:
    """Return turn-down and turn-up offers in a horizon; nothing where another contract has claims already.

    Args:
        context: Ports.
        uow: A reading transaction.
        assets: Live assets.
        claims: What contracts claim.
        horizon: Half-hours on offer.
        besides: A contract whose own claims do not count.
    """
    board = _board(context, uow, assets, [c for c in claims if c.contract_id != besides])
    if board is None:
        return []
    taken = {(c.asset_id, c.slot_start) for c in claims if c.contract_id != besides}
    found: list[FlexOffer] = []
    for row, asset in enumerate(board.assets):
        for length in LENGTHS:
            for k in range(0, horizon.slots - length + 1, length // 2):
                start = horizon.start_of(k)
                slots = {(asset.asset_id, horizon.start_of(k + n)) for n in range(length)}
                first = board.horizon.index_of(start)
                if slots & taken or first + length > board.horizon.slots:
                    continue
                found += _offers(board, row, first, length)
    return found


def _offers(board: _Board, row: int, first: int, length: int) -> list[FlexOffer]:
    found = []
    for kind, moves in (
        (WindowKind.TURN_DOWN, _leave(board, row, first, first + length)),
        (WindowKind.TURN_UP, _come(board, row, first, first + length)),
    ):
        offer = _offer(board, row, first, length, kind, moves)
        if offer is not None:
            found.append(offer)
    return found


def _offer(
    board: _Board,
    row: int,
    first: int,
    length: int,
    kind: WindowKind,
    moves: list[tuple[int, int]],
) -> FlexOffer | None:
    """Return what some moves change in a stretch; None where that is next to nothing."""
    if not moves:
        return None
    asset = board.assets[row]
    change = np.zeros(length)
    for k, pick in moves:
        for sign, choice in ((-1.0, board.picks[k]), (1.0, pick)):
            mine = board.options[k]
            if int(mine.asset_row[choice]) != row:
                continue
            begin = int(mine.start[choice])
            for slot in range(max(begin, first), min(begin + mine.slots, first + length)):
                change[slot - first] += sign * float(mine.power_kw[slot - begin])
    capacity = float(change.min() if kind is WindowKind.TURN_UP else (-change).min()) * asset.pue
    if capacity < LEAST_KW:
        return None
    stays: tuple[Move, ...] = ()
    if kind is WindowKind.TURN_UP:
        if (board.loose[row, first : first + length] > 0.0).any():
            return None  # nobody could promise that the load there stays
        moved = {k for k, _ in moves}
        stays = tuple(
            _move(board, k, pick)
            for k, pick in enumerate(board.picks)
            if k not in moved and _touches(board.options[k], pick, row, first, first + length)
        )
    grams = board.carbon[row, first : first + length]
    return FlexOffer(
        kind=kind,
        asset=asset,
        start=board.horizon.start_of(first),
        slots=length,
        capacity_kw=capacity,
        cost_gbp=sum(_extra(board, k, pick) for k, pick in moves),
        mean_carbon_g_per_kwh=None
        if np.isnan(grams).any()
        else round(float(grams.mean()) * 1e3, 2),
        quality=board.quality,
        moves=tuple(_move(board, k, pick) for k, pick in moves),
        stays=stays,
    )


def _extra(board: _Board, k: int, pick: int) -> float:
    return max(board.gbp(k, pick) - board.gbp(k, board.picks[k]), 0.0)


def _move(board: _Board, k: int, pick: int) -> Move:
    mine = board.options[k]
    return Move(
        job_id=mine.job.job_id,
        from_start=board.horizon.start_of(int(mine.start[board.picks[k]])),
        to_start=board.horizon.start_of(int(mine.start[pick])),
        to_asset_id=board.assets[int(mine.asset_row[pick])].asset_id,
        power_kw=float(mine.power_kw.max()),
        extra_gbp=_extra(board, k, pick),
        from_asset_id=board.assets[int(mine.asset_row[board.picks[k]])].asset_id,
    )


def _touches(mine: JobOptions, pick: int, row: int, first: int, stop: int) -> bool:
    begin = int(mine.start[pick])
    return int(mine.asset_row[pick]) == row and begin < stop and begin + mine.slots > first


def _leave(board: _Board, row: int, first: int, stop: int) -> list[tuple[int, int]]:
    """Return moves that take jobs out of a stretch, each tried in the room the ones before leave."""
    plan, moves = board.plan, []
    for k, mine in enumerate(board.options):
        if not _touches(mine, board.picks[k], row, first, stop):
            continue
        plan.lift(k)
        inside = (mine.asset_row == row) & (mine.start < stop) & (mine.start + mine.slots > first)
        pick = _cheapest(mine, plan.available(k) & ~inside)
        plan.place(k, board.picks[k] if pick == UNSERVED else pick)
        if pick != UNSERVED:
            moves.append((k, pick))
    _restore(board, moves)
    return moves


def _come(board: _Board, row: int, first: int, stop: int) -> list[tuple[int, int]]:
    """Return moves that bring jobs into the whole of a stretch, the cheapest per kW first."""
    ranked = []
    for k, mine in enumerate(board.options):
        if _touches(mine, board.picks[k], row, first, stop) or mine.slots < stop - first:
            continue
        if row not in mine.candidate_rows:
            continue
        covers = _covering(mine, row, first, stop)
        if covers.any():
            least = float(mine.objective_gbp[covers].min()) - board.gbp(k, board.picks[k])
            ranked.append((least / float(mine.power_kw.min()), k))
    plan, moves = board.plan, []
    for _, k in sorted(ranked)[: 2 * MOST_MOVES]:
        mine = board.options[k]
        plan.lift(k)
        pick = _cheapest(mine, plan.available(k) & _covering(mine, row, first, stop))
        plan.place(k, board.picks[k] if pick == UNSERVED else pick)
        if pick != UNSERVED:
            moves.append((k, pick))
        if len(moves) == MOST_MOVES:
            break
    _restore(board, moves)
    return moves


def _covering(mine: JobOptions, row: int, first: int, stop: int) -> BoolArray:
    covers: BoolArray = (
        (mine.asset_row == row) & (mine.start <= first) & (mine.start + mine.slots >= stop)
    )
    return covers


def _cheapest(mine: JobOptions, mask: BoolArray) -> int:
    at = np.flatnonzero(mask)
    return int(at[np.argmin(mine.objective_gbp[at])]) if at.size else UNSERVED


def _restore(board: _Board, moves: list[tuple[int, int]]) -> None:
    for k, _ in moves:
        board.plan.lift(k)
    for k, _ in moves:
        board.plan.place(k, board.picks[k])


# --- the board --------------------------------------------------------------------------------


def _board(
    context: Context, uow: UnitOfWork, assets: Sequence[Asset], claims: Sequence[Claim]
) -> _Board | None:
    """Lay out the plan in force; None where no job could move."""
    now = context.clock.now()
    movable, loose = _movable(context, uow, assets)
    if not movable:
        return None
    jobs = [job for job, _ in movable]
    horizon = horizon_for(now, jobs)
    planned = market_claims.limited(sorted(assets, key=lambda a: a.asset_id), claims)
    signals = context.signals.view(sorted({asset.region for asset in planned}), horizon)
    held = _held_by_others(uow, horizon, [plan for _, plan in movable], claims)
    table = price_table(
        planned, signals, horizon, max(0, horizon.first_index_from(now)), held,
        vat_factors(context, horizon),
    )  # fmt: skip
    weights = policy_agent.weights_of(context.policy)
    options: list[JobOptions] = []
    picks: list[int] = []
    for job, plan in movable:
        assert plan.award is not None
        placed = plan.award.placement
        at = horizon.index_of(placed.start)
        mine = options_of(job, table, weights, incumbent=Incumbent(placed.asset_id, at))
        pick = mine.find(table.index[placed.asset_id], at) if isinstance(mine, JobOptions) else None
        if isinstance(mine, JobOptions) and pick is not None:
            options.append(mine)
            picks.append(pick)
    board_plan = Assignment(options, Links.none(len(options)), table.room_kw)
    for k, pick in enumerate(picks):
        board_plan.place(k, pick)
    qualities = [
        one.quality
        for known in signals.values()
        for series in (known.carbon, known.price)
        for one in series.provenances
    ]
    on_board = {mine.job.job_id for mine in options}
    loose += [plan for job, plan in movable if job.job_id not in on_board]
    return _Board(
        horizon, table.assets, options, board_plan, picks, table.carbon_kg_per_kwh,
        worst_quality(qualities), _loose_kw(table.assets, horizon, loose),
    )  # fmt: skip


def _loose_kw(assets: Sequence[Asset], horizon: Horizon, plans: Sequence[JobPlan]) -> FloatArray:
    """Return the IT power of some awards; shape (assets, slots). [kW]"""
    rows = {asset.asset_id: k for k, asset in enumerate(assets)}
    found = np.zeros((len(assets), horizon.slots))
    for plan in plans:
        assert plan.award is not None
        placed = plan.award.placement
        for start, power_kw in reserved_kw(placed).items():
            at = horizon.index_of(start)
            if placed.asset_id in rows and 0 <= at < horizon.slots:
                found[rows[placed.asset_id], at] += power_kw
    return found


def _movable(
    context: Context, uow: UnitOfWork, assets: Sequence[Asset]
) -> tuple[list[tuple[Job, JobPlan]], list[JobPlan]]:
    """Return jobs of one stretch that are planned, have not started, and that nobody and nothing ties down.

    Beside them the plans of work that is neither: it may be planned elsewhere any time.
    """
    now = context.clock.now()
    by_id = {asset.asset_id: asset for asset in assets}
    plans = uow.plans.current()
    jobs = uow.jobs.open_jobs()
    waited_for = {name for job in jobs for name in job.depends_on}
    found: list[tuple[Job, JobPlan]] = []
    loose: list[JobPlan] = []
    for job in jobs:
        plan = plans.get(job.job_id)
        if plan is None or plan.award is None or job.status is not JobStatus.SCHEDULED:
            continue
        asset = by_id.get(plan.award.placement.asset_id)
        lead = freeze_lead(context.settings, asset)
        if asset is None or plan.award.placement.start <= now + lead:
            continue
        if job.pinned_start is not None:
            continue
        tied = job.is_held or bool(job.depends_on) or job.job_id in waited_for
        if tied or job.flexibility is not Flexibility.DEFERRABLE:
            loose.append(plan)
        else:
            found.append((job, plan))
    found.sort(key=lambda pair: (-pair[0].it_energy_kwh, pair[0].job_id))
    loose += [plan for _, plan in found[MOST_JOBS:]]
    return sorted(found[:MOST_JOBS], key=lambda pair: pair[0].job_id), loose


def _held_by_others(
    uow: UnitOfWork, horizon: Horizon, movable: Sequence[JobPlan], claims: Sequence[Claim]
) -> dict[str, FloatArray]:
    """Return the IT power held by everything but the jobs that could move. [kW]"""
    held: dict[str, FloatArray] = {}

    def add(asset_id: str, start: datetime, power_kw: float) -> None:
        at = horizon.index_of(start)
        if 0 <= at < horizon.slots:
            held.setdefault(asset_id, np.zeros(horizon.slots))[at] += power_kw

    for asset_id, by_slot in uow.plans.reserved(horizon.start, horizon.end).items():
        for start, power_kw in by_slot.items():
            add(asset_id, start, power_kw)
    for plan in movable:
        assert plan.award is not None
        placed = plan.award.placement
        for start, power_kw in reserved_kw(placed).items():
            add(placed.asset_id, start, -power_kw)
    for asset_id, by_slot in market_claims.kept_kw(claims).items():
        for start, power_kw in by_slot.items():
            add(asset_id, start, power_kw)
    return {asset_id: np.maximum(row, 0.0) for asset_id, row in held.items()}
