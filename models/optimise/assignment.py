"""A plan in the making: which option each job holds, what it weighs, and the room that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.optimise.options import JobOptions
from models.optimise.pattern_options import PatternOptions
from models.optimise.table import BoolArray, FloatArray, IntArray
from models.optimise.terms import NONE_FITS, Hold

UNSERVED = NONE_FITS
"""Choice of a job that gets nothing."""

Options = JobOptions | PatternOptions
"""What one job could do: listed windows, or runs found on demand."""

GAIN_GBP = 1e-9
"""Smallest gain for which anything moves. [GBP]"""


@dataclass(frozen=True)
class Links:
    """Dependencies among the jobs of one negotiation, by position.

    Attributes:
        before: Per job, the positions of its predecessors that are placed in the same negotiation.
        after: Per job, the positions of its successors.
        order: A topological order.
    """

    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]

    @classmethod
    def none(cls, count: int) -> Links:
        """Return links of independent jobs."""
        return cls(((),) * count, ((),) * count, tuple(range(count)))


@dataclass
class Assignment:
    """A plan in the making: one choice per job and the room that is left."""

    options: Sequence[Options]
    links: Links
    room_kw: FloatArray
    empty_room_kw: FloatArray = field(init=False)
    """Room before anything was placed. [kW]"""
    choice: IntArray = field(init=False)
    row: IntArray = field(init=False)
    """Asset row each job holds power on, -1 where none."""
    start: IntArray = field(init=False)
    stop: IntArray = field(init=False)
    is_cut_short: bool = field(init=False, default=False)
    """True where the repair stopped at its limit before it had tried everything."""
    effort: int = field(init=False, default=0)
    """Jobs lifted by the repair so far."""

    def __post_init__(self) -> None:
        """Start with nothing placed."""
        self.empty_room_kw = self.room_kw
        self.room_kw = self.room_kw.copy()
        self.choice = np.full(len(self.options), UNSERVED, dtype=np.int64)
        self.row = np.full(len(self.options), -1, dtype=np.int64)
        self.start = np.zeros(len(self.options), dtype=np.int64)
        self.stop = np.zeros(len(self.options), dtype=np.int64)

    @property
    def objective_gbp(self) -> float:
        """Return the sum over jobs of their option's objective, or of staying unserved. [GBP]"""
        return float(sum(self.job_gbp(k) for k in range(len(self.options))))

    def job_gbp(self, k: int) -> float:
        """Return what job k adds to the objective now. [GBP]"""
        pick = int(self.choice[k])
        mine = self.options[k]
        return mine.unserved_gbp if pick == UNSERVED else mine.objective_of(pick)

    def worth(self, k: int) -> tuple[float, float]:
        """Return what job k weighs in comparisons: penalty if unserved, rank if served; less is better. [GBP]"""
        pick = int(self.choice[k])
        mine = self.options[k]
        return (mine.unserved_gbp, 0.0) if pick == UNSERVED else (0.0, mine.rank_of(pick))

    @property
    def score(self) -> tuple[float, float]:
        """Return (penalties of unserved jobs, ranks of served ones): no job with room is refused for cost. [GBP]"""
        parts = [self.worth(k) for k in range(len(self.options))]
        return round(sum(p[0] for p in parts), 9), round(sum(p[1] for p in parts), 9)

    def held(self, k: int) -> Hold | None:
        """Return the power job k holds, or None."""
        pick = int(self.choice[k])
        return None if pick == UNSERVED else self.options[k].hold(pick)

    def place(self, k: int, pick: int) -> None:
        """Give job k an option; it must hold none."""
        hold = self.options[k].hold(pick)
        self.choice[k] = pick
        self.row[k], self.start[k], self.stop[k] = hold.row, hold.start, hold.stop
        self.room_kw[hold.row, hold.at] -= hold.power_kw

    def lift(self, k: int) -> None:
        """Take job k's option away, if it has one."""
        hold = self.held(k)
        if hold is not None:
            self.room_kw[hold.row, hold.at] += hold.power_kw
            self.choice[k] = UNSERVED
            self.row[k] = -1

    def put(self, k: int, pick: int) -> None:
        """Give job k an option, or `UNSERVED`, in place of what it holds."""
        self.lift(k)
        if pick != UNSERVED:
            self.place(k, pick)

    def available(self, k: int) -> BoolArray:
        """Return which options of job k are open, fit the present room and respect placed neighbours."""
        earliest, latest_end = self.neighbours(k)
        if earliest is None:
            return np.zeros(self.options[k].count, dtype=np.bool_)
        return self.options[k].fitting(self.room_kw, earliest, latest_end)

    def fits_now(self, k: int, pick: int) -> bool:
        """Return whether one open option of job k fits the present room and its placed neighbours."""
        earliest, latest_end = self.neighbours(k)
        if earliest is None:
            return False
        return self.options[k].fits(pick, self.room_kw, earliest, latest_end)

    def neighbours(self, k: int) -> tuple[int | None, int | None]:
        """Return (earliest start, latest end) in slots by placed neighbours; earliest None if one before is unserved."""
        earliest = 0
        for p in self.links.before[k]:
            if self.choice[p] == UNSERVED:
                return None, None
            earliest = max(earliest, int(self.stop[p]))
        ends = [int(self.start[s]) for s in self.links.after[k] if self.choice[s] != UNSERVED]
        return earliest, min(ends, default=None)

    def best(
        self, k: int, price_gbp: FloatArray | None = None, room_kw: FloatArray | None = None
    ) -> int:
        """Return the best available option of job k, or `UNSERVED`.

        Args:
            k: The job; it holds nothing.
            price_gbp: Scarcity of one kW over one half-hour that counts, shape (assets, slots); None: none. [GBP]
            room_kw: Room to look at instead of what is left, same shape. [kW]
        """
        earliest, latest_end = self.neighbours(k)
        if earliest is None:
            return UNSERVED
        room = self.room_kw if room_kw is None else room_kw
        return self.options[k].best_in(room, earliest, latest_end, price_gbp)

    def is_missed(self, k: int) -> bool:
        """Return whether job k is unserved while one that waits for it is placed."""
        after = self.links.after[k]
        return bool(self.choice[k] == UNSERVED) and any(self.choice[s] != UNSERVED for s in after)

    def is_ideal(self) -> bool:
        """Return whether every job that can be served at all has the best option it could have alone."""
        return all(
            mine.best_rank_gbp == np.inf
            if pick == UNSERVED
            else mine.rank_of(int(pick)) <= mine.best_rank_gbp + GAIN_GBP
            for mine, pick in zip(self.options, self.choice, strict=True)
        )

    def serves_all_of(self, other: Assignment) -> bool:
        """Return whether every job that another plan serves is served here too."""
        return bool(((self.choice != UNSERVED) | (other.choice == UNSERVED)).all())

    def take(self, choice: IntArray) -> None:
        """Put the plan to other choices."""
        for k in range(len(self.options)):
            self.lift(k)
        for k, pick in enumerate(choice):
            if pick != UNSERVED:
                self.place(k, int(pick))
