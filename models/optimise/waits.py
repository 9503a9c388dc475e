"""Who waits for whom in a fleet, laid out for compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from models.optimise.table import IntArray


class Waits(NamedTuple):
    """Dependencies among the jobs of a fleet, by position; each list is flat, with the begin of each job's part.

    Attributes:
        before_ptr: Begin of the jobs that each job waits for, shape (jobs + 1,).
        before: Those jobs.
        after_ptr: Begin of the jobs that wait for each job, shape (jobs + 1,).
        after: Those jobs.
    """

    before_ptr: IntArray
    before: IntArray
    after_ptr: IntArray
    after: IntArray

    @classmethod
    def none(cls, jobs: int) -> Waits:
        """Return the waits of jobs that wait for nobody."""
        nobody, begin = np.empty(0, dtype=np.int64), np.zeros(jobs + 1, dtype=np.int64)
        return cls(begin, nobody, begin, nobody)

    @classmethod
    def of(cls, before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> Waits:
        """Return waits given the neighbours of each job."""
        return cls(*_flat(before), *_flat(after))


def _flat(lists: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    begin = np.cumsum([0, *(len(each) for each in lists)], dtype=np.int64)
    return begin, np.array([k for each in lists for k in each], dtype=np.int64)
