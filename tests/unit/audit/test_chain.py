"""One line by itself, and records as a chain."""

from __future__ import annotations

import hashlib
import json
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.chain import Chain, FaultError, Line, canonical, checked_record
from models.domain.decision import canonical_json
from tests.support.audit_logs import resealed
from tests.support.fake_decisions import FakeOutbox

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)


def lines(count_of: int) -> list[Line]:
    outbox = FakeOutbox()
    outbox.record(count_of)
    return [
        Line("decisions-2026-11-21.jsonl", record.seq, record.line.encode() + b"\n")
        for record in outbox.state.records
    ]


def first_fault(given_lines: list[Line]) -> FaultError:
    with pytest.raises(FaultError) as caught:
        list(Chain().walk(iter(given_lines), count(1)))
    return caught.value


@given(st.dictionaries(st.text(max_size=6), JSON, max_size=4))
def test_the_checker_writes_the_same_canonical_form_as_the_sealer(
    record: dict[str, object],
) -> None:
    parsed = json.loads(json.dumps(record))
    assert canonical(parsed) == canonical_json(parsed)


def test_whole_lines_are_followed_and_their_hashes_remembered() -> None:
    chain = Chain()
    given_lines = lines(3)
    walked = list(chain.walk(iter(given_lines), count(1)))
    # 3 decisions after the segment_start that opens the day.
    assert [record["seq"] for _, record in walked] == [1, 2, 3, 4]
    assert (chain.records, chain.first_seq, chain.last_seq, chain.links) == (4, 1, 4, 4)
    assert chain.hash_of(3) == json.loads(given_lines[2].raw)["hash"]
    assert chain.hash_of(5) is None


@pytest.mark.parametrize(
    ("old", "new", "sort"),
    [
        (b'"seq":2', b'"seq": 2', "changed"),  # a space
        (b"\xc2\xa3", b"\\u00a3", "changed"),  # the pound sign, escaped: equal when parsed
        (b'"seq":2', b'"seq":2.0', "unreadable"),  # a float
        (b'"seq":2', b'"seq":NaN', "unreadable"),
        (b"}\n", b"}\r\n", "changed"),
        (b"{", b"\xff", "unreadable"),  # no UTF-8
        (b"}\n", b"}", "truncated"),
        (b'"ref":null', b'"ref":null,"ref":null', "changed"),  # the same key twice
    ],
)
def test_a_line_in_another_form_is_a_fault_even_where_it_means_the_same(
    old: bytes, new: bytes, sort: str
) -> None:
    good = lines(1)[1]
    assert old in good.raw
    spoilt = good._replace(raw=good.raw.replace(old, new, 1))
    with pytest.raises(FaultError) as caught:
        checked_record(spoilt, 2)
    assert (caught.value.sort, caught.value.seq, caught.value.line) == (sort, 2, 2)


@pytest.mark.parametrize("text", [b"[]\n", b"7\n", b"\n", b"[" * 100_000 + b"\n"])
def test_json_that_is_no_object_is_unreadable(text: bytes) -> None:
    with pytest.raises(FaultError, match="unreadable: seq 1, f, line 1"):
        checked_record(Line("f", 1, text), 1)


@pytest.mark.parametrize("before", ['"actor"', '"seq"', '"name"'])
def test_a_hash_moved_to_another_place_in_the_line_is_found(before: str) -> None:
    text = lines(1)[1].raw.decode()
    fragment = f'"hash":"{json.loads(text)["hash"]}",'
    moved = text.replace(fragment, "").replace(before, fragment + before, 1)
    assert moved != text
    with pytest.raises(FaultError, match="changed"):
        checked_record(Line("f", 1, moved.encode()), 2)


def test_a_line_that_was_sealed_in_another_form_is_refused_before_it_is_written() -> None:
    record = json.loads(lines(1)[1].raw)
    del record["hash"]
    unsorted = json.dumps({"zz": 1, **record}, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(unsorted.encode()).hexdigest()
    line = unsorted.replace('"job_id"', f'"hash":"{digest}","job_id"').encode() + b"\n"
    with pytest.raises(FaultError, match="not in canonical form"):
        checked_record(Line("f", 1, line), 2, strictly=True)


def test_a_hash_deeper_in_the_record_does_not_confuse_the_check() -> None:
    record = json.loads(lines(1)[1].raw)
    record["inputs"] = [{"hash": record["hash"], "name": "carbon"}]
    line = Line("f", 1, resealed(record))
    assert checked_record(line, 2)["inputs"] == record["inputs"]
    repeated = line.raw.replace(record["hash"].encode(), json.loads(line.raw)["hash"].encode())
    with pytest.raises(FaultError, match="changed"):
        checked_record(Line("f", 1, repeated), 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", "decision-log/2"),
        ("seq", "2"),
        ("seq", True),
        ("seq", 0),
        ("prev_hash", None),
        ("ts_utc", "2026-11-21 14:55"),
    ],
)
def test_a_well_sealed_record_with_a_wrong_field_is_a_fault(field: str, value: object) -> None:
    record = json.loads(lines(1)[1].raw)
    record[field] = value
    with pytest.raises(FaultError, match="changed"):
        checked_record(Line("f", 1, resealed(record)), 2)


def test_a_missing_record_is_named() -> None:
    spoilt = lines(5)
    del spoilt[2]
    fault = first_fault(spoilt)
    assert (fault.sort, fault.seq) == ("missing", 3)


def test_two_swapped_records_are_reordered_from_the_first_of_them() -> None:
    spoilt = lines(5)
    spoilt[2], spoilt[3] = spoilt[3], spoilt[2]
    fault = first_fault(spoilt)
    assert (fault.sort, fault.seq) == ("reordered", 3)
    assert "seq 4 stands in its place" in str(fault)


def test_a_record_that_stands_twice_is_reordered() -> None:
    spoilt = lines(5)
    spoilt.insert(4, spoilt[1])
    fault = first_fault(spoilt)
    assert (fault.sort, fault.seq) == ("reordered", 2)


def test_a_record_rewritten_with_a_fresh_hash_breaks_the_link_after_it() -> None:
    spoilt = lines(5)
    record = json.loads(spoilt[2].raw)
    record["selected"]["rationale"] = "nicer"
    spoilt[2] = spoilt[2]._replace(raw=resealed(record))
    fault = first_fault(spoilt)
    assert (fault.sort, fault.seq, fault.line) == ("changed", 3, 3)


def test_record_one_must_be_sealed_onto_sixty_four_zeros() -> None:
    record = json.loads(lines(1)[0].raw)
    record["prev_hash"] = "1" * 64
    fault = first_fault([Line("f", 1, resealed(record))])
    assert (fault.sort, fault.seq) == ("changed", 1)


def test_time_must_not_go_back_within_a_file() -> None:
    outbox = FakeOutbox()
    outbox.record(2)
    last = json.loads(outbox.state.records[-1].line)
    last["ts_utc"] = "2026-11-21T14:54:59.999Z"  # the first was sealed at 14:55:00.000
    name = "decisions-2026-11-21.jsonl"
    spoilt = [*lines(2)[:2], Line(name, 3, resealed(last))]
    fault = first_fault(spoilt)
    assert (fault.sort, fault.seq) == ("changed", 3)
    assert "goes back" in str(fault)


def test_a_record_in_the_file_of_another_day_is_in_the_wrong_place() -> None:
    spoilt = [line._replace(file="decisions-2026-11-20.jsonl") for line in lines(2)]
    fault = first_fault(spoilt)
    assert (fault.sort, fault.seq) == ("reordered", 1)
