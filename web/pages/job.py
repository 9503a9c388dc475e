"""The Job page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.access import Caller
from models.domain.errors import NotFound
from models.domain.job import JobStatus
from models.domain.time import SLOT, floor_slot
from services.types import EnergyRow, JobDetail
from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp, wants_partial
from web.views.job_page import job_page

CHART_HOURS = 48.0
"""How much of the future the alternatives are drawn over. [h]"""


@bp.get("/jobs/<job_id>")
def job(job_id: str) -> str:
    """Show why a job runs when it does."""
    caller, now = current_caller(), planning_now()
    detail = services().job_detail(caller, job_id)
    asked = "talk" in request.args
    messages = _messages(caller, detail) if asked else ()
    page = job_page(detail, now, _rows(detail, now), messages)
    return render_template("job.html", page=page, shows_talk=asked)


@bp.get("/jobs/<job_id>/talk")
def job_talk(job_id: str) -> str | Response:
    """Show how the agents agreed on a job: the part for htmx, its page opened there otherwise."""
    if not wants_partial():
        return redirect(url_for("pages.job", job_id=job_id, talk=1, _anchor="talk"))
    caller, now = current_caller(), planning_now()
    detail = services().job_detail(caller, job_id)
    page = job_page(detail, now, (), _messages(caller, detail))
    return render_template("partials/job_talk.html", page=page)


def _rows(detail: JobDetail, now: datetime) -> tuple[EnergyRow, ...]:
    """Return the half-hours to draw a planned job over; none for a job that is over or has no award."""
    plan = detail.view.plan
    if plan is None or plan.award is None or detail.view.status is not JobStatus.SCHEDULED:
        return ()
    placed = plan.award.placement
    ahead = (placed.end - floor_slot(now)) / (2 * SLOT)
    return services().energy_forecast(placed.region, min(max(CHART_HOURS, ahead), 96.0))


def _messages(caller: Caller, detail: JobDetail) -> tuple[Mapping[str, Any], ...]:
    if detail.negotiation is None:
        return ()
    try:
        return services().negotiation(caller, detail.negotiation.negotiation_id).messages
    except NotFound:
        return ()
