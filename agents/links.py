"""Dependencies: who waits for whom inside one negotiation, and how that tightens windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from models.domain.errors import InvalidRequest
from models.domain.job import Job
from models.domain.time import ceil_slot, floor_slot
from models.optimise.award import Links


def topological(jobs: Sequence[Job]) -> list[int]:
    """Return positions so that predecessors come first; ties by position.

    Raises:
        InvalidRequest: If jobs wait for each other in a circle; the sentence names it.
    """
    place = {job.job_id: k for k, job in enumerate(jobs)}
    sorter = TopologicalSorter(
        {k: [place[p] for p in job.depends_on if p in place] for k, job in enumerate(jobs)}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " → ".join(jobs[k].job_id for k in error.args[1])
        raise InvalidRequest(f"these jobs wait for each other in a circle: {circle}") from error
    order: list[int] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order.extend(ready)
        sorter.done(*ready)
    return order


def build_links(jobs: Sequence[Job]) -> Links:
    """Return the dependencies among some jobs by position."""
    place = {job.job_id: k for k, job in enumerate(jobs)}
    before = tuple(tuple(place[p] for p in job.depends_on if p in place) for job in jobs)
    after: list[list[int]] = [[] for _ in jobs]
    for k, predecessors in enumerate(before):
        for p in predecessors:
            after[p].append(k)
    return Links(before, tuple(tuple(s) for s in after), tuple(topological(jobs)))


def tightened_windows(
    jobs: Sequence[Job],
    predecessor_ends: Mapping[str, datetime],
    not_before: datetime | None = None,
) -> tuple[dict[str, datetime], dict[str, datetime]]:
    """Return releases and deadlines moved by predecessors and successors along the critical paths.

    A predecessor's run ends at the earliest on the half-hour after its duration; a successor starts on a
    half-hour, so deadlines are rounded down and releases up to half-hours where neighbours are involved. A
    successor that cannot meet its own deadline any more moves nobody's. A pinned job has its pinned run only.

    Args:
        jobs: The jobs of one negotiation.
        predecessor_ends: Job id → earliest start imposed by predecessors that are not among `jobs`.
        not_before: Earliest start of anything; None: no such bound.
    """
    order = topological(jobs)
    place = {job.job_id: k for k, job in enumerate(jobs)}
    release = {
        job.job_id: max(
            job.pinned_start or job.release,
            job.release,
            predecessor_ends.get(job.job_id, job.release),
            not_before or job.release,
        )
        for job in jobs
    }
    deadline = {job.job_id: _last_finish(job) for job in jobs}
    for k in order:
        job = jobs[k]
        for p in job.depends_on:
            if p in place:
                done = ceil_slot(ceil_slot(release[p]) + jobs[place[p]].duration)
                release[job.job_id] = max(release[job.job_id], done)
    for k in reversed(order):
        job = jobs[k]
        if ceil_slot(release[job.job_id]) + job.duration > deadline[job.job_id]:
            continue
        for p in job.depends_on:
            if p in place:
                start = floor_slot(deadline[job.job_id] - job.duration)
                deadline[p] = min(deadline[p], start)
    return release, deadline


def _last_finish(job: Job) -> datetime:
    """Return when a job must have ended: its deadline, or the end of the run that somebody pinned."""
    if job.pinned_start is None:
        return job.latest_finish
    return min(job.latest_finish, job.pinned_start + job.duration)
