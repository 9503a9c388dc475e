"""Every start of a job: to choose another one, and to ask why it does not run then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.access import Caller
from models.domain.errors import Conflict, HalfhourError
from models.domain.ports import JobView
from services.explain_types import WindowQuery
from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.pages.forms import Form, Wrong, local_time, raw_form, sentence
from web.views.slots import slots_view
from web.views.stamps import local_input
from web.views.why_not import WhyNotView, why_not_view


@dataclass(frozen=True)
class Asked:
    """The question form: what was typed, what is wrong with it, and the answer."""

    form: Form
    clusters: tuple[tuple[str, str], ...]
    answer: WhyNotView | None = None
    failure: str = ""


@bp.get("/jobs/<job_id>/slots")
def job_slots(job_id: str) -> str | Response:
    """Show every start of a job with its price, and answer why it does not run at one."""
    caller, now = current_caller(), planning_now()
    view = services().job(caller, job_id)
    try:
        found = services().candidates(caller, job_id)
    except Conflict as error:
        flash(sentence(str(error)), "error")
        return redirect(url_for("pages.job", job_id=job_id), 303)
    assets = services().assets(caller, limit=200).items
    names = {asset.asset_id: asset.label for asset in assets}
    return render_template(
        "slots.html",
        page=slots_view(view, found, now, names),
        asked=_asked(caller, view, names, now),
        scarcity=services().scarcity(),
    )


def _asked(caller: Caller, view: JobView, names: dict[str, str], now: datetime) -> Asked:
    form = raw_form(request.args, ("start", "cluster"))
    award = view.plan.award if view.plan else None
    clusters = tuple(sorted(names.items(), key=lambda pair: pair[1]))
    is_asked = "start" in request.args
    if not form.text("cluster"):
        form.values["cluster"] = award.placement.asset_id if award else view.job.asset_id
    if not is_asked:
        start = award.placement.start if award else now
        form.values["start"] = local_input(start)
        return Asked(form, clusters)
    try:
        start = local_time(form.text("start"), name="Start", now=now)
    except Wrong as wrong:
        form.fail("start", str(wrong))
        return Asked(form, clusters)
    if form.text("cluster") not in names:
        form.fail("cluster", f"Cluster: there is no “{form.text('cluster')}”. Choose one from the list.")  # fmt: skip
        return Asked(form, clusters)
    try:
        account = services().explain(
            caller,
            view.job.job_id,
            WindowQuery(limit=1),
            start=start,
            asset_id=form.text("cluster"),
        )
    except HalfhourError as error:
        return Asked(form, clusters, failure=sentence(str(error)))
    told = account.why_not
    return Asked(form, clusters, why_not_view(told) if told else None)
