"""A world with one cluster whose work is started by an executor in memory, and the steps of the loop that matter there."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from models.domain.execution import HandOver
from models.domain.job import JobStatus
from services import hand_over, lifecycle, planning
from services.context import Context
from storage.database import Database
from tests.support.fake_executor import FakeExecutor
from tests.support.fleet import NOON
from tests.support.world import a_world, hours, submitted, with_cluster

WORK = {"command": ["python", "train.py"], "executor": "slurm"}
MINUTE = timedelta(minutes=1)


class Hall:
    """A world with one cluster whose work is started by an executor in memory."""

    def __init__(self, database: Database, folder: Path, **changes: Any) -> None:
        """Build it; changes are those of `a_world`."""
        world = a_world(database, folder, **changes)
        self.executor = FakeExecutor(world.clock.now)
        executors = {"slurm": self.executor}
        self.world = replace(world, context=replace(world.context, executors=executors))
        with_cluster(self.world)

    @property
    def context(self) -> Context:
        """Return the application."""
        return self.world.context

    def tick(self) -> None:
        """Run the steps of the loop that matter here."""
        hand_over.confirm(self.context)
        lifecycle.advance(self.context)
        with self.context.uow() as uow:
            jobs, plans = uow.jobs.open_jobs(), uow.plans.current()
        if any(
            j.status is JobStatus.PENDING
            and not j.is_held
            and (j.job_id not in plans or plans[j.job_id].award)
            for j in jobs
        ):
            planning.replan(self.context, trigger="worker", wait_seconds=None)
        hand_over.follow(self.context)

    def at(self, instant: Any) -> None:
        """Let time pass and run the loop."""
        self.world.at(instant)
        self.tick()

    def stored(self, job_id: str) -> HandOver:
        """Return the last attempt of a job."""
        with self.context.uow() as uow:
            return uow.hand_overs.of_job(job_id)[-1]

    def status(self, job_id: str) -> JobStatus:
        """Return where a job stands."""
        return self.world.view(job_id).job.status

    def events(self) -> list[str]:
        """Return what was recorded about hand-overs, oldest first."""
        lines = [json.loads(record.line) for record in reversed(self.world.records("outcome"))]
        return [line["hand_over"]["event"] for line in lines if "hand_over" in line]


def later(hall: Hall, **changes: Any) -> str:
    """Submit 1 h of work that begins no sooner than 18:00, six hours on."""
    plain: dict[str, Any] = {
        "duration": hours(1), "earliest_start": NOON + hours(6), "latest_finish": NOON + hours(12), "workload": WORK,
    }  # fmt: skip
    return submitted(hall.world, **{**plain, **changes})
