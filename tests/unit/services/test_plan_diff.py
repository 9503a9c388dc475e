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
    **more: Any,
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
        **more,
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
        (a_job(), {}, "unexplained"),
    ],
)
def test_what_closed_the_old_window_is_named(job: Job, after: dict[str, Any], cause: str) -> None:
    found = diff(a_view({"job-a": a_run(0)}), a_view({"job-a": a_run(4)}, **after), job)
    assert only(found).cause == cause


def a_stretch(first: int, last: int, kw: float, why: str) -> dict[str, Any]:
    """Return some half-hours after noon with a limit, or with what a contract keeps, as a frozen view holds them."""
    start, end = (format_utc(NOON + slot * SLOT) for slot in (first, last))
    return {"start_time": start, "end_time": end, "power_kw": kw, "why": why}


def moved_with(before: dict[str, Any], after: dict[str, Any], **jobs: dict[str, Any]) -> PlanChange:
    """Return the row of a job of 10 kW that moved from noon to 14:00 on a cluster of 20 kW, others staying."""
    kept = {**jobs}
    found = diff(
        a_view({"job-a": a_run(0), **kept}, room_kw=20.0, **before),
        a_view({"job-a": a_run(4), **kept}, room_kw=20.0, **after),
    )
    return only(found)


def test_nothing_changed_is_not_given_a_cause() -> None:
    row = moved_with({}, {})
    assert row.cause == "unexplained"
    assert row.text == (
        "no single cause was found: its old window has room, and the new one does not save more than moving costs"
    )


def test_a_limit_on_the_old_window_is_named_with_its_reason() -> None:
    row = moved_with({}, {"room": {"hall": {"limits": [a_stretch(1, 3, 0.0, "maintenance")]}}})
    assert row.cause == "limit"
    assert row.text == (
        "a limit of power on hall (maintenance) leaves jobs 0 kW from Sat 12:30, and it needs 10"
    )


def test_a_limit_that_leaves_room_for_the_others_only_is_the_cause_and_not_the_others() -> None:
    # 10 of 20 kW are another job's before and after; 15 kW leave 5 to a job of 10.
    row = moved_with(
        {}, {"room": {"hall": {"limits": [a_stretch(0, 9, 15.0, "peak")]}}}, other=a_run(0)
    )
    assert row.cause == "limit"
    assert row.text == "a limit of power on hall (peak) leaves jobs 15 kW from Sat 12:00"
    # Where that limit held before as well, and the other job came, that one is.
    limit = {"room": {"hall": {"limits": [a_stretch(0, 9, 15.0, "peak")]}}}
    before = a_view({"job-a": a_run(0)}, room_kw=20.0, **limit)
    after = a_view({"job-a": a_run(4), "new": a_run(0)}, room_kw=20.0, **limit)
    assert diff(before, after).changes[0].cause == "room"


def test_what_contracts_limit_and_keep_is_called_a_claim() -> None:
    limit = a_stretch(0, 2, 5.0, "held by contract c-1")
    row = moved_with({}, {"room": {"hall": {"limits": [limit]}}})
    assert (row.cause, row.text) == (
        "claim",
        "a limit of power on hall (held by contract c-1) leaves jobs 5 kW from Sat 12:00, and it needs 10",
    )
    row = moved_with({}, {"room": {"hall": {"kept": [a_stretch(1, 2, 15.0, "contract c-2")]}}})
    assert (row.cause, row.text) == ("claim", "contract c-2 keeps 15 kW from Sat 12:30")


@pytest.mark.parametrize(
    ("room", "text"),
    [
        ({"limits": [a_stretch(4, 6, 0.0, "maintenance")]}, "a limit of power on hall (maintenance) no longer closes"),
        ({"kept": [a_stretch(4, 6, 15.0, "contract c-2")]}, "contract c-2 no longer keeps the power of"),
    ],
)  # fmt: skip
def test_a_limit_that_ended_frees_a_window_that_was_better_all_along(
    room: dict[str, Any], text: str
) -> None:
    carbon = [100.0] * 4 + [50.0] * 12
    before = a_view({"job-a": a_run(0, carbon)}, carbon, room_kw=20.0, room={"hall": room})
    row = only(diff(before, a_view({"job-a": a_run(4, carbon)}, carbon, room_kw=20.0)))
    assert row.cause == "freed"
    assert row.text.startswith(f"{text} a window that was better all along; moving is £0.50")


def test_a_window_that_was_free_and_better_before_too_is_not_put_down_to_the_signals() -> None:
    # 50 g before and 40 g now: the new forecast made it better still, and it was better by £0.50 before.
    old, new = [100.0] * 4 + [50.0] * 12, [100.0] * 4 + [40.0] * 12
    row = only(diff(a_view({"job-a": a_run(0, old)}, old), a_view({"job-a": a_run(4, new)}, new)))
    assert row.cause == "search"
    assert row.text.startswith("the new window was better in the plan before too")


def test_a_window_whose_carbon_fell_below_the_jobs_cap_says_so() -> None:
    old, new = [100.0] * 4 + [80.0] * 12, [74.0] * 4 + [40.0] * 12
    job = a_job(carbon_cap_g_per_kwh=75.0)
    before = a_view({"job-a": a_run(0, old)}, old)
    row = only(diff(before, a_view({"job-a": a_run(4, new)}, new), job))
    assert row.cause == "carbon_cap"
    assert row.text.startswith(
        "carbon in the new window fell from 80 g/kWh to below the job's cap of 75"
    )


def test_a_carbon_budget_that_the_old_window_would_break_is_the_cause() -> None:
    # 10 kWh at 300 g are 3 kg today; in the new window, at 100 g, 1 kg. The fleet emits 9 kg: 11 with it back, of 10.
    carbon = [300.0] * 4 + [100.0] * 12
    price = [0.1] * 4 + [0.5] * 12
    before = a_view({"job-a": a_run(0, carbon, cost_gbp=1.0)}, carbon, price=price)
    budget = [{"date": "2026-11-21", "budget_kg": 10.0, "planned_kg": 9.0}]
    after = a_view(
        {"job-a": a_run(4, carbon, cost_gbp=5.0)}, carbon, price=price, carbon_budget=budget
    )
    row = only(diff(before, after))
    assert row.cause == "budget"
    # £1 and 3 kg at £1 in the old window, £5 and 1 kg in the new one: £2 worse.
    assert row.text == (
        "with it in its old window the fleet would emit 11 kg on 21 November, above the carbon budget of 10 kg; "
        "its new window is £2.00 worse by the policy's weights"
    )
    roomy = [{**budget[0], "budget_kg": 11.0}]
    after = a_view(
        {"job-a": a_run(4, carbon, cost_gbp=5.0)}, carbon, price=price, carbon_budget=roomy
    )
    assert only(diff(before, after)).cause == "unexplained"


def test_a_successor_that_starts_earlier_now_is_named() -> None:
    before = a_view({"first": a_run(4), "then": a_run(8)}, room_kw=20.0)
    after = a_view({"first": a_run(2), "then": a_run(5)}, room_kw=20.0)
    found = diff(before, after, a_job("then", depends_on=("first",)))
    row = next(one for one in found.changes if one.job_id == "first")
    assert (row.cause, row.text) == ("successor", "then, which waits for it, now starts Sat 14:30")


def test_a_job_that_no_longer_waits_because_it_saves_too_little_says_so() -> None:
    after = a_view({"job-a": a_run(2)})
    after["jobs"][0]["saves_too_little"] = True
    row = only(diff(a_view({"job-a": a_run(4)}), after))
    assert row.cause == "arrival"
    assert row.text == "waiting for its old window would save too little now, so it runs on arrival"


def test_the_old_window_is_valued_with_the_transfer_of_its_data() -> None:
    # 10 kWh of run and 5 of transfer at £0.20 and 100 g: £3 and 1.5 kg, before and after alike.
    there = {"energy_kwh": 10.0, "transfer_kwh": 5.0, "cost_gbp": 3.0, "carbon_kg": 1.5}
    row = only(diff(a_view({"job-a": a_run(0, **there)}), a_view({"job-a": a_run(4, **there)})))
    values = row.values
    assert values is not None
    for worth in (values.old_then, values.old_now, values.new_then, values.new_now):
        assert (worth.cost_gbp, worth.carbon_kg) == pytest.approx((3.0, 1.5))
        assert worth.mean_carbon_g_per_kwh == pytest.approx(100.0)
        assert worth.mean_price_gbp_per_kwh == pytest.approx(0.2)
    assert values.gain_gbp == pytest.approx(0.0)


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
