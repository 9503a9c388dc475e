"""A Job Agent: speaks for the jobs of one owner. It prices their options and quotes demand at posted prices."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from agents.messages import DemandQuoted, JobsAnnounced, Message, PricesPosted, SlotArray
from agents.view import JobAgentView
from models.optimise.options import Closed, JobOptions, build_options
from models.optimise.table import FloatArray, PricedTable


def name_of(owner: str) -> str:
    """Return the sender name of an owner's agent."""
    return f"jobs:{owner}"


def options_of(view: JobAgentView) -> tuple[JobOptions, ...]:
    """Return the priced options of every job, in the view's order."""
    return tuple(
        build_options(
            job,
            view.table,
            view.weights,
            release=view.releases.get(job.job_id),
            latest_finish=view.deadlines.get(job.job_id),
            incumbent=view.incumbents.get(job.job_id),
            follows=any(before in view.releases for before in job.depends_on),
        )
        for job in view.jobs
    )


def announce(owner: str, options: Sequence[JobOptions]) -> JobsAnnounced:
    """Say how much work there is, without saying what it is."""
    jobs = [mine.job for mine in options]
    digest = hashlib.sha256("|".join(sorted(job.job_id for job in jobs)).encode()).hexdigest()
    return JobsAnnounced(
        sender=name_of(owner),
        jobs=len(jobs),
        energy_kwh=round(sum(job.it_energy_kwh for job in jobs), 6),
        peak_power_kw=max((float(mine.power_kw.max()) for mine in options), default=0.0),
        first_release=min((job.release for job in jobs), default=None),
        last_deadline=max((job.latest_finish for job in jobs), default=None),
        with_carbon_cap=sum(job.carbon_cap_g_per_kwh is not None for job in jobs),
        with_price_cap=sum(job.max_price_gbp_per_kwh is not None for job in jobs),
        on_arrival=sum(mine.runs_on_arrival for mine in options),
        options=sum(mine.count for mine in options),
        jobs_sha256=digest,
    )


def respond(
    owner: str, table: PricedTable, options: Sequence[JobOptions], inbox: Sequence[Message]
) -> tuple[Message, ...]:
    """Answer the newest posted prices with load and value.

    The value is the sum over jobs of the least of their open options at tariff + κ·carbon + delay + λ, or of
    staying unserved: a lower bound of what these jobs add to any plan at those prices.
    """
    posted = [message for message in inbox if isinstance(message, PricesPosted)]
    if not posted:
        return (announce(owner, options),)
    prices = posted[-1]
    load = np.zeros_like(table.room_kw)
    value = 0.0
    for mine in options:
        pick, least = _cheapest(mine, prices.power_gbp_per_kwh.values)
        value += least
        if pick is not None:
            row, start = int(mine.asset_row[pick]), int(mine.start[pick])
            load[row, start : start + mine.slots] += mine.power_kw
    return (
        DemandQuoted(
            sender=name_of(owner),
            in_reply_to=prices.message_id,
            prices_round=prices.round,
            load_kw=SlotArray(load),
            value_gbp=value,
        ),
    )


def _cheapest(mine: JobOptions, power_gbp_per_kwh: FloatArray) -> tuple[int | None, float]:
    """Return a job's cheapest open option at some prices, or None for unserved, and what it costs. [GBP]"""
    open_ones = np.flatnonzero(mine.closed == Closed.OPEN)
    if not open_ones.size:
        return None, mine.unserved_gbp
    total = mine.objective_gbp[open_ones]
    if np.any(power_gbp_per_kwh):
        total = total + _scarcity(mine, power_gbp_per_kwh)[open_ones]
    best = int(np.argmin(total))
    if float(total[best]) >= mine.unserved_gbp:
        return None, mine.unserved_gbp
    return int(open_ones[best]), float(total[best])


def _scarcity(mine: JobOptions, power_gbp_per_kwh: FloatArray) -> FloatArray:
    """Return what each option pays for scarce power: Σ λ · reserved kW · 0.5 h. [GBP]"""
    paid = np.zeros(mine.count)
    reserved_kwh = mine.power_kw * 0.5
    for row in mine.candidate_rows:
        here = np.flatnonzero(mine.asset_row == row)
        span = slice(mine.first_start, mine.last_start + mine.slots)
        paid[here] = np.correlate(power_gbp_per_kwh[row, span], reserved_kwh, mode="valid")
    return paid
