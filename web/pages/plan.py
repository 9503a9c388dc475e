"""A plan as it was agreed: frozen, shareable, printable."""

from __future__ import annotations

from flask import render_template, request

from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.views.changes_view import changes_view
from web.views.plan_view import plan_view

CHANGES_SHOWN = 50
"""Changed jobs on one page; a link leads on."""


@bp.get("/plans/<negotiation_id>")
def plan(negotiation_id: str) -> str:
    """Show one negotiation: its certificate, its awards and how the agents agreed."""
    caller, now = current_caller(), planning_now()
    found = services().negotiation(caller, negotiation_id)
    changes = services().plan_changes(
        caller, negotiation_id, cursor=request.args.get("more") or None, limit=CHANGES_SHOWN
    )
    return render_template(
        "plan.html",
        page=plan_view(found, now),
        changes=changes_view(changes, now, is_first_page="more" not in request.args),
    )
