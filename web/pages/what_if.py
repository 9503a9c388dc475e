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
from web.views.what_if_view import WhatIfView, what_if_view


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


def _asked() -> tuple[WhatIfView | None, str]:
    """Return the answer to the request's value of carbon, or one sentence on why there is none."""
    current = services().context.policy.carbon_price_gbp_per_tonne
    typed = request.args.get("carbon_price", "").strip()[:40]
    try:
        price = current if not typed else number(typed, name="Value of carbon", low=0, high=HIGHEST_GBP_PER_TONNE, unit="£/t")  # fmt: skip
    except Wrong as wrong:
        return None, str(wrong)
    # The slider has whole pounds; its resting place is the current value, not a rounded one.
    price = current if abs(price - current) < 0.5 else price
    try:
        found = services().what_if(current_caller(), price)
        curve = services().trade_off(current_caller(), price)
    except HalfhourError as error:
        return None, sentence(str(error))
    return what_if_view(found, curve, planning_now()), ""
