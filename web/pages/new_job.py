"""New job: three required fields, a live estimate, and the plan."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from models.domain.access import Caller
from models.domain.errors import Conflict, HalfhourError, InvalidRequest
from models.domain.job import JobStatus
from models.domain.ports import JobView
from web.auth import Permission, require
from web.context import services
from web.pages.ask import default_region, planning_now
from web.pages.blueprint import bp, wants_partial
from web.pages.forms import sentence
from web.pages.job_form import (
    DRAFT_FIELDS,
    FIELD_LABELS,
    JobForm,
    JobRequest,
    is_started,
    job_form,
    query_of,
    read_job,
)
from web.views.estimate import EstimateView, estimate_of_window, estimate_view
from web.views.formatting import count


@bp.get("/submit-job")
def new_job() -> str:
    """Show the empty form; a query may fill fields in, so that a link can carry a job."""
    caller, now = require(Permission.SUBMIT), planning_now()
    form = _form(caller, now, request.args, is_fresh=True)
    return _page(form, None)


@bp.post("/submit-job/estimate")
def estimate_job() -> str | tuple[str, int]:
    """Say what the planner would do; the part alone for htmx, the whole page otherwise."""
    caller, now = require(Permission.SUBMIT), planning_now()
    form = _form(caller, now, request.form, is_fresh=False)
    is_live = wants_partial()
    if is_live and not is_started(form):
        return render_template("partials/estimate.html", estimate=None, problems=())
    wanted = read_job(form, now)
    estimate = _estimate(caller, form, wanted, now) if wanted else None
    if is_live:
        problems = tuple(form.errors.values())
        return render_template("partials/estimate.html", estimate=estimate, problems=problems)
    return (_page(form, estimate), 422) if form.errors else _page(form, estimate)


@bp.post("/submit-job")
def submit_job() -> Response | tuple[str, int]:
    """Accept the job, plan it at once and lead to its page."""
    caller, now = require(Permission.SUBMIT), planning_now()
    form = _form(caller, now, request.form, is_fresh=False)
    wanted = read_job(form, now)
    if wanted is None:
        return _page(form, None), 422
    told = ""
    try:
        if wanted.new_cluster is not None:
            made = services().create_asset(caller, wanted.new_cluster)
            told = f"The cluster “{made.label}” was made for you; change it under Clusters. "
        views = services().submit_and_plan(caller, wanted.draft, wanted.repeat)
    except InvalidRequest as error:
        form = _after(caller, form, told, now)
        form.form.take_refusal(error, DRAFT_FIELDS, "duration_hours")
        return _page(form, None), 422
    except Conflict as error:
        form = _after(caller, form, told, now)
        form.form.fail("duration_hours", sentence(str(error)))
        return _page(form, None), 409
    flash(told + _told(views), "done")
    if len(views) > 1:
        return redirect(url_for("pages.jobs"), 303)
    return redirect(url_for("pages.job", job_id=views[0].job.job_id), 303)


def _after(caller: Caller, form: JobForm, told: str, now: datetime) -> JobForm:
    """Return the form to show after a refused submission: with the cluster, if one was made on the way."""
    if not told:
        return form
    flash(told, "done")
    return _form(caller, now, request.form, is_fresh=False)


def _told(views: tuple[JobView, ...]) -> str:
    if len(views) == 1:
        status = views[0].status
        if status is JobStatus.SCHEDULED:
            return "Accepted and planned."
        if status is JobStatus.REFUSED:
            return "Accepted, and refused by the plan: see below what would fit."
        return "Accepted; the next plan decides."
    planned = sum(v.status is JobStatus.SCHEDULED for v in views)
    return f"{count(len(views), 'job')} accepted, {planned} of them planned."


def _form(caller: Caller, now: datetime, source: MultiDict[str, Any], *, is_fresh: bool) -> JobForm:
    use = services()
    return job_form(
        source,
        now=now,
        assets=use.assets(caller, limit=200).items,
        predecessors=use.open_jobs_for_after(caller),
        default_region=default_region(),
        may_add_cluster=caller.may_operate,
        is_fresh=is_fresh,
    )


def _estimate(
    caller: Caller, form: JobForm, wanted: JobRequest, now: datetime
) -> EstimateView | None:
    """Return the estimate, or None with what is wrong recorded in the form."""
    try:
        if wanted.new_cluster is not None:
            return estimate_of_window(services().best_window(query_of(wanted)))
        return estimate_view(services().estimate(caller, wanted.draft), now)
    except InvalidRequest as error:
        form.form.take_refusal(error, DRAFT_FIELDS, "duration_hours")
    except HalfhourError as error:
        form.form.fail("duration_hours", sentence(str(error)))
    return None


def _page(form: JobForm, estimate: EstimateView | None) -> str:
    return render_template(
        "new_job.html",
        form=form,
        labels=FIELD_LABELS,
        estimate=estimate,
        problems=(),
        carbon_value=services().context.policy.carbon_price_gbp_per_tonne,
    )
