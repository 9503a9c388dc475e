"""The Market page: windows to browse and to take for a job, contracts with their life and raw messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from models.domain.errors import HalfhourError, InvalidRequest
from models.domain.job import OPEN_STATUSES
from models.domain.market import Window, WindowKind
from models.domain.regions import REGIONS
from services.market import Offers, Wanted, fits, needs_of
from web.auth import Permission, current_caller, known_caller, public, require
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.pages.forms import Wrong, local_time, sentence
from web.views.formatting import capitalised
from web.views.market_view import (
    KIND_WORDS,
    contract_row,
    contract_view,
    lag_text,
    market_chart,
    window_rows,
)
from web.views.stamps import in_london

HOURS = (12, 24, 48)
"""How far ahead the page looks. [h]"""


SHOWN, MOST_FOUND = 20, 100
"""Windows of one page, and of other parties."""


@bp.get("/beckn-slots")
@public
def market() -> str:
    """Show what is on offer; a visitor sees what the page is for."""
    caller = known_caller()
    if caller is None:
        return render_template("market.html", offers=None)
    use, now = services(), planning_now()
    slug = request.args.get("region", "")
    slug = slug if slug in REGIONS else ""
    kinds = {str(kind): kind for kind in WindowKind}
    kind = kinds.get(request.args.get("kind", ""))
    hours = request.args.get("hours", "")
    ahead = int(hours) if hours.isdecimal() and int(hours) in HOURS else HOURS[-1]
    failure = ""
    offers = Offers((), None, 0)
    begin = request.args.get("from", "").strip()
    test: Callable[[Window], bool] = lambda _: True  # noqa: E731
    jobs = [job for job in use.open_jobs_for_after(caller) if job.status in OPEN_STATUSES]
    job = next((one for one in jobs if one.job_id == request.args.get("job")), None)
    needs = needs_of(job, use.assets(caller, limit=200).items) if job else None
    has_small, hidden = "small" in request.args, 0
    try:
        earliest = local_time(begin, name="Start after", now=now) if begin else None
        every = Wanted(slug or None, ahead, kind, not_before=earliest)
        wanted = replace(every, needs=needs, too_small_too=has_small)
        test = fits(wanted)
        cursor = request.args.get("after") or None
        offers = use.market.search(caller, wanted, cursor=cursor, limit=SHOWN)
        if needs is not None and not has_small:
            hidden = use.market.search(caller, every, limit=1).total - offers.total
    except (HalfhourError, Wrong) as error:
        failure = sentence(str(error))
    regions = sorted({w.region for w in offers.windows})
    usual = use.context.settings.default_region
    place = slug or (regions[0] if regions and usual not in regions else usual)
    chart = None
    if offers.windows:
        rows = use.energy_forecast(place, ahead)
        chart = market_chart(offers, rows, place, now, ahead)
    lag, others = use.market.lag(), use.market.found()
    return render_template(
        "market.html",
        offers=offers,
        rows=window_rows(offers.windows, now, needs),
        chart=chart,
        failure=failure,
        asked={
            "region": slug,
            "hours": ahead,
            "kind": str(kind or ""),
            "from": begin,
            "job": job.job_id if job else "",
            "small": "1" if has_small else "",
            "is_filtered": bool(slug or kind or begin or job or ahead != HOURS[-1]),
        },
        job=job,
        hidden=hidden,
        after=offers.next_cursor,
        is_first="after" not in request.args,
        hours=HOURS,
        kinds=[(str(one), capitalised(words)) for one, words in KIND_WORDS.items()],
        regions=[(one, REGIONS[one].name) for one in REGIONS],
        jobs=jobs,
        contracts=[contract_row(held, now) for held in use.market.contracts(caller)],
        found=window_rows([one for one in others if test(one)][:MOST_FOUND], now, needs),
        has_found=bool(others),
        identity=use.market.identity,
        lag=lag_text(lag.waiting, lag.oldest_at, lag.failed, use.context.system_now()),
    )


@bp.post("/beckn-slots")
def take_slot() -> Response:
    """Take a window for a job, ask the market, or sell flexibility."""
    caller = require(Permission.SUBMIT)
    use = services()
    job_id = request.form.get("job_id", "") or None
    here = redirect(url_for("pages.market", job=request.form.get("chosen") or None), 303)
    action = request.form.get("action", "")
    seller, _, slot_id = request.form.get("choice", "").partition(" ")
    try:
        if action == "discover":
            _, asked = use.market.discover(caller)
            flash(f"Asked {asked} sellers; what they offer appears here as they answer.", "info")
            return here
        if action == "take":
            if not job_id:
                raise InvalidRequest("choose the job that shall run in this window")
            made = use.market.take(caller, slot_id, job_id, seller=seller)
            flash("Asked the seller for this window; follow the contract here.", "info")
        else:
            made = use.market.confirm(caller, slot_id, job_id)
            flash("The contract is confirmed, and the plan was made anew with it.", "info")
    except HalfhourError as error:
        flash(in_london(sentence(str(error)), planning_now()), "error")
        return here
    return redirect(url_for("pages.market_contract", contract_id=made.contract_id), 303)


@bp.get("/beckn-slots/contracts/<contract_id>")
def market_contract(contract_id: str) -> str:
    """Show one contract: its life and its raw messages."""
    found = services().market.contract(current_caller(), contract_id)
    return render_template("contract.html", page=contract_view(found, planning_now()))


@bp.post("/beckn-slots/contracts/<contract_id>/cancel")
def end_contract(contract_id: str) -> Response:
    """End a contract."""
    caller = require(Permission.SUBMIT)
    try:
        services().market.cancel(caller, contract_id)
        flash("The contract is ended, or its seller was asked to end it.", "info")
    except HalfhourError as error:
        flash(sentence(str(error)), "error")
    return redirect(url_for("pages.market_contract", contract_id=contract_id), 303)
