"""What another value of carbon would give: the present situation negotiated again, and nothing committed.

A what-if takes no lease, writes no decision and holds no power. It is exactly the plan that a re-plan at this moment
would commit with another value of carbon: frozen work stays, moving an award has its churn cost, and so on. The present
plan beside it is valued on the same signals, so that differences come from the plan and not from newer forecasts.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agents.view import Outcome, Situation
from models.domain.access import Caller
from models.domain.carbon_value import HIGHEST_KAPPA_GBP_PER_KG, kappa_of_weights
from models.domain.errors import Conflict, FieldError, InvalidRequest
from models.domain.plan import Certificate, Deferral, Placement, Refusal
from models.domain.time import floor_slot
from services.context import Context
from services.memo import Memo, state_of
from services.negotiating import known_faults, negotiated
from services.present import revalued, with_vat
from services.situation import Facts, load
from services.trade_off import (
    COST_ONLY_GBP_PER_TONNE,
    DEFAULT_GBP_PER_TONNE,
    HIGHEST_GBP_PER_TONNE,
    UK_APPRAISAL_GBP_PER_TONNE,
    Point,
    Sums,
    TradeOff,
    as_trade_off,
)

SPARE_GBP_PER_TONNE = (1_000.0, 5_000.0)
"""Values that take the place of a standard point where the current value equals it, so that five remain. [GBP/t]"""

POINTS = 5
"""Points of the curve, the current value among them."""

MOST_JOB_ROUNDS = 10_000
"""Jobs times price rounds from which on a plan is much work: the points of a curve are then planned one by one, as
asked. Counted work and no clock, so that every machine gives the same answer."""

WAIT_SECONDS = 20.0
"""How long a what-if waits for another one of this process. [s]"""

FRESH_SECONDS = 60
"""For how long an unchanged situation is answered from memory; what was much work is until its half-hour has ended.
[s of the planning clock]"""


@dataclass(frozen=True)
class JobDifference:
    """One job that is up for planning: what it has now, and what it would have."""

    job_id: str
    job_name: str
    current: Placement | None
    """Its present award, valued on today's signals (unknown where its region has none); None where it has none."""
    planned: Placement | None
    """What it would get; None where it would be refused or left out for now."""
    refusal: Refusal | None = None
    deferral: Deferral | None = None

    @property
    def status(self) -> str:
        """Return `scheduled`, `refused` or `pending`."""
        if self.planned is not None:
            return "scheduled"
        return "refused" if self.refusal is not None else "pending"

    @property
    def is_changed(self) -> bool:
        """Return whether it would run at another time, place or power, or be answered otherwise."""
        if self.current is None or self.planned is None:
            return self.current is not self.planned
        return not self.current.runs_like(self.planned)

    @property
    def later_by(self) -> timedelta | None:
        """Return how much later it would start; None where either side has no start."""
        if self.current is None or self.planned is None:
            return None
        return self.planned.start - self.current.start

    @property
    def carbon_kg(self) -> float | None:
        """Return what-if minus present plan; None where either is unknown. [kg]"""
        return _minus(
            None if self.planned is None else self.planned.carbon_kg,
            None if self.current is None else self.current.carbon_kg,
        )

    @property
    def cost_gbp(self) -> float | None:
        """Return what-if minus present plan; None where either is unknown. [GBP]"""
        return _minus(
            None if self.planned is None else self.planned.cost_gbp,
            None if self.current is None else self.current.cost_gbp,
        )


@dataclass(frozen=True)
class WhatIf:
    """The answer: totals and jobs of the caller, and the certificate of the whole plan."""

    asked_at: datetime
    carbon_price_gbp_per_tonne: float
    current_carbon_price_gbp_per_tonne: float
    totals: Sums
    current: Sums
    """The present plan of the same jobs on the same signals."""
    jobs: tuple[JobDifference, ...]
    """By job id."""
    frozen: int
    """Jobs of the caller whose award no longer moves; they stand outside totals and certificate."""
    certificate: Certificate


@dataclass(frozen=True)
class _Trial:
    """One negotiation at one value of carbon: only what is shown of it, for every owner, because it is remembered."""

    asked_at: datetime
    price_gbp_per_tonne: float
    rows: tuple[tuple[str, JobDifference], ...]
    """(owner, job), by job id."""
    frozen_owners: tuple[str, ...]
    """Owner of each job whose award no longer moves."""
    certificate: Certificate
    job_rounds: int
    """Jobs planned times price rounds: the work it took."""

    @property
    def is_much(self) -> bool:
        """Return whether it was much work."""
        return self.job_rounds > MOST_JOB_ROUNDS

    def holds_at(self, now: datetime) -> bool:
        """Return whether it may still be given as an answer where nothing has changed but the time."""
        if floor_slot(now) != floor_slot(self.asked_at):
            return False
        return self.is_much or now - self.asked_at < timedelta(seconds=FRESH_SECONDS)


_trials: Memo[_Trial] = Memo(entries=12)
_one_at_a_time = threading.Lock()


def carbon_price_of(weight_carbon: float, weight_cost: float) -> float:
    """Return the value of carbon that two weights stand for. [GBP/t]

    Raises:
        InvalidRequest: If both weights are zero, which says nothing.
    """
    if weight_carbon == weight_cost == 0:
        raise InvalidRequest(
            "weights: both are zero",
            (
                FieldError(
                    "weights",
                    "are both zero, so neither carbon nor cost would count",
                    {"carbon": 0, "cost": 0},
                    "at least one above 0",
                    "raise carbon or cost",
                ),
            ),
        )
    return kappa_of_weights(weight_carbon, weight_cost) * 1000.0


def what_if(context: Context, caller: Caller, carbon_price_gbp_per_tonne: float) -> WhatIf:
    """Return what a re-plan now would give with another value of carbon. Nothing is committed.

    Args:
        context: Ports; only read.
        caller: Whose jobs are listed and summed.
        carbon_price_gbp_per_tonne: The other value of carbon, 0 to 10,000. [GBP/t]

    Raises:
        InvalidRequest: If the value is out of range.
        Conflict: If another what-if keeps this process busy.
    """
    _check(carbon_price_gbp_per_tonne)
    context.signals.ensure_fresh()
    return _answer(context, caller, _trial(context, carbon_price_gbp_per_tonne))


def trade_off(
    context: Context, caller: Caller, carbon_price_gbp_per_tonne: float, goes_on: bool = False
) -> TradeOff:
    """Return carbon against cost at five values of carbon, the current and the asked one among them.

    The asked and the current value are always planned. Where a plan takes more work than `MOST_JOB_ROUNDS`, of the
    others only those still in memory are given and the rest is named: somebody waits for the answer.

    Args:
        context: Ports; only read.
        caller: Whose jobs are summed.
        carbon_price_gbp_per_tonne: The asked value. [GBP/t]
        goes_on: Plan one more of those values, however much work it is. Asked again and again, the curve fills.

    Raises:
        InvalidRequest: If the value is out of range.
        Conflict: If another what-if keeps this process busy.
    """
    _check(carbon_price_gbp_per_tonne)
    context.signals.ensure_fresh()
    current = context.policy.carbon_price_gbp_per_tonne
    is_much = False
    found: list[Point] = []
    unplanned: list[float] = []
    for price in _values(current, carbon_price_gbp_per_tonne):
        is_needed = _same(price, current) or _same(price, carbon_price_gbp_per_tonne)
        trial = _remembered(context, price)
        if trial is None:
            is_one_more = is_much and not is_needed
            if is_one_more and not goes_on:
                unplanned.append(price)
                continue
            goes_on = goes_on and not is_one_more
            trial = _trial(context, price)
        is_much |= trial.is_much
        found.append(
            Point(
                price,
                _answer(context, caller, trial).totals,
                is_current=_same(price, current),
                is_asked=_same(price, carbon_price_gbp_per_tonne),
            )
        )
    return as_trade_off(found, unplanned)


def _values(current: float, asked: float) -> list[float]:
    """Return the values to plan: the needed ones first, then the rest from the ends of the scale inwards."""
    standard = [
        COST_ONLY_GBP_PER_TONNE,
        HIGHEST_GBP_PER_TONNE,
        UK_APPRAISAL_GBP_PER_TONNE,
        DEFAULT_GBP_PER_TONNE,
        *SPARE_GBP_PER_TONNE,
    ]
    values = [current]
    for price in standard:
        if len(values) < POINTS and not any(_same(price, other) for other in values):
            values.append(price)
    if not any(_same(asked, other) for other in values):
        values.insert(0, asked)
    return sorted(values, key=lambda price: not (_same(price, asked) or _same(price, current)))


def _same(a: float, b: float) -> bool:
    return abs(a - b) < 0.5


def _check(price: float) -> None:
    highest = HIGHEST_KAPPA_GBP_PER_KG * 1000.0
    if not 0.0 <= price <= highest:
        raise InvalidRequest(
            f"carbon_price_gbp_per_tonne: {price:g} is out of range",
            (
                FieldError(
                    "carbon_price_gbp_per_tonne",
                    "is out of range",
                    price,
                    f"0 to {highest:,.0f}",
                    f"send a value from 0 to {highest:,.0f}",
                ),
            ),
        )


def _trial(context: Context, price: float) -> _Trial:
    """Negotiate at a value of carbon, or remember having done so for the same situation."""
    known = _remembered(context, price)
    if known is not None:
        return known
    if not _one_at_a_time.acquire(timeout=WAIT_SECONDS):
        raise Conflict("another what-if is being worked out; try again in a moment")
    try:
        now = context.clock.now()
        return _trials.get(
            context,
            _key(context, price),
            lambda: _negotiated(context, price, now),
            lambda trial: trial.holds_at(now),
        )
    finally:
        _one_at_a_time.release()


def _remembered(context: Context, price: float) -> _Trial | None:
    known = _trials.peek(context, _key(context, price))
    return known if known is not None and known.holds_at(context.clock.now()) else None


def _key(context: Context, price: float) -> Hashable:
    """Return everything a plan at a value of carbon depends on, except the time."""
    with context.uow() as uow:
        state = state_of(uow)
    data = context.signals.data_line()
    return state, data.mode, data.carbon_retrieved_at, data.prices_retrieved_at, round(price, 6)


def _negotiated(context: Context, price: float, now: datetime) -> _Trial:
    facts = load(context)
    wished = replace(context, policy=replace(context.policy, kappa_gbp_per_kg=price / 1000.0))
    facing, outcome = negotiated(wished, facts, context.new_id(), now, known_faults(facts))
    held = {work.job_id for work in facing.held}
    return _Trial(
        asked_at=now,
        price_gbp_per_tonne=price,
        rows=_rows(facing, outcome, facts),
        frozen_owners=tuple(job.owner for job in facts.jobs if job.job_id in held),
        certificate=outcome.certificate,
        job_rounds=len(facing.jobs) * outcome.certificate.rounds,
    )


def _rows(
    facing: Situation, outcome: Outcome, facts: Facts
) -> tuple[tuple[str, JobDifference], ...]:
    """Return every answered job with its owner, by job id."""
    awards = {award.job_id: award.placement for award in outcome.awards}
    refusals = {refusal.job_id: refusal for refusal in outcome.refusals}
    deferrals = {deferral.job_id: deferral for deferral in outcome.deferrals}
    assets = {asset.asset_id: asset for asset in facing.assets}
    signals = {slug: with_vat(known, facing.vat_factor) for slug, known in facing.signals.items()}
    kappa = facing.policy.kappa_gbp_per_kg

    def present(job_id: str) -> Placement | None:
        plan = facts.plans.get(job_id)
        if plan is None or plan.award is None:
            return None
        held = plan.award.placement
        return revalued(held, assets.get(held.asset_id), signals.get(held.region), kappa)

    answered = {*awards, *refusals, *deferrals}
    return tuple(
        (
            job.owner,
            JobDifference(
                job_id=job.job_id,
                job_name=job.job_name,
                current=present(job.job_id),
                planned=awards.get(job.job_id),
                refusal=refusals.get(job.job_id),
                deferral=deferrals.get(job.job_id),
            ),
        )
        for job in sorted(facts.jobs, key=lambda job: job.job_id)
        if job.job_id in answered
    )


def _answer(context: Context, caller: Caller, trial: _Trial) -> WhatIf:
    mine = caller.sees_owner
    rows = tuple(row for owner, row in trial.rows if mine in {None, owner})
    return WhatIf(
        asked_at=trial.asked_at,
        carbon_price_gbp_per_tonne=trial.price_gbp_per_tonne,
        current_carbon_price_gbp_per_tonne=context.policy.carbon_price_gbp_per_tonne,
        totals=Sums.of(row.planned for row in rows),
        current=Sums.of(row.current for row in rows),
        jobs=rows,
        frozen=sum(mine in {None, owner} for owner in trial.frozen_owners),
        certificate=trial.certificate,
    )


def _minus(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before
