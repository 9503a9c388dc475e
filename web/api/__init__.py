"""REST under `/api`, one file a resource; `/health` and `/ready` beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from web.context import SERVICES

if TYPE_CHECKING:
    from services.facade import Services


def register(app: Flask, services: Services) -> None:
    """Hang every resource on the app.

    Args:
        app: With settings and guards of the edge in place.
        services: The use cases that handlers call.
    """
    from web.api import (
        assets,
        beckn,
        controls,
        docs,
        energy,
        health,
        jobs,
        market,
        notices,
        planning,
        records,
        routines,
        what_if,
    )

    app.extensions[SERVICES] = services
    for module in (
        assets,
        jobs,
        controls,
        planning,
        what_if,
        energy,
        records,
        market,
        notices,
        routines,
        health,
        docs,
    ):
        app.register_blueprint(module.bp)
    app.register_blueprint(beckn.bp)
