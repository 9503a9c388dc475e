"""The state of the program in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from models.domain.signal import Quality
from services.types import Statistics

MEDIA_TYPE: Final = "text/plain"
"""Media type of the exposition format, version 0.0.4."""

Sample = tuple[Mapping[str, str], float]


def metrics(found: Statistics, state: Mapping[str, Any]) -> str:
    """Return gauges; what is unknown is left out, never zero.

    Args:
        found: Counts and sums of the caller's jobs.
        state: What `Services.ready` says.
    """
    return "".join(_lines(found, state))


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
    places = [({"place": name}, float(n)) for name, n in audit.items()]
    yield from _gauge("audit_seq", "Last record of the decision log, sealed and written.", places)


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
