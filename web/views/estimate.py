"""The live estimate beside the New job form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.domain.regions import REGIONS
from services.types import BestWindow, Estimate
from web.views.formatting import (
    carbon_against,
    kilograms,
    kilowatts,
    money_against,
    pounds,
    waiting,
)
from web.views.options import OptionRow, option_row
from web.views.refusal import RefusalView, refusal_view
from web.views.stamps import Stamp, when


@dataclass(frozen=True, slots=True)
class EstimateView:
    """What the planner would do right now."""

    start: Stamp | None
    end: Stamp | None
    where: str
    wait: str
    carbon: str
    carbon_gloss: str
    cost: str
    cost_gloss: str
    power: str
    power_note: str
    why: str
    rows: tuple[OptionRow, ...]
    refusal: RefusalView | None


def estimate_view(found: Estimate, now: datetime) -> EstimateView:
    """Return an estimate on an existing cluster."""
    placed, saved = found.placement, found.savings
    rows = (
        option_row("Chosen", placed, now, is_chosen=True),
        option_row("Runner-up", found.runner_up, now, note="" if found.runner_up else "no other free window leaves this one alone"),
        option_row("On arrival", found.baseline, now, note="" if found.baseline else "none fits before the deadline"),
    )  # fmt: skip
    return EstimateView(
        start=when(placed.start, now) if placed else None,
        end=when(placed.end, now) if placed else None,
        where=f"{found.asset_id}, {REGIONS[placed.region].name}" if placed else found.asset_id,
        wait=waiting(found.wait),
        carbon=kilograms(placed.carbon_kg) if placed else "",
        carbon_gloss=carbon_against(saved.carbon_kg if saved else None),
        cost=pounds(placed.cost_gbp) if placed else "",
        cost_gloss=money_against(saved.cost_gbp if saved else None),
        power=kilowatts(found.power_kw),
        power_note=found.power_note,
        why=found.why,
        rows=rows if placed else (),
        refusal=refusal_view(found.refusal, now) if found.refusal else None,
    )


def estimate_of_window(answer: BestWindow) -> EstimateView:
    """Return an estimate for a cluster that does not exist yet: with nothing else on it, the best window."""
    now, placed, saved = answer.asked_at, answer.best, answer.savings
    return EstimateView(
        start=when(placed.start, now),
        end=when(placed.end, now),
        where=f"your new cluster, {REGIONS[answer.region].name}",
        wait=waiting(placed.start - now),
        carbon=kilograms(placed.carbon_kg),
        carbon_gloss=carbon_against(saved.carbon_kg),
        cost=pounds(placed.cost_gbp),
        cost_gloss=money_against(saved.cost_gbp),
        power=kilowatts(answer.power_kw),
        power_note="",
        why=answer.why,
        rows=(
            option_row("Chosen", placed, now, is_chosen=True),
            option_row("Runner-up", answer.runner_up, now, note="" if answer.runner_up else "none"),
            option_row("On arrival", answer.on_arrival, now, note="" if answer.on_arrival else "none fits"),
        ),
        refusal=None,
    )  # fmt: skip
