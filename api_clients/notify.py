"""Delivers notices as signed POSTs to an address of the operator's."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import requests

from models.domain.errors import SourceUnavailable
from models.domain.notice import Notice
from models.domain.signature import HEADER, signature
from models.domain.time import format_utc

SOURCE = "notification webhook"


class WebhookNotifier:
    """`Notifier` behind one address; the key of a notice is the same when it is sent again."""

    def __init__(
        self,
        url: str,
        secret: str,
        session: requests.Session,
        timeout_seconds: tuple[float, float],
        *,
        system_now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Bind the address.

        Args:
            url: Where notices go.
            secret: Signs them.
            session: Sends.
            timeout_seconds: For connecting and for reading. [s]
            system_now: System time.
        """
        self._url = url
        self._secret = secret
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._system_now = system_now

    def send(self, notice: Notice) -> None:
        """Deliver one notice.

        Raises:
            SourceUnavailable: If the receiver did not answer 2xx.
        """
        body = json.dumps(
            {
                "notice_id": notice.notice_id,
                "kind": str(notice.kind),
                "owner": notice.owner,
                "job_id": notice.job_id,
                "text": notice.text,
                "start_time": None if notice.start is None else format_utc(notice.start),
                "created_at": format_utc(notice.created_at),
            },
            sort_keys=True,
        ).encode()
        headers = {
            "Content-Type": "application/json",
            HEADER: signature(self._secret, int(self._system_now().timestamp()), body),
            "Idempotency-Key": notice.notice_id,
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
            answer.close()
        except (requests.RequestException, OSError) as error:
            raise SourceUnavailable(
                f"the notification webhook did not answer ({type(error).__name__})", source=SOURCE
            ) from error
        if not 200 <= answer.status_code < 300:
            raise SourceUnavailable(
                f"the notification webhook answered {answer.status_code}", source=SOURCE
            )
