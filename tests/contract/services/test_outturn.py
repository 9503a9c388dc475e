"""What finished awards turned out to cost, on the values published last for the same half-hours."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from agents.policy import Policy
from models.domain.signal import Quality
from services import controls, explain, lifecycle, outturn, planning
from services.loop import Loop
from services.outturn import Outturn
from tests.support.fleet import NOON
from tests.support.world import OPERATOR, World, flat, hours, placed, submitted, with_cluster

SIX = NOON + hours(6)


def dip(start: datetime, low: float, high: float) -> Callable[[str, datetime], float]:
    """Return a script that is low for two hours and high else."""
    return lambda _slug, at: low if start <= at < start + hours(2) else high


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    # On arrival (12:00) it is 200 g and 0.30 £; at 18:00 for two hours 50 g and 0.10 £.
    return make_world(carbon=dip(SIX, 50.0, 200.0), price=dip(SIX, 0.10, 0.30))


def finish(world: World, job_id: str, **told: object) -> None:
    """Confirm that a job ran as planned, then let the world pass to 20:30."""
    world.at(NOON + hours(8))
    controls.confirm(
        world.context, OPERATOR, job_id, "completed",
        at=told.get("at"), energy_kwh=told.get("energy_kwh"),  # type: ignore[arg-type]
    )  # fmt: skip
    world.at(NOON + hours(8.5))


def stored(world: World, job_id: str) -> Outturn:
    found = outturn.of(world.view(job_id))
    assert found is not None
    return found


def test_an_outturn_compares_run_forecast_and_arrival_on_the_values_published_last(
    world: World,
) -> None:
    with_cluster(world, pue=1.2)
    job_id = submitted(world)
    # 10 kW × 2 h × 1.2 = 24 kWh. Forecast: 24 × 50 g = 1.2 kg, £2.40; arrival 24 × 200 = 4.8 kg, £7.20.
    # It turned out at 60 g: 1.44 kg; arrival, 12:00–14:00, turned out at 40 g: 0.96 kg.
    world.grids["live"].carbon = lambda _s, at: 60.0 if at >= SIX else 40.0
    finish(world, job_id)
    assert outturn.settle(world.context) == 1
    found = stored(world, job_id)
    assert found.final
    assert found.run.energy_kwh == pytest.approx(24.0)
    assert found.run.carbon_kg == pytest.approx(1.44)
    assert found.run.cost_gbp == pytest.approx(2.40)
    assert found.forecast_carbon_kg == pytest.approx(1.2)
    assert found.baseline is not None
    assert found.baseline.carbon_kg == pytest.approx(0.96)
    assert found.baseline.cost_gbp == pytest.approx(7.20)
    assert found.saved_carbon_kg == pytest.approx(-0.48)
    assert found.saved_cost_gbp == pytest.approx(4.80)
    assert found.lost == ("carbon",)
    assert found.text == (
        "Turned out at £2.40 (£2.40 forecast) and 1.44 kg CO2 (1.2 kg forecast); £4.80 less and 0.48 kg more than "
        "on arrival, so it lost on carbon; carbon is the latest regional estimate, not metered."
    )


def test_an_outturn_is_recorded_once(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    finish(world, job_id)
    assert outturn.settle(world.context) == 1
    assert outturn.settle(world.context) == 0
    events = [json.loads(r.line) for r in world.records("outcome")]
    told = [e for e in events if e.get("outcome", {}).get("event") == "outturn"]
    assert len(told) == 1
    assert told[0]["outcome"]["run"]["energy_kwh"] == "20.000000"


def test_nothing_is_settled_before_the_run_has_ended(world: World) -> None:
    with_cluster(world)
    submitted(world)
    world.at(NOON + hours(7))
    assert outturn.settle(world.context) == 0


def test_an_unconfirmed_window_has_an_outturn_that_says_if(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.at(NOON + hours(8.5))
    lifecycle.advance(world.context)
    assert outturn.settle(world.context) == 1
    assert stored(world, job_id).text.startswith("If it ran: £2.00")


def test_confirmed_times_count_instead_of_the_plan(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.at(SIX + timedelta(minutes=30))
    controls.confirm(
        world.context, OPERATOR, job_id, "started", at=SIX + timedelta(minutes=30), energy_kwh=None
    )
    world.at(NOON + hours(9))
    controls.confirm(
        world.context, OPERATOR, job_id, "completed", at=NOON + hours(9), energy_kwh=None
    )
    outturn.settle(world.context)
    found = stored(world, job_id)
    # 18:30–21:00 at 10 kW: 15 kWh at 50 g until 20:00, 10 kWh at 200 g after: 0.75 + 2 = 2.75 kg; £1.50 + £3.00.
    assert found.basis == "confirmed times"
    assert found.run.energy_kwh == pytest.approx(25.0)
    assert found.run.carbon_kg == pytest.approx(2.75)
    assert found.run.cost_gbp == pytest.approx(4.50)
    # The run on arrival is taken with the same 25 kWh: at 200 g and £0.30.
    assert found.baseline is not None
    assert found.baseline.carbon_kg == pytest.approx(5.0)
    assert found.baseline.cost_gbp == pytest.approx(7.50)


def test_measured_energy_scales_both_sides_and_is_labelled(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    finish(world, job_id, energy_kwh=15.0)
    outturn.settle(world.context)
    found = stored(world, job_id)
    assert found.energy_is_measured
    assert found.run.energy_kwh == pytest.approx(15.0)
    assert found.run.carbon_kg == pytest.approx(0.75)
    assert found.baseline is not None
    assert found.baseline.carbon_kg == pytest.approx(3.0)


def test_a_later_confirmation_replaces_the_outturn_of_an_unconfirmed_window(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.at(NOON + hours(8.5))
    lifecycle.advance(world.context)
    outturn.settle(world.context)
    controls.confirm(world.context, OPERATOR, job_id, "completed", at=None, energy_kwh=10.0)
    assert outturn.settle(world.context) == 1
    assert stored(world, job_id).status == "completed"
    assert stored(world, job_id).run.energy_kwh == pytest.approx(10.0)


def test_a_completion_without_a_time_is_taken_at_the_planned_length(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.at(NOON + hours(20))  # twelve hours after the window
    controls.confirm(world.context, OPERATOR, job_id, "completed", at=None, energy_kwh=None)
    outturn.settle(world.context)
    assert stored(world, job_id).run.energy_kwh == pytest.approx(20.0)


def test_old_forecasts_are_not_taken_for_an_outturn_until_a_day_has_passed(
    make_world: Callable[..., World],
) -> None:
    world = make_world(carbon=dip(SIX, 50.0, 200.0))
    with_cluster(world)
    job_id = submitted(world)
    world.grids["live"].is_down = True  # nothing more is heard after 12:00
    finish(world, job_id)
    assert outturn.settle(world.context) == 0
    world.at(NOON + hours(33))
    assert outturn.settle(world.context) == 1
    found = stored(world, job_id)
    assert found.final
    assert found.data_quality is Quality.STALE


def test_a_plan_of_another_mode_is_left_alone(make_world: Callable[..., World]) -> None:
    world = make_world(mode="auto")
    with_cluster(world)
    submitted(world, latest_finish=NOON + hours(2))
    world.grids["live"].is_down = False
    world.at(NOON + hours(3))
    lifecycle.advance(world.context)
    assert outturn.settle(world.context) == 0


def test_unknown_half_hours_make_the_outturn_unknown_not_zero(
    make_world: Callable[..., World],
) -> None:
    world = make_world(carbon=flat(float("nan")), price=flat(float("nan")))
    with_cluster(world)
    job_id = submitted(world, latest_finish=NOON + hours(2))
    world.at(NOON + hours(27))
    lifecycle.advance(world.context)
    outturn.settle(world.context)
    found = stored(world, job_id)
    assert found.run.carbon_kg is None
    assert found.run.cost_gbp is None
    assert found.saved_carbon_kg is None
    assert found.text.endswith("have no published values, so the outturn is unknown.")


def test_an_outturn_survives_the_trip_through_its_stored_form(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    finish(world, job_id)
    outturn.settle(world.context)
    found = stored(world, job_id)
    assert Outturn.from_mapping(json.loads(json.dumps(found.to_mapping()))) == found


def test_the_loop_settles_what_has_ended(world: World) -> None:
    with_cluster(world)
    job_id = submitted(world)
    world.at(NOON + hours(8.5))
    loop = Loop(world.context, "one", pause_seconds=0.01, lease_seconds=60.0)
    assert loop.tick().failed == {}
    assert stored(world, job_id).status == "unconfirmed"


def test_an_outturn_counts_moving_the_data_as_the_plan_did(
    make_world: Callable[..., World],
) -> None:
    # South Wales costs £0.10 and emits 50 g; London £0.30 and 200 g.
    policy = Policy(1.0, transfer_kwh_per_gb=0.1, transfer_gbit_per_s=1.0, min_saving_percent=0.0)
    world = make_world(
        carbon=lambda slug, _at: 50.0 if slug == "south_wales" else 200.0,
        price=lambda slug, _at: 0.10 if slug == "south_wales" else 0.30,
        policy=policy,
    )
    with_cluster(world)
    with_cluster(world, asset_id="away", region="south_wales")
    job_id = submitted(
        world, asset_id="hall", data_gb=50.0, allowed_regions=("london", "south_wales")
    )
    # 20 kWh of run and 5 kWh of transfer: 25 × £0.10 and 25 × 50 g. 400 s of transfer put it off to 12:30.
    run = placed(world, job_id)
    assert (run.asset_id, run.start) == ("away", NOON + hours(0.5))
    assert (run.cost_gbp, run.carbon_kg) == pytest.approx((2.5, 1.25))
    record = next(r for r in world.records("decision") if r.job_id == job_id)
    metrics = json.loads(record.line)["options"][0]["metrics"]
    assert metrics["transfer_kwh"] == "5.000"
    assert metrics["transfer_cost_gbp"] == "0.5000"
    assert metrics["transfer_co2_kg"] == "0.2500"
    # It turned out at 80 g, and 22 kWh were measured: 1.76 kg of run, and the 5 kWh as planned at 80 g.
    world.grids["live"].carbon = lambda _slug, _at: 80.0
    finish(world, job_id, energy_kwh=22.0)
    assert outturn.settle(world.context) == 1
    found = stored(world, job_id)
    assert found.run.energy_kwh == pytest.approx(22.0)
    assert found.run.carbon_kg == pytest.approx(1.76 + 0.4)
    assert found.run.cost_gbp == pytest.approx(2.2 + 0.5)
    # The run on arrival does the same work: 22 kWh at 80 g and £0.30, and no data move.
    assert found.baseline is not None
    assert (found.baseline.carbon_kg, found.baseline.cost_gbp) == pytest.approx((1.76, 6.6))


def test_an_award_elsewhere_stays_while_its_data_are_on_their_way(
    make_world: Callable[..., World],
) -> None:
    world = make_world(price=lambda slug, _at: 0.10 if slug == "south_wales" else 0.90)
    with_cluster(world)
    with_cluster(world, asset_id="away", region="south_wales")
    # 450 GB at the default 1 Gbit/s are one hour.
    regions = ("london", "south_wales")
    job_id = submitted(world, asset_id="hall", data_gb=450.0, allowed_regions=regions)
    assert placed(world, job_id).start == NOON + hours(1)
    world.at(NOON + hours(0.7))
    planning.schedule_all(world.context, OPERATOR)
    assert placed(world, job_id).start == NOON + hours(1)
    found = {
        c.placement.start: c
        for c in explain.candidates(world.context, OPERATOR, job_id)
        if c.placement.asset_id == "away"
    }
    assert found[NOON + hours(1)].feasible
