"""What every `LeaseStore` does, also between threads and processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from storage.database import Database
from storage.leases import SqlLeaseStore

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def leases(database: Database, system_time) -> SqlLeaseStore:
    return SqlLeaseStore(database, system_now=system_time)


def test_one_holds_a_lease_until_it_runs_out(leases: SqlLeaseStore, system_time) -> None:
    first = leases.acquire("loop", "a", 10)
    assert first is not None
    assert leases.holder("loop") == "a"
    assert leases.acquire("loop", "b", 10) is None
    system_time.instant += timedelta(seconds=10)
    assert leases.holder("loop") is None
    second = leases.acquire("loop", "b", 10)
    assert second is not None
    assert second > first
    assert leases.renew("loop", "a", first, 10) is False
    leases.release("loop", "a", first)
    assert leases.holder("loop") == "b", "who lost a lease cannot give it back"


def test_leases_of_ended_holders_are_free_at_once_and_those_of_others_stay(
    leases: SqlLeaseStore,
) -> None:
    lost, kept = leases.acquire("plan", "ended", 60), leases.acquire("loop", "alive", 60)
    assert lost is not None
    assert leases.give_back(lambda holder: holder == "ended") == ("plan",)
    assert (leases.holder("plan"), leases.holder("loop")) == (None, "alive")
    taken = leases.acquire("plan", "next", 60)
    assert taken is not None
    assert taken > lost
    assert leases.renew("plan", "ended", lost, 60) is False
    assert leases.renew("loop", "alive", kept or 0, 60) is True


def test_a_holder_keeps_its_token_and_extends(leases: SqlLeaseStore, system_time) -> None:
    token = leases.acquire("loop", "a", 10)
    assert token is not None
    system_time.instant += timedelta(seconds=8)
    assert leases.renew("loop", "a", token, 10) is True
    system_time.instant += timedelta(seconds=8)
    assert leases.acquire("loop", "a", 1) == token
    system_time.instant += timedelta(seconds=1)
    assert leases.holder("loop") == "a", "asking again never shortens a lease"
    system_time.instant += timedelta(seconds=60)
    assert leases.renew("loop", "a", token, 10) is True, "it ran out, but nobody took it"
    assert leases.holder("loop") == "a"


def test_a_released_lease_is_free_and_tokens_only_grow(leases: SqlLeaseStore) -> None:
    seen = []
    for holder in ("a", "b", "a"):
        token = leases.acquire("loop", holder, 10)
        assert token is not None
        seen.append(token)
        leases.release("loop", holder, token)
        assert leases.holder("loop") is None
        assert leases.renew("loop", holder, token, 10) is False
    other = leases.acquire("plan", "a", 10)
    assert other is not None
    assert sorted({*seen, other}) == [*seen, other], "a token means one holding of one lease, ever"


def test_leases_do_not_know_each_other(leases: SqlLeaseStore) -> None:
    assert leases.acquire("loop", "a", 10) is not None
    assert leases.acquire("plan", "b", 10) is not None
    assert leases.holder("absent") is None


def test_of_many_threads_one_gets_the_lease(leases: SqlLeaseStore) -> None:
    at_once = threading.Barrier(8)

    def take(k: int) -> int | None:
        at_once.wait(30)
        return leases.acquire("loop", f"thread-{k}", 60)

    with ThreadPoolExecutor(8) as pool:
        tokens = [token for token in pool.map(take, range(8)) if token is not None]
    assert len(tokens) == 1


TAKE = """
import sys
from storage.database import open_database
from storage.leases import SqlLeaseStore
leases = SqlLeaseStore(open_database(sys.argv[1]))
sys.stdin.readline()
for k in range(5):
    token = leases.acquire(f"lease-{k}", sys.argv[2], 600)
    print(k, token, flush=True)
"""


@pytest.mark.slow
def test_of_many_processes_one_gets_each_lease(database_url: str) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", TAKE, database_url, f"process-{k}"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for k in range(3)
    ]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = [child.communicate(timeout=60)[0].split("\n") for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    won = [
        line.split() for lines in answers for line in lines if line and not line.endswith("None")
    ]
    assert sorted(name for name, _ in won) == ["0", "1", "2", "3", "4"]
    assert len({token for _, token in won}) == 5
