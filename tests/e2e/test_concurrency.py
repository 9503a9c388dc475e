"""Two programs on one database, 32 clients at once: nothing is double-booked, lost or broken, on both databases.

HALFHOUR_TEST_CROWD_SECONDS=120 lets the clients go on for two minutes.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.conftest import StartApp
from tests.support.app_process import RunningApp, eventually
from tests.support.databases import (
    database_url,
    template_postgres,
    template_sqlite,
)
from tests.support.held_power import busiest_share, held_kw, overbooked, wrongly_held
from tests.support.postgres import postgres_url

__all__ = ["database_url", "postgres_url", "template_postgres", "template_sqlite"]

pytestmark = pytest.mark.e2e

CLIENTS = 32
SECONDS = float(os.environ.get("HALFHOUR_TEST_CROWD_SECONDS", "10"))
"""How long the clients go on. [s]"""

LIMIT_KW = {"alder": 50.0, "birch": 35.0}
LIVE = (70, 140)
"""Clients cancel only while more jobs than the first are open, and submit only while fewer than the second are; the power for
them runs out well before."""


@dataclass
class Seen:
    """What all clients saw."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    codes: Counter[tuple[str, int]] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    cancelled: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    overbooked: list[Any] = field(default_factory=list)

    def note(self, what: str, status: int, text: str) -> None:
        with self.lock:
            self.codes[what, status] += 1
            if status >= 500:
                self.broken.append(f"{what}: {status} {text[:300]}")

    def live(self) -> list[str]:
        with self.lock:
            return sorted(self.accepted - self.cancelled)


def submit(app: RunningApp, seen: Seen, rng: random.Random, name: str) -> None:
    hours = rng.choice([0.5, 1, 1.5, 3])
    answer = app.post(
        "/api/jobs",
        {
            "job_id": name,
            "asset_id": rng.choice(list(LIMIT_KW)),
            "allowed_regions": rng.choice([["london", "south_wales"], ["london", "south_wales"]]),
            "duration_hours": hours,
            "estimated_power_kw": rng.choice([8, 15, 30]),
            "latest_finish": (datetime.now(UTC) + timedelta(hours=hours + rng.uniform(1, 18))).isoformat(),
            "priority": rng.choice(["low", "normal", "high"]),
        },
    )  # fmt: skip
    seen.note("submit", answer.status, answer.text)
    if answer.status == 201:
        with seen.lock:
            seen.accepted.add(name)


def act(app: RunningApp, seen: Seen, rng: random.Random) -> None:
    """Do one thing to a job that exists, or plan, or read."""
    live = seen.live()
    if not live:
        return
    job_id = rng.choice(live)
    roll = rng.random()
    if roll < 0.3:
        answer, what = app.post("/api/schedule-all"), "schedule-all"
    elif roll < 0.4:
        answer, what = app.post(f"/api/jobs/{job_id}/schedule"), "schedule"
    elif roll < 0.6 and len(live) > LIVE[0]:
        answer, what = app.send("DELETE", f"/api/jobs/{job_id}"), "cancel"
        if answer.status == 200:
            with seen.lock:
                seen.cancelled.add(job_id)
    elif roll < 0.7:
        what = rng.choice(["run-now", "pin", "hold"])
        asked = {"pin": {}, "hold": {"held": rng.random() < 0.4}}.get(what)
        answer = app.post(f"/api/jobs/{job_id}/{what}", asked)
    else:
        what = rng.choice(["/api/jobs", f"/api/jobs/{job_id}", "/api/statistics", "/", "/api/logs"])
        answer, what = app.get(what), "read"
    seen.note(what, answer.status, answer.text)


def client(apps: list[RunningApp], seen: Seen, number: int, stop_at: float) -> None:
    rng = random.Random(number)
    for turn in range(10_000):
        if time.monotonic() > stop_at:
            return
        app = rng.choice(apps)
        try:
            if rng.random() < 0.45 and len(seen.live()) < LIVE[1]:
                submit(app, seen, rng, f"c{number:02d}-{turn:04d}")
            else:
                act(app, seen, rng)
        except OSError as error:
            seen.broken.append(f"client {number}: {error!r}")
            return


def watch(database: str, seen: Seen, stop_at: float) -> None:
    """Look into the database all the while: at no moment may a half-hour hold more than its limit."""
    while time.monotonic() < stop_at:
        seen.overbooked += overbooked(database)
        time.sleep(0.1)


def booked_kw(jobs: list[Any]) -> dict[tuple[str, datetime], float]:
    """Return what jobs, as the API tells them, take of each half-hour of each cluster, added up here. [kW]"""
    half_hour = timedelta(minutes=30)
    booked: dict[tuple[str, datetime], float] = {}
    for job in jobs:
        if job["status"] not in {"scheduled", "running"}:
            continue
        for part in job["schedule"]["segments"]:
            start, end = (datetime.fromisoformat(part[f"{name}_time"]) for name in ("start", "end"))
            assert start.minute % 30 == start.second == start.microsecond == 0, part
            while start < end:  # a half-hour that is used in part is booked whole
                place = (job["schedule"]["asset_id"], start)
                booked[place] = booked.get(place, 0.0) + part["power_kw"]
                start += half_hour
    return booked


def together(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=SECONDS + 150)
        assert not thread.is_alive(), "a client is still waiting"


def test_two_programs_and_many_clients_never_double_book(
    start_app: StartApp, database_url: str
) -> None:
    settings = {"HALFHOUR_DATABASE_URL": database_url}
    apps = [start_app("both", **settings), start_app("both", **settings)]
    for name, region in (("alder", "london"), ("birch", "south_wales")):
        apps[0].made("/api/assets", {"asset_id": name, "region": region, "max_power_kw": LIMIT_KW[name]})  # fmt: skip
    seen = Seen()
    stop_at = time.monotonic() + SECONDS
    together(
        *(lambda number=number: client(apps, seen, number, stop_at) for number in range(CLIENTS)),
        lambda: watch(database_url, seen, stop_at),
    )
    print(
        f"{CLIENTS} clients, {SECONDS:g} s: {sum(seen.codes.values())} requests, {len(seen.accepted)} jobs accepted, "
        f"{len(seen.cancelled)} cancelled",
        sorted(seen.codes.items()),
        sep="\n",
    )
    assert seen.broken == []
    assert seen.overbooked == []
    assert {status for _, status in seen.codes} <= {200, 201, 202, 409, 422}
    # Both programs tell the same story, and every accepted job is in it.
    eventually(
        lambda: apps[1].post("/api/schedule-all").status,
        lambda status: status == 200,
        "the plans the crowd asked for are made, and one more",
        seconds=240,
    )
    told = [{job["job_id"]: job["status"] for job in app.every("/api/jobs")} for app in apps]
    assert told[0] == told[1]
    assert set(told[0]) == seen.accepted
    assert {told[0][job_id] for job_id in seen.cancelled} == {"cancelled"}
    assert overbooked(database_url) == []
    assert wrongly_held(database_url) == []
    booked = booked_kw(apps[0].every("/api/jobs"))
    assert booked == pytest.approx(held_kw(database_url))
    assert [place for place, kw in booked.items() if kw > LIMIT_KW[place[0]] + 1e-6] == []
    assert busiest_share(database_url) > 0.9, "power was not scarce, so this test would show little"
    for app in apps:
        assert app.shown("/api/logs/verify?fresh=true")["ok"]
    verified = apps[0].flask("audit", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "Traceback" not in apps[0].said(), apps[0].said()[-3000:]
    assert seen.codes["submit", 201] > 20
    assert seen.cancelled
    made = [one["status"] for one in apps[0].every("/api/negotiations")]
    print(f"plans: {Counter(made)}")
    assert made.count("committed") > 2
    assert {"committed", "running"} >= set(made), "a plan failed"
