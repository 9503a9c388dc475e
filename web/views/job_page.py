"""The Job page: why this slot, what else there was, what may still change, and how it turned out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.domain.job import FINAL_STATUSES, OPEN_STATUSES, Job, JobStatus
from models.domain.plan import Award, Blocked, Certificate, Explanation
from models.domain.ports import JobView
from models.domain.time import LONDON
from services.types import EnergyRow, JobDetail
from web.views.changes_view import HistoryLine, history
from web.views.conversation import Line, conversation
from web.views.execution_view import execution_facts, execution_note, last_lines
from web.views.formatting import (
    carbon_against,
    carbon_value,
    count,
    is_nothing,
    kilograms,
    money_against,
    percent,
    pounds,
    waiting,
)
from web.views.job_facts import ControlLine, Fact, control_lines, job_facts
from web.views.options import OptionRow, option_row
from web.views.outturn_view import OutturnView, outturn_view
from web.views.refusal import RefusalView, refusal_view
from web.views.stamps import Stamp, clocks_change_near, span, when
from web.views.states import State, state_of
from web.views.why_chart import WhyChart, why_chart

BLOCKED_WORDS: Mapping[str, str] = {
    "power": "the power was taken",
    "carbon_cap": "they exceed the job's carbon cap",
    "max_price": "they exceed the job's price cap",
    "region": "their region is not allowed",
    "release": "they begin before the job may start",
    "predecessor": "the job it waits for is not finished then",
    "successor": "a job that waits for it starts before they end",
    "transfer": "its data cannot be there yet",
    "carbon_budget": "the carbon budget of their day is short",
}
"""Why better windows were not available, by rule."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One big number with what it is measured against."""

    label: str
    value: str
    gloss: str


@dataclass(frozen=True, slots=True)
class Action:
    """A button."""

    label: str
    action: str
    css: str = ""


@dataclass(frozen=True, slots=True)
class JobPage:
    """Everything the Job page places."""

    job_id: str
    name: str
    is_demo: bool
    state: State
    headline: str
    when: tuple[Stamp, Stamp] | None
    where: str
    why: str
    figures: tuple[Figure, ...]
    options: tuple[OptionRow, ...]
    chart: WhyChart | None
    flip: str
    blocked: tuple[str, ...]
    sure: str
    may_move: str
    moved: str
    history: tuple[HistoryLine, ...]
    actions: tuple[Action, ...]
    confirms: tuple[Action, ...]
    can_choose_slot: bool
    can_ask: bool
    """Whether windows are still looked at, so that one can be asked about."""
    sbatch_line: str
    sbatch_note: str
    execution: tuple[Fact, ...]
    execution_note: str
    log_tail: str
    refusal: RefusalView | None
    outturn: OutturnView | None
    talk: tuple[Line, ...]
    certificate: str
    negotiation_id: str | None
    record: str
    decision_id: str | None
    facts: tuple[Fact, ...]
    controls: tuple[ControlLine, ...]
    predecessors: tuple[tuple[str, str, State], ...]
    successors: tuple[tuple[str, str, State], ...]


def flip_sentence(explanation: Explanation, now_gbp_per_tonne: float) -> str:
    """Return what value of carbon would make the runner-up win, and what it is now."""
    present = f"now {carbon_value(now_gbp_per_tonne)}"
    if explanation.runner_up is None:
        return f"No other window is free that does not overlap this one, so no value of carbon changes it ({present})."
    flip = explanation.flip_carbon_gbp_per_tonne
    if explanation.waits_only_if_pays and flip is None:
        return f"It does not wait because waiting saves too little, not because of the value of carbon; {present}."
    if flip is None or explanation.flip_direction is None:
        return f"No value of carbon from £0/t to £10,000/t makes the runner-up win; {present}."
    return f"The runner-up wins {explanation.flip_direction} {carbon_value(flip)}; {present}."


def blocked_sentence(blocked: Blocked, now: datetime) -> str:
    """Return why some better windows were closed."""
    reason = BLOCKED_WORDS.get(blocked.rule, blocked.rule.replace("_", " "))
    holders = f", held by {', '.join(blocked.held_by)}" if blocked.held_by else ""
    return (
        f"{count(blocked.count, 'better window')} closed because {reason}; the best of them, "
        f"{when(blocked.best_start, now).text}, would have been {pounds(blocked.better_by_gbp)} better by the "
        f"policy's weights{holders}."
    )


def wait_of(job: Job, start: datetime) -> timedelta:
    """Return how long a job waits from when it may start, or from its run on arrival where there is one."""
    return max(start - (job.baseline_start or job.release), timedelta(0))


def award_figures(job: Job, award: Award) -> tuple[Figure, ...]:
    """Return wait, carbon and cost of an award against its run on arrival."""
    saved, placed = award.savings, award.placement
    arrival = award.baseline.placement
    none = award.baseline.reason or "there is no run on arrival to compare with"

    wait = waiting(wait_of(job, placed.start))

    def gloss(words: str, change_percent: float | None) -> str:
        if arrival is None:
            return none
        if words == "unknown":
            return "against on arrival: unknown"
        tail = (
            f" ({percent(abs(change_percent))})" if change_percent and words != "the same" else ""
        )
        return f"{words}{' as' if words == 'the same' else ' than'} on arrival{tail}"

    return (
        Figure("Wait", wait, "it runs on arrival" if wait == "none" else "longer than on arrival"),
        Figure(
            "Carbon", kilograms(placed.carbon_kg),
            f"{gloss(carbon_against(saved.carbon_kg), saved.carbon_percent)}; estimated, average location-based",
        ),
        Figure(
            "Cost", pounds(placed.cost_gbp),
            f"{gloss(money_against(saved.cost_gbp), saved.cost_percent)}; household proxy, price shape",
        ),
    )  # fmt: skip


def actions_of(view: JobView, now: datetime) -> tuple[tuple[Action, ...], tuple[Action, ...]]:
    """Return (buttons that change the plan, buttons that say what happened) for a state."""
    job, status = view.job, view.status
    award = view.plan.award if view.plan else None
    hold = Action("Release", "release") if job.is_held else Action("Hold", "hold")
    cancel = Action("Cancel job", "cancel", "warn")
    if status is JobStatus.CANCELLED:
        return (Action("Undo cancel", "undo_cancel"),), ()
    if status is JobStatus.RUNNING:
        return (), (
            Action("It finished", "confirm:completed", "primary"),
            Action("It failed", "confirm:failed"),
        )
    ended = (
        Action("It ran", "confirm:completed", "primary"),
        Action("It did not run", "confirm:did_not_run"),
        Action("It failed", "confirm:failed"),
    )
    if status is JobStatus.UNCONFIRMED:
        return (), ended
    if status is JobStatus.SCHEDULED and award is not None:
        if award.placement.start <= now:
            return (), (Action("It started", "confirm:started", "primary"), *ended[1:])
        pin = (
            Action("Unpin", "unpin") if job.pinned_start is not None else Action("Pin here", "pin")
        )
        return (Action("Run now", "run_now"), pin, hold, cancel), ()
    if status in {JobStatus.PENDING, JobStatus.REFUSED}:
        plan = () if job.is_held else (Action("Plan again", "schedule"),)
        return (*plan, hold, cancel), ()
    return (), ()


def sbatch_of(view: JobView) -> tuple[str, str]:
    """Return a copyable Slurm line for an award in London time, and a note when the clocks change nearby."""
    award = view.plan.award if view.plan else None
    if award is None or view.status in FINAL_STATUSES:
        return "", ""
    local = award.placement.start.astimezone(LONDON)
    minutes = round(view.job.duration.total_seconds() / 60)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}:00"
    note = (
        f"The clocks change near this start; the line means {local.tzname()}."
        if clocks_change_near(award.placement.start)
        else ""
    )
    return f"sbatch --begin={local:%Y-%m-%dT%H:%M:%S} --time={clock} your-job.sh", note


def _headline(view: JobView, state: State) -> str:
    plan = view.plan
    if view.status is JobStatus.REFUSED:
        return "Refused: nothing was booked."
    if plan is not None and plan.deferral is not None and view.status is JobStatus.PENDING:
        return f"Not in the plan yet: {plan.deferral.reason}."
    if view.status is JobStatus.CANCELLED and (plan is None or plan.award is None):
        return "Cancelled; it held no window."
    if plan is None or plan.award is None:
        return state.meaning
    verbs = {
        JobStatus.SCHEDULED: "Runs",
        JobStatus.RUNNING: "Running since",
        JobStatus.COMPLETED: "Ran",
        JobStatus.FAILED: "Failed; planned for",
        JobStatus.CANCELLED: "Cancelled; it was planned for",
        JobStatus.UNCONFIRMED: "Not confirmed; planned for",
        JobStatus.PENDING: "Was planned for",
    }
    return "Window open since" if state.css == "open" else verbs.get(view.status, "Planned for")


def _moved(view: JobView, now: datetime) -> str:
    plan = view.plan
    if plan is None or not plan.moves:
        return ""
    before = f"; before that {when(plan.previous_start, now).text}" if plan.previous_start else ""
    reason = f": {plan.move_reason}" if plan.move_reason else ""
    return f"Moved {'once' if plan.moves == 1 else f'{plan.moves} times'}{reason}{before if not reason else ''}."


def _certificate(certificate: Certificate | None) -> str:
    if certificate is None:
        return ""
    gap = (
        "a gap cannot be stated while a job is unserved"
        if certificate.gap_percent is None
        else "the best possible"
        if is_nothing(certificate.gap_percent)
        else f"at most {percent(certificate.gap_percent)} above the best possible"
    )
    kind = {"exact": "exact", "priced": "by prices", "greedy": "by insertion"}[
        str(certificate.method)
    ]
    return (
        f"The whole plan was found {kind} in {count(certificate.rounds, 'round')}: "
        f"{pounds(certificate.objective_gbp)} against a proven lower bound of "
        f"{pounds(certificate.lower_bound_gbp)}, {gap}."
    )


def _linked(views: Sequence[JobView], now: datetime) -> tuple[tuple[str, str, State], ...]:
    return tuple((v.job.job_id, v.job.job_name, state_of(v, now)) for v in views)


def _options(award: Award, now: datetime) -> tuple[OptionRow, ...]:
    arrival, explanation = award.baseline, award.explanation
    breaches = (
        f"would break: {', '.join(b.replace('_', ' ') for b in arrival.breaches)}"
        if arrival.breaches
        else ""
    )
    return (
        option_row("Chosen", award.placement, now, is_chosen=True),
        option_row(
            "Runner-up", explanation.runner_up, now,
            note="" if explanation.runner_up else "no other free window leaves this one alone",
        ),
        option_row("On arrival", arrival.placement, now, note=breaches if arrival.placement else arrival.reason or "none fits"),
    )  # fmt: skip


def pretty_record(line: str | None) -> str:
    """Return a canonical record indented for reading; the hash is of the canonical form."""
    return "" if line is None else json.dumps(json.loads(line), indent=2, ensure_ascii=False)


def job_page(
    detail: JobDetail,
    now: datetime,
    rows: Sequence[EnergyRow] = (),
    messages: Sequence[Mapping[str, Any]] = (),
) -> JobPage:
    """Return the view of a job.

    Args:
        detail: Everything the use case knows.
        now: The planning clock.
        rows: Half-hours of the award's region to draw the alternatives over; empty draws nothing.
        messages: Messages of the negotiation behind the present answer.
    """
    view, job = detail.view, detail.view.job
    plan = view.plan
    award = plan.award if plan else None
    is_refused = view.status is JobStatus.REFUSED
    state = state_of(view, now)
    actions, confirms = actions_of(view, now)
    sbatch_line, sbatch_note = sbatch_of(view) if job.workload is None else ("", "")
    chart = None
    if award is not None and not is_refused:
        chart = why_chart(
            now=now,
            rows=rows,
            region=award.placement.region,
            options=(
                ("Chosen", "running", award.placement),
                ("Runner-up", "pending", award.explanation.runner_up),
                ("On arrival", "completed", award.baseline.placement),
            ),
            deadline=job.latest_finish,
        )
    return JobPage(
        job_id=job.job_id,
        name=job.job_name,
        is_demo=job.is_demo,
        state=state,
        headline=_headline(view, state),
        when=span(award.placement.start, award.placement.end, now) if award and not is_refused else None,
        where=detail.asset.label if detail.asset else job.asset_id,
        why=award.why if award and not is_refused else "",
        figures=award_figures(job, award) if award and not is_refused else (),
        options=_options(award, now) if award and not is_refused else (),
        chart=chart,
        flip=flip_sentence(award.explanation, detail.value_of_carbon_gbp_per_tonne) if award and not award.provisional else "",
        blocked=tuple(blocked_sentence(b, now) for b in award.explanation.blocked) if award else (),
        sure=detail.how_sure.replace("; ask for gb", ""),
        may_move=detail.may_still_move,
        moved=_moved(view, now),
        history=history(detail.changes, now),
        actions=actions,
        confirms=confirms,
        can_choose_slot=bool(actions) and award is not None and view.status is JobStatus.SCHEDULED,
        can_ask=view.status in OPEN_STATUSES,
        sbatch_line=sbatch_line,
        sbatch_note=sbatch_note,
        execution=execution_facts(view, now),
        execution_note=execution_note(view),
        log_tail=last_lines(detail.log_tail or ""),
        refusal=refusal_view(plan.refusal, now) if plan and plan.refusal and is_refused else None,
        outturn=outturn_view(plan.outturn, now) if plan and plan.outturn else None,
        talk=conversation(messages, now, job.job_id),
        certificate=_certificate(detail.negotiation.certificate if detail.negotiation else None),
        negotiation_id=detail.negotiation.negotiation_id if detail.negotiation else None,
        record=pretty_record(detail.record_line),
        decision_id=plan.decision_id if plan else None,
        facts=job_facts(job, detail.asset, now),
        controls=control_lines(detail.controls, now),
        predecessors=_linked(detail.predecessors, now),
        successors=_linked(detail.successors, now),
    )  # fmt: skip
