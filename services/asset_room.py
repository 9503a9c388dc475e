"""What keeps power from jobs on a cluster, half-hour by half-hour: its limits, and what contracts keep for others.

One picture for the plan, for what is stored of it, for the comparison of two plans, and for "why not then?". Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from agents.view import Held
from agents.wording import when
from models.domain.asset import Asset
from models.domain.power_limit import PowerLimit
from models.domain.time import SLOT, Horizon, format_utc, parse_rfc3339
from models.optimise.limits import TOLERANCE_KW, covered, limited_room_kw
from services.market_claims import CONTRACT_LIMIT, HOLDER

NO_REASON = "a limit of power"
"""What a limit is called that nobody gave a reason."""


@dataclass(frozen=True)
class Stretch:
    """Some half-hours in which a limit leaves less to jobs, or a contract keeps power."""

    start: datetime
    end: datetime
    power_kw: float
    """What the limit leaves to jobs, or what the contract keeps. IT power. [kW]"""
    why: str
    """Reason of the limit, or the contract."""

    @property
    def is_of_contract(self) -> bool:
        """Return whether a contract puts the limit on the cluster."""
        return CONTRACT_LIMIT in self.why


@dataclass(frozen=True)
class AssetRoom:
    """The power that a cluster offers to jobs."""

    plain_kw: float
    """Where nothing limits it. [kW]"""
    limits: tuple[Stretch, ...] = ()
    """In the order of time, without overlap."""
    kept: tuple[Stretch, ...] = ()
    """What contracts keep; several may overlap."""

    @classmethod
    def of(cls, asset: Asset, horizon: Horizon, held: Iterable[Held] = ()) -> AssetRoom:
        """Read an asset with the limits that contracts put on it, over some half-hours.

        Args:
            asset: As planning sees it, see `market_claims.limited`.
            horizon: The half-hours.
            held: Work that holds power; what contracts keep counts, jobs do not.
        """
        kept = [
            stretch
            for work in held
            if work.asset_id == asset.asset_id and work.job_id.startswith(HOLDER)
            for stretch in _kept(work, horizon)
        ]
        return cls(asset.room_kw, tuple(_limits(asset, horizon)), tuple(kept))

    @classmethod
    def of_view(cls, plain_kw: float, view: Mapping[str, Any]) -> AssetRoom:
        """Read what `to_view` wrote; an empty view is that of a plan which kept none."""
        limits, kept = (
            tuple(_stretch(row) for row in view.get(name, ())) for name in ("limits", "kept")
        )
        return cls(plain_kw, limits, kept)

    def to_view(self) -> dict[str, Any]:
        """Return limits and what is kept as JSON-like values; empty where there are none."""
        parts = {"limits": self.limits, "kept": self.kept}
        return {name: [_row(one) for one in found] for name, found in parts.items() if found}

    @cached_property
    def _limit_by_slot(self) -> dict[datetime, Stretch]:
        return {slot: stretch for stretch in self.limits for slot in _slots(stretch)}

    @cached_property
    def _kept_by_slot(self) -> dict[datetime, list[Stretch]]:
        found: dict[datetime, list[Stretch]] = {}
        for stretch in self.kept:
            for slot in _slots(stretch):
                found.setdefault(slot, []).append(stretch)
        return found

    def limit_at(self, slot: datetime) -> Stretch | None:
        """Return the limit of the half-hour that begins at an instant, if any."""
        return self._limit_by_slot.get(slot)

    def kept_at(self, slot: datetime) -> Sequence[Stretch]:
        """Return what contracts keep in the half-hour that begins at an instant."""
        return self._kept_by_slot.get(slot, ())

    def offered_kw(self, slot: datetime) -> float:
        """Return what is offered to all jobs together, contracts aside. [kW]"""
        limit = self.limit_at(slot)
        return self.plain_kw if limit is None else limit.power_kw

    def free_kw(self, slot: datetime) -> float:
        """Return what is left to jobs once contracts have theirs. [kW]"""
        return self.offered_kw(slot) - sum(one.power_kw for one in self.kept_at(slot))


def limit_text(place: str, limit: Stretch, slot: datetime) -> str:
    """Return what a limit leaves to jobs, from when on, and why."""
    why = "" if limit.why == NO_REASON else f" ({limit.why})"
    return f"a limit of power on {place}{why} leaves jobs {limit.power_kw:g} kW from {when(slot)}"


def kept_text(kept: Sequence[Stretch], slot: datetime) -> str:
    """Return which contracts keep how much, and when."""
    names = ", ".join(sorted({one.why for one in kept}))
    total = sum(one.power_kw for one in kept)
    return f"{names} keeps {total:g} kW from {when(slot)}"


def reason_of(limits: Iterable[PowerLimit]) -> str:
    """Return the reasons of the tightest of some limits."""
    known = list(limits)
    least = min((one.max_power_kw for one in known), default=0.0)
    tightest = {one.reason for one in known if one.max_power_kw <= least + TOLERANCE_KW}
    return ", ".join(sorted(tightest - {""})) or NO_REASON


def _limits(asset: Asset, horizon: Horizon) -> Iterable[Stretch]:
    """Yield the stretches in which limits leave less than the asset has, alike in power and in what limits it."""
    if not asset.power_limits:
        return
    room_kw = limited_room_kw(asset, horizon)
    covers = np.array([covered(one, horizon) for one in asset.power_limits])
    short = np.flatnonzero(room_kw < asset.room_kw - TOLERANCE_KW).tolist()
    alike = [(k - n, covers[:, k].tobytes()) for n, k in enumerate(short)]
    for _, group in groupby(zip(alike, short, strict=True), lambda pair: pair[0]):
        run = [k for _, k in group]
        limits = (
            one for one, holds in zip(asset.power_limits, covers[:, run[0]], strict=True) if holds
        )
        start, end = horizon.start_of(run[0]), horizon.start_of(run[-1] + 1)
        yield Stretch(start, end, float(room_kw[run[0]]), reason_of(limits))


def _kept(work: Held, horizon: Horizon) -> Iterable[Stretch]:
    """Yield the stretches of equal power that a contract keeps."""
    first = work.first_slot
    for power_kw, group in groupby(enumerate(work.power_kw), lambda pair: pair[1]):
        run = [offset for offset, _ in group]
        if power_kw > 0.0:
            start, end = (horizon.start_of(first + k) for k in (run[0], run[-1] + 1))
            yield Stretch(start, end, power_kw, work.job_id)


def _slots(stretch: Stretch) -> Iterable[datetime]:
    slot = stretch.start
    while slot < stretch.end:
        yield slot
        slot += SLOT


def _row(one: Stretch) -> dict[str, Any]:
    return {
        "start_time": format_utc(one.start),
        "end_time": format_utc(one.end),
        "power_kw": one.power_kw,
        "why": one.why,
    }


def _stretch(row: Mapping[str, Any]) -> Stretch:
    start, end = (parse_rfc3339(row[name]) for name in ("start_time", "end_time"))
    return Stretch(start, end, float(row["power_kw"]), str(row["why"]))
