"""Notices: what people should hear of is stored once, told once, and told again only when it is news; on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models.domain.access import Caller, Role
from models.domain.errors import SourceUnavailable
from models.domain.notice import Notice, NoticeKind
from models.domain.time import SLOT
from services import amend, notices, planning
from services.facade import Services
from storage.database import Database
from tests.support.fleet import NOON
from tests.support.world import (
    OPERATOR,
    STRANGER,
    World,
    a_world,
    hours,
    placed,
    submitted,
    with_cluster,
)

MINUTE = timedelta(minutes=1)


class Post:
    """`Notifier` in memory; away, it takes nothing."""

    def __init__(self) -> None:
        self.sent: list[Notice] = []
        self.is_away = False

    def send(self, notice: Notice) -> None:
        if self.is_away:
            raise SourceUnavailable("the notification webhook answered 503")
        self.sent.append(notice)


class Site:
    """An application with a place for notices and a system clock of its own."""

    def __init__(self, world: World) -> None:
        self.post = Post()
        self.system_now = NOON
        context = replace(world.context, notifier=self.post, system_now=lambda: self.system_now)
        self.world = replace(world, context=context)
        self.services = Services(context)
        with_cluster(self.world)

    def told(self) -> list[Notice]:
        notices.tell(self.world.context)
        sent, self.post.sent = self.post.sent, []
        return sent

    def planned(self, **changes: Any) -> str:
        return submitted(self.world, **{"earliest_start": NOON + hours(6), **changes})


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Site:
    return Site(a_world(database, tmp_path))


def test_a_first_plan_is_no_news(site: Site) -> None:
    site.planned()
    assert site.told() == []


def test_a_job_moved_by_more_than_half_an_hour_is_told_once(site: Site) -> None:
    job_id = site.planned()
    before = placed(site.world, job_id).start
    site.told()
    amend.change(site.world.context, OPERATOR, job_id, {"earliest_start": before + hours(3)})
    after = placed(site.world, job_id).start
    (notice,) = site.told()
    assert (notice.kind, notice.job_id, notice.start) == (NoticeKind.MOVED, job_id, after)
    assert notice.owner == "local"
    assert site.told() == []


def test_small_moves_are_told_when_they_add_up(site: Site) -> None:
    job_id = site.planned()
    start = placed(site.world, job_id).start
    site.told()
    amend.change(site.world.context, OPERATOR, job_id, {"earliest_start": start + SLOT})
    assert placed(site.world, job_id).start == start + SLOT
    assert site.told() == [], "moved by 30 minutes and not more"
    amend.change(site.world.context, OPERATOR, job_id, {"earliest_start": start + 2 * SLOT})
    (notice,) = site.told()
    assert notice.start == start + 2 * SLOT


def test_there_and_back_again_is_told_both_times(site: Site) -> None:
    job_id = site.planned()
    start = placed(site.world, job_id).start
    site.told()
    seen = []
    for n in range(4):
        wanted = start + hours(2) if n % 2 == 0 else start
        site.services.pin(OPERATOR, job_id, start_time=wanted)
        site.world.at(NOON + n * MINUTE)
        seen += [notice.start for notice in site.told()]
    assert seen == [start + hours(2), start, start + hours(2), start]


def test_a_refusal_is_told_with_its_reason(site: Site) -> None:
    job_id = site.planned(max_price_gbp_per_kwh=0.01)
    (notice,) = site.told()
    assert (notice.kind, notice.job_id) == (NoticeKind.REFUSED, job_id)
    planning.replan(site.world.context, trigger="worker", wait_seconds=None)
    assert site.told() == []


def test_new_figures_of_the_same_refusal_are_no_news_and_another_wish_that_does_not_fit_is(
    site: Site,
) -> None:
    job_id = site.planned(carbon_cap_g_per_kwh=50.0)
    site.told()
    before = site.world.view(job_id).plan
    site.world.grids["live"].carbon = lambda _slug, _at: 150.0
    site.world.at(NOON + hours(1))
    planning.replan(site.world.context, trigger="new_forecast", wait_seconds=None)
    after = site.world.view(job_id).plan
    assert before is not None
    assert after is not None
    assert before.refusal != after.refusal, "its sentence names the new figures"
    assert site.told() == []
    amend.change(site.world.context, OPERATOR, job_id, {"carbon_cap_g_per_kwh": 60.0})
    assert [notice.kind for notice in site.told()] == [NoticeKind.REFUSED]


def test_a_start_that_nobody_confirms_is_told_after_a_quarter_of_an_hour(site: Site) -> None:
    job_id = site.planned()
    start = placed(site.world, job_id).start
    site.told()
    site.world.at(start + 14 * MINUTE)
    assert site.told() == []
    site.world.at(start + 16 * MINUTE)
    (notice,) = site.told()
    assert (notice.kind, notice.job_id) == (NoticeKind.START_UNCONFIRMED, job_id)
    assert site.told() == []


def test_a_confirmed_start_is_not_asked_about(site: Site) -> None:
    job_id = site.planned()
    start = placed(site.world, job_id).start
    site.world.at(start + MINUTE)
    site.services.confirm(OPERATOR, job_id, "started")
    site.world.at(start + 20 * MINUTE)
    assert site.told() == []


def test_data_older_than_three_hours_are_told_once_an_outage(site: Site) -> None:
    site.told()
    site.world.grids["live"].is_down = True
    site.world.at(NOON + hours(2.9))
    assert site.told() == []
    site.world.at(NOON + hours(3.2))
    (notice,) = site.told()
    assert (notice.kind, notice.owner, notice.job_id) == (NoticeKind.DATA_STALE, None, None)
    site.world.at(NOON + hours(4))
    assert site.told() == []


def test_what_does_not_arrive_is_sent_again_later_and_lost_never(site: Site) -> None:
    site.planned(max_price_gbp_per_kwh=0.01)
    site.post.is_away = True
    assert site.told() == []
    site.post.is_away = False
    assert site.told() == [], "it waits 30 s after a failure"
    site.system_now += timedelta(seconds=31)
    (notice,) = site.told()
    assert notice.tries == 1
    (kept,) = notices.page(site.world.context, OPERATOR).items
    assert (kept.is_due, kept.sent_at, kept.last_error) == (False, site.system_now, None)


def test_a_crash_between_sending_and_storing_sends_the_same_notice_again(site: Site) -> None:
    site.planned(max_price_gbp_per_kwh=0.01)
    (first,) = site.told()
    with site.world.context.uow(write=True) as uow:
        uow.notices.update(first)  # as it was stored before it was sent
        uow.commit()
    (again,) = site.told()
    assert again.notice_id == first.notice_id


def test_without_a_place_notices_are_kept_to_be_read_by_their_owner(site: Site) -> None:
    context = replace(site.world.context, notifier=None)
    site.planned(max_price_gbp_per_kwh=0.01)
    assert notices.tell(context).stored == 1
    assert [n.is_due for n in notices.page(context, OPERATOR).items] == [False]
    stranger = Caller(STRANGER.owner, Role.SUBMITTER)
    assert notices.page(context, stranger).items == ()
