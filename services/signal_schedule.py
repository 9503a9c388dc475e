"""When to ask a provider again: half-hourly marks, the Agile publication, and backing off after failures.

Only arithmetic on instants lives here: no network, no clock, no database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.domain.ports import SourceHealth
from models.domain.time import LONDON, SLOT, as_utc, at_london, floor_slot

POLL_OFFSET = timedelta(minutes=2)
"""Forecasts are asked for this long after each half-hour (hh:02 and hh:32).

Source: API reference 1.6: forecasts are re-issued about every 30 minutes.
"""

PRICE_WATCH = timedelta(minutes=10)
"""Pause between two questions for a day of prices that is not complete yet. Source: API reference 2.3."""

PRICE_RENEWAL = timedelta(hours=6)
"""Pause between two questions for prices that are complete."""

FIRST_BACK_OFF = timedelta(seconds=30)
"""Pause after the first failure of a source; doubles with each further one."""

LONGEST_BACK_OFF = timedelta(minutes=30)
"""Longest pause after failures."""


def last_poll_mark(now: datetime, offset: timedelta) -> datetime:
    """Return the latest half-hourly mark (half-hour + offset) that has passed."""
    mark = floor_slot(now) + offset
    return mark if mark <= now else mark - SLOT


def carbon_due(
    now: datetime, last_success_at: datetime | None, ttl: timedelta, offset: timedelta
) -> bool:
    """Return whether carbon should be asked for.

    It is due when a half-hourly mark has passed since the last answer, or when the answer is older than `ttl`
    and the next mark is not near (so that the usual 25 min do not double the number of questions).

    Args:
        now: Planning clock.
        last_success_at: Last good answer; None (or a time in the future, of another clock): due.
        ttl: Age up to which an answer is in date.
        offset: Distance of the marks from the half-hour, jitter included.
    """
    if last_success_at is None or last_success_at > now:
        return True
    mark = last_poll_mark(now, offset)
    if last_success_at < mark:
        return True
    return now - last_success_at >= ttl and mark + SLOT - now > timedelta(minutes=6)


def prices_expected_until(now: datetime) -> datetime:
    """Return the end of the newest Agile day that may be published by now.

    From 15:55 London the set that ends at 23:00 tomorrow is looked for; before, the one that ends at 23:00 today.
    """
    local = as_utc(now).astimezone(LONDON)
    is_out = (local.hour, local.minute) >= (15, 55)
    return at_london(local.date() + timedelta(days=1 if is_out else 0), 23)


def is_backing_off(health: SourceHealth | None, now: datetime) -> bool:
    """Return whether a source asked to be left alone for now.

    A `retry_at` beyond the longest back-off was written by another clock and does not count.
    """
    if health is None or health.retry_at is None:
        return False
    return now < health.retry_at <= now + 2 * LONGEST_BACK_OFF


def after_failure(
    health: SourceHealth | None,
    source: str,
    now: datetime,
    error: Exception,
    retry_after_s: int | None,
) -> SourceHealth:
    """Return the health of a source after one more failure; the pause doubles up to half an hour.

    Args:
        health: What was known before.
        source: Name of the source.
        now: Planning clock.
        error: What went wrong; its text is kept.
        retry_after_s: What the provider asked for, if anything. [s]
    """
    failures = (health.failures_in_a_row if health else 0) + 1
    pause = min(FIRST_BACK_OFF * 2 ** min(failures - 1, 10), LONGEST_BACK_OFF)
    if retry_after_s is not None:
        pause = min(max(pause, timedelta(seconds=retry_after_s)), 2 * LONGEST_BACK_OFF)
    return SourceHealth(
        source, health.last_success_at if health else None, now, failures, str(error), now + pause
    )


def after_success(
    health: SourceHealth | None, source: str, now: datetime, remark: str | None = None
) -> SourceHealth:
    """Return the health of a source after a good answer; `remark` is kept as the last error (partial success)."""
    return SourceHealth(source, now, health.last_failure_at if health else None, 0, remark, None)


@dataclass(frozen=True, slots=True)
class LetterState:
    """What is archived of one price letter."""

    letter: str
    retrieved_at: datetime | None
    """When the price of the current half-hour was fetched; None: it is unknown."""
    known_until: datetime | None
    """End of the published prices; None: nothing from now on is known."""
    gap_from: datetime | None
    """First half-hour of the last 28 days without a price; None: no gap."""


def letters_to_ask(
    states: list[LetterState], now: datetime, last_poll_at: datetime | None
) -> list[str]:
    """Return the letters whose prices should be asked for now, in the given order.

    A letter without a price for the current half-hour is asked for at once; the caller keeps a failing one from
    being asked again too soon. The others wait for the next poll: every ten minutes while the newest Agile day is
    incomplete, every six hours otherwise.
    """
    expected = prices_expected_until(now)
    may_poll = last_poll_at is None or last_poll_at > now or now - last_poll_at >= PRICE_WATCH

    def is_wanted(state: LetterState) -> bool:
        if state.retrieved_at is None or state.known_until is None:
            return True
        is_old = now - state.retrieved_at >= PRICE_RENEWAL
        return may_poll and (state.known_until < expected or is_old)

    return [state.letter for state in states if is_wanted(state)]
