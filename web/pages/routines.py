"""Routines, and the notices of what happened to jobs: two lists beside that of jobs."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.errors import HalfhourError
from web.auth import Permission, current_caller, require
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.pages.forms import sentence
from web.views.notice_view import notice_rows
from web.views.routine_view import routine_rows

PAGE_SIZE = 25
"""Notices on one page."""


@bp.get("/routines")
def routines() -> str:
    """List live routines."""
    found = services().routines(current_caller())
    return render_template("routines.html", rows=routine_rows(found, planning_now()))


@bp.post("/routines/<routine_id>/end")
def end_routine(routine_id: str) -> Response:
    """End a routine; jobs it has made stay."""
    caller = require(Permission.SUBMIT)
    try:
        services().end_routine(caller, routine_id)
        flash(f"{routine_id} is ended. Jobs it has made stay as they are.", "info")
    except HalfhourError as error:
        flash(sentence(str(error)), "error")
    return redirect(url_for("pages.routines"), 303)


@bp.get("/notices")
def notices() -> str:
    """List notices, newest first."""
    cursor = request.args.get("cursor") or None
    page = services().notices(current_caller(), cursor=cursor, limit=PAGE_SIZE)
    return render_template(
        "notices.html",
        rows=notice_rows(page.items, planning_now()),
        next_cursor=page.next_cursor,
        is_first=cursor is None,
    )
