"""Idempotency keys, API keys and the health of sources."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.domain.access import ApiKey, Role
from models.domain.errors import Conflict, NotFound
from models.domain.ports import SourceHealth, StoredResponse
from storage.idempotency import KEEP_ANSWERS_FOR
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fleet import NOON

REQUEST = ("local", "POST /api/jobs", "key-1")
DIGEST = "a" * 64
ME = "this-process"


def test_a_key_is_reserved_once_then_answers_what_was_stored(units: SqlUnitOfWorkFactory) -> None:
    answer = StoredResponse(DIGEST, 201, '{"job_id": "ä"}', {"Location": "/api/jobs/1"})
    with units(write=True) as unit:
        assert unit.idempotency.reserve(*REQUEST, DIGEST, NOON, ME) is None
        unit.commit()
    with units(write=True) as unit:
        working = unit.idempotency.reserve(*REQUEST, "b" * 64, NOON, "another")
        assert working == StoredResponse(DIGEST, None, "", {}, ME, NOON)
        unit.idempotency.complete(*REQUEST, answer)
        unit.commit()
    with units(write=True) as unit:
        assert unit.idempotency.reserve(*REQUEST, DIGEST, NOON, ME) == answer
        for other in (
            ("another", REQUEST[1], REQUEST[2]),
            (REQUEST[0], "POST /api/assets", REQUEST[2]),
            (REQUEST[0], REQUEST[1], "key-2"),
        ):
            assert unit.idempotency.reserve(*other, DIGEST, NOON, ME) is None


def test_a_forgotten_key_is_free_and_an_answered_one_stays(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit:
        unit.idempotency.reserve(*REQUEST, DIGEST, NOON, ME)
        unit.idempotency.forget(*REQUEST)
        assert unit.idempotency.reserve(*REQUEST, DIGEST, NOON, ME) is None
        unit.idempotency.complete(*REQUEST, StoredResponse(DIGEST, 200, "{}"))
        unit.idempotency.forget(*REQUEST)
        stored = unit.idempotency.reserve(*REQUEST, DIGEST, NOON, ME)
        assert stored is not None
        assert stored.status == 200


def test_an_unanswered_key_is_taken_over_once_and_an_answered_one_never(
    units: SqlUnitOfWorkFactory,
) -> None:
    later = NOON + timedelta(minutes=1)
    with units(write=True) as unit:
        unit.idempotency.reserve(*REQUEST, DIGEST, NOON, "dead")
        assert unit.idempotency.take_over(*REQUEST, "dead", ME, later)
        assert not unit.idempotency.take_over(*REQUEST, "dead", "late", later)
        working = unit.idempotency.reserve(*REQUEST, DIGEST, later, "late")
        assert working == StoredResponse(DIGEST, None, "", {}, ME, later)
        unit.idempotency.complete(*REQUEST, StoredResponse(DIGEST, 200, "{}"))
        assert not unit.idempotency.take_over(*REQUEST, ME, "late", later)


def test_a_key_that_was_never_reserved_cannot_be_answered(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit, pytest.raises(NotFound):
        unit.idempotency.complete(*REQUEST, StoredResponse(DIGEST, 200, "{}"))


def test_old_keys_may_be_used_anew(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit:
        unit.idempotency.reserve(*REQUEST, DIGEST, NOON, ME)
        assert unit.idempotency.reserve(*REQUEST, DIGEST, NOON + KEEP_ANSWERS_FOR, ME) is not None
        later = NOON + KEEP_ANSWERS_FOR + timedelta(seconds=1)
        assert unit.idempotency.reserve(*REQUEST, DIGEST, later, ME) is None


KEY = ApiKey("k-1", DIGEST, "local", Role.OPERATOR, "laptop", NOON)


def test_a_key_is_found_by_its_secrets_hash_until_it_is_revoked(
    units: SqlUnitOfWorkFactory,
) -> None:
    second = ApiKey("k-2", "b" * 64, "other", Role.AUDITOR, "", NOON + timedelta(hours=1))
    later = NOON + timedelta(hours=2)
    with units(write=True) as unit:
        unit.keys.add(KEY)
        unit.keys.add(second)
        unit.commit()
    with units(write=True) as unit:
        assert unit.keys.by_secret_sha256(DIGEST) == KEY
        assert unit.keys.by_secret_sha256("c" * 64) is None
        unit.keys.revoke("k-1", later)
        unit.keys.revoke("k-1", later + timedelta(hours=1))
        unit.commit()
    with units() as unit:
        assert unit.keys.by_secret_sha256(DIGEST) is None
        assert unit.keys.all() == (replace(KEY, revoked_at=later), second)


def test_keys_have_unique_ids_and_secrets(units: SqlUnitOfWorkFactory) -> None:
    with units(write=True) as unit:
        unit.keys.add(KEY)
        with pytest.raises(Conflict):
            unit.keys.add(replace(KEY, secret_sha256="b" * 64))
        with pytest.raises(Conflict):
            unit.keys.add(replace(KEY, key_id="k-2"))
        with pytest.raises(NotFound):
            unit.keys.revoke("absent", NOON)


def test_the_last_word_on_a_sources_health_stays(units: SqlUnitOfWorkFactory) -> None:
    well = SourceHealth("octopus", NOON, None, 0, None, None)
    ill = SourceHealth("octopus", NOON, NOON, 3, "HTTP 500", NOON + timedelta(minutes=5))
    other = SourceHealth("carbon", None, NOON, 1, "timed out", None)
    with units(write=True) as unit:
        for health in (well, ill, other):
            unit.health.record(health)
        unit.commit()
    with units() as unit:
        assert unit.health.all() == {"octopus": ill, "carbon": other}
