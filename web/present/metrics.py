"""The state of the program in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from models.domain.signal import Quality
from services.telemetry import Telemetry
from services.types import Statistics

MEDIA_TYPE: Final = "text/plain"
"""Media type of the exposition format, version 0.0.4."""

Sample = tuple[Mapping[str, str], float]


def metrics(found: Statistics, state: Mapping[str, Any], seen: Telemetry) -> str:
    """Return gauges; what is unknown is left out, never zero.

    Args:
        found: Counts and sums of the caller's jobs.
        state: What `Services.ready` says.
        seen: Planning and hand-overs over all owners.
    """
    return "".join([*_lines(found, state), *_planning(seen), *_hand_overs(seen)])


def _lines(found: Statistics, state: Mapping[str, Any]) -> Iterator[str]:
    data, audit = found.data, state.get("audit", {})
    counts = [({"status": str(status)}, float(n)) for status, n in found.counts.items()]
    yield from _gauge("jobs", "Jobs by status.", counts)
    refused = [({"rule": rule}, float(n)) for rule, n in found.refusals_by_rule.items()]
    yield from _gauge("refused_jobs", "Jobs that stay out of the plan, by rule.", refused)
    yield from _gauge(
        "planned_energy_kwh", "Energy of open awards. [kWh]", [({}, found.planned.energy_kwh)]
    )
    mode = [({"mode": data.mode, "quality": str(q)}, float(q is data.quality)) for q in Quality]
    yield from _gauge("data_quality", "1 for the quality of the signals now in use.", mode)
    if data.carbon_age is not None:
        age_s = data.carbon_age.total_seconds()
        yield from _gauge("carbon_age_seconds", "Age of the carbon forecast. [s]", [({}, age_s)])
    if data.prices_known_until is not None:
        until = data.prices_known_until.timestamp()
        yield from _gauge(
            "prices_known_until_timestamp_seconds", "End of the published prices.", [({}, until)]
        )
    failures = [({"source": one.source}, float(one.failures_in_a_row)) for one in data.sources]
    yield from _gauge("source_failures_in_a_row", "Failures since the last good answer.", failures)
    good = [
        ({"source": one.source}, one.last_success_at.timestamp())
        for one in data.sources
        if one.last_success_at is not None
    ]
    yield from _gauge("source_success_timestamp_seconds", "When it last answered well.", good)
    places = [({"place": name}, float(n)) for name, n in audit.items()]
    yield from _gauge("audit_seq", "Last record of the decision log, sealed and written.", places)


def _planning(seen: Telemetry) -> Iterator[str]:
    running = float(seen.is_loop_running)
    yield from _gauge("loop_running", "1 while some process runs the loop.", [({}, running)])
    last = seen.last_plan
    if last is None:
        return
    if last.finished_at is not None:
        when = last.finished_at.timestamp()
        says = "When the newest plan was made."
        yield from _gauge("plan_timestamp_seconds", says, [({}, when)])
    moved = float(last.moved)
    yield from _gauge("plan_moved_jobs", "Jobs the newest plan moved.", [({}, moved)])
    proof = last.certificate
    if proof is None:
        return
    method = {"method": str(proof.method)}
    says = "How long the newest plan took. [s]"
    yield from _gauge("plan_seconds", says, [(method, proof.seconds)])
    yield from _gauge(
        "plan_rounds", "Price rounds of the newest plan.", [({}, float(proof.rounds))]
    )
    if proof.gap_percent is not None:
        says = "How far the newest plan may be from the best one. [%]"
        yield from _gauge("plan_gap_percent", says, [({}, proof.gap_percent)])


def _hand_overs(seen: Telemetry) -> Iterator[str]:
    counts = [
        ({"executor": name, "stage": str(stage), "state": str(state or "")}, float(n))
        for (name, stage, state), n in sorted(seen.hand_overs.items(), key=str)
    ]
    yield from _gauge("hand_overs", "Attempts at executors, by their last word.", counts)
    says = "Attempts with something left to do."
    yield from _gauge("hand_overs_open", says, [({}, float(len(seen.open)))])
    says = "Open attempts an executor has yet to be told of or to answer."
    yield from _gauge("hand_overs_untold", says, [({}, float(seen.untold))])
    says = "Open attempts whose last call failed."
    yield from _gauge("hand_overs_failing", says, [({}, float(seen.failing))])


def _gauge(name: str, says: str, samples: Iterable[Sample]) -> Iterator[str]:
    rows = [f"halfhour_{name}{_labels(labels)} {value:.15g}\n" for labels, value in samples]
    if rows:
        yield f"# HELP halfhour_{name} {says}\n# TYPE halfhour_{name} gauge\n"
        yield from rows


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
