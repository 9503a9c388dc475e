"""The planners' turn: one at a time, kept while it lasts, given back also when something goes wrong."""

from __future__ import annotations

import threading
import time

import pytest

from models.domain.errors import Conflict
from services import plan_turn
from services.plan_turn import PLAN_LEASE, turn
from storage.database import Database
from storage.leases import SqlLeaseStore
from tests.support.world import World


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_turn, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(plan_turn, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(plan_turn, "LOCK_WAIT_SECONDS", 0.3)


@pytest.mark.usefixtures("quick")
def test_a_turn_lasts_as_long_as_the_planner_needs(world: World, sqlite_database: Database) -> None:
    leases = SqlLeaseStore(sqlite_database)
    with turn(world.context, "first"):
        time.sleep(1.0)  # longer than the lease: it was renewed
        assert leases.holder(PLAN_LEASE) == "first"
        with pytest.raises(Conflict, match="try again"), turn(world.context, "second"):
            raise AssertionError("two planners at once")
    assert leases.holder(PLAN_LEASE) is None


@pytest.mark.usefixtures("quick")
def test_a_turn_ends_with_a_mistake_too(world: World, sqlite_database: Database) -> None:
    with pytest.raises(ZeroDivisionError), turn(world.context, "first"):
        raise ZeroDivisionError
    assert SqlLeaseStore(sqlite_database).holder(PLAN_LEASE) is None
    assert not [t for t in threading.enumerate() if t.name == "plan-lease"]


@pytest.mark.usefixtures("quick")
def test_a_dead_planners_turn_runs_out(
    world: World, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan_turn, "LOCK_WAIT_SECONDS", 5.0)
    dead = SqlLeaseStore(sqlite_database).acquire(PLAN_LEASE, "dead", 0.4)
    with turn(world.context, "next") as token:
        assert dead is not None
        assert token > dead
