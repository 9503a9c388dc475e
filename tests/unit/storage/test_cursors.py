"""Cursors are opaque, belong to one list, and are refused with a sentence otherwise."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.errors import InvalidRequest
from storage.cursors import cursor_instant, decode_cursor, encode_cursor
from storage.types import from_microseconds, to_microseconds


@given(st.text(), st.integers(-(2**61), 2**61))
def test_a_cursor_gives_back_its_parts(text: str, number: int) -> None:
    cursor = encode_cursor("jobs", number, text)
    assert decode_cursor("jobs", cursor, (int, str)) == (number, text)
    assert cursor.isascii()
    assert "=" not in cursor


def test_an_instant_travels_to_the_microsecond() -> None:
    instant = datetime(2026, 11, 21, 12, 0, 0, 123_457, tzinfo=UTC)
    (part,) = decode_cursor("n", encode_cursor("n", instant), (int,))
    assert cursor_instant(part) == instant
    assert from_microseconds(to_microseconds(instant)) == instant


@given(st.text(max_size=30))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        decode_cursor("jobs", text, (int, str))


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor("assets", 1, "a"),
        encode_cursor("jobs", 1),
        encode_cursor("jobs", "1", "a"),
        encode_cursor("jobs", 2**63, "a"),
    ],
)
def test_a_cursor_of_another_list_or_shape_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest):
        decode_cursor("jobs", cursor, (int, str))


def test_an_instant_outside_the_calendar_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        cursor_instant(2**61)
