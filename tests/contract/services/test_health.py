"""Readiness."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from models.domain.errors import SourceUnavailable
from services import health
from tests.support.world import World, with_settings


def test_a_program_without_any_signal_is_ready_and_says_so(world: World) -> None:
    world.grids["live"].is_down = True
    told = health.ready(world.context)
    assert (told["database"], told["schema"], told["logs"]) == ("ok", "ok", "ok")
    assert told["audit"] == {"last_seq": 0, "flushed_seq": 0}
    assert told["data"].mode == "live"
    assert told["loop_holder"] is None


def test_another_schema_is_not_ready(world: World) -> None:
    context = replace(world.context, is_storage_current=lambda: False)
    with pytest.raises(SourceUnavailable, match="flask db upgrade"):
        health.ready(context)


def test_a_log_folder_that_cannot_be_is_not_ready(world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way", encoding="utf-8")
    context = with_settings(world.context, logs_dir=blocked / "logs")
    with pytest.raises(SourceUnavailable, match="cannot be written"):
        health.ready(context)
