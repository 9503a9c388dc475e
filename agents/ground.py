"""What a negotiation stands on: the half-hours that are open, and the power that is held already."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from agents.view import Situation
from models.domain.signal import FloatArray


def first_open_slot(situation: Situation) -> int:
    """Return the first half-hour in which anything may still start."""
    return max(0, situation.horizon.first_index_from(situation.now))


def held_power(situation: Situation) -> dict[str, FloatArray]:
    """Return the IT power held per asset by work that is not up for planning, shape (slots,). [kW]"""
    held: dict[str, FloatArray] = defaultdict(lambda: np.zeros(situation.horizon.slots))
    for work in situation.held:
        for offset, kw in enumerate(work.power_kw):
            slot = work.first_slot + offset
            if 0 <= slot < situation.horizon.slots:
                held[work.asset_id][slot] += kw
    return dict(held)
