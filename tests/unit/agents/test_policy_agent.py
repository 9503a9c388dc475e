"""The Policy Agent checks every hard limit itself, from the job and the signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from agents import policy_agent
from agents.messages import (
    PlanApproved,
    PlanProposed,
    PlanVetoed,
    PolicyPublished,
    PricesPosted,
    SlotArray,
)
from agents.policy import Policy
from agents.view import PolicyAgentView
from models.domain.job import Job
from models.domain.power_limit import PowerLimit
from models.optimise.award import UNSERVED
from models.optimise.options import JobOptions
from models.optimise.table import PricedTable
from models.optimise.terms import Incumbent
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_policy, a_table, at_slot, options_of, some_weights


def verdict(
    jobs: Sequence[Job],
    table: PricedTable,
    choice: Sequence[int],
    tampered: Sequence[Job] | None = None,
    **seen: Any,
) -> PlanApproved | PlanVetoed:
    """Return the judgement of a choice among the options of `jobs`, if the jobs really were `tampered` (`seen`: more of the view)."""
    options, links = options_of(jobs, table, some_weights())
    if tampered is not None:
        options = tuple(replace(mine, job=job) for mine, job in zip(options, tampered, strict=True))
    view = PolicyAgentView(
        a_policy(), table, options=options, links=links, choice=tuple(choice), **seen
    )
    proposal = PlanProposed(
        sender="chair",
        load_kw=SlotArray(np.zeros((1, 1))),
        served=1,
        unserved=0,
        objective_gbp=0.0,
        lower_bound_gbp=0.0,
    )
    (answer,) = policy_agent.respond(view, (proposal,))
    assert isinstance(answer, PlanApproved | PlanVetoed)
    return answer


def veto(*args: Any, **kwargs: Any) -> tuple[str, str]:
    answer = verdict(*args, **kwargs)
    assert isinstance(answer, PlanVetoed)
    return answer.rule, answer.detail


def flat(**changes: Any) -> PricedTable:
    return a_table([0.2] * 6, [100.0] * 6, **changes)


def test_a_plan_within_all_limits_is_approved_with_what_was_checked() -> None:
    answer = verdict([a_job(minutes=30), a_job("b", 30)], flat(), [0, UNSERVED])
    assert isinstance(answer, PlanApproved)
    assert set(answer.checked) == {
        "deadline", "release", "pinned", "predecessor", "transfer", "asset", "region", "shape", "power",
        "carbon_cap", "max_price", "order", "carbon_budget",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"latest_finish": at_slot(3) - timedelta(seconds=1)}, "deadline"),
        ({"earliest_start": at_slot(2) + timedelta(seconds=1)}, "release"),
        ({"accepted_at": at_slot(2.1)}, "release"),
        ({"allowed_regions": ("yorkshire",)}, "region"),
        ({"carbon_cap_g_per_kwh": 99.9}, "carbon_cap"),
        ({"max_price_gbp_per_kwh": 0.1999}, "max_price"),
        ({"power_kw": 100.1}, "power"),
        ({"asset_id": "gone"}, "asset"),
        ({"pinned_start": at_slot(3)}, "pinned"),
        ({"pinned_start": at_slot(2), "pinned_asset_id": "cluster-b"}, "pinned"),
        ({"depends_on": ("lost",)}, "predecessor"),
    ],
)
def test_a_choice_that_breaks_a_limit_of_its_job_is_vetoed(
    changes: dict[str, Any], rule: str
) -> None:
    job = a_job(minutes=30)
    found, detail = veto([job], flat(), [2], [replace(job, **changes)])
    assert found == rule
    assert detail


def test_a_veto_names_the_job_at_fault_and_none_where_several_are() -> None:
    job = a_job(minutes=30)
    alone = verdict([job], flat(), [2], [replace(job, max_price_gbp_per_kwh=0.1)])
    assert isinstance(alone, PlanVetoed)
    assert alone.job_id == "job-a"
    pair = [a_job("a", 30, power_kw=60.0), a_job("b", 30, power_kw=60.0)]
    together = verdict(pair, flat(), [0, 0])
    assert isinstance(together, PlanVetoed)
    assert (together.rule, together.job_id) == ("power", None)
    chain = [a_job("a", 30), a_job("b", 30, depends_on=("a",))]
    early = verdict(chain, flat(), [2, 0])
    assert isinstance(early, PlanVetoed)
    assert (early.rule, early.job_id) == ("order", "b")


def test_a_run_on_somebody_elses_cluster_is_vetoed() -> None:
    assets = (an_asset(), an_asset("cluster-b", owner="local"))
    job = a_job(minutes=30)
    table = flat(assets=assets)
    foreign = replace(table, assets=(table.assets[0], replace(table.assets[1], owner="somebody")))
    options, links = options_of([job], table, some_weights())
    pick = options[0].find(1, 0)
    assert pick is not None
    view = PolicyAgentView(a_policy(), foreign, options=options, links=links, choice=(pick,))
    (answer,) = policy_agent.respond(view, (_proposal(),))
    assert isinstance(answer, PlanVetoed)
    assert answer.rule == "asset"


def _proposal() -> PlanProposed:
    return PlanProposed(
        sender="chair",
        load_kw=SlotArray(np.zeros((1, 1))),
        served=1,
        unserved=0,
        objective_gbp=0.0,
        lower_bound_gbp=0.0,
    )


def test_a_start_in_a_half_hour_that_has_passed_is_vetoed() -> None:
    job = a_job(
        minutes=30, earliest_start=NOON - timedelta(hours=1), accepted_at=NOON - timedelta(hours=1)
    )
    options, links = options_of([job], flat(), some_weights())
    later = flat(first_open=2)
    view = PolicyAgentView(a_policy(), later, options=options, links=links, choice=(1,))
    (answer,) = policy_agent.respond(view, (_proposal(),))
    assert isinstance(answer, PlanVetoed)
    assert answer.rule == "release"


def test_jobs_that_together_exceed_a_cluster_are_vetoed_with_place_and_amount() -> None:
    jobs = [a_job("a", 30, power_kw=60.0), a_job("b", 60, power_kw=60.0)]
    assert veto(jobs, flat(), [3, 2]) == ("power", "cluster-a exceeded by 20.000 kW in slot 3")
    assert isinstance(verdict(jobs, flat(), [4, 2]), PlanApproved)


def test_power_that_others_hold_is_not_given_twice() -> None:
    table = flat(held_kw={"cluster-a": [0, 0, 95, 0, 0, 0]})
    assert veto([a_job(minutes=30)], table, [2])[0] == "power"


def test_a_successor_that_starts_before_its_predecessor_has_ended_is_vetoed() -> None:
    jobs = [a_job("a", 45), a_job("b", 30, depends_on=("a",))]
    options, _ = options_of(jobs, flat(), some_weights())
    two = options[1].find(0, 2)
    three = options[1].find(0, 3)
    assert two is not None
    assert three is not None
    assert veto(jobs, flat(), [1, two]) == ("order", "b would start before a has ended")
    assert veto(jobs, flat(), [UNSERVED, three])[0] == "order"
    assert isinstance(verdict(jobs, flat(), [1, three]), PlanApproved)


def test_a_start_before_a_job_outside_the_plan_has_ended_is_vetoed() -> None:
    job = a_job(minutes=30, depends_on=("running",))
    early = verdict([job], flat(), [2], predecessor_ends={"job-a": at_slot(2.5)})
    assert isinstance(early, PlanVetoed)
    assert (early.rule, early.job_id) == ("predecessor", "job-a")
    kept = verdict([job], flat(), [3], predecessor_ends={"job-a": at_slot(2.5)})
    assert isinstance(kept, PlanApproved)


def test_a_start_elsewhere_before_the_data_can_be_there_is_vetoed_unless_they_are_on_their_way() -> (
    None
):
    # 450 GB are 3,600 Gbit: an hour at 1 Gbit/s, so that 13:00, slot 2, is the first start on the other cluster.
    assets = (an_asset(), an_asset("cluster-b", "south_wales"))
    table = flat(assets=assets)
    there = a_job(minutes=30, allowed_regions=("london", "south_wales"))
    heavy = replace(there, data_gb=450.0)
    options, _ = options_of([there], table, some_weights())
    first, second = (options[0].find(1, slot) for slot in (1, 2))
    assert first is not None
    assert second is not None
    assert veto([there], table, [first], [heavy])[0] == "transfer"
    assert isinstance(verdict([there], table, [second], [heavy]), PlanApproved)
    on_its_way = {"job-a": Incumbent("cluster-b", 1)}
    kept = verdict([there], table, [first], [heavy], incumbents=on_its_way)
    assert isinstance(kept, PlanApproved)
    at_home = options[0].find(0, 0)
    assert at_home is not None
    assert isinstance(verdict([there], table, [at_home], [heavy]), PlanApproved)


def test_an_unknown_mean_is_not_held_against_a_job() -> None:
    nan = float("nan")
    job = a_job(minutes=30, carbon_cap_g_per_kwh=1.0, latest_finish=at_slot(1))
    assert isinstance(verdict([job], a_table([nan], [nan]), [0]), PlanApproved)


def test_the_policy_is_published_first_and_prices_of_zero_next() -> None:
    view = PolicyAgentView(Policy(2.667), flat())
    (published,) = policy_agent.respond(view, ())
    assert isinstance(published, PolicyPublished)
    assert published.carbon_price_gbp_per_tonne == pytest.approx(2667.0)
    # (0.1 / 0.3) · £0.20 / 24 h.
    assert published.delay_gbp_per_kwh_hour == pytest.approx(0.2 / 72.0)
    rounds = policy_agent.open_rounds(view.table)
    (posted,) = policy_agent.respond(replace(view, prices=rounds), ())
    assert isinstance(posted, PricesPosted)
    assert posted.power_gbp_per_kwh.values.tolist() == [[0.0] * 6]


def test_weights_are_those_of_the_policy() -> None:
    weights = policy_agent.weights_of(Policy(1.5, 0.3, 7.0, 25.0, 0.01))
    assert weights.kappa_gbp_per_kg == 1.5
    assert weights.delay_gbp_per_kwh_hour == pytest.approx(0.2 / 24.0)
    assert (weights.min_saving_percent, weights.unserved_gbp_per_kwh) == (7.0, 25.0)
    assert weights.churn_gbp_per_kwh == 0.01


def test_options_are_not_needed_to_be_honest() -> None:
    # The check is made from the job, not from what the options claim about themselves.
    job = a_job(minutes=30, max_price_gbp_per_kwh=0.1)
    options, links = options_of([job], flat(), some_weights())
    lying: JobOptions = replace(
        options[0],
        closed=np.zeros_like(options[0].closed),
        cost_gbp=np.zeros_like(options[0].cost_gbp),
    )
    view = PolicyAgentView(a_policy(), flat(), options=(lying,), links=links, choice=(0,))
    (answer,) = policy_agent.respond(view, (_proposal(),))
    assert isinstance(answer, PlanVetoed)
    assert answer.rule == "max_price"


def test_the_power_of_a_half_hour_is_checked_against_the_limits_of_the_asset_itself() -> None:
    # 40 kW in the third half-hour. A table that forgot the limit offers 100 kW there, the veto does not.
    limit = PowerLimit(40.0, at_slot(2), at_slot(3))
    limited = flat(assets=(an_asset(power_limits=(limit,)),))
    forgetful = replace(flat(), assets=limited.assets)
    job = a_job(minutes=30, power_kw=40.1)
    assert isinstance(verdict([job], forgetful, [1]), PlanApproved)
    rule, detail = veto([job], forgetful, [2])
    assert rule == "power"
    assert detail == "cluster-a exceeded by 0.100 kW in slot 2"
    assert isinstance(verdict([a_job(minutes=30, power_kw=40.0)], limited, [2]), PlanApproved)


def test_held_power_counts_towards_that_limit() -> None:
    limit = PowerLimit(40.0, at_slot(2), at_slot(3))
    table = replace(flat(), assets=(an_asset(power_limits=(limit,)),))
    options, links = options_of([a_job(minutes=30, power_kw=20.0)], table, some_weights())
    for held_kw, expected in ((20.0, PlanApproved), (20.1, PlanVetoed)):
        held = {"cluster-a": np.full(6, held_kw)}
        view = PolicyAgentView(
            a_policy(), table, options=options, links=links, choice=(2,), held_kw=held
        )
        (answer,) = policy_agent.respond(view, (_proposal(),))
        assert isinstance(answer, expected)


def test_the_policy_says_what_a_transfer_takes_and_what_a_day_may_emit() -> None:
    policy = a_policy(
        transfer_kwh_per_gb=0.01, transfer_gbit_per_s=2.0, carbon_budget_kg_per_day=7.0
    )
    (told,) = policy_agent.respond(PolicyAgentView(policy, flat()), ())
    assert isinstance(told, PolicyPublished)
    assert told.transfer_kwh_per_gb == 0.01
    assert told.transfer_gbit_per_s == 2.0
    assert told.carbon_budget_kg_per_day == 7.0
    weights = policy_agent.weights_of(policy)
    assert (weights.transfer_kwh_per_gb, weights.transfer_gbit_per_s) == (0.01, 2.0)
