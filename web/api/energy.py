"""`/api/energy` and `/api/regions`: carbon and prices by the half-hour, open to anybody as the Grid page is."""

from __future__ import annotations

from flask import Blueprint, Response

from models.domain.regions import region as known_region
from web.api.lists import reply_list
from web.context import services
from web.operation import operation, reply
from web.present.common import whole_list
from web.present.grid import energy_row, region
from web.schemas.grid import EnergyForecastOut, EnergyRowOut, ForecastQuery, RegionList

bp = Blueprint("api_energy", __name__, url_prefix="/api")

TAG = "Grid"

_SIGNAL = ("value", "unit", "kind", "quality", "issued_at", "retrieved_at", "source")

COLUMNS = (
    "start_time",
    "end_time",
    *(f"carbon.{name}" for name in _SIGNAL),
    *(f"price.{name}" for name in _SIGNAL),
    "price.gbp_per_kwh_inc_vat",
    "price.vat_percent",
    "renewable_percent",
    "grid_stress",
    "generation_mix",
)
"""Columns of a forecast as CSV."""

REGION_COLUMNS = (
    "region",
    "name",
    "is_aggregate",
    "carbon_intensity_id",
    "price_letters",
    "gsp_group",
    "band",
    "band_word",
    "now.start_time",
    "now.carbon.value",
    "now.carbon.quality",
    "now.price.gbp_per_kwh_ex_vat",
    "now.price.quality",
    "now.renewable_percent",
)
"""Columns of the regions as CSV."""


@bp.get("/energy/current/<region_slug>")
@operation(TAG, {200: EnergyRowOut}, needs=None)
def current(region_slug: str) -> Response:
    """Show the present half-hour of a region."""
    return reply(energy_row(services().energy_current(known_region(region_slug).slug)))


@bp.get("/energy/forecast/<region_slug>")
@bp.get("/energy/forecast/<region_slug>.csv")
@operation(
    TAG,
    {200: EnergyForecastOut},
    query=ForecastQuery,
    needs=None,
    media_types=("application/json", "text/csv"),
)
def forecast(region_slug: str, query: ForecastQuery) -> Response:
    """List half-hours of a region from the present one, each value with its source, age and quality."""
    slug = known_region(region_slug).slug
    rows = services().energy_forecast(slug, query.hours)
    found = {
        "region": slug,
        "hours": query.hours,
        **whole_list(energy_row(row) for row in rows),
    }
    return reply_list(f"forecast-{slug}", found, COLUMNS)


@bp.get("/regions")
@bp.get("/regions.csv")
@operation(TAG, {200: RegionList}, needs=None, media_types=("application/json", "text/csv"))
def regions() -> Response:
    """List all 18 regions with their present half-hour."""
    found = whole_list(region(now) for now in services().regions_now())
    return reply_list("regions", found, REGION_COLUMNS)
