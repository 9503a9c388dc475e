"""Notices: what a person should hear of without looking, each told once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

MOVED_BY_MORE_THAN = timedelta(minutes=30)
"""A start that differs by more than this from the one last told is worth a notice. [min]"""

START_GRACE = timedelta(minutes=15)
"""How long after its planned start a job may stay unheard of. [min]"""

STALE_AFTER = timedelta(hours=3)
"""Age at which the carbon forecast is worth a notice. [h]"""


class NoticeKind(StrEnum):
    """What happened."""

    MOVED = "moved"
    """A plan moved a job by more than 30 minutes from the start last told."""
    REFUSED = "refused"
    """A job does not fit as it was asked."""
    START_UNCONFIRMED = "start_unconfirmed"
    """A window has been open for 15 minutes and nothing says that its job started."""
    DATA_STALE = "data_stale"
    """The carbon forecast in use is older than 3 hours."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell."""

    notice_id: str
    key: str
    """What makes it the same notice; a second one with the same key is not stored."""
    kind: NoticeKind
    owner: str | None
    """Whose job it is about; None: it concerns everybody."""
    job_id: str | None
    text: str
    """One or two sentences."""
    created_at: datetime
    """Planning clock."""
    start: datetime | None = None
    """Planned start it speaks of."""
    sent_at: datetime | None = None
    """System time at which it was delivered; None: not yet, or there is nowhere to."""
    tries: int = 0
    retry_at: datetime | None = None
    """Earliest next attempt, system time."""
    last_error: str | None = None
    is_due: bool = False
    """Whether it is still to be delivered."""
