"""The writer against real processes: two at once, killed ones, a full disk, a folder without permission."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from ctypes import c_int
from datetime import timedelta
from pathlib import Path

import pytest

from audit.writer import JsonlAuditLog
from models.domain.decision import GENESIS_HASH, SealedRecord
from models.domain.errors import AuditBroken
from models.domain.ports import UnitOfWork
from tests.support.audit_logs import log_files
from tests.support.fake_decisions import FakeDecisions, FakeOutbox, FakeUnitOfWork, OutboxState

fork = multiprocessing.get_context("fork")


class SharedOutbox(FakeOutbox):
    """An outbox several processes see: the same records in each, committed one after another.

    Its counters have no lock of their own, because a killed process would keep it; a file lock guards them.
    """

    def __init__(self, records: int, lock: Path) -> None:
        """Seal the records; none is committed yet."""
        source = FakeOutbox()
        source.record(records, every=timedelta(milliseconds=3))
        super().__init__()
        self.all_records: list[SealedRecord] = source.state.records
        self.committed = fork.Value(c_int, 0, lock=False)
        self.flushed = fork.Value(c_int, 0, lock=False)
        self._lock = lock

    def __call__(self, *, write: bool = False) -> UnitOfWork:
        """Return a unit of work over what is committed just now."""
        self.state = OutboxState(
            self.all_records[: self.committed.value], flushed_seq=self.flushed.value
        )
        return _SharedUnit(self)  # type: ignore[return-value]

    def commit_more(self, count: int) -> bool:
        """Commit some more; say whether any were left."""
        with self._lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            left = len(self.all_records) - self.committed.value
            self.committed.value += min(count, left)
        return left > 0

    def acknowledge(self, seq: int) -> None:
        """Advance `flushed_seq`, never back."""
        with self._lock.open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self.flushed.value = max(self.flushed.value, seq)


class _SharedUnit(FakeUnitOfWork):
    decisions: FakeDecisions

    def commit(self) -> None:
        outbox = self._outbox
        assert isinstance(outbox, SharedOutbox)
        outbox.acknowledge(self.decisions.state.flushed_seq)


@pytest.fixture
def shared(tmp_path: Path) -> Callable[[int], SharedOutbox]:
    """Return a maker of outboxes of so many decisions."""
    return lambda records: SharedOutbox(records, tmp_path / "database.lock")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the log, made already."""
    (tmp_path / "logs").mkdir()
    return tmp_path / "logs"


def write_all(folder: Path, outbox: SharedOutbox, step: int) -> None:
    log = JsonlAuditLog(folder)
    while outbox.commit_more(step):
        log.flush(outbox)
    log.flush(outbox)


def assert_whole(folder: Path, outbox: SharedOutbox) -> None:
    written = [line for path in log_files(folder) for line in path.read_text().splitlines()]
    assert written == [record.line for record in outbox.all_records]
    assert outbox.flushed.value == len(outbox.all_records)
    report = JsonlAuditLog(folder).verify(outbox)
    assert report.ok, report.fault


def test_two_writers_at_once_never_interleave_or_repeat(
    shared: Callable[[int], SharedOutbox], folder: Path
) -> None:
    outbox = shared(600)
    writers = [fork.Process(target=write_all, args=(folder, outbox, step)) for step in (3, 7, 2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert_whole(folder, outbox)


def test_a_killed_writer_leaves_a_log_that_the_next_one_completes(
    shared: Callable[[int], SharedOutbox], folder: Path
) -> None:
    outbox = shared(3_000)
    kills = 0
    for patience_ms in (3, 11, 25, 40, 8, 60):
        writer = fork.Process(target=write_all, args=(folder, outbox, 5))
        writer.start()
        time.sleep(patience_ms / 1_000)
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join(timeout=30)
        kills += writer.exitcode == -signal.SIGKILL
        # Whatever was acknowledged is in the files at every moment.
        if outbox.flushed.value:
            lines = b"".join(path.read_bytes() for path in log_files(folder)).split(b"\n")
            record = json.loads(lines[outbox.flushed.value - 1])
            assert record["seq"] == outbox.flushed.value
    assert kills
    outbox.commit_more(3_000)
    JsonlAuditLog(folder).flush(outbox)
    assert_whole(folder, outbox)


def report_flush(folder: Path, outbox: SharedOutbox, said: multiprocessing.Queue[str]) -> None:
    try:
        JsonlAuditLog(folder).flush(outbox)
    except AuditBroken as error:
        said.put(str(error))
    else:
        said.put("no error")


def flush_with_a_full_disk(
    folder: Path, outbox: SharedOutbox, said: multiprocessing.Queue[str], room: int
) -> None:
    # A limit on the file size stops the write in the middle of a line, like a full disk does.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    report_flush(folder, outbox, said)


def flush_as_a_stranger(
    folder: Path, outbox: SharedOutbox, said: multiprocessing.Queue[str]
) -> None:
    if os.geteuid() == 0:
        os.seteuid(65_534)
    report_flush(folder, outbox, said)


@pytest.mark.parametrize("room", [0, 100, 2_000])
def test_a_full_disk_is_a_clear_sentence_and_is_made_good_later(
    shared: Callable[[int], SharedOutbox], folder: Path, room: int
) -> None:
    outbox = shared(20)
    outbox.commit_more(20)
    said: multiprocessing.Queue[str] = fork.Queue()
    writer = fork.Process(target=flush_with_a_full_disk, args=(folder, outbox, said, room))
    writer.start()
    sentence = said.get(timeout=30)
    writer.join(timeout=30)
    assert "cannot be written (File too large" in sentence
    assert "nothing is lost" in sentence
    assert outbox.flushed.value == 0
    outbox.commit_more(20)
    JsonlAuditLog(folder).flush(outbox)
    assert_whole(folder, outbox)


def test_a_folder_without_permission_is_a_clear_sentence(
    shared: Callable[[int], SharedOutbox], folder: Path
) -> None:
    outbox = shared(5)
    outbox.commit_more(3)
    JsonlAuditLog(folder).flush(outbox)
    (log_files(folder)[0]).chmod(0o400)
    folder.chmod(0o500)
    outbox.commit_more(3)
    said: multiprocessing.Queue[str] = fork.Queue()
    writer = fork.Process(target=flush_as_a_stranger, args=(folder, outbox, said))
    writer.start()
    sentence = said.get(timeout=30)
    writer.join(timeout=30)
    folder.chmod(0o700)
    assert "cannot be written (Permission denied" in sentence
    assert outbox.flushed.value == 3


def test_an_empty_shared_outbox_begins_with_the_genesis_hash(
    shared: Callable[[int], SharedOutbox],
) -> None:
    assert shared(1).all_records[0].prev_hash == GENESIS_HASH
