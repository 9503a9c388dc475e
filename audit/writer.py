"""Carry sealed records from the database to the day files, each exactly once and durably.

The database transaction that made a decision also sealed its record; this writer appends what the files lack,
syncs them, and only then acknowledges. It never repairs: files that differ from the database stop it.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from audit.anchors import AnchorSigner, write_anchor_file
from audit.chain import FaultError, Line, checked_record
from audit.export import ExportSummary, Selection, export_log
from audit.files import (
    append_durably,
    cut_durably,
    decision_files,
    file_name,
    lines_from_end,
    locked,
    make_folder,
    sizes,
    sync_file,
)
from audit.verifier import Outbox, verify_folder
from models.domain.decision import GENESIS_HASH, EventType, SealedRecord
from models.domain.errors import AuditBroken
from models.domain.ports import UnitOfWorkFactory, VerifyReport

BATCH_RECORDS = 500
"""Records appended and synced before they are acknowledged together."""

LOCK_TIMEOUT_SECONDS = 30.0
"""How long to wait for another process that holds the log. [s]"""

log = logging.getLogger(__name__)


def _system_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Tail:
    """The end of the log as this writer left it."""

    seq: int
    hash: str
    path: Path | None
    """Newest file; None while there is none."""
    stamp: tuple[int, ...] = ()
    """Device, inode, size and change times of that file: they change whenever its content does."""

    @property
    def size(self) -> int:
        """Return the size of the newest file. [bytes]"""
        return self.stamp[2] if self.stamp else 0


@dataclass(frozen=True)
class _FileRecord:
    """A complete line at the end of the log."""

    path: Path
    record: dict[str, Any]
    text: str


def _stamp(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


class JsonlAuditLog:
    """The audit log as JSON Lines files, one a UTC day; implements the port `AuditLog`."""

    def __init__(
        self,
        logs_dir: Path,
        signer: AnchorSigner | None = None,
        *,
        now: Callable[[], datetime] = _system_now,
        lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS,
    ) -> None:
        """Name the folder; nothing is read or made yet.

        Args:
            logs_dir: Folder of the records, the public keys and the anchor files.
            signer: Signs manifests of exports and publishes its public key beside the records.
            now: System time, for reports.
            lock_timeout_seconds: How long to wait for another process. [s]
        """
        self._folder = logs_dir
        self._signer = signer
        self._now = now
        self._lock_timeout_seconds = lock_timeout_seconds
        self._guard = threading.Lock()
        self._tail: _Tail | None = None

    def flush(self, uow_factory: UnitOfWorkFactory) -> int:
        """Append every sealed record beyond the files, sync, then advance `flushed_seq`; return how many.

        The caller holds the lease of the loop; the file lock guards against a holder that lost it unawares.

        Raises:
            AuditBroken: If the files are behind `flushed_seq`, differ from the database or cannot be written.
            Conflict: If another process keeps the lock.
        """
        with self._guard:
            tail, self._tail = self._tail, None
            try:
                make_folder(self._folder)
                with locked(self._folder, timeout_seconds=self._lock_timeout_seconds):
                    tail, appended = self._flush(uow_factory, tail)
            except OSError as error:
                raise AuditBroken(
                    f"the audit log in {self._folder} cannot be written "
                    f"({error.strerror or error}: {error.filename or 'log file'}); free space or mend the "
                    "permissions; records wait in the database and nothing is lost"
                ) from error
            self._tail = tail
            return appended

    def verify(self, uow_factory: UnitOfWorkFactory | None = None) -> VerifyReport:
        """Check the files as a chain, against anchors, and against the database where one is given.

        Raises:
            Conflict: If another process keeps the lock.
        """
        if uow_factory is None:
            return verify_folder(self._folder, now=self._now(), sizes=self._snapshot())
        # Order matters while a writer is at work: acknowledged, then files, then the database's end.
        with uow_factory() as uow:
            flushed_seq = uow.decisions.flushed_seq()
        snapshot = self._snapshot()
        outbox = Outbox(flushed_seq, _records_after(uow_factory, 0))
        return verify_folder(self._folder, now=self._now(), outbox=outbox, sizes=snapshot)

    def export(
        self,
        target: Path,
        selection: Selection,
        uow_factory: UnitOfWorkFactory | None = None,
    ) -> ExportSummary:
        """Verify the files, then write the selected records as an export (see `audit.export`).

        Raises:
            AuditBroken: If the verification finds a fault.
            Conflict: If the target exists, or another process keeps the lock.
            NotFound: If nothing is selected.
        """
        snapshot = self._snapshot()
        report = self.verify(uow_factory)
        return export_log(
            self._folder,
            target,
            selection,
            report=report,
            sizes=snapshot,
            signer=self._signer,
            now=self._now(),
        )

    def _snapshot(self) -> dict[str, int]:
        if not self._folder.is_dir():
            return {}
        with locked(self._folder, shared=True, timeout_seconds=self._lock_timeout_seconds):
            return sizes(self._folder)

    def _flush(self, uow_factory: UnitOfWorkFactory, tail: _Tail | None) -> tuple[_Tail, int]:
        with uow_factory() as uow:
            flushed_seq = uow.decisions.flushed_seq()
            head_seq, _ = uow.decisions.head()
        if tail is None or flushed_seq > tail.seq or not self._is_unchanged(tail):
            tail = self._recover(uow_factory, flushed_seq, head_seq)
        if tail.seq > flushed_seq:
            _acknowledge(uow_factory, tail.seq)
        appended = 0
        while True:
            with uow_factory() as uow:
                batch = uow.decisions.after(tail.seq, BATCH_RECORDS)
            if not batch:
                return tail, appended
            tail = self._append(tail, batch)
            _acknowledge(uow_factory, tail.seq)
            appended += len(batch)

    def _is_unchanged(self, tail: _Tail) -> bool:
        files = decision_files(self._folder)
        if tail.path is None or not files:
            return tail.path is None and not files
        return files[-1] == tail.path and _stamp(tail.path) == tail.stamp

    # --- after a start, or when somebody else has written ---------------------------------------

    def _recover(self, uow_factory: UnitOfWorkFactory, flushed_seq: int, head_seq: int) -> _Tail:
        """Read the end of the files, compare it with the database and cut an unfinished last line."""
        if self._signer is not None:
            self._signer.publish(self._folder)
        files = decision_files(self._folder)
        torn, found = _read_end(files, flushed_seq, head_seq)
        seq, digest = self._compare_end(uow_factory, flushed_seq, found)
        if not files:
            return _Tail(seq, digest, None)
        newest = files[-1]
        if torn:
            log.warning("cut %d bytes of an unfinished record from %s", torn, newest)
            cut_durably(newest, newest.stat().st_size - torn)
        unacknowledged = [line for line in found if line.record["seq"] > flushed_seq]
        for path in dict.fromkeys(line.path for line in unacknowledged):
            sync_file(path)
        for line in unacknowledged:
            if line.record.get("event_type") == EventType.ANCHOR:
                write_anchor_file(self._folder, line.record)
        return _Tail(seq, digest, newest, _stamp(newest))

    def _compare_end(
        self, uow_factory: UnitOfWorkFactory, flushed_seq: int, found: Sequence[_FileRecord]
    ) -> tuple[int, str]:
        """Return seq and hash of the last complete line, all lines of `found` being as the database has them."""
        last_seq = found[-1].record["seq"] if found else 0
        if last_seq < flushed_seq:
            where = (
                f"{found[-1].path} ends at seq {last_seq}" if found else f"{self._folder} is empty"
            )
            raise AuditBroken(
                f"{where}, but records up to seq {flushed_seq} were already written there; "
                "put the missing records back from a copy, nothing is appended until then"
            )
        known = _records_after(uow_factory, max(flushed_seq - 1, 0))
        digest = GENESIS_HASH
        for line in found:
            sealed = next(known, None)
            if sealed is None or sealed.line != line.text:
                raise AuditBroken(
                    f"{line.path} holds seq {line.record['seq']} with hash "
                    f"{str(line.record.get('hash'))[:16]}…, which is not the database's record "
                    f"{sealed.seq if sealed else 'of any seq'}; find out which of the two was changed"
                )
            digest = sealed.hash
        return last_seq, digest

    # --- appending ------------------------------------------------------------------------------

    def _append(self, tail: _Tail, batch: Sequence[SealedRecord]) -> _Tail:
        """Write one batch to its day files and sync them; anchors get their own files too."""
        for name, group in groupby(batch, key=lambda sealed: file_name(sealed.ts_utc)):
            tail = self._append_to(self._folder / name, tail, tuple(group))
        for sealed in batch:
            if sealed.event_type == EventType.ANCHOR:
                write_anchor_file(self._folder, json.loads(sealed.line))
        return tail

    def _append_to(self, path: Path, tail: _Tail, records: Sequence[SealedRecord]) -> _Tail:
        if tail.path is not None and path.name < tail.path.name:
            raise AuditBroken(
                f"the database's record seq {records[0].seq} is dated before {tail.path.name}, which is "
                "already being written; the system clock went back"
            )
        starts_file = path != tail.path or tail.size == 0
        if starts_file and records[0].event_type != EventType.SEGMENT_START:
            raise AuditBroken(
                f"the database's record seq {records[0].seq} is the first of {path.name} but no segment_start"
            )
        seq, digest = tail.seq, tail.hash
        for sealed in records:
            _check_sealed(sealed, seq + 1, digest)
            seq, digest = sealed.seq, sealed.hash
        append_durably(path, b"".join(sealed.line.encode() + b"\n" for sealed in records))
        return _Tail(seq, digest, path, _stamp(path))


def _read_end(
    files: Sequence[Path], flushed_seq: int, head_seq: int
) -> tuple[int, list[_FileRecord]]:
    """Return the bytes of an unfinished last line, and the records from `flushed_seq` on, oldest first."""
    torn = 0
    found: list[_FileRecord] = []
    for path in reversed(files):
        for raw in lines_from_end(path):
            if not raw.endswith(b"\n"):
                if path != files[-1]:
                    raise AuditBroken(f"{path} ends within a line, but a newer file follows it")
                torn = len(raw)
                continue
            line = _parsed(path, raw, flushed_seq)
            found.append(line)
            seq = line.record["seq"]
            if seq > head_seq:
                raise AuditBroken(
                    f"{path} holds seq {seq}, but the database knows records up to {head_seq} only; "
                    "a new database needs a new, empty folder for its log"
                )
            if seq <= flushed_seq:
                return torn, found[::-1]
    return torn, found[::-1]


def _parsed(path: Path, raw: bytes, flushed_seq: int) -> _FileRecord:
    """Parse a line just far enough to know its seq; its text is compared with the database afterwards."""
    try:
        text = raw[:-1].decode()
        record = json.loads(text)
    except (ValueError, RecursionError):
        text, record = "", None
    if not isinstance(record, dict) or type(record.get("seq")) is not int:
        raise AuditBroken(
            f"{path} holds a line at or after seq {flushed_seq}, the last acknowledged, that is no record; "
            "run the verifier to see what was changed"
        )
    return _FileRecord(path, record, text)


def _check_sealed(sealed: SealedRecord, seq: int, prev_hash: str) -> None:
    """Refuse to make a damaged outbox permanent."""
    try:
        line = Line("database", 0, sealed.line.encode() + b"\n")
        record = checked_record(line, seq, strictly=True)
    except FaultError as fault:
        raise AuditBroken(
            f"the database's copy is damaged, {fault}; nothing was appended"
        ) from fault
    said = (record["seq"], record["prev_hash"], record["hash"], record["ts_utc"])
    if said != (seq, prev_hash, sealed.hash, sealed.ts_utc):
        raise AuditBroken(
            f"the database holds seq {record['seq']} with prev_hash {record['prev_hash'][:16]}… where seq "
            f"{seq} with {prev_hash[:16]}… belongs; nothing was appended"
        )


def _records_after(uow_factory: UnitOfWorkFactory, seq: int) -> Iterator[SealedRecord]:
    """Yield the database's records beyond a seq, a short transaction a batch."""
    while True:
        with uow_factory() as uow:
            batch = uow.decisions.after(seq, BATCH_RECORDS)
        if not batch:
            return
        yield from batch
        seq = batch[-1].seq


def _acknowledge(uow_factory: UnitOfWorkFactory, seq: int) -> None:
    with uow_factory(write=True) as uow:
        uow.decisions.mark_flushed(seq)
        uow.commit()
