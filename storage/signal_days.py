"""The newest known values by UTC day, kept beside the archive so that reading them does not depend on its length."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from models.domain.signal import Provenance
from models.domain.time import Horizon
from storage.database import Transaction
from storage.signal_arrays import Canvas, Issue, pack_canvas, standing, unpack_canvas
from storage.tables import SignalDayRow

DAY = timedelta(days=1)
SLOTS_PER_UTC_DAY = 48
"""Half-hours of a UTC day; UTC has no clock change."""

DayKey = tuple[str, str, datetime]
"""(name, region, start of the UTC day)."""


@dataclass
class Day:
    """One UTC day of one signal of one region."""

    canvas: Canvas
    newest_at: datetime
    """Greatest `retrieved_at` of any issue that touches the day."""


def day_start_of(instant: datetime) -> datetime:
    """Return the start of the UTC day of an instant."""
    utc = instant.astimezone(UTC)
    return datetime(utc.year, utc.month, utc.day, tzinfo=UTC)


def days_of(horizon: Horizon) -> list[datetime]:
    """Return the start of every UTC day a horizon touches."""
    first = day_start_of(horizon.start)
    return [first + DAY * k for k in range(-((first - horizon.end) // DAY))]


def load_days(
    transaction: Transaction,
    mode: str,
    names: Collection[str],
    regions: Collection[str],
    first: datetime,
    last: datetime,
) -> dict[DayKey, Day]:
    """Return the stored days of some signals and regions from the day starting at `first` to that at `last`."""
    rows = transaction.rows(
        select(
            SignalDayRow.name,
            SignalDayRow.region,
            SignalDayRow.day_start,
            SignalDayRow.newest_at,
            SignalDayRow.channels,
            SignalDayRow.payload,
        ).where(
            SignalDayRow.mode == mode,
            SignalDayRow.name.in_(sorted(names)),
            SignalDayRow.region.in_(sorted(regions)),
            SignalDayRow.day_start >= first,
            SignalDayRow.day_start <= last,
        )
    )
    return {
        (row.name, row.region, row.day_start): Day(
            unpack_canvas(
                Horizon(row.day_start, SLOTS_PER_UTC_DAY), row.channels, bytes(row.payload)
            ),
            row.newest_at,
        )
        for row in rows
    }


def store_days(transaction: Transaction, mode: str, days: Mapping[DayKey, Day]) -> None:
    """Store days, replacing what was stored of them."""
    rows: list[dict[str, Any]] = []
    for (name, region, day_start), day in sorted(days.items(), key=lambda item: item[0]):
        channels, payload = pack_canvas(day.canvas)
        rows.append(
            {
                "mode": mode,
                "name": name,
                "region": region,
                "day_start": day_start,
                "newest_at": day.newest_at,
                "channels": channels,
                "payload": payload,
            }
        )
    transaction.upsert(SignalDayRow, ["mode", "name", "region", "day_start"], rows)


def lay_issues(
    days: dict[DayKey, Day],
    issues: Iterable[tuple[Issue, int]],
    provenances: Callable[[int], Provenance],
) -> None:
    """Lay new issues, in order of arrival, over days; missing days are added.

    Args:
        days: What is known so far; changed in place.
        issues: Each issue with the id of its provenance.
        provenances: Provenance of an id, those of `issues` included.
    """
    for issue, issue_id in issues:
        mine = standing(issue.name, issue.provenance)

        def beats(other: int, name: str = issue.name, mine: tuple[int, datetime] = mine) -> bool:
            return mine >= standing(name, provenances(other))

        retrieved_at = issue.provenance.retrieved_at
        for day_start in days_of(issue.horizon):
            day = days.setdefault(
                (issue.name, issue.region, day_start),
                Day(Canvas(Horizon(day_start, SLOTS_PER_UTC_DAY)), retrieved_at),
            )
            day.newest_at = max(day.newest_at, retrieved_at)
            day.canvas.lay(issue, issue_id, beats)


def drop_days(transaction: Transaction, before: datetime) -> None:
    """Delete days that ended by an instant."""
    transaction.execute(delete(SignalDayRow).where(SignalDayRow.day_start <= before - DAY))
