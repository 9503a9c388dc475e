"""How the agents agreed: the messages of a negotiation as a conversation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.domain.asset import LOCAL_OWNER
from web.views.formatting import (
    capitalised,
    carbon_value,
    count,
    figures,
    kilowatt_hours,
    kilowatts,
    percent,
    pounds,
    sentence_list,
    share,
)
from web.views.refusal import RULE_WORDS, as_instant, change_words
from web.views.stamps import when

SPEAKERS = {
    "jobs": "Job Agent",
    "job": "Job Agent",
    "energy": "Energy Agent",
    "policy": "Policy Agent",
    "scheduler": "Scheduler, in the chair",
    "chair": "Scheduler, in the chair",
}
"""Shown name by the first word of a sender."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said."""

    who: str
    is_chair: bool
    round: int
    text: str


def speaker(sender: str) -> tuple[str, bool]:
    """Return the shown name of a sender, and whether it chairs."""
    head = sender.replace("_", "-").split("-", 1)[0].split(":", 1)[0].lower()
    tail = sender.partition(":")[2]
    name = SPEAKERS.get(head, sender)
    return (f"{name} of {tail}" if tail not in {"", LOCAL_OWNER} else name), head in {
        "scheduler",
        "chair",
    }


def _announced(m: Mapping[str, Any], now: datetime) -> str:
    text = f"I bring {count(int(m.get('jobs', 0)), 'job')}: {kilowatt_hours(m.get('energy_kwh'))} in all, at most {kilowatts(m.get('peak_power_kw'))} at once"  # fmt: skip
    if deadline := as_instant(m.get("last_deadline")):
        text += f", the last ready by {when(deadline, now).text}"
    options = m.get("options")
    return text + (f". {int(options):,} places and starts are possible." if options else ".")


def _signals(m: Mapping[str, Any], _now: datetime) -> str:
    sources = sentence_list(list(dict.fromkeys(_source(str(s)) for s in m.get("sources", ()))))
    text = f"Price and carbon for {int(m.get('slots', 0)):,} half-hours on {count(len(m.get('assets', ())), 'cluster')}"  # fmt: skip
    known = m.get("known_share")
    if known is not None:
        text += f"; {share(float(known))} of them published, the rest estimated or unknown"
    return f"{text}. Sources: {sources}." if sources else f"{text}."


def _source(line: str) -> str:
    """Return `who (what, how good)` of a line `who · what · how good · when`."""
    name, _, rest = line.partition(" · ")
    details = [part for part in rest.split(" · ") if part and not part.startswith("retrieved")]
    return f"{name} ({', '.join(details)})" if details else name


def _policy(m: Mapping[str, Any], _now: datetime) -> str:
    return (
        f"A tonne of carbon counts as {carbon_value(float(m.get('carbon_price_gbp_per_tonne', 0)))}; a job waits only "
        f"if that saves at least {percent(float(m.get('min_saving_percent', 0)))} of its objective. Deadlines and "
        "power limits are never traded."
    )


def _prices(m: Mapping[str, Any], _now: datetime) -> str:
    array = m.get("power_gbp_per_kwh")
    total = array.get("sum") if isinstance(array, Mapping) else None
    if not total:
        return "No half-hour is scarce: power costs its tariff and nothing more."
    return f"Scarce half-hours carry a price on top of the tariff; over all of them {figures(float(total))} £/kWh."  # fmt: skip


def _quoted(m: Mapping[str, Any], _now: datetime) -> str:
    return (
        f"At these prices my jobs cannot cost less than {pounds(m.get('value_gbp'))}, whatever else is planned; that "
        "is a proven bound."
    )


def _proposed(m: Mapping[str, Any], _now: datetime) -> str:
    served, unserved = int(m.get("served", 0)), int(m.get("unserved", 0))
    refused = f", {count(unserved, 'job')} unserved" if unserved else ""
    return (
        f"My proposal serves {count(served, 'job')}{refused}, for {pounds(m.get('objective_gbp'))} in all; no plan can "
        f"be below {pounds(m.get('lower_bound_gbp'))}."
    )


def _approved(m: Mapping[str, Any], _now: datetime) -> str:
    checked = sentence_list([str(c).replace("_", " ") for c in m.get("checked", ())])
    return f"I checked {checked or 'every hard limit'} myself. The plan may pass."


def _vetoed(m: Mapping[str, Any], _now: datetime) -> str:
    return f"I veto: {m.get('detail') or m.get('rule')}."


def _awarded(m: Mapping[str, Any], now: datetime) -> str:
    start = as_instant(m.get("start"))
    placed = f"{m.get('job_id')} gets {m.get('asset_id')}"
    if start:
        placed += f" from {when(start, now).text}"
    return f"{placed}. {m.get('why', '')}".strip()


def _deferred(m: Mapping[str, Any], _now: datetime) -> str:
    return f"{m.get('job_id')} waits: {m.get('reason')}."


def _refused(m: Mapping[str, Any], now: datetime) -> str:
    rule = str(m.get("rule", ""))
    text = (
        f"{m.get('job_id')} cannot be served: {RULE_WORDS.get(rule, rule)}. {m.get('detail', '')}"
    )
    relaxation = m.get("smallest_relaxation")
    if isinstance(relaxation, Mapping) and "field" in relaxation:
        change = change_words(str(relaxation["field"]), relaxation.get("value"), now)
        text += f" Checked to help: {change[0].lower()}{change[1:]}."
    return text.strip()


_SAYINGS: Mapping[str, Callable[[Mapping[str, Any], datetime], str]] = {
    "jobs_announced": _announced,
    "signals_published": _signals,
    "policy_published": _policy,
    "prices_posted": _prices,
    "demand_quoted": _quoted,
    "plan_proposed": _proposed,
    "plan_approved": _approved,
    "plan_vetoed": _vetoed,
    "awarded": _awarded,
    "deferred": _deferred,
    "refused": _refused,
}


def conversation(
    messages: Sequence[Mapping[str, Any]],
    now: datetime,
    job_id: str | None = None,
    *,
    awards: bool = True,
) -> tuple[Line, ...]:
    """Return the messages as a conversation.

    Args:
        messages: As stored, in the order they were delivered.
        now: The planning clock, for days in words.
        job_id: Leave out what was said about other single jobs; None keeps everything.
        awards: Whether to tell single awards; a page that lists them anyway sums them up in one line.
    """
    lines: list[Line] = []
    left_out = 0
    for message in messages:
        about = message.get("job_id")
        if not awards and message.get("kind") == "awarded":
            left_out += 1
            continue
        if job_id is not None and about is not None and about != job_id:
            continue
        kind = str(message.get("kind", ""))
        say = _SAYINGS.get(kind)
        who, is_chair = speaker(str(message.get("sender", "")))
        text = say(message, now) if say else f"{kind.replace('_', ' ').capitalize()}."
        lines.append(Line(who, is_chair, int(message.get("round", 0)), text))
    if left_out:
        text = f"{capitalised(count(left_out, 'job'))} {'gets its' if left_out == 1 else 'get their'} window, as listed."
        lines.append(Line(SPEAKERS["chair"], True, lines[-1].round if lines else 0, text))
    return tuple(lines)
