"""Records: savings statement, decisions, and the state of the chain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.domain.decision import PROFILE_NOTE, SealedRecord
from models.domain.ports import VerifyReport
from models.domain.regions import REGIONS
from models.domain.time import parse_rfc3339
from services.types import Statement, StatementRow, Totals
from web.views.formatting import (
    capitalised,
    carbon_against,
    count,
    kilograms,
    kilowatt_hours,
    money_against,
    pounds,
)
from web.views.stamps import Stamp, dated, span
from web.views.triggers import TRIGGER_WORDS

EVENT_WORDS: Mapping[str, str] = {
    "decision": "Award",
    "refusal": "Refusal",
    "negotiation": "Negotiation",
    "outcome": "Outcome",
    "correction": "Correction",
    "config_change": "Change of set-up",
    "anchor": "Anchor",
    "segment_start": "New file",
}
"""Kinds of records that can be asked for, in words."""

VERIFY_COMMAND = "flask audit verify"
"""The command that verifies the chain by itself."""

STAGE_WORDS = {
    "confirmed": "Confirmed runs",
    "planned": "Planned, not run yet",
    "unconfirmed": "Window passed, not confirmed",
}
"""Rows of the statement, in order."""


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """Sums of one stage."""

    word: str
    jobs: str
    energy: str
    carbon: str
    carbon_saved: str
    cost: str
    cost_saved: str
    notes: str
    counts: bool


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One job of the statement."""

    job_id: str
    name: str
    stage: str
    when: tuple[Stamp, Stamp]
    region: str
    energy: str
    carbon: str
    carbon_against: str
    cost: str
    cost_against: str
    quality: str


@dataclass(frozen=True, slots=True)
class StatementView:
    """A savings statement ready to place."""

    rows: tuple[TotalsRow, ...]
    lines: tuple[StatementLine, ...]
    headline: str
    method: str
    measured_against: str
    excluded: str


@dataclass(frozen=True, slots=True)
class RecordRow:
    """One decision of the list."""

    seq: int
    event_id: str
    at: Stamp
    kind: str
    job_id: str | None
    text: str
    short_hash: str


@dataclass(frozen=True, slots=True)
class ChainView:
    """What the last verification found."""

    ok: bool
    text: str
    at: Stamp
    command: str
    last_hash: str
    warnings: tuple[str, ...]
    profile_note: str


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One record."""

    row: RecordRow
    negotiation_id: str | None
    hash: str
    prev_hash: str
    pretty: str
    line: str


def _totals_row(stage: str, totals: Totals) -> TotalsRow:
    notes = []
    if totals.unknown_jobs:
        notes.append(f"{count(totals.unknown_jobs, 'job')} with unknown parts")
    if totals.dirtier_jobs:
        notes.append(f"{count(totals.dirtier_jobs, 'job')} emitted more than on arrival")
    has_any = totals.jobs > 0
    return TotalsRow(
        word=STAGE_WORDS[stage],
        jobs=f"{totals.jobs:,}",
        energy=kilowatt_hours(totals.energy_kwh) if has_any else "–",
        carbon=kilograms(totals.carbon_kg) if has_any else "–",
        carbon_saved=carbon_against(totals.saved_carbon_kg) if has_any else "–",
        cost=pounds(totals.cost_gbp) if has_any else "–",
        cost_saved=money_against(totals.saved_cost_gbp) if has_any else "–",
        notes="; ".join(notes),
        counts=stage == "confirmed",
    )


def _line(row: StatementRow, now: datetime) -> StatementLine:
    def difference(baseline: float | None, value: float | None) -> float | None:
        return None if baseline is None or value is None else baseline - value

    measured = "" if row.energy_is_measured else " (planned)"
    return StatementLine(
        job_id=row.job_id,
        name=row.job_name,
        stage=row.stage,
        when=span(row.start, row.end, now),
        region=REGIONS[row.region].name,
        energy=f"{kilowatt_hours(row.energy_kwh)}{measured}",
        carbon=kilograms(row.carbon_kg),
        carbon_against=carbon_against(difference(row.baseline_carbon_kg, row.carbon_kg)),
        cost=pounds(row.cost_gbp),
        cost_against=money_against(difference(row.baseline_cost_gbp, row.cost_gbp)),
        quality=str(row.data_quality),
    )


def statement_view(statement: Statement, now: datetime) -> StatementView:
    """Return a statement ready to place."""
    done = statement.confirmed
    if done.jobs:
        headline = (
            f"{count(done.jobs, 'confirmed run')}: {carbon_against(done.saved_carbon_kg)} of carbon (estimated, average "
            f"location-based) and {money_against(done.saved_cost_gbp)} in cost than on arrival (household proxy, price shape)."
        )
    else:
        headline = "No run is confirmed in this period, so no saving is claimed."
    excluded = (
        f"{count(statement.excluded_simulated, 'job')} left out, because planned on simulated signals."
        if statement.excluded_simulated
        else ""
    )
    return StatementView(
        rows=(
            _totals_row("confirmed", statement.confirmed),
            _totals_row("planned", statement.planned),
            _totals_row("unconfirmed", statement.unconfirmed),
        ),
        lines=tuple(_line(row, now) for row in statement.rows),
        headline=headline,
        method=statement.method,
        measured_against=statement.measured_against,
        excluded=excluded,
    )


def _dig(record: Mapping[str, Any], *path: str) -> Any:
    found: Any = record
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def record_text(record: Mapping[str, Any]) -> str:
    """Return what a record tells, in one sentence taken from itself."""
    kind = record.get("event_type")
    rationale = str(_dig(record, "selected", "rationale") or "")
    if kind in {"decision", "refusal"}:
        return capitalised(rationale)
    if kind == "negotiation":
        trigger = TRIGGER_WORDS.get(str(record.get("trigger")), str(record.get("trigger")))
        return f"{rationale}, because {trigger}" if rationale else capitalised(trigger)
    for name in ("outcome", "change", "control"):
        body = record.get(name)
        if isinstance(body, Mapping):
            return capitalised(str(body.get("event") or body.get("action") or "").replace("_", " "))
    if kind == "anchor":
        return "Head of the chain, signed"
    if kind == "segment_start":
        return "A new day's file begins"
    return ""


def record_row(found: SealedRecord, now: datetime) -> RecordRow:
    """Return one record as a line."""
    record = json.loads(found.line)
    return RecordRow(
        seq=found.seq,
        event_id=found.event_id,
        at=dated(parse_rfc3339(found.ts_utc), now),
        kind=EVENT_WORDS.get(found.event_type, found.event_type.replace("_", " ")),
        job_id=found.job_id,
        text=record_text(record),
        short_hash=found.hash[:12],
    )


def record_rows(found: Sequence[SealedRecord], now: datetime) -> tuple[RecordRow, ...]:
    """Return records as lines."""
    return tuple(record_row(record, now) for record in found)


def chain_view(report: VerifyReport, now: datetime) -> ChainView:
    """Return what the last verification found."""
    if report.ok:
        text = (
            f"Verified up to seq {report.last_seq:,}"
            if report.records
            else "Nothing has been written to the log yet"
        )
    else:
        text = f"Does not verify: first fault at seq {report.first_fault_seq}, {report.fault}"
    return ChainView(
        ok=report.ok,
        text=text,
        at=dated(report.checked_at, now),
        command=VERIFY_COMMAND,
        last_hash=report.last_hash,
        warnings=report.warnings,
        profile_note=PROFILE_NOTE,
    )


def decision_view(found: SealedRecord, now: datetime) -> DecisionView:
    """Return one record with its text and its place in the chain."""
    return DecisionView(
        row=record_row(found, now),
        negotiation_id=found.negotiation_id,
        hash=found.hash,
        prev_hash=found.prev_hash,
        pretty=json.dumps(json.loads(found.line), indent=2, ensure_ascii=False),
        line=found.line,
    )
