"""`/beckn/{action}` and `/beckn/on_{action}`: the signed protocol for machines, seller and buyer.

Bytes go in and out as they are: signatures are over raw bodies, so nothing is parsed or re-written here.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from web import auth
from web.context import services

bp = Blueprint("beckn", __name__, url_prefix="/beckn")


@bp.post("/<action>")
@auth.signed
def receive(action: str) -> Response:
    """Take or refuse a message; the answer says only that, and what becomes of it follows as a callback."""
    protocol = services().market.protocol
    if protocol is None:
        return Response(status=503)
    answer = protocol.receive(
        action,
        request.get_data(cache=False),
        list(request.headers.items()),
        request.remote_addr or "",
    )
    return Response(answer.body, answer.status, dict(answer.headers))
