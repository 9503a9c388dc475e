"""Running in another region costs the transfer of the job's data, in energy and in time."""

from __future__ import annotations

import pytest

from models.domain.job import Job
from models.domain.time import SLOT
from models.optimise.options import Closed, Incumbent, build_options
from models.optimise.table import PricedTable
from models.optimise.terms import Weights
from models.optimise.transfer import Transfer, transfer_seconds, transfer_to
from tests.support.fleet import NOON, a_job, an_asset
from tests.support.planning import a_table, at_slot, some_weights

HERE, THERE, NEAR = an_asset(), an_asset("cluster-b", "south_wales", pue=1.5), an_asset("cluster-c")
WEIGHTS = some_weights(transfer_kwh_per_gb=0.06, transfer_gbit_per_s=1.0)
# 500 GB × 0.06 = 30 kWh; 500 × 8 Gbit at 1 Gbit/s are 4,000 s, three half-hours.
JOB = a_job(power_kw=10.0, data_gb=500.0, allowed_regions=("london", "south_wales"))


def a_fleet(slots: int = 8) -> PricedTable:
    """Return a table where South Wales costs half and emits a quarter of London."""
    return a_table(
        {"london": [0.20] * slots, "south_wales": [0.10] * slots},
        {"london": [200.0] * slots, "south_wales": [50.0] * slots},
        (HERE, THERE, NEAR),
    )


def sent(job: Job, row: int, weights: Weights = WEIGHTS, held: Incumbent | None = None) -> Transfer:
    return transfer_to(job, a_fleet(), row, weights, 1, held)


def test_nothing_moves_within_a_region_or_without_data() -> None:
    assert sent(JOB, 0) == sent(JOB, 2) == Transfer(0.0, 1)
    assert sent(a_job(data_gb=0.0), 1) == Transfer(0.0, 1)


def test_another_region_takes_energy_and_puts_the_start_off_by_whole_half_hours() -> None:
    assert transfer_seconds(500.0, 1.0) == 4000.0
    assert sent(JOB, 1) == Transfer(pytest.approx(30.0), 4)
    # At 4 Gbit/s 1,000 s fit into one half-hour; at no stated speed nothing waits.
    assert sent(JOB, 1, some_weights(transfer_gbit_per_s=4.0)) == Transfer(0.0, 2)
    assert sent(JOB, 1, some_weights()) == Transfer(0.0, 1)


def test_an_award_held_there_is_kept_while_its_data_are_on_their_way() -> None:
    assert sent(JOB, 1, held=Incumbent("cluster-b", 2)).ready == 2
    assert sent(JOB, 1, held=Incumbent("cluster-b", 7)).ready == 4
    assert sent(JOB, 1, held=Incumbent("cluster-a", 2)).ready == 4
    pinned = a_job(data_gb=500.0, pinned_start=at_slot(1), pinned_asset_id="cluster-b")
    assert sent(pinned, 1) == Transfer(pytest.approx(30.0), 1)


def test_a_transfer_longer_than_the_horizon_never_arrives_in_it() -> None:
    assert sent(a_job(data_gb=1e6), 1).ready == 1 + 8


def test_cost_and_carbon_of_an_option_include_the_transfer_at_the_means_of_its_run() -> None:
    options = build_options(JOB, a_fleet(), WEIGHTS)
    home, away = options.find(0, 5), options.find(1, 5)
    assert home is not None
    assert away is not None
    # At home 10 kW × 1 h = 10 kWh: £2 and 2 kg.
    assert (options.cost_gbp[home], options.carbon_kg[home]) == pytest.approx((2.0, 2.0))
    # There 15 kWh at the meter and 30 kWh on the way: 45 × 0.10 = £4.50, 45 × 50 g = 2.25 kg.
    assert (options.energy_kwh[away], options.transfer_kwh[away]) == pytest.approx((15.0, 30.0))
    assert (options.cost_gbp[away], options.carbon_kg[away]) == pytest.approx((4.5, 2.25))
    assert options.objective_gbp[away] == pytest.approx(6.75)
    assert options.mean_price_gbp_per_kwh[away] == pytest.approx(0.10)
    assert options.mean_carbon_g_per_kwh[away] == pytest.approx(50.0)
    # So it stays, although the run alone would cost £1.50 and 0.75 kg there.
    assert int(options.ranking[0]) == options.find(0, 0)


def test_starts_before_the_data_arrive_are_closed_by_the_transfer() -> None:
    options = build_options(JOB, a_fleet(), WEIGHTS)
    there = options.asset_row == 1
    codes = [Closed(int(code)) for code in options.closed[there]]
    assert codes == [Closed.TRANSFER] * 3 + [Closed.OPEN] * 4
    assert (options.closed[~there] == Closed.OPEN).all()
    assert Closed.TRANSFER.rule == "transfer"


def test_caps_look_at_the_run_alone() -> None:
    # The mean of the run there is 50 g/kWh and £0.10; with 30 kWh more it would still be, and so it is open.
    capped = a_job(
        power_kw=10.0,
        data_gb=500.0,
        allowed_regions=("south_wales",),
        carbon_cap_g_per_kwh=50.0,
        max_price_gbp_per_kwh=0.10,
    )
    options = build_options(capped, a_fleet(), WEIGHTS)
    at = options.find(1, 5)
    assert at is not None
    assert options.closed[at] == Closed.OPEN


def test_data_on_their_way_need_no_churn_to_be_counted() -> None:
    held = Incumbent("cluster-b", 1)
    options = build_options(JOB, a_fleet(), WEIGHTS, sent_to=held)
    at = options.find(1, 1)
    assert at is not None
    assert options.closed[at] == Closed.OPEN
    assert not options.churn_gbp.any()


def test_an_off_grid_release_waits_from_the_first_half_hour_at_home() -> None:
    late = a_job(data_gb=10.0, earliest_start=NOON + SLOT / 3, allowed_regions=JOB.allowed_regions)
    # First start at home is 12:30; 80 s more are one half-hour.
    options = build_options(late, a_fleet(), WEIGHTS)
    there = options.asset_row == 1
    first = options.start[there & (options.closed == Closed.OPEN)].min()
    assert (options.first_start, first) == (1, 2)
