"""`/api/assets`: clusters."""

from __future__ import annotations

from flask import Blueprint, Response, url_for

from web.api.lists import reply_list
from web.auth import Permission, current_caller
from web.context import services
from web.operation import no_content, operation, reply
from web.present.assets import asset as present
from web.present.common import page
from web.schemas.assets import AssetChange, AssetList, AssetListQuery, AssetOut, AssetSubmission

bp = Blueprint("api_assets", __name__, url_prefix="/api")

COLUMNS = tuple(AssetOut.model_fields)
"""Columns of the list as CSV."""


@bp.post("/assets")
@operation(
    "Assets",
    {201: AssetOut},
    body=AssetSubmission,
    errors=(409,),
    needs=Permission.OPERATE,
    answer_headers={201: ("Location",)},
)
def create_asset(body: AssetSubmission) -> Response:
    """Register an asset: compute at one place with a power limit."""
    made = services().create_asset(current_caller(), body.to_draft())
    where = url_for("api_assets.show_asset", asset_id=made.asset_id)
    return reply(present(made), 201, {"Location": where})


@bp.get("/assets")
@bp.get("/assets.csv")
@operation(
    "Assets",
    {200: AssetList},
    query=AssetListQuery,
    media_types=("application/json", "text/csv"),
    answer_headers={200: ("Link",)},
)
def list_assets(query: AssetListQuery) -> Response:
    """List assets, by id."""
    found = services().assets(
        current_caller(), region=query.region, cursor=query.cursor, limit=query.limit
    )
    return reply_list("assets", page(found, present), COLUMNS)


@bp.get("/assets/<ident:asset_id>")
@operation("Assets", {200: AssetOut})
def show_asset(asset_id: str) -> Response:
    """Show one asset."""
    return reply(present(services().asset(current_caller(), asset_id)))


@bp.patch("/assets/<ident:asset_id>")
@operation("Assets", {200: AssetOut}, body=AssetChange, errors=(409,), needs=Permission.OPERATE)
def change_asset(asset_id: str, body: AssetChange) -> Response:
    """Change an asset; its planned work is planned again. 409 where frozen work needs what would go."""
    changed = services().change_asset(current_caller(), asset_id, body.to_changes())
    return reply(present(changed))


@bp.delete("/assets/<ident:asset_id>")
@operation("Assets", {204: None}, errors=(409,), needs=Permission.OPERATE)
def delete_asset(asset_id: str) -> Response:
    """Retire an asset; its open jobs are planned elsewhere or refused. 409 while work on it is frozen or running."""
    services().delete_asset(current_caller(), asset_id)
    return no_content()
