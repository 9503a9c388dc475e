"""Runs in chunks against hand-worked arithmetic and against every set of half-hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from models.domain.job import Flexibility, Job
from models.optimise.caps import Spent
from models.optimise.chunked import Begun, shape_of
from models.optimise.interruptible import cheapest, quote
from models.optimise.pattern import Lane, reserve
from tests.support.brute_patterns import (
    Part,
    chunk_lengths,
    keeps_caps,
    runs_in_chunks,
    valued,
)
from tests.support.fleet import a_job
from tests.support.lanes import a_lane, lanes, numbers

FEW = settings(max_examples=25, deadline=None)


def a_run(minutes: float = 60.0, **changes: object) -> Job:
    defaults = {"flexibility": Flexibility.INTERRUPTIBLE, "checkpoint_minutes": 5.0}
    return a_job(minutes=minutes, **{**defaults, **changes})


jobs = st.builds(
    a_run,
    minutes=st.sampled_from((20.0, 30.0, 60.0, 75.0, 90.0, 120.0, 150.0)),
    min_run_slots=st.integers(1, 3),
    max_chunks=st.integers(1, 4),
    checkpoint_minutes=st.sampled_from((0.0, 5.0, 15.0, 30.0, 40.0)),
)


def test_a_restart_adds_its_checkpoint_to_the_half_hours_needed() -> None:
    # 100 min of work, 10 min a restart. 1 chunk: 100 min = 4 slots, the last 10 of 30 min. 2: 110 = 4, 20/30.
    # 3: 120 = 4, wholly. 4: 130 = 5, 10/30.
    shape = shape_of(a_run(100, checkpoint_minutes=10.0, max_chunks=4), width=20)
    assert shape.slots.tolist() == [4, 4, 4, 5]
    assert shape.share == pytest.approx([1 / 3, 2 / 3, 1.0, 1 / 3])


def test_chunks_that_would_be_shorter_than_the_minimum_run_are_impossible() -> None:
    # 120 min = 4 slots; two chunks need 125 min = 5 slots >= 2 · 2; three need 130 = 5 slots < 3 · 2.
    shape = shape_of(a_run(120, min_run_slots=2, max_chunks=8), width=20)
    assert shape.slots.tolist() == [4, 5]


def test_the_run_takes_two_cheap_stretches_and_pays_for_the_checkpoint() -> None:
    # 60 min at 10 kW, 5 min a restart. In one chunk the best is slots 0-1: 5 kWh · (0.10 + 0.40) = £2.50.
    # In two, 65 min = 3 slots, the last 5/30: slots 0 and 3 whole, slot 4 for 5 min:
    # 5 · 0.10 + 5 · 0.10 + 5/6 · 0.20 = £1.1667.
    lane = a_lane([0.10, 0.40, 0.40, 0.10, 0.20])
    best = cheapest(a_run(), [lane])
    assert best is not None
    assert best.parts == ((0, 10.0, 1.0), (3, 10.0, 1.0), (4, 10.0, pytest.approx(1 / 6)))
    assert (best.chunks, best.finish) == (2, pytest.approx(4 + 1 / 6))
    assert best.objective_gbp == pytest.approx(0.5 + 0.5 + 0.2 / 1.2)
    assert best.energy_kwh == pytest.approx(10 * 65 / 60)
    assert best.is_exact


def test_a_part_used_slot_holds_full_power() -> None:
    best = cheapest(a_run(45), [a_lane([0.1, 0.1])])
    assert best is not None
    slots, power = reserve(best)
    assert (slots.tolist(), power.tolist()) == ([0, 1], [10.0, 10.0])
    assert best.share.tolist() == [1.0, 0.5]


def test_the_last_chunk_is_no_shorter_than_the_minimum_run() -> None:
    # Alone the cheap slots 0, 1 and 4 would do; with runs of two slots the second chunk must be 3-4 or 4-5,
    # which needs 4 slots, but 65 min only touch 3: so one chunk of 60 min, slots 0-1.
    lane = a_lane([0.10, 0.12, 0.40, 0.40, 0.10, 0.40])
    best = cheapest(a_run(60, min_run_slots=2), [lane])
    assert best is not None
    assert best.slot.tolist() == [0, 1]


def test_a_latest_finish_inside_a_slot_is_kept_to_the_minute() -> None:
    # 45 min: the second slot is used for 15 of its 30 min, so a finish at slot 2.5 allows slots 1-2 and 2.4 does not.
    job = a_run(45)
    lane = a_lane([0.9, 0.2, 0.1])
    on_time = cheapest(job, [replace(lane, end=2.5)])
    early = cheapest(job, [replace(lane, end=2.4)])
    assert on_time is not None
    assert early is not None
    assert on_time.slot.tolist() == [1, 2]
    assert early.slot.tolist() == [0, 1]


def test_nothing_fits_where_power_is_short() -> None:
    job = a_run(60)
    lane = a_lane([0.1, 0.1, 0.1], room_kw=[10.0, 9.0, 9.0])
    assert cheapest(job, [lane]) is None
    assert quote(job, [lane]).bound_gbp == np.inf


def test_unknown_half_hours_are_used_only_where_known_ones_do_not_suffice() -> None:
    lane = a_lane([0.3, np.nan, 0.2, np.nan])
    # 55 min in two chunks are 60 min: the two known half-hours do. 90 min need a third one.
    known, more = cheapest(a_run(55), [lane]), cheapest(a_run(90), [lane])
    assert known is not None
    assert (known.slot.tolist(), known.tier) == ([0, 2], 0)
    assert more is not None
    assert more.tier == 1
    assert np.isnan(more.cost_gbp)


@FEW
@given(job=jobs, lane=lanes())
def test_without_caps_the_run_is_the_best_of_all(job: Job, lane: Lane) -> None:
    every = list(runs_in_chunks(job, lane))
    found = cheapest(job, [lane])
    bound = quote(job, [lane]).bound_gbp
    if not every:
        assert found is None
        assert bound == np.inf
        return
    least = min(run.priced_gbp for run in every)
    assert found is not None
    assert found.is_exact
    assert found.priced_gbp == pytest.approx(least, abs=1e-9)
    assert bound == pytest.approx(least, abs=1e-9)
    assert any(_same(found.parts, run.parts) for run in every)
    again = valued(lane, found.parts)
    assert found.objective_gbp == pytest.approx(again.objective_gbp, abs=1e-9)
    assert (found.cost_gbp, found.carbon_kg) == pytest.approx((again.cost_gbp, again.carbon_kg))


def _same(mine: Sequence[Part], other: Sequence[Part]) -> bool:
    return len(mine) == len(other) and bool(np.allclose(np.array(mine), np.array(other)))


@settings(max_examples=40, deadline=None)
@given(
    job=jobs,
    lane=lanes(slots=(4, 9), rooms=(10.0, 10.0, 20.0, 0.0)),
    carbon_cap=st.one_of(st.none(), numbers(0.0, 400.0)),
    price_cap=st.one_of(st.none(), numbers(0.0, 0.4)),
)
def test_with_caps_bound_and_run_enclose_the_best_of_all(
    job: Job, lane: Lane, carbon_cap: float | None, price_cap: float | None
) -> None:
    assume(carbon_cap is not None or price_cap is not None)
    job = a_run(
        job.duration.total_seconds() / 60,
        min_run_slots=job.min_run_slots,
        max_chunks=job.max_chunks,
        checkpoint_minutes=job.checkpoint_minutes,
        carbon_cap_g_per_kwh=carbon_cap,
        max_price_gbp_per_kwh=price_cap,
    )
    every = [run for run in runs_in_chunks(job, lane) if keeps_caps(job, run)]
    least = min((run.priced_gbp for run in every), default=np.inf)
    found = cheapest(job, [lane])
    assert quote(job, [lane]).bound_gbp <= least + 1e-9
    assert quote(job, [lane], steps=1, begin=[(0.7, 0.2)]).bound_gbp <= least + 1e-9
    if found is None:
        assert least == np.inf
        return
    assert found.is_exact
    assert keeps_caps(job, valued(lane, found.parts))
    assert found.priced_gbp == pytest.approx(least, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(job=jobs, two=st.tuples(lanes(), lanes(row=1)))
def test_the_best_lane_wins(job: Job, two: tuple[Lane, Lane]) -> None:
    every = [run for lane in two for run in runs_in_chunks(job, lane)]
    found = cheapest(job, two)
    least = min((run.priced_gbp for run in every), default=np.inf)
    assert (np.inf if found is None else found.priced_gbp) == pytest.approx(least, abs=1e-9)
    assert quote(job, two).bound_gbp == pytest.approx(least, abs=1e-9)


def test_a_label_limit_of_one_still_keeps_caps_and_does_not_claim_to_be_exact() -> None:
    rng = np.random.default_rng(3)
    price, carbon = rng.uniform(0.05, 0.4, 16), rng.uniform(0.05, 0.4, 16)
    # Cheap half-hours are dirty ones, so the cap binds.
    lane = a_lane(np.sort(price).tolist(), carbon_kg_per_kwh=np.sort(carbon)[::-1])
    job = a_run(150, carbon_cap_g_per_kwh=200.0, max_price_gbp_per_kwh=0.3)
    beam, exact = cheapest(job, [lane], label_limit=1), cheapest(job, [lane])
    assert exact is not None
    assert exact.is_exact
    bound = quote(job, [lane]).bound_gbp
    assert bound <= exact.priced_gbp + 1e-9
    if beam is not None:
        assert keeps_caps(job, valued(lane, beam.parts))
        assert beam.priced_gbp >= exact.priced_gbp - 1e-9
        assert not beam.is_exact or beam.priced_gbp == pytest.approx(exact.priced_gbp)


@settings(max_examples=25, deadline=None)
@given(job=jobs, lane=lanes(slots=(5, 9)), cut=st.integers(1, 4), data=st.data())
def test_a_begun_run_goes_on_as_the_best_of_all_that_share_its_beginning(
    job: Job, lane: Lane, cut: int, data: st.DataObject
) -> None:
    every = list(runs_in_chunks(job, lane))
    now = lane.first + cut
    # What may have happened before now: complete minimum runs only, and something left to do.
    past = {
        tuple(p for p in run.parts if p[0] < now)
        for run in every
        if run.parts[0][0] < now <= run.parts[-1][0]
    }
    past = {done for done in past if _min_runs(done) >= job.min_run_slots}
    assume(past)
    done = data.draw(st.sampled_from(sorted(past)))
    begun = Begun(len(done), len(_lengths(done)), done[-1][0] == now - 1)
    rest = replace(
        lane,
        first=now,
        price_gbp_per_kwh=lane.price_gbp_per_kwh[cut:],
        carbon_kg_per_kwh=lane.carbon_kg_per_kwh[cut:],
        shadow_gbp_per_kwh=lane.shadow_gbp_per_kwh[cut:],
        room_kw=lane.room_kw[cut:],
    )
    spent = sum(_known_cost(lane, part) for part in done)
    least = min(r.priced_gbp - spent for r in every if r.parts[: len(done)] == done
                and (len(r.parts) > len(done)) and r.parts[len(done)][0] >= now)  # fmt: skip
    found = cheapest(job, [rest], begun=begun)
    assert found is not None
    assert found.priced_gbp == pytest.approx(least, abs=1e-9)


def _known_cost(lane: Lane, part: Part) -> float:
    slot, power_kw, share = part
    n = slot - lane.first
    kwh = power_kw * 0.5 * share * lane.pue
    worth = lane.price_gbp_per_kwh[n] + lane.kappa_gbp_per_kg * lane.carbon_kg_per_kwh[n]
    return float(kwh * worth + lane.shadow_gbp_per_kwh[n] * power_kw * 0.5)


def _lengths(parts: tuple[Part, ...]) -> list[int]:
    return chunk_lengths([p[0] for p in parts])


def _min_runs(parts: tuple[Part, ...]) -> int:
    return min(_lengths(parts))


def test_caps_of_a_begun_run_cover_what_is_done() -> None:
    # 60 min of 10 kW: 5 kWh done at 0.3 kg/kWh = 1.5 kg. A mean of at most 0.2 kg/kWh allows 2 kg over 10 kWh, so the
    # other 5 kWh must be at most 0.1 kg/kWh: not the cheap half-hour at 0.15 but the dear one at 0.10.
    lane = a_lane([0.1, 0.5], first=1, end=3.0, carbon_kg_per_kwh=[0.15, 0.10])
    job = a_run(60, carbon_cap_g_per_kwh=200.0, checkpoint_minutes=0.0)
    begun = Begun(slots=1, chunks=1, is_running=True)
    found = cheapest(job, [lane], begun=begun, spent=Spent(5.0, 0.5, 1.5))
    assert found is not None
    assert found.slot.tolist() == [2]


def test_a_long_run_is_planned_over_a_long_horizon() -> None:
    # Every second half-hour is dear and a chunk lasts two at least: 6 chunks are the most, and no brute force needed to
    # see that eight cheap half-hours beside each other beat anything else.
    price = np.where(np.arange(672) % 2 == 0, 0.1, 0.3)
    price[300:308] = 0.05
    best = cheapest(a_run(240, min_run_slots=2, max_chunks=6), [a_lane(price.tolist())])
    assert best is not None
    assert best.slot.tolist() == list(range(300, 308))
    assert best.objective_gbp == pytest.approx(40 * 0.05)


def test_a_job_too_long_for_its_window_has_no_shape() -> None:
    assert shape_of(a_run(90), width=2).chunks == 0
    assert a_run(90).duration == timedelta(minutes=90)
