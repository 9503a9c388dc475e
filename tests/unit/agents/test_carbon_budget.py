"""A carbon budget of each London day: what other work takes of it, and plans that keep it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import attempt
from agents.attempt import Attempt
from agents.carbon_budget import ATTEMPTS, HOPELESS_CHARGE, committed_kg
from agents.certificate import FALSE_BOUND
from agents.faults import PolicyVeto
from agents.messages import DemandQuoted, PricesPosted
from agents.scheduler import negotiate
from agents.view import Held, Outcome, Situation
from models.domain.job import Flexibility, Priority
from models.domain.plan import PlanMethod
from models.optimise.budget import london_days
from models.optimise.terms import Incumbent
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_policy, a_situation, a_table, at_slot


def test_frozen_work_and_work_that_has_run_are_added_by_day() -> None:
    # Noon to the next noon at 100 g. Frozen: 20 kW from 23:30 for 75 min, the last half-hour used by half:
    # 10 kWh today, 10 + 5 kWh tomorrow; its transfer of 5 kWh adds a fifth. Earlier today 3 kg were planned.
    held = Held("frozen", "cluster-a", 23, (20.0, 20.0, 20.0), at_slot(25.5), transfer_kwh=5.0)
    price, carbon = [0.1] * 48, [100.0] * 48
    today = date(2026, 11, 21)
    situation = a_situation([], price, carbon, held=(held,), spent_kg_by_day={today: 3.0})
    table = a_table(price, carbon)
    days = london_days(table.horizon)
    assert days.dates == (today, today + timedelta(days=1))
    assert committed_kg(situation, table, days) == pytest.approx([3.0 + 1.2, 1.8])
    assert committed_kg(a_situation([], price, carbon), table, days).tolist() == [0.0, 0.0]
    assert table.horizon.start == NOON


# --- plans within a budget ------------------------------------------------------------------------

EVE = datetime(2026, 11, 21, 22, tzinfo=UTC)
"""Two hours before a London midnight in winter, twenty half-hours after noon: four are Saturday, four Sunday."""

CHEAP_FIRST = [0.10] * 4 + [0.15] * 4


def planned(
    jobs: int,
    budget_kg: float | None,
    *,
    carbon: list[float] | None = None,
    spent_kg_by_day: Mapping[date, float] | None = None,
    owners: int = 1,
    max_power_kw: float = 100.0,
    incumbents: Mapping[str, Incumbent] | None = None,
    **changes: Any,
) -> Outcome:
    """Plan jobs of 10 kWh at 10 kW on one large cluster, each free to run on either day; lists hold a value each."""
    each = {
        "minutes": 60.0, "power_kw": 10.0, "earliest_start": EVE, "accepted_at": EVE, "baseline_start": EVE,
        "latest_finish": EVE + timedelta(hours=4), "min_saving_percent": 0.0, **changes,
    }  # fmt: skip
    policy = a_policy(kappa_gbp_per_kg=0.0, carbon_budget_kg_per_day=budget_kg)
    situation = a_situation(
        [
            a_job(
                f"job-{n}",
                **{
                    "owner": f"owner-{n % owners}",
                    **{k: v[n] if isinstance(v, list) else v for k, v in each.items()},
                },
            )
            for n in range(jobs)
        ],
        [1.0] * 20 + CHEAP_FIRST,
        [100.0] * 20 + (carbon or [100.0] * 8),
        (an_asset(max_power_kw=max_power_kw),),
        policy=policy,
        spent_kg_by_day=spent_kg_by_day or {},
        incumbents=incumbents or {},
    )
    return negotiate(situation)


def on_saturday(outcome: Outcome) -> int:
    midnight = EVE + timedelta(hours=2)
    return sum(award.placement.end <= midnight for award in outcome.awards)


def test_without_a_budget_the_cheap_day_takes_all() -> None:
    outcome = planned(4, None)
    assert on_saturday(outcome) == 4
    assert outcome.certificate.carbon_kg_by_day == ()


def test_a_budget_moves_just_as_many_jobs_as_it_must() -> None:
    # Each emits 1 kg and costs £1.00 on Saturday, £1.50 on Sunday and £1.25 across midnight, half on each day. 2.5 kg a
    # day leave room for one on Saturday and three across midnight: £4.75, the least for 1.5 kg moved at £0.50 each.
    outcome = planned(4, 2.5)
    proof = outcome.certificate
    assert on_saturday(outcome) == 1
    assert [kg for _, kg in proof.carbon_kg_by_day] == pytest.approx([2.5, 1.5])
    assert [kg for _, kg in proof.carbon_budget_kg_by_day] == [2.5, 2.5]
    assert proof.objective_gbp == pytest.approx(4.75)
    assert 4.4 < proof.lower_bound_gbp <= 4.75 + 1e-6
    # A tonne more on Saturday is worth the £500 it would save, found by halving.
    assert dict(proof.carbon_gbp_per_tonne_by_day)[EVE.date()] == pytest.approx(500.0, rel=0.4)
    paid = [award.placement.objective_gbp or 0.0 for award in outcome.awards]
    assert sum(paid) == pytest.approx(4.75)


def test_a_budget_too_small_for_the_work_is_kept_and_whoever_is_left_out_is_told_why() -> None:
    # Four jobs of 1 kg and 1 kg a day: two of them run, wherever they lie, and two are refused by rule.
    outcome = planned(4, 1.0)
    assert len(outcome.awards) == 2
    proof = outcome.certificate
    assert max(kg for _, kg in proof.carbon_kg_by_day) <= 1.0 + 1e-6
    assert {refusal.rule for refusal in outcome.refusals} == {"carbon_budget"}
    assert all("above the carbon budget of 1 kg" in each.detail for each in outcome.refusals)
    assert not any("is exceeded" in note for note in proof.notes)
    # Two at the penalty of £20/kWh, twice for normal priority, and two at £1 and £1.50 or across midnight at £1.25 each.
    assert proof.objective_gbp == pytest.approx(2 * 400.0 + 2.5)
    assert proof.lower_bound_gbp <= proof.objective_gbp
    assert proof.gap_percent is None
    # Serving one more would be worth £400 a kilogram, more than any charge tried: no worth is claimed.
    assert dict(proof.carbon_gbp_per_tonne_by_day) == {}


def test_a_plan_is_called_exact_only_where_the_budget_left_it_so() -> None:
    # On 10 kW the plan without a budget is the optimum; the one that keeps 1 kg a day is £757.50 above its bound.
    proof = planned(4, 1.0, max_power_kw=10.0).certificate
    assert proof.gap_gbp > 100.0
    assert proof.method is PlanMethod.PRICED
    # Where nobody is left out, what is proven of the plan is proven of those it serves.
    kept = planned(4, 2.5).certificate
    assert kept.method is PlanMethod.EXACT
    assert kept.gap_served_percent == pytest.approx(kept.gap_percent)


def test_what_is_cheapest_to_leave_out_goes_first_and_takes_along_who_waits_for_it() -> None:
    # 2 kg on Saturday alone: the low job gives way to both others; then the last one, which waits for the low one, too.
    sat = {"latest_finish": EVE + timedelta(hours=2)}
    mixed = planned(3, 2.0, priority=[Priority.LOW, Priority.NORMAL, Priority.HIGH], **sat)
    assert [refusal.job_id for refusal in mixed.refusals] == ["job-0"]
    waits = planned(
        3, 2.0, priority=[Priority.LOW, Priority.CRITICAL, Priority.LOW],
        depends_on=[(), (), ("job-0",)], **sat,
    )  # fmt: skip
    assert len(waits.awards) == 2
    assert "job-2" in {refusal.job_id for refusal in waits.refusals}
    alone = planned(2, 0.5, depends_on=[(), ("job-0",)], **sat)
    assert {each.job_id: each.rule for each in alone.refusals} == {
        "job-0": "carbon_budget", "job-1": "predecessor"
    }  # fmt: skip


def test_whoever_has_a_window_keeps_it_before_newcomers_of_its_priority() -> None:
    # One kilogram on Saturday for two jobs that emit one each; the second has its window already.
    sat = {
        "latest_finish": EVE + timedelta(hours=2),
        "incumbents": {"job-1": Incumbent("cluster-a", 20)},
    }
    assert [refusal.job_id for refusal in planned(2, 1.0, **sat).refusals] == ["job-0"]
    # Not before work that matters more.
    high = planned(2, 1.0, priority=[Priority.HIGH, Priority.NORMAL], **sat)
    assert [refusal.job_id for refusal in high.refusals] == ["job-1"]


def test_nobody_runs_on_a_day_that_other_work_alone_puts_over_budget() -> None:
    saturday = EVE.date()
    outcome = planned(
        2, 5.0, spent_kg_by_day={saturday: 6.0}, latest_finish=EVE + timedelta(hours=2)
    )
    assert outcome.awards == ()
    assert {refusal.rule for refusal in outcome.refusals} == {"carbon_budget"}
    assert dict(outcome.certificate.carbon_kg_by_day)[saturday] == pytest.approx(6.0)
    # Where there is a Sunday, one of two has room then, and the other is told of Sunday: it would not touch Saturday.
    sunday = planned(2, 1.0, spent_kg_by_day={saturday: 6.0})
    assert [award.placement.start >= EVE + timedelta(hours=2) for award in sunday.awards] == [True]
    assert "would emit 2 kg on 22 November" in sunday.refusals[0].detail


def test_the_policy_agent_vetoes_a_plan_over_budget_by_its_own_sum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempt, "leave_out", lambda *_: frozenset())
    with pytest.raises(PolicyVeto, match=r"carbon_budget: .* of which the carbon budget leaves 1"):
        planned(4, 1.0)


def test_a_budget_that_is_kept_anyway_changes_nothing() -> None:
    free, bound = planned(4, None), planned(4, 50.0)
    assert [a.placement.start for a in free.awards] == [a.placement.start for a in bound.awards]
    assert [mu for _, mu in bound.certificate.carbon_gbp_per_tonne_by_day] == [0.0, 0.0]


def test_jobs_that_pause_keep_a_budget_too() -> None:
    # The clean half-hours lie apart; without them Saturday would emit 4 kg.
    outcome = planned(
        4, 2.5, flexibility=Flexibility.INTERRUPTIBLE, max_chunks=2, checkpoint_minutes=0.0
    )
    by_day = dict(outcome.certificate.carbon_kg_by_day)
    assert max(by_day.values()) <= 2.5 + 1e-6
    assert sum(by_day.values()) == pytest.approx(4.0)


@settings(max_examples=20)
@given(
    st.lists(st.sampled_from((50.0, 100.0, 200.0)), min_size=8, max_size=8),
    st.integers(1, 4),
    st.floats(0.4, 6.0),
)
def test_a_plan_under_a_budget_is_never_below_its_bound_and_keeps_it_where_brute_force_can(
    carbon: list[float], jobs: int, budget_kg: float
) -> None:
    outcome = planned(jobs, budget_kg, carbon=carbon)
    proof = outcome.certificate
    starts = range(7)
    kg = [5.0 * (carbon[s] + carbon[s + 1]) / 1000.0 for s in starts]
    gbp = [5.0 * (CHEAP_FIRST[s] + CHEAP_FIRST[s + 1]) for s in starts]
    first = [5.0 * sum(carbon[t] for t in (s, s + 1) if t < 4) / 1000.0 for s in starts]
    left_out_gbp = 400.0  # 10 kWh at £20, twice for normal priority
    best = min(
        sum(gbp[s] for s in picks) + left_out_gbp * (jobs - len(picks))
        for served in range(jobs + 1)
        for picks in itertools.combinations_with_replacement(starts, served)
        if sum(first[s] for s in picks) <= budget_kg + 1e-9
        and sum(kg[s] - first[s] for s in picks) <= budget_kg + 1e-9
    )
    assert max(kg for _, kg in proof.carbon_kg_by_day) <= budget_kg * (1 + 1e-5) + 1e-6
    assert FALSE_BOUND not in proof.notes
    assert proof.lower_bound_gbp - 1e-6 <= best <= proof.objective_gbp + 1e-6
    # Whoever is left out is left out for the budget, and not more of them than there need be.
    assert proof.unserved_gbp <= best // left_out_gbp * left_out_gbp + 1e-6


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from((50.0, 100.0, 200.0)), min_size=8, max_size=8),
    st.lists(st.sampled_from((5.0, 10.0, 20.0, 30.0)), min_size=2, max_size=3),
    st.floats(1.0, 6.0),
)
def test_unlike_jobs_keep_a_budget_at_least_cost_wherever_brute_force_can(
    carbon: list[float], powers_kw: list[float], budget_kg: float
) -> None:
    # Single moves stop where a large and a small job would have to change days at once.
    jobs = [
        a_job(f"job-{n}", power_kw=kw, earliest_start=EVE, accepted_at=EVE, baseline_start=EVE,
              latest_finish=EVE + timedelta(hours=4), min_saving_percent=0.0)
        for n, kw in enumerate(powers_kw)
    ]  # fmt: skip
    policy = a_policy(kappa_gbp_per_kg=0.0, carbon_budget_kg_per_day=budget_kg)
    signals = [1.0] * 20 + CHEAP_FIRST, [100.0] * 20 + carbon
    proof = negotiate(a_situation(jobs, *signals, policy=policy)).certificate
    per_kw = [0.5 * (carbon[s] + carbon[s + 1]) / 1000.0 for s in range(7)]
    first = [0.5 * sum(carbon[t] for t in (s, s + 1) if t < 4) / 1000.0 for s in range(7)]
    gbp = [0.5 * (CHEAP_FIRST[s] + CHEAP_FIRST[s + 1]) for s in range(7)]
    sums = [
        [
            sum(kw * each[s] for kw, s in zip(powers_kw, picks, strict=True))
            for each in (gbp, first, per_kw)
        ]
        for picks in itertools.product(range(7), repeat=len(powers_kw))
    ]
    able = [cost for cost, day, both in sums if max(day, both - day) <= budget_kg]
    if able:
        assert max(kg for _, kg in proof.carbon_kg_by_day) <= budget_kg * (1 + 1e-5) + 1e-6
        assert proof.objective_gbp == pytest.approx(min(able), abs=1e-3)
        assert proof.lower_bound_gbp <= min(able) + 1e-6


@pytest.fixture
def charged(monkeypatch: pytest.MonkeyPatch) -> list[dict[date, float]]:
    """Return the charges of each plan made, as they come."""
    seen: list[dict[date, float]] = []
    real = attempt.plan_at

    def noted(situation: Situation, charges: Mapping[date, float] | None = None) -> Attempt:
        seen.append(dict(charges or {}))
        return real(situation, charges)

    monkeypatch.setattr(attempt, "plan_at", noted)
    return seen


def test_price_rounds_find_the_charge_so_that_few_plans_are_made(
    charged: list[dict[date, float]],
) -> None:
    # Across midnight a job costs £0.25 more and puts half a kilogram less on Saturday: £0.50 for each kilogram.
    outcome = planned(4, 2.5)
    assert charged[0] == {EVE.date(): pytest.approx(0.5, rel=0.02)}
    assert len(charged) <= ATTEMPTS
    assert dict(outcome.certificate.carbon_gbp_per_tonne_by_day)[EVE.date()] == pytest.approx(
        500.0, rel=0.02
    )


def test_a_day_that_other_work_alone_puts_over_budget_is_charged_once_to_send_work_away(
    charged: list[dict[date, float]],
) -> None:
    saturday = EVE.date()
    outcome = planned(4, 5.0, spent_kg_by_day={saturday: 6.0})
    assert charged == [{saturday: HOPELESS_CHARGE}]
    assert on_saturday(outcome) == 0
    assert dict(outcome.certificate.carbon_kg_by_day)[saturday] == pytest.approx(6.0)


def test_a_day_over_budget_without_any_job_to_plan_is_told_and_nothing_else() -> None:
    outcome = planned(0, 5.0, spent_kg_by_day={EVE.date(): 6.0})
    assert outcome.awards == ()
    assert any("is exceeded by 1 kg" in note for note in outcome.certificate.notes)


def test_the_posted_charges_and_what_loads_emit_by_day_are_in_the_minutes() -> None:
    outcome = planned(4, 2.5)
    posted = [message for message in outcome.messages if isinstance(message, PricesPosted)]
    quoted = [message for message in outcome.messages if isinstance(message, DemandQuoted)]
    days = [EVE.date(), EVE.date() + timedelta(days=1)]
    assert posted
    assert all(day in days for day, _ in posted[0].carbon_gbp_per_kg)
    # The first round is at no price of power: all four somewhere between the days, 4 kg together.
    assert [day for day, _ in quoted[0].use_kg] == days
    assert sum(kg for _, kg in quoted[0].use_kg) == pytest.approx(4.0)
    free = planned(4, None)
    assert all(not m.use_kg for m in free.messages if isinstance(m, DemandQuoted))


def test_many_agents_find_the_charges_that_one_finds() -> None:
    one, four = planned(4, 2.5), planned(4, 2.5, owners=4)
    assert (
        four.certificate.carbon_gbp_per_tonne_by_day == one.certificate.carbon_gbp_per_tonne_by_day
    )
    assert four.certificate.lower_bound_gbp == pytest.approx(
        one.certificate.lower_bound_gbp, rel=1e-9
    )
