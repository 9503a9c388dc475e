"""gunicorn's settings follow ours, and strangers cannot reach an app that needs no key."""

from __future__ import annotations

import runpy
import sys
from types import SimpleNamespace
from typing import Any

import pytest

import config
from tests.support.shared import REPOSITORY


@pytest.fixture
def conf(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that loads gunicorn.conf.py under some settings."""
    monkeypatch.setattr(config, "dotenv_values", lambda _: {})
    monkeypatch.setattr(sys, "path", list(sys.path))

    def load(**environment: str) -> dict[str, Any]:
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        return runpy.run_path(str(REPOSITORY / "gunicorn.conf.py"))

    return load


def server(*addresses: object) -> SimpleNamespace:
    """Return what gunicorn hands to `on_starting`."""
    return SimpleNamespace(cfg=SimpleNamespace(address=list(addresses)))


def test_it_listens_where_the_settings_say(conf: Any) -> None:
    loaded = conf(HALFHOUR_PORT="6000", HALFHOUR_BIND="::1", HALFHOUR_WEB_WORKERS="3")
    assert loaded["bind"] == ["[::1]:6000"]
    assert (loaded["workers"], loaded["worker_class"]) == (3, "gthread")


def test_bad_settings_stop_it_with_the_reason(conf: Any) -> None:
    with pytest.raises(SystemExit, match="HALFHOUR_PORT=none"):
        conf(HALFHOUR_PORT="none")


def test_loopback_and_unix_sockets_need_no_key(conf: Any) -> None:
    assert conf()["on_starting"](server(("127.0.0.1", 5000), "/run/halfhour.sock")) is None


def test_an_address_from_the_command_line_is_checked_too(conf: Any) -> None:
    loaded = conf()
    loaded["on_starting"].__globals__["_database_has_keys"] = lambda: False
    with pytest.raises(SystemExit, match=r"refusing to listen on 0\.0\.0\.0"):
        loaded["on_starting"](server(("127.0.0.1", 5000), ("0.0.0.0", 5000)))


def test_a_key_in_the_settings_or_the_database_opens_other_addresses(conf: Any) -> None:
    loaded = conf()
    loaded["on_starting"].__globals__["_database_has_keys"] = lambda: True
    assert loaded["on_starting"](server(("0.0.0.0", 5000))) is None
    with_keys = conf(HALFHOUR_API_KEYS="a-long-enough-key")
    assert with_keys["on_starting"](server(("0.0.0.0", 5000))) is None
