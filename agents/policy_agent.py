"""The Policy Agent: publishes what matters, posts prices, and vetoes a plan that breaks a hard limit.

It has a veto, never a vote: its check is written independently of the code that made the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from agents.messages import (
    DemandQuoted,
    Message,
    PlanApproved,
    PlanProposed,
    PlanVetoed,
    PolicyPublished,
    PricesPosted,
    SlotArray,
)
from agents.policy import Policy
from agents.shape_check import Run, run_of, shape_fault
from agents.start_check import pin_fault, predecessor_fault, transfer_fault
from agents.view import PolicyAgentView
from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.regions import admits
from models.domain.time import SLOT, SLOT_HOURS, london_date
from models.optimise.award import UNSERVED
from models.optimise.options import Weights
from models.optimise.prices import PriceState
from models.optimise.table import FloatArray, PricedTable

NAME = "policy"
"""Sender name of the Policy Agent."""

CHECKED = (
    "deadline",
    "release",
    "pinned",
    "predecessor",
    "transfer",
    "asset",
    "region",
    "shape",
    "power",
    "carbon_cap",
    "max_price",
    "order",
    "carbon_budget",
)
"""Hard limits the veto looks at."""

SUMMED_KG = 1e-9
"""Part by which two sums of the same carbon may differ."""


def weights_of(policy: Policy) -> Weights:
    """Return the objective's weights."""
    return Weights(
        kappa_gbp_per_kg=policy.kappa_gbp_per_kg,
        delay_gbp_per_kwh_hour=policy.delay_gbp_per_kwh_hour,
        min_saving_percent=policy.min_saving_percent,
        unserved_gbp_per_kwh=policy.unserved_gbp_per_kwh,
        churn_gbp_per_kwh=policy.churn_gbp_per_kwh,
        transfer_kwh_per_gb=policy.transfer_kwh_per_gb,
        transfer_gbit_per_s=policy.transfer_gbit_per_s,
    )


def respond(view: PolicyAgentView, inbox: Sequence[Message]) -> tuple[Message, ...]:
    """Publish the policy, then prices, then judge a proposed plan."""
    if any(isinstance(message, PlanProposed) for message in inbox):
        return (_judge(view),)
    if view.prices is not None:
        # The first round is at price zero: each agent's unconstrained best. Later rounds follow the rule of `hear`.
        return (
            PricesPosted(
                sender=NAME,
                power_gbp_per_kwh=SlotArray(view.prices.price_gbp / SLOT_HOURS),
                carbon_gbp_per_kg=tuple(sorted(view.carbon_charges.items())),
            ),
        )
    policy = view.policy
    return (
        PolicyPublished(
            sender=NAME,
            kappa_gbp_per_kg=policy.kappa_gbp_per_kg,
            carbon_price_gbp_per_tonne=policy.carbon_price_gbp_per_tonne,
            delay_gbp_per_kwh_hour=policy.delay_gbp_per_kwh_hour,
            min_saving_percent=policy.min_saving_percent,
            unserved_gbp_per_kwh=policy.unserved_gbp_per_kwh,
            churn_gbp_per_kwh=policy.churn_gbp_per_kwh,
            transfer_kwh_per_gb=policy.transfer_kwh_per_gb,
            transfer_gbit_per_s=policy.transfer_gbit_per_s,
            carbon_budget_kg_per_day=policy.carbon_budget_kg_per_day,
            carbon_charges_gbp_per_kg=tuple(sorted(view.carbon_charges.items())),
            planning_effort=policy.planning_effort,
            assumptions_id=policy.assumptions_id,
        ),
    )


def open_rounds(table: PricedTable) -> PriceState:
    """Return where price rounds begin: all power free of charge."""
    return PriceState(table.room_kw, np.zeros_like(table.room_kw))


def hear(state: PriceState, quotes: Sequence[DemandQuoted]) -> PriceState:
    """Return where the rounds stand after all quotes to the posted prices; summed in the order of their senders."""
    ordered = sorted(quotes, key=lambda quote: quote.sender)
    load = np.zeros_like(state.room)
    for quote in ordered:
        load += quote.load_kw.values
    return state.after(sum(quote.value_gbp for quote in ordered), load)


def _judge(view: PolicyAgentView) -> PlanApproved | PlanVetoed:
    load = np.zeros_like(view.table.room_kw)
    runs: dict[int, Run] = {}
    for k, (mine, pick) in enumerate(zip(view.options, view.choice, strict=True)):
        if pick == UNSERVED:
            continue
        runs[k] = run = run_of(mine, pick)
        fault = _fault(view, mine.job, run)
        if fault is not None:
            job_id = mine.job.job_id
            return PlanVetoed(
                sender=NAME, rule=fault[0], detail=f"{job_id}: {fault[1]}", job_id=job_id
            )
        np.add.at(load[run.row], run.slots, run.power_kw)
    over = load - np.minimum(view.table.room_kw, _room_kw(view, load))
    if over.size and float(over.max()) > 1e-5:
        row, slot = np.unravel_index(int(over.argmax()), over.shape)
        asset = view.table.assets[int(row)].asset_id
        detail = f"{asset} exceeded by {float(over.max()):.3f} kW in slot {int(slot)}"
        return PlanVetoed(sender=NAME, rule="power", detail=detail)
    fault_found = _order_fault(view, runs) or _budget_fault(view, runs)
    return fault_found or PlanApproved(sender=NAME, checked=CHECKED)


def _room_kw(view: PolicyAgentView, load_kw: FloatArray) -> FloatArray:
    """Return the room of each loaded half-hour, recomputed from the assets' own limits and what is held. [kW]"""
    room = np.full_like(load_kw, np.inf)
    for row, slot in zip(*np.nonzero(load_kw), strict=True):
        asset = view.table.assets[int(row)]
        held_kw = view.held_kw.get(asset.asset_id)
        taken = 0.0 if held_kw is None else float(held_kw[slot])
        left = asset.room_at(view.table.horizon.start_of(int(slot))) - taken
        room[row, slot] = max(0.0, left)
    return room


def _fault(view: PolicyAgentView, job: Job, run: Run) -> tuple[str, str] | None:
    """Return the first hard limit one award breaks, recomputed from the job and the signals."""
    table = view.table
    asset = table.assets[run.row]
    first, last = int(run.slots[0]), int(run.slots[-1])
    start = table.horizon.start_of(first)
    end = table.horizon.start_of(last) + float(run.share[-1]) * SLOT
    if end > job.latest_finish + timedelta(milliseconds=1):
        return "deadline", f"would end {end} after {job.latest_finish}"
    if start < job.release or first < table.first_open:
        return "release", f"would start {start}, before it may"
    for rule, wrong in _start_faults(view, job, asset, start):
        if wrong is not None:
            return rule, wrong
    if not _may_use(job, asset, table):
        return (
            "asset",
            f"{asset.asset_id} is not the job's cluster nor one of its owner's of that type",
        )
    if not admits(job.allowed_regions, asset.region):
        return "region", f"{asset.region} is not allowed"
    misshapen = shape_fault(job, run)
    if misshapen is not None:
        return "shape", misshapen
    return _cap_fault(job, run, asset, table)


def _start_faults(
    view: PolicyAgentView, job: Job, asset: Asset, start: datetime
) -> Iterator[tuple[str, str | None]]:
    """Yield each rule on starts with what is wrong by it, or None."""
    yield "pinned", pin_fault(job, asset, start)
    yield "predecessor", predecessor_fault(job, start, view.predecessor_ends, view.planned)
    held = view.incumbents.get(job.job_id)
    speed = view.policy.transfer_gbit_per_s
    yield "transfer", transfer_fault(job, asset, start, view.table, speed, held)


def _cap_fault(job: Job, run: Run, asset: Asset, table: PricedTable) -> tuple[str, str] | None:
    """Return the mean cap a run breaks."""
    energy = run.power_kw * run.share * SLOT_HOURS * asset.pue
    total_kwh = float(energy.sum())
    if total_kwh <= 0.0:
        return None  # a mean over no energy breaks no cap
    grams = float(table.carbon_kg_per_kwh[run.row, run.slots] @ energy) * 1000.0
    mean_g = grams / total_kwh
    mean_gbp = float(table.price_gbp_per_kwh[run.row, run.slots] @ energy) / total_kwh
    if job.carbon_cap_g_per_kwh is not None and mean_g > job.carbon_cap_g_per_kwh + 1e-6:
        return "carbon_cap", f"{mean_g:.1f} g/kWh is above {job.carbon_cap_g_per_kwh:g}"
    if job.max_price_gbp_per_kwh is not None and mean_gbp > job.max_price_gbp_per_kwh + 1e-9:
        return "max_price", f"£{mean_gbp:.4f}/kWh is above £{job.max_price_gbp_per_kwh:g}"
    return None


def _may_use(job: Job, asset: Asset, table: PricedTable) -> bool:
    """Return whether an asset is the job's own, or its owner's of the same type."""
    if asset.asset_id == job.asset_id:
        return True
    row = table.index.get(job.asset_id)
    if row is None:
        return False
    own = table.assets[row]
    return asset.owner == job.owner and asset.asset_type == own.asset_type


def _budget_fault(view: PolicyAgentView, runs: Mapping[int, Run]) -> PlanVetoed | None:
    """Return a veto if the runs alone, without moving data, emit more on a London day than its budget leaves."""
    used = dict.fromkeys(view.carbon_left_kg, 0.0)
    for run in runs.values() if used else ():
        pue = view.table.assets[run.row].pue
        for slot, power_kw, share in zip(run.slots, run.power_kw, run.share, strict=True):
            day = london_date(view.table.horizon.start_of(int(slot)))
            known = np.nan_to_num(view.table.carbon_kg_per_kwh[run.row, int(slot)])
            used[day] += float(power_kw * share * SLOT_HOURS * pue * known)
    for day, left_kg in view.carbon_left_kg.items():
        if used[day] > left_kg + SUMMED_KG * max(left_kg, 1.0):
            detail = f"{used[day]:.3f} kg on {day}, of which the carbon budget leaves {left_kg:.3f}"
            return PlanVetoed(sender=NAME, rule="carbon_budget", detail=detail)
    return None


def _order_fault(view: PolicyAgentView, runs: Mapping[int, Run]) -> PlanVetoed | None:
    """Return a veto if a job starts before one it waits for has ended."""
    if view.links is None:
        return None
    for k, before in enumerate(view.links.before):
        if k not in runs:
            continue
        for p in before:
            if p not in runs or runs[k].slots[0] <= runs[p].slots[-1]:
                job_id = view.options[k].job.job_id
                return PlanVetoed(
                    sender=NAME,
                    rule="order",
                    detail=f"{job_id} would start before {view.options[p].job.job_id} has ended",
                    job_id=job_id,
                )
    return None
