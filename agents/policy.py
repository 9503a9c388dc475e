"""The operator's standing policy: what matters, what is forbidden, and how waiting is weighed."""

from __future__ import annotations

from dataclasses import dataclass

from models.domain.carbon_value import REFERENCE_PRICE_GBP_PER_KWH


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator wants, in pounds."""

    kappa_gbp_per_kg: float
    """Value of carbon. [GBP/kg]"""
    weight_deadline: float = 0.1
    min_saving_percent: float = 5.0
    unserved_gbp_per_kwh: float = 20.0
    churn_gbp_per_kwh: float = 0.02
    """Cost of moving an award, per kWh of the job. [GBP/kWh]"""
    transfer_kwh_per_gb: float = 0.06
    """Energy of the network that moves a job's data to another region. [kWh/GB]

    Source: Aslan, Mayers, Koomey, France, "Electricity Intensity of Internet Data Transmission", Journal of Industrial
    Ecology 22(4), 2018: 0.06 kWh/GB for 2015, core and fixed-line access networks.
    """
    transfer_gbit_per_s: float = 1.0
    """How fast the network moves them. [Gbit/s]"""
    carbon_budget_kg_per_day: float | None = None
    """Most carbon all work planned on one London day may emit; None: no budget. [kg]"""
    planning_effort: float = 1.0
    """How much work a plan may take, as a multiple of the usual; work is counted, not timed."""
    assumptions_id: str = "policy/1"

    @property
    def carbon_price_gbp_per_tonne(self) -> float:
        """Return the value of carbon per tonne, as printed. [GBP/t]"""
        return self.kappa_gbp_per_kg * 1000.0

    @property
    def delay_gbp_per_kwh_hour(self) -> float:
        """Return the price of one hour of waiting per kWh of the job, at normal priority. [GBP/(kWh·h)]"""
        return (self.weight_deadline / 0.3) * REFERENCE_PRICE_GBP_PER_KWH / 24.0
