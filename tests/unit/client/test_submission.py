"""What `submit` is told, as a job of the API."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from client.sbatch_line import BadLine
from client.submission import add_options, copied, job_of, routine_of, split_at_dashes, when
from web.schemas.jobs import JobSubmission
from web.schemas.routines import RoutineSubmission

SATURDAY = datetime(2026, 11, 21, 12, 10, tzinfo=UTC)
"""London is on UTC then."""


def job(line: str) -> dict:
    options, words = split_at_dashes(line.split())
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_options(parser)
    return job_of(parser.parse_args(options), words, SATURDAY, "/srv/ada")[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+18h", "2026-11-22T06:10:00+00:00"),
        ("+30m", "2026-11-21T12:40:00+00:00"),
        ("09:00", "2026-11-22T09:00:00+00:00"),
        ("18:00", "2026-11-21T18:00:00+00:00"),
        ("tomorrow 7:30", "2026-11-22T07:30:00+00:00"),
        ("fri 17:30", "2026-11-27T17:30:00+00:00"),
        ("sat 09:00", "2026-11-28T09:00:00+00:00"),
        ("2026-11-23T08:00:00+00:00", "2026-11-23T08:00:00+00:00"),
        ("2026-07-01T08:00:00", "2026-07-01T08:00:00+01:00"),
    ],
)
def test_times_are_londons_and_the_next_of_their_kind(text: str, expected: str) -> None:
    assert when(text, SATURDAY) == datetime.fromisoformat(expected)


@pytest.mark.parametrize("text", ["soon", "25:00", "9", "", "+3", "fri"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadLine, match="is not a time"):
        when(text, SATURDAY)


def test_a_job_is_one_the_api_takes() -> None:
    made = job(
        "--hours 2 --kw 3 --by fri 17:30".replace("fri 17:30", "+20h")
        + " --region london --region scotland --after job-1 --priority high --carbon-cap 200 --max-price 0.2"
        " --executor slurm --attempts 2 --retry-pause 5 --env A=1 --secret TOKEN=HF_TOKEN -- python -m train -- x"
    )
    draft = JobSubmission.model_validate(made).to_draft()
    assert draft.workload == {
        "command": ["python", "-m", "train", "--", "x"], "working_dir": "/srv/ada", "executor": "slurm",
        "max_attempts": 2, "retry_pause_minutes": 5, "env": {"A": "1", "TOKEN": {"from_env": "HF_TOKEN"}},
    }  # fmt: skip
    assert (draft.job_name, draft.allowed_regions) == ("python", ("london", "scotland"))
    assert draft.latest_finish == datetime(2026, 11, 22, 8, 10, tzinfo=UTC)


def test_without_a_length_it_says_what_is_missing() -> None:
    with pytest.raises(BadLine, match="--hours"):
        job("--kw 3 -- python t.py")
    with pytest.raises(BadLine, match="NAME=SECRET"):
        job("--hours 1 --kw 3 --secret TOKEN -- python t.py")


def test_work_for_every_weekday_is_a_routine_the_api_takes() -> None:
    options, words = split_at_dashes(
        [
            *("--every", "weekday", "--at", "18:00", "--within", "+14h", "--until", "2026-12-31"),
            *("--copies", "2", "--hours", "2", "--kw", "3", "--", "python", "t.py"),
        ]
    )
    parser = argparse.ArgumentParser()
    add_options(parser)
    args = parser.parse_args(options)
    made, _ = job_of(args, words, SATURDAY, "/srv/ada")
    draft = RoutineSubmission.model_validate(routine_of(args, made)).to_draft()
    assert (draft.hour, draft.window, draft.copies) == (18, timedelta(hours=14), 2)
    assert draft.job["workload"]["command"] == ["python", "t.py"]
    args.by = "+3h"
    with pytest.raises(BadLine, match="neither --by"):
        routine_of(args, made)


def test_copies_differ_in_name_and_id_only() -> None:
    one = {"job_name": "train", "job_id": "t", "duration_hours": 1}
    assert copied(one, 1) == {"job_name": "train, copy 2", "job_id": "t-2", "duration_hours": 1}
