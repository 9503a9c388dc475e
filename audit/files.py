"""The files of the log: names, lock, sizes at one instant, durable writing, reading from the end."""

from __future__ import annotations

import fcntl
import io
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.domain.errors import Conflict

LOCK_NAME = ".audit.lock"
"""File in the logs folder on which writers and readers lock."""

FILE_NAME = re.compile(r"decisions-(\d{4}-\d{2}-\d{2})\.jsonl")
"""Name of a log file: one a UTC day."""

ANCHORS_FOLDER = "anchors"
"""Folder beside the records with one file a signed anchor."""

_LOCK_POLL_SECONDS = 0.01
_BLOCK_BYTES = 1 << 16
_FILE_MODE = 0o640


def file_name(ts_utc: str) -> str:
    """Return the name of the file a record of this time belongs to."""
    return f"decisions-{ts_utc[:10]}.jsonl"


def decision_files(folder: Path) -> list[Path]:
    """Return the log files of a folder, oldest first; none if the folder does not exist."""
    if not folder.exists():
        return []
    return sorted(path for path in folder.iterdir() if FILE_NAME.fullmatch(path.name))


@contextmanager
def locked(folder: Path, *, shared: bool = False, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock of the log; a killed holder loses it at once.

    A reader (`shared`) who may not write to the folder goes without, as nobody can have locked it either if the
    lock file does not exist.

    Raises:
        Conflict: If another process keeps it longer than the time-out.
    """
    path = folder / LOCK_NAME
    try:
        flags = os.O_RDONLY if shared else os.O_RDWR | os.O_CREAT
        handle = os.open(path, flags | os.O_CLOEXEC, _FILE_MODE)
    except FileNotFoundError:
        if not shared:
            raise
        yield
        return
    try:
        _wait_for_lock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout_seconds, path)
        yield
    finally:
        os.close(handle)


def _wait_for_lock(handle: int, kind: int, timeout_seconds: float, path: Path) -> None:
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= give_up_at:
                raise Conflict(
                    f"another process has held {path} for more than {timeout_seconds:g} s; "
                    "stop it or wait for it, records stay in the database meanwhile"
                ) from error
            time.sleep(_LOCK_POLL_SECONDS)
        else:
            return


def anchor_files(folder: Path) -> list[Path]:
    """Return the anchor files beside the records, oldest first."""
    anchors = folder / ANCHORS_FOLDER
    return sorted(anchors.glob("*.json")) if anchors.is_dir() else []


def sizes(folder: Path) -> dict[str, int]:
    """Return the present size of every log and anchor file by its path inside the folder. [bytes]"""
    paths = [*decision_files(folder), *anchor_files(folder)]
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}


def sync_folder(folder: Path) -> None:
    """Make the creation or renaming of files in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make the content of a file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create a folder durably, with its parents."""
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def append_durably(path: Path, data: bytes) -> None:
    """Append to a file (created if absent) and return when the bytes are on disk."""
    created = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    if created:
        sync_folder(path.parent)


def cut_durably(path: Path, size: int) -> None:
    """Cut a file to a size and return when that is on disk. [bytes]"""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)


def replace_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a small file so that readers see the old or the new content, never half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        _write_all(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.replace(path)
    sync_folder(path.parent)


def lines_from_end(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, last first; only the last may lack its newline."""
    with path.open("rb") as handle:
        position = handle.seek(0, os.SEEK_END)
        held = b""
        while position:
            step = min(_BLOCK_BYTES, position)
            position -= step
            handle.seek(position)
            held = handle.read(step) + held
            # The first piece may go on in the block before; the others are whole lines.
            first, *whole = io.BytesIO(held).readlines()
            yield from reversed(whole)
            held = first
        if held:
            yield held
