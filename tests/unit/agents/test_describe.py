"""From options to words and figures: runner-up, what was blocked, what would flip it, savings and quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.describe import Describer, digest_of, holders, savings_between, segments_of
from agents.scheduler import negotiate
from models.domain.job import Flexibility, Job
from models.domain.plan import Award, Placement, Segment
from models.domain.signal import (
    Provenance,
    Quality,
    RegionSignals,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import Horizon
from models.optimise.assignment import Assignment, Links
from models.optimise.choices import options_of as priced
from models.optimise.terms import Hold
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_policy, a_situation, a_table, at_slot, options_of, some_weights
from tests.support.stored import a_placement


def awards(
    jobs: Sequence[Job],
    price: Any,
    carbon: Any,
    assets: Any = None,
    **changes: Any,
) -> dict[str, Award]:
    outcome = negotiate(a_situation(jobs, price, carbon, assets, **changes))
    return {award.job_id: award for award in outcome.awards}


def one(price: Sequence[float], carbon: Sequence[float], **changes: Any) -> Award:
    """Return the award of a 10 kW job of half an hour (5 kWh) that may run in any of the half-hours given."""
    policy = changes.pop("policy", a_policy())
    job = a_job(
        minutes=changes.pop("minutes", 30),
        latest_finish=at_slot(len(price)),
        baseline_start=NOON,
        **changes,
    )
    return awards([job], price, carbon, policy=policy)["job-a"]


# --- the runner-up and the flip -------------------------------------------------------------------


def test_the_runner_up_is_the_best_window_that_does_not_overlap_the_winner() -> None:
    # An hour costs 5·(sum of two): starts 0–4 → 2.5, 1.5, 1.0, 1.75, 3.0. Best 2; 1 and 3 overlap it; then 0.
    award = one([0.3, 0.2, 0.1, 0.1, 0.25, 0.35], [0.0] * 6, minutes=60)
    assert award.placement.start == at_slot(2)
    assert award.explanation.runner_up is not None
    assert award.explanation.runner_up.start == at_slot(0)


def test_a_run_elsewhere_at_the_same_time_is_no_runner_up() -> None:
    assets = (an_asset(), an_asset("cluster-b", "south_wales"))
    job = a_job(minutes=30, latest_finish=at_slot(1), allowed_regions=("gb",))
    price = {"london": [0.1], "south_wales": [0.2]}
    award = awards([job], price, {"london": [0.0], "south_wales": [0.0]}, assets)["job-a"]
    assert award.placement.asset_id == "cluster-a"
    assert award.explanation.runner_up is None
    assert award.explanation.options_considered == 2


def test_the_flip_is_the_value_of_carbon_at_which_both_draw_level() -> None:
    # 5 kWh each. Winner at £2.667/kg: £1.00 and 0.5 kg; runner-up £0.50 and 1.0 kg.
    # Level where 1.00 + κ·0.5 = 0.50 + κ·1.0: κ = £1/kg = £1,000/t; the dirtier one wins below.
    award = one([0.2, 0.1], [100.0, 200.0], policy=a_policy(kappa_gbp_per_kg=2.667))
    assert award.placement.start == at_slot(0)
    assert award.explanation.flip_carbon_gbp_per_tonne == pytest.approx(1000.0)
    assert award.explanation.flip_direction == "below"


def test_a_cleaner_runner_up_wins_above_its_level() -> None:
    award = one([0.2, 0.1], [100.0, 200.0], policy=a_policy(kappa_gbp_per_kg=0.5))
    assert award.placement.start == at_slot(1)
    assert award.explanation.flip_carbon_gbp_per_tonne == pytest.approx(1000.0)
    assert award.explanation.flip_direction == "above"


def test_waiting_is_part_of_the_level() -> None:
    # Waiting 30 min costs £0.01/kWh/h · 5 kWh · 0.5 h = £0.025: κ = (1.00 − 0.525) / 0.5 = £0.95/kg.
    # The policy's delay is (w / 0.3) · 0.2 / 24 = £0.01 for w = 0.36.
    award = one(
        [0.2, 0.1], [100.0, 200.0], policy=a_policy(kappa_gbp_per_kg=2.667, weight_deadline=0.36)
    )
    assert award.explanation.flip_carbon_gbp_per_tonne == pytest.approx(950.0)


def test_there_is_no_flip_where_one_is_both_cheaper_and_cleaner() -> None:
    explanation = one([0.2, 0.1], [200.0, 100.0]).explanation
    assert explanation.flip_carbon_gbp_per_tonne is None
    assert explanation.flip_direction is None


def test_there_is_no_flip_where_the_runner_up_is_better_already() -> None:
    # On arrival because 3 % do not pay; no value of carbon was what decided.
    award = one(
        [0.100, 0.097],
        [100.0, 100.1],
        policy=a_policy(kappa_gbp_per_kg=0.0, min_saving_percent=5.0),
    )
    assert award.placement.start == at_slot(0)
    assert award.explanation.waits_only_if_pays
    assert award.explanation.flip_carbon_gbp_per_tonne is None


def test_there_is_no_flip_where_a_cost_or_carbon_is_unknown() -> None:
    nan = float("nan")
    assert one([0.2, nan], [100.0, 50.0]).explanation.flip_carbon_gbp_per_tonne is None
    assert one([0.2, 0.1], [100.0, nan]).explanation.flip_carbon_gbp_per_tonne is None


# --- what was blocked -----------------------------------------------------------------------------


def blocked(award: Award) -> dict[str, tuple[int, float]]:
    """Return (count, slot of the best) by rule."""
    return {
        found.rule: (found.count, (found.best_start - NOON).total_seconds() / 1800)
        for found in award.explanation.blocked
    }


def test_better_windows_that_others_hold_are_counted_with_who_holds_them() -> None:
    # One 10 kW job at a time. `a` must run at noon or 12:30 and takes the cheaper noon; `b` would have liked both.
    jobs = [
        a_job("a", 60, latest_finish=at_slot(2)),
        a_job("b", 30, latest_finish=at_slot(4)),
    ]
    found = awards(jobs, [0.1, 0.2, 0.4, 0.3], [0.0] * 4, [an_asset(max_power_kw=10.0)])
    (reason,) = found["b"].explanation.blocked
    assert found["b"].placement.start == at_slot(3)
    assert (reason.rule, reason.count, reason.best_start) == ("power", 2, at_slot(0))
    # 5 kWh at £0.3 instead of £0.1.
    assert reason.better_by_gbp == pytest.approx(1.0)
    assert reason.held_by == ("a",)


def test_a_job_holds_no_power_in_its_pauses() -> None:
    # An hour in two half-hours, with a pause while it is dear.
    table = a_table([0.1, 0.5, 0.5, 0.1], [0.0] * 4)
    pausing = a_job(
        "a", 60, flexibility=Flexibility.INTERRUPTIBLE, checkpoint_minutes=0.0, latest_finish=at_slot(4)
    )  # fmt: skip
    mine = priced(pausing, table, some_weights())
    plan = Assignment([mine, priced(a_job("b"), table, some_weights())], Links.none(2), table.room_kw)  # fmt: skip
    plan.place(0, mine.best_in(table.room_kw))

    def named(first: int, stop: int) -> tuple[str, ...]:
        return holders(plan, Hold(0, slice(first, stop), np.ones(stop - first), first, stop), 1, "local")  # fmt: skip

    assert named(1, 3) == ()
    assert named(2, 4) == named(0, 1) == ("a",)


def test_other_owners_jobs_are_not_named() -> None:
    jobs = [
        a_job("a", 30, latest_finish=at_slot(1), owner="somebody"),
        a_job("b", 30, latest_finish=at_slot(2)),
    ]
    found = awards(jobs, [0.1, 0.2], [0.0] * 2, [an_asset(max_power_kw=10.0)])
    (reason,) = found["b"].explanation.blocked
    assert reason.held_by == ()


def test_better_windows_closed_by_caps_are_counted_by_rule() -> None:
    award = one(
        [0.1, 0.2, 0.1, 0.5],
        [300.0, 100.0, 250.0, 100.0],
        carbon_cap_g_per_kwh=200.0,
        policy=a_policy(kappa_gbp_per_kg=0.0),
    )
    assert award.placement.start == at_slot(1)
    assert blocked(award) == {"carbon_cap": (2, 0.0)}


def test_better_windows_before_a_predecessor_ends_are_not_blamed_on_power() -> None:
    jobs = [
        a_job("first", 60, latest_finish=at_slot(2)),
        a_job("second", 30, depends_on=("first",), latest_finish=at_slot(4)),
        a_job("third", 30, depends_on=("first", "second"), latest_finish=at_slot(6)),
    ]
    found = awards(jobs, [0.1, 0.1, 0.4, 0.3, 0.2, 0.4], [0.0] * 6)
    assert found["third"].placement.start == at_slot(4)
    # `second` could only start at 13:00 (cost 0.4) or 13:30; nothing better was closed to it.
    assert blocked(found["second"]) == {}


def test_a_window_closed_by_the_order_of_jobs_is_called_predecessor() -> None:
    # Other work keeps `first` off its cluster until 13:00; it ends at 13:30. `second` could have begun at 12:30.
    assets = (an_asset(), an_asset("small", "south_wales", asset_type="cpu", max_power_kw=10.0))
    there = {"asset_id": "small", "allowed_regions": ("south_wales",)}
    jobs = [
        a_job("busy", 60, flexibility=Flexibility.FIXED, **there),
        a_job("first", 30, latest_finish=at_slot(4), **there),
        a_job("second", 30, depends_on=("first",), latest_finish=at_slot(6)),
    ]
    price = {"london": [0.1, 0.1, 0.1, 0.5, 0.5, 0.5], "south_wales": [0.1] * 6}
    found = awards(jobs, price, {"london": [0.0] * 6, "south_wales": [0.0] * 6}, assets)
    assert found["first"].placement.start == at_slot(2)
    assert found["second"].placement.start == at_slot(3)
    assert blocked(found["second"]) == {"predecessor": (2, 1.0)}


def test_a_window_that_a_successor_closes_is_not_put_down_to_a_predecessor() -> None:
    # `second` is pinned to 13:30, so `first` ends by then, although an hour from 13:30 or 14:00 costs £1.
    jobs = [
        a_job("first", 60, latest_finish=at_slot(6)),
        a_job(
            "second", 30, depends_on=("first",), pinned_start=at_slot(3), latest_finish=at_slot(6)
        ),
    ]
    found = awards(jobs, [0.3, 0.2, 0.3, 0.1, 0.1, 0.1], [0.0] * 6)
    # From 12:00 and from 12:30 it costs £2.50, from 13:00 £2: three windows are better.
    assert found["first"].placement.start == at_slot(0)
    assert found["second"].placement.start == at_slot(3)
    assert blocked(found["first"]) == {"successor": (3, 3.0)}


def test_a_free_window_that_a_short_carbon_budget_keeps_off_is_named_without_the_charge() -> None:
    # 5 kWh each at £1/kg. Slot 0: £1.00 and 0.5 kg, £1.50; slot 1: £0.25 and 1.0 kg, £1.25, better by £0.25.
    # A charge of £1/kg makes them £2.00 and £2.25.
    table = a_table([0.2, 0.05], [100.0, 200.0])
    table = replace(table, carbon_charge_gbp_per_kg=np.ones(2))
    mine = priced(a_job(minutes=30, latest_finish=at_slot(2)), table, some_weights())
    plan = Assignment([mine], Links.none(1), table.room_kw)
    plan.place(0, plan.best(0))
    assert int(mine.start[plan.choice[0]]) == 0
    signals = a_situation([], [0.2, 0.05], [100.0, 200.0]).signals
    told = Describer.of(table, signals, 1.0).explain(plan, 0, "local")
    (kept_off,) = told.blocked
    assert (kept_off.rule, kept_off.count, kept_off.best_start) == ("carbon_budget", 1, at_slot(1))
    assert kept_off.better_by_gbp == pytest.approx(0.25)
    # Level where 1.00 + 0.5·(1 + κ) = 0.25 + 1.0·(1 + κ): κ = £0.50/kg.
    assert told.flip_carbon_gbp_per_tonne == pytest.approx(500.0)
    assert told.flip_direction == "below"


# --- figures --------------------------------------------------------------------------------------


def test_an_award_carries_its_figures_at_the_meter() -> None:
    job = a_job(minutes=45, latest_finish=at_slot(2), baseline_start=NOON)
    award = awards([job], [0.1, 0.4], [100.0, 200.0], [an_asset(pue=2.0)])["job-a"]
    placed = award.placement
    # IT 5 kWh then 2.5 kWh, twice that at the meter: 10·0.1 + 5·0.4 = £3.00; 1 kg + 1 kg; 15 kWh.
    assert placed.energy_kwh == pytest.approx(15.0)
    assert placed.cost_gbp == pytest.approx(3.0)
    assert placed.carbon_kg == pytest.approx(2.0)
    assert placed.mean_price_gbp_per_kwh == pytest.approx(0.2)
    assert placed.mean_carbon_g_per_kwh == pytest.approx(2000.0 / 15.0)
    assert placed.objective_gbp == pytest.approx(5.0)
    assert (placed.start, placed.end) == (NOON, at_slot(1.5))
    assert placed.segments == (Segment(NOON, at_slot(1.5), 10.0),)
    assert award.savings.cost_gbp == pytest.approx(0.0)


def test_segments_join_equal_power_and_end_with_the_job() -> None:
    job = a_job(minutes=100, power_profile_kw=(5.0, 5.0, 8.0, 8.0), power_kw=6.5)
    assert segments_of(job, NOON) == (
        Segment(NOON, at_slot(2), 5.0),
        Segment(at_slot(2), at_slot(10 / 3), 8.0),
    )


def test_the_run_on_arrival_is_valued_in_the_past_and_its_breaches_are_named() -> None:
    job = a_job(
        minutes=30,
        latest_finish=at_slot(6),
        baseline_start=NOON,
        allowed_regions=("south_wales",),
        carbon_cap_g_per_kwh=150.0,
        max_price_gbp_per_kwh=0.1,
    )
    assets = (an_asset(), an_asset("cluster-b", "south_wales"))
    price = {"london": [0.3] * 6, "south_wales": [0.1] * 6}
    carbon = {"london": [200.0] * 6, "south_wales": [100.0] * 6}
    award = awards([job], price, carbon, assets, now=at_slot(3.5))["job-a"]
    assert award.placement.start == at_slot(4)
    arrival = award.baseline.placement
    assert arrival is not None
    assert (arrival.asset_id, arrival.start) == ("cluster-a", NOON)
    assert award.baseline.breaches == ("region", "carbon_cap", "max_price")
    assert award.savings.cost_gbp == pytest.approx(5 * 0.2)


def test_a_job_without_a_run_on_arrival_says_why_and_claims_no_saving() -> None:
    job = a_job(minutes=30, baseline_reason="it needs 10 kW and cluster-a offers 5 kW")
    award = awards([job], [0.1] * 48, [0.0] * 48)["job-a"]
    assert award.baseline.placement is None
    assert award.baseline.reason == "it needs 10 kW and cluster-a offers 5 kW"
    assert award.savings.cost_gbp is None
    assert award.savings.range_reason == "there is no run on arrival to compare"


def figures(cost: float | None, carbon: float | None) -> Placement:
    return replace(a_placement(), cost_gbp=cost, carbon_kg=carbon)


def test_savings_are_arrival_less_plan_also_with_negative_prices() -> None:
    # Being paid £1 on arrival and £3 by plan saves £2, twice what arrival brings.
    saved = savings_between(figures(-1.0, 2.0), figures(-3.0, 2.5))
    assert (saved.cost_gbp, saved.cost_percent) == (pytest.approx(2.0), pytest.approx(200.0))
    assert (saved.carbon_kg, saved.carbon_percent) == (pytest.approx(-0.5), pytest.approx(-25.0))


def test_a_saving_against_nothing_has_no_percentage_and_against_the_unknown_no_amount() -> None:
    saved = savings_between(figures(0.0, None), figures(-3.0, 2.5))
    assert (saved.cost_gbp, saved.cost_percent) == (3.0, None)
    assert (saved.carbon_kg, saved.carbon_percent) == (None, None)


def test_ranges_are_unknown_with_a_reason_until_there_are_error_statistics() -> None:
    saved = savings_between(figures(2.0, 1.0), figures(1.0, 1.0))
    assert saved.carbon_kg_range is None
    assert saved.range_reason == "needs 14 days of archived forecasts"


def test_an_award_says_how_well_its_half_hours_are_known() -> None:
    horizon = Horizon(NOON, 4)
    live = Provenance("carbon", "/c", ValueKind.FORECAST, Quality.LIVE, None, NOON)
    guess = Provenance("own estimate", "", ValueKind.ESTIMATE, Quality.ESTIMATED, None, NOON)
    table = a_table([0.1] * 4, [100.0] * 4)
    known = SignalSeries.of(SignalName.CARBON, "london", horizon, [100.0] * 4, live)
    half = SignalSeries.of(
        SignalName.PRICE, "london", horizon, [0.1, 0.1, float("nan"), float("nan")], live
    ).filled_from(SignalSeries.of(SignalName.PRICE, "london", horizon, [0.2] * 4, guess))
    signals: Mapping[str, RegionSignals] = {"london": RegionSignals("london", horizon, known, half)}
    describer = Describer.of(table, signals, 1.0)
    (mine,), _ = options_of([a_job(minutes=60, latest_finish=at_slot(4))], table, some_weights())
    told = [describer.placement(mine, pick) for pick in range(3)]
    assert [placed.estimated_share for placed in told] == [0.0, 0.5, 1.0]
    assert [placed.data_quality for placed in told] == [
        Quality.LIVE,
        Quality.ESTIMATED,
        Quality.ESTIMATED,
    ]


def test_the_digest_binds_every_option() -> None:
    def digest(price: float) -> str:
        table = a_table([0.1, price], [100.0] * 2)
        (mine,), _ = options_of(
            [a_job(minutes=30, latest_finish=at_slot(2))], table, some_weights()
        )
        return digest_of(mine)

    assert digest(0.2) == digest(0.2)
    assert digest(0.2) != digest(0.21)


def test_the_winner_is_among_the_options_written_out() -> None:
    # Pinned to the dearest of eight.
    award = one([0.1] * 7 + [0.9], [0.0] * 8, pinned_start=at_slot(7))
    assert award.placement.start == at_slot(7)
    assert award.placement in award.explanation.best_options
    fixed = one([0.9] + [0.1] * 7, [0.0] * 8, flexibility=Flexibility.FIXED)
    assert fixed.placement in fixed.explanation.best_options


def test_a_run_in_another_region_shows_the_transfer_within_its_totals() -> None:
    # 10 kW × 1 h at PUE 1.5 are 15 kWh; 100 GB × 0.05 are 5 kWh more. 20 kWh at £0.10 and 50 g.
    assets = (an_asset(), an_asset("cluster-b", "south_wales", pue=1.5))
    job = a_job(
        data_gb=100.0,
        allowed_regions=("london", "south_wales"),
        latest_finish=at_slot(8),
        baseline_start=NOON,
    )
    told = awards(
        [job],
        {"london": [0.3] * 8, "south_wales": [0.1] * 8},
        {"london": [300.0] * 8, "south_wales": [50.0] * 8},
        assets,
        policy=a_policy(transfer_kwh_per_gb=0.05, transfer_gbit_per_s=1.0),
    )["job-a"]
    run = told.placement
    # 800 Gbit at 1 Gbit/s are 800 s: it starts one half-hour later than at home.
    assert (run.asset_id, run.start) == ("cluster-b", at_slot(1))
    assert run.energy_kwh == pytest.approx(15.0)
    assert run.transfer_kwh == pytest.approx(5.0)
    assert (run.transfer_cost_gbp, run.cost_gbp) == pytest.approx((0.5, 2.0))
    assert (run.transfer_carbon_kg, run.carbon_kg) == pytest.approx((0.25, 1.0))
    assert run.mean_price_gbp_per_kwh == pytest.approx(0.10)
    assert run.mean_carbon_g_per_kwh == pytest.approx(50.0)
    assert "of that, moving its data there takes 5 kWh, £0.50 and 0.25 kg CO2" in told.why
    arrival = told.baseline.placement
    assert arrival is not None
    assert (arrival.transfer_kwh, arrival.transfer_cost_gbp, arrival.transfer_carbon_kg) == (
        0,
        0,
        0,
    )


def test_a_transfer_on_unknown_signals_is_unknown_not_nothing() -> None:
    assets = (an_asset(), an_asset("cluster-b", "south_wales"))
    table = a_table([float("nan")] * 4, [float("nan")] * 4, assets)
    job = a_job(data_gb=10.0, allowed_regions=("south_wales",), latest_finish=at_slot(4))
    (mine,), _ = options_of([job], table, some_weights(transfer_kwh_per_gb=0.1))
    signals = a_situation([job], [float("nan")] * 4, [float("nan")] * 4, assets).signals
    run = Describer.of(table, signals, 1.0).placement(mine, 0)
    assert run.transfer_kwh == pytest.approx(1.0)
    assert run.transfer_cost_gbp is None
    assert run.transfer_carbon_kg is None
