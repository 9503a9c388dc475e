"""The best-window box: a good start time for anybody, without a job or a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from models.domain.regions import REGIONS
from services.types import BestWindow
from web.views.formatting import (
    carbon_against,
    carbon_value,
    intensity,
    kilowatts,
    length,
    money_against,
    pence_per_kwh,
    waiting,
)
from web.views.options import OptionRow, option_row
from web.views.stamps import Stamp, when


@dataclass(frozen=True, slots=True)
class BestWindowView:
    """An answer, ready to place."""

    start: Stamp
    end: Stamp
    place: str
    summary: str
    saving: str
    why: str
    rows: tuple[OptionRow, ...]
    basis: str
    """What kilograms and pounds refer to."""
    error_note: str
    price_note: str
    weighing: str
    latest: Stamp
    sbatch_line: str
    at_line: str
    is_known: bool
    """False where no grid data were there and the start is only provisional."""


def best_window_view(answer: BestWindow) -> BestWindowView:
    """Return the view of an answer."""
    now, best = answer.asked_at, answer.best
    is_known = best.carbon_kg is not None or best.cost_gbp is not None
    wait = best.start - now
    summary = (
        f"{length(answer.duration)} at {pence_per_kwh(best.mean_price_gbp_per_kwh)} and "
        f"{intensity(best.mean_carbon_g_per_kwh)} on average; wait {waiting(wait)}."
    )
    basis = (
        "Cost and carbon are for 1 kW; give the power to see yours."
        if answer.is_per_kw
        else f"Cost and carbon are for {kilowatts(answer.power_kw)}."
    )
    return BestWindowView(
        start=when(best.start, now),
        end=when(best.end, now),
        place=REGIONS[answer.region].name,
        summary=summary,
        saving=_saving(answer),
        why=answer.why,
        rows=(
            option_row("Best", best, now, is_chosen=True),
            option_row("Runner-up", answer.runner_up, now, note=_none("no other start fits apart from this one", answer.runner_up is None)),
            option_row("Right away", answer.on_arrival, now, note=_none("starting now would not be ready in time", answer.on_arrival is None)),
        ),
        basis=basis,
        error_note=answer.error_note.replace("; ask for gb", ""),
        price_note=answer.price_note,
        weighing=f"A tonne of carbon counts as {carbon_value(answer.carbon_price_gbp_per_tonne)} here.",
        latest=when(answer.late_latest_start, now),
        sbatch_line=answer.sbatch_line,
        at_line=answer.at_line,
        is_known=is_known,
    )  # fmt: skip


def _none(reason: str, applies: bool) -> str:
    return reason if applies else ""


def _saving(answer: BestWindow) -> str:
    saved = answer.savings
    if saved.carbon_kg is None and saved.cost_gbp is None:
        return "Against starting right away: unknown."
    unit = " per kW" if answer.is_per_kw else ""
    if answer.on_arrival is not None and answer.on_arrival.start == answer.best.start:
        return "This is the first half-hour that can be had: waiting would not pay."
    return (
        f"Against starting right away: {carbon_against(saved.carbon_kg)} of carbon{unit} (estimated, average "
        f"location-based) and {money_against(saved.cost_gbp)} in cost{unit} (household proxy, price shape)."
    )
