"""What became of a job at its executor, in words for the Job page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from models.domain.execution import ExecutionState, HandOver, Stage, Wanted
from models.domain.ports import JobView
from models.domain.workload import read_workload
from web.views.formatting import kilowatt_hours
from web.views.job_facts import Fact
from web.views.stamps import dated

LINES_SHOWN = 40
"""How many lines of a run's output the Job page shows."""

EXECUTOR_NAMES: Mapping[str, str] = {
    "slurm": "Slurm",
    "local": "this machine",
    "webhook": "a webhook",
    "dry_run": "dry run",
}

STATE_WORDS: Mapping[ExecutionState, str] = {
    ExecutionState.HELD: "held",
    ExecutionState.QUEUED: "waits for its begin time",
    ExecutionState.RUNNING: "runs",
    ExecutionState.SUSPENDED: "paused",
    ExecutionState.COMPLETED: "completed",
    ExecutionState.FAILED: "failed",
    ExecutionState.CANCELLED: "taken off",
    ExecutionState.UNKNOWN: "started; how it ended is not known",
}

STAGE_WORDS: Mapping[Stage, str] = {
    Stage.INTENDED: "about to be handed over",
    Stage.HANDED: "handed over",
    Stage.ENDED: "over",
    Stage.REFUSED: "refused by its executor",
    Stage.DROPPED: "taken back before it was handed over",
    Stage.LOST: "its executor has forgotten it",
}


def execution_facts(view: JobView, now: datetime) -> tuple[Fact, ...]:
    """Return what the executor was told and what it says, planned start beside real start; empty without hand-over."""
    found = view.hand_over
    if found is None:
        return ()
    name = EXECUTOR_NAMES.get(found.executor, found.executor)
    facts = [
        Fact("Started by", name if found.external_id is None else f"{name}, {found.external_id}")
    ]
    facts.append(Fact("State", _state(found)))
    facts += _attempts(view, found)
    if found.begin is not None:
        facts.append(Fact("Planned start", "", dated(found.begin, now)))
    if found.started_at is not None:
        facts.append(Fact("Real start", "", dated(found.started_at, now)))
        if found.queueing is not None:
            facts.append(Fact("Queueing delay", delay_text(found.queueing)))
    if found.ended_at is not None:
        facts.append(Fact("Real end", "", dated(found.ended_at, now)))
        energy = "power × time" if found.energy_kwh is None else "accounting of the executor"
        measured = "" if found.energy_kwh is None else f"{kilowatt_hours(found.energy_kwh)}, "
        facts.append(Fact("Energy by", f"{measured}{energy}"))
    if found.exit_code is not None:
        facts.append(Fact("Exit code", str(found.exit_code)))
    return tuple(facts)


def _attempts(view: JobView, found: HandOver) -> list[Fact]:
    """Return which run this is and what follows a failure; nothing where there is one run at most."""
    work = read_workload(view.job.workload or {})
    facts = [Fact("Attempt", str(found.attempt))] if found.attempt > 1 else []
    if work.max_attempts > 1:
        pause = work.retry_pause_minutes
        waits = f"{pause} min later, then twice as long each time" if pause else "at once"
        facts.append(
            Fact("After a failure", f"tried again {waits}; {work.max_attempts} runs at most")
        )
    return facts


def execution_note(view: JobView) -> str:
    """Return why a job is not handed over or what went wrong; empty where there is nothing to say."""
    if view.withheld:
        return view.withheld
    found = view.hand_over
    if found is None:
        return "" if view.job.workload is None else "It is handed over once it is planned."
    if found.last_error:
        return f"The last call did not work: {found.last_error}."
    if found.executor == "dry_run" and found.is_open:
        return "A dry run starts nothing: switch an executor on, or start it yourself and say whether it ran."
    return ""


def last_lines(text: str, most: int = LINES_SHOWN) -> str:
    """Return the last lines of a run's output without control characters, which a terminal would obey."""
    lines = text.replace("\r\n", "\n").split("\n")
    shown = "\n".join(lines[-most - 1 :] if not lines[-1] else lines[-most:])
    return "".join(c for c in shown if c in "\n\t" or c.isprintable()).rstrip("\n")


def delay_text(delay: timedelta) -> str:
    """Return how much later or earlier than planned a run started."""
    seconds = delay.total_seconds()
    if abs(seconds) < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"


def _state(found: HandOver) -> str:
    if found.stage is Stage.HANDED and found.state is not None:
        word = STATE_WORDS[found.state]
        ending = found.wanted in {Wanted.CANCEL, Wanted.WITHDRAW}
        return f"{word}, to be taken off" if ending else word
    if found.stage is Stage.ENDED and found.state is not None:
        return STATE_WORDS[found.state]
    return STAGE_WORDS[found.stage]
