"""`/api/notices`: what people should hear of without looking, as a list and as a calendar with alarms."""

from __future__ import annotations

from flask import Blueprint, Response

from models.domain.notice import Notice
from web import ics
from web.api.lists import reply_list
from web.auth import current_caller
from web.context import services
from web.operation import finish_get, operation
from web.present.common import Json, page, when
from web.schemas.fields import PageQuery
from web.schemas.notices import NoticeList, NoticeOut

bp = Blueprint("api_notices", __name__, url_prefix="/api")

COLUMNS = tuple(NoticeOut.model_fields)
"""Columns of the list as CSV."""

MOST_EVENTS = 200
"""Notices in the calendar at most, the newest."""


def present(found: Notice) -> Json:
    """Return a notice."""
    return {
        "notice_id": found.notice_id,
        "kind": str(found.kind),
        "job_id": found.job_id,
        "text": found.text,
        "start_time": when(found.start),
        "created_at": when(found.created_at),
        "sent_at": when(found.sent_at),
        "tries": found.tries,
        "last_error": found.last_error,
    }


@bp.get("/notices")
@bp.get("/notices.csv")
@operation(
    "Notices",
    {200: NoticeList},
    query=PageQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_notices(query: PageQuery) -> Response:
    """List notices, newest first: jobs moved by more than 30 minutes, refused, not heard of after their start; old data."""
    found = services().notices(current_caller(), cursor=query.cursor, limit=query.limit)
    return reply_list("notices", page(found, present), COLUMNS)


@bp.get("/notices.ics")
@operation("Notices", {200: None}, media_types=(ics.MEDIA_TYPE,))
def notices_calendar() -> Response:
    """Give the newest notices as a calendar whose entries ring when they are made."""
    found = services().notices(current_caller(), limit=MOST_EVENTS)
    response = Response(ics.notices(found.items), content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = 'inline; filename="halfhour-notices.ics"'
    return finish_get(response)
