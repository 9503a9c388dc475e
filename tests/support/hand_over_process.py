"""A program that plans and hands over in a process of its own, until it is killed or told to stop.

Started as `python -m tests.support.hand_over_process URL FOLDER CLOCK_START CONF RUNS NAME`. Its planning clock runs
ahead of system time by a fixed offset, so that a half-hour begins when a test wants; what it tells Slurm and hears from
it is moved by the same offset. Says `round` on standard output after each round.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

from executors.commands import CommandRunner
from executors.slurm import SlurmExecutor, SlurmSettings
from models.domain.execution import ExecutionReport, WorkOrder
from services import plan_turn
from services.loop import Loop
from storage.database import Database, open_database
from tests.support.world import World, a_world, with_settings

COMMAND_SECONDS = 5.0
"""Longest a command of Slurm may take here. [s]"""


class OffsetClock:
    """A planning clock that runs with system time, a fixed way ahead of it."""

    is_shifted = False

    def __init__(self, ahead: timedelta) -> None:
        """Keep how far ahead it is."""
        self.ahead = ahead

    def now(self) -> datetime:
        """Return system time and the offset."""
        return datetime.now(UTC) + self.ahead


class OffsetSlurm(SlurmExecutor):
    """Slurm as seen from an offset clock."""

    ahead = timedelta(0)

    def hand_over(self, order: WorkOrder) -> str:
        """Hand over with the begin time moved to system time."""
        begin = None if order.begin is None else order.begin - self.ahead
        return super().hand_over(replace(order, begin=begin))

    def move(self, external_id: str, begin: datetime) -> None:
        """Move to a begin time in system time."""
        super().move(external_id, begin - self.ahead)

    def find(self, wanted: Mapping[str, str | None]) -> dict[str, tuple[ExecutionReport, ...]]:
        """Return reports with their times moved to the planning clock."""
        return {
            run: tuple(
                replace(
                    report,
                    started_at=report.started_at and report.started_at + self.ahead,
                    ended_at=report.ended_at and report.ended_at + self.ahead,
                )
                for report in reports
            )
            for run, reports in super().find(wanted).items()
        }


def slurm_env(conf: str) -> dict[str, str]:
    """Return the environment of Slurm's commands."""
    return {
        "PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": "/", "USER": "root", "LOGNAME": "root",
        "LANG": "C.UTF-8", "TZ": "UTC", "SLURM_CONF": conf,
    }  # fmt: skip


def offset_world(
    database: Database, folder: Path, ahead: timedelta, conf: str, runs: Path, name: str
) -> World:
    """Return an application with real Slurm behind it, on an offset clock."""
    clock = OffsetClock(ahead)
    world = a_world(database, folder, now=clock.now())
    slurm = OffsetSlurm(
        SlurmSettings(runs, ZoneInfo("UTC"), COMMAND_SECONDS),
        CommandRunner((), slurm_env(conf), COMMAND_SECONDS),
        lambda _owner, _name: None,
    )
    slurm.ahead = ahead
    context = replace(
        world.context,
        clock=clock,
        executors={"slurm": slurm},
        new_id=uuid4,
        system_now=lambda: datetime.now(UTC),
    )
    context = with_settings(context, holder=name, freeze_executor_minutes=0.0, freeze_minutes=0.0)
    world.clock.instant = clock.now()
    return replace(world, context=context)


def main(url: str, folder: str, ahead: str, conf: str, runs: str, name: str) -> None:
    """Run rounds of the loop until killed."""
    plan_turn.LEASE_SECONDS, plan_turn.BEAT_SECONDS = 2.0, 0.5
    from services import executor_turn

    executor_turn.LEASE_SECONDS = 2.0
    database = open_database(url)
    offset = timedelta(seconds=float(ahead))
    world = offset_world(database, Path(folder), offset, conf, Path(runs), name)
    loop = Loop(world.context, name, pause_seconds=0.1, lease_seconds=2.0)
    while True:
        world.clock.instant = world.context.clock.now()
        tick = loop.tick()
        for step, error in tick.failed.items():
            sys.stderr.write(f"{step}: {error}\n")
        sys.stdout.write("round\n" if tick.is_holder else "waits\n")
        sys.stdout.flush()
        time.sleep(0.1)


if __name__ == "__main__":
    main(*sys.argv[1:])
