"""`python -m audit verify` and what it says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from audit.__main__ import main
from audit.export import Selection
from audit.writer import JsonlAuditLog
from models.domain.errors import InvalidRequest
from tests.support.audit_logs import build_log, log_files, rewrite


def test_a_whole_log_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build_log(tmp_path, 5)
    assert main(["verify", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("OK: the log is whole\n5 records in 1 files followed, up to seq 5\n")
    assert "warning: without the database and without anchors" in said


def test_a_fault_ends_with_1_and_is_named_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_log(tmp_path, 5)
    rewrite(log_files(tmp_path)[0], lambda lines: lines[:2] + lines[3:])
    assert main(["verify", str(tmp_path)]) == 1
    assert capsys.readouterr().out.startswith(
        "FAULT missing: seq 3, decisions-2026-11-21.jsonl, line 3: seq 4 stands in its place\n"
    )


def test_an_unreadable_line_ends_with_1(tmp_path: Path) -> None:
    build_log(tmp_path, 5)
    rewrite(log_files(tmp_path)[0], lambda lines: [*lines[:2], b"?\n", *lines[3:]])
    assert main(["verify", str(tmp_path)]) == 1


def test_a_folder_without_a_log_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(tmp_path / "nowhere")]) == 2
    assert "there is no decisions-*.jsonl" in capsys.readouterr().out


def test_a_file_that_cannot_be_read_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "decisions-2026-11-21.jsonl").mkdir()
    assert main(["verify", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().out


def test_an_unpacked_export_is_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox = build_log(tmp_path / "logs", 5)
    JsonlAuditLog(tmp_path / "logs").export(tmp_path / "out", Selection(), outbox)
    assert main(["verify", str(tmp_path / "out")]) == 0
    assert "nothing is wrong with this export" in capsys.readouterr().out
    rewrite(log_files(tmp_path / "out")[0], lambda lines: lines[:-1])
    assert main(["verify", str(tmp_path / "out")]) == 1


def test_an_export_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="ends on 2026-11-20, before it begins on 2026-11-21"):
        Selection(first_date=date(2026, 11, 21), last_date=date(2026, 11, 20))
