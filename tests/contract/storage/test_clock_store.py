"""What every `ClockStore` does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from storage.clock_store import SqlClockStore
from storage.database import Database
from tests.support.fleet import NOON


def test_the_first_anchor_stays(database: Database) -> None:
    store = SqlClockStore(database)
    first = (NOON, NOON + timedelta(days=9, microseconds=3), 60.0)
    assert store.anchor(*first) == first
    assert SqlClockStore(database).anchor(NOON + timedelta(days=1), NOON, 1.0) == first


def test_of_processes_that_start_at_once_all_get_one_anchor(database: Database) -> None:
    at_once = threading.Barrier(6)

    def start(k: int):
        at_once.wait(30)
        return SqlClockStore(database).anchor(NOON + timedelta(hours=k), NOON, 1.0)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(start, range(6)))) == 1


def test_the_clock_never_goes_back(database: Database) -> None:
    store = SqlClockStore(database)
    assert store.floor(NOON) == NOON
    assert store.floor(NOON - timedelta(seconds=1)) == NOON
    later = NOON + timedelta(microseconds=1)
    assert store.floor(later) == later
    assert SqlClockStore(database).floor(NOON) == later
