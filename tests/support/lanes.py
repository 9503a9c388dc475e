"""Half-hours of one asset for tests of runs, with every field settable by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from models.optimise.pattern import Lane


def a_lane(price: Sequence[float], **changes: Any) -> Lane:
    """Return half-hours from slot 0 with ample room, no carbon, no waiting price, and the run on arrival at 0."""
    width = len(price)
    for name in ("carbon_kg_per_kwh", "shadow_gbp_per_kwh", "room_kw"):
        if name in changes:
            changes[name] = np.asarray(changes[name], dtype=np.float64)
    lane = Lane(
        row=0,
        first=0,
        end=float(width),
        price_gbp_per_kwh=np.asarray(price, dtype=np.float64),
        carbon_kg_per_kwh=np.zeros(width),
        shadow_gbp_per_kwh=np.zeros(width),
        room_kw=np.full(width, 100.0),
        pue=1.0,
        kappa_gbp_per_kg=0.0,
        arrived=0.0,
        delay_gbp_per_hour=0.0,
    )
    return replace(lane, **changes)


def numbers(lowest: float, highest: float, steps: int = 40) -> st.SearchStrategy[float]:
    """Return evenly spaced numbers between two bounds, so that ties happen."""
    return st.integers(0, steps).map(lambda n: round(lowest + (highest - lowest) * n / steps, 9))


@st.composite
def lanes(
    draw: st.DrawFn,
    *,
    slots: tuple[int, int] = (3, 9),
    rooms: Sequence[float] = (0.0, 10.0, 10.0, 20.0),
    lowest_price: float = -0.05,
    row: int = 0,
) -> Lane:
    """Return half-hours with prices, carbon, scarcity, closed ones, and a latest finish that may lie inside the last."""
    width = draw(st.integers(*slots))
    first = draw(st.integers(0, 5))
    columns = st.lists(numbers(lowest_price, 0.4), min_size=width, max_size=width)
    carbon = draw(st.lists(numbers(0.0, 0.4), min_size=width, max_size=width))
    shadow = draw(
        st.one_of(
            st.just([0.0] * width), st.lists(numbers(0.0, 0.3), min_size=width, max_size=width)
        )
    )
    room = draw(st.lists(st.sampled_from(rooms), min_size=width, max_size=width))
    end = first + width - draw(st.sampled_from((0.0, 0.0, 0.5, 1 / 3, 5 / 6)))
    return a_lane(
        draw(columns),
        row=row,
        first=first,
        end=end,
        carbon_kg_per_kwh=carbon,
        shadow_gbp_per_kwh=shadow,
        room_kw=room,
        pue=draw(st.sampled_from((1.0, 1.25))),
        kappa_gbp_per_kg=draw(st.sampled_from((0.0, 0.3, 2.667))),
        arrived=first + draw(st.sampled_from((0.0, 1.5, 3.0))),
        delay_gbp_per_hour=draw(st.sampled_from((0.0, 0.02, 0.5))),
    )
