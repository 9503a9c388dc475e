"""The catalogue: what could be sold now, read from the plan in force and its signals."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from models.domain.asset import Asset
from models.domain.market import Claim, Window, WindowKind
from models.domain.ports import UnitOfWork
from models.domain.signal import FloatArray, Quality, RegionSignals, worst_quality
from models.domain.time import SLOT, Horizon, ceil_slot
from services import market_claims
from services.context import Context
from services.market_flex import FlexOffer, flexibility
from services.market_ranking import Ranking
from services.memo import Memo
from services.situation import vat_factors

LEAD = timedelta(minutes=30)
"""Nothing is offered that begins sooner than this."""

DEFAULT_HOURS = 48
LONGEST_HOURS = 168
"""How far ahead windows are offered. [h]"""

LENGTHS = (2, 4, 8, 16, 32)
"""Lengths of compute windows in half-hours: 1, 2, 4, 8 and 16 hours."""

LEAST_KW = 1.0
"""Less than this at the meter is not worth offering. [kW]"""

CODES = {WindowKind.COMPUTE: "cw", WindowKind.TURN_DOWN: "td", WindowKind.TURN_UP: "tu"}
_KINDS = {code: kind for kind, code in CODES.items()}
_SLOT_ID = re.compile(r"(cw|td|tu)-([0-9a-f]{12})-(\d{8}T\d{4}Z)-(\d{1,2})")


@dataclass(frozen=True)
class Catalogue:
    """Everything on offer at one version of the plan."""

    version: int
    """Plan version it was read at."""
    windows: tuple[Window, ...]
    signals: Mapping[str, RegionSignals]
    flex: Mapping[str, FlexOffer]
    """How each flexibility window would be delivered, by slot id."""
    ranking: Ranking
    """The windows, the best first."""

    def find(self, slot_id: str) -> Window | None:
        """Return a window by its id."""
        return self._by_id.get(slot_id)

    @cached_property
    def _by_id(self) -> dict[str, Window]:
        return {window.slot_id: window for window in self.windows}


_kept: Memo[Catalogue] = Memo(entries=6)


def slot_id(kind: WindowKind, asset_id: str, start: datetime, slots: int) -> str:
    """Return the id of a window; the cluster stands in it as a digest, so that its name is not told."""
    return f"{CODES[kind]}-{_digest(asset_id)}-{_moment(start)}-{slots}"


@lru_cache(maxsize=4096)
def _digest(asset_id: str) -> str:
    return hashlib.sha256(asset_id.encode()).hexdigest()[:12]


@lru_cache(maxsize=4096)
def _moment(start: datetime) -> str:
    return f"{start.astimezone(UTC):%Y%m%dT%H%MZ}"


def is_slot_id(text: str) -> bool:
    """Return whether a text has the form of our window ids."""
    return _SLOT_ID.fullmatch(text) is not None


def catalogue(context: Context, hours: int = DEFAULT_HOURS, *, besides: str = "") -> Catalogue:
    """Return what is on offer over the coming hours.

    Args:
        context: Ports.
        hours: How far ahead. [h]
        besides: A contract whose own claims do not count (it asks whether it can still have what it holds).
    """
    now = context.clock.now()
    first = ceil_slot(now + LEAD)
    horizon = Horizon(first, max(int(hours * 2), 1))
    with context.uow() as uow:
        version = uow.plans.version()
        assets = uow.assets.all_live()
        signals = context.signals.view(sorted({asset.region for asset in assets}), horizon)
        key = (version, horizon, besides)
        kept = _kept.peek(context, key)
        if kept is not None and _says_the_same(kept.signals, signals):
            return kept
        claims = uow.market.claims(horizon.start)
        reserved = uow.plans.reserved(horizon.start, horizon.end)
        offers = flexibility(context, uow, assets, claims, horizon, besides=besides)
    windows = compute_windows(context, assets, claims, reserved, signals, horizon, besides)
    flex = {}
    for offer in offers:
        window = _flex_window(offer, context)
        windows.append(window)
        flex[window.slot_id] = offer
    ranking = Ranking(windows, context.policy.kappa_gbp_per_kg)
    made = Catalogue(version, tuple(windows), signals, flex, ranking)
    return _kept.get(context, key, lambda: made, is_right=lambda one: one is made)


def _says_the_same(before: Mapping[str, RegionSignals], now: Mapping[str, RegionSignals]) -> bool:
    """Return whether two readings of the signals have the same values; they are read anew every minute."""
    return before.keys() == now.keys() and all(
        one is now[slug]
        or all(
            np.array_equal(old.values, new.values, equal_nan=True)
            for old, new in ((one.carbon, now[slug].carbon), (one.price, now[slug].price))
        )
        for slug, one in before.items()
    )


def _flex_window(offer: FlexOffer, context: Context) -> Window:
    return Window(
        slot_id=slot_id(offer.kind, offer.asset.asset_id, offer.start, offer.slots),
        kind=offer.kind,
        region=offer.asset.region,
        start=offer.start,
        end=offer.start + offer.slots * SLOT,
        capacity_kw=round(offer.capacity_kw, 3),
        price_gbp_per_kwh=round(offer.price_gbp_per_kwh, 6),
        mean_carbon_g_per_kwh=offer.mean_carbon_g_per_kwh,
        quality=_quality(context, offer.quality),
        asset_id=offer.asset.asset_id,
        owner=offer.asset.owner,
        flexibility={
            "jobs_moved": len(offer.moves),
            "cost_of_delivery_gbp": round(offer.cost_gbp, 6),
            "method": "re-planning of jobs that have not started",
        },
    )


def _quality(context: Context, known: Quality) -> Quality:
    return Quality.SIMULATED if context.signals.mode == "simulated" else known


def room_kw(
    asset: Asset,
    claims: Sequence[Claim],
    reserved: Mapping[datetime, float],
    horizon: Horizon,
    besides: str,
) -> FloatArray:
    """Return the IT power nobody has, in each half-hour; shape (slots,). [kW]"""
    own = [c for c in claims if c.asset_id == asset.asset_id and c.contract_id != besides]
    kept = market_claims.kept_kw(own).get(asset.asset_id, {})
    most = market_claims.most_kw(own)
    row = np.zeros(horizon.slots)
    for k, start in enumerate(horizon.starts()):
        room = min(asset.room_at(start), most.get((asset.asset_id, start), np.inf))
        row[k] = max(room - reserved.get(start, 0.0) - kept.get(start, 0.0), 0.0)
    return row


def compute_windows(
    context: Context,
    assets: Sequence[Asset],
    claims: Sequence[Claim],
    reserved: Mapping[str, Mapping[datetime, float]],
    signals: Mapping[str, RegionSignals],
    horizon: Horizon,
    besides: str = "",
) -> list[Window]:
    """Return windows of compute: every stretch of a few lengths with room, carbon and price.

    A stretch with an unknown price or carbon is not offered.
    """
    vat = vat_factors(context, horizon)
    found: list[Window] = []
    for asset in assets:
        room = room_kw(asset, claims, reserved.get(asset.asset_id, {}), horizon, besides)
        known = signals[asset.region]
        price = known.price.over(horizon).values * (1.0 if vat is None else vat)
        carbon = known.carbon.over(horizon).values
        quality = _quality(context, _worst(known, horizon))
        found += _kept_windows(asset, horizon, room, price, carbon, quality)
    return found


_MOST_PLACES = 4096
_places: OrderedDict[tuple[str, Horizon], tuple[tuple[Any, ...], list[Window]]] = OrderedDict()
_places_lock = threading.Lock()


def _kept_windows(
    asset: Asset,
    horizon: Horizon,
    room: FloatArray,
    price: FloatArray,
    carbon: FloatArray,
    quality: Quality,
) -> list[Window]:
    """Return the windows of a cluster; those of before where nothing that they show has changed."""
    shown = (asset.region, asset.owner, asset.pue, quality,
             room.tobytes(), price.tobytes(), carbon.tobytes())  # fmt: skip
    name = (asset.asset_id, horizon)
    with _places_lock:
        kept = _places.get(name)
        if kept is not None and kept[0] == shown:
            _places.move_to_end(name)
            return kept[1]
    made = [
        window
        for length in LENGTHS
        for window in _of_length(asset, length, horizon, room, price, carbon, quality)
    ]
    with _places_lock:
        _places[name] = (shown, made)
        _places.move_to_end(name)
        while len(_places) > _MOST_PLACES:
            _places.popitem(last=False)
    return made


def _worst(known: RegionSignals, horizon: Horizon) -> Quality:
    used = [
        series.provenances[int(k)].quality
        for series in (known.carbon.over(horizon), known.price.over(horizon))
        for k in np.unique(series.provenance_index)
        if k >= 0
    ]
    return worst_quality(used)


def _of_length(
    asset: Asset,
    length: int,
    horizon: Horizon,
    room: FloatArray,
    price: FloatArray,
    carbon: FloatArray,
    quality: Quality,
) -> list[Window]:
    if length > horizon.slots:
        return []
    shape = np.lib.stride_tricks.sliding_window_view
    least = shape(room, length).min(axis=1) * asset.pue
    mean_price = shape(price, length).mean(axis=1)
    mean_carbon = shape(carbon, length).mean(axis=1)
    step = max(1, length // 4)
    offset = int(horizon.start.timestamp() // SLOT.total_seconds())
    known = (least >= LEAST_KW) & ~np.isnan(mean_price) & ~np.isnan(mean_carbon)
    return [
        Window(
            slot_id=slot_id(WindowKind.COMPUTE, asset.asset_id, horizon.start_of(k), length),
            kind=WindowKind.COMPUTE,
            region=asset.region,
            start=horizon.start_of(k),
            end=horizon.start_of(k + length),
            capacity_kw=round(float(least[k]), 3),
            price_gbp_per_kwh=round(float(mean_price[k]), 6),
            mean_carbon_g_per_kwh=round(float(mean_carbon[k]), 2),
            quality=quality,
            asset_id=asset.asset_id,
            owner=asset.owner,
        )
        for k in np.flatnonzero(known).tolist()
        if (offset + k) % step == 0
    ]


def planned_kw(uow: UnitOfWork, asset: Asset, window: Window) -> tuple[float, ...]:
    """Return the meter load of an asset's jobs in each half-hour of a window, by the plan in force. [kW]"""
    reserved = uow.plans.reserved(window.start, window.end).get(asset.asset_id, {})
    return tuple(reserved.get(start, 0.0) * asset.pue for start in window.starts())
