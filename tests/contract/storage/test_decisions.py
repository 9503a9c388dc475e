"""What every `DecisionRepository` does: the audit outbox as one chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from models.domain.decision import (
    GENESIS_HASH,
    DecisionDraft,
    EventType,
    canonical_json,
    record_hash,
)
from models.domain.errors import NotFound
from storage.unit_of_work import SqlUnitOfWorkFactory


def a_draft(text: str = "x", **changes) -> DecisionDraft:
    kind = changes.pop("event_type", EventType.DECISION)
    return DecisionDraft(kind, {"selected": {"rationale": text}}, **changes)


def append(units: SqlUnitOfWorkFactory, *drafts: DecisionDraft) -> None:
    with units(write=True) as unit:
        for draft in drafts:
            unit.decisions.append(draft)
        unit.commit()


def everything(units: SqlUnitOfWorkFactory) -> list:
    with units() as unit:
        return list(unit.decisions.after(0, 1_000))


def test_an_empty_log_ends_at_the_genesis_hash(units: SqlUnitOfWorkFactory) -> None:
    with units() as unit:
        assert unit.decisions.head() == (0, GENESIS_HASH)
        assert unit.decisions.flushed_seq() == 0
        assert unit.decisions.after(0, 10) == ()


def test_records_form_one_chain_that_starts_with_a_segment_start(
    units: SqlUnitOfWorkFactory, system_time
) -> None:
    append(units, a_draft("ä\n1", job_id="job-a", owner="local", negotiation_id="n-1"))
    system_time.instant += timedelta(seconds=1)
    append(units, a_draft("2"), a_draft("3"))
    records = everything(units)
    assert [record.seq for record in records] == [1, 2, 3, 4]
    assert [record.event_type for record in records] == [
        "segment_start",
        "decision",
        "decision",
        "decision",
    ]
    before = GENESIS_HASH
    for record in records:
        written = json.loads(record.line)
        assert record.prev_hash == written["prev_hash"] == before
        assert record.hash == written["hash"] == record_hash(written)
        assert record.line == canonical_json(written)
        assert record.ts_utc == written["ts_utc"]
        before = record.hash
    opening = json.loads(records[0].line)
    assert (opening["previous_seq"], opening["previous_hash"]) == (0, GENESIS_HASH)
    assert opening["actor"]["kind"] == "rule"
    assert (records[1].job_id, records[1].owner, records[1].negotiation_id) == (
        "job-a",
        "local",
        "n-1",
    )
    with units() as unit:
        assert unit.decisions.head() == (4, records[-1].hash)


def test_a_new_utc_day_opens_a_new_segment_and_a_london_one_does_not(
    units: SqlUnitOfWorkFactory, system_time
) -> None:
    # 23:30 UTC on 1 July is already 2 July in London; the segment follows UTC.
    system_time.instant = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    append(units, a_draft("1"))
    system_time.instant = datetime(2026, 7, 1, 23, 30, tzinfo=UTC)
    append(units, a_draft("2"))
    system_time.instant = datetime(2026, 7, 2, 0, 0, tzinfo=UTC)
    append(units, a_draft("3"), a_draft("4"))
    records = everything(units)
    assert [record.event_type for record in records] == [
        "segment_start",
        "decision",
        "decision",
        "segment_start",
        "decision",
        "decision",
    ]
    opening = json.loads(records[3].line)
    assert (opening["previous_seq"], opening["previous_hash"]) == (3, records[2].hash)


def test_time_never_goes_back_in_the_log(units: SqlUnitOfWorkFactory, system_time) -> None:
    system_time.instant = datetime(2026, 7, 2, 0, 0, 0, 1_999, tzinfo=UTC)
    append(units, a_draft("1"))
    system_time.instant -= timedelta(days=1)
    append(units, a_draft("2"))
    assert [record.ts_utc for record in everything(units)] == ["2026-07-02T00:00:00.001Z"] * 3
    assert len(everything(units)) == 3, "a clock that went back over midnight opens no segment"


def test_what_was_rolled_back_left_no_gap(units: SqlUnitOfWorkFactory) -> None:
    append(units, a_draft("1"))
    with units(write=True) as unit:
        unit.decisions.append(a_draft("lost"))
    append(units, a_draft("2"))
    assert [record.seq for record in everything(units)] == [1, 2, 3]


def test_flushed_seq_only_grows(units: SqlUnitOfWorkFactory) -> None:
    for seq, expected in ((3, 3), (2, 3), (5, 5)):
        with units(write=True) as unit:
            unit.decisions.mark_flushed(seq)
            unit.commit()
        with units() as unit:
            assert unit.decisions.flushed_seq() == expected


def test_records_are_found_by_id_and_after_a_seq(units: SqlUnitOfWorkFactory) -> None:
    draft = a_draft("1")
    append(units, draft, a_draft("2"), a_draft("3"))
    with units() as unit:
        assert unit.decisions.get(str(draft.event_id)).seq == 2
        assert [record.seq for record in unit.decisions.after(2, 1)] == [3]
        with pytest.raises(NotFound):
            unit.decisions.get("absent")


def test_lists_filter_and_page_newest_first(units: SqlUnitOfWorkFactory, system_time) -> None:
    start = system_time.instant
    for k in range(6):
        system_time.instant = start + timedelta(minutes=k)
        kind = EventType.REFUSAL if k == 3 else EventType.DECISION
        owner = "another" if k == 5 else "local"
        append(units, a_draft(str(k), event_type=kind, job_id=f"job-{k % 2}", owner=owner))
    # seq 1 is the segment start; event k has seq k + 2.
    with units() as unit:

        def seqs(**wanted) -> list[int]:
            return [record.seq for record in unit.decisions.page(**wanted).items]

        assert seqs() == [7, 6, 5, 4, 3, 2, 1]
        assert seqs(owner="local") == [6, 5, 4, 3, 2, 1], "the segment start belongs to nobody"
        assert seqs(job_id="job-1") == [7, 5, 3]
        assert seqs(event_types=[EventType.REFUSAL, "segment_start"]) == [5, 1]
        assert seqs(since=start + timedelta(minutes=4)) == [7, 6]
        assert seqs(until=start + timedelta(minutes=1)) == [2, 1]
        first = unit.decisions.page(owner="local", limit=3)
        second = unit.decisions.page(owner="local", limit=3, cursor=first.next_cursor)
        assert [record.seq for record in first.items + second.items] == [6, 5, 4, 3, 2, 1]
        assert second.next_cursor is None
