"""The windows of one job as they stand now: cost, the rule that closes each, who holds the power, and at what price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import numpy as np

from agents.carbon_budget import TOLERANCE as BUDGET_SLACK
from agents.wording import budget_text
from models.domain.asset import Asset
from models.domain.plan import Placement
from models.domain.ports import JobView, UnitOfWork
from models.domain.signal import FloatArray, IntArray
from models.domain.time import floor_slot, london_date
from models.optimise.assignment import Options
from models.optimise.beginning import cheapest_from
from models.optimise.budget import kg_by_slot
from models.optimise.choices import held_run
from models.optimise.flexible import lanes_of
from models.optimise.options import Closed, JobOptions
from models.optimise.pattern import Pattern
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import TOLERANCE_KW, BoolArray
from models.optimise.terms import Incumbent
from services import market_claims, occupancy, room, scarcity, single
from services.asset_room import AssetRoom
from services.context import Context
from services.explain_types import Candidate, Scarcity
from services.present import revalued, with_vat
from services.situation import vat_factors

HOLDERS_NAMED = 20
"""How many jobs that hold a window's power are named; the rest are counted."""


@dataclass(frozen=True)
class Facing:
    """A job that can still be planned, before everything it could do."""

    view: JobView
    alone: single.Alone
    assets: tuple[Asset, ...]
    free: BoolArray
    """Shape (options,): which can be taken now."""
    present: Placement | None
    """The award, valued on the signals of now; None without one."""
    scarcity: Scarcity
    now: datetime

    @property
    def options(self) -> Options:
        """Return everything the job could do."""
        return self.alone.options

    def start_of(self, k: int) -> datetime:
        """Return when an option starts."""
        return self.alone.table.horizon.start_of(int(self.options.start[k]))

    def asset_of(self, k: int) -> Asset:
        """Return where an option runs."""
        return self.alone.table.assets[int(self.options.asset_row[k])]

    def is_free(self, k: int) -> bool:
        """Return whether an option can be taken now; of shapes more may have been looked at since."""
        if k < self.free.size:
            return bool(self.free[k])
        if self.alone.around.is_shut:
            return False
        return self.options.fits(k, self.alone.table.room_kw, 0, self.alone.plan.latest_end)

    def rule(self, k: int) -> str | None:
        """Return the rule that closes an option; None where it can be taken."""
        if self.is_free(k):
            return None
        code = Closed(int(self.options.closed[k]))
        if code is not Closed.OPEN:
            return code.rule
        if self.alone.around.is_shut:
            return "predecessor"
        return "power" if self.short(k).size else "successor"

    def moving_gbp(self, k: int) -> float:
        """Return what leaving the award for an option counts; part of its objective. [GBP]"""
        return self.options.churn_of(k)

    def short(self, k: int) -> IntArray:
        """Return the half-hours of an option in which too little power is left."""
        slots, power_kw = spots(self.options, k)
        room_kw = self.alone.table.room_kw[int(self.options.asset_row[k]), slots]
        answer: IntArray = slots[room_kw < power_kw - TOLERANCE_KW]
        return answer

    def candidate(self, k: int) -> Candidate:
        """Return an option with its costs; who holds its power is not looked up."""
        placed = self.alone.describer.placement(self.options, k)
        worth = placed.objective_gbp
        base = None if self.present is None else self.present.objective_gbp
        slots, power_kw = spots(self.options, k)
        return Candidate(
            placement=placed,
            feasible=self.is_free(k),
            rule=self.rule(k),
            extra_gbp=None if worth is None or base is None else worth - base,
            shadow=scarcity.of_run(
                self.scarcity, placed.asset_id, self.alone.table.horizon, slots, power_kw
            ),
        )


def face(context: Context, uow: UnitOfWork, view: JobView, now: datetime) -> Facing:
    """Price everything an open job could do in the room that the present plan leaves.

    A pin is looked past: the answer is what there was to choose from.
    """
    assets = uow.assets.all_live(view.job.owner)
    facing = single.alone(context, single.unpinned(view.job), assets, now)
    _look_around(facing, view)
    bare = replace(facing.plan, room_kw=facing.table.room_kw)
    free = bare.available(0)
    return Facing(
        view=view,
        alone=facing,
        assets=assets,
        free=np.zeros_like(free) if facing.around.is_shut else free,
        present=_present(context, facing, view, now),
        scarcity=scarcity.in_force(context, uow),
        now=now,
    )


def room_of(uow: UnitOfWork, facing: Facing, asset_id: str) -> AssetRoom:
    """Return limits and contracts of a cluster over the half-hours looked at; what is kept for the job itself is not.

    Args:
        uow: A reading transaction.
        facing: The job.
        asset_id: One of its owner's clusters.
    """
    table = facing.alone.table
    claims = uow.market.claims(floor_slot(facing.now))
    held = market_claims.held_of(claims, table.horizon, {facing.view.job.job_id})
    return AssetRoom.of(table.assets[table.index[asset_id]], table.horizon, held)


def kg_by_day(facing: Facing, k: int) -> dict[date, float]:
    """Return what an option emits on each London day, unknown carbon as 0. [kg]"""
    slots, kg = kg_by_slot(facing.options, k, facing.alone.table)
    found: dict[date, float] = {}
    for slot, part in zip(slots, kg, strict=True):
        day = london_date(facing.alone.table.horizon.start_of(int(slot)))
        found[day] = found.get(day, 0.0) + float(part)
    return found


def spots(mine: Options, k: int) -> tuple[IntArray, FloatArray]:
    """Return the half-hours an option reserves power in, and how much: shapes (n,), [kW]."""
    hold = mine.hold(k)
    return hold.slots, np.broadcast_to(hold.power_kw, hold.slots.shape)


def look_up(facing: Facing, row: int, start: int) -> int | None:
    """Return the option that starts in a slot of an asset; None where there is none.

    Shapes are not listed, so for a job that bends in shape the best run that starts there is looked for: in the room
    that is left, else as if nobody held any power.

    Args:
        facing: The job.
        row: Asset row.
        start: Slot.
    """
    mine, table = facing.options, facing.alone.table
    if isinstance(mine, JobOptions):
        return mine.find(row, start)
    for room_kw in (table.room_kw, table.limit_kw):
        run = run_at(mine, row, start, room_kw)
        if run is not None:
            return mine.add(run)
    return None


def run_at(
    mine: PatternOptions,
    row: int,
    start: int,
    room_kw: FloatArray,
    changes: Mapping[str, Any] | None = None,
) -> Pattern | None:
    """Return the best run found of a job that begins in a slot of an asset, or None.

    Args:
        mine: What the job could do.
        row: Asset row.
        start: Slot.
        room_kw: Shape (assets, slots). [kW]
        changes: Fields of the job to change first.
    """
    if start < mine.ready(row):
        return None
    job = replace(mine.job, **changes) if changes else mine.job
    there = Incumbent(mine.table.assets[row].asset_id, start)
    lanes = lanes_of(
        job, mine.table, mine.weights, (row,), room_kw, first=start, end=mine.end, sent_to=there
    )
    return cheapest_from(job, lanes[0]) if lanes else None


def _look_around(facing: single.Alone, view: JobView) -> None:
    """Let the run a job has, and the best one on each cluster, join those of a job that bends in shape."""
    mine, table = facing.options, facing.table
    if isinstance(mine, JobOptions):
        return
    for row in mine.candidate_rows:
        room_kw = np.full(table.room_kw.shape, -1.0)
        room_kw[row] = table.room_kw[row]
        mine.best_in(room_kw)
    award = view.plan.award if view.plan else None
    if award is None:
        return
    placed = award.placement
    has = Incumbent(placed.asset_id, table.horizon.index_of(placed.start), tuple(placed.segments))
    run = held_run(view.job, table, mine.weights, has)
    if run is not None:
        mine.add(run)


def _present(
    context: Context, facing: single.Alone, view: JobView, now: datetime
) -> Placement | None:
    """Return the award as the same signals value it that value its alternatives, also where it is none of them."""
    award = view.plan.award if view.plan else None
    if award is None:
        return None
    placed = award.placement
    found = _option_of(facing, placed)
    if found is not None:
        return facing.describer.placement(facing.options, found)
    row = facing.table.index.get(placed.asset_id)
    whole = room.stretch(now)
    known = context.signals.view([placed.region], whole).get(placed.region)
    return revalued(
        placed,
        None if row is None else facing.table.assets[row],
        None if known is None else with_vat(known, vat_factors(context, whole)),
        context.policy.kappa_gbp_per_kg,
    )


def present_option(facing: Facing) -> int | None:
    """Return the option that is the job's award; None without an award, or where it can no longer be taken."""
    plan = facing.view.plan
    award = plan.award if plan else None
    return None if award is None else _option_of(facing.alone, award.placement)


def _option_of(facing: single.Alone, placed: Placement) -> int | None:
    mine = facing.options
    if not isinstance(mine, JobOptions):
        return _same_run(facing, placed)
    row = facing.table.index.get(placed.asset_id)
    return None if row is None else mine.find(row, facing.table.horizon.index_of(placed.start))


def _same_run(facing: single.Alone, placed: Placement) -> int | None:
    """Return the option with the very stretches of a placement, or None."""
    mine = facing.options
    for k in range(mine.count):
        one = facing.describer.placement(mine, k)
        if (one.asset_id, one.segments) == (placed.asset_id, placed.segments):
            return k
    return None


def over_budget(facing: Facing, k: int) -> str | None:
    """Return how an option would break the carbon budget of a day, by what the plan in force emits; None: it would not."""
    proof = facing.alone.proof
    if proof is None:
        return None
    limits, planned = dict(proof.carbon_budget_kg_by_day), dict(proof.carbon_kg_by_day)
    has = present_option(facing)
    given_up = {} if has is None else kg_by_day(facing, has)
    for day, kg in sorted(kg_by_day(facing, k).items()):
        more_kg = kg - given_up.get(day, 0.0)
        if more_kg > 0.0 and day in limits and day in planned:
            total_kg = planned[day] + more_kg
            if total_kg > limits[day] * (1.0 + BUDGET_SLACK):
                return budget_text(day, total_kg, limits[day])
    return None


def named(
    context: Context, uow: UnitOfWork, facing: Facing, picks: Sequence[int], owner: str | None
) -> list[Candidate]:
    """Return options as candidates that say who holds the power of those that are full.

    Args:
        context: Ports.
        uow: A reading transaction.
        facing: The job.
        picks: Options, in the order wanted.
        owner: Whose jobs may be named; None: everybody's.
    """
    answer = []
    known: dict[str, occupancy.Occupancy] = {}
    for k in picks:
        candidate = facing.candidate(k)
        full = _full_starts(facing, k) if candidate.rule == "power" else ()
        if full:
            asset_id = candidate.placement.asset_id
            if asset_id not in known:
                known[asset_id] = occupancy.of_asset(context, uow, asset_id, facing.now)
            jobs, own, others = known[asset_id].holders(
                full, owner, besides=facing.view.job.job_id, most=HOLDERS_NAMED
            )
            candidate = replace(
                candidate, held_by=jobs, held_by_own_jobs=own, held_by_others=others
            )
        answer.append(candidate)
    return answer


def _full_starts(facing: Facing, k: int) -> tuple[datetime, ...]:
    """Return the full half-hours of an option; none where the cluster itself is too small for the job."""
    if Closed(int(facing.options.closed[k])) is Closed.POWER:
        return ()
    return tuple(facing.alone.table.horizon.start_of(int(slot)) for slot in facing.short(k))
