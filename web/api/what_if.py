"""What-if: the present situation at another value of carbon. It writes nothing."""

from __future__ import annotations

from flask import Blueprint, Response

from web.auth import current_caller
from web.context import services
from web.operation import operation, reply
from web.present.what_if import trade_off
from web.present.what_if import what_if as present
from web.schemas.what_if import WhatIfIn, WhatIfOut, WhatIfPointsIn, WhatIfPointsOut

bp = Blueprint("api_what_if", __name__, url_prefix="/api")


@bp.post("/what-if")
@operation("Planning", {200: WhatIfOut}, body=WhatIfIn, errors=(409,))
def what_if(body: WhatIfIn) -> Response:
    """Say what a re-plan now would give at another value of carbon. Nothing is committed."""
    return reply(present(services().what_if(current_caller(), body.price_gbp_per_tonne)))


@bp.post("/what-if/points")
@operation("Planning", {200: WhatIfPointsOut}, body=WhatIfPointsIn, errors=(409,))
def what_if_points(body: WhatIfPointsIn) -> Response:
    """Plan carbon against cost at five values of carbon, the current one among them. Nothing is committed.

    Each point is a whole plan. Where one takes long, an answer adds one point to those before and names in
    `unplanned_gbp_per_tonne` what is missing: ask again until that is empty.
    """
    asked = body.carbon_price_gbp_per_tonne
    price = services().context.policy.carbon_price_gbp_per_tonne if asked is None else asked
    return reply(trade_off(services().trade_off(current_caller(), price, goes_on=True)))
