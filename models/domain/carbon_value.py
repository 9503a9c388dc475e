"""The value of carbon: how two weights become pounds per kilogram. Source: design, section 4."""

from __future__ import annotations

REFERENCE_PRICE_GBP_PER_KWH = 0.20
"""Price that turns weights into money. [GBP/kWh]"""

REFERENCE_CARBON_KG_PER_KWH = 0.15
"""Carbon intensity that turns weights into money. [kg/kWh]"""

HIGHEST_KAPPA_GBP_PER_KG = 10.0
"""Upper end of the value of carbon, also for a cost weight of zero. [GBP/kg]"""


def kappa_of_weights(weight_carbon: float, weight_cost: float) -> float:
    """Return the value of carbon that two weights stand for, at most 10. [GBP/kg]

    Args:
        weight_carbon: Weight of carbon, >= 0.
        weight_cost: Weight of cost, >= 0; with 0 any carbon weight means the highest value.
    """
    if weight_carbon == 0:
        return 0.0
    if weight_cost == 0:
        return HIGHEST_KAPPA_GBP_PER_KG
    reference = REFERENCE_PRICE_GBP_PER_KWH / REFERENCE_CARBON_KG_PER_KWH
    return min(weight_carbon / weight_cost * reference, HIGHEST_KAPPA_GBP_PER_KG)
