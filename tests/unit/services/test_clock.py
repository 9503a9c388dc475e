"""The planning clock: system time, or a shifted one that all processes share and that never goes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from services.clock import ShiftedClock, SystemClock

START = datetime(2023, 5, 1, 6, tzinfo=UTC)
SYSTEM = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at_once(work: Callable[[], None]) -> None:
    work()


class MemoryClockStore:
    """`ClockStore` in memory."""

    def __init__(self) -> None:
        self.stored: tuple[datetime, datetime, float] | None = None
        self.last: datetime | None = None
        self.floors = 0

    def anchor(
        self, clock_start: datetime, system_start: datetime, rate: float
    ) -> tuple[datetime, datetime, float]:
        self.stored = self.stored or (clock_start, system_start, rate)
        return self.stored

    def floor(self, value: datetime) -> datetime:
        self.floors += 1
        self.last = max(self.last, value) if self.last else value
        return self.last


class Wall:
    """System time that a test moves."""

    def __init__(self) -> None:
        self.instant = SYSTEM

    def __call__(self) -> datetime:
        return self.instant

    def move(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


def test_it_starts_where_it_is_set_and_runs_with_system_time() -> None:
    wall = Wall()
    clock = ShiftedClock(MemoryClockStore(), START, system=wall, run=at_once)
    assert clock.now() == START
    wall.move(90)
    assert clock.now() == START + timedelta(seconds=90)
    assert clock.is_shifted


def test_a_rate_makes_it_run_faster() -> None:
    wall = Wall()
    clock = ShiftedClock(MemoryClockStore(), START, 1800.0, system=wall, run=at_once)
    wall.move(2)
    assert clock.now() == START + timedelta(hours=1)


def test_a_restart_goes_on_from_the_first_start(caplog: pytest.LogCaptureFixture) -> None:
    wall, store = Wall(), MemoryClockStore()
    ShiftedClock(store, START, system=wall, run=at_once)
    wall.move(3600)
    again = ShiftedClock(store, START, system=wall, run=at_once)
    assert again.now() == START + timedelta(hours=1)
    assert caplog.text == ""


def test_another_setting_on_the_same_database_is_ignored_and_said_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wall, store = Wall(), MemoryClockStore()
    ShiftedClock(store, START, system=wall, run=at_once)
    other = ShiftedClock(store, START + timedelta(days=9), 2.0, system=wall, run=at_once)
    assert other.now() == START
    assert "as this database has it" in caplog.text


def test_it_never_goes_back_when_system_time_does() -> None:
    wall, store = Wall(), MemoryClockStore()
    clock = ShiftedClock(store, START, system=wall, run=at_once)
    wall.move(60)
    seen = clock.now()
    wall.move(-600)
    assert clock.now() == seen
    assert ShiftedClock(store, START, system=wall, run=at_once).now() >= START
    wall.move(700)
    assert clock.now() == START + timedelta(seconds=160)


def test_a_restart_after_system_time_went_back_does_not_fall_behind_what_was_noted() -> None:
    wall, store = Wall(), MemoryClockStore()
    clock = ShiftedClock(store, START, system=wall, run=at_once)
    wall.move(60)
    seen = clock.now()
    wall.move(-3600)
    assert ShiftedClock(store, START, system=wall, run=at_once).now() >= seen


def test_readings_are_noted_every_few_seconds_only() -> None:
    wall, store = Wall(), MemoryClockStore()
    clock = ShiftedClock(store, START, system=wall, run=at_once)
    for _ in range(100):
        wall.move(0.1)
        clock.now()
    # Once at the start, then after 5 s and after 10 s.
    assert store.floors == 3


def test_system_time_is_itself() -> None:
    before = datetime.now(UTC)
    assert before <= SystemClock().now() <= datetime.now(UTC)
    assert not SystemClock().is_shifted
