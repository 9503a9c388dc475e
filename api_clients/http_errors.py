"""What an answer other than 200 means, and what the provider says in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import requests

from models.domain.errors import SourceRejected, SourceUnavailable

RETRYABLE_STATUS = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same GET may succeed."""


class TryAgain(Exception):
    """The attempt failed in a way that may pass; a signal to the retry loop that never leaves the client."""

    def __init__(self, error: SourceUnavailable, retry_after_seconds: int | None = None) -> None:
        """Carry the error to raise once the retries are used up, and the wait asked for. [s]"""
        super().__init__(str(error))
        self.error = error
        self.retry_after_seconds = retry_after_seconds


def provider_message(body: bytes, content_type: str) -> str:
    """Return what a provider says in an error body of any of the known shapes, at most 200 characters.

    JSON with `error.message`, `detail` or a map of field errors; anything else (HTML pages) is not quoted.
    """
    if "json" not in content_type.lower():
        return ""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    if not isinstance(found, dict):
        return str(found)[:200]
    error = found.get("error")
    if isinstance(error, dict) and "message" in error:
        return str(error["message"])[:200]
    if "detail" in found:
        return str(found["detail"])[:200]
    parts = [
        f"{field}: {' '.join(map(str, said)) if isinstance(said, list) else said}"
        for field, said in found.items()
    ]
    return "; ".join(parts)[:200]


def refusal(
    response: requests.Response, body: bytes, url: str, source: str
) -> TryAgain | SourceUnavailable:
    """Return the error for an answer other than 200: one to be retried, or a final one."""
    status = response.status_code
    said = provider_message(body, response.headers.get("Content-Type", ""))
    sentence = f"{source} answered {status} for {place(url)}" + (f": {said}" if said else "")
    retry_after = _retry_after_seconds(response.headers.get("Retry-After"))
    if status in RETRYABLE_STATUS:
        kind = SourceRejected if status == 429 else SourceUnavailable
        return TryAgain(kind(sentence, source=source, retry_after_seconds=retry_after), retry_after)
    if status >= 500:
        return SourceUnavailable(sentence, source=source)
    return SourceRejected(sentence, source=source)


def _retry_after_seconds(header: str | None) -> int | None:
    """Return a `Retry-After` header in seconds; it may hold seconds or an HTTP date. [s]"""
    if not header:
        return None
    if header.strip().isdigit():
        return int(header)
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    return max(0, round((until - datetime.now(UTC)).total_seconds()))


def place(url: str) -> str:
    """Return the path of an address, for messages."""
    return urlsplit(url).path or "/"
