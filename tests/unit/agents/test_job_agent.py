"""A Job Agent announces without revealing, and quotes a proven lower bound at any prices."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents import job_agent
from agents.job_agent import JobAgent
from agents.messages import DemandQuoted, JobsAnnounced, PricesPosted, SlotArray
from models.domain.job import Job
from models.optimise.assignment import Options
from models.optimise.quoting import Quoting
from models.optimise.table import PricedTable
from tests.support.fleet import NOON, a_job
from tests.support.planning import (
    a_table,
    at_slot,
    least_objective,
    options_of,
    small_problems,
    some_weights,
)


def prices(power: list[list[float]]) -> PricesPosted:
    return PricesPosted(
        sender="policy", round=3, message_id=uuid4(), power_gbp_per_kwh=SlotArray(np.array(power))
    )


def speaker(options: Sequence[Options], table: PricedTable) -> JobAgent:
    return JobAgent("local", tuple(options), Quoting(options, table))


def test_an_announcement_says_how_much_work_there_is_and_not_what_it_is() -> None:
    table = a_table([0.1] * 48, [100.0] * 48)
    jobs = [
        a_job("secret-1", 60, carbon_cap_g_per_kwh=90.0),
        a_job("secret-2", 30, power_kw=20.0, earliest_start=at_slot(2), latest_finish=at_slot(9)),
    ]
    options, _ = options_of(jobs, table, some_weights())
    (said,) = job_agent.respond(speaker(options, table), ())
    assert isinstance(said, JobsAnnounced)
    assert (said.jobs, said.energy_kwh, said.peak_power_kw) == (2, 20.0, 20.0)
    assert (said.first_release, said.last_deadline) == (NOON, at_slot(48))
    assert (said.with_carbon_cap, said.with_price_cap) == (1, 0)
    assert "secret" not in said.model_dump_json()


def test_a_quote_takes_scarcity_into_account() -> None:
    # 5 kWh: noon £0.50, 12:30 £1.00. At £0.3/kWh for noon's power it would cost £2.00 there.
    table = a_table([0.1, 0.2], [0.0, 0.0])
    options, _ = options_of([a_job(minutes=30, latest_finish=at_slot(2))], table, some_weights())
    (cheap,) = job_agent.respond(speaker(options, table), (prices([[0.0, 0.0]]),))
    (dear,) = job_agent.respond(speaker(options, table), (prices([[0.3, 0.0]]),))
    assert isinstance(cheap, DemandQuoted)
    assert isinstance(dear, DemandQuoted)
    assert cheap.value_gbp == pytest.approx(0.5)
    assert cheap.load_kw.values.tolist() == [[10.0, 0.0]]
    assert dear.value_gbp == pytest.approx(1.0)
    assert dear.load_kw.values.tolist() == [[0.0, 10.0]]
    assert dear.prices_round == 3


def test_a_part_used_half_hour_pays_for_the_power_it_reserves() -> None:
    # 45 min of 10 kW reserve 10 kW for an hour: λ of £1/kWh costs £10, though only 7.5 kWh are used.
    table = a_table([0.0, 0.0], [0.0, 0.0])
    job = a_job(minutes=45, latest_finish=at_slot(1.5))
    options, _ = options_of([job], table, some_weights())
    (quote,) = job_agent.respond(speaker(options, table), (prices([[1.0, 1.0]]),))
    assert isinstance(quote, DemandQuoted)
    assert quote.value_gbp == pytest.approx(10.0)


def test_a_job_that_is_dearer_than_its_penalty_quotes_the_penalty_and_no_load() -> None:
    table = a_table([0.1], [0.0])
    options, _ = options_of([a_job(minutes=30, latest_finish=at_slot(1))], table, some_weights())
    (quote,) = job_agent.respond(speaker(options, table), (prices([[1000.0]]),))
    assert isinstance(quote, DemandQuoted)
    assert quote.value_gbp == pytest.approx(200.0)
    assert quote.load_kw.values.tolist() == [[0.0]]


@settings(max_examples=60, deadline=None)
@given(small_problems(most=3), st.data())
def test_at_any_prices_value_less_the_price_of_the_room_is_below_the_optimum(
    problem: tuple[tuple[Job, ...], PricedTable], data: st.DataObject
) -> None:
    jobs, table = problem
    options, links = options_of(jobs, table, some_weights())
    rows, slots = table.room_kw.shape
    power = [
        data.draw(st.lists(st.sampled_from([0.0, 0.05, 0.4]), min_size=slots, max_size=slots))
        for _ in range(rows)
    ]
    (quote,) = job_agent.respond(speaker(options, table), (prices(power),))
    assert isinstance(quote, DemandQuoted)
    paid = float((np.array(power) * table.room_kw).sum()) * 0.5
    assert quote.value_gbp - paid <= least_objective(options, links, table.room_kw) + 1e-9


@settings(max_examples=60, deadline=None)
@given(small_problems(most=4))
def test_at_price_zero_the_value_is_the_sum_of_each_jobs_own_minimum(
    problem: tuple[tuple[Job, ...], PricedTable],
) -> None:
    jobs, table = problem
    options, _ = options_of(jobs, table, some_weights())
    (quote,) = job_agent.respond(
        speaker(options, table), (prices(np.zeros_like(table.room_kw).tolist()),)
    )
    assert isinstance(quote, DemandQuoted)
    total = 0.0
    for mine in options:
        # Windows that do not fit even beside nobody are in no plan.
        open_ones = np.flatnonzero(mine.fitting(table.room_kw))
        worths = (float(mine.objective_gbp[k]) for k in open_ones)
        total += min(itertools.chain(worths, [mine.unserved_gbp]))
    # Each payment is rounded down to a binary fraction of about a billionth of a pound.
    assert quote.value_gbp == pytest.approx(total, abs=1e-8)
