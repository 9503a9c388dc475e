"""Write records as an export that a stranger can verify: JSONL, CSV, manifest, keys, anchors and `verify.py`.

Taken from the files, never from the database. A selection (a job, a date range) need not be contiguous: each
record still proves itself by its own hash, links are checked where neighbours are present, and the manifest
lists the sequence numbers that belong to it.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from audit.anchors import AnchorSigner, anchor_copy, key_listing, load_keys
from audit.bundle import verify_script
from audit.chain import VERSION
from audit.csv_rows import CsvFile
from audit.files import FILE_NAME
from models.domain.decision import PROFILE_NOTE, EventType, millisecond_utc
from models.domain.errors import AuditBroken, Conflict, InvalidRequest, NotFound
from models.domain.ports import VerifyReport
from models.domain.time import london_date, parse_rfc3339

EXPORT_SCHEMA = "decision-export/1"
"""Schema name of a manifest."""

_TRUNCATION_NOTE = (
    "An export that was cut at its end, or from which records were left out, shows this only by this "
    "manifest and its anchors; compare the key id with the one published outside the system."
)
_SELECTION_NOTE = (
    "Records of a selection are not all neighbours: each is checked by its own hash, and its link to the "
    "record before where that record is here too."
)


@dataclass(frozen=True)
class Selection:
    """Which records an export holds: all, one job's, or those of a range of settlement dates."""

    job_id: str | None = None
    first_date: date | None = None
    """First settlement date; a record without one counts by the London date of its `ts_utc`."""
    last_date: date | None = None
    """Last settlement date, included."""

    def __post_init__(self) -> None:
        """Refuse a range that ends before it begins."""
        if self.first_date and self.last_date and self.last_date < self.first_date:
            raise InvalidRequest(
                f"the export ends on {self.last_date}, before it begins on {self.first_date}; swap the dates"
            )

    @property
    def kind(self) -> Literal["all", "selected"]:
        """Return whether every record belongs to it."""
        return "all" if self == Selection() else "selected"

    def to_json(self) -> dict[str, str | None]:
        """Return it as the manifest says it."""
        return {
            "kind": self.kind,
            "job_id": self.job_id,
            "first_settlement_date": self.first_date.isoformat() if self.first_date else None,
            "last_settlement_date": self.last_date.isoformat() if self.last_date else None,
        }


@dataclass(frozen=True)
class ExportSummary:
    """What was written."""

    path: Path
    records: int
    first_seq: int
    last_seq: int
    files: tuple[str, ...]


class _Chooser:
    """Decides record by record, in order, whether it belongs to a selection."""

    def __init__(self, wanted: Selection) -> None:
        self._wanted = wanted
        self._event_ids: set[str] = set()

    def takes(self, record: Mapping[str, Any]) -> bool:
        wanted = self._wanted
        # Outcomes and corrections belong to the decision they refer to.
        of_job = record.get("job_id") == wanted.job_id or record.get("ref") in self._event_ids
        if wanted.job_id is not None and not of_job:
            return False
        if wanted.first_date or wanted.last_date:
            day = _settlement_date(record)
            if day < (wanted.first_date or day) or day > (wanted.last_date or day):
                return False
        if wanted.job_id is not None:
            self._event_ids.add(str(record["event_id"]))
        return True


def _settlement_date(record: Mapping[str, Any]) -> date:
    if record.get("settlement_date"):
        return date.fromisoformat(record["settlement_date"])
    return london_date(parse_rfc3339(record["ts_utc"]))


@dataclass
class _Written:
    """What has been written so far."""

    files: list[dict[str, Any]] = field(default_factory=list)
    ranges: list[list[int]] = field(default_factory=list)
    anchors: list[dict[str, Any]] = field(default_factory=list)

    def note(self, record: Mapping[str, Any], name: str) -> None:
        """Count a record of a file."""
        seq, digest = record["seq"], record["hash"]
        if self.ranges and self.ranges[-1][1] == seq - 1:
            self.ranges[-1][1] = seq
        else:
            self.ranges.append([seq, seq])
        if not self.files or self.files[-1]["name"] != name:
            first = {"name": name, "lines": 0, "first_seq": seq, "first_hash": digest}
            self.files.append(first)
        self.files[-1]["lines"] += 1
        self.files[-1].update(last_seq=seq, last_hash=digest)

    @property
    def records(self) -> int:
        """Return how many records were counted."""
        return sum(last - first + 1 for first, last in self.ranges)

    def ends(self) -> dict[str, Any]:
        """Return seq and hash of the first and the last record; there is at least one."""
        first, last = self.files[0], self.files[-1]
        return {key: first[key] for key in ("first_seq", "first_hash")} | {
            key: last[key] for key in ("last_seq", "last_hash")
        }


def export_log(
    logs_dir: Path,
    target: Path,
    selection: Selection,
    *,
    report: VerifyReport,
    sizes: Mapping[str, int],
    signer: AnchorSigner | None,
    now: datetime,
) -> ExportSummary:
    """Write an export as a folder, or as a zip file if the target's name ends in `.zip`.

    Args:
        logs_dir: The log.
        target: Folder or `.zip` file to make; must not exist yet.
        selection: Which records.
        report: A verification of the same files, made just before.
        sizes: How much of each file to read. [bytes]
        signer: Signs the manifest; None leaves it unsigned.
        now: System time.

    Raises:
        AuditBroken: If the verification found a fault: a broken log is not passed on as a good one.
        Conflict: If the target exists.
        NotFound: If nothing is selected.
    """
    if not report.ok:
        raise AuditBroken(
            f"the log does not verify ({report.fault}); nothing was exported, "
            "copy the folder as it is if the fault itself is the evidence"
        )
    if target.exists():
        raise Conflict(f"{target} exists already; name another place for the export")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as scratch:
        folder = Path(scratch) / "export"
        folder.mkdir()
        written = _write_records(logs_dir, folder, selection, sizes)
        if not written.records:
            raise NotFound("no record belongs to this selection; nothing was exported")
        _write_manifest(logs_dir, folder, selection, written, report, signer, now)
        (folder / "verify.py").write_text(verify_script(), encoding="utf-8")
        names = tuple(sorted(path.name for path in folder.iterdir()))
        if target.suffix == ".zip":
            _zip(folder, target, Path(scratch) / "export.zip")
        else:
            folder.rename(target)
    ends = written.ends()
    return ExportSummary(target, written.records, ends["first_seq"], ends["last_seq"], names)


def _write_records(
    logs_dir: Path, folder: Path, selection: Selection, sizes: Mapping[str, int]
) -> _Written:
    written = _Written()
    chooser = _Chooser(selection)
    with CsvFile(folder / "decisions.csv") as rows:
        for name in sorted(filter(FILE_NAME.fullmatch, sizes)):
            copied = hashlib.sha256()
            with (folder / name).open("wb") as copy:
                for raw, record in _records(logs_dir / name, sizes[name]):
                    if record["event_type"] == EventType.ANCHOR:
                        written.anchors.append(anchor_copy(record))
                    if chooser.takes(record):
                        copy.write(raw)
                        copied.update(raw)
                        rows.add(record)
                        written.note(record, name)
            if written.files and written.files[-1]["name"] == name:
                written.files[-1]["sha256"] = copied.hexdigest()
            else:
                (folder / name).unlink()
    return written


def _records(path: Path, size: int) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the whole lines within the first `size` bytes, verified already."""
    with path.open("rb") as handle:
        for raw in handle:
            size -= len(raw)
            if size < 0 or not raw.endswith(b"\n"):
                return
            yield raw, json.loads(raw)


def _write_manifest(
    logs_dir: Path,
    folder: Path,
    selection: Selection,
    written: _Written,
    report: VerifyReport,
    signer: AnchorSigner | None,
    now: datetime,
) -> None:
    keys = load_keys(logs_dir)
    if signer is not None:
        keys[signer.key_id] = signer.public_key
    manifest: dict[str, Any] = {
        "schema": EXPORT_SCHEMA,
        "created_utc": millisecond_utc(now),
        "verifier_version": VERSION,
        "selection": selection.to_json(),
        "contiguous": len(written.ranges) == 1,
        "records": written.records,
        **written.ends(),
        "seq_ranges": written.ranges,
        "files": written.files,
        "csv": {
            "name": "decisions.csv",
            "sha256": hashlib.sha256((folder / "decisions.csv").read_bytes()).hexdigest(),
        },
        "source": {
            "verified_utc": millisecond_utc(report.checked_at),
            "records": report.records,
            "last_seq": report.last_seq,
            "last_hash": report.last_hash,
            "warnings": list(report.warnings),
        },
        "public_keys": key_listing(keys),
        "anchors": written.anchors,
        "notes": [PROFILE_NOTE, _TRUNCATION_NOTE, _SELECTION_NOTE],
    }
    signature = None
    if signer is not None:
        signature = {"key_id": signer.key_id, "value": signer.sign(manifest)}
    text = json.dumps({**manifest, "signature": signature}, indent=2, ensure_ascii=False)
    (folder / "manifest.json").write_text(f"{text}\n", encoding="utf-8")


def _zip(folder: Path, target: Path, scratch: Path) -> None:
    with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"{target.stem}/{path.name}")
    scratch.rename(target)
