"""The chair: the same input gives the same plan, the certificate is right, and nothing is decided twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import attempt, job_agent
from agents.certificate import FALSE_BOUND
from agents.describe import Describer
from agents.faults import JobFault, PolicyVeto
from agents.messages import (
    Awarded,
    DemandQuoted,
    JobsAnnounced,
    PlanApproved,
    PlanProposed,
    PolicyPublished,
    PricesPosted,
    SignalsPublished,
)
from agents.scheduler import negotiate
from agents.view import Held, Outcome, Situation
from models.domain.job import Job, Priority
from models.domain.plan import Deferral, PlanMethod, Refusal
from models.domain.signal import Quality
from models.domain.time import Horizon
from models.optimise.award import Assignment, award
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import (
    NEGOTIATION,
    a_policy,
    a_situation,
    at_slot,
    small_assets,
    small_jobs,
    small_series,
)


def two_jobs(**changes: Any) -> Situation:
    """Return two jobs of 5 kWh that share a cluster of 10 kW over three half-hours."""
    jobs = [a_job(name, 30, latest_finish=at_slot(3), baseline_start=NOON) for name in ("a", "b")]
    return a_situation(jobs, [0.3, 0.1, 0.2], [0.0] * 3, [an_asset(max_power_kw=10.0)], **changes)


def starts(outcome: Outcome) -> dict[str, Any]:
    return {
        award.job_id: (award.placement.asset_id, award.placement.start) for award in outcome.awards
    }


# --- the conversation -----------------------------------------------------------------------------


def test_the_conversation_has_its_fixed_order() -> None:
    said = [
        (message.round, message.sender, type(message)) for message in negotiate(two_jobs()).messages
    ]
    assert said[:5] == [
        (0, "energy", SignalsPublished),
        (0, "policy", PolicyPublished),
        (0, "jobs:local", JobsAnnounced),
        (1, "policy", PricesPosted),
        (1, "jobs:local", DemandQuoted),
    ]
    # Both want the same half-hour, so more rounds are held; the one that proves the bound is kept.
    best = said[5][0]
    assert best > 1
    assert said[5:7] == [(best, "policy", PricesPosted), (best, "jobs:local", DemandQuoted)]
    last = negotiate(two_jobs()).certificate.rounds
    assert said[7:9] == [(last, "chair", PlanProposed), (last, "policy", PlanApproved)]
    assert [kind for _, _, kind in said[9:]] == [Awarded, Awarded]


def test_where_everybody_gets_its_best_one_round_is_held_and_the_plan_is_proven() -> None:
    situation = replace(two_jobs(), jobs=two_jobs().jobs[:1])
    outcome = negotiate(situation)
    assert [m.round for m in outcome.messages if isinstance(m, PricesPosted)] == [1]
    assert (outcome.certificate.rounds, outcome.certificate.method) == (1, PlanMethod.EXACT)
    assert outcome.certificate.gap_gbp == pytest.approx(0.0, abs=1e-8)
    assert outcome.shadow_gbp_per_kwh == {}


def test_message_ids_are_made_of_negotiation_round_sender_and_number() -> None:
    counts: dict[tuple[int, str], int] = {}
    for message in negotiate(two_jobs()).messages:
        n = counts.get((message.round, message.sender), 0)
        counts[message.round, message.sender] = n + 1
        assert message.message_id == uuid5(NEGOTIATION, f"{message.round}|{message.sender}|{n}")
        assert message.negotiation_id == NEGOTIATION
        assert message.sent_at == NOON


def test_a_quote_answers_the_prices_it_was_asked_for() -> None:
    messages = negotiate(two_jobs()).messages
    posted, dearer = [m for m in messages if isinstance(m, PricesPosted)]
    quote, later = [m for m in messages if isinstance(m, DemandQuoted)]
    assert (quote.in_reply_to, later.in_reply_to) == (posted.message_id, dearer.message_id)
    assert (later.prices_round, later.round) == (dearer.round, dearer.round)
    # Each would take 12:30 at £0.1 for 5 kWh: 20 kW together, £1.
    assert quote.load_kw.values.tolist() == [[0.0, 20.0, 0.0]]
    assert quote.value_gbp == pytest.approx(1.0)


def test_the_same_situation_gives_the_same_outcome() -> None:
    first, second = negotiate(two_jobs()), negotiate(two_jobs())
    assert first.awards == second.awards
    assert first.refusals == second.refusals
    assert [m.model_dump(mode="json") for m in first.messages] == [
        m.model_dump(mode="json") for m in second.messages
    ]
    assert replace(first.certificate, seconds=0.0) == replace(second.certificate, seconds=0.0)


# --- the certificate ------------------------------------------------------------------------------


def test_the_certificate_of_a_contested_plan_is_worked_out_by_hand() -> None:
    proof = negotiate(two_jobs()).certificate
    # Both want 12:30 (£0.50); one takes 13:00 (£1.00): £1.50, and two runs cannot share a half-hour.
    assert proof.objective_gbp == pytest.approx(1.5)
    assert proof.lower_bound_gbp == pytest.approx(1.5, abs=1e-6)
    assert proof.gap_gbp == pytest.approx(0.0, abs=1e-6)
    assert proof.gap_percent == pytest.approx(0.0, abs=1e-4)
    assert (proof.served_gbp, proof.unserved_gbp) == (pytest.approx(1.5), 0.0)
    assert (proof.method, proof.heuristic) == (PlanMethod.EXACT, False)
    assert proof.rounds > 1
    assert proof.seconds > 0.0


def test_scarce_half_hours_have_a_price_that_makes_the_second_best_as_good() -> None:
    noon, half_past, one = negotiate(two_jobs()).shadow_gbp_per_kwh["cluster-a"]
    # Who moves from 12:30 to 13:00 pays £0.50 more for 5 kWh: £0.10 per kWh between the two.
    assert half_past - one == pytest.approx(0.1, abs=5e-3)
    assert noon == 0.0


def test_the_gap_is_null_when_anything_is_unserved_and_then_given_for_the_served() -> None:
    situation = two_jobs()
    jobs = (
        *situation.jobs,
        a_job("c", 30, latest_finish=at_slot(1)),
        a_job("d", 30, latest_finish=at_slot(1)),
    )
    proof = negotiate(replace(situation, jobs=jobs)).certificate
    # c or d at noon costs £1.50 and is at its bound; the other is unserved: £20 · 5 kWh · 2.
    assert proof.gap_percent is None
    assert proof.unserved_gbp == pytest.approx(200.0)
    assert proof.served_gbp == pytest.approx(3.0)
    assert proof.objective_gbp == pytest.approx(203.0)
    # The served set alone: £0.50 + £1.00 + £1.50, which is what it costs; at least £2.50 is proven.
    assert proof.gap_served_percent is not None
    assert 0.0 <= proof.gap_served_percent <= 0.5 / 3.0 * 100.0 + 1e-9


def test_power_that_is_held_by_others_enters_the_bound() -> None:
    situation = replace(two_jobs(), jobs=(a_job("a", 30, latest_finish=at_slot(2)),))
    held = Held("x", "cluster-a", 0, (0.0, 10.0), at_slot(2))
    free = a_situation(situation.jobs, [0.0, -0.001], [0.0] * 2, situation.assets, held=(held,))
    proof = negotiate(free).certificate
    # 12:30 at −£0.005 is held by frozen work, so noon at £0 is the best there is.
    assert proof.lower_bound_gbp == pytest.approx(0.0, abs=1e-8)
    assert proof.gap_percent == pytest.approx(0.0, abs=1e-4)


def test_delay_and_churn_are_told_apart() -> None:
    from models.optimise.options import Incumbent

    job = a_job(minutes=30, latest_finish=at_slot(3), baseline_start=NOON)
    situation = a_situation(
        [job],
        [0.9, 0.8, 0.1],
        [0.0] * 3,
        policy=a_policy(weight_deadline=0.36, churn_gbp_per_kwh=0.004),
        incumbents={"job-a": Incumbent("cluster-a", 1)},
    )
    proof = negotiate(situation).certificate
    # An hour of waiting at £0.01/kWh/h and churn of £0.004/kWh, 5 kWh.
    assert proof.delay_gbp == pytest.approx(0.05)
    assert proof.churn_gbp == pytest.approx(0.02)
    assert proof.objective_gbp == pytest.approx(0.5 + 0.05 + 0.02)


def test_frozen_work_above_the_limit_is_reported_and_not_planned_around() -> None:
    held = Held("x", "cluster-a", 0, (14.0,), at_slot(1))
    outcome = negotiate(two_jobs(held=(held,)))
    assert "frozen work exceeds the limit of cluster-a by 4 kW" in outcome.certificate.notes
    assert {slot for _, slot in starts(outcome).values()} == {at_slot(1), at_slot(2)}


@st.composite
def fleets(draw: st.DrawFn) -> tuple[Situation, tuple[str, ...]]:
    assets = draw(small_assets())
    jobs = draw(small_jobs(assets, most=6))
    owners = tuple(draw(st.sampled_from(["local", "north", "zeta"])) for _ in jobs)
    price, carbon = draw(small_series(-0.05, 0.45)), draw(small_series(20.0, 300.0))
    return a_situation(jobs, price, carbon, assets), owners


@settings(max_examples=25, deadline=None)
@given(fleets())
def test_the_bound_is_the_same_for_one_agent_or_many(
    fleet: tuple[Situation, tuple[str, ...]],
) -> None:
    situation, owners = fleet
    # Each tenant has its own jobs; assets stay where they are, so only own assets are candidates.
    lonely = tuple(
        replace(job, allowed_regions=_own_region(job, situation)) for job in situation.jobs
    )
    split = tuple(replace(job, owner=owner) for job, owner in zip(lonely, owners, strict=True))
    one = negotiate(replace(situation, jobs=lonely))
    many = negotiate(replace(situation, jobs=split))
    assert many.certificate.lower_bound_gbp == pytest.approx(
        one.certificate.lower_bound_gbp, rel=1e-9, abs=1e-12
    )
    assert starts(one) == starts(many)


def _own_region(job: Job, situation: Situation) -> tuple[str, ...]:
    return tuple(a.region for a in situation.assets if a.asset_id == job.asset_id)


@settings(max_examples=25, deadline=None)
@given(fleets(), st.randoms(use_true_random=False))
def test_the_order_of_jobs_and_assets_does_not_matter(
    fleet: tuple[Situation, tuple[str, ...]], shuffler: random.Random
) -> None:
    situation, _ = fleet
    jobs, assets = list(situation.jobs), list(situation.assets)
    shuffler.shuffle(jobs)
    shuffler.shuffle(assets)
    mixed = negotiate(replace(situation, jobs=tuple(jobs), assets=tuple(assets)))
    plain = negotiate(situation)
    assert mixed.awards == plain.awards
    assert mixed.refusals == plain.refusals


@settings(max_examples=25, deadline=None)
@given(fleets())
def test_the_bound_is_never_above_the_objective_and_the_parts_add_up(
    fleet: tuple[Situation, tuple[str, ...]],
) -> None:
    outcome = negotiate(fleet[0])
    proof = outcome.certificate
    assert FALSE_BOUND not in proof.notes
    assert proof.objective_gbp == pytest.approx(proof.served_gbp + proof.unserved_gbp)
    told = sum(award.placement.objective_gbp or 0.0 for award in outcome.awards)
    assert proof.served_gbp == pytest.approx(told, abs=1e-9)
    assert (proof.gap_percent is None) == bool(outcome.refusals)
    assert len(outcome.awards) + len(outcome.refusals) == len(fleet[0].jobs)


# --- the veto -------------------------------------------------------------------------------------


def test_a_plan_that_breaks_a_limit_is_vetoed_and_never_comes_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def careless(*args: Any, **kwargs: Any) -> Assignment:
        plan = award(*args, **kwargs)
        for k in range(2):
            plan.lift(k)
            plan.place(k, 1)
        return plan

    monkeypatch.setattr(attempt, "award", careless)
    with pytest.raises(PolicyVeto, match=r"power: cluster-a exceeded by 10\.000 kW in slot 1"):
        negotiate(two_jobs())


@pytest.mark.parametrize(
    ("place", "name", "doing"),
    [(job_agent, "priced", "pricing"), (Describer, "explain", "describing")],
)
def test_a_mistake_on_one_job_is_raised_with_its_id(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, doing: str
) -> None:
    def wrong(*_args: Any, **_named: Any) -> Any:
        raise IndexError("beyond the table")

    monkeypatch.setattr(place, name, wrong)
    with pytest.raises(JobFault, match=f"job .*: {doing} failed") as raised:
        negotiate(two_jobs())
    assert raised.value.job_id in {job.job_id for job in two_jobs().jobs}
    assert isinstance(raised.value.__cause__, IndexError)


def test_what_is_no_mistake_of_ours_passes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_args: Any, **_named: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(job_agent, "priced", interrupted)
    with pytest.raises(KeyboardInterrupt):
        negotiate(two_jobs())


# --- what was decided before ----------------------------------------------------------------------


def test_refusals_and_deferrals_from_before_are_passed_on_and_stand_outside_the_sums() -> None:
    refused = Refusal("x", "predecessor", "it waits for y, which was cancelled", None)
    deferred = Deferral("h", "held by a user", None)
    outcome = negotiate(two_jobs(refused=(refused,), deferred=(deferred,)))
    assert outcome.refusals == (refused,)
    assert outcome.deferrals == (deferred,)
    assert outcome.certificate.objective_gbp == pytest.approx(1.5)
    assert any("1 refused before planning" in note for note in outcome.certificate.notes)
    assert [m.kind for m in outcome.messages[-2:]] == ["deferred", "refused"]  # type: ignore[attr-defined]


def test_nothing_to_plan_is_a_plan_without_awards() -> None:
    outcome = negotiate(a_situation([], [0.1], [100.0]))
    assert outcome.awards == ()
    assert outcome.data_quality is Quality.NONE
    assert outcome.certificate.objective_gbp == 0.0
    assert outcome.certificate.gap_percent == 0.0


def test_a_fleet_without_clusters_is_refused_not_an_error() -> None:
    situation = Situation(NEGOTIATION, NOON, Horizon(NOON, 96), (a_job(),), (), {}, a_policy())
    (told,) = negotiate(situation).refusals
    assert told.rule == "asset"


def test_half_hours_that_have_passed_value_baselines_but_start_nothing() -> None:
    # Noon to 15:00 are known; it is 13:10, so that 13:30 is the first start.
    job = a_job(minutes=30, latest_finish=at_slot(6), baseline_start=NOON)
    situation = a_situation(
        [job], [0.5, 0.1, 0.1, 0.4, 0.3, 0.4], [0.0] * 6, now=NOON + timedelta(minutes=70)
    )
    (told,) = negotiate(situation).awards
    assert told.placement.start == at_slot(4)
    assert told.baseline.placement is not None
    assert told.baseline.placement.cost_gbp == pytest.approx(2.5)
    assert told.savings.cost_gbp == pytest.approx(1.0)


def test_held_work_keeps_its_power() -> None:
    held = Held("x", "cluster-a", -1, (10.0, 10.0, 10.0), at_slot(2))
    outcome = negotiate(two_jobs(held=(held,)))
    assert starts(outcome) == {"a": ("cluster-a", at_slot(2))}
    assert [refusal.job_id for refusal in outcome.refusals] == ["b"]


def test_where_nothing_is_known_the_start_is_provisional_at_the_last_half_hour() -> None:
    nan = float("nan")
    job = a_job(minutes=45, latest_finish=at_slot(7.5), baseline_start=NOON)
    (told,) = negotiate(a_situation([job], [nan] * 8, [nan] * 8)).awards
    assert told.provisional
    assert told.placement.start == at_slot(6)
    assert told.placement.data_quality is Quality.NONE
    assert told.placement.cost_gbp is None
    assert told.placement.carbon_kg is None
    assert told.placement.objective_gbp is None
    assert told.savings.carbon_kg is None
    assert "no carbon or price is known yet" in told.why


def test_a_plan_carries_the_worst_quality_among_its_awards() -> None:
    assert negotiate(two_jobs()).data_quality is Quality.LIVE


def test_an_order_of_refusals_follows_the_penalties() -> None:
    jobs = [
        a_job(name, 30, latest_finish=at_slot(1), priority=priority)
        for name, priority in zip("abcd", Priority, strict=True)
    ]
    outcome = negotiate(a_situation(jobs, [0.1], [0.0], [an_asset(max_power_kw=20.0)]))
    assert [award.job_id for award in outcome.awards] == ["c", "d"]


def _ids(outcome: Outcome) -> Sequence[str]:
    return [award.job_id for award in outcome.awards]


def test_answers_come_sorted_by_job() -> None:
    jobs = [a_job(name, 30) for name in ("m", "z", "a")]
    assert _ids(negotiate(a_situation(jobs, [0.1] * 48, [0.0] * 48))) == ["a", "m", "z"]


def test_effort_is_counted_work_more_of_it_is_never_worse_here_and_less_still_keeps_every_rule() -> (
    None
):
    # 30 jobs of an hour and 10 kW share 40 kW over ten hours of falling prices: everybody wants the end.
    jobs = [a_job(f"job-{n:02d}", minutes=60.0, power_kw=10.0 + n / 10) for n in range(30)]
    price = [0.40 - 0.01 * slot for slot in range(24)]
    found = {}
    for effort in (0.05, 1.0, 3.0):
        policy = a_policy(planning_effort=effort)
        found[effort] = negotiate(
            a_situation(jobs, price, [100.0] * 24, (an_asset(max_power_kw=45.0),), policy=policy)
        )
    quick, usual, long = (found[effort].certificate for effort in (0.05, 1.0, 3.0))
    assert quick.rounds < usual.rounds <= long.rounds
    assert quick.objective_gbp >= usual.objective_gbp >= long.objective_gbp
    assert quick.lower_bound_gbp <= long.objective_gbp
    # The veto has checked each plan; whoever can be served is served with little effort too.
    assert len({len(outcome.awards) for outcome in found.values()}) == 1
    (told,) = (m for m in found[0.05].messages if isinstance(m, PolicyPublished))
    assert told.planning_effort == 0.05
