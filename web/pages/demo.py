"""Loading and removing the demo."""

from __future__ import annotations

from flask import flash, redirect, url_for
from werkzeug.wrappers import Response

from models.domain.errors import HalfhourError
from web.auth import Permission, require
from web.context import services
from web.pages.blueprint import bp
from web.pages.forms import sentence
from web.views.formatting import count


@bp.post("/demo/load")
def load_demo() -> Response:
    """Load 3 clusters and 24 jobs and plan them."""
    caller = require(Permission.OPERATE)
    try:
        run = services().load_demo(caller)
    except HalfhourError as error:
        flash(sentence(str(error)), "error")
    else:
        flash(f"The demo is loaded: {count(run.scheduled, 'job')} planned, {run.refused} refused.", "done")  # fmt: skip
    return redirect(url_for("pages.schedule"), 303)


@bp.post("/demo/clear")
def clear_demo() -> Response:
    """Take the demo out again."""
    caller = require(Permission.OPERATE)
    removed = services().clear_demo(caller)
    flash(
        f"The demo is removed: {count(removed, 'thing')} retired; their records are kept.", "done"
    )
    return redirect(url_for("pages.schedule"), 303)
