"""A line of steps: one level a half-hour."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def step_line(levels: Sequence[float], step: float) -> str:
    """Return the path of a line that keeps each level for one step; equal neighbours are one stroke.

    Args:
        levels: Height of each step, top down. [px]
        step: Width of one. [px]
    """
    parts: list[str] = []
    index = 0
    for level, run in groupby(levels):
        left, index = index * step, index + len(list(run))
        parts.append(f"{'L' if parts else 'M'}{left:.2f} {level:g}L{index * step:.2f} {level:g}")
    return "".join(parts)
