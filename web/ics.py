"""Planned jobs and notices as calendars (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, timedelta
from typing import Final

from models.domain.job import JobStatus
from models.domain.notice import Notice
from models.domain.ports import JobView
from models.domain.regions import REGIONS
from web.views.notice_view import KIND_WORDS

MEDIA_TYPE: Final = "text/calendar"
"""Media type of a calendar."""

REFRESH: Final = timedelta(minutes=30)
"""How often a calendar program should look again."""


def calendar(views: Iterable[JobView]) -> bytes:
    """Return the calendar of the jobs that hold an award.

    The UID of a job stays the same when it moves; `SEQUENCE` grows with every move, so that calendars follow.
    """
    from icalendar import Calendar, Event

    out = Calendar()
    out.add("prodid", "-//Halfhour//Planned jobs//EN")
    out.add("version", "2.0")
    out.add("x-wr-calname", "Halfhour: planned jobs")
    out.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
    for view in views:
        plan = view.plan
        if plan is None or plan.award is None:
            continue
        job, place = view.job, plan.award.placement
        event = Event()
        event.add("uid", f"{job.job_id}@halfhour")
        event.add("dtstamp", plan.decided_at.astimezone(UTC))
        event.add("sequence", plan.moves)
        event.add("dtstart", place.start.astimezone(UTC))
        event.add("dtend", place.end.astimezone(UTC))
        event.add("summary", job.job_name)
        event.add("location", f"{place.asset_id}, {REGIONS[place.region].name}")
        event.add("description", plan.award.why)
        event.add("status", "CONFIRMED" if view.status is JobStatus.RUNNING else "TENTATIVE")
        event.add("transp", "TRANSPARENT")
        out.add_component(event)
    return bytes(out.to_ical())


def notices(found: Iterable[Notice]) -> bytes:
    """Return a calendar of notices, each with an alarm at the time it was made."""
    from icalendar import Alarm, Calendar, Event

    out = Calendar()
    out.add("prodid", "-//Halfhour//Notices//EN")
    out.add("version", "2.0")
    out.add("x-wr-calname", "Halfhour: notices")
    out.add("refresh-interval", REFRESH, parameters={"value": "DURATION"})
    for notice in found:
        at = notice.created_at.astimezone(UTC)
        event = Event()
        event.add("uid", f"{notice.notice_id}@halfhour")
        event.add("dtstamp", at)
        event.add("dtstart", at)
        event.add("duration", timedelta(minutes=5))
        event.add("summary", f"{KIND_WORDS[notice.kind]}: {notice.text}")
        event.add("description", notice.text)
        event.add("transp", "TRANSPARENT")
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", notice.text)
        alarm.add("trigger", timedelta(0))
        event.add_component(alarm)
        out.add_component(event)
    return bytes(out.to_ical())
