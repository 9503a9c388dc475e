"""Canonical form, hash and seal of decision records."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

from models.domain.decision import (
    GENESIS_HASH,
    DecisionDraft,
    EventType,
    canonical_json,
    decimal_text,
    millisecond_utc,
    record_hash,
    seal,
)

# Domain reference 5.4, test vector: a reduced record, its canonical text without `hash`, its hash.
FIRST = {
    "ts_utc": "2026-11-21T14:55:00.000Z",
    "seq": 1,
    "schema": "decision-log/1",
    "event_type": "decision",
    "event_id": "00000000-0000-4000-8000-000000000001",
    "prev_hash": "0" * 64,
    "settlement_period": 35,
    "settlement_date": "2026-11-21",
    "selected": "defer",
    "cost_gbp": "-12.50",
}
FIRST_HASH = "f5f7ad232f18c0aa6db33723db84ce4e49c9ea8ce21600f5f3d774742fb58098"
SECOND = {
    "ts_utc": "2026-11-21T18:05:00.000Z",
    "seq": 2,
    "schema": "decision-log/1",
    "event_type": "outcome",
    "event_id": "00000000-0000-4000-8000-000000000002",
    "ref": "00000000-0000-4000-8000-000000000001",
    "prev_hash": FIRST_HASH,
    "settlement_period": 35,
    "settlement_date": "2026-11-21",
    "deviation_mwh": "2.000",
}
SECOND_HASH = "630fbc8fa6080bf148020fb8b5d624fc6e43be4977b11ef37dcd50cee6704b01"

NOW = datetime(2026, 11, 21, 14, 55, 0, 123456, tzinfo=UTC)


def test_the_published_vectors_hash_to_their_published_values() -> None:
    assert record_hash(FIRST) == FIRST_HASH
    assert record_hash(SECOND) == SECOND_HASH


def test_a_hash_inside_the_record_does_not_count_towards_the_hash() -> None:
    assert record_hash({**FIRST, "hash": FIRST_HASH}) == FIRST_HASH
    assert record_hash({**FIRST, "hash": "anything"}) == FIRST_HASH


def test_one_changed_penny_gives_another_hash() -> None:
    # By `sha256sum` over the published line with -12.51 and without its hash. (The reference abbreviates it as
    # 63e19c1c...6c6714: its sixth digit from the end is a misprint.)
    assert record_hash({**FIRST, "cost_gbp": "-12.51"}) == (
        "63e19c1cdf46bc81c6d45d43e86afa4109135e83ecb7fe45dc08e6feb77c6714"
    )


def test_the_canonical_line_has_sorted_keys_no_spaces_and_the_hash_in_its_place() -> None:
    line = canonical_json({**FIRST, "hash": FIRST_HASH})
    assert line == (
        '{"cost_gbp":"-12.50","event_id":"00000000-0000-4000-8000-000000000001","event_type":"decision",'
        f'"hash":"{FIRST_HASH}","prev_hash":"{"0" * 64}","schema":"decision-log/1","selected":"defer",'
        '"seq":1,"settlement_date":"2026-11-21","settlement_period":35,"ts_utc":"2026-11-21T14:55:00.000Z"}'
    )


def test_text_outside_ascii_is_written_as_it_is_and_control_characters_escaped() -> None:
    assert canonical_json({"why": 'é–"\n'}) == '{"why":"é–\\"\\n"}'


def test_nested_objects_are_sorted_and_lists_keep_their_order() -> None:
    assert canonical_json({"b": [{"z": 1, "a": None}, 2], "a": True}) == (
        '{"a":true,"b":[{"a":null,"z":1},2]}'
    )


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": 1.5}, r"\$\.a"),
        ({"a": [1, {"b": float("nan")}]}, r"\$\.a\[1\]\.b"),
        ({"a": Decimal("1.5")}, r"\$\.a"),
        ({"a": NOW}, r"\$\.a"),
        ({"a": {1: "x"}}, r"\$\.a"),
        ({"a": b"x"}, r"\$\.a"),
        ({"a": {"x"}}, r"\$\.a"),
    ],
)
def test_a_value_without_one_canonical_form_is_refused_with_its_place(
    value: dict[str, object], place: str
) -> None:
    with pytest.raises(TypeError, match=place):
        canonical_json(value)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (0.125, 2, "0.12"),  # half to even: 12 is even
        (0.135, 2, "0.14"),  # half to even on the decimal form 0.135, not on its binary neighbour
        (Decimal("-12.505"), 2, "-12.50"),
        (-0.001, 2, "0.00"),  # no minus zero
        (800, 3, "800.000"),
        (1e-7, 3, "0.000"),
        (1e6, 1, "1000000.0"),
        (76.5, 0, "76"),
    ],
)
def test_a_quantity_becomes_a_decimal_string_with_fixed_places(
    value: float | Decimal, places: int, text: str
) -> None:
    assert decimal_text(value, places) == text


def test_an_unknown_quantity_stays_unknown() -> None:
    assert decimal_text(None, 3) is None


def test_an_instant_is_written_in_utc_to_the_millisecond() -> None:
    summer = datetime(2026, 7, 1, 0, 30, 1, 999999, tzinfo=timezone(timedelta(hours=1)))
    assert millisecond_utc(summer) == "2026-06-30T23:30:01.999Z"


def test_a_sealed_record_carries_its_place_and_proves_itself() -> None:
    draft = DecisionDraft(
        EventType.DECISION,
        {"selected": {"option_id": "night"}},
        event_id=UUID("00000000-0000-4000-8000-000000000001"),
        job_id="job-a",
        owner="local",
        negotiation_id="n-1",
    )
    sealed = seal(draft, seq=1, prev_hash=GENESIS_HASH, now=NOW)
    read = json.loads(sealed.line)
    assert (sealed.seq, sealed.ts_utc, sealed.job_id) == (1, "2026-11-21T14:55:00.123Z", "job-a")
    assert read["prev_hash"] == GENESIS_HASH
    assert read["hash"] == sealed.hash
    # The rule, worked without the product's functions: SHA-256 of the line without its hash.
    bare = sealed.line.replace(f'"hash":"{sealed.hash}",', "")
    assert hashlib.sha256(bare.encode()).hexdigest() == sealed.hash
    assert "owner" not in read


def test_a_body_cannot_take_the_place_of_what_the_seal_says() -> None:
    forged = {
        "seq": 9,
        "prev_hash": "f" * 64,
        "hash": "e" * 64,
        "event_type": "anchor",
        "ts_utc": "x",
    }
    sealed = seal(DecisionDraft(EventType.OUTCOME, forged), seq=2, prev_hash=FIRST_HASH, now=NOW)
    read = json.loads(sealed.line)
    assert (read["seq"], read["prev_hash"], read["event_type"]) == (2, FIRST_HASH, "outcome")
    assert read["hash"] == record_hash(read) == sealed.hash


@pytest.mark.parametrize(
    ("slot", "day", "period", "gate_closure"),
    [
        # Winter: 17:00 local is the 35th half-hour; Gate Closure one hour before.
        (datetime(2026, 11, 21, 17, tzinfo=UTC), "2026-11-21", 35, "2026-11-21T16:00:00.000Z"),
        # Summer: period 1 of 1 July starts at 23:00Z of 30 June.
        (datetime(2026, 6, 30, 23, tzinfo=UTC), "2026-07-01", 1, "2026-06-30T22:00:00.000Z"),
        # The autumn day has 50 periods; its last starts at 23:30 GMT.
        (datetime(2026, 10, 25, 23, 30, tzinfo=UTC), "2026-10-25", 50, "2026-10-25T22:30:00.000Z"),
    ],
)
def test_the_first_slot_gives_settlement_date_period_and_gate_closure(
    slot: datetime, day: str, period: int, gate_closure: str
) -> None:
    draft = DecisionDraft(EventType.DECISION, {}, first_slot=slot)
    read = json.loads(seal(draft, seq=1, prev_hash=GENESIS_HASH, now=NOW).line)
    assert (read["settlement_date"], read["settlement_period"]) == (day, period)
    assert read["gate_closure_utc"] == gate_closure


def test_a_shifted_planning_clock_is_written_beside_system_time() -> None:
    shifted = datetime(2023, 1, 1, tzinfo=UTC)
    draft = DecisionDraft(EventType.DECISION, {}, clock_utc=shifted)
    read = json.loads(seal(draft, seq=1, prev_hash=GENESIS_HASH, now=NOW).line)
    assert read["clock_utc"] == "2023-01-01T00:00:00.000Z"
    assert read["ts_utc"] == "2026-11-21T14:55:00.123Z"
    plain = json.loads(
        seal(DecisionDraft(EventType.DECISION, {}), seq=1, prev_hash="", now=NOW).line
    )
    assert "clock_utc" not in plain
