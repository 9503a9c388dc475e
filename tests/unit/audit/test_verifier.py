"""A folder of log files is whole, or its first fault is named."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.anchors import AnchorSigner
from audit.files import sizes
from audit.verifier import Outbox, verify_folder
from audit.writer import JsonlAuditLog
from models.domain.ports import VerifyReport
from tests.support.audit_logs import (
    CHECKED_AT,
    anchor,
    build_log,
    log_files,
    rechain,
    resealed,
    rewrite,
)
from tests.support.fake_decisions import FakeOutbox


def checked(folder: Path, outbox: FakeOutbox | None = None) -> VerifyReport:
    known = Outbox(outbox.state.flushed_seq, iter(outbox.state.records)) if outbox else None
    return verify_folder(folder, now=CHECKED_AT, outbox=known)


def sort_of(report: VerifyReport) -> str:
    assert not report.ok
    assert report.fault is not None
    return report.fault.split(":")[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FakeOutbox]:
    """Return a log of 201 records over three days, each anchored, and its outbox."""
    folder = tmp_path_factory.mktemp("whole")
    outbox = build_log(folder / "logs", 200, days=3, signer=AnchorSigner(folder / "data"))
    return folder / "logs", outbox


@pytest.fixture
def log(whole: tuple[Path, FakeOutbox], tmp_path: Path) -> Path:
    """Return a copy of the log to spoil."""
    shutil.copytree(whole[0], tmp_path / "logs")
    return tmp_path / "logs"


def test_a_whole_log_verifies_with_and_without_the_database(
    whole: tuple[Path, FakeOutbox],
) -> None:
    folder, outbox = whole
    for report in (checked(folder), checked(folder, outbox)):
        assert report.ok, report.fault
        # 3 days of 67 records: segment_start, 65 decisions, anchor.
        assert (report.records, report.last_seq, report.anchors_checked) == (201, 201, 3)
        assert report.last_hash == outbox.state.records[-1].hash
        assert report.files == tuple(path.name for path in log_files(folder))
        assert report.warnings == ()
        assert report.checked_at == CHECKED_AT


@pytest.fixture(scope="module")
def target(whole: tuple[Path, FakeOutbox], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the log of which one file at a time is spoilt and mended again."""
    folder = tmp_path_factory.mktemp("target") / "logs"
    shutil.copytree(whole[0], folder)
    return folder


def flipped(target: Path, path: Path, position: int, flip: int) -> VerifyReport:
    """Return the report on the log with one byte flipped, and mend it."""
    good = path.read_bytes()
    spoilt = bytearray(good)
    spoilt[position] ^= flip
    path.write_bytes(spoilt)
    try:
        return checked(target)
    finally:
        path.write_bytes(good)


@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_one_flipped_byte_anywhere_is_found_at_its_line(
    target: Path, where: float, flip: int
) -> None:
    paths = log_files(target)
    lengths = [path.stat().st_size for path in paths]
    position, place = int(where * sum(lengths)), 0
    while position >= lengths[place]:
        position, place = position - lengths[place], place + 1
    line = paths[place].read_bytes()[:position].count(b"\n") + 1

    report = flipped(target, paths[place], position, flip)
    assert sort_of(report) in {"changed", "unreadable", "truncated"}
    assert report.first_fault_seq == place * 67 + line  # one record a line, 67 a file
    assert f"{paths[place].name}, line {line}:" in str(report.fault)


@settings(max_examples=100, deadline=None)
@given(
    where=st.floats(0, 1, exclude_max=True),
    flip=st.integers(1, 255) | st.just(0x20),  # 0x20 turns a letter into a capital
    which=st.integers(0, 3),
)
def test_one_flipped_byte_in_the_keys_or_an_anchor_file_is_found(
    target: Path, where: float, flip: int, which: int
) -> None:
    small = sorted(target.rglob("*.json"))
    assert len(small) == 4  # the keys and three anchors
    report = flipped(target, small[which], int(where * small[which].stat().st_size), flip)
    assert sort_of(report) in {"anchor", "truncated"}


@pytest.mark.parametrize("place", ["audit-public-key.json", "anchors/2026-11-21.json"])
def test_hex_digits_in_capitals_are_found(log: Path, place: str) -> None:
    text = (log / place).read_text()
    field = '"public_key":"' if "key" in place else '"signature":"'
    start = text.index(field) + len(field)
    digits = text[start : start + 64]
    assert digits.upper() != digits
    (log / place).write_text(text.replace(digits, digits.upper()))
    assert sort_of(checked(log)) == "anchor"


def test_a_deleted_line_is_missing(log: Path) -> None:
    rewrite(log_files(log)[1], lambda lines: lines[:30] + lines[31:])
    report = checked(log)
    # Line 31 of the second file: 67 + 31.
    assert (sort_of(report), report.first_fault_seq) == ("missing", 98)
    assert "decisions-2026-11-22.jsonl, line 31" in str(report.fault)


def test_two_swapped_lines_are_reordered(log: Path) -> None:
    rewrite(log_files(log)[0], lambda x: [*x[:9], x[10], x[9], *x[11:]])
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("reordered", 10)


def test_a_deleted_day_is_missing_from_its_first_record(log: Path) -> None:
    log_files(log)[1].unlink()
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("missing", 68)


def test_swapped_day_files_are_found(log: Path) -> None:
    first, second, _ = log_files(log)
    held = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(held)
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("reordered", 1)


def forged_line(log: Path) -> bytes:
    """Return a line that continues the chain as well as the sealer itself could."""
    last = json.loads(log_files(log)[-1].read_bytes().splitlines()[-1])
    forged = {**last, "seq": last["seq"] + 1, "prev_hash": last["hash"], "event_type": "decision"}
    return resealed({k: v for k, v in forged.items() if k not in {"anchor", "signature"}})


def test_a_perfectly_forged_line_at_the_end_is_appended_where_the_database_is_asked(
    log: Path, whole: tuple[Path, FakeOutbox]
) -> None:
    forged = forged_line(log)
    rewrite(log_files(log)[-1], lambda lines: [*lines, forged])
    report = checked(log, whole[1])
    assert (sort_of(report), report.first_fault_seq) == ("appended", 202)
    # Nobody can tell without the database, an anchor or the key: the chain itself is whole.
    assert checked(log).ok


def test_a_clumsily_forged_line_is_found_without_the_database(log: Path) -> None:
    forged = forged_line(log).replace(b'"seq":202', b'"seq":203')
    rewrite(log_files(log)[-1], lambda lines: [*lines, forged])
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("changed", 202)


def test_a_cut_tail_shows_by_the_anchor_file_without_the_database(log: Path) -> None:
    rewrite(log_files(log)[-1], lambda lines: lines[:-5])
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("truncated", 197)
    assert "anchors/2026-11-23.json" in str(report.fault)


def test_a_cut_tail_shows_by_the_database_without_anchors(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 20)
    rewrite(log_files(tmp_path / "logs")[0], lambda lines: lines[:-3])
    report = checked(tmp_path / "logs", outbox)
    assert (sort_of(report), report.first_fault_seq) == ("truncated", 18)
    blind = checked(tmp_path / "logs")
    assert blind.ok
    assert any("cut at its end" in warning for warning in blind.warnings)


def test_a_cut_inside_a_line_is_found_with_and_without_the_database(
    log: Path, whole: tuple[Path, FakeOutbox]
) -> None:
    last = log_files(log)[-1]
    last.write_bytes(last.read_bytes()[:-10])
    for report in (checked(log), checked(log, whole[1])):
        assert (sort_of(report), report.first_fault_seq) == ("truncated", 201)
        assert "line 67" in str(report.fault)


def test_an_unfinished_write_that_nobody_acknowledged_is_a_warning(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    outbox.record()
    path = log_files(tmp_path / "logs")[0]
    with path.open("ab") as handle:
        handle.write(outbox.state.records[-1].line.encode()[:40])
    report = checked(tmp_path / "logs", outbox)
    assert report.ok
    assert any("unfinished write of seq 6" in warning for warning in report.warnings)
    with path.open("ab") as handle:
        handle.write(b"something else")
    assert sort_of(checked(tmp_path / "logs", outbox)) == "appended"


def test_committed_records_that_are_not_in_the_files_yet_are_no_fault(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    outbox.record(2)
    report = checked(tmp_path / "logs", outbox)
    assert report.ok
    assert report.last_seq == 5


def nicer(record: dict[str, Any]) -> None:
    record["selected"]["rationale"] = "nicer"


def test_a_chain_sealed_anew_from_the_middle_is_found_by_the_next_anchor(log: Path) -> None:
    rechain(log, 90, nicer)
    report = checked(log)
    # The second day's anchor is seq 134 and signed the head before it, 133.
    assert (sort_of(report), report.first_fault_seq) == ("anchor", 133)
    assert "the anchor of 2026-11-22 signed another hash" in str(report.fault)


def test_a_chain_sealed_anew_is_found_at_its_first_record_by_the_database(
    log: Path, whole: tuple[Path, FakeOutbox]
) -> None:
    rechain(log, 90, nicer)
    report = checked(log, whole[1])
    assert (sort_of(report), report.first_fault_seq) == ("changed", 90)
    assert "whose copy matches its own hash" in str(report.fault)


def test_an_anchor_signed_with_a_strangers_key_is_found(log: Path, tmp_path: Path) -> None:
    stranger = AnchorSigner(tmp_path / "stranger")

    def sign_anew(record: dict[str, Any]) -> None:
        record["anchor"]["key_id"] = stranger.key_id
        record["signature"] = stranger.sign(record["anchor"])

    rechain(log, 67, sign_anew)
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("anchor", 67)
    assert "not in audit-public-key.json" in str(report.fault)


def test_an_anchor_with_a_changed_statement_and_a_kept_signature_is_found(log: Path) -> None:
    rechain(log, 67, lambda record: record["anchor"].update(date="2026-11-20"))
    report = checked(log)
    assert (sort_of(report), report.first_fault_seq) == ("anchor", 67)
    assert "the signature does not fit" in str(report.fault)


def test_an_anchor_that_signs_what_comes_after_it_is_found(log: Path, tmp_path: Path) -> None:
    signer = AnchorSigner(tmp_path / "data")
    signer.publish(log)

    def sign_ahead(record: dict[str, Any]) -> None:
        record["anchor"].update(head_seq=500, key_id=signer.key_id)
        record["signature"] = signer.sign(record["anchor"])

    rechain(log, 67, sign_ahead)
    assert (sort_of(checked(log)), checked(log).first_fault_seq) == ("anchor", 67)


def test_deleted_public_keys_do_not_let_anchors_pass(log: Path) -> None:
    (log / "audit-public-key.json").unlink()
    assert sort_of(checked(log)) == "anchor"


def test_a_second_key_and_a_missing_anchor_file_are_warned_of(log: Path, tmp_path: Path) -> None:
    AnchorSigner(tmp_path / "another").publish(log)
    (log / "anchors" / "2026-11-22.json").unlink()
    report = checked(log)
    assert report.ok
    assert any("2 signing keys" in warning for warning in report.warnings)
    assert any("the first is seq 134" in warning for warning in report.warnings)


def test_past_days_without_an_anchor_are_warned_of(tmp_path: Path) -> None:
    build_log(tmp_path / "logs", 12, days=3)
    assert "2 days have no anchor: 2026-11-21, 2026-11-22" in checked(tmp_path / "logs").warnings


def test_a_file_that_does_not_begin_with_a_segment_start_is_a_fault(tmp_path: Path) -> None:
    build_log(tmp_path / "logs", 5)
    rechain(tmp_path / "logs", 1, lambda record: record.update(event_type="decision"))
    report = checked(tmp_path / "logs")
    assert (sort_of(report), report.first_fault_seq) == ("missing", 1)
    assert "segment_start" in str(report.fault)


def test_a_segment_start_that_names_another_last_record_is_a_fault(tmp_path: Path) -> None:
    build_log(tmp_path / "logs", 6, days=2)
    rechain(tmp_path / "logs", 4, lambda record: record.update(previous_seq=2))
    report = checked(tmp_path / "logs")
    assert (sort_of(report), report.first_fault_seq) == ("changed", 4)


def test_an_empty_file_is_a_fault(log: Path) -> None:
    (log / "decisions-2026-11-24.jsonl").touch()
    assert sort_of(checked(log)) == "truncated"


def test_no_file_at_all_is_unreadable_unless_the_database_is_empty_too(tmp_path: Path) -> None:
    assert sort_of(checked(tmp_path / "nowhere")) == "unreadable"
    assert checked(tmp_path / "nowhere", FakeOutbox()).ok


def test_deleting_every_file_shows_by_the_database(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    log_files(tmp_path / "logs")[0].unlink()
    report = checked(tmp_path / "logs", outbox)
    assert (sort_of(report), report.first_fault_seq) == ("truncated", 1)


def test_a_record_deleted_from_the_database_is_missing(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    del outbox.state.records[2]
    report = checked(tmp_path / "logs", outbox)
    assert (sort_of(report), report.first_fault_seq) == ("missing", 3)
    assert "the database holds seq 4" in str(report.fault)


def test_only_the_bytes_of_a_snapshot_are_read(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    path = log_files(tmp_path / "logs")[0]
    snapshot = {path.name: path.stat().st_size}
    with path.open("ab") as handle:
        handle.write(b'{"half a li')
    known = Outbox(outbox.state.flushed_seq, iter(outbox.state.records))
    report = verify_folder(tmp_path / "logs", now=CHECKED_AT, outbox=known, sizes=snapshot)
    assert report.ok, report.fault


def test_a_new_file_that_was_still_empty_in_the_snapshot_is_a_warning(tmp_path: Path) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    outbox.instant += timedelta(days=1)
    outbox.record()
    new = tmp_path / "logs" / "decisions-2026-11-22.jsonl"
    snapshot = {path.name: path.stat().st_size for path in log_files(tmp_path / "logs")}
    for size, content in ((0, b""), (0, b'{"actor":')):
        new.write_bytes(content)
        known = Outbox(outbox.state.flushed_seq, iter(outbox.state.records))
        report = verify_folder(
            tmp_path / "logs", now=CHECKED_AT, outbox=known, sizes={**snapshot, new.name: size}
        )
        assert report.ok, report.fault
        assert any("unfinished write of seq 6" in warning for warning in report.warnings)


def test_an_anchor_made_after_the_snapshot_is_left_alone(tmp_path: Path) -> None:
    signer = AnchorSigner(tmp_path / "data")
    outbox = build_log(tmp_path / "logs", 10, signer=signer)
    flushed_seq, snapshot = outbox.state.flushed_seq, sizes(tmp_path / "logs")
    assert set(snapshot) == {"decisions-2026-11-21.jsonl", "anchors/2026-11-21.json"}
    anchor(outbox, signer)
    JsonlAuditLog(tmp_path / "logs", signer).flush(outbox)
    known = Outbox(flushed_seq, iter(outbox.state.records))
    report = verify_folder(tmp_path / "logs", now=CHECKED_AT, outbox=known, sizes=snapshot)
    assert report.ok, report.fault
    assert report.last_seq == 10
