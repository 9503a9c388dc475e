"""One move of a job between two plans, and the cause it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.domain.change import MoveValues
from models.domain.job import Job
from services.plan_sides import Placed, Side


@dataclass(frozen=True)
class Cause:
    """Why, as a word and as a sentence without its full stop."""

    word: str
    text: str
    room_for: tuple[str, ...] = ()
    room_for_others: int = 0


@dataclass(frozen=True)
class Move:
    """One job that moved, with all that may explain it."""

    job: Job
    old: Placed
    new: Placed
    values: MoveValues
    before: Side
    after: Side
    jobs: Mapping[str, Job]
    """Every job of the new plan, to tell own ones from others'."""
    successors: tuple[str, ...] = ()
    """Jobs that wait for it."""
    saves_too_little: bool = False
    """It runs on arrival now because waiting would save too little."""
