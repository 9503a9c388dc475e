"""The Market page: an honest empty state until this installation is connected to one."""

from __future__ import annotations

from flask import render_template

from web.auth import public
from web.pages.blueprint import bp


@bp.get("/beckn-slots")
@public
def market() -> str:
    """Say that no market is connected, and what works without one."""
    return render_template("market.html")
