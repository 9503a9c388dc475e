"""How warm a search is and what it pays for overload, stretch by stretch, by the kind of fleet."""

from __future__ import annotations

from dataclasses import dataclass

from models.optimise.fleet import Fleet
from models.optimise.table import FloatArray

COARSE = 0.15
"""Size of a typical job over the typical room, times use, from which a plan is above all a packing."""

FINE = 0.05
"""The same, below which jobs are sand and a plan is above all a matter of prices."""

SCARCE = 0.5
"""Work over room from which both searches of a coarse fleet look for a packing."""


@dataclass(frozen=True)
class Stage:
    """One stretch of annealing; temperatures in units of the mean cost of a job.

    Attributes:
        share: Part of the moves.
        warm: Temperature at the begin.
        cool: Temperature at the end.
        soft: Factor on the price of overload at the begin.
        hard: The same at the end.
        grow: Growth of that price on cells that stay overloaded.
    """

    share: float
    warm: float
    cool: float
    soft: float
    hard: float
    grow: float


def stages_for(grain: float, use: float) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Return the stages of the two searches that run side by side.

    Args:
        grain: Size of a typical job over the typical room, see `grain_of`.
        use: Work of all jobs over all room; with much room to spare even large jobs need little packing.
    """
    hot = (Stage(0.5, 3.0, 2e-2, 1.5, 3.0, 1.0), Stage(0.5, 4e-2, 1e-3, 3.0, 3.0, 1.07))
    warm = 0.15 * max(grain, 1e-6)
    cool = (
        Stage(0.7, warm, warm / 20, 2.0, 4.0, 1.0),
        Stage(0.3, warm / 10, warm / 100, 4.0, 4.0, 1.1),
    )
    if grain * use > COARSE:
        return (hot, hot) if use > SCARCE else (cool, hot)
    return (cool, cool) if grain * use < FINE else (cool, hot)


def grain_of(fleet: Fleet, room_kw: FloatArray) -> float:
    """Return the size of a typical job over the typical room: energy-weighted mean power by mean room."""
    work = fleet.power_kw * fleet.slots
    mean_room = float(room_kw.mean())
    if not work.sum() or mean_room <= 0:
        return 0.0
    return float((work * fleet.power_kw).sum() / work.sum()) / mean_room


IN_ORDER = (
    (Stage(0.5, 0.05, 2e-3, 6.0, 12.0, 1.002), Stage(0.5, 1e-2, 2e-3, 12.0, 12.0, 1.02)),
    (Stage(1.0, 1e-2, 1e-3, 12.0, 24.0, 1.01),),
)
"""Stages of two searches on from a plan whose jobs wait for each other; hotter ones lose it."""


def stages_of(fleet: Fleet, room_kw: FloatArray) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Return the stages of the two searches over a fleet of windows."""
    use = float((fleet.power_kw * fleet.slots).sum()) / max(float(room_kw.sum()), 1e-9)
    return stages_for(grain_of(fleet, room_kw), use)
