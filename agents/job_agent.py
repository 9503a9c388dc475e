"""A Job Agent: speaks for the jobs of one owner. It prices their options and quotes demand at posted prices."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from agents.faults import handling
from agents.messages import DemandQuoted, JobsAnnounced, Message, PricesPosted, SlotArray
from agents.view import JobAgentView
from models.domain.job import Job
from models.domain.time import SLOT_HOURS
from models.optimise.assignment import Options
from models.optimise.budget import LoadCarbon
from models.optimise.choices import options_of as priced
from models.optimise.quoting import Quoting
from models.optimise.table import FloatArray


@dataclass(frozen=True)
class JobAgent:
    """One owner's jobs, priced and laid out for quotes.

    Attributes:
        owner: For whom it speaks.
        options: One entry per job, in the order of the view.
        quoting: The same jobs as arrays.
        carbon: What loads emit by London day; None where the policy has no carbon budget.
        charge_gbp_per_kg: μ by London day that the options were priced with, shape (days,); none without a budget.
    """

    owner: str
    options: tuple[Options, ...]
    quoting: Quoting
    carbon: LoadCarbon | None = None
    charge_gbp_per_kg: FloatArray = field(default_factory=lambda: np.zeros(0))

    @property
    def name(self) -> str:
        """Return its sender name."""
        return name_of(self.owner)


def name_of(owner: str) -> str:
    """Return the sender name of an owner's agent."""
    return f"jobs:{owner}"


def agent_of(owner: str, view: JobAgentView, is_large: bool = False) -> JobAgent:
    """Return the agent of an owner with every job's options priced.

    Args:
        owner: For whom it speaks.
        view: What it may see.
        is_large: See `Quoting`; the same for all agents of a negotiation.
    """
    options = tuple(options_for(job, view) for job in view.jobs)
    quoting = Quoting(options, view.table, is_large)
    if not view.has_budget:
        return JobAgent(owner, options, quoting)
    carbon = LoadCarbon.of(view.table)
    return JobAgent(owner, options, quoting, carbon, carbon.days.array(view.charges))


def options_for(job: Job, view: JobAgentView) -> Options:
    """Return the priced options of one job, as the agent sees it among the others.

    Raises:
        JobFault: If our own code fails on it.
    """
    with handling(job.job_id, "pricing"):
        return priced(
            job,
            view.table,
            view.weights,
            release=view.releases.get(job.job_id),
            latest_finish=view.deadlines.get(job.job_id),
            incumbent=view.incumbents.get(job.job_id),
            follows=any(before in view.releases for before in job.depends_on),
        )


def announce(owner: str, options: Sequence[Options]) -> JobsAnnounced:
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


def respond(agent: JobAgent, inbox: Sequence[Message]) -> tuple[Message, ...]:
    """Answer the newest posted prices with load and value.

    The value is the sum over jobs of the least of their open options at tariff + (κ + μ)·carbon + delay + λ, or of
    staying unserved: a lower bound of what these jobs add to any plan at those prices. What μ changes from the one that
    the options were priced with counts on whole half-hours, as λ does.
    """
    offers = [message for message in inbox if isinstance(message, PricesPosted)]
    if not offers:
        return (announce(agent.owner, agent.options),)
    prices = offers[-1]
    price = prices.power_gbp_per_kwh.values * SLOT_HOURS
    if agent.carbon is not None:
        posted = agent.carbon.days.array(dict(prices.carbon_gbp_per_kg))
        price = price + agent.carbon.charge_gbp(posted - agent.charge_gbp_per_kg)
    answer = agent.quoting.at(price)
    return (
        DemandQuoted(
            sender=agent.name,
            in_reply_to=prices.message_id,
            prices_round=prices.round,
            load_kw=SlotArray(answer.load_kw),
            use_kg=() if agent.carbon is None else _by_day(agent.carbon, answer.load_kw),
            value_gbp=answer.value_gbp,
        ),
    )


def _by_day(carbon: LoadCarbon, load_kw: FloatArray) -> tuple[tuple[date, float], ...]:
    return tuple(zip(carbon.days.dates, carbon.use_kg(load_kw).tolist(), strict=True))
