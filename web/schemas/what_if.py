"""What-if: another value of carbon asked for, and what it would give."""

from __future__ import annotations

from typing import Literal

from models.domain.carbon_value import HIGHEST_KAPPA_GBP_PER_KG
from models.domain.errors import FieldError
from services.what_if import carbon_price_of
from web.schemas.answers import CertificateOut, DeferralOut, PlacementOut, RefusalOut
from web.schemas.fields import Number, Shown, Wanted, When, field

HIGHEST_GBP_PER_TONNE = HIGHEST_KAPPA_GBP_PER_KG * 1000.0


class WeightsIn(Wanted):
    """Two weights; only their ratio matters."""

    carbon: Number = field("Weight of carbon.", allowed="0 to 1", ge=0, le=1)
    cost: Number = field("Weight of cost.", allowed="0 to 1", ge=0, le=1)


class WhatIfIn(Wanted):
    """A value of carbon, given directly or by weights."""

    carbon_price_gbp_per_tonne: Number | None = field(
        "Value of carbon.",
        unit="GBP/t",
        allowed=f"0 to {HIGHEST_GBP_PER_TONNE:.0f}",
        default=None,
        ge=0,
        le=HIGHEST_GBP_PER_TONNE,
    )
    weights: WeightsIn | None = field(
        "Weights in place of a value; 0.6 and 0.3 mean £2,667/t.",
        allowed='{"carbon": 0 to 1, "cost": 0 to 1}, not both 0',
        default=None,
    )

    def crosscheck(self) -> tuple[FieldError, ...]:
        """Return what is wrong unless exactly one of both is given."""
        given = [self.carbon_price_gbp_per_tonne is not None, self.weights is not None]
        if all(given):
            return (
                FieldError(
                    "weights",
                    "is given beside carbon_price_gbp_per_tonne, and both say the same thing",
                    None,
                    "one of the two",
                    "leave weights or carbon_price_gbp_per_tonne out",
                ),
            )
        if not any(given):
            return (
                FieldError(
                    "carbon_price_gbp_per_tonne",
                    "is required where no weights are given",
                    None,
                    f"0 to {HIGHEST_GBP_PER_TONNE:.0f}",
                    'send {"carbon_price_gbp_per_tonne": 245} or {"weights": {"carbon": 0.6, "cost": 0.3}}',
                ),
            )
        return ()

    @property
    def price_gbp_per_tonne(self) -> float:
        """Return the value of carbon asked for; weights that are both zero say nothing and are refused. [GBP/t]"""
        if self.weights is not None:
            return carbon_price_of(self.weights.carbon, self.weights.cost)
        assert self.carbon_price_gbp_per_tonne is not None
        return self.carbon_price_gbp_per_tonne


class WhatIfTotalsOut(Shown):
    """Sums over the jobs that hold an award."""

    jobs: int
    energy_kwh: float
    carbon_kg: float | None
    cost_gbp: float | None
    delay_gbp: float | None
    unknown_jobs: int


class WhatIfDifferenceOut(Shown):
    """What-if minus present plan; null where either side is unknown or missing."""

    carbon_kg: float | None
    cost_gbp: float | None
    start_hours: float | None


class WhatIfJobOut(Shown):
    """One job that is up for planning, beside its present award."""

    job_id: str
    job_name: str
    status: Literal["scheduled", "refused", "pending"]
    changed: bool
    schedule: PlacementOut | None
    current: PlacementOut | None
    difference: WhatIfDifferenceOut
    refusal: RefusalOut | None
    deferral: DeferralOut | None


class WhatIfOut(Shown):
    """What another value of carbon would give now. Nothing of it is committed."""

    asked_at: When
    carbon_price_gbp_per_tonne: float
    current_carbon_price_gbp_per_tonne: float
    totals: WhatIfTotalsOut
    current: WhatIfTotalsOut
    jobs: list[WhatIfJobOut]
    frozen: int
    certificate: CertificateOut


class WhatIfPointsIn(Wanted):
    """Which value of carbon the curve is asked for beside the standard ones."""

    carbon_price_gbp_per_tonne: Number | None = field(
        "A value of carbon to plan beside the standard ones; the current value where none is given.",
        unit="GBP/t",
        allowed=f"0 to {HIGHEST_GBP_PER_TONNE:.0f}",
        default=None,
        ge=0,
        le=HIGHEST_GBP_PER_TONNE,
    )


class WhatIfPointOut(Shown):
    """One whole plan at one value of carbon. `fault` says why it is not on the curve."""

    carbon_price_gbp_per_tonne: float
    totals: WhatIfTotalsOut
    is_current: bool
    is_asked: bool
    on_curve: bool
    fault: Literal["dominated", "serves fewer jobs"] | None


class WhatIfPointsOut(Shown):
    """Carbon against cost at five values of carbon, or six. What is not planned yet is planned when asked again."""

    points: list[WhatIfPointOut]
    unplanned_gbp_per_tonne: list[float]
