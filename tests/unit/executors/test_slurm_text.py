"""Slurm's text both ways: options and times out, states and times in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from executors.slurm_text import (
    read_accounts,
    read_queue,
    read_time,
    reports_of,
    slurm_time,
    submit_options,
)
from models.domain.execution import ExecutionState, WorkOrder
from models.domain.workload import read_workload

LONDON = ZoneInfo("Europe/London")
ZONE = ZoneInfo("UTC")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
RUN = "0f" * 16


def an_order(**workload: Any) -> WorkOrder:
    raw = {"command": ["python", "train.py"], **workload}
    if "script" in workload:
        del raw["command"]
    hour = timedelta(hours=1)
    return WorkOrder(RUN, "job-a", "local", read_workload(raw), NOON, hour, 2 * hour)


def test_every_option_is_one_word_and_carries_our_id_twice() -> None:
    options = submit_options(an_order(), "2026-11-21T12:00:00", "/runs", ["PATH", "TOKEN"])
    assert options == [
        f"--job-name=halfhour-{RUN}",
        f"--comment=halfhour:{RUN}",
        "--begin=2026-11-21T12:00:00",
        "--time=120",
        "--export=PATH,TOKEN",
        f"--output=/runs/{RUN}.0.log",
        "--open-mode=append",
        "--chdir=/runs",
        "--no-requeue",
    ]


def test_resources_and_copies_become_options() -> None:
    order = an_order(
        copies=4,
        resources={
            "partition": "gpu", "account": "ml", "qos": "low", "constraint": "nvlink", "nodes": 2, "tasks": 8,
            "cpus_per_task": 4, "memory_mb": 64_000, "gpus": 8, "gpu_type": "h100", "time_limit_minutes": 90,
        },
    )  # fmt: skip
    options = submit_options(order, "now+5", "/runs", ["PATH"])
    wanted = {
        "--array=0-3", "--partition=gpu", "--account=ml", "--qos=low", "--constraint=nvlink", "--nodes=2",
        "--ntasks=8", "--cpus-per-task=4", "--mem=64000M", "--gres=gpu:h100:8", f"--output=/runs/{RUN}.%a.log",
    }  # fmt: skip
    assert wanted <= set(options)


def test_without_a_begin_time_a_job_is_held() -> None:
    options = submit_options(an_order(), None, "/runs", [])
    assert "--hold" in options
    assert not any(option.startswith("--begin") for option in options)


def test_a_begin_time_is_written_in_the_clusters_zone_and_never_earlier() -> None:
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert slurm_time(summer, LONDON, summer) == "2026-07-01T13:00:00"
    assert slurm_time(summer, ZONE, summer) == "2026-07-01T12:00:00"
    late = summer + timedelta(microseconds=1)
    assert slurm_time(late, ZONE, summer) == "2026-07-01T12:00:01"


@pytest.mark.parametrize("utc_hour", [0, 1])
def test_in_the_hour_that_comes_twice_a_begin_time_is_given_in_seconds_from_now(
    utc_hour: int,
) -> None:
    # 25 October 2026: 01:30 in London is 00:30 UTC (summer time) and again 01:30 UTC.
    begin = datetime(2026, 10, 25, utc_hour, 30, tzinfo=UTC)
    assert slurm_time(begin, LONDON, begin - timedelta(seconds=90)) == "now+90"


def test_in_spring_no_begin_time_falls_into_the_missing_hour() -> None:
    begin = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)  # 02:30 in London; 01:30 does not exist there
    assert slurm_time(begin, LONDON, begin) == "2026-03-29T02:30:00"


def test_times_are_read_in_the_clusters_zone() -> None:
    assert read_time("2026-07-01T13:00:00", LONDON) == datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert [read_time(text, ZONE) for text in ("N/A", "Unknown", "")] == [None, None, None]


QUEUE = f"""\
7|7|PENDING|2026-11-21T22:00:00|2026-11-21T23:00:00|BeginTime|halfhour-{RUN}|halfhour:{RUN}
8|8|PENDING|N/A|N/A|JobHeldUser|halfhour-aa|halfhour:aa
9|9|RUNNING|2026-11-21T12:00:03|2026-11-21T14:00:03|None|halfhour-bb|halfhour:bb
10|10|COMPLETED|2026-11-21T12:00:03|2026-11-21T12:40:00|None|halfhour-cc|halfhour:cc
11|11|CANCELLED|2026-11-21T12:00:03|2026-11-21T12:00:03|None|halfhour-dd|halfhour:dd
12|12|TIMEOUT|2026-11-21T10:00:00|2026-11-21T12:00:00|TimeLimit|halfhour-ee|halfhour:ee
13|13|RUNNING|2026-11-21T12:00:03|N/A|None|somebody|(null)
14|14|RUNNING|2026-11-21T12:00:03|N/A|None|other|halfhour:bb
15|15|RUNNING|2026-11-21T12:00:03|N/A|None|x|a|b|c
not a line of ours
"""


def test_the_queue_is_read_as_states_and_times() -> None:
    found = {task.run_id: task for task in read_queue(QUEUE, ZONE)}
    assert {run: task.state for run, task in found.items()} == {
        RUN: ExecutionState.QUEUED,
        "aa": ExecutionState.HELD,
        "bb": ExecutionState.RUNNING,
        "cc": ExecutionState.COMPLETED,
        "dd": ExecutionState.CANCELLED,
        "ee": ExecutionState.FAILED,
    }
    assert found["bb"].base_id == "9", "a job that only copies our comment is not ours"
    assert found[RUN].started_at is None, "the start of a waiting job is a guess"
    assert found["bb"].started_at == NOON + timedelta(seconds=3)
    assert found["bb"].ended_at is None, "the end of a running job is its time limit"
    assert found["cc"].ended_at == NOON + timedelta(minutes=40)
    assert found["dd"].started_at is None, "it was taken off before it started"


def test_tasks_of_an_array_are_one_report() -> None:
    text = "\n".join(
        f"20|20_{n}|{state}|{start}|{end}|None|halfhour-ar|halfhour:ar"
        for n, (state, start, end) in enumerate(
            [
                ("COMPLETED", "2026-11-21T12:00:05", "2026-11-21T12:10:00"),
                ("FAILED", "2026-11-21T12:00:01", "2026-11-21T12:20:00"),
                ("PENDING", "N/A", "N/A"),
            ]
        )
    )
    (report,) = reports_of(read_queue(text, ZONE), {}, "squeue")["ar"]
    assert report.state is ExecutionState.RUNNING, "one task still waits for room"
    assert report.started_at == NOON + timedelta(seconds=1)
    assert report.ended_at is None
    over = text.replace("PENDING|N/A|N/A", "COMPLETED|2026-11-21T12:20:00|2026-11-21T12:30:00")
    (report,) = reports_of(read_queue(over, ZONE), {}, "squeue")["ar"]
    assert report.state is ExecutionState.FAILED, "one task failed"
    assert report.ended_at == NOON + timedelta(minutes=30)


def test_of_two_jobs_with_one_id_the_one_that_runs_counts() -> None:
    text = "\n".join(
        f"{n}|{n}|{state}|2026-11-21T12:00:00|N/A|None|halfhour-tw|halfhour:tw"
        for n, state in ((30, "PENDING"), (31, "RUNNING"), (29, "PENDING"))
    )
    reports = reports_of(read_queue(text, ZONE), {}, "squeue")["tw"]
    assert [report.external_id for report in reports] == ["31", "29", "30"]


ACCOUNTS = """\
40|COMPLETED|2026-11-21T12:00:03|2026-11-21T13:00:03|0:0||halfhour-aa
40.batch|COMPLETED|2026-11-21T12:00:03|2026-11-21T13:00:03|0:0|7200000|batch
41|CANCELLED by 0|2026-11-21T12:00:03|2026-11-21T12:30:00|0:15||halfhour-bb
42|FAILED|2026-11-21T12:00:03|2026-11-21T12:30:00|3:0|0|halfhour-cc
43|COMPLETED|2026-11-21T12:00:03|2026-11-21T12:30:00|0:0|3600000|somebody
44|PENDING|Unknown|Unknown|0:0||halfhour-dd
"""


def test_accounts_tell_exit_codes_and_energy() -> None:
    found = {task.run_id: task for task in read_accounts(ACCOUNTS, ZONE)}
    assert set(found) == {"aa", "bb", "cc", "dd"}
    assert found["aa"].energy_kwh == pytest.approx(2.0)  # 7.2 MJ is 2 kWh
    assert found["cc"].energy_kwh is None, "0 J means that nothing was measured"
    assert [found[run].exit_code for run in ("aa", "bb", "cc")] == [0, 143, 3]
    assert found["bb"].state is ExecutionState.CANCELLED
    assert found["bb"].started_at == NOON + timedelta(seconds=3), "it ran before it was cancelled"
    assert found["dd"].state is ExecutionState.QUEUED
