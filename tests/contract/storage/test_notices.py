"""Stored notices, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from models.domain.errors import NotFound
from models.domain.notice import Notice, NoticeKind
from storage.database import Database
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON


def a_notice(number: int, **changes: Any) -> Notice:
    plain = Notice(
        f"{number:032x}", f"key-{number}", NoticeKind.MOVED, "ada", "job-a", "It moved.",
        NOON + timedelta(minutes=number), start=NOON, is_due=True,
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.fixture
def units(database: Database) -> SqlUnitOfWorkFactory:
    units = SqlUnitOfWorkFactory(database)
    with units(write=True) as uow:
        assert uow.notices.add(a_notice(1))
        assert uow.notices.add(a_notice(2, owner="bob", is_due=False))
        assert uow.notices.add(a_notice(3, owner=None, job_id=None))
        uow.commit()
    return units


def test_a_second_notice_of_the_same_thing_is_not_stored(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as uow:
        assert not uow.notices.add(a_notice(9, key="key-1"))
        uow.commit()
    with units() as uow:
        assert len(uow.notices.page(None).items) == 3


def test_an_owner_reads_their_own_and_everybodys_newest_first_in_pages(
    units: SqlUnitOfWorkFactory,
) -> None:
    with units() as uow:
        first = uow.notices.page("ada", limit=1)
        rest = uow.notices.page("ada", cursor=first.next_cursor, limit=5)
    assert first.items == (a_notice(3, owner=None, job_id=None),)
    assert (rest.items, rest.next_cursor) == ((a_notice(1),), None)


def test_what_is_due_comes_oldest_first_until_it_is_sent(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as uow:
        assert [n.key for n in uow.notices.due(9)] == ["key-1", "key-3"]
        uow.notices.update(a_notice(1, is_due=False, sent_at=NOON))
        with pytest.raises(NotFound):
            uow.notices.update(a_notice(7))
        uow.commit()
    with units() as uow:
        assert [n.key for n in uow.notices.due(9)] == ["key-3"]


def test_told_starts_are_replaced_and_forgotten(units: SqlUnitOfWorkFactory) -> None:
    later = NOON + timedelta(hours=1)
    with units(write=True) as uow:
        uow.notices.tell_starts({"job-a": NOON, "job-b": NOON})
        uow.notices.tell_starts({"job-a": later})
        uow.notices.forget_starts(["job-b", "job-z"])
        uow.commit()
    with units() as uow:
        assert uow.notices.told_starts() == {"job-a": later}
