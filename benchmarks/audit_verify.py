"""How fast the audit log is written and verified, beside reading the same lines with `json.loads` alone.

Run `python -m benchmarks.audit_verify [--records N] [--folder PATH]`; the folder decides which disk is synced.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from audit.anchors import AnchorSigner
from audit.chain import can_check_signatures
from audit.export import Selection
from audit.files import decision_files
from audit.verifier import Outbox, verify_folder
from audit.writer import BATCH_RECORDS, JsonlAuditLog
from models.domain.decision import DecisionDraft, EventType
from tests.support.fake_decisions import FakeOutbox

DAYS = 7
"""Day files the records are spread over."""

SINGLE_FLUSHES = 200
"""Flushes of one record each, for the latency of acting on one decision."""


def a_full_decision(number: int) -> DecisionDraft:
    """Return a decision of ordinary size: six options, three inputs, constraints and a rationale."""
    options = [
        {
            "id": f"slot-{place}",
            "description": "start on the half-hour, own cluster",
            "feasible": True,
            "reasons": [],
            "metrics": {
                "energy_kwh": "800.000",
                "cost_gbp": f"{90 + place}.{number % 100:02d}",
                "carbon_kg": f"{61 + place}.200",
                "sla_risk": "0.00",
            },
        }
        for place in range(6)
    ]
    inputs = [
        {
            "name": name,
            "source": "replay",
            "retrieved_at": "2026-11-21T14:50:00.000Z",
            "sha256": f"{number:064x}",
            "quality": "live",
            "age_s": 300,
        }
        for name in ("carbon", "price", "policy")
    ]
    body = {
        "actor": {"kind": "agent", "name": "scheduler", "version": "1", "model": None},
        "inputs": inputs,
        "options": options,
        "selected": {
            "option_id": "slot-2",
            "rule": "least objective",
            "rationale": "£2 less, 9 kg less",
        },
        "trade_offs": [{"against": "slot-0", "cost_gbp": "2.00", "carbon_kg": "-1.000"}],
        "constraints": ["deadline", "capacity", "regions"],
        "approval": None,
        "assumptions_id": "default-1",
    }
    return DecisionDraft(EventType.DECISION, body, job_id=f"job-{number % 500}", owner="local")


def filled_outbox(records: int, signer: AnchorSigner) -> FakeOutbox:
    """Return an outbox with this many decisions over `DAYS` days and an anchor a day, nothing flushed."""
    outbox = FakeOutbox(datetime(2026, 11, 1, tzinfo=UTC))
    with outbox(write=True) as uow:
        for number in range(records):
            day, place = divmod(number, -(-records // DAYS))
            instant = datetime(2026, 11, 1 + day, tzinfo=UTC) + timedelta(milliseconds=place)
            outbox.instant = instant
            if place == 0 and number:
                seq, digest = uow.decisions.head()
                uow.decisions.append(signer.draft_anchor(seq, digest, instant))
            uow.decisions.append(a_full_decision(number))
        uow.commit()
    return outbox


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of a piece of work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def lines(folder: Path) -> Iterator[bytes]:
    """Yield every line of a log."""
    for path in decision_files(folder):
        with path.open("rb") as handle:
            yield from handle


def parse_all(folder: Path) -> None:
    """Read and parse every line, and check nothing: the baseline."""
    for raw in lines(folder):
        json.loads(raw)


def verify_all(folder: Path, outbox: FakeOutbox | None) -> None:
    """Verify, and stop the benchmark if the log is not whole."""
    known = Outbox(outbox.state.flushed_seq, iter(outbox.state.records)) if outbox else None
    report = verify_folder(folder, now=datetime.now(UTC), outbox=known)
    if not report.ok:
        raise SystemExit(f"the benchmark's own log does not verify: {report.fault}")


def single_flush_ms(folder: Path, outbox: FakeOutbox) -> list[float]:
    """Return the wall times of flushing one new record each, sorted. [ms]"""
    log = JsonlAuditLog(folder)
    log.flush(outbox)
    took = []
    for number in range(SINGLE_FLUSHES):
        outbox.add(a_full_decision(number))
        took.append(timed(lambda: log.flush(outbox))[0] * 1_000)
    return sorted(took)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument(
        "--folder", type=Path, default=None, help="where to write; default: temporary"
    )
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=asked.folder) as scratch:
        folder = Path(scratch) / "logs"
        signer = AnchorSigner(Path(scratch) / "data")
        outbox = filled_outbox(asked.records, signer)
        log = JsonlAuditLog(folder, signer)
        rows = [(f"append, fsync a {BATCH_RECORDS} records", *timed(lambda: log.flush(outbox)))]
        rows += [
            ("json.loads alone (baseline)", *timed(lambda: parse_all(folder))),
            ("verify, files only", *timed(lambda: verify_all(folder, None))),
            ("verify, files and outbox", *timed(lambda: verify_all(folder, outbox))),
        ]
        out = Path(scratch) / "export"
        rows.append(("export everything", *timed(lambda: log.export(out, Selection()))))
        count = len(outbox.state.records)
        size = sum(path.stat().st_size for path in decision_files(folder))
        print(f"{count} records, {size / count:.0f} bytes each, {DAYS} files; Python", end=" ")
        print(f"{platform.python_version()}; signatures checked: {can_check_signatures()}")
        print(f"{'work':34}{'wall s':>9}{'cpu s':>9}{'records/s':>12}{'of baseline':>13}")
        baseline = rows[1][2]
        for name, wall, processor in rows:
            rate, ratio = count / wall, processor / baseline
            print(f"{name:34}{wall:9.2f}{processor:9.2f}{rate:12,.0f}{ratio:12.1f}x")
        small = FakeOutbox()
        singles = single_flush_ms(Path(scratch) / "single", small)
        median, p95 = singles[len(singles) // 2], singles[len(singles) * 95 // 100]
        print(f"one record, flushed by itself: p50 {median:.2f} ms, p95 {p95:.2f} ms")


if __name__ == "__main__":
    main()
