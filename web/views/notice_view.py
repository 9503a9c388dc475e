"""Notices in words for their page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from models.domain.notice import Notice, NoticeKind
from web.views.stamps import Stamp, dated

KIND_WORDS = {
    NoticeKind.MOVED: "Moved",
    NoticeKind.REFUSED: "Refused",
    NoticeKind.START_UNCONFIRMED: "Start not confirmed",
    NoticeKind.DATA_STALE: "Old data",
}
"""What happened, in words."""


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice."""

    told: Stamp
    kind: str
    text: str
    job_id: str | None
    delivery: str
    """What became of its delivery; empty where there is nowhere to deliver to."""


def notice_rows(found: Iterable[Notice], now: datetime) -> tuple[NoticeRow, ...]:
    """Return notices in the order given."""
    return tuple(
        NoticeRow(
            told=dated(one.created_at, now),
            kind=KIND_WORDS[one.kind],
            text=one.text,
            job_id=one.job_id,
            delivery=_delivery(one, now),
        )
        for one in found
    )


def _delivery(one: Notice, now: datetime) -> str:
    if one.sent_at is not None:
        return f"sent {dated(one.sent_at, now).text}"
    tries = f"{one.tries} tr{'y' if one.tries == 1 else 'ies'}"
    if one.is_due:
        return f"not sent yet, {tries}: {one.last_error}" if one.tries else "about to be sent"
    return f"not sent, given up after {tries}: {one.last_error}" if one.tries else ""
