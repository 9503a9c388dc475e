"""A plan in the making: which option each job holds, what it weighs, and the room that is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.optimise.options import JobOptions, open_mask
from models.optimise.table import TOLERANCE_KW, BoolArray, FloatArray, IntArray, fits

UNSERVED = -1
"""Choice of a job that gets nothing."""

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

    options: Sequence[JobOptions]
    links: Links
    room_kw: FloatArray
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
        pick = self.choice[k]
        mine = self.options[k]
        return mine.unserved_gbp if pick == UNSERVED else float(mine.objective_gbp[pick])

    def worth(self, k: int) -> tuple[float, float]:
        """Return what job k weighs in comparisons: penalty if unserved, rank if served; less is better. [GBP]"""
        pick = self.choice[k]
        mine = self.options[k]
        return (mine.unserved_gbp, 0.0) if pick == UNSERVED else (0.0, float(mine.rank_gbp[pick]))

    @property
    def score(self) -> tuple[float, float]:
        """Return (penalties of unserved jobs, ranks of served ones): no job with room is refused for cost. [GBP]"""
        parts = [self.worth(k) for k in range(len(self.options))]
        return round(sum(p[0] for p in parts), 9), round(sum(p[1] for p in parts), 9)

    def span(self, k: int) -> tuple[int, slice] | None:
        """Return the asset row and slots job k holds, or None."""
        if self.choice[k] == UNSERVED:
            return None
        return int(self.row[k]), slice(int(self.start[k]), int(self.stop[k]))

    def place(self, k: int, pick: int) -> None:
        """Give job k an option; it must hold none."""
        mine = self.options[k]
        self.choice[k] = pick
        self.row[k] = mine.asset_row[pick]
        self.start[k] = mine.start[pick]
        self.stop[k] = mine.start[pick] + mine.slots
        self.room_kw[self.row[k], self.start[k] : self.stop[k]] -= mine.power_kw

    def lift(self, k: int) -> None:
        """Take job k's option away, if it has one."""
        held = self.span(k)
        if held is not None:
            self.room_kw[held[0], held[1]] += self.options[k].power_kw
            self.choice[k] = UNSERVED
            self.row[k] = -1

    def available(self, k: int) -> BoolArray:
        """Return which options of job k are open, fit the present room and respect placed neighbours."""
        mine = self.options[k]
        mask = open_mask(mine)
        if not mine.count:
            return mask
        earliest, latest_end = self.neighbours(k)
        if earliest is None:
            return np.zeros_like(mask)
        first, stop = mine.first_start, mine.last_start + mine.slots
        starts = stop - first - mine.slots + 1
        for n, row in enumerate(mine.candidate_rows):
            here = slice(n * starts, (n + 1) * starts)
            mask[here] &= fits(self.room_kw[row, first:stop], mine.power_kw)
        if earliest > first:
            mask &= mine.start >= earliest
        if latest_end is not None:
            mask &= mine.start + mine.slots <= latest_end
        return mask

    def fits_now(self, k: int, pick: int) -> bool:
        """Return whether one open option of job k fits the present room and its placed neighbours."""
        mine = self.options[k]
        start = int(mine.start[pick])
        room = self.room_kw[mine.asset_row[pick], start : start + mine.slots]
        if (room < mine.power_kw - TOLERANCE_KW).any():
            return False
        earliest, latest_end = self.neighbours(k)
        in_order = earliest is not None and start >= earliest
        return in_order and (latest_end is None or start + mine.slots <= latest_end)

    def neighbours(self, k: int) -> tuple[int | None, int | None]:
        """Return (earliest start, latest end) in slots by placed neighbours; earliest None if one before is unserved."""
        earliest = 0
        for p in self.links.before[k]:
            held = self.span(p)
            if held is None:
                return None, None
            earliest = max(earliest, held[1].stop)
        ends = [held[1].start for s in self.links.after[k] if (held := self.span(s)) is not None]
        return earliest, min(ends, default=None)

    def best(self, k: int) -> int:
        """Return the best available option of job k by its ranking, or `UNSERVED`."""
        ranked = self.options[k].open_ranking
        if not ranked.size:
            return UNSERVED
        if self.fits_now(k, int(ranked[0])):
            return int(ranked[0])
        free = self.available(k)[ranked]
        place = int(free.argmax())
        return int(ranked[place]) if free[place] else UNSERVED

    def is_ideal(self) -> bool:
        """Return whether every job that can be served at all has the best option it could have alone."""
        return all(
            not mine.open_ranking.size
            if pick == UNSERVED
            else mine.rank_gbp[pick] <= mine.best_rank_gbp + GAIN_GBP
            for mine, pick in zip(self.options, self.choice, strict=True)
        )

    def serves_all_of(self, other: Assignment) -> bool:
        """Return whether every job that another plan serves is served here too."""
        return bool(((self.choice != UNSERVED) | (other.choice == UNSERVED)).all())
