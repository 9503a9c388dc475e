"""The fake that the edge is tested on has the methods of the real thing."""

from __future__ import annotations

import inspect

from services.facade import Services
from tests.support.fake_services import FakeServices


def test_the_fake_has_every_method_with_the_same_signature() -> None:
    for name, method in inspect.getmembers(Services, inspect.isfunction):
        if name.startswith("_"):
            continue
        fake = getattr(FakeServices, name, None)
        assert fake is not None, f"FakeServices lacks {name}"
        assert inspect.signature(fake) == inspect.signature(method), name
