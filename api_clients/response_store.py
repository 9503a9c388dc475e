"""What providers answered, on disk: the last good body per address, an archive by day, and small notes.

Freshness is judged by the caller on the planning clock, so nothing here expires on wall-clock time; the expiry given to
requests-cache only says when a row may be swept away to save space.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import sqlite3
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.domain.errors import SourceUnavailable
from models.domain.time import format_utc, parse_rfc3339

if TYPE_CHECKING:
    from requests_cache.backends.sqlite import SQLiteCache

_LOG = logging.getLogger(__name__)

_FETCHED_AT = "X-Halfhour-Fetched-At"
"""Header of a stored response: when it was fetched, on the planning clock."""


@dataclass(frozen=True, slots=True)
class StoredBody:
    """The last good body of an address."""

    body: bytes
    fetched_at: datetime
    """Planning clock."""


class LastGoodStore:
    """The last good body per address, in a requests-cache SQLite file.

    The library is loaded and the file opened at first use: a web process that asks nobody starts without it.
    """

    def __init__(self, path: Path) -> None:
        """Note the file and check that it can be written.

        Raises:
            SourceUnavailable: If the file cannot be written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SourceUnavailable(f"the cache file {path} cannot be written; check its rights")
        self._path = path
        self._cache: SQLiteCache | None = None
        self._lock = threading.Lock()

    def _opened(self) -> SQLiteCache:
        with self._lock:
            if self._cache is None:
                from requests_cache.backends.sqlite import SQLiteCache

                self._cache = SQLiteCache(
                    self._path, serializer="json", wal=True, busy_timeout=5000
                )
            return self._cache

    def get(self, url: str) -> StoredBody | None:
        """Return the last good body of an address, however old."""
        try:
            found = self._opened().responses[_key(url)]
        except KeyError:
            return None
        if found is None or found.content is None or _FETCHED_AT not in found.headers:
            return None
        return StoredBody(found.content, parse_rfc3339(found.headers[_FETCHED_AT]))

    def put(self, url: str, body: bytes, fetched_at: datetime, keep: timedelta) -> None:
        """Store a good body, to be swept away no earlier than `keep` from now (system time)."""
        from requests.structures import CaseInsensitiveDict
        from requests_cache.models.response import CachedResponse

        response = CachedResponse(
            content=body,
            url=url,
            status_code=200,
            reason="OK",
            encoding="utf-8",
            headers=CaseInsensitiveDict(
                {"Content-Type": "text/plain; charset=utf-8", _FETCHED_AT: format_utc(fetched_at)}
            ),
            expires=datetime.now(UTC) + keep,
        )
        try:
            self._opened().responses[_key(url)] = response
        except sqlite3.Error as error:
            _LOG.warning("cannot keep the answer of %s in the cache: %s", url, error)

    def sweep(self) -> None:
        """Drop bodies whose keeping time is over."""
        try:
            self._opened().delete(expired=True, vacuum=False)
        except sqlite3.Error as error:
            _LOG.warning("cannot sweep the cache: %s", error)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._cache is not None:
                self._cache.close()  # type: ignore[no-untyped-call]  # unannotated in the library
                self._cache = None


class ResponseArchive:
    """Every live answer, one gzip JSON line each, one file per day of receipt (system time)."""

    def __init__(self, folder: Path, retention_days: int) -> None:
        """Note the folder; it is created with the first answer.

        Args:
            folder: Where the files go.
            retention_days: Files of older days are deleted; 0 switches the archive off. [d]
        """
        self._folder = folder
        self._retention_days = retention_days
        self._pruned_on: date | None = None

    def add(
        self, url: str, body: bytes, fetched_at: datetime, received_at: datetime, *, is_good: bool
    ) -> None:
        """Append one answer; a full disk is logged and does not stop planning."""
        if self._retention_days <= 0:
            return
        line = {
            "url": url,
            "fetched_at": format_utc(fetched_at),
            "received_at": format_utc(received_at),
            "is_good": is_good,
            "sha256": hashlib.sha256(body).hexdigest(),
            "body": body.decode("utf-8", errors="replace"),
        }
        # One gzip member written by one call: several processes may append to the same file.
        member = gzip.compress((json.dumps(line) + "\n").encode(), compresslevel=6)
        day = received_at.astimezone(UTC).date()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{day.isoformat()}.jsonl.gz").open("ab") as file:
                file.write(member)
            self._prune(day)
        except OSError as error:
            _LOG.warning("cannot archive the answer of %s: %s", url, error)

    def _prune(self, today: date) -> None:
        if self._pruned_on == today:
            return
        self._pruned_on = today
        oldest = (today - timedelta(days=self._retention_days)).isoformat()
        for path in sorted(self._folder.glob("????-??-??.jsonl.gz")):
            if path.name.removesuffix(".jsonl.gz") < oldest:
                path.unlink(missing_ok=True)


class Notes:
    """Small facts worth keeping between runs (the discovered product), one JSON file each."""

    def __init__(self, folder: Path) -> None:
        """Note the folder; it is created with the first note."""
        self._folder = folder

    def read(self, name: str) -> Mapping[str, Any] | None:
        """Return a note, or None if there is none that can be read."""
        try:
            found = json.loads(self._path(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _LOG.warning("the note %s cannot be read and is ignored: %s", name, error)
            return None
        return found if isinstance(found, dict) else None

    def write(self, name: str, note: Mapping[str, Any]) -> None:
        """Replace a note in one step."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self._folder, delete=False, encoding="utf-8"
            ) as file:
                json.dump(note, file, sort_keys=True)
            Path(file.name).replace(self._path(name))
        except OSError as error:
            _LOG.warning("cannot keep the note %s: %s", name, error)

    def forget(self, name: str) -> None:
        """Drop a note."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{_key(name)[:16]}.json"


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
