"""Reading JSON without mercy and writing it without NaN."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.json_text import DEEPEST, JsonError, json_safe, json_text, parse_json

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(PLAIN)
def test_what_was_written_reads_back_the_same(value: object) -> None:
    assert parse_json(json_text(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": {"b": 1, "b": 1}}', "stands twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": Infinity}', "Infinity is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": ', "not JSON"),
        (b'{"a": "\x00"}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8 (byte 7)"),
        (b'{"a": "\\ud800"}', "half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
        (b"[" * 100_000, "nested deeper"),
        (b"[" * 40 + b"]" * 40, "nested deeper"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
        (b"9" * 5000, "too many digits"),
    ],
)
def test_what_parsers_disagree_about_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(JsonError, match=said.replace("(", r"\(").replace(")", r"\)")):
        parse_json(raw)


def test_nesting_up_to_the_limit_is_read() -> None:
    value = parse_json(b"[" * DEEPEST + b"]" * DEEPEST)
    assert value[0][0] is not None


def test_a_whole_surrogate_pair_is_text() -> None:
    assert parse_json(b'"\\ud83c\\udf31"') == "\N{SEEDLING}"


def test_nan_is_never_written() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text({"a": float("nan")})


def test_values_of_errors_are_made_fit_for_json_and_cut_short() -> None:
    assert json_safe(datetime(2026, 11, 21, 18, tzinfo=UTC)) == "2026-11-21T18:00:00Z"
    assert json_safe(timedelta(minutes=90)) == 1.5
    assert json_safe(float("inf")) == "inf"
    assert len(json_safe("x" * 1000)) == 201
    assert json_safe({"a": [1, {2}]}) == {"a": [1, [2]]}
    assert json_safe(10**30) == str(10**30)
