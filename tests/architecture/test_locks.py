"""The requirements locks: complete, exact, consistent, and free of any address."""

from __future__ import annotations

import re

import pytest

from tests.support.shared import REPOSITORY

LOCKS = ("requirements-core", "requirements", "requirements-dev")
PIN = re.compile(r"(?P<name>[a-z0-9-]+)(\[[a-z,]+\])?==(?P<version>[0-9][\w.]*)( ; .+)?")


def pins(lock: str) -> dict[str, set[str]]:
    """Return the versions of every package in a lock (two where they differ by Python version)."""
    found: dict[str, set[str]] = {}
    for line in (REPOSITORY / f"{lock}.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            match = PIN.fullmatch(line)
            assert match, f"{lock}.txt: {line!r} is not an exact public version"
            found.setdefault(match["name"], set()).add(match["version"])
    return found


def wanted(lock: str) -> set[str]:
    """Return the names asked for in an `.in` file, the files it refers to included."""
    names: set[str] = set()
    for line in (REPOSITORY / f"{lock}.in").read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            names |= wanted(line[3:].strip().removesuffix(".in"))
        elif line and not line.startswith("#"):
            names.add(re.split(r"[\[<>=]", line)[0].strip())
    return names


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_that_was_asked_for(lock: str) -> None:
    assert wanted(lock) - set(pins(lock)) == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address(lock: str) -> None:
    text = (REPOSITORY / f"{lock}.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--find-links|--extra-index|@ ", text)


@pytest.mark.parametrize("lock", ["requirements", "requirements-dev"])
def test_the_larger_locks_agree_with_the_core(lock: str) -> None:
    larger = pins(lock)
    assert {n: v for n, v in pins("requirements-core").items() if larger.get(n) != v} == {}


def test_the_whole_product_holds_the_packages_it_was_asked_to_be_built_on() -> None:
    asked = {"flask", "requests", "requests-cache", "pydantic", "xgboost-cpu", "torch", "pulp"}
    asked |= {"gunicorn", "sqlalchemy", "pytest", "responses"}
    assert asked - set(pins("requirements")) == set()


def test_the_core_leaves_the_predictors_libraries_out() -> None:
    assert {"torch", "xgboost-cpu", "xgboost", "ortools"} & set(pins("requirements-core")) == set()
