"""Records: the savings statement, the decisions and the state of their chain."""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta

from flask import Response, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from models.domain.errors import InvalidRequest, NotFound
from models.domain.time import london_date, london_midnight
from services.types import Statement
from web.auth import current_caller
from web.context import services
from web.pages.ask import planning_now
from web.pages.blueprint import bp
from web.pages.forms import sentence
from web.views.record_views import (
    EVENT_WORDS,
    chain_view,
    decision_view,
    record_rows,
    statement_view,
)

PAGE_SIZE = 25
"""Decisions on one page."""

DEFAULT_DAYS = 7
"""A statement reaches this far back and ahead where no dates are given. [d]"""


@bp.get("/records")
def records() -> str:
    """Show the statement of a period and the newest decisions."""
    caller, now = current_caller(), planning_now()
    start_on, end_on, wrong = _period(now)
    statement: Statement | None = None
    if not wrong:
        try:
            statement = services().statement(caller, start_on, end_on)
        except InvalidRequest as error:
            wrong = sentence(str(error))
    kind = request.args.get("type", "")
    job_id = request.args.get("job_id", "").strip()[:64]
    missing = ""
    try:
        page = services().decisions(
            caller,
            job_id=job_id or None,
            event_types=(kind,) if kind in EVENT_WORDS else (),
            since=_day_start(request.args.get("since")),
            until=_day_start(request.args.get("until"), days=1),
            cursor=request.args.get("cursor") or None,
            limit=PAGE_SIZE,
        )
        rows, cursor = record_rows(page.items, now), page.next_cursor
    except (NotFound, InvalidRequest) as error:
        rows, cursor, missing = (), None, sentence(str(error))
    return render_template(
        "records.html",
        statement=statement_view(statement, now) if statement else None,
        start_on=start_on.isoformat(),
        end_on=end_on.isoformat(),
        wrong=wrong,
        rows=rows,
        next_cursor=cursor,
        missing=missing,
        kinds=tuple(EVENT_WORDS.items()),
        kind=kind,
        job_id=job_id,
        args=request.args,
        chain=chain_view(services().verify_log(), now),
    )


@bp.post("/records/verify")
def verify_records() -> AnyResponse:
    """Verify the chain anew."""
    current_caller()
    report = services().verify_log(fresh=True)
    if report.ok:
        flash(
            f"Verified just now: {report.records:,} records, up to seq {report.last_seq:,}.", "done"
        )
    else:
        flash(f"The chain does not verify: first fault at seq {report.first_fault_seq}, {report.fault}.", "error")  # fmt: skip
    return redirect(url_for("pages.records", _anchor="chain"), 303)


@bp.get("/records/decisions/<event_id>")
def decision(event_id: str) -> str:
    """Show one record."""
    found = services().decision(current_caller(), event_id)
    return render_template("decision.html", page=decision_view(found, planning_now()))


@bp.get("/records/statement.csv")
def statement_csv() -> Response:
    """Return the statement of a period as CSV, one job a line."""
    start_on, end_on, wrong = _period(planning_now())
    if wrong:
        raise InvalidRequest(wrong)
    found = services().statement(current_caller(), start_on, end_on)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        ["job_id", "job_name", "stage", "status", "start_utc", "end_utc", "region", "energy_kwh", "energy_is_measured",
         "carbon_kg", "baseline_carbon_kg", "cost_gbp", "baseline_cost_gbp", "data_quality", "measured_against"]
    )  # fmt: skip
    for row in found.rows:
        writer.writerow(
            [row.job_id, _cell(row.job_name), row.stage, row.status, row.start.isoformat(), row.end.isoformat(),
             row.region, row.energy_kwh, row.energy_is_measured, _known(row.carbon_kg), _known(row.baseline_carbon_kg),
             _known(row.cost_gbp), _known(row.baseline_cost_gbp), row.data_quality, found.measured_against]
        )  # fmt: skip
    name = f"statement-{start_on}-{end_on}.csv"
    return Response(
        text.getvalue(),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in {"=", "+", "-", "@", "\t", "\r"} else text


def _known(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _period(now: datetime) -> tuple[date, date, str]:
    """Return the first and last London date of the statement, and what is wrong with what was asked."""
    today = london_date(now)
    start_on, end_on = today - timedelta(days=DEFAULT_DAYS), today + timedelta(days=DEFAULT_DAYS)
    wrong = ""
    for name in ("from", "to"):
        text = request.args.get(name, "").strip()
        if not text:
            continue
        try:
            day = date.fromisoformat(text)
        except ValueError:
            wrong = f"“{text[:20]}” is not a date. Write it like {today.isoformat()}."
            continue
        if name == "from":
            start_on = day
        else:
            end_on = day
    return start_on, end_on, wrong


def _day_start(text: str | None, days: int = 0) -> datetime | None:
    """Return the UTC instant at which a typed London date begins; None where it is no date."""
    try:
        return london_midnight(date.fromisoformat((text or "").strip()) + timedelta(days=days))
    except (ValueError, OverflowError):
        return None
