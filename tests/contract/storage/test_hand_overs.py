"""Stored hand-overs, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.domain.errors import Conflict, NotFound
from models.domain.execution import ExecutionState, HandOver, Stage, Wanted
from storage.database import Database
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON, a_job, an_asset


def a_hand_over(run: str = "a1", job_id: str = "job-a", **changes: Any) -> HandOver:
    plain = HandOver(
        run, job_id, "local", 1, "slurm", Stage.INTENDED, Wanted.RUN, NOON, NOON, audited_seq=7
    )
    return replace(plain, **changes)


@pytest.fixture
def units(database: Database) -> SqlUnitOfWorkFactory:
    units = SqlUnitOfWorkFactory(database)
    with units(write=True) as uow:
        uow.assets.add(an_asset())
        uow.jobs.add(a_job("job-a"))
        uow.jobs.add(a_job("job-b"))
        uow.hand_overs.add(a_hand_over())
        uow.commit()
    return units


def test_a_hand_over_reads_back_as_it_was_stored(units: SqlUnitOfWorkFactory) -> None:
    full = a_hand_over(
        told=Wanted.RUN, told_begin=NOON, external_id="12", state=ExecutionState.RUNNING, started_at=NOON,
        exit_code=0, reason="ok", energy_kwh=1.25, called_at=NOON, tries=2, retry_at=NOON, last_error="x",
        missing_since=NOON, moves=3, version=2,
    )  # fmt: skip
    with units(write=True) as uow:
        uow.hand_overs.update(full)
        uow.commit()
    with units() as uow:
        assert uow.hand_overs.get("a1") == full
        with pytest.raises(NotFound):
            uow.hand_overs.get("a2")


def test_an_attempt_of_a_job_is_stored_once(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as uow, pytest.raises(Conflict):
        uow.hand_overs.add(a_hand_over("other"))
    with units(write=True) as uow:
        uow.hand_overs.add(a_hand_over("second", attempt=2))
        uow.commit()
    with units() as uow:
        assert [one.attempt for one in uow.hand_overs.of_job("job-a")] == [1, 2]


def test_of_two_writers_the_second_is_told_so(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as uow:
        uow.hand_overs.update(a_hand_over(tries=1, version=2))
        uow.commit()
    with units(write=True) as uow, pytest.raises(Conflict):
        uow.hand_overs.update(a_hand_over(tries=9, version=2))


def test_only_those_with_something_left_to_do_are_open(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as uow:
        uow.hand_overs.update(a_hand_over(stage=Stage.ENDED, version=2))
        uow.hand_overs.add(a_hand_over("b1", "job-b", stage=Stage.HANDED))
        uow.commit()
    with units() as uow:
        assert [one.hand_over_id for one in uow.hand_overs.open()] == ["b1"]


def test_they_are_counted_by_executor_stage_and_state(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as uow:
        uow.hand_overs.add(
            a_hand_over("b1", "job-b", stage=Stage.HANDED, state=ExecutionState.RUNNING)
        )
        uow.hand_overs.update(a_hand_over(stage=Stage.DROPPED, version=2))
        uow.commit()
    with units() as uow:
        assert uow.hand_overs.counts() == {
            ("slurm", Stage.HANDED, ExecutionState.RUNNING): 1,
            ("slurm", Stage.DROPPED, None): 1,
        }
