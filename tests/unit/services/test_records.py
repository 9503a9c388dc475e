"""Audit drafts: no floats, what was chosen beside what could have been, and what was given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from agents.policy import Policy
from agents.scheduler import negotiate
from agents.view import Outcome
from models.domain.decision import EventType, canonical_json
from models.domain.job import Job
from models.domain.plan import Blocked
from models.domain.signal import Quality
from services import records
from tests.support.fleet import NOON, a_job
from tests.support.planning import a_situation, at_slot, some_signals
from tests.support.stored import an_award

EVENT = UUID(int=7)
POLICY = Policy(2.667)


def planned(job: Job, price: list[float], carbon: list[float]) -> Outcome:
    return negotiate(a_situation([job], price, carbon, policy=POLICY))


def a_plan() -> tuple[Job, Outcome]:
    job = a_job(minutes=30, latest_finish=at_slot(4), baseline_start=NOON)
    return job, planned(job, [0.4, 0.1, 0.3, 0.2], [100.0] * 4)


def award_body(**changes: Any) -> dict[str, Any]:
    job, outcome = a_plan()
    job = replace(job, **changes)
    draft = records.award_draft(
        outcome.awards[0], job, outcome, [{"name": "x"}], POLICY, "submit", EVENT, None
    )
    return dict(draft.body)


def test_an_award_is_recorded_with_its_options_and_weights() -> None:
    body = award_body()
    canonical_json(body)  # raises on a float or an instant
    by_id = {option["id"]: option for option in body["options"]}
    assert by_id["chosen"]["start"] == "2026-11-21T12:30:00.000Z"
    assert by_id["runner_up"]["start"] == "2026-11-21T13:30:00.000Z"
    assert by_id["on_arrival"]["start"] == "2026-11-21T12:00:00.000Z"
    # 5 kWh at £0.1 and 100 g.
    metrics = by_id["chosen"]["metrics"]
    assert (metrics["cost_gbp"], metrics["co2_avg_kg"]) == ("0.5000", "0.5000")
    # A band of 0 to 426 g/kWh at the margin: a scenario, not data.
    assert (metrics["co2_marginal_low_kg"], metrics["co2_marginal_high_kg"]) == ("0.0000", "2.1300")
    assert body["options_count"] == 4
    assert body["selected"]["weights"]["carbon_price_gbp_per_tonne"] == "2667.00"
    assert body["data_quality"] == "live"
    assert body["inputs"] == [{"name": "x"}]


def test_no_option_is_written_twice() -> None:
    options = award_body()["options"]
    places = [(option["asset_id"], option["start"]) for option in options]
    assert len(set(places)) == len(places) - 1  # only the run on arrival is also among the best


def test_what_was_given_up_is_told_per_metric() -> None:
    rows = {row["metric"]: row for row in award_body()["trade_offs"]}
    # 30 minutes of waiting at (0.1/0.3)·0.2/24 per kWh and hour, 5 kWh.
    assert rows["delay_gbp"]["given_up"] == "0.0069"
    assert rows["cost_gbp"]["given_up"] == "0.0000"


def test_unknown_figures_stay_unknown() -> None:
    nan = float("nan")
    job = a_job(minutes=30, latest_finish=at_slot(2), baseline_start=NOON)
    outcome = planned(job, [nan, nan], [nan, nan])
    draft = records.award_draft(outcome.awards[0], job, outcome, [], POLICY, "submit", EVENT, None)
    (chosen, *_) = draft.body["options"]
    assert chosen["metrics"]["cost_gbp"] is None
    assert chosen["metrics"]["co2_avg_kg"] is None
    assert chosen["metrics"]["objective_gbp"] is None
    assert draft.body["provisional"] is True
    canonical_json(draft.body)


def test_hard_limits_are_written_down() -> None:
    body = award_body(
        carbon_cap_g_per_kwh=150.0,
        max_price_gbp_per_kwh=0.25,
        depends_on=("a", "b"),
        pinned_start=at_slot(1),
    )
    limits = {row["name"]: row["value"] for row in body["constraints"]}
    assert limits["deadline"] == "2026-11-21T14:00:00.000Z"
    assert limits["carbon_cap_g_per_kwh"] == "150.000"
    assert limits["max_price_gbp_per_kwh"] == "0.25000"
    assert (limits["after"], limits["power_kw"]) == ("a,b", "10.000")
    assert limits["pinned_start"] == "2026-11-21T12:30:00.000Z"


def test_windows_that_others_closed_are_counted_among_the_limits() -> None:
    award = an_award()
    blocked = Blocked("power", 3, NOON, "cluster-a", 1.0, ("secret-job",))
    award = replace(award, explanation=replace(award.explanation, blocked=(blocked,)))
    rows = records.constraints(a_job(), award)
    assert {"name": "blocked_by_power", "value": "3"} in rows
    assert "secret-job" not in canonical_json({"rows": rows})


def test_a_refusal_is_recorded_with_its_rule_and_offers() -> None:
    job = a_job(minutes=30, latest_finish=at_slot(2), max_price_gbp_per_kwh=0.05)
    outcome = planned(job, [0.1, 0.2], [100.0] * 2)
    draft = records.refusal_draft(
        outcome.refusals[0], job, outcome, [], POLICY, "submit", EVENT, NOON
    )
    assert draft.event_type is EventType.REFUSAL
    assert draft.clock_utc == NOON
    assert draft.body["selected"]["rule"] == "max_price"
    assert draft.body["selected"]["option_id"] is None
    assert draft.body["relaxations"] == [
        {"field": "max_price_per_kwh", "value": "0.100000", "start": "2026-11-21T12:00:00.000Z"}
    ]
    canonical_json(draft.body)


def test_a_negotiation_binds_messages_and_unchanged_awards_by_digest() -> None:
    _, outcome = a_plan()

    def body(changed: list[str], unchanged: list[Any], messages: list[Any]) -> dict[str, Any]:
        draft = records.negotiation_draft(
            outcome, messages, [], POLICY, "schedule_all", changed, unchanged, None
        )
        canonical_json(draft.body)
        return dict(draft.body)

    plain = body(["b", "a"], [outcome.awards[0]], [{"kind": "x", "value": 0.1}])
    assert plain["changed_count"] == 2
    assert plain["changed_sha256"] == body(["a", "b"], [], [])["changed_sha256"]
    assert (plain["unchanged_count"], plain["messages_count"]) == (1, 1)
    moved = replace(
        outcome.awards[0],
        placement=replace(outcome.awards[0].placement, start=NOON + timedelta(days=1)),
    )
    other = body(["a", "b"], [moved], [{"kind": "x", "value": 0.2}])
    assert other["unchanged_sha256"] != plain["unchanged_sha256"]
    assert other["messages_sha256"] != plain["messages_sha256"]
    assert plain["certificate"]["gap_percent"] == "0.0000"


def test_a_certificate_without_a_gap_says_null() -> None:
    _, outcome = a_plan()
    told = records.certificate(replace(outcome.certificate, gap_percent=None))
    assert told["gap_percent"] is None
    assert told["method"] == "exact"


def test_inputs_name_source_times_quality_and_digest() -> None:
    situation = a_situation([], [0.1] * 4, [100.0] * 4)
    found = records.inputs_of(
        some_signals([0.1] * 4, [100.0] * 4, situation.assets),
        situation.horizon,
        NOON + timedelta(seconds=90),
    )
    carbon, price = found["london"]
    assert (carbon["name"], price["name"]) == ("carbon:london", "price:london")
    assert carbon["age_s"] == 90
    assert (carbon["kind"], price["kind"]) == ("forecast", "tariff")
    assert carbon["quality"] == str(Quality.LIVE)
    assert carbon["valid_to"] == "2026-11-21T14:00:00.000Z"
    assert len(carbon["series_sha256"]) == 64
    assert carbon["series_sha256"] != price["series_sha256"]
    canonical_json({"inputs": [dict(carbon), dict(price)]})


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1, "0.100000"),
        (1, 1),
        (True, True),
        (None, None),
        ("text", "text"),
        (NOON, "2026-11-21T12:00:00.000Z"),
        ((0.5, "a"), ["0.500000", "a"]),
        ({"k": {"x": 1.0}}, {"k": {"x": "1.000000"}}),
        (timedelta(hours=1), "1:00:00"),
    ],
)
def test_anything_becomes_something_that_can_be_hashed(value: Any, written: Any) -> None:
    assert records.plain(value) == written
    canonical_json({"value": records.plain(value)})


def test_an_event_says_who_did_what_to_which_job() -> None:
    draft = records.event_draft(
        EventType.OUTCOME,
        records.person("local"),
        {"action": "confirm", "energy": 1.5},
        job=a_job(),
        ref=EVENT,
    )
    assert draft.body["actor"]["kind"] == "human"
    assert draft.body["energy"] == "1.500000"
    assert (draft.job_id, draft.owner, draft.ref) == ("job-a", "local", EVENT)
    assert records.rule("lifecycle")["kind"] == "rule"
