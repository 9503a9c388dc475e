"""Transactions: what is kept, what is rolled back, who waits for whom, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from models.domain.decision import DecisionDraft, EventType
from models.domain.errors import InvalidRequest, NotFound, SourceUnavailable, StalePlan
from storage.database import Database, open_database
from storage.faults import StorageMisuse
from storage.leases import SqlLeaseStore
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.stored import a_placement, a_plan

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def fleet(units: SqlUnitOfWorkFactory) -> SqlUnitOfWorkFactory:
    with units(write=True) as unit:
        unit.assets.add(an_asset("cluster-a", max_power_kw=15.0))
        for k in range(8):
            unit.jobs.add(a_job(f"job-{k}"))
        unit.commit()
    return units


def test_what_is_not_committed_is_rolled_back(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit:
        unit.assets.add(an_asset())

    def fail_on_the_way() -> None:
        with units(write=True) as unit:
            unit.assets.add(an_asset("cluster-b"))
            raise RuntimeError("on the way")

    with pytest.raises(RuntimeError, match="on the way"):
        fail_on_the_way()
    with units() as unit:
        assert unit.assets.all_live() == ()


def test_a_unit_of_work_is_over_after_its_commit(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit:
        unit.commit()
        with pytest.raises(StorageMisuse, match="over"):
            unit.plans.version()
        with pytest.raises(StorageMisuse, match="over"):
            unit.commit()
    with pytest.raises(StorageMisuse, match="once"), unit:
        pass
    with pytest.raises(StorageMisuse, match="with"):
        units().commit()


def test_a_unit_of_work_for_reading_cannot_write(units: SqlUnitOfWorkFactory) -> None:
    with units() as unit, pytest.raises(StorageMisuse):
        unit.assets.add(an_asset())
    with units(write=True) as unit:
        unit.assets.add(an_asset())
        unit.commit()


def test_a_reader_sees_one_unchanging_state(units: SqlUnitOfWorkFactory) -> None:
    with units() as reader:
        before = reader.plans.version()
        with units(write=True) as writer:
            writer.plans.bump()
            writer.assets.add(an_asset())
            writer.commit()
        assert reader.plans.version() == before
        assert reader.assets.all_live() == ()
    with units() as reader:
        assert reader.plans.version() == before + 1


def test_writers_take_turns_and_lose_no_update(
    units: SqlUnitOfWorkFactory,
) -> None:
    def bump(_: int) -> None:
        with units(write=True) as unit:
            unit.plans.bump()
            unit.decisions.append(DecisionDraft(EventType.DECISION, {}))
            unit.commit()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bump, range(40)))
    with units() as unit:
        assert unit.plans.version() == 40
        records = unit.decisions.after(0, 100)
        assert [record.seq for record in records] == list(range(1, 42))
        assert len({record.prev_hash for record in records}) == 41, "no two follow the same record"


def test_of_planners_that_read_the_same_version_one_commits(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    # 15 kW of room and jobs of 10 kW: two of them at once would double-book the half-hours.
    token = SqlLeaseStore(database).acquire("plan", "worker-1", 60)
    assert token is not None
    at_once = threading.Barrier(8)

    def plan(k: int) -> bool:
        with fleet() as unit:
            version = unit.plans.version()
        at_once.wait(30)
        try:
            with fleet(write=True) as unit:
                unit.plans.guard(version, token)
                unit.plans.put([a_plan(f"job-{k}")])
                unit.plans.check_capacity()
                unit.plans.bump()
                unit.commit()
        except StalePlan:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(plan, range(8))) == 1
    with fleet() as unit:
        assert len(unit.plans.current()) == 1


def test_planners_without_a_guard_still_cannot_double_book(
    fleet: SqlUnitOfWorkFactory,
) -> None:
    at_once = threading.Barrier(8)

    def plan(k: int) -> bool:
        at_once.wait(30)
        try:
            with fleet(write=True) as unit:
                unit.plans.put([a_plan(f"job-{k}", a_placement(power_kw=10.0))])
                unit.plans.check_capacity()
                unit.commit()
        except StalePlan:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(plan, range(8))) == 1


def test_of_two_requests_with_one_key_one_reserves_it(units: SqlUnitOfWorkFactory) -> None:
    at_once = threading.Barrier(6)

    def reserve(_: int) -> bool:
        at_once.wait(30)
        with units(write=True) as unit:
            is_ours = (
                unit.idempotency.reserve("local", "route", "key", "a" * 64, NOON, "me") is None
            )
            unit.commit()
        return is_ours

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(reserve, range(6))) == 1


HALF_WAY = """
import os, sys
from datetime import datetime, timedelta, UTC
from storage.database import open_database
from storage.unit_of_work import SqlUnitOfWorkFactory
from models.domain.decision import DecisionDraft, EventType
from tests.support.fleet import a_job
from tests.support.stored import a_plan

with SqlUnitOfWorkFactory(open_database(sys.argv[1]))(write=True) as unit:
    unit.jobs.add(a_job("half"))
    unit.plans.put([a_plan("half")])
    unit.plans.bump()
    unit.decisions.append(DecisionDraft(EventType.DECISION, {}, job_id="half"))
    print("written, not committed", flush=True)
    sys.stdin.read()
"""


def test_a_process_killed_in_a_transaction_leaves_nothing_half_written(
    fleet: SqlUnitOfWorkFactory, database_url: str
) -> None:
    with fleet() as unit:
        before = (unit.plans.version(), unit.decisions.head())
    child = subprocess.Popen(
        [sys.executable, "-c", HALF_WAY, database_url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"written, not committed\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(30) == -signal.SIGKILL
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()
    with fleet(write=True) as unit:  # the dead writer holds no lock either
        assert (unit.plans.version(), unit.decisions.head()) == before
        assert unit.plans.current() == {}
        with pytest.raises(NotFound):
            unit.jobs.get("half")
        unit.jobs.add(a_job("half"))
        unit.commit()


def test_a_forked_child_uses_connections_of_its_own(
    fleet: SqlUnitOfWorkFactory, database: Database
) -> None:
    with fleet() as unit:
        assert unit.plans.version() == 0  # a connection is pooled now
    pooled = database.engine.pool.status()
    child = os.fork()
    if child == 0:  # in the child: leave by _exit, so that pytest does not go on twice
        code = 1
        try:
            with fleet(write=True) as unit:
                unit.plans.bump()
                unit.commit()
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert database.engine.pool.status() == pooled
    with fleet() as unit:
        assert unit.plans.version() == 1


@pytest.mark.parametrize("value", ["a\x00b", "\ud800"])
def test_text_no_database_can_hold_is_the_callers_mistake_or_nothing_found(
    units: SqlUnitOfWorkFactory, value: str
) -> None:
    with units() as unit, pytest.raises((InvalidRequest, NotFound)):
        unit.jobs.get(value)


def test_a_locked_database_is_unavailable_for_now(
    units: SqlUnitOfWorkFactory, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.database.LOCK_TIMEOUT_SECONDS", 0.05)
    url = database_url
    if url.startswith("postgresql"):
        url += "?options=-c%20lock_timeout%3D50"
    impatient = open_database(url)
    try:
        with units(write=True) as unit:
            unit.plans.bump()
            with pytest.raises(SourceUnavailable) as raised:
                SqlUnitOfWorkFactory(impatient)(write=True).__enter__()
        assert raised.value.retry_after_seconds == 2
        assert raised.value.source == "database"
    finally:
        impatient.dispose()


def test_threads_of_a_process_write_in_turn_and_nobody_waits_for_ever(
    units: SqlUnitOfWorkFactory,
) -> None:
    order: list[str] = []
    inside, waits = threading.Event(), threading.Event()

    def second() -> None:
        assert inside.wait(30)
        waits.set()
        with units(write=True) as unit:
            order.append("second begins")
            unit.plans.bump()
            unit.commit()

    thread = threading.Thread(target=second)
    thread.start()
    with units(write=True) as unit:
        inside.set()
        assert waits.wait(30)
        unit.plans.bump()
        order.append("first ends")
        unit.commit()
    thread.join(timeout=30)
    assert order == ["first ends", "second begins"]
    with units() as unit:
        assert unit.plans.version() == 2


def test_a_turn_is_given_back_after_a_commit_a_rollback_and_a_failure_to_begin(
    units: SqlUnitOfWorkFactory, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if database.dialect != "sqlite":
        pytest.skip("PostgreSQL queues its writers itself")
    with units(write=True) as unit:
        unit.plans.bump()
        unit.commit()
        # The commit ends it, not the end of the block.
        with units(write=True) as other:
            other.plans.bump()
    with monkeypatch.context() as broken:
        broken.setattr("storage.database._begin_writing", lambda *_: _fail())
        with pytest.raises(SourceUnavailable):
            units(write=True).__enter__()
    with units(write=True) as unit:
        assert unit.plans.version() == 1  # the second one was rolled back
        monkeypatch.setattr("storage.database.LOCK_TIMEOUT_SECONDS", 0.05)
        with pytest.raises(SourceUnavailable, match="another thread is writing"):
            units(write=True).__enter__()


def _fail() -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_a_file_that_is_no_database_is_an_error_of_storage(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(
        b"no database at all, but long enough to be read as one" * 50
    )
    broken = open_database(f"sqlite:///{tmp_path}/x.sqlite3")
    for write in (False, True):
        with pytest.raises(StorageMisuse, match="not a database"):
            broken.begin(write=write)
    broken.dispose()


def test_an_unreachable_server_is_unavailable_for_now() -> None:
    nobody = open_database("postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(SourceUnavailable, match="database"):
        nobody.begin()
    nobody.dispose()


def test_what_is_committed_survives_reopening(
    units: SqlUnitOfWorkFactory, database: Database, database_url: str
) -> None:
    job = a_job(duration=timedelta(minutes=95, microseconds=1))
    with units(write=True) as unit:
        unit.assets.add(an_asset())
        unit.jobs.add(job)
        unit.commit()
    database.dispose()
    reopened = open_database(database_url)
    with SqlUnitOfWorkFactory(reopened)() as unit:
        assert unit.jobs.get("job-a") == job
    reopened.dispose()
