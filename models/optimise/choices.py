"""What a job could do, whatever its kind."""

from __future__ import annotations

from datetime import datetime

from models.domain.job import Job
from models.optimise import flexible
from models.optimise.assignment import Options
from models.optimise.options import build_options
from models.optimise.pattern import Pattern
from models.optimise.pattern_options import build_pattern_options
from models.optimise.table import PricedTable
from models.optimise.terms import Incumbent, Weights


def options_of(
    job: Job,
    table: PricedTable,
    weights: Weights,
    *,
    release: datetime | None = None,
    latest_finish: datetime | None = None,
    incumbent: Incumbent | None = None,
    follows: bool = False,
    sent_to: Incumbent | None = None,
) -> Options:
    """Return the priced options of a job of any kind.

    Args:
        job: The job.
        table: Priced half-hours of all assets.
        weights: The objective.
        release: Earliest start where predecessors move it later; None: the job's own.
        latest_finish: Finish that still leaves time for successors; later ones are ranked last. None: no successors.
        incumbent: The award held now; every other option then carries the churn cost.
        follows: A predecessor is planned beside it, so that a job that may not wait starts when that one has ended.
        sent_to: An award its data are on their way to although it carries no churn cost; None: the incumbent.
    """
    row = table.index.get(job.asset_id)
    own = None if row is None else table.assets[row]
    if flexible.bends_in_shape(job, own):
        return build_pattern_options(
            job,
            table,
            weights,
            release=release,
            latest_finish=latest_finish,
            held=None if incumbent is None else held_run(job, table, weights, incumbent),
            sent_to=sent_to or incumbent,
        )
    return build_options(
        job,
        table,
        weights,
        release=release,
        latest_finish=latest_finish,
        incumbent=incumbent,
        follows=follows,
        sent_to=sent_to,
    )


def held_run(
    job: Job, table: PricedTable, weights: Weights, incumbent: Incumbent
) -> Pattern | None:
    """Return the run that a job holds now, priced on a table; None where that place or time is gone."""
    row = table.index.get(incumbent.asset_id)
    if row is None or not incumbent.segments:
        return None
    lanes = flexible.lanes_of(
        job,
        table,
        weights,
        (row,),
        table.room_kw,
        first=incumbent.start,
        end=flexible.slots_until(job.latest_finish, table.horizon),
        sent_to=incumbent,
    )
    return flexible.run_of_segments(lanes[0], incumbent.segments, table.horizon) if lanes else None
