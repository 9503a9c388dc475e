"""Stored back-tests: what planning would have saved on recorded signals."""

from __future__ import annotations

from flask import render_template

from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.views.backtest_view import backtest_views


@bp.get("/records/backtests")
def backtests() -> str:
    """Show every stored back-test, newest first."""
    found = services().backtests(current_caller())
    return render_template("backtests.html", results=backtest_views(found, planning_now()))
