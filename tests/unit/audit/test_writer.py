"""Carrying records from the outbox to the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from audit.anchors import AnchorSigner
from audit.writer import JsonlAuditLog
from models.domain.decision import DecisionDraft, EventType
from models.domain.errors import AuditBroken, Conflict
from tests.support.audit_logs import anchor, build_log, log_files, rewrite
from tests.support.fake_decisions import FIRST_INSTANT, FakeOutbox


def seqs(folder: Path) -> list[int]:
    return [
        json.loads(raw)["seq"]
        for path in log_files(folder)
        for raw in path.read_bytes().splitlines()
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


def test_sealed_records_become_lines_and_are_acknowledged(folder: Path) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(folder)
    outbox.record(3)
    assert log.flush(outbox) == 4  # segment_start and three decisions
    assert [path.name for path in log_files(folder)] == ["decisions-2026-11-21.jsonl"]
    written = log_files(folder)[0].read_text().splitlines()
    assert written == [record.line for record in outbox.state.records]
    assert outbox.state.flushed_seq == 4
    assert log.verify(outbox).ok


def test_flushing_again_appends_only_what_is_new(folder: Path) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(folder)
    assert log.flush(outbox) == 0
    outbox.record(2)
    assert log.flush(outbox) == 3
    assert log.flush(outbox) == 0
    outbox.record(2)
    assert log.flush(outbox) == 2
    assert JsonlAuditLog(folder).flush(outbox) == 0
    assert seqs(folder) == [1, 2, 3, 4, 5]


def test_more_records_than_one_batch_are_all_written(folder: Path) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(folder)
    outbox.record(1_203, every=timedelta(milliseconds=2))
    assert log.flush(outbox) == 1_204
    assert seqs(folder) == list(range(1, 1_205))


def test_each_utc_day_has_its_own_file_that_begins_with_a_segment_start(folder: Path) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(folder)
    outbox.instant = FIRST_INSTANT.replace(hour=23, minute=59, second=55)
    outbox.record(3)  # 23:59:55, 00:00:02, 00:00:09
    log.flush(outbox)
    first, second = log_files(folder)
    assert (first.name, second.name) == ("decisions-2026-11-21.jsonl", "decisions-2026-11-22.jsonl")
    opening = json.loads(second.read_bytes().splitlines()[0])
    assert (opening["seq"], opening["event_type"]) == (3, "segment_start")
    assert opening["prev_hash"] == json.loads(first.read_bytes().splitlines()[-1])["hash"]
    assert log.verify(outbox).ok


def test_a_crash_between_append_and_acknowledgement_is_completed_without_a_duplicate(
    folder: Path,
) -> None:
    outbox = FakeOutbox()
    outbox.record(3)
    JsonlAuditLog(folder).flush(outbox)
    outbox.state.flushed_seq = 1  # as if the process had died before it could acknowledge 2 to 4
    outbox.record(1)
    assert JsonlAuditLog(folder).flush(outbox) == 1
    assert seqs(folder) == [1, 2, 3, 4, 5]
    assert outbox.state.flushed_seq == 5


def test_a_failing_acknowledgement_in_the_same_process_is_completed_later(folder: Path) -> None:
    class Dying(FakeOutbox):
        dies = True

        def __call__(self, *, write: bool = False) -> object:  # type: ignore[override]
            if write and self.dies:
                raise RuntimeError("the process dies here")
            return super().__call__(write=write)

    outbox, log = Dying(), JsonlAuditLog(folder)
    outbox.dies = False
    outbox.record(2)
    outbox.dies = True
    with pytest.raises(RuntimeError):
        log.flush(outbox)
    assert outbox.state.flushed_seq == 0
    assert seqs(folder) == [1, 2, 3]
    outbox.dies = False
    assert log.flush(outbox) == 0
    assert outbox.state.flushed_seq == 3
    assert seqs(folder) == [1, 2, 3]


@pytest.mark.parametrize("kept", [0, 1, 40])
def test_an_unfinished_last_line_beyond_the_acknowledged_is_cut_and_written_again(
    folder: Path, kept: int
) -> None:
    outbox = FakeOutbox()
    outbox.record(2)
    JsonlAuditLog(folder).flush(outbox)
    outbox.record(2)
    with log_files(folder)[0].open("ab") as handle:
        handle.write(outbox.state.records[3].line.encode()[:kept])
    assert JsonlAuditLog(folder).flush(outbox) == 2
    assert seqs(folder) == [1, 2, 3, 4, 5]


def test_a_new_days_file_torn_in_its_first_line_is_cut_and_continued(folder: Path) -> None:
    outbox = build_log(folder, 3)
    outbox.instant += timedelta(days=1)
    outbox.record(1)
    (folder / "decisions-2026-11-22.jsonl").write_bytes(b'{"actor"')
    assert JsonlAuditLog(folder).flush(outbox) == 2
    assert seqs(folder) == [1, 2, 3, 4, 5]
    assert JsonlAuditLog(folder).verify(outbox).ok


def test_a_cut_within_the_acknowledged_records_is_never_repaired(folder: Path) -> None:
    outbox = build_log(folder, 5)
    path = log_files(folder)[0]
    path.write_bytes(path.read_bytes()[:-7])
    before = path.read_bytes()
    outbox.record()
    with pytest.raises(
        AuditBroken, match=r"decisions-2026-11-21.jsonl ends at seq 4, but .* seq 5"
    ):
        JsonlAuditLog(folder).flush(outbox)
    assert path.read_bytes() == before
    assert outbox.state.flushed_seq == 5


def test_an_emptied_folder_is_behind(folder: Path) -> None:
    outbox = build_log(folder, 5)
    log_files(folder)[0].unlink()
    with pytest.raises(AuditBroken, match="is empty, but records up to seq 5"):
        JsonlAuditLog(folder).flush(outbox)
    assert log_files(folder) == []


def test_an_old_log_under_a_new_database_stops_the_writer_at_once(folder: Path) -> None:
    build_log(folder, 5)
    fresh = FakeOutbox()
    with pytest.raises(AuditBroken, match="holds seq 5, but the database knows records up to 0"):
        JsonlAuditLog(folder).flush(fresh)
    fresh.instant += timedelta(hours=1)
    fresh.record(6)
    with pytest.raises(AuditBroken, match=r"holds seq 1 .* not the database's record 1"):
        JsonlAuditLog(folder).flush(fresh)


@pytest.mark.parametrize("flushed", [2, 4])
def test_a_changed_record_at_or_beyond_the_acknowledged_stops_the_writer(
    folder: Path, flushed: int
) -> None:
    outbox = build_log(folder, 4)
    outbox.state.flushed_seq = flushed
    rewrite(log_files(folder)[0], lambda x: [*x[:3], x[3].replace(b"least", b"worst")])
    before = log_files(folder)[0].read_bytes()
    outbox.record()
    with pytest.raises(AuditBroken, match=r"decisions-2026-11-21.jsonl holds seq 4 with hash"):
        JsonlAuditLog(folder).flush(outbox)
    assert log_files(folder)[0].read_bytes() == before


@pytest.mark.parametrize("foreign", [b"[1]\n", b"hello\n", b"\xff\xfe\n", b"\n", b'{"seq":"6"}\n'])
def test_a_foreign_line_at_the_end_stops_the_writer(folder: Path, foreign: bytes) -> None:
    outbox = build_log(folder, 5)
    rewrite(log_files(folder)[0], lambda lines: [*lines, foreign])
    outbox.record()
    with pytest.raises(AuditBroken, match="at or after seq 5"):
        JsonlAuditLog(folder).flush(outbox)


def delete_last(path: Path) -> None:
    rewrite(path, lambda lines: lines[:-1])


def change_last_in_place(path: Path) -> None:
    with path.open("r+b") as handle:
        data = handle.read()
        handle.seek(data.rindex(b"night"))
        handle.write(b"eight")


def replace_by_another(path: Path) -> None:
    data = path.read_bytes().replace(b"night", b"eight")
    path.unlink()
    path.write_bytes(data)


def put_a_newer_file_beside(path: Path) -> None:
    (path.parent / "decisions-2026-11-29.jsonl").write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    "meddle", [delete_last, change_last_in_place, replace_by_another, put_a_newer_file_beside]
)
def test_meddling_between_two_flushes_of_a_running_writer_is_noticed(
    folder: Path, meddle: Callable[[Path], None]
) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(folder)
    outbox.record(4)
    log.flush(outbox)
    meddle(log_files(folder)[0])
    outbox.record()
    with pytest.raises(AuditBroken):
        log.flush(outbox)
    with pytest.raises(AuditBroken):
        log.flush(outbox)
    assert outbox.state.flushed_seq == 5


def test_a_database_acknowledged_elsewhere_stops_a_running_writer(folder: Path) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(folder)
    outbox.record(4)
    log.flush(outbox)
    outbox.record()
    outbox.state.flushed_seq = 6  # another process wrote seq 6 into another folder
    with pytest.raises(AuditBroken, match="ends at seq 5, but records up to seq 6"):
        log.flush(outbox)


def test_a_restored_file_lets_the_writer_go_on(folder: Path) -> None:
    outbox = build_log(folder, 5)
    path = log_files(folder)[0]
    copy = path.read_bytes()
    delete_last(path)
    outbox.record()
    log = JsonlAuditLog(folder)
    with pytest.raises(AuditBroken):
        log.flush(outbox)
    path.write_bytes(copy)
    assert log.flush(outbox) == 1


def test_a_damaged_outbox_record_is_not_made_permanent(folder: Path) -> None:
    outbox = build_log(folder, 3)
    outbox.record(2)
    good = outbox.state.records[4]
    damaged = type(good)(**{**vars(good), "line": good.line.replace("least", "worst")})
    outbox.state.records[4] = damaged
    with pytest.raises(AuditBroken, match="damaged, changed: seq 5"):
        JsonlAuditLog(folder).flush(outbox)
    assert seqs(folder) == [1, 2, 3]


def test_a_gap_in_the_outbox_is_not_made_permanent(folder: Path) -> None:
    outbox = build_log(folder, 3)
    outbox.record(2)
    del outbox.state.records[3]
    with pytest.raises(AuditBroken, match=r"damaged|belongs"):
        JsonlAuditLog(folder).flush(outbox)
    assert seqs(folder) == [1, 2, 3]


def test_a_day_that_does_not_begin_with_a_segment_start_is_refused(folder: Path) -> None:
    outbox = build_log(folder, 3)
    outbox.record()
    sealed = outbox.state.records[-1]
    moved = type(sealed)(**{**vars(sealed), "ts_utc": "2026-11-22T00:00:00.000Z"})
    outbox.state.records[-1] = moved
    with pytest.raises(AuditBroken, match="no segment_start"):
        JsonlAuditLog(folder).flush(outbox)


def test_a_record_dated_before_the_file_being_written_is_refused(folder: Path) -> None:
    outbox = build_log(folder, 3)
    outbox.instant -= timedelta(days=1)
    outbox.record()
    with pytest.raises(AuditBroken, match="the system clock went back"):
        JsonlAuditLog(folder).flush(outbox)


def test_an_anchor_gets_its_own_file_before_it_is_acknowledged(
    folder: Path, tmp_path: Path
) -> None:
    signer = AnchorSigner(tmp_path / "data")
    outbox, log = FakeOutbox(), JsonlAuditLog(folder, signer)
    outbox.record(2)
    anchor(outbox, signer)
    log.flush(outbox)
    path = folder / "anchors" / "2026-11-21.json"
    copy = json.loads(path.read_bytes())
    assert copy["anchor"]["head_seq"] == 3
    assert copy["record"] == {"seq": 4, "hash": outbox.state.records[3].hash}
    # A crash after the append and before the anchor file is made good at the next start.
    path.unlink()
    outbox.state.flushed_seq = 3
    JsonlAuditLog(folder, signer).flush(outbox)
    assert json.loads(path.read_bytes()) == copy


def test_a_lock_that_is_kept_too_long_is_a_conflict(folder: Path) -> None:
    from audit.files import locked

    outbox, log = FakeOutbox(), JsonlAuditLog(folder, lock_timeout_seconds=0.0)
    outbox.record()
    folder.mkdir()
    with (
        locked(folder, timeout_seconds=0.0),
        pytest.raises(Conflict, match="another process has held"),
    ):
        log.flush(outbox)
    assert log.flush(outbox) == 2


def test_an_unwritable_folder_is_a_clear_sentence_and_loses_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "logs"
    blocked.write_text("a file where the folder should be")
    outbox = FakeOutbox()
    outbox.record()
    with pytest.raises(AuditBroken, match=r"cannot be written \(.*nothing is lost"):
        JsonlAuditLog(blocked).flush(outbox)
    blocked.unlink()
    assert JsonlAuditLog(blocked).flush(outbox) == 2


def test_the_event_types_of_the_draft_reach_the_file(folder: Path) -> None:
    outbox = FakeOutbox()
    for kind in (EventType.NEGOTIATION, EventType.REFUSAL, EventType.CORRECTION):
        outbox.add(DecisionDraft(kind, {}))
    JsonlAuditLog(folder).flush(outbox)
    written = [json.loads(raw) for raw in log_files(folder)[0].read_bytes().splitlines()]
    assert [record["event_type"] for record in written] == [
        "segment_start",
        "negotiation",
        "refusal",
        "correction",
    ]
