"""An export verifies without the application, by the script inside it."""

from __future__ import annotations

import ast
import csv
import json
import shutil
import subprocess
import sys
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.anchors import AnchorSigner
from audit.export import Selection
from audit.writer import JsonlAuditLog
from models.domain.decision import DecisionDraft, EventType
from models.domain.errors import AuditBroken, Conflict, NotFound
from tests.support.audit_logs import (
    build_log,
    log_files,
    rechain,
    resealed,
    rewrite,
)
from tests.support.fake_decisions import FIRST_INSTANT, FakeOutbox, a_decision

Made = tuple[Path, JsonlAuditLog, FakeOutbox]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Return a log of 31 records over three days, its writer and its outbox."""
    signer = AnchorSigner(tmp_path / "data")
    outbox = build_log(tmp_path / "logs", 30, days=3, signer=signer)
    last = outbox.state.records[5]
    outcome = DecisionDraft(EventType.OUTCOME, {"energy_kwh": "1.5"}, ref=_uuid(last.event_id))
    outbox.add(outcome)
    log = JsonlAuditLog(tmp_path / "logs", signer)
    log.flush(outbox)
    return tmp_path / "out", log, outbox


def _uuid(text: str) -> Any:
    from uuid import UUID

    return UUID(text)


def run_verify(folder: Path, *, bare: bool = False) -> tuple[int, str]:
    """Run the export's own script; `bare` hides every installed package."""
    flags = ["-I", "-S"] if bare else ["-I"]
    done = subprocess.run(
        [sys.executable, *flags, "verify.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def seqs(folder: Path) -> list[int]:
    return [
        json.loads(raw)["seq"]
        for path in log_files(folder)
        for raw in path.read_bytes().splitlines()
    ]


def test_a_whole_export_holds_everything_and_verifies_by_itself(made: Made) -> None:
    out, log, outbox = made
    summary = log.export(out, Selection(), outbox)
    assert (summary.records, summary.first_seq, summary.last_seq) == (31, 1, 31)
    assert sorted(path.name for path in out.iterdir()) == sorted(summary.files)
    assert set(summary.files) == {
        "decisions-2026-11-21.jsonl",
        "decisions-2026-11-22.jsonl",
        "decisions-2026-11-23.jsonl",
        "decisions.csv",
        "manifest.json",
        "verify.py",
    }
    status, said = run_verify(out)
    assert status == 0
    assert "OK" in said
    assert "31 links to the record before were compared; 0 records stand here without it" in said
    assert "Signatures were checked: 3 anchors" in said
    assert "shows it only by its manifest and anchors" in said


def test_without_cryptography_it_says_that_signatures_were_not_checked(made: Made) -> None:
    out, log, outbox = made
    log.export(out, Selection(), outbox)
    status, said = run_verify(out, bare=True)
    assert status == 0
    assert "Signatures were NOT checked" in said


def test_the_script_imports_nothing_of_ours() -> None:
    from audit.bundle import verify_script

    text = verify_script()
    assert "from audit" not in text
    assert "import audit" not in text
    assert text.count("from __future__") == 1
    ast.parse(text, feature_version=(3, 9))  # what its first lines promise


def test_the_manifest_says_what_is_there(made: Made) -> None:
    out, log, outbox = made
    log.export(out, Selection(), outbox)
    manifest = json.loads((out / "manifest.json").read_text())
    records = outbox.state.records
    assert (manifest["records"], manifest["contiguous"]) == (31, True)
    assert manifest["seq_ranges"] == [[1, 31]]
    assert (manifest["first_hash"], manifest["last_hash"]) == (records[0].hash, records[-1].hash)
    assert [file["lines"] for file in manifest["files"]] == [10, 10, 11]
    second = manifest["files"][1]
    assert (second["first_seq"], second["last_seq"]) == (11, 20)
    assert (second["first_hash"], second["last_hash"]) == (records[10].hash, records[19].hash)
    assert [anchor["anchor"]["head_seq"] for anchor in manifest["anchors"]] == [9, 19, 29]
    assert manifest["verifier_version"] == "1"
    assert "sets no logging duty" in manifest["notes"][0]
    with (out / "decisions.csv").open(encoding="utf-8", newline="") as handle:
        assert [int(line["seq"]) for line in csv.DictReader(handle)] == list(range(1, 32))


def test_a_zip_holds_the_same_and_verifies_after_unpacking(made: Made) -> None:
    out, log, outbox = made
    archive = out.with_name("decisions-2026.zip")
    summary = log.export(archive, Selection(), outbox)
    assert summary.path == archive
    with zipfile.ZipFile(archive) as unpacked:
        unpacked.extractall(out)
    assert run_verify(out / "decisions-2026")[0] == 0
    assert sorted(path.name for path in out.parent.iterdir()) == [
        "data",
        "decisions-2026.zip",
        "logs",
        "out",
    ]


def test_one_jobs_records_and_their_outcomes_are_selected(made: Made) -> None:
    out, log, outbox = made
    log.export(out, Selection(job_id="job-1"), outbox)
    # a_decision(n) belongs to job n % 5 and n is its seq but for the record after a day's start,
    # where the segment_start takes one: asked of the outbox itself, plus the outcome of seq 6.
    wanted = [record.seq for record in outbox.state.records if record.job_id == "job-1"]
    assert 6 in wanted
    assert seqs(out) == [*wanted, 31]
    status, said = run_verify(out)
    assert status == 0
    assert f"{len(wanted) + 1} records match their own hash" in said
    assert "stand here without it" in said
    assert json.loads((out / "manifest.json").read_text())["contiguous"] is False


def test_a_range_of_settlement_dates_is_selected(tmp_path: Path) -> None:
    outbox, log = FakeOutbox(), JsonlAuditLog(tmp_path / "logs")
    for day in (0, 1, 2):
        slot = FIRST_INSTANT + timedelta(days=day)
        draft = a_decision(day)
        outbox.add(type(draft)(**{**vars(draft), "first_slot": slot}))
    log.flush(outbox)
    # Seq 1 is the segment_start of 21 November; 2, 3 and 4 speak of the 21st, 22nd and 23rd.
    log.export(
        tmp_path / "a", Selection(first_date=date(2026, 11, 22), last_date=date(2026, 11, 22))
    )
    assert seqs(tmp_path / "a") == [3]
    log.export(tmp_path / "b", Selection(last_date=date(2026, 11, 21)))
    assert seqs(tmp_path / "b") == [1, 2]
    log.export(tmp_path / "c", Selection(first_date=date(2026, 11, 22)))
    assert seqs(tmp_path / "c") == [3, 4]
    for name in "abc":
        assert run_verify(tmp_path / name)[0] == 0
    assert "the manifest itself is not signed" in run_verify(tmp_path / "a")[1]


def flip(out: Path) -> None:
    path = log_files(out)[1]
    path.write_bytes(path.read_bytes().replace(b"segment_start", b"segment_stard", 1))


def forge_a_record(out: Path) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        record = json.loads(lines[3])
        record["selected"]["rationale"] = "nicer"
        return [*lines[:3], resealed(record), *lines[4:]]

    rewrite(log_files(out)[0], change)


def shorten_with_the_manifest(out: Path) -> None:
    """Cut the last day off and make the manifest fit, as far as one can without the key."""
    manifest = json.loads((out / "manifest.json").read_text())
    gone = manifest["files"].pop()
    (out / gone["name"]).unlink()
    manifest["seq_ranges"] = [[1, 20]]
    manifest["signature"] = None
    (out / "manifest.json").write_text(json.dumps(manifest))


def edit_the_manifest(out: Path) -> None:
    text = (out / "manifest.json").read_text()
    (out / "manifest.json").write_text(text.replace('"kind": "all"', '"kind": "selected"'))


def rechain_all(out: Path) -> None:
    rechain(out, 5, lambda record: record["selected"].update(rationale="nicer"))


def edit_the_csv(out: Path) -> None:
    path = out / "decisions.csv"
    path.write_text(path.read_text().replace("-0.35", "-9.35", 1))


@pytest.mark.parametrize(
    ("spoil", "first_line"),
    [
        (flip, "FAULT changed: seq 11, decisions-2026-11-22.jsonl, line 1"),
        (
            lambda out: rewrite(log_files(out)[0], lambda x: x[:4] + x[5:]),
            "FAULT missing: seq 5, decisions-2026-11-21.jsonl, line 5",
        ),
        (
            lambda out: rewrite(log_files(out)[0], lambda x: [*x[:4], x[5], x[4], *x[6:]]),
            "FAULT reordered: seq 5",
        ),
        (
            lambda out: rewrite(log_files(out)[2], lambda x: x[:-1]),
            "FAULT truncated: seq 31",
        ),
        (
            lambda out: rewrite(log_files(out)[2], lambda x: [*x, x[-1]]),
            "FAULT appended: seq 32",
        ),
        (
            lambda out: shutil.copy(log_files(out)[0], out / "decisions-2026-11-20.jsonl"),
            "FAULT appended: decisions-2026-11-20.jsonl",
        ),
        (lambda out: log_files(out)[1].unlink(), "FAULT missing: decisions-2026-11-22.jsonl"),
        (forge_a_record, "FAULT changed: seq 4"),
        (rechain_all, "FAULT anchor: seq 9"),
        (edit_the_csv, "FAULT changed: decisions.csv"),
        (shorten_with_the_manifest, "FAULT truncated: seq 21"),
        (edit_the_manifest, "FAULT changed: manifest.json"),
        (lambda out: (out / "manifest.json").unlink(), "FAULT unreadable: manifest.json"),
        (lambda out: (out / "manifest.json").write_text("[]"), "FAULT unreadable: manifest.json"),
    ],
)
def test_a_spoilt_export_is_refused_with_its_first_fault(
    made: Made, spoil: Any, first_line: str
) -> None:
    out, log, outbox = made
    log.export(out, Selection(), outbox)
    spoil(out)
    status, said = run_verify(out)
    assert (status, said.splitlines()[0][: len(first_line)]) == (1, first_line)


def test_a_record_left_out_of_a_selection_is_named(made: Made) -> None:
    out, log, outbox = made
    log.export(out, Selection(job_id="job-2"), outbox)
    left_out = seqs(out)[1]
    path = next(p for p in log_files(out) if f'"seq":{left_out},'.encode() in p.read_bytes())
    rewrite(path, lambda lines: [x for x in lines if json.loads(x)["seq"] != left_out])
    status, said = run_verify(out, bare=True)
    assert status == 1
    assert said.startswith(f"FAULT missing: seq {left_out},")


def test_a_broken_log_is_not_exported_as_a_good_one(made: Made) -> None:
    out, log, outbox = made
    rewrite(log_files(out.parent / "logs")[0], lambda lines: lines[:3] + lines[4:])
    with pytest.raises(AuditBroken, match=r"does not verify .*missing: seq 4"):
        log.export(out, Selection(), outbox)
    assert not out.exists()


def test_an_existing_target_and_an_empty_selection_are_refused(made: Made) -> None:
    out, log, outbox = made
    with pytest.raises(NotFound, match="no record belongs"):
        log.export(out, Selection(job_id="nobody"), outbox)
    out.mkdir()
    with pytest.raises(Conflict, match="exists already"):
        log.export(out, Selection(), outbox)
    assert list(out.iterdir()) == []
