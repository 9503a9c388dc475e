"""Compiled helpers that take long to compile from numpy's own: sorting, and writing a row of an array.

`argsort(kind="mergesort")` costs seconds of compiling in every loop that uses it, and so does assigning one array to a
part of another (for the sentence of an error that cannot happen here). A plan waits for that on a fresh machine.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from models.optimise.kernels import compiled
from models.optimise.table import FloatArray, IntArray

NOUGHT = cast(int, np.int64(0))
"""Zero as a number like any other: what takes a variable that begins as a literal is compiled for that literal too."""

NO = cast(bool, np.bool_(False))
"""The same for a truth value."""

RUN = 16
"""Values that are sorted by insertion before sorted parts are merged."""


@compiled
def stable_order(key: FloatArray) -> IntArray:
    """Return the places of some values, the least first and equal ones in their order; no value is NaN."""
    count = key.size
    order, other = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    for low in range(0, count, RUN):
        for i in range(low, min(low + RUN, count)):
            at = i
            while at > low and key[order[at - 1]] > key[i]:
                order[at] = order[at - 1]
                at -= 1
            order[at] = i
    width = RUN
    while width < count:
        for low in range(0, count, 2 * width):
            middle, high = min(low + width, count), min(low + 2 * width, count)
            left, right, at = low, middle, low
            while left < middle and right < high:
                if key[order[right]] < key[order[left]]:
                    other[at] = order[right]
                    right += 1
                else:
                    other[at] = order[left]
                    left += 1
                at += 1
            for i in range(left, middle):
                other[at + i - left] = order[i]
            for i in range(right, high):
                other[i] = order[i]
        order, other = other, order
        width *= 2
    return order


@compiled
def write(values: Any, target: Any) -> None:
    """Write values over the first ones of an array, both of shape (n,) or the target longer."""
    for i in range(values.size):
        target[i] = values[i]
