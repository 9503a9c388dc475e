"""Check a folder of log files: as a chain, against its anchors, and against the database where it is given.

Reads line by line; 40 bytes a record are kept in memory.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from audit.chain import KEYS_FILE, Chain, FaultError, Line, canonical, check_anchor, read_keys
from audit.files import ANCHORS_FOLDER, FILE_NAME, anchor_files, decision_files
from models.domain.decision import EventType, SealedRecord, record_hash
from models.domain.ports import VerifyReport

_DAYS_NAMED = 3
"""How many days without an anchor a warning names."""


@dataclass(frozen=True)
class Outbox:
    """What the database knows: every sealed record from seq 1, and how far the files were acknowledged."""

    flushed_seq: int
    records: Iterator[SealedRecord]


def verify_folder(
    folder: Path,
    *,
    now: datetime,
    outbox: Outbox | None = None,
    sizes: Mapping[str, int] | None = None,
) -> VerifyReport:
    """Check the log files of a folder and name the first fault.

    Args:
        folder: Where `decisions-YYYY-MM-DD.jsonl`, the public keys and `anchors/` lie.
        now: System time, stamped on the report.
        outbox: The database's records, to find what a self-consistent file cannot show.
        sizes: Which files to read and how much of each (see `audit.files.sizes`), a snapshot while a writer is
            at work; None: all there is.

    Returns:
        The report; an I/O error is a fault `unreadable` without a sequence number.
    """
    check = _FolderCheck(folder, outbox, sizes)
    fault: FaultError | None = None
    try:
        check.run()
    except FaultError as found:
        fault = found
    except OSError as error:
        fault = FaultError("unreadable", f"{error.filename}: {error.strerror}")
    chain = check.chain
    return VerifyReport(
        ok=fault is None,
        records=chain.records,
        last_seq=chain.last_seq,
        last_hash=chain.last_hash,
        checked_at=now,
        first_fault_seq=fault.seq if fault else None,
        fault=str(fault) if fault else None,
        anchors_checked=check.anchors,
        files=tuple(check.files),
        warnings=tuple(check.warnings),
    )


class _FolderCheck:
    """One pass over one folder."""

    def __init__(
        self, folder: Path, outbox: Outbox | None, sizes: Mapping[str, int] | None
    ) -> None:
        self.chain = Chain()
        self.anchors = 0
        self.files: list[str] = []
        self.warnings: list[str] = []
        self._folder = folder
        self._outbox = outbox
        self._sizes = sizes
        self._sealed: SealedRecord | None = None
        self._anchored_days: set[str] = set()
        self._anchor_seqs: set[int] = set()
        self._keys: dict[str, str] = {}

    def run(self) -> None:
        """Check everything; raise the first fault."""
        paths = decision_files(self._folder)
        self.files = [p.name for p in paths if self._sizes is None or p.name in self._sizes]
        self._keys = self._read_keys()
        for line, record in self.chain.walk(self._lines(), self._expected()):
            self._compare(line, record)
            if record.get("event_type") == EventType.ANCHOR:
                self._anchor(line, record)
        self._check_end()
        self._check_anchor_files()
        self._warn()

    def _read_keys(self) -> dict[str, str]:
        path = self._folder / KEYS_FILE
        if not path.exists():
            return {}
        try:
            return read_keys(_canonical_file(path))
        except ValueError as error:
            raise FaultError("anchor", str(error), file=KEYS_FILE) from error

    def _lines(self) -> Iterator[Line]:
        for name in self.files:
            path = self._folder / name
            is_last = name == self.files[-1]
            left = self._sizes[name] if self._sizes is not None else path.stat().st_size
            if left == 0:
                if not self._may_be_unfinished(name, b"", is_last=is_last):
                    raise FaultError("truncated", "the file is empty", file=name)
                return
            with path.open("rb") as handle:
                for number, raw in enumerate(handle, start=1):
                    part = raw[:left]
                    left -= len(part)
                    unfinished = not part.endswith(b"\n")
                    if unfinished and self._may_be_unfinished(name, part, is_last=is_last):
                        return
                    yield Line(name, number, part)
                    if left == 0:
                        break

    def _may_be_unfinished(self, name: str, part: bytes, *, is_last: bool) -> bool:
        """Return whether the end of the log is a write that was cut short and not yet acknowledged."""
        if self._outbox is None or not is_last or self.chain.last_seq < self._outbox.flushed_seq:
            return False
        seq = self.chain.last_seq + 1
        sealed = next(self._outbox.records, None)
        if sealed is None or sealed.seq != seq or not sealed.line.encode().startswith(part):
            detail = "it ends in something other than the start of the next record"
            raise FaultError("appended", detail, seq=seq, file=name)
        self.warnings.append(
            f"{name} ends in an unfinished write of seq {seq}; the writer will redo it"
        )
        return True

    def _expected(self) -> Iterator[int]:
        for seq in itertools.count(1):
            if self._outbox is not None:
                self._sealed = next(self._outbox.records, None)
                if self._sealed is None:
                    return
                if self._sealed.seq != seq:
                    detail = f"the database holds seq {self._sealed.seq} in its place"
                    raise FaultError("missing", detail, seq=seq)
            yield seq

    def _compare(self, line: Line, record: Mapping[str, Any]) -> None:
        place: dict[str, Any] = {"seq": record["seq"], "file": line.file, "line": line.number}
        if self._sealed is not None and self._sealed.line.encode() != line.raw[:-1]:
            raise FaultError("changed", _difference(self._sealed), **place)
        opens = record.get("event_type") == EventType.SEGMENT_START
        if line.number == 1 and not opens:
            detail = "the file does not begin with a segment_start record"
            raise FaultError("missing", detail, **place)
        before = (record["prev_hash"], record["seq"] - 1)
        if opens and (record.get("previous_hash"), record.get("previous_seq")) != before:
            detail = "segment_start names another last record of the file before"
            raise FaultError("changed", detail, **place)

    def _anchor(self, line: Line, record: Mapping[str, Any]) -> None:
        place: dict[str, Any] = {"seq": record["seq"], "file": line.file, "line": line.number}
        anchor = check_anchor(record, self.chain, self._keys, **place)
        if not 0 < anchor.head_seq < record["seq"]:
            detail = f"it signs seq {anchor.head_seq}, which is not before it"
            raise FaultError("anchor", detail, **place)
        self.anchors += 1
        self._anchored_days.add(record["ts_utc"][:10])
        self._anchor_seqs.add(record["seq"])

    def _check_end(self) -> None:
        after = self.chain.last_seq + 1
        if self._outbox is not None and self.chain.last_seq < self._outbox.flushed_seq:
            detail = f"the files end at seq {self.chain.last_seq}, seq {self._outbox.flushed_seq} was already in them"
            raise FaultError("truncated", detail, seq=after)

    def _check_anchor_files(self) -> None:
        for path in anchor_files(self._folder):
            name = f"{ANCHORS_FOLDER}/{path.name}"
            if self._sizes is not None and name not in self._sizes:
                continue
            try:
                copy = _canonical_file(path)
                seq, digest = copy["record"]["seq"], copy["record"]["hash"]
            except (ValueError, TypeError, KeyError) as error:
                raise FaultError("anchor", f"cannot be understood ({error})", file=name) from error
            anchor = check_anchor(copy, self.chain, self._keys, file=name)
            furthest = max(anchor.head_seq, seq)
            if furthest > self.chain.last_seq:
                detail = f"the records end at seq {self.chain.last_seq}, this anchor knows seq {furthest}"
                raise FaultError("truncated", detail, seq=self.chain.last_seq + 1, file=name)
            if self.chain.hash_of(seq) != digest:
                raise FaultError("anchor", "its own record has another hash", seq=seq, file=name)
            self._anchor_seqs.discard(seq)
        if not self.files and self._outbox is None:
            raise FaultError("unreadable", f"there is no decisions-*.jsonl in {self._folder}")

    def _warn(self) -> None:
        if self._anchor_seqs:
            self.warnings.append(
                f"{len(self._anchor_seqs)} anchors have no file in {ANCHORS_FOLDER}/, "
                f"the first is seq {min(self._anchor_seqs)}"
            )
        days = [match[1] for name in self.files[:-1] if (match := FILE_NAME.fullmatch(name))]
        bare = [day for day in days if day not in self._anchored_days]
        if bare:
            named = ", ".join(bare[:_DAYS_NAMED]) + (" …" if len(bare) > _DAYS_NAMED else "")
            self.warnings.append(f"{len(bare)} days have no anchor: {named}")
        if len(self._keys) > 1:
            self.warnings.append(f"{len(self._keys)} signing keys are in use; know them all")
        if self._outbox is None and not self.anchors:
            self.warnings.append(
                "without the database and without anchors, a chain rewritten as a whole or cut at its end "
                "looks whole"
            )


def _difference(sealed: SealedRecord) -> str:
    try:
        kept = json.loads(sealed.line)
        intact = isinstance(kept, dict) and record_hash(kept) == kept.get("hash")
    except (ValueError, TypeError, RecursionError):
        intact = False
    if intact:
        return "the file holds another record than the database, whose copy matches its own hash"
    return "the file's record matches its own hash, the database's copy does not"


def _canonical_file(path: Path) -> Any:
    data = path.read_bytes()
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if f"{canonical(value)}\n".encode() != data:
        raise ValueError("it is not in canonical form")
    return value
