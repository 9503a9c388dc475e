"""What work outside a negotiation already takes of the carbon budget of each London day."""

from __future__ import annotations

from agents.view import Situation
from models.domain.signal import FloatArray
from models.domain.time import SLOT
from models.optimise.budget import Days, FixedRun, committed_by_day
from models.optimise.table import PricedTable


def committed_kg(situation: Situation, table: PricedTable, days: Days) -> FloatArray:
    """Return the planned carbon of frozen and running work and of work that has run, by day, shape (days,). [kg]

    Planned, not measured: half-hours of the table at their present carbon, and those before it as they were planned.
    """
    runs = [
        FixedRun(
            held.asset_id,
            held.first_slot,
            held.power_kw,
            (held.end - table.horizon.start_of(held.first_slot + len(held.power_kw) - 1)) / SLOT,
            held.transfer_kwh,
        )
        for held in situation.held
        if held.power_kw
    ]
    answer: FloatArray = committed_by_day(runs, table, days) + days.array(situation.spent_kg_by_day)
    return answer
