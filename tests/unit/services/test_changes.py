"""What is new after a negotiation, what moved and why, and what stayed as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from agents.scheduler import negotiate
from agents.view import Outcome
from models.domain.job import Job, JobStatus
from models.domain.plan import Deferral, Refusal
from models.domain.ports import JobPlan
from services.changes import Change, changes_of
from services.situation import Facts
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_situation
from tests.support.stored import a_deferred_plan, a_placement, a_plan, a_refused_plan, an_award

OUTCOME = negotiate(a_situation([], [0.1], [100.0]))


def compared(
    outcome: Outcome, job: Job, before: JobPlan | None, trigger: str = "submit"
) -> tuple[list[Change], list[JobPlan]]:
    plans: Mapping[str, JobPlan] = {} if before is None else {before.job_id: before}
    facts = Facts(1, (job,), plans, (an_asset(),), {}, NOON)
    return changes_of(outcome, facts, {job.job_id: job}, trigger, "live", NOON)


def with_award(hours_on: float = 0.0, cost_gbp: float | None = 2.5, **changes: Any) -> Outcome:
    placed = replace(a_placement(NOON + timedelta(hours=hours_on)), cost_gbp=cost_gbp)
    return replace(OUTCOME, awards=(an_award(placement=placed, **changes),))


SCHEDULED = a_job(status=JobStatus.SCHEDULED)


def test_a_first_award_is_new_and_no_move() -> None:
    ((change,), unchanged) = compared(with_award(), a_job(), None)
    assert unchanged == []
    assert (change.status, change.is_move) == (JobStatus.SCHEDULED, False)
    assert change.plan.moves == 0
    assert change.plan.negotiation_id == str(OUTCOME.negotiation_id)


def test_the_same_award_keeps_its_record_and_takes_the_new_figures() -> None:
    (changed, (kept,)) = compared(with_award(cost_gbp=1.0), SCHEDULED, a_plan())
    assert changed == []
    assert kept.decision_id == "decision-job-a"
    assert kept.award is not None
    assert kept.award.placement.cost_gbp == 1.0


def test_a_later_start_is_a_move_with_its_reason_and_what_was_expected() -> None:
    ((change,), _) = compared(with_award(2.0, 1.0), SCHEDULED, a_plan(moves=3), "new_prices")
    assert change.is_move
    assert change.plan.moves == 4
    assert change.plan.previous_start == NOON
    assert change.plan.move_reason == (
        "new prices: from Sat 12:00 to Sat 14:00, £2.50 expected then, £1.00 now"
    )


def test_a_job_whose_window_passed_without_a_run_moved_for_that_whatever_began_the_plan() -> None:
    pending = a_job(status=JobStatus.PENDING)
    for trigger in ("did_not_run", "control", "worker"):
        ((change,), _) = compared(with_award(2.0, 1.0), pending, a_plan(), trigger)
        assert change.plan.move_reason is not None
        assert change.plan.move_reason.startswith("a run that did not take place: from Sat 12:00")


def test_another_cluster_at_the_same_time_is_a_move() -> None:
    placed = a_placement(asset_id="cluster-b")
    outcome = replace(OUTCOME, awards=(an_award(placement=placed),))
    ((change,), _) = compared(outcome, SCHEDULED, a_plan(), "whatever")
    assert change.is_move
    assert change.plan.move_reason is not None
    assert change.plan.move_reason.startswith("a new plan: ")


def test_unknown_costs_are_not_compared() -> None:
    ((change,), _) = compared(with_award(2.0, None), SCHEDULED, a_plan())
    assert change.plan.move_reason == "new work: from Sat 12:00 to Sat 14:00"


def test_a_provisional_award_that_becomes_a_known_one_is_new_but_no_move() -> None:
    before = a_plan()
    assert before.award is not None
    before = replace(before, award=replace(before.award, provisional=True))
    ((change,), _) = compared(with_award(), SCHEDULED, before)
    assert not change.is_move
    assert change.plan.moves == 0


def test_the_same_place_with_other_power_is_new_but_no_move() -> None:
    placed = a_placement(power_kw=20.0)
    ((change,), _) = compared(
        replace(OUTCOME, awards=(an_award(placement=placed),)), SCHEDULED, a_plan()
    )
    assert not change.is_move


def test_an_award_of_a_job_that_was_put_back_is_told_again() -> None:
    ((change,), unchanged) = compared(with_award(), a_job(status=JobStatus.PENDING), a_plan())
    assert unchanged == []
    assert change.status is JobStatus.SCHEDULED


def refused(rule: str = "power") -> Outcome:
    return replace(OUTCOME, refusals=(Refusal("job-a", rule, "20 kW do not fit", None),))


def test_a_refusal_by_the_same_rule_keeps_its_record() -> None:
    job = a_job(status=JobStatus.REFUSED)
    (changed, (kept,)) = compared(refused(), job, a_refused_plan())
    assert changed == []
    assert kept.refusal is not None
    assert kept.refusal.detail == "20 kW do not fit"
    ((change,), _) = compared(refused("max_price"), job, a_refused_plan())
    assert change.status is JobStatus.REFUSED


def test_a_refusal_of_a_job_that_was_put_back_is_told_again() -> None:
    ((change,), _) = compared(refused(), a_job(status=JobStatus.PENDING), a_refused_plan())
    assert change.status is JobStatus.REFUSED


def test_an_award_that_is_withdrawn_is_a_refusal_that_remembers_its_moves() -> None:
    ((change,), _) = compared(refused(), SCHEDULED, a_plan(moves=2))
    assert change.plan.award is None
    assert change.plan.refusal is not None
    assert change.plan.moves == 2


def deferred(reason: str = "held by its owner") -> Outcome:
    return replace(OUTCOME, deferrals=(Deferral("job-a", reason, None),))


def test_the_same_deferral_is_not_told_again() -> None:
    assert compared(deferred(), a_job(), a_deferred_plan()) == ([], [])
    ((change,), _) = compared(deferred("waits for b"), a_job(), a_deferred_plan())
    assert change.status is JobStatus.PENDING
    ((again,), _) = compared(deferred(), a_job(status=JobStatus.REFUSED), a_deferred_plan())
    assert again.status is JobStatus.PENDING
