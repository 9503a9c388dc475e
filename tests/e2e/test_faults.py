"""Providers that fail in every way the stand-in knows: the app answers, says so, keeps deadlines and the last good data."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartApp
from tests.standin.server import StandIn
from tests.support.app_process import RunningApp, eventually
from tests.support.exhaustive import instant
from tests.support.fault_table import FaultTable, Seen

pytestmark = pytest.mark.e2e

NOW = datetime(2023, 3, 20, 10, 7, tzinfo=UTC)
BAR_SECONDS = 1.0
"""Longest answer once the first failure is known. [s]"""

CLOCK_RATE = 3600.0
"""Rate of the clock where a test needs hours to pass: an hour in a second."""

LOOKS = (
    "/", "/jobs/{job_id}", "/clusters", "/grid", "/records", "/ready", "/api/jobs", "/api/statistics", "/api/regions",
    "/api/energy/forecast/london", "/api/best-window?region=london&duration_hours=2&ready_by={ready_by}",
)  # fmt: skip

QUICK_TO_RETRY = {
    "HALFHOUR_HTTP_READ_TIMEOUT_SECONDS": "1",
    "HALFHOUR_HTTP_RETRIES": "0",
    "HALFHOUR_BREAKER_OPEN_SECONDS": "1",
}
"""Settings of apps whose providers come back in a test: system time-outs in step with a clock that runs fast."""


@pytest.fixture(scope="module")
def table() -> Iterator[FaultTable]:
    """Collect rows; they become a page where HALFHOUR_TEST_FAULT_TABLE names one."""
    found = FaultTable()
    yield found
    path = os.environ.get("HALFHOUR_TEST_FAULT_TABLE")
    if path:
        found.write(Path(path))


@pytest.fixture
def standin() -> Iterator[StandIn]:
    running = StandIn(NOW, rate=1.0)
    yield running
    running.close()


# --- looking ----------------------------------------------------------------------------------


def line(app: RunningApp) -> Any:
    """Return the data line as JSON."""
    return app.shown("/ready")["data"]


def source(app: RunningApp, kind: str) -> Any:
    """Return the health of carbon or prices, live first; an empty one before the first question."""
    rows = [one for one in line(app)["sources"] if one["source"].endswith(f"({kind})")]
    return rows[0] if rows else {"failures_in_a_row": 0, "last_error": None}


def has_failed(kind: str) -> Callable[[Any], bool]:
    return lambda found: found["failures_in_a_row"] >= 1


def clock(app: RunningApp) -> datetime:
    return instant(app.shown("/ready")["clock"]["now"])


def plan_one(app: RunningApp, job_id: str = "new-one", hours: float = 20.0) -> Any:
    """Send a job, plan, and check that it will end in time."""
    finish = clock(app) + timedelta(hours=hours)
    job = {
        "job_id": job_id, "asset_id": "alder", "duration_hours": 2, "estimated_power_kw": 40,
        "latest_finish": finish.isoformat(),
    }  # fmt: skip
    app.made("/api/jobs", job)
    app.planned()
    planned = app.shown(f"/api/jobs/{job_id}")
    assert planned["status"] == "scheduled", planned["why"]
    assert instant(planned["schedule"]["end_time"]) <= instant(planned["latest_finish"])
    assert planned["why"]
    return planned


def slowest(app: RunningApp, job_id: str = "new-one") -> float:
    """Look at every page twice; return how long the slowest second look took, within the bar. [s]"""
    ready_by = (clock(app) + timedelta(hours=20)).isoformat().replace("+", "%2B")
    paths = [path.format(ready_by=ready_by, job_id=job_id) for path in LOOKS]
    took = {}
    for _ in range(2):
        for path in paths:
            answer = app.get(path)
            assert answer.status == 200, f"{path}: {answer.status} {answer.text[:300]}"
            took[path] = answer.seconds
    worst = max(took, key=lambda path: took[path])
    assert took[worst] < BAR_SECONDS, f"{worst} took {took[worst]:.2f} s"
    return took[worst]


def note(table: FaultTable, fault: str, app: RunningApp, job: Any, took: float) -> Any:
    """Check that pages and API say the same, write a row, and return the data line."""
    told = line(app)
    page = app.get("/").text
    if told["banner"] and "old:" not in told["banner"]:
        assert told["banner"] in page
    quality = job["data_quality"]
    schedule = job["schedule"]
    parts = [f"`{quality}`"]
    if job["is_provisional"]:
        parts.append("provisional: the last half-hour that meets the deadline")
    if schedule["cost_gbp"] is None:
        parts.append("cost unknown")
    if schedule["carbon_kg"] is None:
        parts.append("carbon unknown")
    if schedule["estimated_share"] > 0:
        parts.append(f"{schedule['estimated_share']:.0%} of its half-hours on own estimates")
    table.rows.append(
        Seen(fault, blurred(told["text"]), blurred(told["banner"]), ", ".join(parts), took * 1000)
    )
    return told


def blurred(text: str | None) -> str:
    """Replace ages by an ellipsis, so that the page changes only when the words do."""
    return re.sub(r"\d\d:\d\d, \d+ (min|h|days) old", "…, … old", re.sub(r"is \d+ (min|h|days) old", "is … old", text or ""))  # fmt: skip


def started(start_app: StartApp, standin: StandIn, **settings: str) -> RunningApp:
    app = start_app(standin=standin, **settings)
    app.made("/api/assets", {"asset_id": "alder", "region": "london", "max_power_kw": 500})
    return app


# --- from the start ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "faults"),
    [
        ("both down at start (500)", {"carbon_500": True, "octopus_500": True}),
        ("both empty at start (`{}`, no rates)", {"carbon_empty_object": True, "octopus_empty": True}),
        ("both silent at start (30 s without an answer)", {"carbon_slow": 30, "octopus_slow": 30}),
        ("both limit requests at start (429)", {"carbon_429": 3600, "octopus_429": 3600}),
    ],
)  # fmt: skip
def test_with_both_down_at_start_a_simulated_grid_stands_in_under_a_banner(
    start_app: StartApp, standin: StandIn, table: FaultTable, words: str, faults: dict[str, Any]
) -> None:
    for name, value in faults.items():
        standin.set_fault(name, value)
    app = started(start_app, standin, HALFHOUR_HTTP_READ_TIMEOUT_SECONDS="2")
    job = plan_one(app)
    assert job["data_quality"] == "simulated"
    told = note(table, words, app, job, slowest(app))
    assert told["is_simulated"]
    assert "no data provider has answered yet" in told["banner"]


def test_with_both_down_and_no_simulation_jobs_wait_for_data_and_still_meet_their_deadline(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    standin.set_fault("carbon_500")
    standin.set_fault("octopus_500")
    app = started(
        start_app, standin, HALFHOUR_GRID_SOURCE="live", HALFHOUR_CLOCK_RATE="60", **QUICK_TO_RETRY
    )  # fmt: skip
    keep_pace(app, standin, 60.0)
    job = plan_one(app)
    # The last half-hour from which 2 h still end by the deadline.
    latest = instant(job["latest_finish"]) - timedelta(hours=2)
    start = instant(job["schedule"]["start_time"])
    assert latest - timedelta(minutes=30) < start <= latest
    assert (job["data_quality"], job["is_provisional"]) == ("none", True)
    assert (job["schedule"]["cost_gbp"], job["schedule"]["carbon_kg"]) == (None, None)
    told = note(table, "both down at start, simulation not wanted (`live`)", app, job, slowest(app))
    assert "No data has been received yet" in told["banner"]
    standin.clear_faults()
    better = eventually(
        lambda: app.shown("/api/jobs/new-one"),
        lambda seen: seen["data_quality"] in {"live", "cached", "estimated"},
        "the provisional start is improved once data arrive",
    )
    assert better["schedule"]["cost_gbp"] is not None
    assert not better["is_provisional"]
    assert instant(better["schedule"]["end_time"]) <= instant(better["latest_finish"])


def keep_pace(app: RunningApp, standin: StandIn, rate: float) -> None:
    """Let the stand-in's clock run with the app's."""
    standin.state._rate = rate
    standin.set_now(clock(app))


def test_with_octopus_alone_down_plans_weigh_carbon(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    standin.set_fault("octopus_500")
    app = started(start_app, standin)
    eventually(lambda: line(app)["mode"], lambda mode: mode == "live", "carbon has answered")
    eventually(lambda: source(app, "prices"), has_failed("prices"), "Octopus has failed")
    job = plan_one(app)
    assert job["schedule"]["cost_gbp"] is None
    assert job["schedule"]["carbon_kg"] is not None
    # By carbon alone: the least mean intensity of all windows that fit, waiting included in the objective.
    told = note(table, "Octopus alone down at start (500)", app, job, slowest(app))
    assert "Prices: unknown" in told["text"]
    assert "No price is known" in told["banner"]


def test_with_carbon_alone_down_plans_weigh_cost(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    standin.set_fault("carbon_500")
    app = started(start_app, standin)
    eventually(lambda: line(app)["mode"], lambda mode: mode == "live", "Octopus has answered")
    eventually(
        lambda: app.shown("/api/energy/current/london")["price"]["value"],
        lambda value: value is not None,
        "London's prices have arrived",
    )
    eventually(lambda: source(app, "carbon"), has_failed("carbon"), "carbon has failed")
    job = plan_one(app)
    assert job["schedule"]["carbon_kg"] is None
    assert job["schedule"]["cost_gbp"] is not None
    told = note(table, "carbon alone down at start (500)", app, job, slowest(app))
    assert "Carbon: unknown" in told["text"]
    assert "No carbon forecast is known" in told["banner"]


def test_a_day_of_prices_in_part_is_used_as_far_as_it_goes(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    standin.set_fault("octopus_partial_day", 30)
    app = started(start_app, standin)
    eventually(lambda: line(app)["prices_known_until"], bool, "prices have arrived")
    # The set of 20 March begins at 23:00 on the 19th; 30 half-hours of it reach to 14:00.
    assert instant(line(app)["prices_known_until"]) == datetime(2023, 3, 20, 14, tzinfo=UTC)
    rows = app.shown("/api/energy/forecast/london?hours=8")["items"]
    kinds = {
        instant(row["start_time"]) < datetime(2023, 3, 20, 14, tzinfo=UTC): row["price"]["kind"]
        for row in rows
    }
    assert kinds == {True: "tariff", False: "estimate"}
    job = plan_one(app)
    note(table, "only 30 half-hours of the newest price day", app, job, slowest(app))


def test_a_region_that_is_missing_from_the_start_is_not_made_up(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    standin.set_fault("carbon_missing_regions", ["London"])
    app = started(start_app, standin)
    eventually(lambda: line(app)["mode"], lambda mode: mode == "live", "carbon has answered")
    assert app.shown("/api/energy/current/yorkshire")["carbon"]["value"] is not None
    assert app.shown("/api/energy/current/london")["carbon"]["value"] is None
    eventually(
        lambda: app.shown("/api/energy/current/london")["price"]["value"],
        lambda value: value is not None,
        "London's prices have arrived",
    )
    job = plan_one(app)
    assert job["schedule"]["carbon_kg"] is None
    note(table, "London missing from the carbon answers at start", app, job, slowest(app))


TODAY_END = datetime(2023, 3, 20, 23, tzinfo=UTC)
"""End of the prices that are known before tomorrow's are published."""


def at_half_past_four_without_tomorrow(start_app: StartApp, standin: StandIn) -> RunningApp:
    """Return an app on which ten minutes pass a second, whose clock has passed 16:30 without tomorrow's prices."""
    standin.set_now(NOW.replace(hour=15, minute=50))
    standin.set_fault("octopus_late", 23)
    app = started(start_app, standin, HALFHOUR_CLOCK_RATE="600", **QUICK_TO_RETRY)
    keep_pace(app, standin, 600.0)
    eventually(lambda: line(app)["prices_known_until"], bool, "prices have arrived")
    eventually(
        lambda: clock(app), lambda now: now >= NOW.replace(hour=16, minute=30), "it is 16:30"
    )
    assert instant(line(app)["prices_known_until"]) == TODAY_END
    return app


def test_late_prices_are_planned_with_when_they_come(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    app = at_half_past_four_without_tomorrow(start_app, standin)
    job = plan_one(app, hours=30)
    note(table, "tomorrow's prices are not there at 16:00", app, job, slowest(app))
    standin.set_fault("octopus_late", clock(app).hour)
    eventually(
        lambda: instant(line(app)["prices_known_until"]),
        lambda known: known == TODAY_END + timedelta(days=1),
        "the late prices are there",
    )
    eventually(
        lambda: [n["trigger"] for n in app.every("/api/negotiations")],
        lambda triggers: "new_prices" in triggers,
        "the new prices were planned with",
    )


def test_a_failing_price_service_leaves_published_prices_in_use(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    app = at_half_past_four_without_tomorrow(start_app, standin)
    standin.set_fault("octopus_500")
    eventually(lambda: source(app, "prices"), has_failed("prices"), "Octopus has failed")
    job = plan_one(app)
    assert job["schedule"]["cost_gbp"] is not None
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for row in app.shown("/api/energy/forecast/london?hours=24")["items"]:
        kinds[instant(row["start_time"]) < TODAY_END].add(row["price"]["kind"])
    assert kinds == {True: {"tariff"}, False: {"estimate"}}
    note(table, "Octopus down while running (500)", app, job, slowest(app))


# --- while it runs ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running(start_shared_app: StartApp) -> Iterator[tuple[RunningApp, StandIn]]:
    """Give an app that has good data, with an hour passing in each second."""
    standin = StandIn(NOW, rate=1.0)
    app = started(start_shared_app, standin, HALFHOUR_CLOCK_RATE=str(CLOCK_RATE), **QUICK_TO_RETRY)
    keep_pace(app, standin, CLOCK_RATE)
    eventually(
        lambda: app.shown("/api/energy/current/london"),
        lambda row: row["price"]["kind"] == "tariff" and row["carbon"]["kind"] == "forecast",
        "good data have arrived",
    )
    yield app, standin
    standin.close()


@pytest.fixture
def healthy(running: tuple[RunningApp, StandIn]) -> Iterator[tuple[RunningApp, StandIn]]:
    """Give that app with all faults off and both providers answering."""
    app, standin = running
    standin.clear_faults()
    for kind in ("carbon", "prices"):
        eventually(
            lambda kind=kind: source(app, kind),
            lambda found: found["failures_in_a_row"] == 0,
            f"{kind} has recovered",
        )
    yield app, standin
    standin.clear_faults()


_numbers = iter(range(1_000))


def outage_row(app: RunningApp, table: FaultTable, words: str) -> tuple[Any, Any]:
    """Plan a job under the fault, look at every page, write the row; return job and data line."""
    job = plan_one(app, f"new-{next(_numbers)}")
    return job, note(table, words, app, job, slowest(app, job["job_id"]))


@pytest.mark.parametrize(
    ("words", "fault", "value"),
    [
        ("carbon down while running (500)", "carbon_500", True),
        ("carbon answers 200 with `{}`", "carbon_empty_object", True),
        ('carbon answers 200 with `{"data": []}`', "carbon_empty_data", True),
        ("carbon answers 200 with a web page", "carbon_html", True),
        ("carbon silent while running (30 s)", "carbon_slow", 30),
    ],
)
def test_a_failing_carbon_service_leaves_the_last_good_forecast_in_use(
    healthy: tuple[RunningApp, StandIn], table: FaultTable, words: str, fault: str, value: Any
) -> None:
    app, standin = healthy
    standin.set_fault(fault, value)
    before = line(app)["carbon_retrieved_at"]
    eventually(lambda: source(app, "carbon"), has_failed("carbon"), f"{fault} is noticed")
    job, told = outage_row(app, table, words)
    assert told["mode"] == "live"
    # How many kilograms depends on how far the clock has run: on a windy night of a simulated grid it may be none.
    assert job["schedule"]["carbon_kg"] is not None
    assert job["data_quality"] in {"live", "cached", "stale", "estimated"}
    row = app.shown("/api/energy/current/london")["carbon"]
    # What is shown is what was fetched last before the failure, never an invented value.
    assert row["value"] is not None
    assert instant(row["retrieved_at"]) <= clock(app)
    assert instant(before) - timedelta(hours=2) <= instant(row["retrieved_at"])
    assert source(app, "carbon")["last_error"]


@pytest.mark.parametrize(
    ("words", "fault", "value"),
    [
        ("a carbon forecast of 2,856 g/kWh", "carbon_2856", True),
        ("a carbon outturn of 0 g/kWh", "carbon_zero_actual", True),
        ("every third carbon forecast is null", "carbon_null_forecast", True),
        ("the first carbon half-hour twice, with other values", "carbon_duplicates", True),
        ("the carbon forecast ends at midnight", "carbon_truncated", True),
        ("London missing from the carbon answers", "carbon_missing_regions", ["London"]),
    ],
)
def test_absurd_or_missing_values_are_never_shown_or_planned_with(
    healthy: tuple[RunningApp, StandIn], table: FaultTable, words: str, fault: str, value: Any
) -> None:
    app, standin = healthy
    standin.set_fault(fault, value)
    since = clock(app)
    eventually(
        lambda: app.shown("/api/energy/current/yorkshire")["carbon"]["retrieved_at"],
        lambda fetched: instant(fetched) > since + timedelta(minutes=5),
        "a spoiled answer has been taken in",
    )
    job, _ = outage_row(app, table, words)
    assert job["schedule"]["carbon_kg"] is not None
    assert job["schedule"]["cost_gbp"] is not None
    for slug in ("gb", "london"):
        rows = app.shown(f"/api/energy/forecast/{slug}?hours=30")["items"]
        values = [row["carbon"]["value"] for row in rows]
        assert None not in values, slug
        # Recorded national values of the first nine months of 2023 lie between 26 and 300 g/kWh; a region differs by
        # at most 117 g/kWh. The spoiled values 599, 899 and 2856 lie far beyond.
        assert max(values) < 450, slug
        assert min(values) > 0, slug
    if fault == "carbon_missing_regions":
        # A last whole answer may have been under way when the region went missing.
        eventually(
            lambda: [
                instant(app.shown(f"/api/energy/current/{slug}")["carbon"]["retrieved_at"])
                for slug in ("london", "yorkshire")
            ],
            lambda fetched: fetched[0] < fetched[1],
            "what is missing keeps the time it was fetched",
        )


def test_absurd_prices_are_never_shown(
    start_app: StartApp, standin: StandIn, table: FaultTable
) -> None:
    standin.set_fault("octopus_absurd")
    app = started(start_app, standin)
    eventually(lambda: line(app)["prices_known_until"], bool, "prices have arrived")
    job = plan_one(app)
    rows = app.shown("/api/energy/forecast/london?hours=48")["items"]
    prices = [row["price"]["value"] for row in rows]
    assert None not in prices
    assert max(prices) < 1.0, "£999.99/kWh was taken for a price"
    assert job["schedule"]["mean_price_gbp_per_kwh"] < 1.0
    note(table, "one rate of 99,999 p/kWh", app, job, slowest(app))


def test_through_a_day_without_any_provider_every_deadline_is_kept(
    healthy: tuple[RunningApp, StandIn], table: FaultTable
) -> None:
    app, standin = healthy
    before = plan_one(app, "before-the-day", 30)
    standin.set_fault("carbon_500")
    standin.set_fault("octopus_500")
    since = clock(app)
    submitted: list[str] = ["before-the-day"]
    qualities: list[str] = []
    for hours in (4, 10, 16, 25):
        eventually(
            lambda: clock(app),
            lambda now, h=hours: now >= since + timedelta(hours=h),
            f"{hours} h have passed",
        )
        job = plan_one(app, f"after-{hours}-hours", 12)
        submitted.append(job["job_id"])
        qualities.append(job["data_quality"])
        assert job["schedule"]["carbon_kg"] is not None
        assert job["schedule"]["cost_gbp"] is not None
    job, told = outage_row(app, table, "both down for a day")
    assert set(qualities) <= {"stale", "estimated"}
    assert told["mode"] == "live", "a simulated grid took over where good data had been seen"
    assert told["carbon_age_minutes"] > 24 * 60
    assert "its provider has not answered since" in told["banner"]
    for job_id in submitted:
        kept = app.shown(f"/api/jobs/{job_id}")
        assert kept["status"] in {"scheduled", "running", "unconfirmed"}
        assert instant(kept["schedule"]["end_time"]) <= instant(kept["latest_finish"])
    assert before["schedule"]["cost_gbp"] is not None
    standin.clear_faults()
    recovered = eventually(
        lambda: line(app),
        lambda seen: seen["carbon_age_minutes"] < 180 and seen["banner"] is None,
        "the banner goes when the providers answer again",
    )
    assert recovered["mode"] == "live"


def test_nothing_of_all_this_was_a_mistake_of_the_program(
    running: tuple[RunningApp, StandIn],
) -> None:
    app, _ = running
    assert "Traceback" not in app.said(), app.said()[-3000:]
    verified = app.flask("audit", "verify")
    assert verified.returncode == 0, verified.stdout
