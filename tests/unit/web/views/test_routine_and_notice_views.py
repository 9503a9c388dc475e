"""Routines and notices in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from models.domain.notice import Notice, NoticeKind
from models.domain.routine import Every, Routine
from web.views.notice_view import notice_rows
from web.views.routine_view import routine_rows

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NIGHTLY = Routine(
    "nightly", "local", Every.WEEKDAY, 18, 0, timedelta(hours=14), 1, {"duration_hours": 2.0, "job_name": "train"},
    date(2026, 11, 23), None, NOON,
)  # fmt: skip
MOVED = Notice("ab12", "k", NoticeKind.MOVED, "local", "job-a", "It moved.", NOON)


def test_a_routine_says_when_it_is_next_handed_in_and_how_far_it_came() -> None:
    (row,) = routine_rows([replace(NIGHTLY, handed_in=1)], NOON)
    assert (row.name, row.routine_id) == ("train", "nightly")
    assert row.rhythm == "Monday to Friday from 18:00, done within 14 h"
    assert row.following.text == "Mon 23 Nov 18:00"
    assert (row.handed_in, row.until, row.trouble) == ("1 job so far", "", "")


def test_a_weekly_one_names_its_weekday_its_copies_and_its_last_date() -> None:
    weekly = replace(
        NIGHTLY, every=Every.WEEK, copies=3, until=date(2026, 12, 28), last_error="2026-11-16: no room"
    )  # fmt: skip
    (row,) = routine_rows([weekly], NOON)
    assert row.rhythm == "every Monday from 18:00, done within 14 h, 3 jobs each time"
    assert (row.until, row.trouble) == ("last on Mon 28 Dec 2026", "2026-11-16: no room")


def test_the_next_one_stands_first() -> None:
    sooner = replace(NIGHTLY, routine_id="z", next_on=date(2026, 11, 22))
    rows = routine_rows([NIGHTLY, sooner], NOON)
    assert [row.routine_id for row in rows] == ["z", "nightly"]


def test_a_notice_says_whether_it_arrived() -> None:
    tried = replace(MOVED, is_due=True, tries=2, last_error="it answered 503")
    told = [
        MOVED,
        replace(MOVED, is_due=True),
        tried,
        replace(tried, is_due=False),
        replace(tried, is_due=False, sent_at=NOON + timedelta(minutes=5)),
    ]
    assert [row.delivery for row in notice_rows(told, NOON)] == [
        "",
        "about to be sent",
        "not sent yet, 2 tries: it answered 503",
        "not sent, given up after 2 tries: it answered 503",
        "sent Sat 21 Nov 12:05",
    ]
    assert notice_rows([MOVED], NOON)[0].kind == "Moved"
