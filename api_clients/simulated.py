"""A deterministic synthetic GB grid as carbon and price source: for demonstrations, tests, and a first look offline.

A pure function of (seed, half-hour): asked twice, it answers the same, and no state is kept. Everything it says is marked
`simulated`; nothing planned on it is dispatched, traded or reported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from api_clients.simulated_forecast import error_sd_g_per_kwh, forecast_error
from api_clients.simulated_grid import DEMAND_SHARE, FUELS, GridState, simulate
from models.domain.errors import SourceUnavailable
from models.domain.ports import SignalBatch
from models.domain.regions import DNO_REGIONS, PRICE_LETTERS, REGIONS, region_of_letter
from models.domain.signal import (
    MixSeries,
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import (
    SLOT,
    Horizon,
    agile_published_at,
    as_utc,
    ceil_slot,
    floor_slot,
    format_utc,
    half_hour_of_day,
)

FloatArray = NDArray[np.float64]

FORECAST_SLOTS = 96
"""Half-hours a forecast reaches ahead, as with the live source."""

FLOOR_G_PER_KWH = 20.0
"""Lowest national intensity a forecast states. [gCO2/kWh]"""


@dataclass(frozen=True, slots=True)
class AgileFormula:
    """Coefficients of the Agile tariff in one region: ex VAT = min(D·W + P at the peak, cap)."""

    multiplier: float
    """D: wholesale price times this. [1]"""
    peak_adder_p_per_kwh: float
    """P: added from 16:00 to 19:00 London. [p/kWh]"""


AGILE: dict[str, AgileFormula] = {
    "A": AgileFormula(2.10, 13.0),
    "B": AgileFormula(2.00, 14.0),
    "C": AgileFormula(2.00, 12.0),
    "D": AgileFormula(2.20, 13.0),
    "E": AgileFormula(2.10, 11.0),
    "F": AgileFormula(2.10, 12.0),
    "G": AgileFormula(2.10, 12.0),
    "H": AgileFormula(2.10, 12.0),
    "J": AgileFormula(2.20, 12.0),
    "K": AgileFormula(2.20, 12.0),
    "L": AgileFormula(2.30, 11.0),
    "M": AgileFormula(2.00, 13.0),
    "N": AgileFormula(2.10, 13.0),
    "P": AgileFormula(2.40, 12.0),
}
"""By region letter.

Source: Octopus Energy, "Agile pricing explained" (shape of the formula), and coefficients on which two independent public
models of the tariff agree (for E one of them has a peak adder of 12).
"""

AGILE_CAP_P_PER_KWH = 95.24
"""Cap ex VAT: 100 p with 5 % VAT. [p/kWh] Source: Octopus Energy product descriptions since November 2022."""

PEAK_SHIFT_P_PER_KWH = -3.5
"""Change of the peak adder from 1 April 2026, when policy costs left the bill. [p/kWh] Source: one public model of it."""

PEAK_SHIFT_FROM = datetime(2026, 3, 31, 23, tzinfo=UTC)
"""Midnight in London at the beginning of 1 April 2026."""

_PEAK_HALF_HOURS = range(32, 38)
"""16:00 to 19:00 London."""


class SimulatedGrid:
    """Carbon and price source of the synthetic grid."""

    name = "simulated grid"
    mode = "simulated"

    def __init__(self, seed: int = 1) -> None:
        """Choose the grid; equal seeds give equal grids."""
        self._seed = seed
        self._sha256 = hashlib.sha256(f"simulated grid, seed {seed}".encode()).hexdigest()

    def forecast(self, now: datetime) -> SignalBatch:
        """Return the forecast issued in the current half-hour for the next 48 h: 18 regions with their mix."""
        horizon = Horizon(floor_slot(now), FORECAST_SLOTS)
        state = simulate(self._seed, _slots(horizon))
        national, regional = self._forecast_values(state, int(_slots(horizon)[0]))
        provenance = self._provenance(ValueKind.FORECAST, horizon.start, now)
        return SignalBatch(
            _carbon(horizon, national, regional, provenance),
            _mixes(horizon, state, provenance),
        )

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Return the truth for `gb` (kind actual) and the last forecasts of the regions in `[start, end)`.

        Raises:
            SourceUnavailable: If no half-hour of the range has ended.
        """
        first, until = floor_slot(start), min(ceil_slot(end), floor_slot(now))
        if until <= first:
            raise SourceUnavailable(
                f"no half-hour between {format_utc(start)} and {format_utc(end)} has ended yet",
                source=self.name,
            )
        horizon = Horizon(first, (until - first) // SLOT)
        state = simulate(self._seed, _slots(horizon))
        last_forecast = self._provenance(
            ValueKind.FORECAST, None, now, "last forecast, not metered"
        )
        carbon = _carbon(horizon, state.national_g_per_kwh, state.regional_g_per_kwh, last_forecast)
        actual = self._provenance(ValueKind.ACTUAL, None, now)
        metered = SignalSeries.of(
            SignalName.CARBON, "gb", horizon, state.national_g_per_kwh, actual
        )
        return SignalBatch(
            tuple(metered if series.region == "gb" else series for series in carbon),
            _mixes(horizon, state, actual),
        )

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Return Agile prices of some letters' regions in `[start, end)`, as far as out at `now`, ex VAT.

        Raises:
            SourceUnavailable: If none of the range is published, or no letter is known.
        """
        first = floor_slot(start)
        slots = max(0, (ceil_slot(end) - first) // SLOT)
        while slots and agile_published_at(first + (slots - 1) * SLOT) > as_utc(now):
            slots -= 1
        known = [letter for letter in PRICE_LETTERS if letter in letters]
        if not slots or not known:
            raise SourceUnavailable(
                f"{self.name} has published no price from {format_utc(start)} to {format_utc(end)}",
                source=self.name,
            )
        horizon = Horizon(first, slots)
        wholesale = simulate(self._seed, _slots(horizon)).wholesale_p_per_kwh
        starts = horizon.starts()
        issues = [agile_published_at(t) for t in starts]
        distinct = sorted(set(issues))
        index = np.searchsorted(
            np.array([t.timestamp() for t in distinct]), [t.timestamp() for t in issues]
        ).astype(np.int64)
        provenances = tuple(self._provenance(ValueKind.TARIFF, t, now, "ex VAT") for t in distinct)
        peak_p = np.array([_peak_adder_share(t) for t in starts])
        shift_p = np.array([PEAK_SHIFT_P_PER_KWH if t >= PEAK_SHIFT_FROM else 0.0 for t in starts])
        return SignalBatch(
            tuple(
                SignalSeries(
                    SignalName.PRICE,
                    region_of_letter(letter).slug,
                    horizon,
                    _agile_gbp_per_kwh(AGILE[letter], wholesale, peak_p, shift_p),
                    index,
                    provenances,
                )
                for letter in known
            )
        )

    # --- inside -------------------------------------------------------------------------------

    def _forecast_values(self, state: GridState, issue_slot: int) -> tuple[FloatArray, FloatArray]:
        """Return national and regional carbon as forecast in a half-hour. [gCO2/kWh]"""
        lead_hours = np.asarray(state.slot - issue_slot, dtype=np.float64) * 0.5
        sd = error_sd_g_per_kwh(lead_hours)
        error = forecast_error(self._seed, issue_slot, state.slot, len(DNO_REGIONS))
        truth = state.national_g_per_kwh
        national = np.maximum(FLOOR_G_PER_KWH, truth + sd * error[0])
        # A clean region errs less in grams than a dirty one.
        scale = np.sqrt(state.regional_g_per_kwh / np.maximum(truth, 1.0)[None, :])
        regional = np.maximum(0.0, state.regional_g_per_kwh + sd[None, :] * scale * error[1:])
        return np.asarray(np.round(national)), np.asarray(np.round(regional))

    def _provenance(
        self, kind: ValueKind, issued_at: datetime | None, now: datetime, note: str = ""
    ) -> Provenance:
        return Provenance(
            source=self.name,
            endpoint=f"seed {self._seed}",
            kind=kind,
            quality=Quality.SIMULATED,
            issued_at=issued_at,
            retrieved_at=as_utc(now),
            sha256=self._sha256,
            note=note,
        )


def _slots(horizon: Horizon) -> NDArray[np.int64]:
    """Return the half-hours of a horizon, counted since 1970."""
    first = int(horizon.start.timestamp()) // 1800
    return np.arange(first, first + horizon.slots, dtype=np.int64)


def _aggregate(slug: str, regional: FloatArray) -> FloatArray:
    """Return the demand-weighted mean over the members of England, Scotland or Wales, along axis 0."""
    inside = [number for number, r in enumerate(DNO_REGIONS) if r.slug in REGIONS[slug].members]
    return np.asarray(np.average(regional[inside], axis=0, weights=DEMAND_SHARE[inside]))


def _carbon(
    horizon: Horizon, national: FloatArray, regional: FloatArray, provenance: Provenance
) -> tuple[SignalSeries, ...]:
    """Return one carbon series for each of the 18 regions."""
    values = {r.slug: regional[number] for number, r in enumerate(DNO_REGIONS)}
    for slug in ("england", "scotland", "wales"):
        values[slug] = _aggregate(slug, regional)
    values["gb"] = national
    return tuple(
        SignalSeries.of(SignalName.CARBON, slug, horizon, values[slug], provenance)
        for slug in REGIONS
    )


def _mixes(horizon: Horizon, state: GridState, provenance: Provenance) -> tuple[MixSeries, ...]:
    """Return the generation mix of each of the 18 regions. [%]"""
    shares = {r.slug: state.regional_mix[number] for number, r in enumerate(DNO_REGIONS)}
    for slug in ("england", "scotland", "wales"):
        shares[slug] = _aggregate(slug, state.regional_mix)
    shares["gb"] = state.national_mix
    return tuple(
        MixSeries(
            slug,
            horizon,
            {fuel: 100.0 * shares[slug][:, number] for number, fuel in enumerate(FUELS)},
            provenance,
        )
        for slug in REGIONS
    )


def _peak_adder_share(start: datetime) -> float:
    """Return 1 from 16:00 to 19:00 London, else 0."""
    return 1.0 if half_hour_of_day(start) in _PEAK_HALF_HOURS else 0.0


def _agile_gbp_per_kwh(
    formula: AgileFormula, wholesale_p: FloatArray, at_peak: FloatArray, shift_p: FloatArray
) -> FloatArray:
    """Return the Agile price ex VAT. [GBP/kWh]"""
    pence = formula.multiplier * wholesale_p + at_peak * (formula.peak_adder_p_per_kwh + shift_p)
    return np.asarray(np.minimum(pence, AGILE_CAP_P_PER_KWH).round(3) / 100.0)
