"""The Schedule: the first screen, and the best-window box for anybody."""

from __future__ import annotations

from datetime import datetime

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.access import Caller, Role
from models.domain.errors import HalfhourError, InvalidRequest
from models.domain.regions import REGIONS
from web.auth import known_caller, public
from web.context import services
from web.pages.ask import default_region, planning_now
from web.pages.blueprint import bp, wants_partial
from web.pages.forms import sentence
from web.pages.window_form import DRAFT_FIELDS, WindowForm, read_window, window_form
from web.views.best_window import BestWindowView, best_window_view
from web.views.board import board_view

VISITOR = Caller(owner="", role=Role.SUBMITTER)
"""Who looks at the Schedule without a key where keys exist: an owner who has nothing."""


@bp.get("/")
@public
def schedule() -> str:
    """Show the Schedule; visitors see the grid and the best-window box."""
    wanted = request.args.get("chart_region")
    caller = known_caller()
    board = services().board(caller or VISITOR, region=wanted if wanted in REGIONS else None)
    form = window_form(request.args, board.now, board.region)
    asked = "hours" in request.args
    answer, failure = _answer(form, board.now) if asked or not board.jobs else (None, "")
    return render_template(
        "schedule.html",
        page=board_view(board, is_visitor=caller is None),
        form=form,
        answer=answer,
        failure=failure,
    )


@bp.get("/best-window")
@public
def best_window_answer() -> str | Response:
    """Answer the box: the part alone for htmx, the whole page otherwise."""
    if not wants_partial():
        asked = request.query_string.decode("ascii", "ignore")
        return redirect(f"{url_for('pages.schedule')}?{asked}#best-window")
    now = planning_now()
    form = window_form(request.args, now, default_region())
    answer, failure = _answer(form, now)
    return render_template("partials/best_window.html", form=form, answer=answer, failure=failure)


def _answer(form: WindowForm, now: datetime) -> tuple[BestWindowView | None, str]:
    """Return the answer, or why there is none; wrong fields are recorded in the form."""
    query = read_window(form, now)
    if query is None:
        return None, ""
    try:
        return best_window_view(services().best_window(query)), ""
    except InvalidRequest as error:
        form.form.take_refusal(error, DRAFT_FIELDS, "ready_by")
        return None, ""
    except HalfhourError as error:
        return None, sentence(str(error))
