"""Notices as answers."""

from __future__ import annotations

from models.domain.notice import NoticeKind
from web.schemas.fields import Shown, When


class NoticeOut(Shown):
    """One thing people should hear of, and whether it was delivered."""

    notice_id: str
    kind: NoticeKind
    job_id: str | None
    text: str
    start_time: When | None
    created_at: When
    sent_at: When | None
    tries: int
    last_error: str | None


class NoticeList(Shown):
    """A page of notices, newest first."""

    items: list[NoticeOut]
    next_cursor: str | None
