"""The list of jobs, with filters and pages."""

from __future__ import annotations

from flask import render_template, request

from models.domain.job import JobStatus
from models.domain.ports import JobFilter
from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.views.job_list import job_list

PAGE_SIZE = 25
"""Jobs on one page."""


@bp.get("/jobs")
def jobs() -> str:
    """List jobs, newest first."""
    caller = current_caller()
    known = {str(status): status for status in JobStatus}
    statuses = frozenset(known[s] for s in request.args.getlist("status") if s in known)
    asset_id = request.args.get("asset") or None
    text = request.args.get("q", "").strip()[:80]
    cursor = request.args.get("cursor") or None
    page = services().jobs(
        caller,
        JobFilter(statuses=statuses, asset_id=asset_id, text=text or None),
        cursor=cursor,
        limit=PAGE_SIZE,
    )
    view = job_list(
        page.items,
        now=planning_now(),
        assets=services().assets(caller, limit=200).items,
        next_cursor=page.next_cursor,
        is_first=cursor is None,
        statuses=statuses,
        asset_id=asset_id,
        text=text,
    )
    return render_template("jobs.html", page=view, args=request.args)
