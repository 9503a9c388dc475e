"""The Energy Agent: says what each half-hour of each asset costs and how well that is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.messages import Message, SignalsPublished, SlotArray
from agents.view import EnergyAgentView
from models.domain.signal import Provenance, Quality, ValueKind, worst_quality
from models.domain.time import format_utc
from models.optimise.table import PricedTable, price_table

NAME = "energy"
"""Sender name of the Energy Agent."""


def table_of(view: EnergyAgentView) -> PricedTable:
    """Return the priced table the agent publishes."""
    return price_table(
        view.assets, view.signals, view.horizon, view.first_open, view.held_kw, view.vat_factor
    )


def respond(view: EnergyAgentView, inbox: Sequence[Message]) -> tuple[Message, ...]:
    """Publish signals once, at the opening of a negotiation."""
    if any(isinstance(message, SignalsPublished) for message in inbox):
        return ()
    table = table_of(view)
    regions = sorted({asset.region for asset in table.assets})
    future = range(view.first_open, view.horizon.slots)
    used = [
        p
        for slug in regions
        for series in (view.signals[slug].carbon, view.signals[slug].price)
        for p in series.over(view.horizon).provenances_used(future)
    ]
    return (
        SignalsPublished(
            sender=NAME,
            horizon_start=view.horizon.start,
            slots=view.horizon.slots,
            assets=tuple(asset.asset_id for asset in table.assets),
            price_gbp_per_kwh=SlotArray(table.price_gbp_per_kwh),
            carbon_kg_per_kwh=SlotArray(table.carbon_kg_per_kwh),
            room_kw=SlotArray(table.room_kw),
            sources=tuple(sorted({_line(p) for p in used})),
            data_quality=str(quality_of(used)),
            known_share=_known_share(view, regions),
        ),
    )


def quality_of(used: Sequence[Provenance]) -> Quality:
    """Return the worst quality among published values; own estimates far ahead do not count unless alone."""
    published = [p.quality for p in used if p.kind is not ValueKind.ESTIMATE]
    return worst_quality(published or [p.quality for p in used])


def _line(p: Provenance) -> str:
    note = f" ({p.note})" if p.note else ""
    return f"{p.source} · {p.kind} · {p.quality} · retrieved {format_utc(p.retrieved_at)}{note}"


def _known_share(view: EnergyAgentView, regions: Sequence[str]) -> float:
    if not regions or view.first_open >= view.horizon.slots:
        return 0.0
    shares = []
    for slug in regions:
        known = np.ones(view.horizon.slots - view.first_open, dtype=np.bool_)
        for series in (view.signals[slug].carbon, view.signals[slug].price):
            cut = series.over(view.horizon)
            published = np.array(
                [
                    k >= 0 and cut.provenances[k].kind is not ValueKind.ESTIMATE
                    for k in cut.provenance_index
                ],
                dtype=np.bool_,
            )
            known &= published[view.first_open :]
        shares.append(float(known.mean()))
    return round(sum(shares) / len(shares), 6)
