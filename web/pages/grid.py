"""The Grid: all regions now, one region in detail."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask import render_template, request

from models.domain.errors import NotFound
from models.domain.regions import REGIONS
from models.domain.signal import SignalName
from models.domain.time import floor_slot
from web.auth import public
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.views.grid_views import grid_view, region_view
from web.views.stamps import when

STEPS_HOURS = (0, 3, 6, 12, 24, 36)
"""How far ahead the map can be set. [h]"""

HISTORY_DAYS = (1, 3, 7, 14)
"""Lengths of history that can be chosen. [d]"""


@bp.get("/grid")
@public
def grid() -> str:
    """Show all regions in one half-hour."""
    now = planning_now()
    ahead = _choice(request.args.get("ahead"), STEPS_HOURS, 0)
    shows = "price" if request.args.get("show") == "price" else "carbon"
    at = now + timedelta(hours=ahead)
    found = services().regions_now(at if ahead else None)
    country = services().energy_forecast("gb", 48)
    view = grid_view(found, country, at=floor_slot(at), now=now, shows=shows)
    steps = tuple(
        (h, "now" if h == 0 else when(floor_slot(now + timedelta(hours=h)), now).text)
        for h in STEPS_HOURS
    )
    return render_template("grid.html", page=view, steps=steps, ahead=ahead)


@bp.get("/grid/<slug>")
@public
def grid_region(slug: str) -> str:
    """Show one region: the next 48 hours and what was."""
    if slug not in REGIONS:
        raise NotFound(f"there is no region {slug!r}; the Grid page lists them")
    now = planning_now()
    days = _choice(request.args.get("days"), HISTORY_DAYS, 3)
    view = region_view(
        slug,
        services().energy_forecast(slug, 48),
        services().energy_history(slug, *_past(now, days)),
        services().forecast_error(slug, SignalName.CARBON),
        now=now,
        history_days=days,
    )
    return render_template("region.html", page=view, history_days=HISTORY_DAYS)


def _past(now: datetime, days: int) -> tuple[datetime, datetime]:
    end = floor_slot(now)
    return end - timedelta(days=days), end


def _choice(text: str | None, allowed: tuple[int, ...], otherwise: int) -> int:
    """Return a number from a short list; anything else means the default."""
    return int(text) if text and text.isdecimal() and int(text) in allowed else otherwise
