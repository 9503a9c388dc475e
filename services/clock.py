"""What the planner takes for "now": system time, or a clock that was set and may run at another rate."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from models.domain.errors import HalfhourError
from models.domain.ports import ClockStore

log = logging.getLogger(__name__)

KEEP_SECONDS = 5.0
"""How often a shifted clock notes its reading, so that no restart can go back behind it. System time. [s]"""


def system_now() -> datetime:
    """Return system time, aware UTC."""
    return datetime.now(UTC)


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="clock", daemon=True).start()


class SystemClock:
    """System time as it is."""

    def now(self) -> datetime:
        """Return the present instant, aware UTC."""
        return system_now()

    @property
    def is_shifted(self) -> bool:
        """Return False: this is system time."""
        return False


class ShiftedClock:
    """A clock that started at a chosen instant and runs at a chosen rate, alike in all processes and restarts.

    The first process stores where it started; everybody derives time from that. A reading never lies before an
    earlier one, of this process or of another that noted it.
    """

    def __init__(
        self,
        store: ClockStore,
        start: datetime,
        rate: float = 1.0,
        *,
        system: Callable[[], datetime] = system_now,
        run: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """Take over the stored start, or store this one.

        Args:
            store: Where the first process notes the start.
            start: Reading of the clock at its first start.
            rate: Seconds of this clock in a second of system time.
            system: System time.
            run: Notes a reading, by default in a thread of its own: whoever asks for the time may hold the one write
                lock of the database, and would wait for himself.
        """
        self._store = store
        self._run = run or _in_background
        self._system = system
        moment = system()
        self._clock_start, self._system_start, self._rate = store.anchor(start, moment, rate)
        if (self._clock_start, self._rate) != (start, rate):
            log.warning(
                "the clock goes on from %s at rate %g, as this database has it; the setting %s at rate %g "
                "needs a new database",
                self._clock_start.isoformat(),
                self._rate,
                start.isoformat(),
                rate,
            )
        self._lock = threading.Lock()
        self._kept_at = moment
        self._last = store.floor(self._reading(moment))

    @property
    def is_shifted(self) -> bool:
        """Return True: plans on this clock are never dispatched or traded outside."""
        return True

    def now(self) -> datetime:
        """Return the present instant of this clock, aware UTC."""
        moment = self._system()
        with self._lock:
            reading = max(self._last, self._reading(moment))
            self._last = reading
            is_due = abs(moment - self._kept_at) >= timedelta(seconds=KEEP_SECONDS)
            if is_due:
                self._kept_at = moment
        if is_due:
            self._run(lambda: self._keep(reading))
        return max(reading, self._last)

    def _keep(self, reading: datetime) -> None:
        """Note a reading, and go on from a later one that another process noted."""
        try:
            noted = self._store.floor(reading)
        except HalfhourError as error:
            log.warning("the reading of the clock could not be noted yet: %s", error)
            return
        with self._lock:
            self._last = max(self._last, noted)

    def _reading(self, moment: datetime) -> datetime:
        return self._clock_start + (moment - self._system_start) * self._rate
