"""A planner in a process of its own: accepts jobs and plans them until it is done or killed.

Started as `python -m tests.support.planner_process URL FOLDER NAME COUNT PAUSE`; says on standard output what it has
done, one line at a time: `accepted <job id>`, `negotiated`, `planned <job id>`.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from agents.scheduler import negotiate
from agents.view import Outcome, Situation
from services import negotiating, plan_turn, planning, submit
from services.types import JobDraft
from storage.database import Database, open_database
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, World, a_world, hours

LEASE_SECONDS = 2.0
"""How long others wait behind this planner once it is killed. [s]"""


def joined_world(database: Database, folder: Path, name: str) -> World:
    """Return an application that shares a database and a decision log with others."""
    world = a_world(database, folder)
    settings = replace(world.context.settings, holder=name)
    return replace(world, context=replace(world.context, new_id=uuid4, settings=settings))


def say(line: str) -> None:
    """Tell the parent what has been done."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(url: str, folder: str, name: str, count: int, pause: float) -> None:
    """Accept and plan some jobs; each negotiation lasts `pause` seconds longer than it needs."""
    plan_turn.LEASE_SECONDS, plan_turn.BEAT_SECONDS = LEASE_SECONDS, LEASE_SECONDS / 4

    def slowly(situation: Situation) -> Outcome:
        outcome = negotiate(situation)
        say("negotiated")
        time.sleep(pause)
        return outcome

    negotiating.negotiate = slowly  # type: ignore[attr-defined]
    database = open_database(url)
    world = joined_world(database, Path(folder), name)
    for n in range(count):
        draft = JobDraft(
            duration=hours(1 + n % 3),
            latest_finish=NOON + hours(8 + n % 5),
            estimated_power_kw=10.0,
            job_id=f"{name}-{n}",
            job_name=f"{name} {n}",
        )
        submit.submit(world.context, OPERATOR, draft)
        say(f"accepted {name}-{n}")
        planning.schedule_all(world.context, OPERATOR)
        say(f"planned {name}-{n}")
    database.dispose()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
