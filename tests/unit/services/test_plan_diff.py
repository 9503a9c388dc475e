"""Two plans side by side, from views made by hand: causes, holders of power, unknown signals and sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.change import ChangeKind, PlanChange, PlanSums
from models.domain.job import Job, JobStatus
from models.domain.time import format_utc
from services.plan_diff import Compared, Pair, compare
from services.plan_sides import Side
from tests.support.fleet import NOON, a_job

SLOT = timedelta(minutes=30)
FLAT = (100.0,) * 16


def a_run(
    slot: int,
    carbon: Sequence[float | None] = FLAT,
    place: str = "hall",
    kw: float = 10.0,
    **changes: Any,
) -> dict[str, Any]:
    """Return an hour at £0.20/kWh as a frozen view holds it, valued on some carbon."""
    energy = [kw / 2, kw / 2]
    grams = [carbon[slot], carbon[slot + 1]]
    kg = None if None in grams else sum(e * float(g or 0) for e, g in zip(energy, grams, strict=True)) / 1000  # fmt: skip
    start, end = format_utc(NOON + slot * SLOT), format_utc(NOON + (slot + 2) * SLOT)
    plain = {
        "asset_id": place, "region": "london", "start_time": start, "end_time": end,
        "segments": [{"start_time": start, "end_time": end, "power_kw": kw}],
        "energy_kwh": kw, "carbon_kg": kg, "cost_gbp": kw * 0.2, "estimated_share": 0.0, "delay_gbp": 0.0,
    }  # fmt: skip
    return {**plain, **changes}


def a_view(
    jobs: Mapping[str, dict[str, Any] | str | None],
    carbon: Sequence[float | None] = FLAT,
    *,
    at: datetime = NOON - SLOT,
    price: Sequence[float | None] | None = None,
    room_kw: float = 10.0,
    kappa: float = 1.0,
    churn: float = 0.0,
    places: Sequence[str] = ("hall", "barn"),
) -> dict[str, Any]:
    """Return a frozen view: a run is scheduled, a text is a refusal, None is left out for now."""
    rows = []
    for job_id, answer in jobs.items():
        run = answer if isinstance(answer, dict) else None
        status = "scheduled" if run else "refused" if isinstance(answer, str) else "pending"
        rows.append(
            {"job_id": job_id, "job_name": job_id, "status": status, "schedule": run, "baseline": None,
             "why": answer if isinstance(answer, str) else "held by a user", "churn_gbp": churn}
        )  # fmt: skip
    return {
        "planned_at": format_utc(at),
        "jobs": rows,
        "assets": [{"asset_id": place, "room_kw": room_kw} for place in places],
        "policy": {"carbon_price_gbp_per_tonne": kappa * 1000},
        "signals": {
            "london": {
                "start_time": format_utc(NOON),
                "carbon_g_per_kwh": list(carbon),
                "price_gbp_per_kwh": list(price or [0.2] * len(carbon)),
                "prices_known_until": None,
            }
        },
    }


def diff(before: dict[str, Any], after: dict[str, Any], *jobs: Job) -> Compared:
    known = {job.job_id: job for job in jobs}
    for view in (before, after):
        for row in view["jobs"]:
            known.setdefault(row["job_id"], a_job(row["job_id"]))
    sides = (Side.of_view(before), Side.of_view(after))
    return compare(Pair("new", "old", *sides, known, "new work", lambda _start: 1.0))


def only(found: Compared) -> PlanChange:
    (row,) = found.changes
    return row


def test_other_owners_jobs_in_the_old_window_are_counted_and_not_named() -> None:
    before = a_view({"mine": a_run(0)})
    after = a_view(
        {"mine": a_run(4), "a": a_run(0, kw=4.0), "b": a_run(0, kw=4.0), "own": a_run(0, kw=2.0)}
    )
    jobs = [a_job("mine"), a_job("own"), a_job("a", owner="x"), a_job("b", owner="y")]
    moved = diff(before, after, *jobs).changes[0]
    assert (moved.job_id, moved.cause) == ("mine", "room")
    assert (moved.room_for, moved.room_for_others) == (("own",), 2)
    assert moved.text == "it made room for own and 2 jobs of others"


@pytest.mark.parametrize(
    ("job", "after", "cause"),
    [
        (a_job(pinned_start=NOON + 4 * SLOT), {}, "pinned"),
        (a_job(), {"places": ("barn",)}, "cluster"),
        (a_job(), {"at": NOON}, "did_not_run"),
        (a_job(latest_finish=NOON + SLOT), {}, "limits"),
        (a_job(earliest_start=NOON + SLOT), {}, "limits"),
        (a_job(allowed_regions=("yorkshire",)), {}, "limits"),
        (a_job(max_price_gbp_per_kwh=0.15), {}, "max_price"),
        (a_job(), {"room_kw": 5.0}, "less_power"),
        (a_job(), {}, "whole"),
    ],
)
def test_what_closed_the_old_window_is_named(job: Job, after: dict[str, Any], cause: str) -> None:
    found = diff(a_view({"job-a": a_run(0)}), a_view({"job-a": a_run(4)}, **after), job)
    assert only(found).cause == cause


def test_a_predecessor_that_ends_later_is_named() -> None:
    before = a_view({"first": a_run(0), "then": a_run(2)}, room_kw=20.0)
    after = a_view({"first": a_run(1), "then": a_run(3)}, room_kw=20.0)
    rows = {
        row.job_id: row for row in diff(before, after, a_job("then", depends_on=("first",))).changes
    }
    assert rows["then"].cause == "predecessor"
    assert rows["then"].text == "first, which it waits for, now ends Sat 13:30"


def test_another_value_of_carbon_is_named_with_both_values() -> None:
    carbon = [100.0] * 4 + [50.0] * 12
    before = a_view({"job-a": a_run(0, carbon)}, carbon, kappa=0.0)
    after = a_view({"job-a": a_run(4, carbon)}, carbon, kappa=0.245)
    row = only(diff(before, after))
    assert row.cause == "weights"
    assert row.text.startswith("the value of carbon was set from £0/t to £245/t; moving is £0.12")


def test_prices_are_named_where_they_turned_the_comparison() -> None:
    price = [0.2] * 4 + [0.1] * 12
    before = a_view({"job-a": a_run(0)})
    after = a_view({"job-a": a_run(4, cost_gbp=1.0)}, price=price)
    row = only(diff(before, after))
    assert row.cause == "price"
    assert row.text == (
        "the price in the new window fell from 20.0 p/kWh to 10.0 p/kWh; moving is £1.00 better than staying by "
        "the policy's weights"
    )


def test_a_window_the_old_plan_knew_nothing_of_is_called_newly_known() -> None:
    unknown = [100.0] * 4 + [None] * 12
    clean = [100.0] * 4 + [10.0] * 12
    row = only(
        diff(a_view({"job-a": a_run(0)}, unknown), a_view({"job-a": a_run(4, clean)}, clean))
    )
    assert row.cause == "known"
    assert row.values is not None
    assert row.values.new_then.carbon_kg is None
    # Beyond what the old plan kept nothing is known either.
    short = a_view({"job-a": a_run(0)}, FLAT[:4])
    row = only(diff(short, a_view({"job-a": a_run(4, clean)}, clean)))
    assert row.values is not None
    assert row.values.new_then.objective_gbp is None


def test_a_signal_that_fell_everywhere_is_told_where_it_fell_more() -> None:
    before = a_view({"job-a": a_run(0)})
    carbon = [90.0] * 4 + [20.0] * 12
    row = only(diff(before, a_view({"job-a": a_run(4, carbon)}, carbon)))
    assert row.text.startswith("carbon in the new window fell from 100 g/kWh to 20 g/kWh; moving")


def test_the_same_start_with_other_power_is_altered_and_no_move() -> None:
    found = diff(a_view({"job-a": a_run(0)}), a_view({"job-a": a_run(0, kw=5.0)}))
    assert only(found).kind is ChangeKind.ALTERED


def test_moves_come_first_and_every_kind_is_counted() -> None:
    before = a_view({"a": a_run(0), "b": a_run(2), "c": "no power", "d": None, "e": a_run(4)})
    after = a_view({"a": a_run(6), "b": "no power", "c": a_run(8), "d": None, "f": a_run(10)})
    done = a_job("e", status=JobStatus.COMPLETED)
    found = diff(before, after, done)
    told = [(row.position, row.job_id, str(row.kind)) for row in found.changes]
    assert told == [
        (0, "a", "moved"), (1, "f", "planned"), (2, "c", "served"), (3, "b", "refused"), (4, "e", "ended"),
    ]  # fmt: skip
    assert found.comparison.counts == {
        "moved": 1, "planned": 1, "served": 1, "refused": 1, "ended": 1,
    }  # fmt: skip
    assert found.changes[-1].text == "it was completed"


def test_the_strongest_change_of_the_signals_is_said() -> None:
    after = a_view({}, [112.0] * 8 + [100.0] * 8, price=[0.2] * 15 + [0.4])
    cause = diff(a_view({}), after).comparison.cause
    # Half of the half-hours are 12 g/kWh higher: 6 on average; one of 16 is 20 p/kWh higher: 1.25 on average.
    assert cause == (
        "new work; carbon in London is 6 g/kWh higher on average, the largest change is +12; prices in London are "
        "1.25 p/kWh higher on average, the largest change is +20"
    )


def test_the_largest_change_keeps_its_sign_where_it_goes_against_the_mean() -> None:
    # 15 half-hours 5 g lower and one 40 g higher: (15 · −5 + 40) / 16 = −2.1875 on average.
    cause = diff(a_view({}), a_view({}, [95.0] * 15 + [140.0])).comparison.cause
    assert cause == (
        "new work; carbon in London is 2.19 g/kWh lower on average, the largest change is +40"
    )


def test_half_hours_that_have_passed_say_nothing_about_the_forecast() -> None:
    after = a_view({}, [500.0] * 4 + [100.0] * 12, at=NOON + 4 * SLOT)
    (shift,) = diff(a_view({}), after).comparison.shifts
    assert (shift.carbon_slots, shift.carbon_mean_change_g_per_kwh) == (12, 0.0)


runs = st.one_of(st.none(), st.just("refused"), st.integers(0, 14))
forecasts = st.lists(st.one_of(st.none(), st.integers(0, 400).map(float)), min_size=16, max_size=16)


@given(st.dictionaries(st.sampled_from("abcde"), st.tuples(runs, runs)), forecasts, forecasts)
def test_before_and_the_three_reasons_add_up_to_after(
    jobs: dict[str, tuple[Any, Any]], old: list[float | None], new: list[float | None]
) -> None:
    def view(side: int, carbon: list[float | None]) -> dict[str, Any]:
        answers = {
            name: a_run(pair[side], carbon) if isinstance(pair[side], int) else pair[side]
            for name, pair in jobs.items()
        }
        return a_view(answers, carbon, churn=0.05 * side)

    found = diff(view(0, old), view(1, new)).comparison
    for name in ("jobs", "cost_gbp", "carbon_kg", "delay_gbp", "churn_gbp"):
        parts = (found.before, found.by_forecast, found.by_plan, found.by_work)
        total = sum(getattr(part, name) for part in parts)
        assert total == pytest.approx(getattr(found.after, name), abs=1e-9), name
    held = [pair for pair in jobs.values() if any(isinstance(one, int) for one in pair)]
    assert found.unknown_jobs <= len(held)
    assert replace(found.by_forecast, cost_gbp=0.0, carbon_kg=0.0) == PlanSums()
