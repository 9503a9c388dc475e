"""The ladder: which method plans a fleet, by its size, and what the plan may claim.

Small fleets are solved exactly, larger ones by prices and annealing; each result carries the bound proven for it and is
checked here against the room, whoever made it. Budgets count rounds, moves and options, never seconds, so that the same
input gives the same plan on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.domain.plan import PlanMethod
from models.optimise.fleet import UNSERVED_CELL, CompactFleet, Fleet, fitting_alone
from models.optimise.fleet_award import award_priced
from models.optimise.prices import (
    Prices,
    find_prices,
    find_prices_compact,
    sample_prices,
)
from models.optimise.programme import LONG_WORK, solve_programme
from models.optimise.table import TOLERANCE_KW, FloatArray, IntArray
from models.optimise.tightening import tightened, unblocked

EXACT_GAP = 1e-4
"""Relative gap up to which a plan is called exact."""


HOPEFUL_GAP = 0.02
"""Relative gap beyond which the exact programme is asked of small fleets only: it would take long and prove little."""

SMALL_COLUMNS = 700
"""Most options of such a small fleet."""


class Overloaded(RuntimeError):
    """A plan exceeds the room: our own mistake, so nothing may be committed."""


@dataclass(frozen=True)
class Budget:
    """How much work a plan may take.

    Attributes:
        rounds: Price rounds.
        moves: Moves of each of two searches.
        tighten_rounds: Price rounds after leaving out options that cannot matter; 0: not done.
        exact_work: Work of the exact programme, see `solve_programme`; 0: not asked.
        most: Options listed of one job of a compact fleet.
        sample: Jobs of a compact fleet on which prices are first found.
        full_rounds: Price rounds of a compact fleet over all jobs.
        shards: Parts searched side by side instead of two searches.
    """

    rounds: int = 600
    moves: int = 50_000_000
    tighten_rounds: int = 0
    exact_work: int = 0
    most: int = 1 << 30
    sample: int = 1 << 30
    full_rounds: int = 0
    shards: int = 1

    def times(self, effort: float) -> Budget:
        """Return the budget with so many times the work."""
        return replace(
            self,
            rounds=max(1, round(self.rounds * effort)),
            moves=max(1, round(self.moves * effort)),
            tighten_rounds=round(self.tighten_rounds * effort),
            exact_work=round(self.exact_work * effort),
        )


def budget_for(jobs: int, is_tight: bool = True) -> Budget:
    """Return the budget of the ladder for a number of jobs.

    Args:
        jobs: How many.
        is_tight: Whether room is scarce; where it is not, fewer moves do.
    """
    if jobs <= 200:
        return Budget(80 + 4 * jobs, 20_000 * jobs, tighten_rounds=400, exact_work=LONG_WORK)
    if jobs <= 3_000:
        return Budget(600, 50_000_000 if is_tight else 8_000_000, tighten_rounds=400)
    if jobs <= 20_000:
        return Budget(400, 40_000_000 if is_tight else 8_000_000)
    if jobs <= 300_000:
        return Budget(400, 160_000_000, most=24, sample=20_000, full_rounds=40, shards=2)
    return Budget(400, 40_000_000, most=12, sample=20_000, full_rounds=25, shards=2)


@dataclass(frozen=True)
class FleetResult:
    """A plan for a fleet and its certificate.

    Attributes:
        choice: Option per job in the fleet given, shape (jobs,).
        objective_gbp: What the plan costs, unserved jobs included. [GBP]
        bound_gbp: No plan costs less. [GBP]
        unserved: How many jobs stay unserved.
        method: How the plan was found.
        is_heuristic: The exact programme was cut off by its limit.
        prices: The prices that prove the bound.
    """

    choice: IntArray
    objective_gbp: float
    bound_gbp: float
    unserved: int
    method: PlanMethod
    is_heuristic: bool
    prices: Prices

    @property
    def gap(self) -> float:
        """Return how far above the bound the plan is, as a share of the bound."""
        return (self.objective_gbp - self.bound_gbp) / max(abs(self.bound_gbp), 0.01)


def solve(
    fleet: Fleet,
    room_kw: FloatArray,
    seed: int = 0,
    budget: Budget | None = None,
    prices: Prices | None = None,
) -> FleetResult:
    """Plan a listed fleet.

    Args:
        fleet: Every job with staying unserved as its last option.
        room_kw: Shape (assets, horizon), >= 0. [kW]
        seed: Of the searches.
        budget: None: by the ladder.
        prices: Found before, with the bound they prove for this fleet; None: looked for here.

    Raises:
        Overloaded: If the plan does not keep the room.
    """
    fitting = fitting_alone(fleet, room_kw)
    budget = budget or budget_for(fleet.count, is_scarce(fitting, room_kw))
    prices = prices or find_prices(fitting, room_kw, budget.rounds)
    choice = _awarded(fitting, room_kw, prices, seed, budget)
    objective = fitting.objective_gbp(choice)
    bound, method, is_heuristic = prices.bound_gbp, PlanMethod.PRICED, False
    smaller: Fleet | None = fitting
    if budget.tighten_rounds:
        prices, smaller = tightened(fitting, room_kw, prices, objective, budget.tighten_rounds)
        bound = prices.bound_gbp
    if smaller is None or objective - bound <= EXACT_GAP * abs(objective):
        method = PlanMethod.EXACT
    elif budget.exact_work and _is_hopeful(smaller, objective, bound):
        picked = _found_again(smaller, fitting, choice)
        answer = solve_programme(smaller, room_kw, picked, seed, budget.exact_work)
        if answer.choice is not None:
            found = _found_again(fitting, smaller, answer.choice)
            if found is not None and _is_better(fitting, room_kw, found, objective):
                choice, objective = found, fitting.objective_gbp(found)
        bound = max(bound, min(answer.bound_gbp, objective))
        is_heuristic = answer.is_cut_short
        if objective - bound <= 2 * EXACT_GAP * abs(objective):
            method = PlanMethod.EXACT
    original = _found_again(fleet, fitting, choice)
    if original is None or fitting.overload_kw(choice, room_kw) > TOLERANCE_KW:
        raise Overloaded(f"{fitting.overload_kw(choice, room_kw):g} kW beyond the room")
    unserved = int((fitting.cell[choice] == UNSERVED_CELL).sum())
    return FleetResult(original, objective, bound, unserved, method, is_heuristic, prices)


def _is_hopeful(fleet: Fleet, objective_gbp: float, bound_gbp: float) -> bool:
    """Return whether the exact programme may close a gap in little time."""
    gap = objective_gbp - bound_gbp
    return fleet.cell.size <= SMALL_COLUMNS or gap <= HOPEFUL_GAP * abs(objective_gbp)


def _awarded(
    fitting: Fleet, room_kw: FloatArray, prices: Prices, seed: int, budget: Budget
) -> IntArray:
    """Return a plan, searched among options that are not blocked as long as everybody is served.

    Where that serves not everybody after all, it is searched among all options too and the better plan counts.
    """
    searched = (budget.moves, seed, budget.shards)
    hopeful = unblocked(fitting, room_kw, is_served=True) if budget.tighten_rounds else None
    if hopeful is None or hopeful.cell.size == fitting.cell.size:
        return award_priced(fitting, room_kw, prices.price_gbp, *searched).choice
    guide = find_prices(hopeful, room_kw, budget.rounds, start_gbp=prices.price_gbp)
    plan = award_priced(hopeful, room_kw, guide.price_gbp, *searched)
    found = _found_again(fitting, hopeful, plan.choice)
    if found is None:
        raise Overloaded("a plan uses an option that its fleet does not have")
    if not fitting.unserved(found).size:
        return found
    other = award_priced(fitting, room_kw, prices.price_gbp, *searched)
    return other.choice if other.objective_gbp < fitting.objective_gbp(found) else found


def is_scarce(fleet: Fleet, room_kw: FloatArray) -> bool:
    """Return whether the jobs' work is more than half of all room."""
    return float((fleet.power_kw * fleet.slots).sum()) > 0.5 * float(room_kw.sum())


@dataclass(frozen=True)
class CompactResult:
    """A plan for a compact fleet and its certificate.

    Attributes:
        asset: Asset row per job, -1 where unserved.
        start: First half-hour per job, -1 where unserved.
        objective_gbp: What the plan costs, unserved jobs included. [GBP]
        bound_gbp: No plan costs less. [GBP]
        prices: The prices that prove the bound.
        method: How the plan was found.
    """

    asset: IntArray
    start: IntArray
    objective_gbp: float
    bound_gbp: float
    prices: Prices
    method: PlanMethod

    @property
    def gap(self) -> float:
        """Return how far above the bound the plan is, as a share of the bound."""
        return (self.objective_gbp - self.bound_gbp) / max(abs(self.bound_gbp), 0.01)


def solve_compact(
    fleet: CompactFleet, room_kw: FloatArray, seed: int = 0, budget: Budget | None = None
) -> CompactResult:
    """Plan a compact fleet: listed in full where small, else by sampled prices and short lists.

    Raises:
        Overloaded: If the plan does not keep the room.
    """
    work = float((fleet.power_kw * fleet.slots).sum())
    budget = budget or budget_for(fleet.count, work > 0.5 * float(room_kw.sum()))
    if not budget.full_rounds:
        listed = fleet.listed(room_kw)
        result = solve(listed, room_kw, seed, budget)
        return _placed(listed, result.choice, result.bound_gbp, result.prices, result.method)
    start = sample_prices(fleet, room_kw, budget.sample, budget.rounds, seed)
    prices = find_prices_compact(fleet, room_kw, start, budget.full_rounds, FULL_STEP)
    short = fleet.listed(room_kw, prices.price_gbp, most=budget.most)
    plan = award_priced(short, room_kw, prices.price_gbp, budget.moves, seed, budget.shards)
    if short.overload_kw(plan.choice, room_kw) > TOLERANCE_KW:
        raise Overloaded(f"{short.overload_kw(plan.choice, room_kw):g} kW beyond the room")
    return _placed(short, plan.choice, prices.bound_gbp, prices, PlanMethod.PRICED)


FULL_STEP = 0.2
"""Step factor of rounds over all jobs, which begin at prices that are nearly right."""


def _placed(
    fleet: Fleet, choice: IntArray, bound: float, prices: Prices, method: PlanMethod
) -> CompactResult:
    cell = fleet.cell[choice].astype(np.int64)
    asset = np.where(cell < 0, -1, cell // fleet.horizon)
    start = np.where(cell < 0, -1, cell % fleet.horizon)
    return CompactResult(asset, start, fleet.objective_gbp(choice), bound, prices, method)


def _found_again(into: Fleet, of: Fleet, choice: IntArray) -> IntArray | None:
    """Return options of one listing in another of the same jobs, matched by cell; None if one is missing there.

    No job may have two options in one cell.
    """
    wanted = of.cell[choice].astype(np.int64)
    hit = np.flatnonzero(into.cell == wanted[into.owner])
    found = np.full(into.count, -1, dtype=np.int64)
    found[into.owner[hit]] = hit
    return None if (found < 0).any() else found


def _is_better(fleet: Fleet, room_kw: FloatArray, choice: IntArray, than_gbp: float) -> bool:
    """Return whether a plan keeps the room and costs less."""
    return (
        fleet.overload_kw(choice, room_kw) <= TOLERANCE_KW
        and fleet.objective_gbp(choice) < than_gbp
    )
