"""Plans of the PAI month are held against the rules and summed half-hour by half-hour, apart from the planner."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from benchmarks import pai_month
from models.domain.time import Horizon
from models.optimise.options import Weights
from tests.support.fleet import NOON, a_job
from tests.support.shared import shared_path

CARBON_ONLY = Weights(1000.0, 0.0, 0.0, 1e5, 0.0)
LATEST = NOON + timedelta(hours=3)
JOBS = tuple(
    replace(a_job(name, minutes), asset_id="site", latest_finish=LATEST, allowed_regions=("gb",), baseline_start=NOON)
    for name, minutes in (("a", 60.0), ("b", 75.0))
)  # fmt: skip
MONTH = pai_month.Month(
    JOBS,
    Horizon(NOON, 6),
    np.array([0.4, 0.4, 0.1, 0.1, 0.2, 0.3]),
    np.array([0.3, 0.3, 0.2, 0.2, 0.1, 0.1]),
)


def test_a_plan_is_summed_by_its_minutes() -> None:
    found = pai_month.sums(MONTH, [0, 2], 10.0)
    # 10 kW: 5 + 5 kWh at 0.4 is 4 kg; 5 + 5 + 2.5 kWh at 0.1, 0.1 and 0.2 is 1.5 kg. £3 and £2.25.
    assert found.carbon_kg == pytest.approx(5.5)
    assert found.cost_gbp == pytest.approx(5.25)
    assert found.peak_kw == 10.0
    assert found.wait_hours.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("starts", "rule"), [([0, 1], "drawn"), ([5, None], "late"), ([-1, None], "early")]
)
def test_a_plan_that_breaks_a_rule_is_not_counted(starts: list[int | None], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        pai_month.sums(MONTH, starts, 10.0)


def test_a_month_is_planned_within_the_limit() -> None:
    starts, gap, _ = pai_month.planned(MONTH, CARBON_ONLY, 10.0)
    # One at a time. a at 1 is 2.5 kg and b at 3 then 2.25; a at 0 and b at 2: 4 + 1.5; b at 1 and a at 4: 2.75 + 2.5;
    # b at 0 and a at 3: 4.25 + 1.5.
    assert starts == [1, 3]
    assert gap == pytest.approx(0.0, abs=1e-6)


def test_the_jobs_of_a_month_may_wait_as_long_as_the_paper_lets_them() -> None:
    shared_path("data/jobs/pai_100k.parquet")
    month = pai_month.load_month("2023-03")
    for job in month.jobs:
        hours = job.duration / timedelta(hours=1)
        wait = (job.latest_finish - job.earliest_start - job.duration) / timedelta(hours=1)
        assert wait == pytest.approx(6.0 if hours <= 2.0 else 24.0)
        assert job.latest_finish <= month.horizon.end
