"""Put values by half-hour together into series; shared by the clients, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from models.domain.signal import MixSeries, Provenance, SignalName, SignalSeries
from models.domain.time import SLOT, Horizon


def assemble(
    name: SignalName,
    region: str,
    horizon: Horizon,
    parts: Sequence[tuple[Mapping[datetime, float], Provenance]],
) -> SignalSeries | None:
    """Return a series in which the first part that knows a slot answers for it, or None if no slot is known.

    Args:
        name: What is measured.
        region: Slug of the region.
        horizon: Slots of the series; values outside are left out.
        parts: Values by slot start in the unit of the signal, each part with its provenance, preferred first.
    """
    values = np.full(horizon.slots, np.nan)
    index = np.full(horizon.slots, -1, dtype=np.int64)
    used: list[Provenance] = []
    for known, provenance in parts:
        number = len(used)
        before = int((index >= 0).sum())
        for start, value in known.items():
            slot = horizon.index_of(start)
            if 0 <= slot < horizon.slots and index[slot] < 0:
                values[slot] = value
                index[slot] = number
        if int((index >= 0).sum()) > before:
            used.append(provenance)
    if not used:
        return None
    return SignalSeries(name, region, horizon, values, index, tuple(used))


def assemble_mix(
    region: str,
    horizon: Horizon,
    mixes: Mapping[datetime, Mapping[str, float]],
    provenance: Provenance,
) -> MixSeries | None:
    """Return the generation mix over a horizon, or None if no slot inside it is known. [%]"""
    fuels: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for start, mix in mixes.items():
        slot = horizon.index_of(start)
        if 0 <= slot < horizon.slots:
            for fuel, percent in mix.items():
                row = fuels.setdefault(fuel, np.full(horizon.slots, np.nan))
                row[slot] = percent
    return MixSeries(region, horizon, fuels, provenance) if fuels else None


def span(starts: Iterable[datetime], first: datetime, most_slots: int) -> Horizon | None:
    """Return the horizon from `first` to the last known slot, at most `most_slots`; None if nothing is known."""
    known = [start for start in starts if first <= start < first + most_slots * SLOT]
    return Horizon(first, (max(known) - first) // SLOT + 1) if known else None
