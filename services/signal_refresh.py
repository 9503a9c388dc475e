"""Ask the sources of one mode for what is due, archive the answers, and note how each source is doing.

A failure is noted with a time before which the source is left alone; it never leaves this module. What did arrive is
kept even if something else failed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from models.domain.errors import SourceUnavailable
from models.domain.ports import CarbonSource, PriceSource, SignalBatch, SignalStore
from models.domain.regions import PRICE_LETTERS, region, region_of_letter
from models.domain.signal import SignalName
from models.domain.time import Horizon, floor_slot
from services.signal_archive import BACKFILL, Archive, HealthBoard, present_horizon
from services.signal_estimates import SAMPLE_DAYS
from services.signal_schedule import (
    POLL_OFFSET,
    PRICE_RENEWAL,
    PRICE_WATCH,
    LetterState,
    after_failure,
    after_success,
    carbon_due,
    is_backing_off,
    letters_to_ask,
    prices_expected_until,
)

log = logging.getLogger(__name__)

FIRST_HISTORY = timedelta(hours=24)
"""How far back past carbon is fetched first from a live provider."""

LONG_HISTORY = timedelta(days=14)
"""How far back it is fetched once that has worked (many requests), and after a long absence."""

LOCAL_HISTORY = timedelta(days=SAMPLE_DAYS)
"""How far back replayed and simulated grids are asked; that costs nothing."""

RECENT = timedelta(hours=3)
"""How far back each later question for past carbon reaches before the last answer."""

LETTERS_A_ROUND = 5
"""New price letters that nobody uses yet, fetched in one round of the loop."""


@dataclass(frozen=True, slots=True)
class GridSource:
    """The two sources of one mode; None where a mode has none."""

    carbon: CarbonSource | None
    price: PriceSource | None


class Refresher:
    """Fetches what is due."""

    def __init__(
        self,
        store: SignalStore,
        archive: Archive,
        health: HealthBoard,
        *,
        cache_ttl: timedelta,
        jitter: timedelta,
        letters: Iterable[str] = PRICE_LETTERS,
    ) -> None:
        """Bind the archive and the shared health.

        Args:
            store: Where answers are kept.
            archive: Cached reads of the same store.
            health: Shared health of the sources.
            cache_ttl: Age up to which a forecast is in date.
            jitter: Added to the half-hourly marks of live sources, so that copies of the program spread out.
            letters: Price letters that are fetched at all.
        """
        self._store = store
        self._archive = archive
        self._health = health
        self._cache_ttl = cache_ttl
        self._jitter = jitter
        self._letters = tuple(letters)
        self._failed_letters: dict[tuple[str, str], datetime] = {}
        self._doubtful_letters: set[tuple[str, str]] = set()
        """Letters that failed while nothing else arrived: perhaps it was the provider and not the letter."""
        self._gaps_asked: dict[tuple[str, str], tuple[datetime, datetime]] = {}

    def run(
        self,
        mode: str,
        source: GridSource,
        now: datetime,
        *,
        used_letters: Collection[str],
        thorough: bool,
        force: bool = False,
    ) -> tuple[str, ...]:
        """Fetch what is due and return what failed, one sentence a failure.

        Args:
            mode: `live | replay | simulated`.
            source: The sources of that mode.
            now: Planning clock.
            used_letters: Price letters somebody plans with; they come first.
            thorough: Also fetch past carbon and the letters nobody uses yet (the loop does, a request does not).
            force: Ask even if nothing is due, and even while backing off.
        """
        failures: list[str] = []
        if source.carbon is not None:
            failures += self._carbon(mode, source.carbon, now, force=force)
        if source.price is not None:
            failures += self._prices(
                mode, source.price, now, used=used_letters, thorough=thorough, force=force
            )
        if source.carbon is not None and thorough:
            health = self._health.all().get(carbon_health_name(source.carbon))
            if not is_backing_off(health, now):
                failures += self._history(mode, source.carbon, now)
        return tuple(failures)

    # --- carbon -------------------------------------------------------------------------------

    def _offset(self, mode: str) -> timedelta:
        return POLL_OFFSET + self._jitter if mode == "live" else timedelta(0)

    def _carbon(self, mode: str, source: CarbonSource, now: datetime, *, force: bool) -> list[str]:
        name = carbon_health_name(source)
        health = self._health.all().get(name)
        last = health.last_success_at if health else None
        if not force and (
            is_backing_off(health, now)
            or not carbon_due(now, last, self._cache_ttl, self._offset(mode))
        ):
            return []
        return self._ask(name, now, mode, lambda: source.forecast(now))

    def _history(self, mode: str, source: CarbonSource, now: datetime) -> list[str]:
        """Fetch past carbon: the recent hours every half-hour, the long past once, a round later."""
        name, long_name = f"{source.name} (history)", f"{source.name} (long history)"
        health = self._health.all()
        recent, long = health.get(name), health.get(long_name)
        last = recent.last_success_at if recent else None
        is_new = last is None or last > now
        end = floor_slot(now)
        if carbon_due(now, last, timedelta(days=1), self._offset(mode)):
            if is_backing_off(recent, now):
                return []
            if last is None or last > now:
                reach = FIRST_HISTORY if mode == "live" else LOCAL_HISTORY
            else:
                reach = min(end - floor_slot(last) + RECENT, LONG_HISTORY)
            start = end - reach
            return self._ask(name, now, mode, lambda: source.history(start, end, now), start=start)
        if (
            mode == "live"
            and not is_new
            and not is_backing_off(long, now)
            and (long is None or long.last_success_at is None)
        ):
            start, until = end - LONG_HISTORY, end - FIRST_HISTORY
            return self._ask(
                long_name, now, mode, lambda: source.history(start, until, now), start=start
            )
        return []

    # --- prices -------------------------------------------------------------------------------

    def _prices(
        self,
        mode: str,
        source: PriceSource,
        now: datetime,
        *,
        used: Collection[str],
        thorough: bool,
        force: bool,
    ) -> list[str]:
        name = price_health_name(source)
        health = self._health.all().get(name)
        if is_backing_off(health, now) and not force:
            return []
        used_first = [*dict.fromkeys(used), *(x for x in self._letters if x not in used)]
        candidates = used_first if thorough or mode != "live" else used_first[: len(set(used))]
        states = self.letter_states(mode, candidates, now)
        if force:
            wanted = [state.letter for state in states]
        else:
            wanted = letters_to_ask(states, now, health.last_success_at if health else None)
        recently = {key for key, at in self._failed_letters.items() if now - at < PRICE_WATCH}
        wanted = [x for x in wanted if force or (mode, x) not in recently]
        # One other letter goes first and shows whether the provider is back.
        doubtful = [x for x in wanted if (mode, x) in self._doubtful_letters]
        others = [x for x in wanted if (mode, x) not in self._doubtful_letters]
        wanted = [*others[:1], *doubtful, *others[1:]]
        if not wanted:
            return []
        by_letter = {state.letter: state for state in states}
        if mode != "live":
            start = min(self._start(mode, by_letter[x], now) for x in wanted)
            return self._ask_prices(mode, source, wanted, start, now)[0]
        return self._one_by_one(mode, source, [by_letter[x] for x in wanted], set(used), now)

    def _one_by_one(
        self,
        mode: str,
        source: PriceSource,
        wanted: list[LetterState],
        used: set[str],
        now: datetime,
    ) -> list[str]:
        """Ask a live provider letter by letter, so that what arrived is kept when a later letter fails.

        Asking stops at the first failure while nothing has arrived. After a first known letter that brought nothing
        new only unknown ones are asked for: the set of a day appears for all letters at once.
        """
        failures: list[str] = []
        arrived = new_unused = 0
        is_quiet = False
        for state in wanted:
            is_new = state.retrieved_at is None or state.known_until is None
            if is_quiet and not is_new:
                continue
            if is_new and state.letter not in used:
                new_unused += 1
                if new_unused > LETTERS_A_ROUND:
                    continue
            start = self._start(mode, state, now)
            failed, known_until = self._ask_prices(mode, source, [state.letter], start, now)
            failures += failed
            if failed:
                if not arrived:
                    self._doubtful_letters.add((mode, state.letter))
                    break
                self._failed_letters[mode, state.letter] = now
                self._doubtful_letters.discard((mode, state.letter))
                continue
            self._failed_letters.pop((mode, state.letter), None)
            self._doubtful_letters.discard((mode, state.letter))
            arrived += 1
            was_incomplete = not is_new and state.known_until is not None
            if (
                was_incomplete
                and known_until is not None
                and known_until == state.known_until
                and known_until < prices_expected_until(now)
            ):
                is_quiet = True
        if failures and arrived:
            name = price_health_name(source)
            self._health.record(
                after_success(self._health.all().get(name), name, now, "; ".join(failures))
            )
        return failures

    def _start(self, mode: str, state: LetterState, now: datetime) -> datetime:
        """Return where to ask from: the first gap of the last 28 days, unless that was asked for lately."""
        here = floor_slot(now)
        if state.gap_from is None:
            return here
        gap, asked_at = self._gaps_asked.get((mode, state.letter), (None, now))
        if gap == state.gap_from and now - asked_at < PRICE_RENEWAL:
            return here
        self._gaps_asked[mode, state.letter] = (state.gap_from, now)
        return state.gap_from

    def _ask_prices(
        self, mode: str, source: PriceSource, letters: list[str], start: datetime, now: datetime
    ) -> tuple[list[str], datetime | None]:
        """Ask for some letters; return failures and the end of what is now known of the first letter."""
        end = prices_expected_until(now) + timedelta(days=1)
        failures = self._ask(
            price_health_name(source),
            now,
            mode,
            lambda: source.prices(letters, start, end, now),
            start=start,
        )
        if failures:
            for letter in letters:
                self._gaps_asked.pop((mode, letter), None)
            return failures, None
        return [], self.letter_states(mode, letters[:1], now)[0].known_until

    def letter_states(
        self, mode: str, letters: Collection[str], now: datetime
    ) -> list[LetterState]:
        """Return what is archived of some price letters."""
        here = floor_slot(now)
        horizon = Horizon(here - timedelta(days=SAMPLE_DAYS), SAMPLE_DAYS * 48 + 3 * 48)
        slugs = {letter: region_of_letter(letter).slug for letter in letters}
        found = self._archive.series(
            SignalName.PRICE, slugs.values(), horizon, mode, now, self._health.revision()
        )
        current = horizon.index_of(here)
        states = []
        for letter, slug in slugs.items():
            series = found[slug]
            known = series.is_known
            gaps = np.flatnonzero(~known[:current])
            ahead = np.flatnonzero(known[current:])
            at = series.provenance_index[current]
            states.append(
                LetterState(
                    letter,
                    series.provenances[int(at)].retrieved_at if at >= 0 else None,
                    horizon.start_of(current + int(ahead[-1]) + 1) if ahead.size else None,
                    horizon.start_of(int(gaps[0])) if gaps.size else None,
                )
            )
        return states

    # --- asking -------------------------------------------------------------------------------

    def _ask(
        self,
        name: str,
        now: datetime,
        mode: str,
        ask: Callable[[], SignalBatch],
        *,
        start: datetime | None = None,
    ) -> list[str]:
        """Ask once, archive the answer and note the outcome; return the failure as a sentence, if any."""
        try:
            batch = ask()
        except SourceUnavailable as error:
            before = self._health.all(fresh=True).get(name)
            after = after_failure(before, name, now, error, error.retry_after_seconds)
            self._health.record(after)
            log.warning("%s: %s (try again after %s)", name, error, after.retry_at)
            return [f"{name}: {error}"]
        self._store.save(batch, mode)
        remark = "; ".join(batch.warnings) or None
        if batch.dropped_rows:
            log.warning("%s: dropped %d rows; %s", name, batch.dropped_rows, remark or "absurd")
        noted = after_success(self._health.all().get(name), name, now, remark)
        self._health.record(noted)
        if start is not None and start < present_horizon(now).start:
            self._health.record(replace(noted, source=name + BACKFILL))
        return []


def carbon_health_name(source: CarbonSource) -> str:
    """Return the name under which the health of carbon forecasts is kept."""
    return f"{source.name} (carbon)"


def price_health_name(source: PriceSource) -> str:
    """Return the name under which the health of prices is kept."""
    return f"{source.name} (prices)"


def letters_of(slugs: Iterable[str]) -> tuple[str, ...]:
    """Return the price letters behind some regions, each once, in order."""
    return tuple(dict.fromkeys(x for slug in slugs for x in region(slug).price_letters))
