"""What if a tonne of carbon were worth something else: presets, a slider, and what would change. Nothing is decided."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.errors import HalfhourError
from services.trade_off import HIGHEST_GBP_PER_TONNE
from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp, wants_partial
from web.pages.forms import Wrong, number, sentence
from web.views.what_if_view import WhatIfView, curve_view, what_if_view


@bp.get("/what-if")
def what_if() -> str:
    """Show the present situation at another value of carbon (by default at the current one)."""
    page, error = _asked()
    return render_template("what_if.html", page=page, error=error)


@bp.get("/what-if/plan")
def what_if_plan() -> str | Response:
    """Return the part that changes with the slider; the whole page where htmx did not ask."""
    if not wants_partial():
        asked = request.query_string.decode("ascii", "ignore")
        return redirect(f"{url_for('pages.what_if')}?{asked}")
    page, error = _asked()
    return render_template("partials/what_if_plan.html", page=page, error=error, is_part=True)


@bp.get("/what-if/points")
def what_if_points() -> str | Response:
    """Plan one more point of the curve and return the curve; the whole page where htmx did not ask."""
    try:
        price = _price()
        curve = services().trade_off(current_caller(), price, goes_on=True)
    except (Wrong, HalfhourError) as error:
        return render_template("partials/what_if_curve.html", curve=None, error=sentence(str(error)))  # fmt: skip
    if not wants_partial():
        return redirect(url_for("pages.what_if", carbon_price=f"{price:.10g}", _anchor="curve"))
    return render_template("partials/what_if_curve.html", curve=curve_view(price, curve))


def _asked() -> tuple[WhatIfView | None, str]:
    """Return the answer to the request's value of carbon, or one sentence on why there is none."""
    try:
        price = _price()
        found = services().what_if(current_caller(), price)
        curve = services().trade_off(current_caller(), price)
    except Wrong as wrong:
        return None, str(wrong)
    except HalfhourError as error:
        return None, sentence(str(error))
    return what_if_view(found, curve, planning_now()), ""


def _price() -> float:
    """Return the value of carbon the request asks for, by default the current one. [GBP/t]

    Raises:
        Wrong: If it is no number in range.
    """
    current = services().context.policy.carbon_price_gbp_per_tonne
    typed = request.args.get("carbon_price", "").strip()[:40]
    if not typed:
        return current
    price = number(typed, name="Value of carbon", low=0, high=HIGHEST_GBP_PER_TONNE, unit="£/t")
    # The slider has whole pounds; its resting place is the current value, not a rounded one.
    return current if abs(price - current) < 0.5 else price
