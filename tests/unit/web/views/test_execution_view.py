"""What became of a job at its executor, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from models.domain.execution import ExecutionState, HandOver, Stage, Wanted
from models.domain.ports import JobView
from tests.support.fleet import a_job
from web.views.execution_view import delay_text, execution_facts, execution_note, last_lines

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
WAITING = HandOver(
    hand_over_id="f" * 32, job_id="job-a", owner="local", attempt=1, executor="slurm", stage=Stage.HANDED,
    wanted=Wanted.RUN, begin=NOON, created_at=NOON, audited_seq=3, told=Wanted.RUN, told_begin=NOON,
    external_id="4711", state=ExecutionState.QUEUED,
)  # fmt: skip


def view_of(hand_over: HandOver | None, **changes: object) -> JobView:
    job = replace(a_job(), workload={"command": ["true"]})
    return replace(JobView(job, None, job.status, hand_over), **changes)


def texts(hand_over: HandOver) -> dict[str, str]:
    facts = execution_facts(view_of(hand_over), NOON)
    return {fact.label: fact.text for fact in facts}


def test_a_waiting_run_names_its_executor_and_id_and_planned_start() -> None:
    told = texts(WAITING)
    assert told["Started by"] == "Slurm, 4711"
    assert told["State"] == "waits for its begin time"
    assert "Planned start" in told
    assert "Real start" not in told


def test_a_late_start_says_how_late() -> None:
    late = replace(
        WAITING, state=ExecutionState.RUNNING, started_at=NOON + timedelta(minutes=7, seconds=10)
    )
    assert texts(late)["Queueing delay"] == "7 min"
    assert delay_text(timedelta(seconds=2.4)) == "2 s"


def test_retries_are_said_where_there_are_any() -> None:
    assert "After a failure" not in texts(WAITING)
    work = {"command": ["true"], "max_attempts": 3, "retry_pause_minutes": 15}
    view = view_of(WAITING, job=replace(a_job(), workload=work))
    told = {fact.label: fact.text for fact in execution_facts(view, NOON)}
    assert told["After a failure"] == (
        "tried again 15 min later, then twice as long each time; 3 runs at most"
    )


def test_energy_says_where_it_comes_from() -> None:
    ended = replace(
        WAITING, state=ExecutionState.COMPLETED, stage=Stage.ENDED, started_at=NOON,
        ended_at=NOON + timedelta(hours=1), exit_code=0,
    )  # fmt: skip
    assert texts(ended)["Energy by"] == "power × time"
    assert texts(replace(ended, energy_kwh=12.0))["Energy by"].endswith(
        "accounting of the executor"
    )
    assert texts(ended)["Exit code"] == "0"


def test_what_hinders_a_hand_over_is_said() -> None:
    assert execution_note(view_of(None)) == "It is handed over once it is planned."
    assert execution_note(view_of(None, withheld="Because.")) == "Because."
    failed = replace(WAITING, last_error="sbatch failed: no partition")
    assert "no partition" in execution_note(view_of(failed))


def test_only_the_last_lines_are_shown_and_no_control_characters() -> None:
    text = "".join(f"line {n}\n" for n in range(100))
    assert last_lines(text, 3) == "line 97\nline 98\nline 99"
    assert last_lines("a\x1b[31mred\r\n\tb", 5) == "a[31mred\n\tb"
    assert last_lines("", 5) == ""
