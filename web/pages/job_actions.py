"""Buttons on a job: one POST each, then back to where it was pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, redirect, request, url_for
from pydantic import ValidationError
from werkzeug.wrappers import Response

from models.domain.access import Caller
from models.domain.errors import HalfhourError, InvalidRequest, NotFound
from models.domain.plan import Relaxation
from models.domain.time import parse_rfc3339
from web.auth import Permission, require
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp, local_path
from web.pages.forms import sentence
from web.schemas.jobs import JobChange
from web.views.refusal import as_instant, change_words
from web.views.stamps import when


def _run(caller: Caller, job_id: str, action: str) -> str:
    """Carry out one action and return what to say about it."""
    use = services()
    name, _, rest = action.partition(":")
    simple: dict[str, tuple[Callable[[], Any], str]] = {
        "run_now": (lambda: use.run_now(caller, job_id), "Moved to the next half-hour with room, and pinned there."),
        "pin": (lambda: use.pin(caller, job_id), "Pinned: it keeps this start until you unpin it."),
        "unpin": (lambda: use.pin(caller, job_id, pinned=False), "Unpinned: a better window may be taken again."),
        "hold": (lambda: use.hold(caller, job_id), "Held: it stays out of the plan until you release it."),
        "release": (lambda: use.hold(caller, job_id, held=False), "Released: it is planned again."),
        "cancel": (lambda: use.cancel_job(caller, job_id), "Cancelled. The record is kept, and you can undo this on its page."),
        "undo_cancel": (lambda: use.undo_cancel(caller, job_id), "The cancel is undone; the job is planned again."),
        "schedule": (lambda: use.schedule(caller, job_id), "Planned again, with all work that has not started."),
    }  # fmt: skip
    if name == "confirm":
        use.confirm(caller, job_id, rest)
        return {
            "started": "Noted: it started.",
            "completed": "Noted: it ran. It now counts in statements.",
            "failed": "Noted: it failed.",
            "did_not_run": "Noted: it did not run. It counts in no statement.",
        }.get(rest, "Noted.")
    if name == "relax":
        return _relax(caller, job_id, lambda found: found.field == rest)
    if name not in simple:
        raise InvalidRequest(f"{action!r} is not something that can be done to a job")
    act, told = simple[name]
    act()
    return told


def _relax(caller: Caller, job_id: str, wanted: Callable[[Relaxation], bool]) -> str:
    """Apply one of the changes a refusal offers, read from the stored refusal."""
    use = services()
    plan = use.job(caller, job_id).plan
    refusal = plan.refusal if plan else None
    found = next((r for r in _offered(refusal) if wanted(r)), None)
    if found is None:
        raise NotFound("this change is no longer offered; look at the job again")
    value = found.value
    if found.field in {"latest_finish", "earliest_start"}:
        value = as_instant(value)
    try:
        changes = JobChange.model_validate({found.field: value}, strict=False).named()
    except ValidationError as error:
        raise InvalidRequest(f"the change of {found.field} can no longer be used") from error
    use.change_job(caller, job_id, changes)
    return f"Changed: {change_words(found.field, found.value, planning_now())}."


def _offered(refusal: Any) -> tuple[Relaxation, ...]:
    if refusal is None:
        return ()
    single = (refusal.smallest_relaxation,) if refusal.smallest_relaxation else ()
    return refusal.relaxations or single


def _answer(job_id: str, act: Callable[[], str]) -> Response:
    """Carry out an action, say how it went, and go back."""
    try:
        flash(act(), "done")
    except HalfhourError as error:
        flash(sentence(str(error)), "error")
    here = url_for("pages.job", job_id=job_id)
    return redirect(local_path(request.form.get("next"), here), 303)


@bp.post("/jobs/<job_id>/act")
def act_on_job(job_id: str) -> Response:
    """Do to a job what a button says."""
    caller = require(Permission.SUBMIT)
    return _answer(job_id, lambda: _run(caller, job_id, request.form.get("action", "")))


@bp.post("/jobs/<job_id>/relax")
def relax_job(job_id: str) -> Response:
    """Apply a change that a refusal offers and plan again."""
    caller = require(Permission.SUBMIT)
    number = request.form.get("number", "")

    def act() -> str:
        plan = services().job(caller, job_id).plan
        offered = _offered(plan.refusal if plan else None)
        if not number.isdecimal() or int(number) >= len(offered):
            raise NotFound("this change is no longer offered; look at the job again")
        chosen = offered[int(number)]
        return _relax(caller, job_id, lambda found: found == chosen)

    return _answer(job_id, act)


@bp.post("/jobs/<job_id>/choose")
def choose_slot(job_id: str) -> Response:
    """Pin a job to a start chosen from the list."""
    caller = require(Permission.SUBMIT)

    def act() -> str:
        at, _, asset_id = request.form.get("choice", "").partition(" ")
        start = parse_rfc3339(at)
        services().pin(caller, job_id, start_time=start, asset_id=asset_id or None)
        return f"Moved to {when(start, planning_now()).text} and pinned there."

    return _answer(job_id, act)
