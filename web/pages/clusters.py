"""Clusters: add, look at, change, retire."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.access import Caller
from models.domain.errors import Conflict, HalfhourError, InvalidRequest
from web.auth import Permission, current_caller, require
from web.context import services
from web.pages.ask import default_region, planning_now
from web.pages.blueprint import bp
from web.pages.cluster_form import (
    LABELS,
    ClusterForm,
    cluster_form,
    draft_of,
    form_of,
    read_cluster,
)
from web.pages.forms import AUTUMN_NOTE, sentence
from web.pages.limit_form import LimitForm, limit_form, read_limit
from web.views.cluster_views import cluster_view
from web.views.limit_views import limit_key
from web.views.scarce import scarce_views

SLOTS_SHOWN = 96
"""Half-hours of use shown on each cluster."""


@bp.get("/clusters")
def clusters() -> str:
    """List clusters with what the plan holds of them."""
    return _list(current_caller(), cluster_form(request.args, default_region()))


@bp.post("/clusters")
def add_cluster() -> Response | tuple[str, int]:
    """Register a cluster."""
    caller = require(Permission.OPERATE)
    form = cluster_form(request.form, default_region())
    values = read_cluster(form)
    if values is None:
        return _list(caller, form), 422
    try:
        made = services().create_asset(caller, draft_of(values))
    except InvalidRequest as error:
        form.form.take_refusal(error, {}, "name")
        return _list(caller, form), 422
    except Conflict as error:
        form.form.fail("name", sentence(str(error)))
        return _list(caller, form), 409
    flash(f"The cluster “{made.label}” is registered. Next: plan a job on it.", "done")
    return redirect(url_for("pages.clusters"), 303)


@bp.get("/clusters/<asset_id>")
def cluster(asset_id: str) -> str:
    """Show one cluster and the form to change it."""
    caller = current_caller()
    return _one(caller, asset_id, form_of(services().asset(caller, asset_id)))


@bp.post("/clusters/<asset_id>")
def change_cluster(asset_id: str) -> Response | tuple[str, int]:
    """Change a cluster; its work is planned again."""
    caller = require(Permission.OPERATE)
    form = cluster_form(request.form, default_region())
    values = read_cluster(form)
    if values is None:
        return _one(caller, asset_id, form), 422
    try:
        services().change_asset(caller, asset_id, values)
    except InvalidRequest as error:
        form.form.take_refusal(error, {}, "name")
        return _one(caller, asset_id, form), 422
    except Conflict as error:
        form.form.fail("max_power_kw", sentence(str(error)))
        return _one(caller, asset_id, form), 409
    flash("Changed, and the work on it is planned again.", "done")
    return redirect(url_for("pages.cluster", asset_id=asset_id), 303)


@bp.post("/clusters/<asset_id>/limits")
def add_limit(asset_id: str) -> Response | tuple[str, int]:
    """Limit a cluster's power for some time; its work is planned again."""
    caller = require(Permission.OPERATE)
    asset = services().asset(caller, asset_id)
    form = limit_form(request.form)
    limit = read_limit(form, planning_now())
    if limit is None:
        return _one(caller, asset_id, form_of(asset), form), 422
    try:
        services().change_asset(caller, asset_id, {"power_limits": (*asset.power_limits, limit)})
    except InvalidRequest as error:
        form.form.take_refusal(error, {}, f"{form.kind}_kw")
        return _one(caller, asset_id, form_of(asset), form), 422
    except Conflict as error:
        form.form.fail(f"{form.kind}_kw", sentence(str(error)))
        return _one(caller, asset_id, form_of(asset), form), 409
    flash("Limited, and the work on it is planned again.", "done")
    return redirect(url_for("pages.cluster", asset_id=asset_id), 303)


@bp.post("/clusters/<asset_id>/limits/remove")
def remove_limit(asset_id: str) -> Response:
    """Take a limit of a cluster's power away; its work is planned again."""
    caller = require(Permission.OPERATE)
    asset = services().asset(caller, asset_id)
    gone = request.form.get("key", "")
    kept = tuple(one for one in asset.power_limits if limit_key(one) != gone)
    if len(kept) == len(asset.power_limits):
        flash("That limit was taken away already.", "error")
    else:
        services().change_asset(caller, asset_id, {"power_limits": kept})
        flash("The limit is gone, and the work on it is planned again.", "done")
    return redirect(url_for("pages.cluster", asset_id=asset_id), 303)


@bp.post("/clusters/<asset_id>/retire")
def retire_cluster(asset_id: str) -> Response:
    """Retire a cluster; its open jobs are planned elsewhere or refused."""
    caller = require(Permission.OPERATE)
    try:
        services().delete_asset(caller, asset_id)
    except HalfhourError as error:
        flash(sentence(str(error)), "error")
        return redirect(url_for("pages.cluster", asset_id=asset_id), 303)
    flash("Retired. Its records are kept; its open jobs were planned again.", "done")
    return redirect(url_for("pages.clusters"), 303)


def _list(caller: Caller, form: ClusterForm) -> str:
    now = planning_now()
    uses = services().asset_uses(caller, SLOTS_SHOWN)
    views = tuple(cluster_view(use, now) for use in uses)
    return render_template("clusters.html", clusters=views, form=form, labels=LABELS)


def _one(caller: Caller, asset_id: str, form: ClusterForm, limits: LimitForm | None = None) -> str:
    now = planning_now()
    asset = services().asset(caller, asset_id)
    use = next(
        u for u in services().asset_uses(caller, SLOTS_SHOWN) if u.asset.asset_id == asset_id
    )
    scarcity = services().scarcity()
    return render_template(
        "cluster.html",
        cluster=cluster_view(use, now),
        form=form,
        labels=LABELS,
        scarce=scarce_views(scarcity.prices, {asset_id: asset.label}, now),
        limit_form=limits or limit_form({}),
        autumn_note=AUTUMN_NOTE,
    )
