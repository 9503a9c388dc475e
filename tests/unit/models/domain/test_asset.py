"""What an asset has room for, and who may do what."""

from __future__ import annotations

import pytest

from models.domain.access import Caller, Role
from tests.support.fleet import an_asset


def test_jobs_have_what_the_base_load_leaves() -> None:
    assert an_asset(max_power_kw=100.0, base_load_kw=30.0).room_kw == 70.0
    assert an_asset(max_power_kw=20.0, base_load_kw=30.0).room_kw == 0.0


def test_an_asset_without_a_name_shows_its_id() -> None:
    assert an_asset("hall").label == "hall"
    assert an_asset("hall", name="Hall A").label == "Hall A"


@pytest.mark.parametrize(
    ("role", "may_submit", "may_operate", "sees"),
    [
        (Role.SUBMITTER, True, False, "me"),
        (Role.OPERATOR, True, True, "me"),
        (Role.AUDITOR, False, False, None),
    ],
)
def test_roles_may_what_they_are_for(
    role: Role, may_submit: bool, may_operate: bool, sees: str | None
) -> None:
    caller = Caller("me", role)
    assert (caller.may_submit, caller.may_operate, caller.sees_owner) == (
        may_submit,
        may_operate,
        sees,
    )
