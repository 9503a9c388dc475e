"""Stored forms give back exactly what went in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.domain.asset import Asset
from models.domain.errors import InvalidRequest
from models.domain.job import Job, JobControls
from models.domain.plan import (
    Award,
    Deferral,
    NegotiationSummary,
    Placement,
    Refusal,
    Relaxation,
    Segment,
)
from storage.serialise import dump_free, dumps, load_free, loads
from tests.support.fleet import NOON, a_job

FINITE = st.floats(allow_nan=False, allow_infinity=False)
INSTANTS = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2100, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
DURATIONS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400))
PLAIN = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | FINITE | st.text(max_size=8)
FREE = st.recursive(
    PLAIN
    | INSTANTS
    | DURATIONS
    | st.dates()
    | st.decimals(allow_nan=False, allow_infinity=False).map(lambda d: Decimal(str(d))),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["$map", "$tuple"]), inner)
    ),
    max_leaves=8,
)


def values_of(hint: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for values of a type hint, read independently of the code under test."""
    plain = {datetime: INSTANTS, timedelta: DURATIONS, float: FINITE, Any: FREE}
    if hint in plain:
        return plain[hint]
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.builds(hint, **{one.name: values_of(hints[one.name]) for one in fields(hint)})
    inner = get_args(hint)
    if get_origin(hint) is UnionType:
        return st.one_of(*(values_of(one) for one in inner))
    if get_origin(hint) is tuple and inner[1:] == (Ellipsis,):
        return st.lists(values_of(inner[0]), max_size=2).map(tuple)
    if get_origin(hint) is tuple:
        return st.tuples(*(values_of(one) for one in inner))
    if get_origin(hint) is Mapping:
        return st.dictionaries(st.text(max_size=5), FREE, max_size=2)
    return st.from_type(hint)


STORED_KINDS = (
    Asset,
    Job,
    JobControls,
    Placement,
    Award,
    Refusal,
    Deferral,
    NegotiationSummary,
)


@pytest.mark.parametrize("kind", STORED_KINDS)
def test_every_stored_kind_round_trips_exactly(kind: type) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(values_of(kind))
    def round_trips(value: Any) -> None:
        text = dumps(value)
        back = loads(kind, text)
        assert back == value
        assert dumps(back) == text
        assert text.isascii()

    round_trips()


@settings(max_examples=200, deadline=None)
@given(FREE)
def test_free_data_round_trips_with_its_types(value: Any) -> None:
    back = load_free(dump_free(value))
    assert back == value
    assert type(back) is type(value)


def test_a_free_value_keeps_times_and_tuples() -> None:
    value = {
        "latest_finish": NOON,
        "share": 0.1 + 0.2,
        "levels": ((1.0, 0.5), (2.0, 1.0)),
        "on": date(2026, 11, 21),
        "$instant": "not a time",
        "nested": [{"$tuple": 1}],
    }
    assert load_free(dump_free(value)) == value
    relaxation = Relaxation("latest_finish", NOON, NOON, "cluster-a", None, 0.5)
    assert loads(Relaxation, dumps(relaxation)) == relaxation


def test_an_instant_of_another_zone_is_stored_in_utc() -> None:
    east = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert json.loads(dumps(Segment(east, east, 1.0)))["start"] == "2026-07-01T10:00:00+00:00"


def test_a_naive_time_and_a_float_that_is_no_number_are_refused() -> None:
    with pytest.raises(InvalidRequest):
        dumps(Segment(datetime(2026, 1, 1), NOON, 1.0))  # noqa: DTZ001
    with pytest.raises(ValueError, match="JSON"):
        dumps(Segment(NOON, NOON, float("nan")))
    with pytest.raises(TypeError, match="set"):
        dump_free({"a": {1, 2}})
    with pytest.raises(TypeError, match="text keys"):
        dump_free({1: 2})


def test_text_of_an_older_version_takes_defaults_and_drops_what_is_gone() -> None:
    job = a_job(version=3)
    stored = json.loads(dumps(job))
    del stored["data_gb"], stored["workload"]
    stored["a_field_of_the_past"] = 1
    assert loads(Job, json.dumps(stored)) == job
    del stored["power_kw"]
    with pytest.raises(ValueError, match="Job lacks power_kw"):
        loads(Job, json.dumps(stored))
    assert loads(Job, dumps(replace(job, data_gb=1.5))).data_gb == 1.5
