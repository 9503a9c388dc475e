"""A repeated request gets the first answer."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta

import pytest

from models.domain.errors import Conflict, InvalidRequest
from models.domain.ports import StoredResponse
from services import idempotency
from tests.support.world import OPERATOR, STRANGER, World

ANSWER = StoredResponse("a" * 64, 201, '{"job_id": "j"}', {"Location": "/api/jobs/j"})


def test_the_second_time_the_first_answer_comes_back(world: World) -> None:
    ask = (world.context, OPERATOR, "POST /api/jobs", "key-1", "a" * 64)
    assert idempotency.begin(*ask) is None
    with pytest.raises(Conflict, match="still being worked on"):
        idempotency.begin(*ask)
    idempotency.end(world.context, OPERATOR, "POST /api/jobs", "key-1", ANSWER)
    assert idempotency.begin(*ask) == ANSWER


def test_another_request_under_the_same_key_is_refused(world: World) -> None:
    assert idempotency.begin(world.context, OPERATOR, "r", "key-1", "a" * 64) is None
    with pytest.raises(InvalidRequest, match="used with another request"):
        idempotency.begin(world.context, OPERATOR, "r", "key-1", "b" * 64)


def test_a_request_that_failed_without_effect_may_be_repeated(world: World) -> None:
    assert idempotency.begin(world.context, OPERATOR, "r", "key-1", "a" * 64) is None
    idempotency.end(world.context, OPERATOR, "r", "key-1", None)
    assert idempotency.begin(world.context, OPERATOR, "r", "key-1", "b" * 64) is None


def test_a_request_whose_process_has_ended_is_worked_on_anew(world: World) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    name = f"{socket.gethostname()}-{ended.pid}-0123abcd"
    ask = ("POST /api/jobs", "key-1", "a" * 64)
    with world.context.uow(write=True) as work:
        work.idempotency.reserve(OPERATOR.owner, *ask, world.context.system_now(), name)
        work.commit()
    with pytest.raises(InvalidRequest, match="used with another request"):
        idempotency.begin(world.context, OPERATOR, "POST /api/jobs", "key-1", "b" * 64)
    assert idempotency.begin(world.context, OPERATOR, *ask) is None
    with pytest.raises(Conflict, match="still being worked on"):
        idempotency.begin(world.context, OPERATOR, *ask)


def test_a_request_without_an_answer_for_long_is_worked_on_anew(world: World) -> None:
    ask = ("POST /api/jobs", "key-1", "a" * 64)
    long_ago = world.context.system_now() - idempotency.UNANSWERED_FOR - timedelta(seconds=1)
    with world.context.uow(write=True) as work:
        work.idempotency.reserve(OPERATOR.owner, *ask, long_ago, "elsewhere-7-0123abcd")
        work.commit()
    assert idempotency.begin(world.context, OPERATOR, *ask) is None


def test_keys_of_owners_and_routes_are_apart(world: World) -> None:
    assert idempotency.begin(world.context, OPERATOR, "r", "key-1", "a" * 64) is None
    assert idempotency.begin(world.context, STRANGER, "r", "key-1", "b" * 64) is None
    assert idempotency.begin(world.context, OPERATOR, "s", "key-1", "b" * 64) is None


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_a_sensible_length(world: World, key: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 200 characters"):
        idempotency.begin(world.context, OPERATOR, "r", key, "a" * 64)
