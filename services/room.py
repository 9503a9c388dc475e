"""What every quote stands on: the power the present plan holds and the signals, read once until either changes.

The held power is remembered by the state of the plan (`state_of`), which is read in the same transaction as the power
itself: what is remembered under a state is what anybody reads in that state. Signals are cut over one stretch of time
for all quotes, whatever their deadlines; the signal service remembers that cut until something new arrives or the
minute ends. What they price and how well they are known is laid out once for each set of assets; a quote takes its slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from agents.describe import Describer
from models.domain.asset import Asset
from models.domain.ports import UnitOfWork
from models.domain.signal import FloatArray, RegionSignals
from models.domain.time import SLOT, Horizon, floor_slot
from models.optimise.table import PricedTable, price_table
from services import market_claims
from services.context import Context
from services.memo import Memo, state_of
from services.situation import LONGEST_SLOTS, vat_factors

_held: Memo[Mapping[str, FloatArray]] = Memo(entries=4)


def stretch(now: datetime) -> Horizon:
    """Return the half-hours any quote may look at: as far back and ahead as plans reach."""
    return Horizon(floor_slot(now) - LONGEST_SLOTS * SLOT, 2 * LONGEST_SLOTS)


def held_kw(
    context: Context, uow: UnitOfWork, horizon: Horizon, now: datetime, *, without_job: str | None
) -> dict[str, FloatArray]:
    """Return the IT power that awards hold per asset from the current half-hour on, but one job's own.

    Args:
        context: The application.
        uow: A reading transaction; what is remembered is of its state.
        horizon: The half-hours wanted; those before the current one are given as 0.
        now: Planning clock.
        without_job: Whose power is left out; None: nobody's.

    Returns:
        Per asset that holds any, shape (slots of `horizon`,). [kW]
    """
    current = floor_slot(now)
    ahead = Horizon(current, LONGEST_SLOTS)
    everything = _held.get(
        context,
        (*state_of(uow), ahead),
        lambda: _rows(ahead, _taken(uow, ahead)),
    )
    shift = ahead.index_of(horizon.start)
    answer = {asset_id: _cut(row, shift, horizon.slots) for asset_id, row in everything.items()}
    if without_job is None:
        return answer
    own = uow.plans.reserved(ahead.start, ahead.end, only_job=without_job)
    for asset_id, by_slot in own.items():
        for slot, kw in by_slot.items():
            index = horizon.index_of(slot)
            if 0 <= index < horizon.slots:
                answer[asset_id][index] = max(answer[asset_id][index] - kw, 0.0)
    return answer


def _taken(uow: UnitOfWork, ahead: Horizon) -> dict[str, dict[datetime, float]]:
    """Return the IT power that awards hold and contracts keep for others. [kW]"""
    taken = uow.plans.reserved(ahead.start, ahead.end)
    for asset_id, by_slot in market_claims.kept_kw(uow.market.claims(ahead.start)).items():
        row = taken.setdefault(asset_id, {})
        for slot, power_kw in by_slot.items():
            row[slot] = row.get(slot, 0.0) + power_kw
    return taken


@dataclass(frozen=True)
class _Ground:
    """Assets priced over the whole stretch, and what it was made from."""

    assets: tuple[Asset, ...]
    signals: Mapping[str, RegionSignals]
    table: PricedTable
    describer: Describer


_grounds: Memo[_Ground] = Memo(entries=16)


def priced(
    context: Context,
    assets: tuple[Asset, ...],
    horizon: Horizon,
    now: datetime,
    held: Mapping[str, FloatArray],
) -> tuple[PricedTable, Describer]:
    """Return assets priced over a horizon with the power that is held taken off, and what describes them.

    Args:
        context: The application.
        assets: Where a job could run, in any order.
        horizon: The half-hours.
        now: Planning clock.
        held: IT power held per asset, shape (slots,). [kW]
    """
    whole = stretch(now)
    if horizon.start < whole.start or whole.end < horizon.end:
        whole = horizon
    signals = context.signals.view(sorted({asset.region for asset in assets}), whole)
    ground = _grounds.get(
        context,
        (whole, tuple(asset.asset_id for asset in assets)),
        lambda: _ground(context, assets, signals, whole, now),
        is_right=lambda kept: _stands_on(kept, assets, signals),
    )
    span = slice(whole.index_of(horizon.start), whole.index_of(horizon.end))
    table = ground.table
    room_kw = table.limit_kw[:, span].copy()
    for row, asset in enumerate(table.assets):
        if asset.asset_id in held:
            room_kw[row] -= held[asset.asset_id]
    mine = replace(
        table,
        horizon=horizon,
        first_open=max(0, horizon.first_index_from(now)),
        price_gbp_per_kwh=table.price_gbp_per_kwh[:, span],
        carbon_kg_per_kwh=table.carbon_kg_per_kwh[:, span],
        room_kw=np.maximum(room_kw, 0.0),
        limit_kw=table.limit_kw[:, span],
    )
    known = ground.describer
    describer = replace(
        known, table=mine, estimated=known.estimated[:, span], quality=known.quality[:, span]
    )
    return mine, describer


def _ground(
    context: Context,
    assets: tuple[Asset, ...],
    signals: Mapping[str, RegionSignals],
    whole: Horizon,
    now: datetime,
) -> _Ground:
    vat = vat_factors(context, whole)
    first_open = max(0, whole.first_index_from(now))
    table = price_table(assets, signals, whole, first_open, {}, vat)
    for shared in (table.price_gbp_per_kwh, table.carbon_kg_per_kwh):
        shared.flags.writeable = False
    return _Ground(
        assets,
        signals,
        table,
        Describer.of(table, signals, context.policy.kappa_gbp_per_kg),
    )


def _stands_on(
    kept: _Ground, assets: tuple[Asset, ...], signals: Mapping[str, RegionSignals]
) -> bool:
    """Return whether a priced stretch was made from these very assets and signals."""
    return kept.assets == assets and all(
        kept.signals[slug] is known for slug, known in signals.items()
    )


def _rows(
    horizon: Horizon, reserved: Mapping[str, Mapping[datetime, float]]
) -> dict[str, FloatArray]:
    answer = {}
    for asset_id, by_slot in reserved.items():
        row = np.zeros(horizon.slots)
        for slot, kw in by_slot.items():
            if 0 <= horizon.index_of(slot) < horizon.slots:
                row[horizon.index_of(slot)] += kw
        row.flags.writeable = False
        answer[asset_id] = row
    return answer


def _cut(row: FloatArray, shift: int, slots: int) -> FloatArray:
    """Return `slots` values from index `shift` (may be negative) of a row on; 0 where the row has none."""
    answer = np.zeros(slots)
    first, last = max(shift, 0), min(shift + slots, row.size)
    if last > first:
        answer[first - shift : last - shift] = row[first:last]
    return answer
