"""Which awards may move no more: those about to start, and those that others about to start count on."""

from __future__ import annotations

from datetime import timedelta

from models.domain.job import JobStatus
from services.situation import is_frozen, with_chains
from tests.support.fleet import NOON, a_job
from tests.support.planning import at_slot
from tests.support.stored import a_placement, a_plan

LEADS = {"cluster-a": timedelta(minutes=5), "job last": timedelta(hours=1)}


def test_whoever_a_frozen_job_waits_for_is_frozen_with_it_all_the_way_back() -> None:
    # At ten past twelve the last one, which an executor starts at 13:00, is frozen; nobody else starts within five minutes.
    now = NOON + timedelta(minutes=10)
    waits = {"first": (), "middle": ("first",), "last": ("middle",), "other": ("first",)}
    starts = {"first": 1, "middle": 1.5, "last": 2, "other": 2}
    jobs = [
        a_job(name, status=JobStatus.SCHEDULED, depends_on=before) for name, before in waits.items()
    ]
    plans = {name: a_plan(name, a_placement(at_slot(slot))) for name, slot in starts.items()}
    frozen = {j.job_id for j in jobs if is_frozen(plans[j.job_id], j, now, LEADS)}
    assert frozen == {"last"}
    leads = with_chains(LEADS, jobs, plans, now)
    frozen = {j.job_id for j in jobs if is_frozen(plans[j.job_id], j, now, leads)}
    assert frozen == {"first", "middle", "last"}
    assert with_chains(LEADS, jobs[:2], plans, now) == LEADS
