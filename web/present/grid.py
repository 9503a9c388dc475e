"""Half-hours of the grid, regions and the freshness of both as answers."""

from __future__ import annotations

from models.domain.ports import SourceHealth
from models.domain.regions import REGIONS
from models.domain.signal import SignalValue
from models.domain.time import format_utc
from services.types import DataLine, EnergyRow, RegionNow
from web.present.common import Json, number, when


def energy_row(row: EnergyRow) -> Json:
    """Return one half-hour of one region."""
    price = _signal(row.price)
    return {
        "start_time": format_utc(row.start),
        "end_time": format_utc(row.end),
        "carbon": _signal(row.carbon),
        "price": {
            **price,
            "gbp_per_kwh": price["value"],
            "gbp_per_kwh_ex_vat": price["value"],
            "gbp_per_kwh_inc_vat": number(row.price_inc_vat),
            "vat_percent": row.vat_percent,
        },
        "renewable_percent": number(row.renewable_percent),
        "generation_mix": {fuel: number(share) for fuel, share in row.generation_mix.items()},
        "grid_stress": number(row.grid_stress),
    }


def _signal(found: SignalValue) -> Json:
    origin = found.provenance
    return {
        "value": number(found.value),
        "unit": found.unit,
        "kind": str(origin.kind) if origin else None,
        "quality": str(origin.quality) if origin else "none",
        "issued_at": when(origin.issued_at) if origin else None,
        "retrieved_at": when(origin.retrieved_at) if origin else None,
        "source": origin.source if origin else None,
        "note": origin.note if origin else "",
        "p5": number(found.p5),
        "p95": number(found.p95),
    }


def region(now: RegionNow) -> Json:
    """Return one region with its present half-hour."""
    place = REGIONS[now.region]
    return {
        "region": place.slug,
        "name": place.name,
        "short_name": place.short_name,
        "is_aggregate": place.is_aggregate,
        "members": list(place.members),
        "carbon_intensity_id": place.carbon_intensity_id,
        "price_letters": list(place.price_letters),
        "gsp_group": place.gsp_group,
        "band": now.band,
        "band_word": now.band_word,
        "now": energy_row(now.row),
    }


def data_line(found: DataLine) -> Json:
    """Return how fresh the signals are."""
    age = found.carbon_age
    return {
        "mode": found.mode,
        "quality": str(found.quality),
        "text": found.text,
        "banner": found.banner,
        "is_simulated": found.is_simulated,
        "carbon_issued_at": when(found.carbon_issued_at),
        "carbon_retrieved_at": when(found.carbon_retrieved_at),
        "carbon_age_minutes": None if age is None else age.total_seconds() / 60,
        "carbon_known_until": when(found.carbon_known_until),
        "prices_retrieved_at": when(found.prices_retrieved_at),
        "prices_known_until": when(found.prices_known_until),
        "sources": [_source(one) for one in found.sources],
    }


def _source(found: SourceHealth) -> Json:
    return {
        "source": found.source,
        "last_success_at": when(found.last_success_at),
        "last_failure_at": when(found.last_failure_at),
        "failures_in_a_row": found.failures_in_a_row,
        "last_error": found.last_error,
        "retry_at": when(found.retry_at),
    }
