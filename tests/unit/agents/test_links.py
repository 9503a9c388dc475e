"""Dependencies: order, circles, and how they tighten windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agents.links import build_links, tightened_windows, topological
from models.domain.errors import InvalidRequest
from models.domain.job import Job
from tests.support.fleet import NOON, a_job
from tests.support.planning import at_slot


def chain(*names: str, minutes: float = 60.0, **changes: Any) -> list[Job]:
    return [
        a_job(name, minutes, depends_on=names[n - 1 : n] if n else (), **changes)
        for n, name in enumerate(names)
    ]


def test_predecessors_come_first_and_ties_keep_their_place() -> None:
    jobs = [a_job("z", depends_on=("a",)), a_job("m"), a_job("a"), a_job("b", depends_on=("m",))]
    assert [jobs[k].job_id for k in topological(jobs)] == ["m", "a", "z", "b"]


def test_a_circle_is_refused_and_named() -> None:
    jobs = [a_job("a", depends_on=("b",)), a_job("b", depends_on=("a",))]
    with pytest.raises(InvalidRequest, match=r"circle: a → b → a|circle: b → a → b"):
        topological(jobs)


def test_links_name_neighbours_by_position_and_forget_jobs_outside() -> None:
    jobs = [a_job("a", depends_on=("gone",)), a_job("b", depends_on=("a",))]
    links = build_links(jobs)
    assert links.before == ((), (0,))
    assert links.after == ((1,), ())
    assert links.order == (0, 1)


def test_a_chain_moves_releases_later_and_deadlines_earlier() -> None:
    # Three runs of 45 min from noon until 18:00: each reserves whole half-hours, so they start at 12, 13 and 14.
    jobs = chain("a", "b", "c", minutes=45.0, latest_finish=NOON + timedelta(hours=6))
    releases, deadlines = tightened_windows(jobs, {})
    assert [releases[name] for name in "abc"] == [at_slot(0), at_slot(2), at_slot(4)]
    # c starts by 17:15 → 17:00; b by 16:15 → 16:00.
    assert [deadlines[name] for name in "abc"] == [at_slot(8), at_slot(10), at_slot(12)]


def test_a_predecessor_outside_moves_the_release_to_its_end() -> None:
    releases, _ = tightened_windows(chain("a", "b"), {"a": at_slot(3)})
    assert releases == {"a": at_slot(3), "b": at_slot(5)}


def test_nothing_is_released_before_now() -> None:
    releases, _ = tightened_windows(chain("a", "b"), {}, at_slot(5))
    assert releases == {"a": at_slot(5), "b": at_slot(7)}


def test_a_successor_that_cannot_be_in_time_moves_nobodys_deadline() -> None:
    jobs = [
        a_job("a", 60, latest_finish=at_slot(10)),
        a_job("b", 60, depends_on=("a",), latest_finish=at_slot(3)),
    ]
    _, deadlines = tightened_windows(jobs, {})
    assert deadlines["a"] == at_slot(10)
    _, in_time = tightened_windows(
        [jobs[0], a_job("b", 60, depends_on=("a",), latest_finish=at_slot(4))], {}
    )
    assert in_time["a"] == at_slot(2)


def test_a_pinned_job_leaves_its_neighbours_what_its_run_leaves_them() -> None:
    # b is pinned to 14:00 (slot 4): a ends by then, and c starts no earlier than 15:00.
    jobs = chain("a", "b", "c", minutes=60.0, latest_finish=at_slot(12))
    pinned = [jobs[0], replace(jobs[1], pinned_start=at_slot(4)), jobs[2]]
    releases, deadlines = tightened_windows(pinned, {})
    assert (deadlines["a"], releases["c"]) == (at_slot(4), at_slot(6))
    # A pin that has passed is no run at all, so it moves nobody's deadline.
    past = [jobs[0], replace(jobs[1], pinned_start=at_slot(-4)), jobs[2]]
    assert tightened_windows(past, {})[1]["a"] == at_slot(12)
