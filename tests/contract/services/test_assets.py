"""Clusters: who may register them, what makes sense, and what frozen work forbids."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time, timedelta

import pytest

from models.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound
from models.domain.job import JobStatus
from models.domain.power_limit import Day, PowerLimit
from models.domain.time import SLOT
from services import assets, planning, submit
from services.types import AssetDraft, JobDraft
from tests.support.fleet import NOON
from tests.support.world import (
    AUDITOR,
    OPERATOR,
    STRANGER,
    SUBMITTER,
    World,
    hours,
    placed,
)

DRAFT = AssetDraft(region="london", max_power_kw=100.0, name="Hall A / East")


def a_draft(**changes: object) -> JobDraft:
    draft = JobDraft(
        duration=hours(2), latest_finish=NOON + hours(24), estimated_power_kw=60.0, job_name="train"
    )
    return replace(draft, **changes)


def test_an_id_is_made_from_the_name_and_numbered_when_taken(world: World) -> None:
    first = assets.create(world.context, OPERATOR, DRAFT)
    second = assets.create(world.context, OPERATOR, DRAFT)
    unnamed = assets.create(world.context, OPERATOR, replace(DRAFT, name=""))
    assert [a.asset_id for a in (first, second, unnamed)] == [
        "hall-a-east",
        "hall-a-east-2",
        "london",
    ]


def test_a_chosen_id_that_exists_conflicts_also_after_it_was_removed(world: World) -> None:
    draft = replace(DRAFT, asset_id="hall")
    assets.create(world.context, OPERATOR, draft)
    with pytest.raises(Conflict):
        assets.create(world.context, OPERATOR, draft)
    assets.delete(world.context, OPERATOR, "hall")
    with pytest.raises(Conflict):
        assets.create(world.context, OPERATOR, draft)
    with pytest.raises(NotFound):
        assets.get(world.context, OPERATOR, "hall")


def test_registering_is_written_to_the_log_without_floats(world: World) -> None:
    assets.create(world.context, OPERATOR, DRAFT)
    (record,) = world.records("config_change")
    change = json.loads(record.line)["change"]
    assert change["event"] == "asset_created"
    assert change["after"]["max_power_kw"] == "100.000000"
    assert change["before"] is None


@pytest.mark.parametrize("caller", [SUBMITTER, AUDITOR])
def test_only_operators_manage_clusters(world: World, caller: object) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    with pytest.raises(Forbidden):
        assets.create(world.context, caller, DRAFT)  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        assets.change(world.context, caller, "hall", {"name": "x"})  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        assets.delete(world.context, caller, "hall")  # type: ignore[arg-type]


def test_another_owner_neither_sees_nor_changes_it_and_an_auditor_sees_it(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    with pytest.raises(NotFound):
        assets.get(world.context, STRANGER, "hall")
    with pytest.raises(NotFound):
        assets.change(world.context, STRANGER, "hall", {"name": "mine"})
    assert assets.get(world.context, AUDITOR, "hall").asset_id == "hall"
    assert assets.page(world.context, STRANGER).items == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "atlantis"),
        ("max_power_kw", 0.0),
        ("max_power_kw", float("nan")),
        ("base_load_kw", 100.0),  # leaves no room below 100 kW
        ("base_load_kw", -1.0),
        ("pue", 0.9),
        ("pue", 5.1),
        ("gpu_count", 0),
        ("embodied_g_per_kwh", -1.0),
        ("asset_id", "no spaces"),
        ("asset_type", " "),
        ("name", "x" * 81),
    ],
)
def test_a_field_that_makes_no_sense_is_named_with_its_range(
    world: World, field: str, value: object
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        assets.create(world.context, OPERATOR, replace(DRAFT, **{field: value}))
    (error,) = caught.value.fields
    assert error.field == field
    assert error.allowed


def test_every_wrong_field_is_named_at_once(world: World) -> None:
    with pytest.raises(InvalidRequest) as caught:
        assets.create(world.context, OPERATOR, replace(DRAFT, region="x", pue=0.0, max_power_kw=-1))
    assert {error.field for error in caught.value.fields} == {"region", "pue", "max_power_kw"}


def test_a_known_gpu_is_spelt_as_in_the_table_and_an_unknown_one_kept(world: World) -> None:
    known = assets.create(
        world.context, OPERATOR, replace(DRAFT, gpu_model="h100-sxm5", gpu_count=8)
    )
    other = assets.create(world.context, OPERATOR, replace(DRAFT, gpu_model="V100", gpu_count=8))
    assert (known.gpu_model, other.gpu_model) == ("H100-SXM5", "V100")


def test_fields_that_may_not_change_are_refused_by_name(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    with pytest.raises(InvalidRequest) as caught:
        assets.change(world.context, OPERATOR, "hall", {"owner": "me", "version": 9})
    assert [error.field for error in caught.value.fields] == ["owner", "version"]


def test_a_change_is_stored_with_the_next_version_and_logged_as_a_difference(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    after = assets.change(world.context, OPERATOR, "hall", {"name": "Hall B", "pue": 1.25})
    assert assets.get(world.context, OPERATOR, "hall") == after
    assert after.version == 2
    newest = json.loads(world.records("config_change")[0].line)["change"]
    assert newest["before"] == {"name": "Hall A / East", "pue": "1.000000", "version": 1}
    assert newest["after"] == {"name": "Hall B", "pue": "1.250000", "version": 2}


def test_a_change_that_changes_nothing_writes_nothing(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    assert assets.change(world.context, OPERATOR, "hall", {"pue": 1.0}).version == 1
    assert len(world.records("config_change")) == 1


def test_shrinking_replans_work_that_is_not_frozen(world: World) -> None:
    # Two jobs of 60 kW fit side by side in 130 kW; in 100 kW they must follow each other.
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall", max_power_kw=130.0))
    ids = [
        submit.submit(world.context, OPERATOR, a_draft(earliest_start=NOON + hours(2))).job.job_id
        for _ in range(2)
    ]
    planning.schedule_all(world.context, OPERATOR)
    starts = {world.view(i).plan.award.placement.start for i in ids}  # type: ignore[union-attr]
    assert len(starts) == 1
    assets.change(world.context, OPERATOR, "hall", {"max_power_kw": 100.0})
    spans = sorted(
        (p.start, p.end)
        for i in ids
        for p in [world.view(i).plan.award.placement]  # type: ignore[union-attr]
    )
    assert spans[0][1] <= spans[1][0]


def test_shrinking_below_frozen_work_says_how_much_and_until_when(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    # It must start at 12:00, which is now, so it is frozen: 60 kW until 14:00.
    draft = a_draft(latest_finish=NOON + hours(2))
    submit.submit(world.context, OPERATOR, draft)
    planning.schedule_all(world.context, OPERATOR)
    with pytest.raises(Conflict, match=r"holds up to 60 kW until 2026-11-21T14:00:00Z"):
        assets.change(world.context, OPERATOR, "hall", {"max_power_kw": 50.0})
    with pytest.raises(Conflict, match="train runs there or starts too soon"):
        assets.change(world.context, OPERATOR, "hall", {"region": "yorkshire"})
    with pytest.raises(Conflict, match="before 2026-11-21T14:00:00Z"):
        assets.delete(world.context, OPERATOR, "hall")
    # What the frozen job leaves free may go.
    assert assets.change(world.context, OPERATOR, "hall", {"max_power_kw": 60.0}).room_kw == 60.0


def test_work_that_overran_keeps_its_cluster_until_somebody_says_it_ended(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    job = submit.submit(world.context, OPERATOR, a_draft(latest_finish=NOON + hours(2))).job
    planning.schedule_all(world.context, OPERATOR)
    with world.context.uow(write=True) as uow:
        stored = uow.jobs.get(job.job_id)
        uow.jobs.update(
            replace(stored, status=JobStatus.RUNNING, started_at=NOON, version=stored.version + 1)
        )
        uow.commit()
    world.at(NOON + hours(5))
    with pytest.raises(Conflict, match="until somebody confirms"):
        assets.delete(world.context, OPERATOR, "hall")


def test_the_jobs_of_a_removed_cluster_are_refused_by_the_rule_asset(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    job = submit.submit(world.context, OPERATOR, a_draft(earliest_start=NOON + hours(3))).job
    planning.schedule_all(world.context, OPERATOR)
    assets.delete(world.context, OPERATOR, "hall")
    view = world.view(job.job_id)
    assert view.status is JobStatus.REFUSED
    assert view.plan is not None
    assert view.plan.refusal is not None
    assert view.plan.refusal.rule == "asset"


def test_a_new_cluster_gives_refused_work_another_chance(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="small", max_power_kw=100.0))
    draft = a_draft(
        duration=hours(4),
        estimated_power_kw=90.0,
        latest_finish=NOON + hours(5),
        allowed_regions=("london", "yorkshire"),
    )
    ids = [submit.submit(world.context, OPERATOR, draft).job.job_id for _ in range(2)]
    planning.schedule_all(world.context, OPERATOR)
    assert sorted(world.view(i).status for i in ids) == [JobStatus.REFUSED, JobStatus.SCHEDULED]
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="other", region="yorkshire"))
    assert [world.view(i).status for i in ids] == [JobStatus.SCHEDULED] * 2


def test_uses_show_the_power_held_in_each_half_hour(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    # 75 minutes from 12:00: three half-hours, the part-used one reserved whole.
    draft = a_draft(duration=timedelta(minutes=75), latest_finish=NOON + timedelta(minutes=75))
    submit.submit(world.context, OPERATOR, draft)
    planning.schedule_all(world.context, OPERATOR)
    (use,) = assets.uses(world.context, OPERATOR, 5)
    assert use.start == NOON
    assert use.used_kw == (60.0, 60.0, 60.0, 0.0, 0.0)
    assert use.open_jobs == 1
    world.clock.instant = NOON + SLOT
    (later,) = assets.uses(world.context, OPERATOR, 3)
    assert later.used_kw == (60.0, 60.0, 0.0)
    assert assets.uses(world.context, STRANGER) == ()


@pytest.mark.parametrize("slots", [0, 673])
def test_uses_cover_at_most_two_weeks(world: World, slots: int) -> None:
    with pytest.raises(InvalidRequest):
        assets.uses(world.context, OPERATOR, slots)


# --- limits of power -------------------------------------------------------------------------------


def test_work_is_planned_around_a_limit_and_back_when_it_goes(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    draft = a_draft(earliest_start=NOON + hours(4))
    job_id = submit.submit(world.context, OPERATOR, draft).job.job_id
    planning.schedule_all(world.context, OPERATOR)
    assert placed(world, job_id).start == NOON + hours(4)
    # 60 kW do not fit between 16:00 and 19:00 any more.
    peak = PowerLimit(50.0, from_time=time(16), to_time=time(19), reason="contracted peak")
    changed = assets.change(world.context, OPERATOR, "hall", {"power_limits": (peak,)})
    assert changed.power_limits == (peak,)
    assert placed(world, job_id).start == NOON + hours(7)
    (use,) = assets.uses(world.context, OPERATOR, 16)
    assert use.room_kw == (100.0,) * 8 + (50.0,) * 6 + (100.0,) * 2
    assets.change(world.context, OPERATOR, "hall", {"power_limits": ()})
    assert placed(world, job_id).start == NOON + hours(4)


def test_a_limit_is_written_to_the_log_in_words_and_decimals(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    peak = PowerLimit(50.0, None, NOON, time(16), time(19), (Day.MON,), "contracted peak")
    assets.change(world.context, OPERATOR, "hall", {"power_limits": (peak,)})
    change = json.loads(world.records("config_change")[0].line)["change"]
    assert change["before"] == {"power_limits": [], "version": 1}
    assert change["after"]["power_limits"] == [
        {
            "max_power_kw": "50.000000",
            "start": None,
            "end": "2026-11-21T12:00:00.000Z",
            "from_time": "16:00",
            "to_time": "19:00",
            "days": ["mon"],
            "reason": "contracted peak",
        }
    ]


def test_a_limit_below_frozen_work_is_a_conflict_and_one_beside_it_is_not(world: World) -> None:
    assets.create(world.context, OPERATOR, replace(DRAFT, asset_id="hall"))
    submit.submit(world.context, OPERATOR, a_draft(latest_finish=NOON + hours(2)))
    planning.schedule_all(world.context, OPERATOR)

    def limit(power_kw: float, start: float, end: float) -> dict[str, object]:
        return {"power_limits": (PowerLimit(power_kw, NOON + hours(start), NOON + hours(end)),)}

    with pytest.raises(Conflict, match=r"cannot shrink to 59 kW .*holds up to 60 kW until 2026-11-21T14:00:00Z"):  # fmt: skip
        assets.change(world.context, OPERATOR, "hall", limit(59.0, 1.5, 3))
    assets.change(world.context, OPERATOR, "hall", limit(60.0, 1.5, 3))
    assets.change(world.context, OPERATOR, "hall", limit(0.0, 2, 3))


def test_a_limit_that_makes_no_sense_is_named_by_its_place(world: World) -> None:
    good = PowerLimit(1.0, NOON, NOON + SLOT)
    with pytest.raises(InvalidRequest) as caught:
        assets.create(
            world.context, OPERATOR, replace(DRAFT, power_limits=(good, PowerLimit(1.0, NOON)))
        )
    assert [error.field for error in caught.value.fields] == ["power_limits.1.end"]
    with pytest.raises(InvalidRequest, match="51 limits"):
        assets.create(world.context, OPERATOR, replace(DRAFT, power_limits=(good,) * 51))
