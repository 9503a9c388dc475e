"""A recorded grid played back: at time T only what was known at T is visible.

- An actual is visible once its half-hour has ended; a forecast from its issue time; a tariff from its issue time, or
  without one from 16:00 London on the date whose 23:00 begins its set.
- A forecast without issue time counts as issued 48 h ahead and is labelled *optimistic, leaks*: archives keep the last
  forecast, which knew more than one made 48 h ahead.
- Regional carbon is scarce in recordings, so a region without any carbon row takes the `gb` value, and its note says so.
  A price stands in for other regions only if the file gives it for `gb`. Nothing else is filled.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from api_clients.replay_table import (
    NO_ISSUE,
    SLOT_SECONDS,
    ReplayTable,
    Rows,
    load_table,
)
from models.domain.errors import SourceUnavailable
from models.domain.ports import SignalBatch
from models.domain.regions import PRICE_LETTERS, REGIONS, region_of_letter
from models.domain.signal import (
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import SLOT, Horizon, as_utc, ceil_slot, floor_slot, format_utc

FORECAST_SLOTS = 96
"""Half-hours a forecast reaches ahead, as with the live source."""

LEAKS = "optimistic, leaks"
NATIONAL = "national value, the replay has no rows of this region"


class ReplayGrid:
    """Carbon and price source over a recorded file."""

    mode = "replay"

    def __init__(self, directory: Path) -> None:
        """Read the whole file.

        Raises:
            SourceUnavailable: If the folder holds no replay file.
            SourceMalformed: If the file has a wrong cell; the sentence names row and column.
        """
        self._table: ReplayTable = load_table(Path(directory))
        self.name = f"replay of {self._table.file_name}"

    def forecast(self, now: datetime) -> SignalBatch:
        """Return, for every region, the newest forecast visible at `now` for each of the next 48 h.

        Raises:
            SourceUnavailable: If nothing is visible.
        """
        horizon = Horizon(floor_slot(now), FORECAST_SLOTS)
        return self._batch(SignalName.CARBON, (ValueKind.FORECAST,), REGIONS, horizon, now)

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Return past carbon in `[start, end)`: actuals where recorded, else the last forecast.

        Raises:
            SourceUnavailable: If nothing is visible.
        """
        horizon = self._horizon(start, min(as_utc(end), floor_slot(now)))
        return self._batch(
            SignalName.CARBON, (ValueKind.ACTUAL, ValueKind.FORECAST), REGIONS, horizon, now
        )

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Return the tariffs published at `now` for some letters' regions in `[start, end)`, ex VAT.

        Raises:
            SourceUnavailable: If nothing is visible.
        """
        slugs = [region_of_letter(letter).slug for letter in PRICE_LETTERS if letter in letters]
        horizon = self._horizon(start, as_utc(end))
        return self._batch(SignalName.PRICE, (ValueKind.TARIFF,), slugs, horizon, now)

    # --- inside -------------------------------------------------------------------------------

    def _horizon(self, start: datetime, end: datetime) -> Horizon:
        first, until = floor_slot(start), ceil_slot(end)
        if until <= first:
            raise SourceUnavailable(
                f"{self.name} has nothing between {format_utc(start)} and {format_utc(end)}",
                source=self.name,
            )
        return Horizon(first, (until - first) // SLOT)

    def _batch(
        self,
        name: SignalName,
        kinds: tuple[ValueKind, ...],
        slugs: Iterable[str],
        horizon: Horizon,
        now: datetime,
    ) -> SignalBatch:
        series = []
        for slug in slugs:
            made = self._series(name, kinds, slug, horizon, now)
            if made is not None:
                series.append(made)
        if not series:
            raise SourceUnavailable(
                f"{self.name} shows no {name} for {format_utc(horizon.start)} to "
                f"{format_utc(horizon.end)} at {format_utc(now)}; the file covers "
                f"{format_utc(self._table.start)} to {format_utc(self._table.end)}",
                source=self.name,
            )
        return SignalBatch(
            tuple(series), dropped_rows=self._table.dropped_rows, warnings=self._table.warnings
        )

    def _series(
        self,
        name: SignalName,
        kinds: tuple[ValueKind, ...],
        slug: str,
        horizon: Horizon,
        now: datetime,
    ) -> SignalSeries | None:
        """Return the visible values of a region (of `gb` where it has no row), up to the last known slot."""
        has_own = any((name, kind, slug) in self._table.rows for kind in ValueKind)
        place, note = (slug, "") if has_own else ("gb", NATIONAL)
        whole: SignalSeries | None = None
        for kind in kinds:
            rows = self._table.rows.get((name, kind, place))
            if rows is None:
                continue
            made = self._of_rows(name, kind, slug, rows, horizon, now, note)
            whole = made if whole is None else whole.filled_from(made)
        if whole is None or not whole.is_known.any():
            return None
        last = int(np.flatnonzero(whole.is_known)[-1])
        return whole.over(Horizon(horizon.start, last + 1))

    def _of_rows(
        self,
        name: SignalName,
        kind: ValueKind,
        slug: str,
        rows: Rows,
        horizon: Horizon,
        now: datetime,
        note: str,
    ) -> SignalSeries:
        first = int(horizon.start.timestamp()) // SLOT_SECONDS
        position, slots = rows.newest(first, horizon.slots, int(as_utc(now).timestamp()))
        values = np.full(horizon.slots, np.nan)
        index = np.full(horizon.slots, -1, dtype=np.int64)
        issues, which = np.unique(rows.issued_at[position], return_inverse=True)
        values[slots - first] = rows.value[position]
        index[slots - first] = which
        provenances = tuple(self._provenance(kind, int(issue), now, note) for issue in issues)
        return SignalSeries(name, slug, horizon, values, index, provenances)

    def _provenance(
        self, kind: ValueKind, issued_seconds: int, now: datetime, note: str
    ) -> Provenance:
        has_issue = issued_seconds != NO_ISSUE
        leaks = LEAKS if kind is ValueKind.FORECAST and not has_issue else ""
        return Provenance(
            source=self.name,
            endpoint=self._table.file_name,
            kind=kind,
            quality=Quality.REPLAYED,
            issued_at=datetime.fromtimestamp(issued_seconds, UTC) if has_issue else None,
            retrieved_at=as_utc(now),
            sha256=self._table.sha256,
            note="; ".join(part for part in (leaks, note) if part),
        )
