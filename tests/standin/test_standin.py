"""The stand-in itself: the rules of the real services that clients get wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.standin.server import DEFAULT_NOW, create_standin
from tests.standin.state import FAULTS, StandInState
from tests.standin.world import choose_world, recorded_world, shared_root
from tests.support.shared import shared_path


@pytest.fixture
def state() -> StandInState:
    return StandInState(DEFAULT_NOW)


@pytest.fixture
def browser(state: StandInState) -> FlaskClient:
    world = choose_world(state.now(), "simulated")
    return create_standin(state, world, products_per_page=3).test_client()


def data(browser: FlaskClient, path: str) -> Any:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()["data"]


# --- carbon -----------------------------------------------------------------------------------


def test_an_exact_boundary_returns_the_half_hour_before_first(browser) -> None:
    rows = data(browser, "/carbon/intensity/2023-03-20T12:00Z/fw24h")
    assert len(rows) == 49
    assert (rows[0]["from"], rows[-1]["from"]) == ("2023-03-20T11:30Z", "2023-03-21T11:30Z")


def test_a_minute_past_the_boundary_returns_48(browser) -> None:
    rows = data(browser, "/carbon/intensity/2023-03-20T12:01Z/fw24h")
    assert (len(rows), rows[0]["from"]) == (48, "2023-03-20T12:00Z")


def test_48_hours_from_now_are_96_periods_and_the_horizon_ends_there(browser) -> None:
    assert len(data(browser, "/carbon/intensity/2023-03-20T10:01Z/fw48h")) == 96
    assert len(data(browser, "/carbon/intensity/2023-03-20T22:01Z/fw48h")) == 72
    assert data(browser, "/carbon/intensity/date/2023-03-25") == []
    empty = browser.get("/carbon/regional/intensity/2023-03-25T10:01Z/fw24h")
    assert (empty.status_code, empty.get_json()) == (200, {})


def test_actuals_are_null_until_shortly_after_their_half_hour(browser, state) -> None:
    def actual() -> Any:
        (row,) = data(browser, "/carbon/intensity/2023-03-20T09:31Z")
        assert row["from"] == "2023-03-20T09:30Z"
        return row["intensity"]["actual"]

    assert actual() is None
    state.set_now(datetime(2023, 3, 20, 10, 10, tzinfo=UTC))
    assert actual() is not None


@pytest.mark.parametrize(
    ("day", "periods"), [("2023-03-20", 48), ("2023-03-26", 46), ("2023-10-29", 50)]
)
def test_a_date_is_a_london_day(browser, state, day, periods) -> None:
    state.set_now(datetime(2023, 11, 1, tzinfo=UTC))
    rows = data(browser, f"/carbon/intensity/date/{day}")
    assert len(rows) == periods
    if day == "2023-10-29":
        assert rows[0]["from"] == "2023-10-28T23:00Z"


def test_data_is_a_list_or_an_object_as_in_the_real_answers(browser) -> None:
    assert isinstance(data(browser, "/carbon/generation"), dict)
    assert isinstance(data(browser, "/carbon/regional/regionid/13"), list)
    assert isinstance(data(browser, "/carbon/regional/postcode/EC1V"), list)
    whole = data(browser, "/carbon/regional/intensity/2023-03-20T10:01Z/fw24h/regionid/13")
    assert isinstance(whole, dict)
    assert (whole["shortname"], len(whole["data"])) == ("London", 48)
    assert isinstance(
        data(browser, "/carbon/regional/intensity/2023-03-20T10:01Z/fw24h/postcode/BH1"), dict
    )


def test_eighteen_regions_without_actuals_whose_mix_adds_up(browser) -> None:
    (now,) = data(browser, "/carbon/regional")
    assert [r["regionid"] for r in now["regions"]] == list(range(1, 19))
    for region in now["regions"]:
        assert set(region["intensity"]) == {"forecast", "index"}
        assert len(region["generationmix"]) == 9
        assert sum(m["perc"] for m in region["generationmix"]) == pytest.approx(100.0, abs=0.5)


def test_postcode_answers_have_an_id_that_is_off_by_one(browser) -> None:
    (region,) = data(browser, "/carbon/regional/postcode/EC1V")
    assert (region["shortname"], region["regionid"]) == ("London", 12)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "intensity/yesterday",
            "Please enter a valid datetime in ISO8601 format YYYY-MM-DDThh:mmZ",
        ),
        ("intensity/date/2023-3-1", "Please enter a valid date in ISO8601 format 'YYYY-MM-DD'"),
        ("nowhere", "Please enter a valid path e.g. /intensity/"),
        ("regional/postcode/SW1A 1AA", "Please enter a valid path"),
        ("regional/postcode/W1", "No postcode match can be found."),
        ("regional/regionid/18", "Please enter a valid region ID i.e. 1-17."),
        (
            "intensity/2023-01-01T00:00Z/2023-03-01T00:00Z",
            "The date range you have specified is greater than 31",
        ),
    ],
)
def test_wrong_requests_get_the_providers_400(browser, path, message) -> None:
    answer = browser.get(f"/carbon/{path}")
    assert answer.status_code == 400
    error = answer.get_json()["error"]
    assert error["code"] == "400 Bad Request"
    assert error["message"].startswith(message)


def test_the_400_bodies_are_word_for_word_the_recorded_ones(browser) -> None:
    recorded = {
        "intensity/yesterday": "error_400_invalid_datetime.json",
        "intensity/date/2023-3-1": "error_400_invalid_date.json",
        "nowhere": "error_400_invalid_path.json",
        "regional/postcode/W1": "error_400_no_postcode_match.json",
        "regional/regionid/18": "error_400_bad_region_id.json",
        "intensity/2023-01-01T00:00Z/2023-03-01T00:00Z": "error_400_range_too_long.json",
    }
    import json

    for path, name in recorded.items():
        body = json.loads(shared_path(f"recorded_api/carbon_intensity/{name}").read_text())
        assert browser.get(f"/carbon/{path}").get_json() == body


def test_an_unknown_postcode_on_a_range_path_and_a_bare_date_give_an_empty_object(browser) -> None:
    for path in ("2023-03-20T10:01Z/fw24h/postcode/W1", "2023-03-20/2023-03-21"):
        answer = browser.get(f"/carbon/regional/intensity/{path}")
        assert (answer.status_code, answer.get_json()) == (200, {})


def test_statistics_and_factors_have_their_shapes(browser) -> None:
    blocks = data(browser, "/carbon/intensity/stats/2023-03-18T00:00Z/2023-03-20T00:00Z/24")
    assert len(blocks) == 2
    assert set(blocks[0]["intensity"]) == {"max", "average", "min", "index"}
    assert data(browser, "/carbon/intensity/factors")[0]["Gas (Combined Cycle)"] == 394


def test_every_carbon_fault_changes_the_answer_as_it_says(browser, state) -> None:
    path = "/carbon/intensity/2023-03-20T08:01Z/2023-03-20T12:00Z"

    def forecasts() -> list[Any]:
        return [r["intensity"]["forecast"] for r in data(browser, path)]

    plain = forecasts()
    assert len(plain) == 8
    state.set_fault("carbon_2856")
    assert forecasts()[0] == 2856
    state.clear_faults()
    state.set_fault("carbon_duplicates")
    assert forecasts() == [599, *plain]
    state.clear_faults()
    state.set_fault("carbon_null_forecast")
    assert forecasts()[::3] == [None, None, None]
    state.clear_faults()
    state.set_fault("carbon_zero_actual")
    actuals = [r["intensity"]["actual"] for r in data(browser, path)]
    assert [a for a in actuals if a is not None][-1] == 0
    state.clear_faults()
    state.set_fault("carbon_truncated")
    # From 10:01 to the end of the day are 28 half-hours.
    assert len(data(browser, "/carbon/intensity/2023-03-20T10:01Z/fw48h")) == 28
    assert len(data(browser, "/carbon/regional/intensity/2023-03-20T10:01Z/fw48h")) == 28
    state.clear_faults()
    state.set_fault("carbon_missing_regions", ["London"])
    (now,) = data(browser, "/carbon/regional")
    assert len(now["regions"]) == 17
    state.clear_faults()
    for fault, status, body in (
        ("carbon_empty_object", 200, "{}"),
        ("carbon_empty_data", 200, '{"data":[]}'),
        ("carbon_html", 200, "<html>"),
        ("carbon_500", 500, "Requested resource not found."),
        ("carbon_429", 429, "Too Many"),
    ):
        state.set_fault(fault, 30 if fault == "carbon_429" else True)
        answer = browser.get(path)
        assert answer.status_code == status
        assert body in answer.text.replace("\n", "").replace('": ', '":')
        state.clear_faults()
    state.set_fault("regional_500")
    assert browser.get(path).status_code == 200
    assert browser.get("/carbon/regional").status_code == 500


# --- octopus ----------------------------------------------------------------------------------

RATES = "/octopus/v1/products/AGILE-FLEX-22-11-25/electricity-tariffs/E-1R-AGILE-FLEX-22-11-25-C/standard-unit-rates/"


def rates(browser: FlaskClient, **query: str) -> Any:
    answer = browser.get(RATES, query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def test_rates_are_newest_first_and_overlap_the_period(browser) -> None:
    body = rates(browser, period_from="2023-03-19T12:10:00Z", period_to="2023-03-19T14:00:00Z")
    starts = [r["valid_from"] for r in body["results"]]
    # The record that holds at 12:10 begins before it.
    assert starts == [f"2023-03-19T{t}:00Z" for t in ("13:30", "13:00", "12:30", "12:00")]
    assert body["count"] == 4


def test_pages_hold_100_by_default_at_most_1500_and_name_the_next_absolutely(browser) -> None:
    body = rates(browser, period_from="2023-01-01T00:00:00Z")
    assert len(body["results"]) == 100
    assert body["next"].startswith(
        f"http://localhost{RATES}?period_from=2023-01-01T00:00:00Z&page=2"
    )
    large = rates(browser, period_from="2023-01-01T00:00:00Z", page_size="99999")
    assert len(large["results"]) == 1500
    second = browser.get(body["next"]).get_json()
    assert second["previous"] is not None
    assert second["results"][0]["valid_from"] < body["results"][-1]["valid_from"]
    beyond = browser.get(RATES, query_string={"period_from": "2023-03-19T00:00:00Z", "page": "99"})
    assert (beyond.status_code, beyond.get_json()) == (404, {"detail": "Invalid page."})


def test_naive_times_are_london(browser, state) -> None:
    state.set_now(datetime(2023, 7, 2, tzinfo=UTC))
    body = rates(browser, period_from="2023-07-01T12:00:00", period_to="2023-07-01T13:00:00")
    assert [r["valid_from"] for r in body["results"]] == [
        "2023-07-01T11:30:00Z",
        "2023-07-01T11:00:00Z",
    ]


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("period_to=2023-03-19T00:00:00Z", "This field is required when providing a `period_to`."),
        (
            "period_from=2023-03-20T00:00:00Z&period_to=2023-03-19T00:00:00Z",
            "Must not be greater than `period_to`.",
        ),
        ("period_from=not-a-date", "Enter a valid date/time."),
        # An unescaped plus arrives as a space.
        ("period_from=2023-03-19T00:00:00+01:00", "Enter a valid date/time."),
    ],
)
def test_wrong_periods_are_refused_by_field(browser, query, body) -> None:
    answer = browser.get(f"{RATES}?{query}")
    assert (answer.status_code, answer.get_json()) == (400, {"period_from": [body]})


def test_tomorrow_is_empty_before_16_london_and_whole_after(browser, state) -> None:
    tomorrow = {"period_from": "2023-03-20T23:00:00Z", "period_to": "2023-03-21T23:00:00Z"}
    state.set_now(datetime(2023, 3, 20, 15, 59, tzinfo=UTC))
    assert rates(browser, **tomorrow) == {"count": 0, "next": None, "previous": None, "results": []}
    state.set_now(datetime(2023, 3, 20, 16, 0, tzinfo=UTC))
    assert rates(browser, **tomorrow)["count"] == 48
    state.set_fault("octopus_partial_day", 20)
    assert rates(browser, **tomorrow)["count"] == 20
    state.clear_faults()
    state.set_fault("octopus_late")
    assert rates(browser, **tomorrow)["count"] == 0
    state.set_now(datetime(2023, 3, 20, 20, 0, tzinfo=UTC))
    assert rates(browser, **tomorrow)["count"] == 48


@pytest.mark.parametrize(
    ("now", "begin", "end", "periods"),
    [
        ("2023-03-27", "2023-03-25T23:00:00Z", "2023-03-26T22:00:00Z", 46),
        ("2023-10-30", "2023-10-28T22:00:00Z", "2023-10-29T23:00:00Z", 50),
    ],
)
def test_clock_change_days_have_46_and_50_records(browser, state, now, begin, end, periods) -> None:
    state.set_now(datetime.fromisoformat(f"{now}T12:00:00+00:00"))
    assert rates(browser, period_from=begin, period_to=end)["count"] == periods


def test_the_list_holds_traps_over_several_pages(browser) -> None:
    first = browser.get("/octopus/v1/products/?is_variable=true").get_json()
    assert len(first["results"]) == 3
    assert first["count"] > 3
    codes, page = [], first
    while True:
        codes += [r["code"] for r in page["results"]]
        if page["next"] is None:
            break
        page = browser.get(page["next"]).get_json()
    assert {"AGILE-FLEX-22-11-25", "AGILE-BB-23-02-08", "AGILE-OUTGOING-19-05-13"} <= set(codes)
    assert "AGILE-18-02-21" not in codes
    # Withdrawn products still answer by themselves.
    assert browser.get("/octopus/v1/products/AGILE-18-02-21/").status_code == 200


def test_an_open_ended_tariff_has_null_ends_and_two_payment_methods(browser) -> None:
    path = "/octopus/v1/products/VAR-22-11-01/electricity-tariffs/E-1R-VAR-22-11-01-C/standard-unit-rates/"
    results = browser.get(path).get_json()["results"]
    assert [r["valid_to"] for r in results[:2]] == [None, None]
    assert [r["payment_method"] for r in results[:2]] == ["DIRECT_DEBIT", "NON_DIRECT_DEBIT"]


def test_vat_is_nothing_from_october_2026(browser, state) -> None:
    state.set_now(datetime(2026, 10, 2, tzinfo=UTC))
    path = "/octopus/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/standard-unit-rates/"
    body = browser.get(
        path,
        query_string={"period_from": "2026-09-30T22:30:00Z", "period_to": "2026-09-30T23:30:00Z"},
    ).get_json()
    after, before = body["results"]
    assert after["value_inc_vat"] == after["value_exc_vat"]
    assert before["value_inc_vat"] == pytest.approx(1.05 * before["value_exc_vat"])


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("products/NOPE/", 404, "No EnergyProduct matches the given query."),
        (
            "products/VAR-22-11-01/electricity-tariffs/E-2R-VAR-22-11-01-C/standard-unit-rates/",
            400,
            "This tariff has day and night rates, not standard.",
        ),
        ("accounts/A-12345678/", 401, "Authentication credentials were not provided."),
        ("accounts/nonsense/", 404, "<html>"),
    ],
)
def test_errors_have_the_providers_bodies(browser, path, status, said) -> None:
    answer = browser.get(f"/octopus/v1/{path}")
    assert answer.status_code == status
    assert said in answer.text


def test_supply_points_are_found_by_any_spelling(browser) -> None:
    for postcode in ("SW1A1AA", "sw1a 1aa", "sw1a"):
        body = browser.get(
            "/octopus/v1/industry/grid-supply-points/", query_string={"postcode": postcode}
        )
        assert body.get_json()["results"] == [{"group_id": "_C"}]
    unknown = browser.get("/octopus/v1/industry/grid-supply-points/?postcode=ZZ99ZZ")
    assert (unknown.status_code, unknown.get_json()["count"]) == (200, 0)


# --- control ----------------------------------------------------------------------------------


def test_the_control_turns_clock_and_faults_and_counts_requests(browser, state) -> None:
    browser.get("/carbon/intensity")
    shown = browser.post(
        "/_control", json={"now": "2023-03-21T09:00:00Z", "faults": {"carbon_500": True}}
    ).get_json()
    assert shown["now"] == "2023-03-21T09:00:00Z"
    assert shown["faults"] == {"carbon_500": True}
    assert shown["requests"] == {"/carbon/intensity": 1}
    assert set(shown["known_faults"]) == set(FAULTS)
    cleared = browser.post(
        "/_control", json={"clear_faults": True, "forget_counts": True}
    ).get_json()
    assert (cleared["faults"], cleared["requests"]) == ({}, {})
    assert browser.post("/_control", json={"faults": {"carbon_5000": True}}).status_code == 400
    assert browser.post("/_control", json={"now": "tomorrow"}).status_code == 400
    assert browser.post("/_control", data="x").status_code == 400


def test_a_clock_of_the_callers_is_followed() -> None:
    times = iter([datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)])
    state = StandInState(lambda: next(times))
    assert state.now() == datetime(2024, 1, 1, tzinfo=UTC)


# --- recorded data ----------------------------------------------------------------------------


def test_over_recorded_data_an_issue_on_record_is_told_as_it_was_issued() -> None:
    shared_path("data/carbon")
    state = StandInState(datetime(2023, 3, 14, 16, 2, tzinfo=UTC))
    world = choose_world(state.now())
    assert world.name == "recorded"
    browser = create_standin(state, world).test_client()
    rows = data(browser, "/carbon/intensity/2023-03-14T16:01Z/fw48h")
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(
        shared_path("data/carbon/gb_national_ci_fw48h_issues_2023.parquet")
    )
    issue = datetime(2023, 3, 14, 16, tzinfo=UTC)
    expected = [r["forecast_gco2_kwh"] for r in table.to_pylist() if r["issue_slot_utc"] == issue]
    assert [r["intensity"]["forecast"] for r in rows] == expected


def test_over_recorded_data_region_j_has_the_recorded_prices() -> None:
    shared_path("data/price")
    world = recorded_world()
    start = datetime(2023, 3, 20, 17, tzinfo=UTC)
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(
        shared_root() / "data/price/octopus_agile_import_region_J_2020_2024.parquet",
        filters=[("ts_utc", "=", start)],
    )
    (inc_vat,) = table["price_p_kwh_inc_vat"].to_pylist()
    assert world.price("J", start) == pytest.approx(inc_vat / 1.05, abs=1e-4)


def test_without_the_shared_folder_the_simulated_world_is_taken(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HALFHOUR_SHARED_DIR", str(tmp_path / "nowhere"))
    assert choose_world(DEFAULT_NOW).name == "simulated"
