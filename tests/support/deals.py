"""Windows and contracts for tests of the market."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from models.domain.market import Contract, ContractState, Reading, Side, Window, WindowKind
from models.domain.signal import Quality

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def a_window(kind: WindowKind = WindowKind.COMPUTE, **changes: Any) -> Window:
    """Return two hours in London from 16:00, 300 kW at 12 p/kWh and 150 g/kWh."""
    window = Window(
        slot_id=f"{kind}-london-1600",
        kind=kind,
        region="london",
        start=NOW + timedelta(hours=4),
        end=NOW + timedelta(hours=6),
        capacity_kw=300.0,
        price_gbp_per_kwh=0.12,
        mean_carbon_g_per_kwh=150.0,
        quality=Quality.LIVE,
        asset_id="asset-1",
        owner="local",
    )
    return replace(window, **changes)


def a_contract(
    state: ContractState = ContractState.QUOTED, window: Window | None = None, **changes: Any
) -> Contract:
    """Return a seller's contract over 100 kW of a window."""
    contract = Contract(
        contract_id="3f1c2d7e-8f1c-4c37-9a56-1f7a6f3b9c01",
        side=Side.SELLER,
        state=state,
        window=window or a_window(),
        quantity_kw=100.0,
        price_gbp_per_kwh=0.12,
        transaction_id="9a0b1c2d-3e4f-4a5b-8c6d-7e8f9a0b1c2d",
        created_at=NOW,
        updated_at=NOW,
        peer_id="buyer.example",
    )
    if state is ContractState.HELD:
        changes = {"held_until": NOW + timedelta(minutes=10), **changes}
    if state is ContractState.COMPLETE:
        slot = contract.window.start
        changes = {"readings": (Reading(slot, 250.0, 150.0),), **changes}
    return replace(contract, **changes)
