"""`/api/notices` as JSON, CSV and calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import icalendar
from flask.testing import FlaskClient

from models.domain.notice import Notice, NoticeKind
from tests.support.fake_services import FakeServices
from web.schemas.notices import NoticeList

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MOVED = Notice(
    "ab12", "k", NoticeKind.MOVED, "local", "job-a", "It moved, now Sun 02:00.", NOON, start=NOON
)
STALE = Notice("ab13", "l", NoticeKind.DATA_STALE, None, None, "Old data.", NOON)
OTHERS = Notice("ab14", "m", NoticeKind.REFUSED, "bob", "job-b", "It does not fit.", NOON)


def test_notices_are_listed_without_those_of_others(
    client: FlaskClient, services: FakeServices
) -> None:
    services.told = [MOVED, STALE, OTHERS]
    answer = client.get("/api/notices").json
    NoticeList.model_validate(answer)
    assert [one["kind"] for one in answer["items"]] == ["moved", "data_stale"]
    assert client.get("/api/notices.csv").text.splitlines()[0].startswith("notice_id,kind,job_id")


def test_the_calendar_has_an_entry_with_an_alarm_for_each(
    client: FlaskClient, services: FakeServices
) -> None:
    services.told = [MOVED, STALE]
    answer = client.get("/api/notices.ics")
    assert answer.mimetype == "text/calendar"
    first, second = icalendar.Calendar.from_ical(answer.data).walk("VEVENT")
    assert str(first["summary"]) == "Moved: It moved, now Sun 02:00."
    assert first["dtstart"].dt == NOON
    (alarm,) = first.walk("VALARM")
    assert alarm["trigger"].dt == timedelta(0)
    assert str(second["uid"]) == "ab13@halfhour"
