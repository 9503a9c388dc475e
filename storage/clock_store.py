"""The start of a shifted clock and its last reading, shared by all processes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select, update

from storage.database import Database
from storage.tables import ClockStateRow


class SqlClockStore:
    """`ClockStore` on SQL."""

    def __init__(self, database: Database) -> None:
        """Keep the clock in a database."""
        self._database = database

    def anchor(
        self, clock_start: datetime, system_start: datetime, rate: float
    ) -> tuple[datetime, datetime, float]:
        """Store clock start, system start and rate, or return those stored by the first process."""
        with self._database.transaction(write=True) as transaction:
            transaction.execute(
                update(ClockStateRow)
                .where(ClockStateRow.id == 1, ClockStateRow.clock_start.is_(None))
                .values(clock_start=clock_start, system_start=system_start, rate=rate)
            )
            row = transaction.first(
                select(
                    ClockStateRow.clock_start, ClockStateRow.system_start, ClockStateRow.rate
                ).where(ClockStateRow.id == 1)
            )
        assert row is not None, "the first migration writes this row"
        assert row.clock_start is not None
        assert row.system_start is not None
        assert row.rate is not None
        return row.clock_start, row.system_start, row.rate

    def floor(self, value: datetime) -> datetime:
        """Return the greater of `value` and the stored last clock reading, and store it.

        The clock never goes back. Only a reading that moves it forward writes.
        """
        stored = self._last_reading()
        if stored is not None and stored >= value:
            return stored
        with self._database.transaction(write=True) as transaction:
            transaction.execute(
                update(ClockStateRow)
                .where(
                    ClockStateRow.id == 1,
                    or_(ClockStateRow.last_reading.is_(None), ClockStateRow.last_reading < value),
                )
                .values(last_reading=value)
            )
            row = transaction.first(select(ClockStateRow.last_reading).where(ClockStateRow.id == 1))
        assert row is not None, "the first migration writes this row"
        assert row.last_reading is not None
        reading: datetime = row.last_reading
        return reading

    def _last_reading(self) -> datetime | None:
        with self._database.transaction() as transaction:
            row = transaction.first(select(ClockStateRow.last_reading).where(ClockStateRow.id == 1))
        return None if row is None else row.last_reading
