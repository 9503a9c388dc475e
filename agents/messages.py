"""The words agents exchange: frozen, typed, and the same JSON in a log line, a row and a fixture.

Arrays travel as `SlotArray`: shape, digest and sum are always written; values only while they are few.
"""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

WRITTEN_VALUES = 192
"""Longest array whose values are written out in a record; longer ones are bound by their digest."""


class SlotArray:
    """A numeric array over assets × slots that knows its digest. Values are float64 and never changed."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        """Freeze a copy of the values."""
        self.values = np.array(values, dtype=np.float64)
        self.values.setflags(write=False)

    def to_record(self) -> dict[str, Any]:
        """Return shape, digest, sum and, for a short array, the values."""
        rounded = np.round(self.values, 6)
        record: dict[str, Any] = {
            "shape": list(self.values.shape),
            "sha256": hashlib.sha256(rounded.tobytes()).hexdigest(),
            "sum": float(np.nansum(rounded)),
        }
        if self.values.size <= WRITTEN_VALUES:
            record["values"] = [
                [None if np.isnan(v) else float(v) for v in row] for row in np.atleast_2d(rounded)
            ]
        return record


SlotArrayField = Annotated[SlotArray, PlainSerializer(SlotArray.to_record)]


class Message(BaseModel):
    """Fields every message carries; subclasses add one `kind` and its body."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    schema_version: Literal[1] = 1
    message_id: UUID | None = None
    """Given by the chair: UUIDv5 of (negotiation, round, sender, n)."""
    negotiation_id: UUID | None = None
    in_reply_to: UUID | None = None
    round: int = Field(default=0, ge=0)
    sender: str
    sent_at: datetime | None = None
    """Stamped by the chair; agents have no clock."""


class JobsAnnounced(Message):
    """A Job Agent has work: how much, between when, and under which kinds of limits."""

    kind: Literal["jobs_announced"] = "jobs_announced"
    jobs: int
    energy_kwh: float
    peak_power_kw: float
    first_release: datetime | None
    last_deadline: datetime | None
    with_carbon_cap: int
    with_price_cap: int
    on_arrival: int
    """Jobs that may not wait, or for which waiting does not pay."""
    options: int
    """Places and starts over all jobs, closed ones included."""
    jobs_sha256: str


class SignalsPublished(Message):
    """The Energy Agent says what each half-hour of each asset costs, and where that was read."""

    kind: Literal["signals_published"] = "signals_published"
    horizon_start: datetime
    slots: int
    assets: tuple[str, ...]
    price_gbp_per_kwh: SlotArrayField
    carbon_kg_per_kwh: SlotArrayField
    room_kw: SlotArrayField
    sources: tuple[str, ...]
    """Distinct `source · quality · retrieved_at` lines."""
    data_quality: str
    known_share: float
    """Share of half-hours with both signals published (not estimated), 0 to 1."""


class PolicyPublished(Message):
    """The Policy Agent says what matters and what is forbidden."""

    kind: Literal["policy_published"] = "policy_published"
    kappa_gbp_per_kg: float
    carbon_price_gbp_per_tonne: float
    delay_gbp_per_kwh_hour: float
    min_saving_percent: float
    unserved_gbp_per_kwh: float
    churn_gbp_per_kwh: float
    transfer_kwh_per_gb: float = 0.0
    """Energy of moving a job's data to another region. [kWh/GB]"""
    transfer_gbit_per_s: float | None = None
    """How fast they move. [Gbit/s]"""
    carbon_budget_kg_per_day: float | None = None
    """Most carbon of all work planned on a London day; None: no budget. [kg]"""
    carbon_charges_gbp_per_kg: tuple[tuple[date, float], ...] = ()
    """μ of London days whose budget is short, on top of the value of carbon. [GBP/kg]"""
    planning_effort: float = 1.0
    """How much work a plan may take, as a multiple of the usual."""
    assumptions_id: str


class PricesPosted(Message):
    """Shadow prices of a round: what scarce half-hours cost on top of the tariff, never negative."""

    kind: Literal["prices_posted"] = "prices_posted"
    power_gbp_per_kwh: SlotArrayField
    """λ per asset and slot. [GBP/kWh]"""
    carbon_gbp_per_kg: tuple[tuple[date, float], ...] = ()
    """μ per London day of a carbon budget, on top of the value of carbon; days without a charge are left out. [GBP/kg]"""


class DemandQuoted(Message):
    """A Job Agent's best answer to posted prices: its load, and a lower bound of its cost."""

    kind: Literal["demand_quoted"] = "demand_quoted"
    prices_round: int
    load_kw: SlotArrayField
    """IT power it would draw if alone, per asset and slot. [kW]"""
    use_kg: tuple[tuple[date, float], ...] = ()
    """What that load emits on each London day, half-hours counted whole; empty without a carbon budget. [kg]"""
    value_gbp: float
    """Proven lower bound of the sum of its jobs' minima at these prices, unserved included. [GBP]"""


class PlanProposed(Message):
    """The chair puts a whole plan on the table."""

    kind: Literal["plan_proposed"] = "plan_proposed"
    load_kw: SlotArrayField
    served: int
    unserved: int
    objective_gbp: float
    lower_bound_gbp: float


class PlanApproved(Message):
    """The Policy Agent has checked every hard limit itself and lets the plan pass."""

    kind: Literal["plan_approved"] = "plan_approved"
    checked: tuple[str, ...]


class PlanVetoed(Message):
    """The Policy Agent found a broken limit; the plan may not be committed."""

    kind: Literal["plan_vetoed"] = "plan_vetoed"
    rule: str
    detail: str
    job_id: str | None = None
    """The job that breaks it; None where no single one does."""


class Awarded(Message):
    """A job gets a place and a start."""

    kind: Literal["awarded"] = "awarded"
    job_id: str
    asset_id: str
    start: datetime
    end: datetime
    objective_gbp: float
    why: str


class Deferred(Message):
    """A job stays out of this plan for now."""

    kind: Literal["deferred"] = "deferred"
    job_id: str
    reason: str
    earliest: datetime | None


class Refused(Message):
    """A job cannot be served, by which rule, and what was checked to help."""

    kind: Literal["refused"] = "refused"
    job_id: str
    rule: str
    detail: str
    smallest_relaxation: dict[str, Any] | None


AnyMessage = Annotated[
    JobsAnnounced
    | SignalsPublished
    | PolicyPublished
    | PricesPosted
    | DemandQuoted
    | PlanProposed
    | PlanApproved
    | PlanVetoed
    | Awarded
    | Deferred
    | Refused,
    Field(discriminator="kind"),
]
"""Every message that can stand in a negotiation record."""


def stamp(
    message: Message, negotiation_id: UUID, round_number: int, n: int, sent_at: datetime
) -> Message:
    """Return the message with its identity: UUIDv5 of (negotiation, round, sender, n)."""
    name = f"{round_number}|{message.sender}|{n}"
    return message.model_copy(
        update={
            "message_id": uuid5(negotiation_id, name),
            "negotiation_id": negotiation_id,
            "round": round_number,
            "sent_at": sent_at,
        }
    )
