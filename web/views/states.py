"""Job states as pages show them: a word, a shape of fill and outline, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.domain.job import JobStatus
from models.domain.ports import JobView


@dataclass(frozen=True, slots=True)
class State:
    """A state chip; `css` selects fill and outline, `word` is always printed beside them."""

    css: str
    word: str
    meaning: str


_STATES: dict[JobStatus, State] = {
    JobStatus.PENDING: State("pending", "waiting for a plan", "Accepted, not in the plan yet."),
    JobStatus.SCHEDULED: State("scheduled", "planned", "Holds a window that has not begun."),
    JobStatus.RUNNING: State("running", "running", "Confirmed as started."),
    JobStatus.COMPLETED: State("completed", "completed", "Confirmed as finished."),
    JobStatus.FAILED: State("failed", "failed", "Confirmed as failed."),
    JobStatus.CANCELLED: State(
        "cancelled", "cancelled", "Taken out by somebody; the record is kept."
    ),
    JobStatus.REFUSED: State("refused", "refused", "The last plan could not serve it."),
    JobStatus.UNCONFIRMED: State(
        "unconfirmed", "not confirmed", "Its window passed and nobody said whether it ran."
    ),
}

HELD = State("held", "held", "Kept out of the plan until released.")
WINDOW_OPEN = State(
    "open", "window open, start not confirmed", "Its window has begun; nobody confirmed a start."
)
PINNED = State("pinned", "planned, pinned", "Keeps its start until unpinned.")
PROVISIONAL = State(
    "provisional", "planned provisionally", "No grid data: the last start that meets the deadline."
)


def state_of(view: JobView, now: datetime) -> State:
    """Return the state of a job at an instant, finer than its status where the page can know more."""
    job, plan = view.job, view.plan
    if view.status is JobStatus.PENDING and job.is_held:
        return HELD
    if view.status is JobStatus.SCHEDULED and plan is not None and plan.award is not None:
        if plan.award.placement.start <= now:
            return WINDOW_OPEN
        if plan.award.provisional:
            return PROVISIONAL
        if job.pinned_start is not None:
            return PINNED
    return _STATES[view.status]


def status_words() -> tuple[tuple[str, str], ...]:
    """Return (status, word) of every status, for filters."""
    return tuple((str(status), state.word) for status, state in _STATES.items())
