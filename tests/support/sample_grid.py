"""A small grid for tests of the edge: two smooth curves, and what a run on them costs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.plan import Placement, Segment
from models.domain.ports import SourceHealth
from models.domain.signal import Provenance, Quality, SignalValue, ValueKind
from models.domain.time import SLOT, SLOT_HOURS, floor_slot
from services.types import DataLine, EnergyRow

NOW = datetime(2026, 11, 21, 15, 42, tzinfo=UTC)
"""The instant at which the samples are looked at: a Saturday afternoon in winter time."""

KAPPA_GBP_PER_KG = 2.667
"""Value of carbon of the samples. [GBP/kg]"""

CARBON_AT = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
PRICES_UNTIL = datetime(2026, 11, 22, 23, tzinfo=UTC)


def carbon_g(start: datetime, region: str) -> float:
    """Return carbon intensity: low at 03:00, high at 15:00, a little different in each region. [g/kWh]"""
    hour = start.hour + start.minute / 60
    return 160 + len(region) - 90 * math.cos((hour - 15) / 24 * 2 * math.pi + math.pi)


def price_gbp(start: datetime) -> float:
    """Return a price: low at 04:00, high at 17:30. [GBP/kWh]"""
    hour = start.hour + start.minute / 60
    return 0.16 - 0.1 * math.cos((hour - 17.5) / 24 * 2 * math.pi + math.pi)


def _origin(kind: ValueKind, quality: Quality, source: str) -> Provenance:
    return Provenance(source, "/sample", kind, quality, CARBON_AT, CARBON_AT, "ab" * 32)


def energy_row(start: datetime, region: str, quality: Quality = Quality.LIVE) -> EnergyRow:
    """Return one half-hour; with quality `none` nothing is known."""
    known = quality is not Quality.NONE
    carbon = carbon_g(start, region)
    price = price_gbp(start)
    kind = ValueKind.TARIFF if start < PRICES_UNTIL else ValueKind.ESTIMATE
    return EnergyRow(
        start=start,
        end=start + SLOT,
        carbon=SignalValue(
            start,
            carbon if known else None,
            "gCO2/kWh",
            carbon * 0.9 if known else None,
            carbon * 1.1 if known else None,
            _origin(ValueKind.FORECAST, quality, "NESO Carbon Intensity API") if known else None,
        ),
        price=SignalValue(
            start,
            price if known else None,
            "GBP/kWh",
            None,
            None,
            _origin(kind, quality, "Octopus Agile") if known else None,
        ),
        price_inc_vat=price if known else None,
        vat_percent=0.0,
        renewable_percent=61.5 if known else None,
        generation_mix={"gas": 20.5, "nuclear": 18.0, "wind": 61.5} if known else {},
        grid_stress=None,
    )


def placement(
    job: Job, asset: Asset, start: datetime, quality: Quality = Quality.LIVE
) -> Placement:
    """Return what a contiguous run costs: energy times price and intensity, half-hour by half-hour."""
    energies = [energy * asset.pue for energy in job.slot_energy_kwh()]
    starts = [start + k * SLOT for k in range(len(energies))]
    energy = sum(energies)
    known = quality is not Quality.NONE
    carbon = (
        sum(e * carbon_g(s, asset.region) for e, s in zip(energies, starts, strict=True)) / 1000
    )
    cost = sum(e * price_gbp(s) for e, s in zip(energies, starts, strict=True))
    estimated = [s for s in starts if s >= PRICES_UNTIL]
    end = start + job.duration
    return Placement(
        asset_id=asset.asset_id,
        region=asset.region,
        start=start,
        end=end,
        segments=(Segment(start, end, job.power_kw),),
        energy_kwh=energy,
        carbon_kg=carbon if known else None,
        cost_gbp=cost if known else None,
        mean_carbon_g_per_kwh=carbon / energy * 1000 if known else None,
        mean_price_gbp_per_kwh=cost / energy if known else None,
        estimated_share=len(estimated) / len(starts),
        data_quality=quality,
        delay_gbp=0.0,
        objective_gbp=cost + KAPPA_GBP_PER_KG * carbon if known else None,
    )


def data_line(mode: str) -> DataLine:
    """Return the data line of a kind of service: `live | simulated | stale | empty`."""
    quality = {
        "live": Quality.LIVE,
        "simulated": Quality.SIMULATED,
        "stale": Quality.STALE,
        "empty": Quality.NONE,
    }[mode]
    known = quality is not Quality.NONE
    at = CARBON_AT - timedelta(hours=9) if mode == "stale" else CARBON_AT
    banners = {
        "simulated": "Simulated grid: no provider has answered yet; plans are void once live data arrive.",
        "stale": "Carbon has not been renewed for 9 h; plans use the last forecast.",
        "empty": "No data yet: jobs are set to start as late as their deadlines allow.",
    }
    text = (
        f"Carbon: issued {at:%H:%M}, {(NOW - at) // timedelta(minutes=1)} min old · "
        f"Prices known to Sun 23:00 · {quality.value.capitalize()}"
        if known
        else "No data yet"
    )
    return DataLine(
        mode="simulated" if mode == "simulated" else "live",
        quality=quality,
        carbon_issued_at=at if known else None,
        carbon_retrieved_at=at if known else None,
        carbon_age=NOW - at if known else None,
        carbon_known_until=NOW + timedelta(hours=48) if known else None,
        prices_known_until=PRICES_UNTIL if known else None,
        prices_retrieved_at=at if known else None,
        text=text,
        is_simulated=mode == "simulated",
        banner=banners.get(mode),
        sources=(SourceHealth("carbon", at if known else None, None, 0, None, None),),
    )


def starts_between(release: datetime, deadline: datetime, length: timedelta) -> list[datetime]:
    """Return the half-hours at which a run of some length may start."""
    first = first_start(release)
    return [first + k * SLOT for k in range((deadline - length - first) // SLOT + 1)]


def first_start(release: datetime) -> datetime:
    """Return the first half-hour that starts at or after an instant."""
    first = floor_slot(release)
    return first if first >= release else first + SLOT


HALF_HOUR_HOURS = SLOT_HOURS
"""Length of a half-hour, for sums worked by hand. [h]"""
