"""Small audit logs on disk, and the ways in which somebody may spoil them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from audit.anchors import AnchorSigner
from audit.writer import JsonlAuditLog
from tests.support.fake_decisions import FIRST_INSTANT, FakeOutbox

CHECKED_AT = datetime(2026, 12, 1, tzinfo=UTC)
"""System time of verifications in tests."""


def build_log(
    folder: Path, records: int, *, days: int = 1, signer: AnchorSigner | None = None
) -> FakeOutbox:
    """Write a log of at least this many records over some days, with an anchor at the end of each day."""
    outbox = FakeOutbox(FIRST_INSTANT)
    log = JsonlAuditLog(folder, signer)
    per_day = -(-records // days)
    for day in range(days):
        outbox.instant = FIRST_INSTANT + timedelta(days=day)
        # Every day begins with a segment_start and ends with an anchor where there is a signer.
        outbox.record(per_day - 1 - (1 if signer else 0))
        if signer is not None:
            anchor(outbox, signer)
        log.flush(outbox)
    return outbox


def anchor(outbox: FakeOutbox, signer: AnchorSigner) -> None:
    """Commit an anchor of the present head."""
    with outbox(write=True) as uow:
        seq, digest = uow.decisions.head()
        uow.decisions.append(signer.draft_anchor(seq, digest, outbox.instant))
        uow.commit()


def log_files(folder: Path) -> list[Path]:
    """Return the day files, oldest first."""
    return sorted(folder.glob("decisions-*.jsonl"))


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of a file (newlines included)."""
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


def resealed(record: dict[str, Any]) -> bytes:
    """Return the line of a record with a fresh, fitting hash: what a forger who knows the rule writes.

    Written apart from the product's own sealing.
    """
    bare = {key: value for key, value in record.items() if key != "hash"}
    text = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    bare["hash"] = hashlib.sha256(text.encode()).hexdigest()
    whole = json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return whole.encode() + b"\n"


def rechain(folder: Path, from_seq: int, change: Callable[[dict[str, Any]], None]) -> None:
    """Change one record and seal it and everything after it anew, so that the chain is whole again."""
    previous = ""
    for path in log_files(folder):
        lines = []
        for raw in path.read_bytes().splitlines(keepends=True):
            record = json.loads(raw)
            if record["seq"] == from_seq:
                change(record)
                raw = resealed(record)
            elif record["seq"] > from_seq:
                record["prev_hash"] = previous
                if "previous_hash" in record:
                    record["previous_hash"] = previous
                raw = resealed(record)
            previous = json.loads(raw)["hash"]
            lines.append(raw)
        path.write_bytes(b"".join(lines))
