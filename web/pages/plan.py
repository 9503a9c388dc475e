"""A plan as it was agreed: frozen, shareable, printable."""

from __future__ import annotations

from flask import render_template

from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.views.plan_view import plan_view


@bp.get("/plans/<negotiation_id>")
def plan(negotiation_id: str) -> str:
    """Show one negotiation: its certificate, its awards and how the agents agreed."""
    found = services().negotiation(current_caller(), negotiation_id)
    return render_template("plan.html", page=plan_view(found, planning_now()))
