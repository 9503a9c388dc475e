"""Answers of the API as lines for a terminal. Times are London's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")

Json = Mapping[str, Any]


def clock(text: str | None) -> str:
    """Return an instant as `Sat 21 Nov 18:30`; a dash where there is none."""
    if not text:
        return "-"
    return (
        f"{datetime.fromisoformat(text.replace('Z', '+00:00')).astimezone(LONDON):%a %d %b %H:%M}"
    )


def window_lines(told: Json) -> list[str]:
    """Return a best window."""
    lines = [
        f"Start {clock(told['start_time'])} (London), done {clock(told['end_time'])}.",
        str(told["why"]),
        f"{told['sbatch_line']}   {told['at_line']}",
    ]
    return [*lines, f"Data: {told['data_quality']}. {told['price_note']}."]


def job_lines(job: Json) -> list[str]:
    """Return where one job stands."""
    lines = [f"{job['job_id']}  {job['job_name']}: {job['status']}"]
    planned, saved = job.get("schedule"), job.get("savings") or {}
    if planned:
        lines.append(
            f"  planned {clock(planned['start_time'])} to {clock(planned['end_time'])} on {planned['asset_id']} "
            f"({planned['region']})"
        )
    if saved.get("cost_gbp") is not None and saved.get("carbon_kg") is not None:
        lines.append(
            f"  against running on arrival: {_less(saved['cost_gbp'], '£{:.2f}')}, "
            f"{_less(saved['carbon_kg'], '{:.3g} kg CO2')} (forecast)"
        )
    lines += [f"  {told}" for told in _run_lines(job)]
    if job.get("why"):
        lines.append(f"  {job['why']}")
    return lines


def _less(value: float, shape: str) -> str:
    return f"{shape.format(abs(value))} {'less' if value >= 0 else 'more'}"


def _run_lines(job: Json) -> Iterable[str]:
    run = job.get("execution")
    if job.get("not_handed_over"):
        yield str(job["not_handed_over"])
    if not run:
        return
    where = f"{run['executor']} {run['external_id'] or ''}".strip()
    yield f"at {where}: {run['state'] or run['stage']}" + (
        f" ({run['reason']})" if run.get("reason") else ""
    )
    if run.get("started_at"):
        late = run.get("queueing_seconds")
        waited = "" if late is None else f", {late:.0f} s after its planned start"
        yield f"started {clock(run['started_at'])}{waited}"
    if run.get("ended_at"):
        code = run.get("exit_code")
        yield f"ended {clock(run['ended_at'])}" + ("" if code is None else f", exit code {code}")
    if run.get("last_error"):
        yield f"the last call did not work: {run['last_error']}"


def table(jobs: Iterable[Json]) -> list[str]:
    """Return jobs as a table, one a line."""
    rows = [("JOB", "STATUS", "START (LONDON)", "END", "WHERE", "NAME")]
    for job in jobs:
        planned = job.get("schedule") or {}
        rows.append(
            (
                str(job["job_id"]), str(job["status"]), clock(planned.get("start_time")),
                clock(planned.get("end_time")), str(planned.get("asset_id") or "-"), str(job["job_name"]),
            )
        )  # fmt: skip
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip()
        for row in rows
    ]


def routine_lines(told: Json) -> list[str]:
    """Return work that is handed in again and again."""
    times = "" if told["copies"] == 1 else f", {told['copies']} copies"
    state = f"next {clock(told['next_start'])}" if told["is_live"] else "ended"
    what = f"{told['routine_id']}  {told['job'].get('job_name') or ''}".rstrip()
    wish = f"every {told['every']} {told['start']}, done within {told['finish_within_hours']:g} h{times}"
    lines = [f"{what}: {wish}; {state}; {told['handed_in']} jobs so far"]
    return [*lines, f"  refused last: {told['last_error']}"] if told["last_error"] else lines


def explained(told: Json) -> list[str]:
    """Return why a job stands where it stands."""
    lines = [f"{told['job_id']}: {told['status']}", f"  {told['why'] or 'It is not planned yet.'}"]
    for name, label in (
        ("chosen", "chosen"),
        ("runner_up", "runner-up"),
        ("baseline", "on arrival"),
    ):
        place = told.get(name)
        if place:
            lines.append(f"  {label:<11}{clock(place['start_time'])}  {_figures(place)}")
    flip = told.get("flip")
    if flip:
        lines.append(
            f"  The runner-up wins {flip['runner_up_wins']} £{flip['carbon_price_gbp_per_tonne']:,.0f}/t; "
            f"now £{told['carbon_price_gbp_per_tonne']:,.0f}/t."
        )
    lines += [
        f"  {one['count']} better windows closed by the rule {one['rule']}, the best at {clock(one['best_start'])}"
        for one in told.get("blocked") or ()
    ]
    relaxed = told.get("smallest_relaxation")
    if relaxed:
        lines.append(f"  It fits with {relaxed['field']} = {relaxed['value']}.")
    lines += [f"  {told[name]}" for name in ("may_still_move", "how_sure") if told.get(name)]
    return lines


def _figures(place: Json) -> str:
    cost, carbon = place.get("cost_gbp"), place.get("carbon_kg")
    parts = [
        "cost not known" if cost is None else f"£{cost:.2f}",
        "carbon not known" if carbon is None else f"{carbon:.3g} kg CO2",
    ]
    return ", ".join(parts) + f" on {place['asset_id']}"
