"""What a recorded grid tells a planner at an instant of the past, and what really came.

Every value shown at an instant was known then: half-hours that had ended, tariffs that were published, and the kind of
forecast asked for. Holes are filled by the estimators that the program uses itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from models.domain.errors import SourceUnavailable
from models.domain.ports import CarbonSource, PriceSource
from models.domain.regions import REGIONS, region_of_letter
from models.domain.signal import RegionSignals, SignalName, SignalSeries
from models.domain.time import SLOT, Horizon
from models.optimise.table import BoolArray
from services.backtest_types import Forecast
from services.signal_estimates import SAMPLE_DAYS, carbon_estimates, price_estimates
from services.signal_labels import aggregate_price

PAST_SLOTS = SAMPLE_DAYS * 48
"""Half-hours before an instant that estimates are made from."""

LATER = timedelta(days=365)
"""After so long everything about a half-hour is known."""


class RecordedGrid:
    """A recorded grid over the time of a back-test."""

    def __init__(
        self,
        carbon: CarbonSource,
        price: PriceSource | None,
        regions: Sequence[str],
        whole: Horizon,
    ) -> None:
        """Read what really came.

        Args:
            carbon: Recorded carbon; `history` gives what came, `forecast` what was foretold.
            price: Recorded tariffs; None: costs are unknown.
            regions: Slugs to read.
            whole: Half-hours in which jobs may run.

        Raises:
            SourceUnavailable: If the recording holds no carbon at all for this time.
        """
        self._carbon, self._price = carbon, price
        self._regions = tuple(regions)
        self._known = Horizon(whole.start - PAST_SLOTS * SLOT, whole.slots + PAST_SLOTS)
        end_of_time = self._known.end + LATER
        found = carbon.history(self._known.start, self._known.end, end_of_time)
        self._came = self._by_region(SignalName.CARBON, found.series, self._known)
        self._paid = self._prices(self._known, end_of_time)
        self._foretold: tuple[datetime, Mapping[str, SignalSeries]] | None = None

    def truth(self, horizon: Horizon) -> dict[str, RegionSignals]:
        """Return what really came, by region; unknown half-hours stay unknown."""
        return {
            slug: RegionSignals(
                slug, horizon, self._came[slug].over(horizon), self._paid[slug].over(horizon)
            )
            for slug in self._regions
        }

    def view(self, now: datetime, horizon: Horizon, forecast: Forecast) -> dict[str, RegionSignals]:
        """Return what a planner is shown at an instant, by region."""
        if forecast is Forecast.PERFECT:
            return self.truth(horizon)
        past = Horizon(now - PAST_SLOTS * SLOT, PAST_SLOTS)
        first = max(0, horizon.index_of(now))
        prices = self._prices(Horizon(past.start, PAST_SLOTS + first_slots(now, horizon)), now)
        shown = {}
        for slug in self._regions:
            ended = self._came[slug].over(past)
            carbon = _only(self._came[slug].over(horizon), np.arange(horizon.slots) < first)
            foretold = self._forecast(slug, now, horizon, forecast)
            carbon = carbon.filled_from(foretold)
            guess = carbon_estimates(ended, SignalSeries.empty(SignalName.CARBON, slug, Horizon(now, 1)), horizon, now)  # fmt: skip
            published = prices[slug]
            price = published.over(horizon)
            price_guess = price_estimates(published.over(past), price, horizon, now)
            shown[slug] = RegionSignals(
                slug, horizon, carbon.filled_from(guess), price.filled_from(price_guess)
            )
        return shown

    def _forecast(
        self, slug: str, now: datetime, horizon: Horizon, forecast: Forecast
    ) -> SignalSeries:
        """Return the forecast of the wanted kind; unknown where there is none."""
        blank = SignalSeries.empty(SignalName.CARBON, slug, horizon)
        if forecast is Forecast.COMPUTED:
            return blank
        if self._foretold is None or self._foretold[0] != now:
            try:
                found = self._carbon.forecast(now).series
            except SourceUnavailable:
                found = ()
            self._foretold = (now, {series.region: series for series in found})
        series = self._foretold[1].get(slug)
        if series is None:
            return blank
        if forecast is Forecast.AS_ISSUED:
            is_issued = np.array([p.issued_at is not None for p in series.provenances] + [False])
            series = _only(series, is_issued[series.provenance_index])
        return series.over(horizon)

    def _prices(self, horizon: Horizon, now: datetime) -> dict[str, SignalSeries]:
        """Return the tariffs published at an instant, by region."""
        blank = {
            slug: SignalSeries.empty(SignalName.PRICE, slug, horizon) for slug in self._regions
        }
        if self._price is None:
            return blank
        letters = sorted({x for slug in self._regions for x in REGIONS[slug].price_letters})
        try:
            found = self._price.prices(letters, horizon.start, horizon.end, now).series
        except SourceUnavailable:
            return blank
        by_place = {series.region: series.over(horizon) for series in found}
        answer = {}
        for slug in self._regions:
            members = [by_place.get(region_of_letter(x).slug) for x in REGIONS[slug].price_letters]
            known = [series for series in members if series is not None]
            is_whole = len(known) == len(members)
            answer[slug] = aggregate_price(slug, known) if is_whole else blank[slug]
        return answer

    def _by_region(
        self, name: SignalName, series: Sequence[SignalSeries], horizon: Horizon
    ) -> dict[str, SignalSeries]:
        found = {one.region: one.over(horizon) for one in series}
        return {
            slug: found.get(slug, SignalSeries.empty(name, slug, horizon)) for slug in self._regions
        }


def first_slots(now: datetime, horizon: Horizon) -> int:
    """Return the half-hours from an instant to the end of a horizon, at least one."""
    return max(1, (horizon.end - now) // SLOT)


def _only(series: SignalSeries, keep: BoolArray) -> SignalSeries:
    """Return a series with the other half-hours unknown."""
    return replace(
        series,
        values=np.where(keep, series.values, np.nan),
        provenance_index=np.where(keep, series.provenance_index, -1).astype(np.int64),
    )
