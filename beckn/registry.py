"""Who the participants are and which keys they sign with: from a file, a lookup service (version 1) or a DeDi directory."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from beckn import wire
from beckn.faults import Refused
from models.domain.errors import InvalidRequest, SourceMalformed, SourceUnavailable
from models.domain.peers import PeerTransport
from models.domain.time import parse_rfc3339

LIVE_STATUSES = frozenset({"SUBSCRIBED", "ACTIVE", ""})
"""Statuses of a record whose key may be used; directories without a status leave it empty."""

KEEP_SECONDS = 300.0
"""How long an answer is reused. Not until `valid_until`: a key may be revoked before. [s]"""

KEEP_ABSENT_SECONDS = 30.0
"""How long a key that was not found is not asked for again. [s]"""

FRESH_SECONDS = 5.0
"""How soon a key is asked for again where a signature did not fit: bad signatures must not make us flood a registry. [s]"""

MOST_KEPT = 2000


@dataclass(frozen=True)
class Record:
    """One key of one participant, as its registry has it."""

    subscriber_id: str
    url: str
    type: str
    """`BAP | BPP | BG`; a directory may leave it empty."""
    key_id: str
    signing_public_key: str
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    status: str = "SUBSCRIBED"
    network_ids: tuple[str, ...] | None = None
    """Networks it is a member of; None where its registry says nothing about networks."""

    def problem(self, now: datetime) -> str | None:
        """Return why the key must not be used at an instant, or None."""
        if self.status.upper() not in LIVE_STATUSES:
            return f"its status is {self.status[:40]}"
        if self.valid_from is not None and now < self.valid_from:
            return "it is not valid yet"
        if self.valid_until is not None and now >= self.valid_until:
            return "it has expired"
        return None


class Registry(Protocol):
    """Where participants are looked up."""

    def keys(self, subscriber_id: str, key_id: str) -> tuple[Record, ...]:
        """Return the records of one key: one per role of its participant; empty where there is none.

        Raises:
            SourceUnavailable: If the registry cannot be asked now.
        """

    def participants(self, role: str) -> tuple[Record, ...]:
        """Return every participant in a role (`BAP | BPP`), where the registry can list them. Raises as `keys`."""


def record_of(row: Mapping[str, Any], network_ids: tuple[str, ...] | None = None) -> Record:
    """Read one record; registries name its fields differently.

    Raises:
        InvalidRequest: If a field that matters is missing or malformed.
    """

    def text(*names: str) -> str:
        for name in names:
            value = row.get(name)
            if isinstance(value, str) and value:
                return value
        return ""

    def instant(name: str) -> datetime | None:
        return parse_rfc3339(text(name)) if text(name) else None

    listed = row.get("network_ids")
    record = Record(
        subscriber_id=text("subscriber_id", "subscriberId"),
        url=text("url", "subscriber_url", "subscriberUrl").rstrip("/"),
        type=text("type").upper(),
        key_id=text("key_id", "unique_key_id", "ukId", "keyId"),
        signing_public_key=text("signing_public_key", "signingPublicKey"),
        valid_from=instant("valid_from"),
        valid_until=instant("valid_until"),
        status=text("status"),
        network_ids=tuple(str(one) for one in listed) if isinstance(listed, list) else network_ids,
    )
    for name in ("subscriber_id", "url", "key_id", "signing_public_key"):
        if not getattr(record, name):
            raise InvalidRequest(f"a registry record has no {name}")
    return record


class FileRegistry:
    """A JSON list of records; read again when the file changes."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        self._path = path
        self._lock = threading.Lock()
        self._read_at: tuple[int, int] | None = None
        self._records: tuple[Record, ...] = ()

    def keys(self, subscriber_id: str, key_id: str) -> tuple[Record, ...]:
        """Return the records of one key."""
        return tuple(
            one
            for one in self._all()
            if one.subscriber_id == subscriber_id and one.key_id == key_id
        )

    def participants(self, role: str) -> tuple[Record, ...]:
        """Return every participant in a role."""
        return tuple(one for one in self._all() if one.type == role)

    def _all(self) -> tuple[Record, ...]:
        with self._lock:
            try:
                state = self._path.stat()
                stamp = (state.st_mtime_ns, state.st_size)
                if stamp != self._read_at:
                    self._records = self._read()
                    self._read_at = stamp
            except OSError as error:
                raise SourceUnavailable(
                    f"the registry file cannot be read: {error.strerror}", source="registry"
                ) from error
            return self._records

    def _read(self) -> tuple[Record, ...]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise SourceMalformed("the registry file is not JSON", source="registry") from error
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SourceMalformed("the registry file is not a list of records", source="registry")
        try:
            return tuple(record_of(row) for row in rows)
        except InvalidRequest as error:
            raise SourceMalformed(f"the registry file: {error}", source="registry") from error


class LookupRegistry:
    """`POST {base}/lookup` of a version 1 registry; its answer is a list of subscriptions."""

    def __init__(self, base_url: str, transport: PeerTransport) -> None:
        """Name the registry."""
        self._url = f"{base_url.rstrip('/')}/lookup"
        self._transport = transport

    def keys(self, subscriber_id: str, key_id: str) -> tuple[Record, ...]:
        """Return the records of one key."""
        found = self._ask({"subscriber_id": subscriber_id, "key_id": key_id})
        # The filter is a wish: some registries ignore fields they do not know.
        return tuple(
            one for one in found if one.subscriber_id == subscriber_id and one.key_id == key_id
        )

    def participants(self, role: str) -> tuple[Record, ...]:
        """Return every participant in a role."""
        return tuple(one for one in self._ask({"type": role}) if one.type == role)

    def _ask(self, wanted: Mapping[str, str]) -> tuple[Record, ...]:
        answer = self._transport.post(
            self._url, wire.serialise(wanted), {"Content-Type": "application/json"}
        )
        if answer.status == 404:
            return ()
        rows = _json_of(answer.status, answer.body)
        if not isinstance(rows, list):
            raise SourceMalformed("the registry did not answer with a list", source="registry")
        return tuple(_readable(row) for row in rows if isinstance(row, dict) and _is_whole(row))


class DediRegistry:
    """`GET {base}/lookup/{subscriber}/{scope}/{key}` of a decentralised directory, one record a key."""

    def __init__(self, base_url: str, scope: str, transport: PeerTransport) -> None:
        """Name the directory.

        Args:
            base_url: Address of the lookup service.
            scope: Name of the registry inside a participant's namespace.
            transport: How to reach it.
        """
        self._base = base_url.rstrip("/")
        self._scope = scope
        self._transport = transport

    def keys(self, subscriber_id: str, key_id: str) -> tuple[Record, ...]:
        """Return the record of one key."""
        path = "/".join(quote(part, safe="") for part in (subscriber_id, self._scope, key_id))
        answer = self._transport.get(f"{self._base}/lookup/{path}", {"Accept": "application/json"})
        if answer.status in {404, 410}:
            return ()
        body = _json_of(answer.status, answer.body)
        data = body.get("data") if isinstance(body, dict) else None
        details = data.get("details") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(details, dict):
            raise SourceMalformed("the directory's answer has no details", source="registry")
        members = data.get("network_memberships")
        networks = tuple(str(one) for one in members) if isinstance(members, list) else ()
        record = _readable({"key_id": key_id, **details}, networks)
        return (record,) if record.subscriber_id == subscriber_id else ()

    def participants(self, role: str) -> tuple[Record, ...]:
        """Return nothing: a directory answers for a name and lists nobody."""
        del role
        return ()


def _json_of(status: int, body: bytes) -> Any:
    if status != 200:
        raise SourceUnavailable(f"the registry answered {status}", source="registry")
    try:
        return json.loads(body)
    except ValueError as error:
        raise SourceMalformed("the registry did not answer in JSON", source="registry") from error


def _is_whole(row: Mapping[str, Any]) -> bool:
    try:
        record_of(row)
    except InvalidRequest:
        return False
    return True


def _readable(row: Mapping[str, Any], networks: tuple[str, ...] | None = None) -> Record:
    try:
        return record_of(row, networks)
    except InvalidRequest as error:
        raise SourceMalformed(f"the registry's answer: {error}", source="registry") from error


class CachedRegistry:
    """Another registry's answers, kept for minutes; a key that was not found is not asked for again at once."""

    def __init__(self, inner: Registry, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Wrap a registry."""
        self._inner = inner
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], tuple[float, tuple[Record, ...]]] = OrderedDict()
        """When it was asked, and what was answered."""

    def keys(self, subscriber_id: str, key_id: str, *, fresh: bool = False) -> tuple[Record, ...]:
        """Return the records of one key; `fresh` asks again soon, as after a signature that did not fit."""
        name = (subscriber_id, key_id)
        moment = self._monotonic()
        with self._lock:
            kept = self._kept.get(name)
        if kept is not None:
            keep = KEEP_SECONDS if kept[1] else KEEP_ABSENT_SECONDS
            if moment - kept[0] < (FRESH_SECONDS if fresh else keep):
                return kept[1]
        found = self._inner.keys(subscriber_id, key_id)
        with self._lock:
            self._kept[name] = (moment, found)
            self._kept.move_to_end(name)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return found

    def participants(self, role: str) -> tuple[Record, ...]:
        """Return every participant in a role."""
        return self._inner.participants(role)

    def signer(
        self, subscriber_id: str, key_id: str, role: str, now: datetime, *, fresh: bool = False
    ) -> Record:
        """Return the record of a key that may sign in a role now.

        Raises:
            Refused: If there is none, with the reason.
            SourceUnavailable: If the registry cannot be asked.
        """
        found = self.keys(subscriber_id, key_id, fresh=fresh)
        fitting = [one for one in found if one.type in {role, ""}]
        if not found:
            raise Refused("AUT_KEY_NOT_FOUND", "the registry has no such key of this subscriber")
        if not fitting:
            raise Refused("AUT_UNAUTHORIZED_ACTION", f"the signer is not registered as {role}")
        usable = [one for one in fitting if one.problem(now) is None]
        if not usable:
            problem = fitting[0].problem(now)
            raise Refused("AUT_KEY_EXPIRED_OR_REVOKED", f"the key cannot be used: {problem}")
        return usable[0]
