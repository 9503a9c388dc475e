"""Server-rendered pages: parse, call one use case, render a template with a typed view object."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

PAGES = (
    "backtests",
    "clusters",
    "demo",
    "grid",
    "job",
    "job_actions",
    "jobs",
    "market",
    "new_job",
    "plan",
    "preferences",
    "records",
    "routines",
    "schedule",
    "sign_in",
    "slots",
    "what_if",
)
"""Modules with pages; importing one adds its routes to the blueprint."""


def register(app: Flask) -> None:
    """Hang every page on the app, and the frame on every template."""
    from web.pages.blueprint import bp, frame
    from web.pages.errors import problem_page
    from web.problems import PAGE_RENDERER

    for name in PAGES:
        import_module(f"web.pages.{name}")
    app.register_blueprint(bp)
    app.context_processor(frame)
    app.extensions[PAGE_RENDERER] = problem_page
