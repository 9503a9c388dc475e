"""Log lines: JSON for machines, text for people, ids in both."""

from __future__ import annotations

import json
import logging
import sys

from log_lines import JsonLines, TextLines
from models.domain import trace


def a_record(message: str = "sbatch failed: %s", *values: object) -> logging.LogRecord:
    record = logging.LogRecord(
        "services.hand_over", logging.WARNING, "x.py", 1, message, values, None
    )
    record.created = 1_795_262_400.25  # 2026-11-21 12:00:00.250 UTC
    return record


def test_a_json_line_is_one_object_with_the_ids_of_the_work() -> None:
    with trace.about(request_id="r-1"), trace.about(job_id="job-a"):
        line = JsonLines().format(a_record("sbatch failed: %s", "no\npartition"))
    assert "\n" not in line
    assert json.loads(line) == {
        "ts": "2026-11-21T12:00:00.250+00:00", "level": "WARNING", "logger": "services.hand_over",
        "message": "sbatch failed: no\npartition", "request_id": "r-1", "job_id": "job-a",
    }  # fmt: skip


def test_an_error_carries_its_trace_inside_the_line() -> None:
    record = a_record("it failed")
    try:
        raise ValueError("odd")
    except ValueError:
        record.exc_info = sys.exc_info()
    line = JsonLines().format(record)
    assert "\n" not in line
    assert "ValueError: odd" in json.loads(line)["error"]


def test_ids_end_with_their_block() -> None:
    with trace.about(job_id="job-a"):
        assert trace.current() == {"job_id": "job-a"}
        assert TextLines().format(a_record("moved")).endswith(": moved [job_id=job-a]")
    assert trace.current() == {}
    assert TextLines().format(a_record("moved")).endswith(": moved")


def test_ids_given_with_a_line_stand_beside_those_of_the_work() -> None:
    record = a_record("GET /api/jobs 200")
    record.ids = {"job_id": "job-b"}
    with trace.about(request_id="r-1"):
        told = json.loads(JsonLines().format(record))
    assert (told["request_id"], told["job_id"]) == ("r-1", "job-b")
