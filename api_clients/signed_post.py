"""Signed messages to one address of the operator's: POSTed as they are, with an end to every wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import requests
import urllib3

from models.domain.errors import SourceTimeout, SourceUnavailable
from models.domain.signature import HEADER, Reply, signature

LONGEST_ANSWER = 65_536
"""How much of an answer is read. [B]"""

LONGEST_SECONDS = 30.0
"""Longest an answer may take from the request to its last byte, however it trickles in. [s]"""


class SignedPost:
    """`SignedPoster` over HTTP: follows no redirect, and reads no more of an answer than anybody needs."""

    def __init__(
        self,
        name: str,
        url: str,
        secret: str,
        session: requests.Session,
        timeout_seconds: tuple[float, float],
        *,
        system_now: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind the address.

        Args:
            name: What to call it where it does not answer; its address may hold a secret and is never shown.
            url: Where to send.
            secret: Shared with the receiver.
            session: Sends.
            timeout_seconds: For connecting, and for each piece of the answer. [s]
            system_now: System time, which is signed.
            monotonic: System timer. [s]
        """
        self._name = name
        self._url = url
        self._secret = secret
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._system_now = system_now
        self._monotonic = monotonic

    def __call__(self, body: bytes, key: str) -> Reply:
        """Send a message; see `SignedPoster`."""
        give_up_at = self._monotonic() + LONGEST_SECONDS
        headers = {
            "Content-Type": "application/json",
            HEADER: signature(self._secret, int(self._system_now().timestamp()), body),
            "Idempotency-Key": key,
        }
        try:
            answer = self._session.post(
                self._url,
                data=body,
                headers=headers,
                timeout=self._timeout_seconds,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                return Reply(answer.status_code, self._read(answer, give_up_at))
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise SourceUnavailable(
                f"the {self._name} did not answer ({type(error).__name__})", source=self._name
            ) from error

    def _read(self, answer: requests.Response, give_up_at: float) -> bytes:
        text = b""
        while len(text) < LONGEST_ANSWER:
            if self._monotonic() > give_up_at:
                raise SourceTimeout(
                    f"the {self._name} took more than {LONGEST_SECONDS:g} s to answer",
                    source=self._name,
                )
            piece = answer.raw.read1(4096, decode_content=True)
            if not piece:
                break
            text += piece
        return text[:LONGEST_ANSWER]
