"""What a stretch of work costs on a region's signals, summed by the minutes of each half-hour.

Pure arithmetic, written without arrays on purpose: it is a second, independent way to the numbers that the
optimiser arrives at, used for outturns and fleet baselines and to check plans. Figures are at the meter
(IT × PUE). A value that rests on an unknown half-hour is None, never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.domain.asset import Asset
from models.domain.job import Job
from models.domain.plan import Placement, Savings, Segment
from models.domain.signal import Quality, RegionSignals, SignalSeries, ValueKind, worst_quality
from models.domain.time import SLOT, floor_slot

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Valuation:
    """What some segments cost on one set of signals, at the meter; cost and carbon with a transfer where one is added."""

    energy_kwh: float
    carbon_kg: float | None
    """Estimated, average location-based. [kg]"""
    cost_gbp: float | None
    mean_carbon_g_per_kwh: float | None
    """Energy-weighted. [g/kWh]"""
    mean_price_gbp_per_kwh: float | None
    """Energy-weighted. [GBP/kWh]"""
    estimated_share: float
    """Share of the half-hours whose carbon or price is an own estimate, 0 to 1."""
    quality: Quality
    """Worst among the values used; `none` where any is unknown."""


def slot_energy_kwh(segments: Sequence[Segment], pue: float) -> dict[datetime, float]:
    """Return the meter energy of some segments in each half-hour they touch, by its start. [kWh]

    A half-hour that is only partly used counts by its minutes.
    """
    energy: dict[datetime, float] = {}
    for segment in segments:
        slot = floor_slot(segment.start)
        while slot < segment.end:
            used = min(segment.end, slot + SLOT) - max(segment.start, slot)
            energy[slot] = energy.get(slot, 0.0) + segment.power_kw * pue * (used / _HOUR)
            slot += SLOT
    return energy


def value(segments: Sequence[Segment], pue: float, signals: RegionSignals) -> Valuation:
    """Return what some segments cost on a region's signals.

    Args:
        segments: Stretches of constant IT power; they may start and end inside a half-hour.
        pue: Power usage effectiveness of the site, at least 1.
        signals: Carbon and price of the region; half-hours outside its horizon are unknown.
    """
    energy = slot_energy_kwh(segments, pue)
    total_kwh = sum(energy.values())
    grams, carbon_quality, carbon_estimates = _weigh(energy, signals.carbon)
    pounds, price_quality, price_estimates = _weigh(energy, signals.price)
    estimates = len(carbon_estimates | price_estimates)
    return Valuation(
        energy_kwh=total_kwh,
        carbon_kg=None if grams is None else grams / 1000.0,
        cost_gbp=pounds,
        mean_carbon_g_per_kwh=_mean(grams, total_kwh),
        mean_price_gbp_per_kwh=_mean(pounds, total_kwh),
        estimated_share=estimates / len(energy) if energy else 0.0,
        quality=worst_quality([carbon_quality, price_quality]),
    )


def with_transfer(worth: Valuation, transfer_kwh: float) -> Valuation:
    """Return what a run costs together with moving its data: that energy at the run's mean price and carbon.

    Energy and means stay those of the run.

    Args:
        worth: The run alone.
        transfer_kwh: Energy of the network. [kWh]
    """
    if transfer_kwh == 0.0:
        return worth
    carbon, price = worth.mean_carbon_g_per_kwh, worth.mean_price_gbp_per_kwh
    return replace(
        worth,
        carbon_kg=_plus(worth.carbon_kg, carbon, transfer_kwh / 1000.0),
        cost_gbp=_plus(worth.cost_gbp, price, transfer_kwh),
    )


def _plus(total: float | None, mean: float | None, amount: float) -> float | None:
    return None if total is None or mean is None else total + mean * amount


def _weigh(
    energy: dict[datetime, float], series: SignalSeries
) -> tuple[float | None, Quality, set[datetime]]:
    """Return Σ energy · value (None if any is unknown), the worst quality, and the estimated half-hours."""
    total: float | None = 0.0
    qualities: list[Quality] = []
    estimated: set[datetime] = set()
    for slot, energy_kwh in energy.items():
        known = series.at(series.horizon.index_of(slot))
        if known.value is None or known.provenance is None:
            total = None
            qualities.append(Quality.NONE)
            continue
        if total is not None:
            total += energy_kwh * known.value
        qualities.append(known.provenance.quality)
        if known.provenance.kind is ValueKind.ESTIMATE:
            estimated.add(slot)
    return total, worst_quality(qualities), estimated


def _mean(total: float | None, energy_kwh: float) -> float | None:
    return None if total is None or energy_kwh <= 0.0 else total / energy_kwh


def job_segments(job: Job, start: datetime) -> tuple[Segment, ...]:
    """Return the contiguous run of a job from `start`, as stretches of constant IT power.

    The run ends after the exact duration, inside a half-hour if need be.
    """
    end = start + job.duration
    pieces: list[Segment] = []
    for k, power_kw in enumerate(job.slot_power_kw()):
        piece_end = min(start + (k + 1) * SLOT, end)
        if pieces and pieces[-1].power_kw == power_kw:
            pieces[-1] = Segment(pieces[-1].start, piece_end, power_kw)
        else:
            pieces.append(Segment(start + k * SLOT, piece_end, power_kw))
    return tuple(pieces)


def placement(asset: Asset, segments: Sequence[Segment], signals: RegionSignals) -> Placement:
    """Return segments on an asset as a placement, valued on the signals of the asset's region."""
    worth = value(segments, asset.pue, signals)
    return Placement(
        asset_id=asset.asset_id,
        region=asset.region,
        start=segments[0].start,
        end=segments[-1].end,
        segments=tuple(segments),
        energy_kwh=worth.energy_kwh,
        carbon_kg=worth.carbon_kg,
        cost_gbp=worth.cost_gbp,
        mean_carbon_g_per_kwh=worth.mean_carbon_g_per_kwh,
        mean_price_gbp_per_kwh=worth.mean_price_gbp_per_kwh,
        estimated_share=worth.estimated_share,
        data_quality=worth.quality,
    )


def meter_factor(placed: Placement) -> float:
    """Return meter energy over IT energy of a placement: the PUE it was planned with."""
    it_kwh = sum(s.power_kw * ((s.end - s.start) / _HOUR) for s in placed.segments)
    return placed.energy_kwh / it_kwh if it_kwh > 0.0 else 1.0


def savings(
    baseline_carbon_kg: float | None,
    baseline_cost_gbp: float | None,
    carbon_kg: float | None,
    cost_gbp: float | None,
) -> Savings:
    """Return baseline minus plan; percentages are of the baseline's size and None where that is zero."""
    carbon = _difference(baseline_carbon_kg, carbon_kg)
    cost = _difference(baseline_cost_gbp, cost_gbp)
    return Savings(
        carbon_kg=carbon,
        carbon_percent=_percent(carbon, baseline_carbon_kg),
        cost_gbp=cost,
        cost_percent=_percent(cost, baseline_cost_gbp),
    )


def _difference(baseline: float | None, plan: float | None) -> float | None:
    if baseline is None or plan is None:
        return None
    saved = baseline - plan
    # The same sum in another order is no saving.
    return 0.0 if abs(saved) <= 1e-9 * max(abs(baseline), abs(plan)) else saved


def _percent(saved: float | None, baseline: float | None) -> float | None:
    if saved is None or baseline is None or abs(baseline) < 1e-12:
        return None
    return saved / abs(baseline) * 100.0
