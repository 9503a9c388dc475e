"""Alternatives side by side: one row per possible start, chosen first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from models.domain.plan import Placement
from models.domain.regions import REGIONS
from web.views.formatting import intensity_figure, kilograms, pence_figure, pounds
from web.views.stamps import Stamp, span

UNKNOWN_WITHOUT_DATA = "no grid data for these half-hours"


@dataclass(frozen=True, slots=True)
class OptionRow:
    """One alternative, or why there is none."""

    label: str
    is_chosen: bool
    when: tuple[Stamp, Stamp] | None
    where: str
    cost: str
    price: str
    carbon: str
    intensity: str
    note: str


def option_row(
    label: str,
    placement: Placement | None,
    now: datetime,
    *,
    is_chosen: bool = False,
    note: str = "",
    names: Mapping[str, str] | None = None,
) -> OptionRow:
    """Return a row of the comparison.

    Args:
        label: What this start is, e.g. `Runner-up`.
        placement: Where and when; None where there is no such start, then `note` says why.
        now: The planning clock.
        is_chosen: Whether this is the one the plan took.
        note: A remark under the row, or the reason for an empty one.
        names: Shown names of assets by id; given where the choice of asset matters.
    """
    if placement is None:
        return OptionRow(label, is_chosen, None, "", "", "", "", "", note or "none")
    where = REGIONS[placement.region].name if placement.region in REGIONS else placement.region
    if names:
        where = f"{names.get(placement.asset_id, placement.asset_id)}, {where}"
    if placement.cost_gbp is None and placement.carbon_kg is None and not note:
        note = UNKNOWN_WITHOUT_DATA
    return OptionRow(
        label=label,
        is_chosen=is_chosen,
        when=span(placement.start, placement.end, now),
        where=where,
        cost=pounds(placement.cost_gbp),
        price=pence_figure(placement.mean_price_gbp_per_kwh),
        carbon=kilograms(placement.carbon_kg),
        intensity=intensity_figure(placement.mean_carbon_g_per_kwh),
        note=note,
    )
