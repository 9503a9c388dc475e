"""Runs in chunks under prices: the cheapest one, a lower bound, and the cheapest one under mean caps.

Without mean caps both come from one exact dynamic programme (`chunked.py`). With caps the bound prices their excess
(`caps.py`), and the run is found by labels (`labels.py`), which are exact unless their limit is reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.domain.job import Job
from models.domain.time import SLOT_HOURS
from models.optimise.caps import (
    DUAL_STEPS,
    NO_MULTIPLIERS,
    NOTHING_SPENT,
    PROVEN,
    Caps,
    Cut,
    Dual,
    Multipliers,
    Quote,
    Spent,
    raise_dual,
)
from models.optimise.chunked import NOT_BEGUN, Begun, RunShape, Sweep, shape_of, sweep
from models.optimise.labels import LABEL_LIMIT, Tables, search
from models.optimise.pattern import FINISH_TOLERANCE, Lane, Pattern, bill, known_first
from models.optimise.table import TOLERANCE_KW, BoolArray, FloatArray, IntArray

TABLE_CELLS = 2_000_000
"""Most cells of one sweep's tables; lanes beyond it are swept in turns."""


@dataclass(frozen=True)
class _Costs:
    """What half-hours cost on the lanes of one job.

    Attributes:
        open: Half-hours that can be used, shape (lanes, half-hours).
        energy_kwh: At the meter in a whole half-hour, shape (lanes,). [kWh]
        worth: Cost of the energy of a whole half-hour, shape (lanes, half-hours). [GBP]
        fixed: Scarcity of a half-hour, however short it is used. [GBP]
        final: Delay of ending there in k chunks, infinite past the latest finish; shape (chunks, lanes, half-hours).
    """

    open: BoolArray
    energy_kwh: FloatArray
    worth: FloatArray
    fixed: FloatArray
    final: FloatArray

    def priced(
        self, shape: RunShape, extra: FloatArray | float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """Return the `full` and `last` costs of a sweep, with something added to each whole half-hour's worth."""
        worth = self.worth + extra
        full = np.where(self.open, worth + self.fixed, np.inf)
        last = shape.share[:, None, None] * worth + self.fixed + self.final
        return full, np.where(self.open, last, np.inf)

    def only(self, rates: FloatArray, shape: RunShape) -> tuple[FloatArray, FloatArray]:
        """Return `full` and `last` where nothing but the excess at some rates counts."""
        worth = self.energy_kwh[:, None] * rates
        last = shape.share[:, None, None] * worth + np.where(np.isinf(self.final), np.inf, 0.0)
        return np.where(self.open, worth, np.inf), np.where(self.open, last, np.inf)


def _costs(job: Job, lanes: Sequence[Lane], shape: RunShape) -> _Costs:
    width = max(lane.slots for lane in lanes)
    size = (len(lanes), width)
    is_open = np.zeros(size, dtype=np.bool_)
    energy = np.array([job.power_kw * SLOT_HOURS * lane.pue for lane in lanes])
    worth, fixed = np.zeros(size), np.zeros(size)
    final = np.full((shape.chunks, *size), np.inf)
    for n, lane in enumerate(lanes):
        here = slice(0, lane.slots)
        is_open[n, here] = lane.room_kw >= job.power_kw - TOLERANCE_KW
        worth[n, here] = energy[n] * lane.worth_gbp_per_kwh
        fixed[n, here] = lane.shadow_gbp_per_kwh * job.power_kw * SLOT_HOURS
        finish = lane.first + np.arange(lane.slots) + shape.share[:, None]
        in_time = finish <= lane.end + FINISH_TOLERANCE
        final[:, n, here] = np.where(in_time, lane.delay_gbp(finish), np.inf)
    return _Costs(is_open, energy, worth, fixed, final)


def run_of(job: Job, lane: Lane, found: tuple[IntArray, int], shape: RunShape) -> Pattern:
    """Return half-hours found by a sweep as a priced pattern; it counts as exact."""
    offset, chunks = found
    share = np.ones(offset.size)
    share[-1] = shape.share[chunks - 1]
    return bill(lane, offset, np.full(offset.size, job.power_kw), share, is_exact=True)


def cheapest(
    job: Job,
    lanes: Sequence[Lane],
    *,
    begun: Begun = NOT_BEGUN,
    spent: Spent = NOTHING_SPENT,
    label_limit: int = LABEL_LIMIT,
) -> Pattern | None:
    """Return the cheapest run of a job in the room of its lanes, scarcity included; None where none fits.

    Half-hours with both signals known are preferred: others are used only where no run keeps to known ones.

    Args:
        job: An interruptible job.
        lanes: One per candidate asset; ties go to the first.
        begun: What it has already done.
        spent: Energy, cost and carbon of that, for its caps.
        label_limit: Most labels kept per step under caps; where it cuts, the result is not marked exact.
    """
    caps = Caps.of(job, spent)
    for part in known_first(lanes):
        if (found := _cheapest_on(job, part, caps, begun, label_limit)) is not None:
            return found
    return None


def _cheapest_on(
    job: Job, lanes: list[Lane], caps: Caps, begun: Begun, label_limit: int
) -> Pattern | None:
    free = _free_runs(job, lanes, begun)
    best: Pattern | None = None
    is_proven = True
    alone_gbp = [np.inf if run is None else run.priced_gbp for run in free]
    order = sorted(range(len(lanes)), key=lambda n: (alone_gbp[n], n))
    for n in order:
        run = free[n]
        if run is None or (best is not None and run.priced_gbp >= best.priced_gbp):
            break
        if caps.are_kept(run):
            best = run
            continue
        limit = np.inf if best is None else best.priced_gbp
        found, is_complete = _under_caps(job, lanes[n], caps, begun, limit, label_limit)
        is_proven &= is_complete and not lanes[n].has_unknown
        best = found or best
    return best if best is None or is_proven else replace(best, is_exact=False)


def _free_runs(job: Job, lanes: Sequence[Lane], begun: Begun) -> list[Pattern | None]:
    """Return the cheapest run on each lane without caps."""
    found: list[Pattern | None] = []
    for swept, shape, part in _sweeps(job, lanes, begun):
        for n, lane in enumerate(part):
            run = swept.cheapest(n)
            found.append(None if run is None else run_of(job, lane, run, shape))
    return found or [None] * len(lanes)


def _sweeps(
    job: Job, lanes: Sequence[Lane], begun: Begun
) -> Iterator[tuple[Sweep, RunShape, Sequence[Lane]]]:
    """Sweep lanes in turns that keep the tables small."""
    if not lanes:
        return
    width = max(lane.slots for lane in lanes)
    shape = shape_of(job, width, begun)
    if not shape.longest:
        return
    cells = (width + 2) * (shape.chunks + 1) * max(shape.longest - begun.slots, 1)
    turn = max(1, TABLE_CELLS // cells)
    for n in range(0, len(lanes), turn):
        part = lanes[n : n + turn]
        full, last = _costs(job, part, shape).priced(shape)
        yield sweep(full, last, shape, begun), shape, part


def quote(
    job: Job,
    lanes: Sequence[Lane],
    *,
    steps: int = DUAL_STEPS,
    begin: Sequence[Multipliers] | None = None,
    begun: Begun = NOT_BEGUN,
    spent: Spent = NOTHING_SPENT,
) -> Quote:
    """Return a lower bound of what any run of a job costs at the lanes' prices, and the run behind it.

    Unknown prices and carbon count as 0. Without mean caps the bound is the exact least cost.

    Args:
        job: An interruptible job.
        lanes: One per candidate asset.
        steps: Most multiplier steps per lane under caps.
        begin: Multipliers per lane to begin with; one step from good ones is nearly as good as many.
        begun: What it has already done.
        spent: Energy, cost and carbon of that, for its caps.
    """
    caps = Caps.of(job, spent)
    free = _free_runs(job, lanes, begun)
    multipliers = list(begin) if begin is not None else [NO_MULTIPLIERS] * len(lanes)
    best, behind = np.inf, None
    for n, run in sorted(
        enumerate(free), key=lambda each: each[1].priced_gbp if each[1] else np.inf
    ):
        if run is None or run.priced_gbp >= best:
            break
        if not caps.any or caps.are_kept(run):
            best, behind = run.priced_gbp, run
            continue
        dual = _dual(job, lanes[n], caps, begun, steps, multipliers[n])
        multipliers[n] = dual.multipliers
        if dual.bound_gbp < best:
            best = dual.bound_gbp
            behind = min(dual.cuts, key=lambda cut: cut.at(dual.multipliers)).pattern
    return Quote(best, behind, tuple(multipliers))


def _dual(job: Job, lane: Lane, caps: Caps, begun: Begun, steps: int, begin: Multipliers) -> Dual:
    """Return the best bound under caps on one lane. Where something is unknown, caps may not bind: then the free one."""
    shape = shape_of(job, lane.slots, begun)
    costs = _costs(job, [lane], shape)
    rates = caps.excess_rates(lane)

    def cut(full: FloatArray, last: FloatArray) -> Cut | None:
        found = sweep(full, last, shape, begun).cheapest(0)
        if found is None:
            return None
        run = run_of(job, lane, found, shape)
        excess = _excess(run, lane, rates) + caps.excess_spent
        return Cut(run.priced_gbp, excess, run)

    def solve(multipliers: Multipliers) -> Cut | None:
        extra = costs.energy_kwh[:, None] * (np.asarray(multipliers) @ rates)
        return cut(*costs.priced(shape, extra))

    if lane.has_unknown:
        return raise_dual(solve, (), (False, False), 1)
    cleanest = [cut(*costs.only(rates[n], shape)) for n in range(2) if caps.used[n]]
    if any(each is None for each in cleanest):
        return Dual(np.inf, begin, ())
    return raise_dual(solve, [c for c in cleanest if c is not None], caps.used, steps, begin)


def _excess(run: Pattern, lane: Lane, rates: FloatArray) -> FloatArray:
    energy = run.power_kw * run.share * SLOT_HOURS * lane.pue
    answer: FloatArray = rates[:, run.slot - lane.first] @ energy
    return answer


def _under_caps(
    job: Job, lane: Lane, caps: Caps, begun: Begun, limit_gbp: float, label_limit: int
) -> tuple[Pattern | None, bool]:
    """Return the cheapest run on a lane that keeps its caps and costs less than a limit, and whether that is proven."""
    dual = _dual(job, lane, caps, begun, DUAL_STEPS, NO_MULTIPLIERS)
    if dual.bound_gbp >= limit_gbp:
        return None, True
    kept = [c.pattern for c in dual.cuts if c.pattern is not None and caps.are_kept(c.pattern)]
    best = min(kept, key=lambda run: run.priced_gbp, default=None)
    best = None if best is None or best.priced_gbp >= limit_gbp else best
    limit = limit_gbp if best is None else best.priced_gbp
    if best is not None and limit - dual.bound_gbp <= PROVEN * max(1.0, abs(limit)):
        return best, True
    shape = shape_of(job, lane.slots, begun)
    costs = _costs(job, [lane], shape)
    rates = caps.excess_rates(lane)
    tables = Tables.of(
        [costs.priced(shape), costs.only(rates[0], shape), costs.only(rates[1], shape)],
        shape, begun, dual.multipliers,
    )  # fmt: skip
    found, is_complete = search(tables, limit, caps.excess_spent, label_limit)
    if found is not None:
        run = run_of(job, lane, found, shape)
        if caps.are_kept(run):
            best = run
    return best, is_complete
