"""What a job has now, valued on the signals of a question, so that both sides of a comparison rest on the same ones."""

from __future__ import annotations

from dataclasses import replace

from models.domain.asset import Asset
from models.domain.plan import Placement
from models.domain.signal import FloatArray, RegionSignals
from services import valuation


def revalued(
    placed: Placement,
    asset: Asset | None,
    known: RegionSignals | None,
    kappa_gbp_per_kg: float,
) -> Placement:
    """Return a stored placement with its cost, carbon and objective on other signals.

    The price of waiting stays. Without signals cost and carbon are unknown, never those of older signals.

    Args:
        placed: As its plan wrote it down.
        asset: Where it runs; None: the cluster is gone, and its PUE is that of the placement.
        known: Signals of its region as prices are compared (with VAT where prices include it); None: there are none.
        kappa_gbp_per_kg: Value of carbon. [GBP/kg]
    """
    if known is None:
        return replace(
            placed,
            carbon_kg=None,
            cost_gbp=None,
            mean_carbon_g_per_kwh=None,
            mean_price_gbp_per_kwh=None,
            objective_gbp=None,
            transfer_cost_gbp=None if placed.transfer_kwh else 0.0,
            transfer_carbon_kg=None if placed.transfer_kwh else 0.0,
        )
    pue = valuation.meter_factor(placed) if asset is None else asset.pue
    run = valuation.value(placed.segments, pue, known)
    worth = valuation.with_transfer(run, placed.transfer_kwh)
    cost, kg = worth.cost_gbp, worth.carbon_kg
    known_gbp = (cost or 0.0) + kappa_gbp_per_kg * (kg or 0.0) + placed.delay_gbp
    return replace(
        placed,
        energy_kwh=worth.energy_kwh,
        carbon_kg=kg,
        cost_gbp=cost,
        mean_carbon_g_per_kwh=worth.mean_carbon_g_per_kwh,
        mean_price_gbp_per_kwh=worth.mean_price_gbp_per_kwh,
        estimated_share=worth.estimated_share,
        data_quality=worth.quality,
        objective_gbp=None if cost is None and kg is None else known_gbp,
        transfer_cost_gbp=_part(worth.cost_gbp, run.cost_gbp),
        transfer_carbon_kg=_part(worth.carbon_kg, run.carbon_kg),
    )


def with_vat(known: RegionSignals, factor: FloatArray | None) -> RegionSignals:
    """Return signals with their prices multiplied, shape (slots,); None: as they are."""
    if factor is None:
        return known
    price = known.price.over(known.horizon)
    return replace(known, price=replace(price, values=price.values * factor))


def _part(total: float | None, run: float | None) -> float | None:
    return None if total is None or run is None else total - run
