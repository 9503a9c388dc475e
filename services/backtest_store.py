"""Back-tests on disk: one JSON file a result, one checkpoint beside it while it runs. Files are replaced, never half written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = "backtests"
"""Name below the data folder."""


class BacktestStore:
    """A folder of results and checkpoints."""

    def __init__(self, data_dir: Path) -> None:
        """Keep where they lie; the folder is made at the first write."""
        self.folder = data_dir / FOLDER

    def checkpoint(self, backtest_id: str) -> dict[str, Any] | None:
        """Return the checkpoint of an unfinished back-test, or None."""
        return self._read(self.folder / f"{backtest_id}.checkpoint.json")

    def keep_checkpoint(self, backtest_id: str, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint."""
        self._write(self.folder / f"{backtest_id}.checkpoint.json", state)

    def result(self, backtest_id: str) -> dict[str, Any] | None:
        """Return a stored result, or None."""
        return self._read(self.folder / f"{backtest_id}.json")

    def keep_result(self, backtest_id: str, result: Mapping[str, Any]) -> Path:
        """Store a result, drop its checkpoint, and return the file."""
        path = self.folder / f"{backtest_id}.json"
        self._write(path, result)
        (self.folder / f"{backtest_id}.checkpoint.json").unlink(missing_ok=True)
        return path

    def forget(self, backtest_id: str) -> None:
        """Drop a checkpoint."""
        (self.folder / f"{backtest_id}.checkpoint.json").unlink(missing_ok=True)

    def results(self) -> list[dict[str, Any]]:
        """Return every stored result, newest first."""
        if not self.folder.is_dir():
            return []
        paths = [p for p in self.folder.glob("*.json") if not p.name.endswith(".checkpoint.json")]
        found = [found for p in paths if (found := self._read(p)) is not None]
        return sorted(found, key=lambda result: str(result.get("made_at", "")), reverse=True)

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return found if isinstance(found, dict) else None

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        draft.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
        draft.replace(path)
