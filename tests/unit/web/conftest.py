"""Fixtures of the edge's unit tests: fake services in every state, and a client on them."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from tests.support.edge import client_of
from tests.support.fake_services import FakeServices, filled


@pytest.fixture
def services() -> FakeServices:
    return filled()


@pytest.fixture
def client(services: FakeServices) -> FlaskClient:
    return client_of(services)
