"""Keys: made once, held as digests, compared, revoked."""

from __future__ import annotations

import pytest

from models.domain.access import Role
from models.domain.errors import InvalidRequest, NotFound
from services import access
from services.brief import Brief
from tests.support.world import World, with_settings


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_keys_exist", Brief(2.0))


def test_a_made_key_opens_as_its_owner_and_role(world: World) -> None:
    secret, key = access.create_key(world.context, "team-a", Role.SUBMITTER, "laptop")
    assert secret.startswith("hh_")
    assert len(secret) > 40
    caller = access.authenticate(world.context, secret)
    assert caller is not None
    assert (caller.owner, caller.role, caller.key_id) == ("team-a", Role.SUBMITTER, key.key_id)
    assert access.authenticate(world.context, secret + "x") is None
    assert access.authenticate(world.context, "") is None


def test_the_secret_is_stored_nowhere(world: World) -> None:
    secret, key = access.create_key(world.context, "team-a", Role.OPERATOR, "")
    stored = access.keys(world.context)
    assert [k.key_id for k in stored] == [key.key_id]
    assert secret not in repr(stored)


def test_a_revoked_key_opens_nothing_and_does_not_open_the_program_to_everybody(
    world: World,
) -> None:
    secret, key = access.create_key(world.context, "team-a", Role.OPERATOR, "")
    access.revoke(world.context, key.key_id)
    assert access.authenticate(world.context, secret) is None
    assert access.keys_exist(world.context)
    with pytest.raises(NotFound):
        access.revoke(world.context, "nobody")


def test_without_any_key_there_is_none(world: World) -> None:
    assert not access.keys_exist(world.context)
    access.create_key(world.context, "team-a", Role.OPERATOR, "")
    assert access.keys_exist(world.context)


def test_keys_from_the_settings_open_too(world: World) -> None:
    digest = access.secret_sha256("long enough secret")
    context = with_settings(world.context, configured_keys=(("team-b", "auditor", digest),))
    caller = access.authenticate(context, "long enough secret")
    assert caller is not None
    assert (caller.owner, caller.role) == ("team-b", Role.AUDITOR)
    assert access.keys_exist(context)


@pytest.mark.parametrize("owner", ["", "a b", "a:b", "x" * 81])
def test_a_name_that_cannot_be_written_into_a_setting_is_refused(world: World, owner: str) -> None:
    with pytest.raises(InvalidRequest, match="is no name for an owner"):
        access.create_key(world.context, owner, Role.OPERATOR, "")
    with pytest.raises(InvalidRequest, match="a label has at most 80"):
        access.create_key(world.context, "ok", Role.OPERATOR, "y" * 81)
