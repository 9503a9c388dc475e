"""A running job whose rest moves with a new forecast: it goes on running, holds its new power, and the record says so."""

from __future__ import annotations

from datetime import datetime

from models.domain.job import Flexibility, JobStatus
from services import controls, planning, submit
from services.types import JobDraft
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, Script, World, hours, with_cluster


def clean_from(clean: datetime) -> Script:
    """Return carbon of 10 g in the hour from an instant and in the first, 300 g else."""
    return lambda _slug, at: (
        10.0 if at < NOON + hours(1) or clean <= at < clean + hours(1) else 300.0
    )


def test_the_rest_follows_a_new_forecast_while_the_job_runs(world: World) -> None:
    with_cluster(world)
    world.grids["live"].carbon = clean_from(NOON + hours(6))
    world.at(NOON)
    draft = JobDraft(
        duration=hours(2), latest_finish=NOON + hours(12), estimated_power_kw=10.0,
        flexibility=Flexibility.INTERRUPTIBLE, min_run_slots=1, checkpoint_minutes=0.0, job_id="long",
    )  # fmt: skip
    submit.submit(world.context, OPERATOR, draft)
    planning.schedule_all(world.context, OPERATOR)
    before = world.view("long")
    assert before.plan is not None
    assert before.plan.award is not None
    assert [s.start for s in before.plan.award.placement.segments] == [NOON, NOON + hours(6)]
    controls.confirm(world.context, OPERATOR, "long", "started", at=NOON, energy_kwh=None)
    world.grids["live"].carbon = clean_from(NOON + hours(3))
    world.at(NOON + hours(1.5))
    planning.schedule_all(world.context, OPERATOR)
    after = world.view("long")
    assert after.status is JobStatus.RUNNING
    assert after.plan is not None
    assert after.plan.award is not None
    placed = after.plan.award.placement
    assert [(s.start, s.end) for s in placed.segments] == [
        (NOON, NOON + hours(1)),
        (NOON + hours(3), NOON + hours(4)),
    ]
    assert (after.plan.moves, after.plan.award.is_frozen) == (1, True)
    assert after.plan.move_reason is not None
    assert (
        "the rest of the run, which ended Sat 19:00, now ends Sat 16:00" in after.plan.move_reason
    )
    # The same forecast again changes nothing more.
    planning.schedule_all(world.context, OPERATOR)
    again = world.view("long").plan
    assert again is not None
    assert again.moves == 1
    assert any("the rest of it moved" in record.line for record in world.records("decision"))
