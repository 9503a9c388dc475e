"""Delivers notices as signed POSTs to an address of the operator's."""

from __future__ import annotations

import json

from models.domain.errors import SourceUnavailable
from models.domain.notice import Notice
from models.domain.signature import SignedPoster
from models.domain.time import format_utc

SOURCE = "notification webhook"
"""What the address is called where it does not answer."""


class WebhookNotifier:
    """`Notifier` behind one address; the key of a notice is the same when it is sent again."""

    def __init__(self, post: SignedPoster) -> None:
        """Send through what is given."""
        self._post = post

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
        reply = self._post(body, notice.notice_id)
        if not reply.is_good:
            raise SourceUnavailable(f"the {SOURCE} answered {reply.status}", source=SOURCE)
