"""The market for people: what is on offer, taking a window for a job, and how contracts stand."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.errors import FieldError, Forbidden, InvalidRequest, NotFound
from models.domain.exchange import ContractFilter, Lag, Message, MessageFilter
from models.domain.job import Job
from models.domain.market import (
    OPEN_STATES,
    Contract,
    ContractState,
    DealRefused,
    DealRule,
    Window,
    WindowKind,
)
from models.domain.ports import Page
from models.domain.regions import region
from services import market_deals, market_ends, planning
from services.context import Context
from services.market_claims import must_be_free
from services.market_terms import Terms
from services.market_windows import DEFAULT_HOURS, LONGEST_HOURS, Catalogue, catalogue, is_slot_id

MOST_WINDOWS = 100
"""Most windows one answer holds."""


@dataclass(frozen=True)
class Needs:
    """What a job needs of a window of compute."""

    it_kw: float
    """Most power of the job. [kW IT]"""
    hours: float
    """How long it runs. [h]"""
    pue: Mapping[str, float]
    """Meter power per IT power of the owner's clusters."""
    usual_pue: float = 1.0
    """That of the cluster the job would run on where a window is another party's."""

    def power_kw(self, window: Window) -> float:
        """Return the power the job draws in a window, at the meter. [kW]"""
        return self.it_kw * self.pue.get(window.asset_id, self.usual_pue)

    def is_met(self, window: Window) -> bool:
        """Return whether a window has the power and the hours; one of flexibility takes no job, so it always has."""
        if window.kind is not WindowKind.COMPUTE:
            return True
        has_power = window.capacity_kw + 1e-6 >= self.power_kw(window)
        return has_power and window.duration_h + 1e-6 >= self.hours


def needs_of(job: Job, assets: Sequence[Asset]) -> Needs:
    """Return what a job needs, given the clusters of its owner."""
    pue = {asset.asset_id: asset.pue for asset in assets}
    hours = job.duration.total_seconds() / 3600.0
    return Needs(max(job.slot_power_kw()), hours, pue, pue.get(job.asset_id, 1.0))


@dataclass(frozen=True)
class Wanted:
    """Which windows somebody looks for."""

    region: str | None = None
    hours_ahead: float = DEFAULT_HOURS
    kind: WindowKind | None = None
    min_power_kw: float | None = None
    min_hours: float | None = None
    """Shortest window. [h]"""
    not_before: datetime | None = None
    """Earliest start; None: as soon as anything is on offer."""
    needs: Needs | None = None
    """Only windows of compute in which a job fits."""
    too_small_too: bool = False
    """Windows in which the job does not fit come too, behind the others."""


@dataclass(frozen=True)
class Offers:
    """One page of windows."""

    windows: tuple[Window, ...]
    next_cursor: str | None
    total: int


@dataclass(frozen=True)
class ContractDetail:
    """A contract with the messages it was made of."""

    contract: Contract
    messages: tuple[Message, ...]


def fits(wanted: Wanted) -> Callable[[Window], bool]:
    """Return the test of what somebody looks for.

    Raises:
        InvalidRequest: For an unknown region.
    """
    members = set(region(wanted.region).members) | {wanted.region} if wanted.region else set()

    def test(window: Window) -> bool:
        return (
            (not members or window.region in members)
            and (wanted.kind is None or window.kind is wanted.kind)
            and window.capacity_kw >= (wanted.min_power_kw or 0.0)
            and (not wanted.min_hours or window.duration_h >= wanted.min_hours)
            and (wanted.not_before is None or window.start >= wanted.not_before)
            and (wanted.needs is None or wanted.too_small_too or wanted.needs.is_met(window))
        )

    return test


def on_offer(context: Context, wanted: Wanted) -> Catalogue:
    """Return the catalogue over the asked hours.

    Raises:
        InvalidRequest: If they lie beyond what is offered.
    """
    if not 0.5 <= wanted.hours_ahead <= LONGEST_HOURS:
        raise InvalidRequest(
            "hours_ahead is out of range",
            (
                FieldError(
                    "hours_ahead", "is out of range", wanted.hours_ahead,
                    f"0.5 to {LONGEST_HOURS} hours", "choose a shorter look ahead",
                ),
            ),
        )  # fmt: skip
    if market_ends.expire(context):
        planning.replan_after(context, trigger=market_deals.TRIGGER)
    context.signals.ensure_fresh()
    hours = DEFAULT_HOURS if wanted.hours_ahead <= DEFAULT_HOURS else LONGEST_HOURS
    return catalogue(context, hours)


def search(
    context: Context,
    caller: Caller,
    wanted: Wanted,
    *,
    cursor: str | None = None,
    limit: int = MOST_WINDOWS,
) -> Offers:
    """Return windows on the caller's own clusters, at most a hundred at a time, by start.

    Raises:
        InvalidRequest: For an unknown region or cursor.
    """
    now = context.clock.now()
    owner = caller.sees_owner
    latest = now.timestamp() + wanted.hours_ahead * 3600.0
    board = on_offer(context, wanted)
    fitting = fits(wanted)
    ranked = board.ranking.best(
        lambda window: (
            owner in (None, window.owner) and window.end.timestamp() <= latest and fitting(window)
        )
    )
    needs = wanted.needs
    if needs is not None:
        ranked.sort(key=lambda window: not needs.is_met(window))
    first = _offset(cursor)
    page = ranked[first : first + limit]
    more = first + limit < len(ranked)
    return Offers(
        tuple(sorted(page, key=lambda w: (w.start, w.kind, w.slots, w.slot_id))),
        _cursor(first + limit) if more else None,
        len(ranked),
    )


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps(["market", offset]).encode()).decode()


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        kind, offset = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError, TypeError) as error:
        raise _bad_cursor() from error
    if kind != "market" or not isinstance(offset, int) or offset < 0:
        raise _bad_cursor()
    return offset


def _bad_cursor() -> InvalidRequest:
    return InvalidRequest(
        "the cursor is not one of ours",
        (FieldError("cursor", "is not a cursor", None, "the next_cursor of the page before"),),
    )


def confirm(context: Context, caller: Caller, slot_id: str, job_id: str | None) -> Contract:
    """Take a window: the same select, init and confirm that the protocol runs, without the network.

    Raises:
        InvalidRequest: If a compute window comes without a job, or the id is none.
        NotFound: If the caller has no such job.
        DealRefused: If it cannot be had.
    """
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not make contracts")
    if not is_slot_id(slot_id):
        raise InvalidRequest(
            f"{slot_id[:60]!r} is not a slot id",
            (FieldError("slot_id", "is not one of ours", slot_id[:60], None, "take it from a search"),),
        )  # fmt: skip
    context.signals.ensure_fresh()
    market_ends.expire(context)
    is_compute = slot_id.startswith("cw-")
    if is_compute and not job_id:
        raise InvalidRequest(
            "a compute window is taken for a job",
            (FieldError("job_id", "is missing", None, "the id of an open job", "name the job"),),
        )
    if not is_compute and not caller.may_operate:
        raise Forbidden("flexibility is sold by operators; this key may only take compute windows")
    quantity = _needed_kw(context, caller, slot_id, job_id if is_compute else None)
    terms = Terms(
        slot_id=slot_id,
        transaction_id=str(context.new_id()),
        message_id=str(context.new_id()),
        quantity_kw=quantity,
        job_id=job_id if is_compute else None,
        job_owner=caller.sees_owner,
    )
    _must_be_own(context, caller, slot_id)
    quoted = market_deals.quote(context, terms)
    try:
        market_deals.hold(context, terms)
        return market_deals.confirm(context, terms)
    except DealRefused as error:
        with context.uow() as uow:
            left = uow.market.get(quoted.contract_id)
        if left.state in OPEN_STATES:
            market_ends.end(context, left, ContractState.CANCELLED, str(error))
        raise


def _must_be_own(context: Context, caller: Caller, slot_id: str) -> None:
    found = catalogue(context, LONGEST_HOURS).find(slot_id) or catalogue(context).find(slot_id)
    if found is None or caller.sees_owner not in (None, found.owner):
        raise NotFound(f"there is no window {slot_id!r} on offer (any more); search again")


def _needed_kw(context: Context, caller: Caller, slot_id: str, job_id: str | None) -> float | None:
    """Return the meter power a job needs of a window; None: all of it."""
    if job_id is None:
        return None
    with context.uow() as uow:
        job = uow.jobs.get(job_id, caller.sees_owner)
        must_be_free(uow, job_id)
        assets = {asset.asset_id: asset for asset in uow.assets.all_live(job.owner)}
    window = catalogue(context, LONGEST_HOURS).find(slot_id) or catalogue(context).find(slot_id)
    if window is None:
        raise NotFound(f"there is no window {slot_id!r} on offer (any more); search again")
    asset = assets.get(window.asset_id)
    if asset is None:
        raise DealRefused(DealRule.JOB, f"job {job_id} cannot run on the cluster of this window")
    return max(job.slot_power_kw()) * asset.pue


def contracts(context: Context, caller: Caller, wanted: ContractFilter) -> tuple[Contract, ...]:
    """Return contracts of the caller's owner, newest first."""
    with context.uow() as uow:
        return uow.market.find(replace(wanted, owner=caller.sees_owner))


def contract_page(
    context: Context, caller: Caller, *, cursor: str | None = None, limit: int = 50
) -> Page[Contract]:
    """Return one page of the contracts of the caller's owner, newest first."""
    with context.uow() as uow:
        return uow.market.page(caller.sees_owner, cursor=cursor, limit=limit)


def contract(context: Context, caller: Caller, contract_id: str) -> ContractDetail:
    """Return one contract with its raw messages. Raises `NotFound`, also for another owner's."""
    with context.uow() as uow:
        held = uow.market.get(contract_id)
        if caller.sees_owner not in (None, held.owner):
            raise NotFound(f"there is no contract {contract_id!r}")
        messages = uow.exchange.messages(MessageFilter(held.transaction_id)) if held.peer_id else ()
    return ContractDetail(held, messages)


def cancel(context: Context, caller: Caller, contract_id: str) -> Contract:
    """End a contract that was made here; one with a counterparty is ended over the network."""
    if not caller.may_submit:
        raise Forbidden(f"the role {caller.role} may read but not end contracts")
    held = contract(context, caller, contract_id).contract
    if held.peer_id:
        raise DealRefused(
            DealRule.UPDATE, "this contract has a counterparty; it is cancelled over the network"
        )
    return market_deals.cancel(context, held, str(context.new_id()), "cancelled here")


def lag(context: Context) -> Lag:
    """Return how far the outbox is behind."""
    with context.uow() as uow:
        return uow.exchange.lag()
