"""What-if: the present situation at another value of carbon. It writes nothing."""

from __future__ import annotations

from flask import Blueprint, Response

from web.auth import current_caller
from web.context import services
from web.operation import operation, reply
from web.present.what_if import what_if as present
from web.schemas.what_if import WhatIfIn, WhatIfOut

bp = Blueprint("api_what_if", __name__, url_prefix="/api")


@bp.post("/what-if")
@operation("Planning", {200: WhatIfOut}, body=WhatIfIn, errors=(409,))
def what_if(body: WhatIfIn) -> Response:
    """Say what a re-plan now would give at another value of carbon. Nothing is committed."""
    return reply(present(services().what_if(current_caller(), body.price_gbp_per_tonne)))
