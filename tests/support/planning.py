"""Small planning problems for tests: tables, options and situations from a few numbers, and a planner that tries everything."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from hypothesis import strategies as st

from agents.links import build_links, tightened_windows
from agents.policy import Policy
from agents.view import Situation
from models.domain.asset import Asset
from models.domain.job import Flexibility, Job, Priority
from models.domain.signal import RegionSignals
from models.domain.time import Horizon
from models.optimise.award import UNSERVED, Links
from models.optimise.options import Closed, Incumbent, JobOptions, Weights, build_options
from models.optimise.table import FloatArray, PricedTable, price_table
from tests.support.fleet import NOON, a_job, a_region, an_asset

NEGOTIATION = UUID("6f1d3b5a-0000-4000-8000-000000000001")


def some_weights(**changes: float) -> Weights:
    """Return weights that make hand sums easy: £1 a kilogram, waiting free, any saving pays."""
    plain = Weights(
        kappa_gbp_per_kg=1.0,
        delay_gbp_per_kwh_hour=0.0,
        min_saving_percent=0.0,
        unserved_gbp_per_kwh=20.0,
        churn_gbp_per_kwh=0.0,
    )
    return replace(plain, **changes)


def a_policy(**changes: float) -> Policy:
    """Return the policy of `some_weights`."""
    plain = Policy(1.0, 0.0, 0.0, 20.0, 0.0)
    return replace(plain, **changes)


def a_table(
    price: Mapping[str, Sequence[float]] | Sequence[float],
    carbon: Mapping[str, Sequence[float]] | Sequence[float],
    assets: Iterable[Asset] | None = None,
    *,
    held_kw: Mapping[str, Sequence[float]] | None = None,
    first_open: int = 0,
    start: datetime = NOON,
) -> PricedTable:
    """Return a table from noon on: prices in GBP/kWh and carbon in g/kWh, alike in all regions or by region."""
    chosen = tuple(assets) if assets is not None else (an_asset(),)
    signals = some_signals(price, carbon, chosen, start)
    slots = len(next(iter(signals.values())).price.values)
    held = {name: np.array(row, dtype=float) for name, row in (held_kw or {}).items()}
    return price_table(chosen, signals, Horizon(start, slots), first_open, held)


def some_signals(
    price: Mapping[str, Sequence[float]] | Sequence[float],
    carbon: Mapping[str, Sequence[float]] | Sequence[float],
    assets: Iterable[Asset],
    start: datetime = NOON,
) -> dict[str, RegionSignals]:
    """Return signals of every region that has an asset."""
    return {
        slug: a_region(
            start,
            carbon=carbon[slug] if isinstance(carbon, Mapping) else carbon,
            price=price[slug] if isinstance(price, Mapping) else price,
            region=slug,
        )
        for slug in sorted({asset.region for asset in assets})
    }


def a_situation(
    jobs: Iterable[Job],
    price: Mapping[str, Sequence[float]] | Sequence[float],
    carbon: Mapping[str, Sequence[float]] | Sequence[float],
    assets: Iterable[Asset] | None = None,
    **changes: Any,
) -> Situation:
    """Return the input of a negotiation at noon."""
    chosen = tuple(assets) if assets is not None else (an_asset(),)
    signals = some_signals(price, carbon, chosen)
    slots = len(next(iter(signals.values())).price.values)
    plain = Situation(
        NEGOTIATION, NOON, Horizon(NOON, slots), tuple(jobs), chosen, signals, a_policy()
    )
    return replace(plain, **changes)


def at_slot(slot: float) -> datetime:
    """Return the instant so many half-hours after noon."""
    return NOON + slot * timedelta(minutes=30)


# --- a planner that tries everything --------------------------------------------------------------


def options_of(
    jobs: Sequence[Job],
    table: PricedTable,
    weights: Weights,
    incumbents: Mapping[str, Incumbent] | None = None,
) -> tuple[tuple[JobOptions, ...], Links]:
    """Return options and links of some jobs as the agents make them."""
    releases, deadlines = tightened_windows(jobs, {}, table.horizon.start_of(table.first_open))
    options = tuple(
        build_options(
            job,
            table,
            weights,
            release=releases[job.job_id],
            latest_finish=deadlines[job.job_id],
            incumbent=(incumbents or {}).get(job.job_id),
            follows=any(name in releases for name in job.depends_on),
        )
        for job in jobs
    )
    return options, build_links(jobs)


def least_objective(options: Sequence[JobOptions], links: Links, room_kw: FloatArray) -> float:
    """Return the least objective of any plan, by trying every combination of options. [GBP]"""
    choices = [[UNSERVED, *np.flatnonzero(mine.closed == Closed.OPEN).tolist()] for mine in options]
    return min(
        sum(
            mine.unserved_gbp if pick == UNSERVED else float(mine.objective_gbp[pick])
            for mine, pick in zip(options, picks, strict=True)
        )
        for picks in itertools.product(*choices)
        if is_feasible(options, links, room_kw, picks)
    )


def is_feasible(
    options: Sequence[JobOptions], links: Links, room_kw: FloatArray, picks: Sequence[int]
) -> bool:
    """Return whether some choices together exceed no room and keep the order of dependent jobs."""
    left = room_kw.copy()
    for mine, pick in zip(options, picks, strict=True):
        for offset in range(mine.slots if pick != UNSERVED else 0):
            left[mine.asset_row[pick], mine.start[pick] + offset] -= mine.power_kw[offset]
    if (left < -1e-6).any():
        return False
    return all(_in_order(options, before, k, picks) for k, before in enumerate(links.before))


def _in_order(
    options: Sequence[JobOptions], before: Iterable[int], k: int, picks: Sequence[int]
) -> bool:
    if picks[k] == UNSERVED:
        return True
    start = options[k].start[picks[k]]
    return all(
        picks[p] != UNSERVED and options[p].start[picks[p]] + options[p].slots <= start
        for p in before
    )


# --- small random problems ------------------------------------------------------------------------

REGIONS = ("london", "south_wales")
SLOTS = 8


@st.composite
def small_assets(draw: st.DrawFn) -> tuple[Asset, ...]:
    """Draw one or two clusters of one type with little power."""
    count = draw(st.integers(1, 2))
    return tuple(
        an_asset(
            f"cluster-{'ab'[n]}",
            REGIONS[n],
            max_power_kw=float(draw(st.integers(10, 25))),
            pue=draw(st.sampled_from([1.0, 1.25])),
        )
        for n in range(count)
    )


@st.composite
def small_series(draw: st.DrawFn, low: float, high: float) -> dict[str, list[float]]:
    """Draw a value for every half-hour of both regions."""
    values = st.integers(0, 20).map(lambda step: low + (high - low) * step / 20.0)
    return {slug: draw(st.lists(values, min_size=SLOTS, max_size=SLOTS)) for slug in REGIONS}


@st.composite
def small_jobs(
    draw: st.DrawFn,
    assets: Sequence[Asset],
    *,
    most: int = 4,
    with_caps: bool = True,
    with_links: bool = False,
) -> tuple[Job, ...]:
    """Draw a few jobs of one to three half-hours within four hours."""
    jobs: list[Job] = []
    for n in range(draw(st.integers(1, most))):
        minutes = draw(st.sampled_from([30, 45, 60, 75]))
        release = draw(st.integers(0, 4))
        room = draw(st.integers(0, SLOTS - release - 3))
        own = draw(st.sampled_from([asset.asset_id for asset in assets]))
        region = next(asset.region for asset in assets if asset.asset_id == own)
        needs = with_links and n > 0 and draw(st.booleans())
        jobs.append(
            a_job(
                f"job-{n}",
                minutes,
                asset_id=own,
                power_kw=float(draw(st.integers(4, 14))),
                earliest_start=at_slot(release),
                latest_finish=at_slot(release + room) + timedelta(minutes=minutes),
                allowed_regions=(region,) if draw(st.booleans()) else REGIONS,
                flexibility=draw(
                    st.sampled_from(
                        [Flexibility.DEFERRABLE, Flexibility.DEFERRABLE, Flexibility.FIXED]
                    )
                ),
                priority=draw(st.sampled_from(list(Priority))),
                carbon_cap_g_per_kwh=draw(st.sampled_from([None, None, 150.0]))
                if with_caps
                else None,
                max_price_gbp_per_kwh=draw(st.sampled_from([None, None, 0.2]))
                if with_caps
                else None,
                depends_on=(f"job-{draw(st.integers(0, n - 1))}",) if needs else (),
                baseline_start=at_slot(release),
            )
        )
    return tuple(jobs)


@st.composite
def small_problems(draw: st.DrawFn, **kinds: Any) -> tuple[tuple[Job, ...], PricedTable]:
    """Draw jobs and the table they are planned on."""
    assets = draw(small_assets())
    jobs = draw(small_jobs(assets, **kinds))
    price, carbon = draw(small_series(-0.05, 0.45)), draw(small_series(20.0, 300.0))
    return jobs, a_table(price, carbon, assets)


def every_option(mine: JobOptions) -> Iterator[tuple[str, int]]:
    """Yield (how it is closed, start) of every option, for readable assertions."""
    for k in range(mine.count):
        yield Closed(int(mine.closed[k])).name, int(mine.start[k])
