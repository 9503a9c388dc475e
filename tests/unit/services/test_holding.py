"""What awards hold, and from when they no longer move."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from models.domain.job import JobStatus
from models.domain.plan import Segment
from models.domain.ports import JobPlan, JobView
from models.domain.time import SLOT
from services.context import ServiceSettings
from services.holding import freeze_lead, is_frozen, reserved_kw, total_kw
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.stored import a_placement, an_award

SETTINGS = ServiceSettings(
    default_region="london", customer_class="business", prices_include_vat=False,
    schedule_wait_seconds=1.0, freeze_minutes=5.0, freeze_executor_minutes=60.0, logs_dir=Path(),
)  # fmt: skip
FIVE = timedelta(minutes=5)


def test_a_part_used_half_hour_is_reserved_whole() -> None:
    assert reserved_kw(a_placement(NOON, minutes=31.0)) == {NOON: 10.0, NOON + SLOT: 10.0}


def test_where_two_segments_share_a_half_hour_the_greater_counts() -> None:
    middle = NOON + timedelta(minutes=40)
    shared = replace(
        a_placement(NOON),
        segments=(Segment(NOON, middle, 10.0), Segment(middle, NOON + 2 * SLOT, 25.0)),
    )
    assert reserved_kw(shared) == {NOON: 10.0, NOON + SLOT: 25.0}


def test_placements_add_up() -> None:
    both = total_kw([a_placement(NOON), a_placement(NOON + SLOT, power_kw=5.0)])
    assert both == {NOON: 10.0, NOON + SLOT: 15.0, NOON + 2 * SLOT: 5.0}


def test_work_handed_to_an_executor_freezes_earlier() -> None:
    assert freeze_lead(SETTINGS, an_asset()) == FIVE
    assert freeze_lead(SETTINGS, None) == FIVE
    assert freeze_lead(SETTINGS, an_asset(executor="slurm")) == timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "minutes_before", "marked", "answer"),
    [
        (JobStatus.SCHEDULED, 6, False, False),
        (JobStatus.SCHEDULED, 5, False, True),
        (JobStatus.SCHEDULED, 600, True, True),
        (JobStatus.RUNNING, 600, False, True),
        (JobStatus.UNCONFIRMED, -600, False, False),
    ],
)
def test_an_award_is_frozen_when_it_runs_is_marked_or_is_near(
    status: JobStatus, minutes_before: int, marked: bool, answer: bool
) -> None:
    award = an_award("job-a", a_placement(NOON), is_frozen=marked)
    view = JobView(a_job("job-a"), JobPlan("job-a", "n", "d", NOON, award=award), status)
    assert is_frozen(view, NOON - timedelta(minutes=minutes_before), FIVE) is answer


def test_without_an_award_nothing_is_frozen() -> None:
    assert not is_frozen(JobView(a_job("a"), None, JobStatus.PENDING), NOON, FIVE)
