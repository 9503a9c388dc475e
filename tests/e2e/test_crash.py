"""A power cut at any moment: `kill -9` while jobs come in and while they are planned, then the same folder again.

The moments are drawn at random; the seed is printed on failure, and HALFHOUR_TEST_SEED repeats it.
HALFHOUR_TEST_CRASH_ROUNDS asks for more rounds than the usual ones.
"""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import StartApp
from tests.support.app_process import RunningApp, eventually
from tests.support.held_power import overbooked, sqlite_of, wrongly_held

pytestmark = pytest.mark.e2e

ROUNDS = int(os.environ.get("HALFHOUR_TEST_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("HALFHOUR_TEST_SEED", "0")) or random.randrange(1, 2**31)
LONGEST_LIFE_SECONDS = 1.5
"""Longest time between the first request of a round and the kill. [s]"""

LONGEST_PAUSE_SECONDS = 0.1
"""Longest pause of the submitter between two requests; shorter ones overtake every plan. [s]"""


@dataclass
class Ledger:
    """What clients were told, and what they never heard about."""

    accepted: dict[str, Any] = field(default_factory=dict)
    """Jobs answered 201, by id."""
    unheard: set[str] = field(default_factory=set)
    """Jobs whose answer was cut off: they may exist or not."""
    cancelled: set[str] = field(default_factory=set)
    """Jobs whose cancellation was answered 200."""
    plans: int = 0
    cut_plans: int = 0
    statuses: set[int] = field(default_factory=set)


def body(job_id: str, rng: random.Random) -> dict[str, Any]:
    hours = rng.choice([0.5, 1, 2, 3])
    finish = datetime.now(UTC) + timedelta(hours=hours + rng.uniform(2, 40))
    return {
        "job_id": job_id,
        "asset_id": rng.choice(["alder", "birch"]),
        "duration_hours": hours,
        "estimated_power_kw": rng.choice([5, 12, 20]),
        "latest_finish": finish.isoformat(),
    }


def submit_until_dead(app: RunningApp, ledger: Ledger, round_number: int, stop: threading.Event, seed: int) -> None:  # fmt: skip
    rng = random.Random(seed)
    number = 0
    while not stop.is_set():
        job_id = f"r{round_number:03d}-{number:03d}"
        number += 1
        ledger.unheard.add(job_id)
        try:
            answer = app.post("/api/jobs", body(job_id, rng))
            ledger.statuses.add(answer.status)
            ledger.unheard.discard(job_id)
            if answer.status == 201:
                ledger.accepted[job_id] = answer.json
            if number % 8 == 0:
                given_up = rng.choice(sorted(ledger.accepted))
                if app.send("DELETE", f"/api/jobs/{given_up}").status == 200:
                    ledger.cancelled.add(given_up)
        except OSError:
            return
        time.sleep(rng.uniform(0, LONGEST_PAUSE_SECONDS))


def plan_until_dead(app: RunningApp, ledger: Ledger, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            ledger.statuses.add(app.post("/api/schedule-all").status)
            ledger.plans += 1
        except OSError:
            ledger.cut_plans += 1
            return


def live_and_die(app: RunningApp, ledger: Ledger, round_number: int, rng: random.Random) -> None:
    """Submit and plan from two threads, and kill every process of the app at a random moment."""
    stop = threading.Event()
    workers = [
        threading.Thread(target=submit_until_dead, args=(app, ledger, round_number, stop, rng.randrange(2**31))),
        threading.Thread(target=plan_until_dead, args=(app, ledger, stop)),
    ]  # fmt: skip
    for worker in workers:
        worker.start()
    time.sleep(rng.uniform(0.02, LONGEST_LIFE_SECONDS))
    app.kill()
    stop.set()
    for worker in workers:
        worker.join(timeout=60)
        assert not worker.is_alive()


def check_what_is_there(app: RunningApp, ledger: Ledger) -> None:
    """Compare the restarted app with what clients were told."""
    there = {job["job_id"]: job for job in app.every("/api/jobs")}
    lost = set(ledger.accepted) - set(there)
    assert lost == set(), f"accepted and gone: {sorted(lost)}"
    invented = set(there) - set(ledger.accepted) - ledger.unheard
    assert invented == set()
    for job_id, told in ledger.accepted.items():
        for name in ("duration_hours", "estimated_power_kw", "latest_finish", "accepted_at"):
            assert there[job_id][name] == told[name], (job_id, name)
    assert {there[job_id]["status"] for job_id in ledger.cancelled} <= {"cancelled"}
    report = app.shown("/api/logs/verify?fresh=true")
    assert report["ok"], report
    database = sqlite_of(app.folder)
    assert overbooked(database) == []
    assert wrongly_held(database) == []


def test_a_kill_at_any_moment_loses_nothing_and_leaves_a_log_that_verifies(
    start_app: StartApp,
) -> None:
    print(f"HALFHOUR_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    ledger = Ledger()
    app = start_app("crashing")
    for name, region in (("alder", "london"), ("birch", "south_wales")):
        app.made("/api/assets", {"asset_id": name, "region": region, "max_power_kw": 60})
    began = time.monotonic()
    for round_number in range(ROUNDS):
        live_and_die(app, ledger, round_number, rng)
        app.start()
        check_what_is_there(app, ledger)
    # Life goes on: an answer that never came can be asked for again, and everything gets planned.
    for job_id in sorted(ledger.unheard):
        assert app.post("/api/jobs", body(job_id, rng)).status in {201, 409}
    asked = time.monotonic()
    app.planned()
    assert time.monotonic() - asked < 15, "planning waited for a planner that was killed"
    eventually(
        lambda: [j["job_id"] for j in app.every("/api/jobs?status=pending")],
        lambda waiting: waiting == [],
        "every accepted job has an answer of the planner",
    )
    check_what_is_there(app, ledger)
    verified = app.flask("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "Traceback" not in app.said(), app.said()[-3000:]
    assert not {status for status in ledger.statuses if status >= 500}
    print(
        f"{ROUNDS} kills in {time.monotonic() - began:.0f} s: {len(ledger.accepted)} jobs accepted, "
        f"{len(ledger.unheard)} answers and {ledger.cut_plans} plans cut off, {ledger.plans} plans made"
    )
    assert ledger.cut_plans >= ROUNDS // 4, "too few kills fell into planning"
    assert len(ledger.accepted) >= ROUNDS


def test_an_answer_that_was_cut_off_is_given_again_under_its_idempotency_key(
    start_app: StartApp,
) -> None:
    app = start_app("repeating")
    app.made("/api/assets", {"asset_id": "alder", "region": "london", "max_power_kw": 60})
    wanted = body("once", random.Random(1)) | {"asset_id": "alder"}
    cut = threading.Thread(target=_submit_quietly, args=(app, wanted))
    cut.start()
    time.sleep(0.03)
    app.kill()
    cut.join(timeout=60)
    app.start()
    # A key that the killed process had reserved is free again; where the job was stored, it is not stored twice.
    answer = app.post("/api/jobs", wanted, Idempotency_Key="k-1")
    again = app.post("/api/jobs", wanted, Idempotency_Key="k-1")
    assert answer.status in {201, 409}
    assert again.status in {201, 409}
    assert app.shown("/api/jobs/once")["job_id"] == "once"
    assert len(app.every("/api/jobs")) == 1


def _submit_quietly(app: RunningApp, wanted: dict[str, Any]) -> None:
    with suppress(OSError):
        app.post("/api/jobs", wanted, Idempotency_Key="k-1")
