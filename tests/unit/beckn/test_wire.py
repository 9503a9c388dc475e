"""What is taken as a message, and what is not."""

from __future__ import annotations

import time

import pytest

from beckn import wire
from beckn.faults import Refused


def test_an_object_comes_back_as_it_was_sent() -> None:
    message = {"context": {"text": "5 °C, é"}, "message": {"values": [1, 2.5, None, True]}}
    assert wire.parse(wire.serialise(message)) == message


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a":1,"a":2}', "twice"),
        (b'{"a":{"b":1,"b":2}}', "twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", "deeper"),
        (b"[" * 500_000, "deeper"),
        (b'"' + b'\\"' * 500_000, "not JSON"),
        (b'{"a":"' + b'\\"' * 500_000 + b"\\", "not JSON"),
        (b'{"a":"' + b"x" * wire.MOST_BYTES + b'"}', "bytes"),
    ],
)
def test_anything_else_is_refused_with_its_reason(raw: bytes, word: str) -> None:
    with pytest.raises(Refused, match=word) as refused:
        wire.parse(raw)
    assert (refused.value.code, refused.value.status) == ("SCH_INVALID_JSON", 400)


def test_brackets_inside_text_are_not_nesting() -> None:
    assert wire.deepest('{"a":"[[[[\\"[[[["}') == 1


def test_a_text_without_an_end_is_looked_at_once() -> None:
    # 500,000 escaped quotes and no end: looking again from each of them would take hours.
    begun = time.process_time()
    assert wire.deepest("[" + '"' + '\\"' * 500_000) == 1
    assert time.process_time() - begun < 5.0


def test_too_deep_is_told_by_nesting_not_by_how_many_brackets_there_are() -> None:
    # 40 lists side by side lie one deep; 33 inside each other are one too many.
    assert not wire.is_too_deep("[" + ",".join(["[]"] * 40) + "]")
    assert not wire.is_too_deep("[" * 32 + "]" * 32)
    assert wire.is_too_deep("[" * 33 + "]" * 33)
