"""Small questions handlers share: what time it is for the planner, and which region to start from."""

from __future__ import annotations

from datetime import datetime

from web.context import services


def planning_now() -> datetime:
    """Return the present instant of the planning clock."""
    return services().context.clock.now()


def default_region() -> str:
    """Return the region taken where nobody named one."""
    return services().context.settings.default_region
