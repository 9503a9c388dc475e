"""Cut a view of some regions from the archive: label by age, form aggregates, fill with own estimates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from models.domain.regions import REGIONS, region_of_letter
from models.domain.signal import Quality, RegionSignals, SignalName, SignalSeries
from models.domain.time import Horizon, floor_slot
from services.signal_archive import Archive, Revision
from services.signal_estimates import SAMPLE_DAYS, carbon_estimates, price_estimates
from services.signal_labels import AgeLimits, aged, aggregate_price, only_from


class ViewCutter:
    """Makes `RegionSignals` from archived series."""

    def __init__(self, archive: Archive, limits: AgeLimits) -> None:
        """Bind the archive and the ages up to which live values keep a label."""
        self._archive = archive
        self._limits = limits

    def cut(
        self,
        slugs: list[str],
        horizon: Horizon,
        mode: str,
        now: datetime,
        revision: Revision,
        *,
        with_mix: bool,
    ) -> dict[str, RegionSignals]:
        """Build the views of some regions."""
        carbon = self._archive.series(SignalName.CARBON, slugs, horizon, mode, now, revision)
        members = {s: [region_of_letter(x).slug for x in REGIONS[s].price_letters] for s in slugs}
        places = list(dict.fromkeys(m for slug in slugs for m in members[slug]))
        price = self._archive.series(SignalName.PRICE, places, horizon, mode, now, revision)
        if mode == "live":
            limits = self._limits
            carbon = {slug: aged(series, now, limits) for slug, series in carbon.items()}
            price = {slug: aged(series, now, limits) for slug, series in price.items()}
        prices = {slug: aggregate_price(slug, [price[m] for m in members[slug]]) for slug in slugs}
        needs = _has_unknown_ahead
        carbon |= self._carbon_estimated(
            {s: carbon[s] for s in slugs if needs(carbon[s], now)}, mode, now, revision
        )
        prices |= self._price_estimated(
            {s: prices[s] for s in slugs if needs(prices[s], now)}, members, mode, now, revision
        )
        mixes = self._archive.mixes(slugs, horizon, mode, now, revision) if with_mix else {}
        return {
            slug: RegionSignals(slug, horizon, carbon[slug], prices[slug], mixes.get(slug, ()))
            for slug in slugs
        }

    def _carbon_estimated(
        self, open_series: dict[str, SignalSeries], mode: str, now: datetime, revision: Revision
    ) -> dict[str, SignalSeries]:
        """Fill unknown slots from now on with own estimates of carbon."""
        if not open_series:
            return {}
        past = self._archive.series(
            SignalName.CARBON, open_series, _sample_horizon(now), mode, now, revision
        )
        ahead = self._archive.series(
            SignalName.CARBON, open_series, Horizon(floor_slot(now), 96), mode, now, revision
        )
        filled = {}
        for slug, series in open_series.items():
            forecast = aged(ahead[slug], now, self._limits) if mode == "live" else ahead[slug]
            estimate = carbon_estimates(
                past[slug], forecast, series.horizon, now, _estimate_quality(mode)
            )
            filled[slug] = series.filled_from(only_from(estimate, now))
        return filled

    def _price_estimated(
        self,
        open_series: dict[str, SignalSeries],
        members: Mapping[str, list[str]],
        mode: str,
        now: datetime,
        revision: Revision,
    ) -> dict[str, SignalSeries]:
        """Fill unknown slots from now on with own estimates of the price."""
        if not open_series:
            return {}
        places = list(dict.fromkeys(m for slug in open_series for m in members[slug]))
        sample, here = _sample_horizon(now), Horizon(floor_slot(now), 96)
        past = self._archive.series(SignalName.PRICE, places, sample, mode, now, revision)
        ahead = self._archive.series(SignalName.PRICE, places, here, mode, now, revision)
        filled = {}
        for slug, series in open_series.items():
            estimate = price_estimates(
                aggregate_price(slug, [past[m] for m in members[slug]]),
                aggregate_price(slug, [ahead[m] for m in members[slug]]),
                series.horizon,
                now,
                _estimate_quality(mode),
            )
            filled[slug] = series.filled_from(only_from(estimate, now))
        return filled


def _sample_horizon(now: datetime) -> Horizon:
    return Horizon(floor_slot(now) - timedelta(days=SAMPLE_DAYS), SAMPLE_DAYS * 48)


def _has_unknown_ahead(series: SignalSeries, now: datetime) -> bool:
    first = max(0, series.horizon.index_of(now))
    return first < series.horizon.slots and bool(np.isnan(series.values[first:]).any())


def _estimate_quality(mode: str) -> Quality:
    return Quality.SIMULATED if mode == "simulated" else Quality.ESTIMATED
