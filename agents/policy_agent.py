"""The Policy Agent: publishes what matters, posts prices, and vetoes a plan that breaks a hard limit.

It has a veto, never a vote: its check is written independently of the code that made the plan.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.messages import (
    Message,
    PlanApproved,
    PlanProposed,
    PlanVetoed,
    PolicyPublished,
    PricesPosted,
    SlotArray,
)
from agents.policy import Policy
from agents.view import PolicyAgentView
from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.regions import admits
from models.optimise.award import UNSERVED
from models.optimise.options import JobOptions, Weights
from models.optimise.table import PricedTable

NAME = "policy"
"""Sender name of the Policy Agent."""

CHECKED = (
    "deadline",
    "release",
    "asset",
    "region",
    "power",
    "carbon_cap",
    "max_price",
    "order",
)
"""Hard limits the veto looks at."""


def weights_of(policy: Policy) -> Weights:
    """Return the objective's weights."""
    return Weights(
        kappa_gbp_per_kg=policy.kappa_gbp_per_kg,
        delay_gbp_per_kwh_hour=policy.delay_gbp_per_kwh_hour,
        min_saving_percent=policy.min_saving_percent,
        unserved_gbp_per_kwh=policy.unserved_gbp_per_kwh,
        churn_gbp_per_kwh=policy.churn_gbp_per_kwh,
    )


def respond(view: PolicyAgentView, inbox: Sequence[Message]) -> tuple[Message, ...]:
    """Publish the policy, then prices, then judge a proposed plan."""
    if any(isinstance(message, PlanProposed) for message in inbox):
        return (_judge(view),)
    if any(isinstance(message, PolicyPublished) for message in inbox):
        # One round at price zero: each agent's unconstrained best is the bound. Later rounds raise prices.
        return (
            PricesPosted(
                sender=NAME, power_gbp_per_kwh=SlotArray(np.zeros_like(view.table.room_kw))
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
            assumptions_id=policy.assumptions_id,
        ),
    )


def _judge(view: PolicyAgentView) -> PlanApproved | PlanVetoed:
    load = np.zeros_like(view.table.room_kw)
    ends: dict[int, int] = {}
    for k, (mine, pick) in enumerate(zip(view.options, view.choice, strict=True)):
        if pick == UNSERVED:
            continue
        fault = _fault(view, mine, pick)
        if fault is not None:
            return PlanVetoed(sender=NAME, rule=fault[0], detail=f"{mine.job.job_id}: {fault[1]}")
        start = int(mine.start[pick])
        ends[k] = start + mine.slots
        for offset, kw in enumerate(mine.job.slot_power_kw()):
            load[int(mine.asset_row[pick]), start + offset] += kw
    over = load - view.table.room_kw
    if over.size and float(over.max()) > 1e-5:
        row, slot = np.unravel_index(int(over.argmax()), over.shape)
        asset = view.table.assets[int(row)].asset_id
        detail = f"{asset} exceeded by {float(over.max()):.3f} kW in slot {int(slot)}"
        return PlanVetoed(sender=NAME, rule="power", detail=detail)
    return _order_fault(view, ends) or PlanApproved(sender=NAME, checked=CHECKED)


def _fault(view: PolicyAgentView, mine: JobOptions, pick: int) -> tuple[str, str] | None:
    """Return the first hard limit one award breaks, recomputed from the job and the signals."""
    job, table = mine.job, view.table
    row, slot = int(mine.asset_row[pick]), int(mine.start[pick])
    asset = table.assets[row]
    start = table.horizon.start_of(slot)
    if start + job.duration > job.latest_finish:
        return "deadline", f"would end {start + job.duration} after {job.latest_finish}"
    if start < job.release or slot < table.first_open:
        return "release", f"would start {start}, before it may"
    if not _may_use(job, asset, table):
        return (
            "asset",
            f"{asset.asset_id} is not the job's cluster nor one of its owner's of that type",
        )
    if not admits(job.allowed_regions, asset.region):
        return "region", f"{asset.region} is not allowed"
    energy = [kwh * asset.pue for kwh in job.slot_energy_kwh()]
    grams = sum(
        kwh * float(table.carbon_kg_per_kwh[row, slot + n]) * 1000 for n, kwh in enumerate(energy)
    )
    pounds = sum(
        kwh * float(table.price_gbp_per_kwh[row, slot + n]) for n, kwh in enumerate(energy)
    )
    total_kwh = sum(energy)
    if total_kwh <= 0.0:
        return None  # a mean over no energy breaks no cap
    mean_g, mean_gbp = grams / total_kwh, pounds / total_kwh
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


def _order_fault(view: PolicyAgentView, ends: dict[int, int]) -> PlanVetoed | None:
    """Return a veto if a job starts before one it waits for has ended."""
    if view.links is None:
        return None
    for k, before in enumerate(view.links.before):
        if view.choice[k] == UNSERVED:
            continue
        start = int(view.options[k].start[view.choice[k]])
        for p in before:
            if p not in ends or start < ends[p]:
                job_id = view.options[k].job.job_id
                return PlanVetoed(
                    sender=NAME,
                    rule="order",
                    detail=f"{job_id} would start before {view.options[p].job.job_id} has ended",
                )
    return None
