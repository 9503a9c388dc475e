"""One careful way to GET JSON from somebody else's service.

Retries with full jitter, `Retry-After`, a token bucket and a circuit breaker per service, a limit on body size, the last
good body per address and an archive of every answer.

Two clocks, on purpose. Whether a stored answer is still fresh is judged on the *planning* clock, which may be shifted or
run fast: an answer fetched at planning time t is fresh for `ttl` of planning time, and one "from the future" (a clock set
back between runs) is not fresh at all. So requests-cache is used as the store only and never decides by wall-clock
expiry. Everything that protects the provider (time-outs, waits, rate, breaker) runs on system time.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import requests

from api_clients.http_errors import TryAgain, place, refusal
from api_clients.limits import CircuitBreaker, Rate, TokenBucket
from api_clients.response_store import LastGoodStore, Notes, ResponseArchive, StoredBody
from models.domain.errors import (
    SourceMalformed,
    SourceRejected,
    SourceTimeout,
    SourceUnavailable,
)
from models.domain.signal import Quality
from models.domain.time import Clock

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_RATE = Rate(per_second=0.9, burst=2)
"""Courtesy towards a provider without a published limit (the carbon service asks for less than one a second)."""

KNOWN_RATES: Mapping[str, Rate] = {"api.octopus.energy": Rate(per_second=2.0, burst=5)}
"""Hosts that bear more than the default: one price refresh asks once for each of 14 letters."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard the client tries, and when it stops."""

    max_retries: int = 3
    backoff_base_seconds: float = 0.5
    backoff_cap_seconds: float = 20.0
    """Longest single wait before a retry, also for `Retry-After`; a longer one ends the attempt. [s]"""
    max_body_bytes: int = 16 * 1024 * 1024
    max_answer_seconds: float = 120.0
    """Longest time for one body, however steadily it drips. [s]"""
    failures_to_open: int = 5
    """Failed requests in a row (each after its retries) that open the circuit."""
    cool_down_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A checked body with where it came from."""

    url: str
    value: T
    """What the caller's check made of the JSON."""
    fetched_at: datetime
    """Planning clock."""
    is_cached: bool
    sha256: str
    """Digest of the raw body (hex)."""

    @property
    def quality(self) -> Quality:
        """Return `cached` for an answer that was still fresh in the store, else `live`."""
        return Quality.CACHED if self.is_cached else Quality.LIVE


class HttpClient:
    """GETs JSON for all clients of this process; safe to share between threads."""

    def __init__(
        self,
        data_dir: Path,
        clock: Clock,
        user_agent: str,
        connect_timeout_seconds: float = 3.05,
        read_timeout_seconds: float = 15.0,
        *,
        limits: Limits | None = None,
        rates: Mapping[str, Rate] | None = None,
        archive_retention_days: int = 30,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        system_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Open the stores under `data_dir`.

        Args:
            data_dir: Folder for `http_cache.sqlite3`, `archive/` and `notes/`.
            clock: Planning clock, for fetch times and freshness.
            user_agent: Product, version and contact.
            connect_timeout_seconds: Longest wait for a connection. [s]
            read_timeout_seconds: Longest silence while reading. [s]
            limits: Retries, waits, body size, breaker.
            rates: Rate by host name, in place of `KNOWN_RATES`; others get `DEFAULT_RATE`. Loopback hosts are not limited.
            archive_retention_days: Days of answers kept; 0 keeps none. [d]
            session: A session to use (tests).
            sleep: Waits; injectable with `monotonic`, `system_now` and `uniform` for tests.
            monotonic: System time for rate and breaker. [s]
            system_now: System time for the archive.
            uniform: Draws the jitter.
        """
        self._clock = clock
        self._timeout = (connect_timeout_seconds, read_timeout_seconds)
        self._limits = limits or Limits()
        self._rates = dict(KNOWN_RATES if rates is None else rates)
        self._sleep = sleep
        self._monotonic = monotonic
        self._system_now = system_now
        self._uniform = uniform
        self._session = session or requests.Session()
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
        self._store = LastGoodStore(data_dir / "http_cache.sqlite3")
        self._archive = ResponseArchive(data_dir / "archive", archive_retention_days)
        self.notes = Notes(data_dir / "notes")
        self._services: dict[str, _Service] = {}
        self._services_lock = threading.Lock()
        self._next_sweep_at = monotonic()

    def get_json(
        self,
        url: str,
        *,
        service: str,
        source: str,
        check: Callable[[Any], T],
        ttl: timedelta | Callable[[T], timedelta],
        keep: timedelta = timedelta(days=1),
    ) -> Answer[T]:
        """Return a checked answer: from the store while fresh on the planning clock, else from the service.

        Args:
            url: Full address, quantised by the caller so that equal questions share it.
            service: Base address of the service; rate and breaker are held per service.
            source: Its name for error messages.
            check: Turns the JSON into a value or raises `SourceMalformed`; a body it refuses is never stored.
            ttl: How long an answer is fresh; may depend on what it says.
            keep: How long the body may stay on disk after it was stored (system time).

        Raises:
            SourceUnavailable: Or one of its subclasses, when there is no fresh answer and none can be had.
        """
        stored = self._fresh(url, check, ttl)
        if stored is not None:
            return stored
        state = self._service(service)
        with state.lock:
            # Whoever waited for the lock may find the answer already there.
            stored = self._fresh(url, check, ttl)
            if stored is not None:
                return stored
            body = self._fetch(url, state, source)
            return self._accept(url, body, source, check, keep)

    def last_good(self, url: str, check: Callable[[Any], T]) -> Answer[T] | None:
        """Return the last good answer of an address however old, or None."""
        stored = self._store.get(url)
        return None if stored is None else self._checked(url, stored, check)

    def close(self) -> None:
        """Close the session and the store."""
        self._session.close()
        self._store.close()

    # --- inside -------------------------------------------------------------------------------

    def _checked(self, url: str, stored: StoredBody, check: Callable[[Any], T]) -> Answer[T] | None:
        try:
            value = check(json.loads(stored.body))
        except (ValueError, SourceMalformed) as error:
            _LOG.warning("the stored answer of %s is not usable: %s", url, error)
            return None
        digest = hashlib.sha256(stored.body).hexdigest()
        return Answer(url, value, stored.fetched_at, True, digest)

    def _fresh(
        self, url: str, check: Callable[[Any], T], ttl: timedelta | Callable[[T], timedelta]
    ) -> Answer[T] | None:
        stored = self._store.get(url)
        if stored is None:
            return None
        age = self._clock.now() - stored.fetched_at
        if age < timedelta(0) or (isinstance(ttl, timedelta) and age >= ttl):
            return None
        found = self._checked(url, stored, check)
        if found is None or isinstance(ttl, timedelta):
            return found
        return found if age < ttl(found.value) else None

    def _accept(
        self, url: str, body: bytes, source: str, check: Callable[[Any], T], keep: timedelta
    ) -> Answer[T]:
        fetched_at, received_at = self._clock.now(), self._system_now()
        try:
            value = check(_json(body, url, source))
        except SourceMalformed as error:
            error.source = error.source or source
            self._archive.add(url, body, fetched_at, received_at, is_good=False)
            raise
        self._archive.add(url, body, fetched_at, received_at, is_good=True)
        self._store.put(url, body, fetched_at, keep)
        if self._monotonic() >= self._next_sweep_at:
            self._next_sweep_at = self._monotonic() + 3600.0
            self._store.sweep()
        return Answer(url, value, fetched_at, False, hashlib.sha256(body).hexdigest())

    def _service(self, service: str) -> _Service:
        with self._services_lock:
            state = self._services.get(service)
            if state is None:
                host = urlsplit(service).hostname or ""
                bucket = None
                if not _is_loopback(host):
                    rate = self._rates.get(host, DEFAULT_RATE)
                    bucket = TokenBucket(rate, self._monotonic, self._sleep)
                breaker = CircuitBreaker(
                    self._limits.failures_to_open, self._limits.cool_down_seconds, self._monotonic
                )
                state = self._services[service] = _Service(bucket, breaker, threading.Lock())
            return state

    def _fetch(self, url: str, state: _Service, source: str) -> bytes:
        """Return the body of a 200, after retries; note success or failure with the breaker."""
        wait = state.breaker.seconds_until_retry()
        if wait > 0:
            raise SourceRejected(
                f"{source} failed {self._limits.failures_to_open} times in a row and is left alone for "
                f"{wait} s",
                source=source,
                retry_after_seconds=wait,
            )
        attempt = 0
        while True:
            try:
                body = self._attempt(url, state, source)
            except TryAgain as fault:
                delay = self._delay_seconds(attempt, fault.retry_after_seconds)
                if attempt >= self._limits.max_retries or delay is None:
                    state.breaker.failed()
                    raise fault.error from fault.__cause__
                _LOG.info("%s: %s; trying again in %.1f s", source, fault.error, delay)
                self._sleep(delay)
                attempt += 1
            except SourceRejected:
                # It answered; the request was wrong, not the service.
                state.breaker.succeeded()
                raise
            except SourceUnavailable:
                state.breaker.failed()
                raise
            else:
                state.breaker.succeeded()
                return body

    def _delay_seconds(self, attempt: int, retry_after_seconds: int | None) -> float | None:
        """Return how long to wait before the next attempt, or None if the service asks for too long. [s]"""
        cap = self._limits.backoff_cap_seconds
        if retry_after_seconds is not None and retry_after_seconds > cap:
            return None
        jitter = self._uniform(0.0, min(cap, self._limits.backoff_base_seconds * 2.0**attempt))
        return max(jitter, float(retry_after_seconds or 0))

    def _attempt(self, url: str, state: _Service, source: str) -> bytes:
        """Send one request. Raises `TryAgain` for what may pass, a `SourceUnavailable` for what will not."""
        if state.bucket is not None:
            state.bucket.take()
        try:
            with self._session.get(
                url, timeout=self._timeout, stream=True, allow_redirects=False
            ) as response:
                body = self._read(response, source)
        except requests.Timeout as error:
            raise TryAgain(SourceTimeout(_late(source, url), source=source)) from error
        except requests.ConnectionError as error:
            # A silence in the middle of a body arrives as a connection error that wraps a time-out.
            kind = SourceTimeout if "timed out" in str(error).lower() else SourceUnavailable
            raise TryAgain(
                kind(f"{source} cannot be reached at {place(url)}", source=source)
            ) from error
        except requests.RequestException as error:
            raise TryAgain(
                SourceUnavailable(f"{source} broke off its answer: {error}", source=source)
            ) from error
        if response.status_code == 200:
            return body
        raise refusal(response, body, url, source)

    def _read(self, response: requests.Response, source: str) -> bytes:
        """Return the body, refusing one above the size limit before it is read whole."""
        limit = self._limits.max_body_bytes
        parts: list[bytes] = []
        size = 0
        until = self._monotonic() + self._limits.max_answer_seconds
        for part in response.iter_content(64 * 1024):
            size += len(part)
            if size > limit:
                raise SourceMalformed(
                    f"{source} sent more than {limit} bytes, which is more than any of its answers",
                    source=source,
                )
            if self._monotonic() > until:
                raise requests.Timeout(
                    f"more than {self._limits.max_answer_seconds} s for one body"
                )
            parts.append(part)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Service:
    """What is remembered of one service."""

    bucket: TokenBucket | None
    breaker: CircuitBreaker
    lock: threading.Lock
    """One request at a time per service."""


def _json(body: bytes, url: str, source: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise SourceMalformed(
            f"{source} answered 200 for {place(url)} with a body that is not JSON", source=source
        ) from error


def _late(source: str, url: str) -> str:
    return f"{source} did not answer in time for {place(url)}"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
