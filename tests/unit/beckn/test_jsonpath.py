"""Filters: both ways of writing them, and nothing beyond."""

from __future__ import annotations

import json
import time

import pytest

from beckn.faults import Refused
from beckn.jsonpath import compiled
from tests.support.shared import shared_path

ITEM = {
    "id": "a",
    "beckn:itemAttributes": {
        "beckn:gridParameters": {"gridArea": "Cambridge-East", "renewableMix": 80},
        "flags": {"on": True},
        "types": ["commercial", "residential"],
    },
    "resourceAttributes": {"capacityKw": 300, "timeWindow": {"start": "2026-04-01T10:00:00Z"}},
}


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("@.resourceAttributes.capacityKw >= 300", True),
        ("@.resourceAttributes.capacityKw > 300", False),
        ("@.resourceAttributes.capacityKw < 1e3", None),
        ("@.beckn:itemAttributes.beckn:gridParameters.gridArea in ['Cambridge-East', 'X']", True),
        ("@['beckn:itemAttributes']['beckn:gridParameters'].renewableMix == 80", True),
        ("@.beckn:itemAttributes.types =~ /industrial|commercial/", True),
        ("@.beckn:itemAttributes.types[*] == 'residential'", True),
        ("@.beckn:itemAttributes.types[0] == 'residential'", False),
        ("!(@.id == 'a') || @.beckn:itemAttributes.flags.on == true", True),
        ("@.beckn:itemAttributes.flags.on == 1", False),
        ("exists(@.resourceAttributes.timeWindow) && !exists(@.nothing)", True),
        ("@.resourceAttributes.timeWindow.start < '2026-04-02T00:00:00Z'", True),
        ("@.nothing > 3", False),
        ("@.resourceAttributes.capacityKw >= 'x'", False),
        ("@.beckn:itemAttributes.flags.on", True),
    ],
)
def test_predicates_hold_as_written(predicate: str, expected: bool | None) -> None:
    for written in (
        f"$[?({predicate})]",
        f"$.resources[*] ? ({predicate})",
        f"$.resources[?{predicate}]",
    ):
        if expected is None:
            with pytest.raises(Refused):
                compiled(written)
        else:
            assert compiled(written).test(ITEM) is expected, written


def test_the_filters_of_the_official_samples_are_understood() -> None:
    roots = []
    for path in sorted(shared_path("beckn/samples").rglob("discover*.json")):
        message = json.loads(path.read_text(encoding="utf-8"))["message"]
        filters = message.get("filters") or message["intent"]["filters"]
        roots.append(compiled(filters["expression"]).of_catalog)
    assert roots == [True, False, False, False]


@pytest.mark.parametrize(
    "expression",
    [
        "", "$", "@.a == 1", "$[?(@.a ==)]", "$[?(@.a == 1]", "$[?(@.a =~ /(a+)+$/)]", "$[?(import os)]",
        "$[?(@.a == $.b)]", "$[?(@..a == 1)]", "$[?(" + "(" * 50 + "@.a" + ")" * 50 + ")]",
        "$[?(" + "@.a==1&&" * 400 + "@.a==1)]", "$[?(@.a in @.b)]", "$[?(length(@.a) > 1)]",
    ],
)  # fmt: skip
def test_anything_else_is_refused_at_once(expression: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(Refused) as refused:
        compiled(expression)
    assert refused.value.code == "SCH_INVALID_JSONPATH"
    assert time.perf_counter() - begun < 0.5
