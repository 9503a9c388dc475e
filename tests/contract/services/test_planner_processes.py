"""Planners as real processes: killed in the middle of planning, and several at once on one database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from models.domain.job import JobStatus
from services import planning
from storage.database import Database, open_database
from tests.support.databases import copied
from tests.support.fleet import NOON
from tests.support.planner_process import joined_world
from tests.support.shared import REPOSITORY
from tests.support.world import OPERATOR, World, hours, with_cluster

LIMIT_KW = 25.0
"""Power of the one cluster: two jobs of 10 kW at a time."""


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    for url in copied(request, "sqlite", tmp_path):
        yield url, tmp_path / "logs"


@pytest.fixture
def shared(place: tuple[str, Path]) -> Iterator[World]:
    """Return this process's view of the application, with one small cluster."""
    database: Database = open_database(place[0])
    world = joined_world(database, place[1], "parent")
    with_cluster(world, max_power_kw=LIMIT_KW)
    yield world
    database.dispose()


@contextmanager
def a_planner(
    place: tuple[str, Path], name: str, count: int, pause: float
) -> Iterator[subprocess.Popen[str]]:
    url, folder = place
    command = [sys.executable, "-m", "tests.support.planner_process"]
    process = subprocess.Popen(
        [*command, url, str(folder), name, str(count), str(pause)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        _out(process).close()


def _out(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


def killed_at(process: subprocess.Popen[str], line: str, occurrence: int) -> list[str]:
    """Kill a planner with signal 9 when it has said a line so many times; return everything it said."""
    said: list[str] = []
    for text in _out(process):
        said.append(text.strip())
        if sum(told == line or told.startswith(f"{line} ") for told in said) == occurrence:
            break
    process.kill()
    process.wait()
    return said + [text.strip() for text in _out(process)]


def accepted(said: list[str]) -> list[str]:
    return [line.split()[1] for line in said if line.startswith("accepted ")]


def check(world: World, ids: list[str]) -> None:
    """Check that every accepted job has its answer, power is not given twice, and the log verifies."""
    for job_id in ids:
        view = world.view(job_id)
        assert view.job.status in {JobStatus.SCHEDULED, JobStatus.REFUSED}
        assert view.plan is not None
    with world.context.uow() as uow:
        held = uow.plans.reserved(NOON - hours(24), NOON + hours(400))
        records = uow.decisions.head()[0]
    assert max(kw for slots in held.values() for kw in slots.values()) <= LIMIT_KW
    report = world.context.audit.verify(world.context.uow)
    assert report.ok, report
    assert report.last_seq == records


@pytest.mark.parametrize(
    ("line", "occurrence", "pause"),
    [
        pytest.param("accepted", 2, 0.0, marks=pytest.mark.slow),
        pytest.param("negotiated", 1, 0.5, marks=pytest.mark.slow),
        ("negotiated", 3, 0.02),
        pytest.param("planned", 3, 0.0, marks=pytest.mark.slow),
    ],
)
def test_a_planner_killed_in_the_middle_loses_no_accepted_job_and_leaves_a_log_that_verifies(
    shared: World, place: tuple[str, Path], line: str, occurrence: int, pause: float
) -> None:
    with a_planner(place, "child", 8, pause) as process:
        said = killed_at(process, line, occurrence)
    ids = accepted(said)
    assert ids, said
    with shared.context.uow() as uow:
        stored = {job.job_id for job in uow.jobs.open_jobs()}
    assert set(ids) <= stored
    # The dead planner's turn runs out by itself, and the next one plans what was left.
    assert planning.schedule_all(shared.context, OPERATOR).finished
    check(shared, sorted(stored))


@pytest.mark.slow
def test_planners_in_several_processes_never_double_book(
    shared: World, place: tuple[str, Path]
) -> None:
    with a_planner(place, "one", 6, 0.0) as one, a_planner(place, "two", 6, 0.0) as two:
        said = list(_out(one)) + list(_out(two))
        assert one.wait(120) == 0
        assert two.wait(120) == 0
    ids = accepted(said)
    assert len(ids) == 12
    check(shared, ids)
