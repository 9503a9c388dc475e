"""The signals: what every half-hour of every region costs and emits, how far that can be trusted, and keeping it fresh.

Live answers, replays and simulations are archived under their own mode; a view is always cut from one mode and filled
with own estimates where nothing is published.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from models.domain.ports import LeaseStore, SignalStore, SourceHealth, UnitOfWorkFactory
from models.domain.regions import PRICE_LETTERS, REGIONS, region
from models.domain.signal import RegionSignals, SignalName, SignalSeries
from models.domain.time import SLOT, Clock, Horizon, floor_slot
from services.data_line import describe
from services.signal_archive import Archive, HealthBoard
from services.signal_labels import AgeLimits
from services.signal_refresh import (
    GridSource,
    Refresher,
    carbon_health_name,
    letters_of,
    price_health_name,
)
from services.signal_view import ViewCutter
from services.types import DataLine

CHECK_SECONDS = 5.0
"""How long `ensure_fresh` takes its last look as good, within one half-hour. [s]"""

REQUEST_SECONDS = 3.0
"""Longest that a request waits for a provider; what comes later is there for the next one. [s]"""

OTHERS_SECONDS = 6.0
"""How long one asker waits for another one's very first answer. [s]"""

LEASE_NAME = "signals"
LOOP_LEASE = "loop"
"""Name of the lease of the worker loop, which refreshes by itself."""

LEASE_SECONDS = 60.0
"""How long one process may be busy asking before another may begin. [s]"""

DATA_LINE_SLOTS = 4 * 48
"""How far ahead the data line looks for published values."""

LATELY = timedelta(days=5)
"""How far back the data line looks for the last forecast once none reaches the present."""

_VIEWS_KEPT = 48


@dataclass(frozen=True)
class SignalSettings:
    """What the operator set about signals."""

    mode: str = "auto"
    """`live | replay | simulated | auto`."""
    default_region: str = "london"
    regions: tuple[str, ...] = tuple(REGIONS)
    """Regions whose prices are fetched."""
    cache_ttl: timedelta = timedelta(seconds=1500)
    limits: AgeLimits = field(default_factory=AgeLimits)
    jitter: timedelta = timedelta(0)
    """Added to the half-hourly marks of live sources."""


@dataclass(frozen=True, slots=True)
class RefreshReport:
    """What changed since the report before, whoever fetched it."""

    carbon_updated: bool
    prices_updated: bool
    mode_changed: bool
    failures: tuple[str, ...] = ()

    @property
    def has_news(self) -> bool:
        """Return whether anything changed that a plan depends on."""
        return self.carbon_updated or self.prices_updated or self.mode_changed


class SignalService:
    """Keeps signals fresh and answers what is known; shared by all threads of a process."""

    def __init__(
        self,
        settings: SignalSettings,
        sources: Mapping[str, GridSource],
        store: SignalStore,
        uow: UnitOfWorkFactory,
        clock: Clock,
        *,
        leases: LeaseStore | None = None,
        holder: str = "process",
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Bind sources and archive.

        Args:
            settings: What the operator set.
            sources: Sources by mode: `live`, `replay`, `simulated`; `auto` uses live and simulated.
            store: Archive of everything a source ever said.
            uow: For the shared health of the sources and the regions of live assets.
            clock: Planning clock.
            leases: Keeps several processes from asking at the same time; None: this is the only one.
            holder: Name of this process in leases.
            monotonic: System timer. [s]
            pause: Waits some seconds. [s]
        """
        self.settings = settings
        self._sources = dict(sources)
        self._store = store
        self._uow = uow
        self._clock = clock
        self._leases = leases
        self._holder = holder
        self._monotonic = monotonic
        self._pause = pause
        self._health = HealthBoard(uow, monotonic)
        self._archive = Archive(store)
        self._cutter = ViewCutter(self._archive, settings.limits)
        self._letters = letters_of(settings.regions) or PRICE_LETTERS
        self._refresher = Refresher(
            store,
            self._archive,
            self._health,
            cache_ttl=settings.cache_ttl,
            jitter=settings.jitter,
            letters=self._letters,
        )
        self._busy = threading.Lock()
        self._lock = threading.Lock()
        self._standing_in = threading.Lock()
        self._behind: threading.Thread | None = None
        self._has_waited = False
        self._asked_for: dict[str, None] = {}
        self._checked: tuple[float, datetime] | None = None
        self._has_live = False
        self._has_looked = False
        self._reported: tuple[str, datetime | None, tuple[datetime | None, ...]] | None = None
        self._views: OrderedDict[Any, dict[str, RegionSignals]] = OrderedDict()
        self._line: tuple[Any, DataLine] | None = None

    # --- mode ---------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """Return `live`, `replay` or `simulated`: whose values views are cut from now."""
        if self.settings.mode != "auto":
            return self.settings.mode
        if not self._has_live:
            live = self._sources.get("live")
            health = self._health.all()
            answered = any(
                name in health and health[name].last_success_at is not None
                for name in _health_names(live)
            )
            if not answered and not self._has_looked:
                answered = self._store.has_any("live")
                self._has_looked = True
            self._has_live = answered
        return "live" if self._has_live else "simulated"

    def health(self) -> tuple[SourceHealth, ...]:
        """Return how the sources of the configured modes are doing."""
        known = self._health.all()
        modes = ("live", "simulated") if self.settings.mode == "auto" else (self.settings.mode,)
        if self.mode == "live":
            modes = ("live",)
        names = [n for m in modes for n in _health_names(self._sources.get(m))]
        return tuple(known[name] for name in names if name in known)

    # --- keeping fresh ------------------------------------------------------------------------

    def refresh(self, force: bool = False) -> RefreshReport:
        """Fetch everything that is due, history and unused letters included, and report what is new.

        The report covers everything that any thread or process fetched since the report before; the first
        one reports all that is known as new. Failures are in the report and never raised.
        """
        failures = self._attempt(thorough=True, force=force)
        now = self._clock.now()
        mode = self.mode
        source = self._sources.get(mode, GridSource(None, None))
        health = self._health.all(fresh=True)
        carbon = health.get(carbon_health_name(source.carbon)) if source.carbon else None
        states = self._refresher.letter_states(mode, self._letters, now) if source.price else []
        seen = (
            mode,
            carbon.last_success_at if carbon else None,
            tuple(state.known_until for state in states),
        )
        before = self._reported or ("", None, ())
        self._reported = seen
        return RefreshReport(
            carbon_updated=seen[1] is not None and seen[1] != before[1],
            prices_updated=any(seen[2]) and seen[2] != before[2],
            mode_changed=bool(before[0]) and before[0] != mode,
            failures=failures,
        )

    def ensure_fresh(self, regions: Collection[str] = ()) -> None:
        """Fetch what is due before planning or showing; quick where nothing is, and while a source is down.

        Args:
            regions: Regions about to be used, so that their prices are fetched first.
        """
        now = self._clock.now()
        moment = self._monotonic()
        with self._lock:
            is_new = False
            for slug in regions:
                is_new |= slug not in self._asked_for
                self._asked_for[slug] = None
            if self._checked is not None and not is_new:
                checked_at, slot = self._checked
                if moment - checked_at < CHECK_SECONDS and slot == floor_slot(now):
                    return
            self._checked = (moment, floor_slot(now))
        if not is_new and self._is_settled() and self._leases and self._leases.holder(LOOP_LEASE):
            return  # the loop fetches what is due within seconds; nobody needs to wait for it
        self._ask_behind()
        self._stand_in()

    def _ask_behind(self) -> None:
        """Fetch what is due in a thread of its own and wait for it a little; for an older one only once."""
        with self._lock:
            behind = self._behind
            is_running = behind is not None and behind.is_alive()
            if is_running and self._has_waited:
                return
            self._has_waited = True
            if behind is None or not is_running:
                behind = threading.Thread(
                    target=self._attempt,
                    kwargs={"thorough": False, "force": False},
                    name="signals",
                    daemon=True,
                )
                self._behind = behind
                behind.start()
        behind.join(REQUEST_SECONDS)

    def close(self) -> None:
        """Wait for a fetch that is still under way."""
        if self._behind is not None:
            self._behind.join(timeout=30)

    def _stand_in(self) -> None:
        """Simulate where nothing real has arrived yet and the first answer is still being waited for."""
        source = self._sources.get("simulated")
        if self.settings.mode != "auto" or source is None or self.mode != "simulated":
            return
        known = self._health.all()
        if all(name in known for name in _health_names(source)):
            return
        with self._standing_in:
            self._refresher.run(
                "simulated",
                source,
                self._clock.now(),
                used_letters=self._used_letters(),
                thorough=True,
            )

    def _attempt(self, *, thorough: bool, force: bool) -> tuple[str, ...]:
        """Fetch what is due unless somebody else is at it; wait for them only if nothing is known yet."""
        if not self._busy.acquire(blocking=False):
            if thorough or not self._is_settled():
                if not self._busy.acquire(timeout=OTHERS_SECONDS):
                    return ()
            else:
                return ()
        try:
            token = (
                self._leases.acquire(LEASE_NAME, self._holder, LEASE_SECONDS) if self._leases else 0
            )
            if token is None:
                self._wait_for_others()
                return ()
            try:
                return self._fetch(thorough=thorough, force=force)
            finally:
                if self._leases:
                    self._leases.release(LEASE_NAME, self._holder, token)
        finally:
            self._busy.release()

    def _fetch(self, *, thorough: bool, force: bool) -> tuple[str, ...]:
        failures: tuple[str, ...] = ()
        letters = self._used_letters()
        wanted = self.settings.mode
        for mode in ("live", "simulated") if wanted == "auto" else (wanted,):
            source = self._sources.get(mode)
            if source is None or (wanted == "auto" and mode == "simulated" and self.mode == "live"):
                continue
            failures += self._refresher.run(
                mode,
                source,
                self._clock.now(),
                used_letters=letters,
                thorough=thorough or mode != "live",
                force=force,
            )
        return failures

    def _is_settled(self) -> bool:
        """Return whether every source that comes first has been tried at least once."""
        first = "live" if self.settings.mode == "auto" else self.settings.mode
        health = self._health.all()
        return all(name in health for name in _health_names(self._sources.get(first)))

    def _wait_for_others(self) -> None:
        give_up_at = self._monotonic() + OTHERS_SECONDS
        while not self._is_settled() and self._monotonic() < give_up_at:
            self._pause(0.2)

    def _used_letters(self) -> tuple[str, ...]:
        """Return the price letters somebody plans with: the default region, live assets, regions asked for."""
        with self._uow() as work:
            places = [asset.region for asset in work.assets.all_live()]
        with self._lock:
            asked = list(self._asked_for)
        return letters_of(dict.fromkeys([self.settings.default_region, *places, *asked]))

    # --- archive ------------------------------------------------------------------------------

    def actuals(self, slug: str, horizon: Horizon) -> SignalSeries:
        """Return the last published carbon of a region as archived, without labels or estimates."""
        return self._archive.series(
            SignalName.CARBON,
            [slug],
            horizon,
            self.mode,
            self._clock.now(),
            self._health.revision(),
        )[slug]

    def issues(self, name: SignalName, slug: str, horizon: Horizon) -> Iterator[SignalSeries]:
        """Yield every archived issue of the present mode that touches a horizon, oldest first."""
        return self._store.issues(name, slug, horizon, self.mode)

    def prune(self, keep: timedelta) -> int:
        """Drop archived issues that ended longer ago than `keep`; return how many."""
        return self._store.prune(self._clock.now() - keep)

    # --- views --------------------------------------------------------------------------------

    def view(
        self, regions: Collection[str], horizon: Horizon, *, with_mix: bool = False
    ) -> dict[str, RegionSignals]:
        """Return everything known about some regions over a horizon, labelled by age.

        Slots that nothing is published for carry own estimates from the current half-hour on; past ones stay
        unknown. With `with_mix` the generation mix is there as well.
        """
        slugs = tuple(dict.fromkeys(region(slug).slug for slug in regions))
        now = self._clock.now()
        mode = self.mode
        revision = self._health.revision()
        key = (mode, revision, now.replace(second=0, microsecond=0), horizon, with_mix)
        with self._lock:
            known = dict(self._views.get(key, {}))
        missing = [slug for slug in slugs if slug not in known]
        if missing:
            known |= self._cutter.cut(missing, horizon, mode, now, revision, with_mix=with_mix)
            with self._lock:
                self._views[key] = known
                self._views.move_to_end(key)
                while len(self._views) > _VIEWS_KEPT:
                    self._views.popitem(last=False)
        return {slug: known[slug] for slug in slugs}

    def data_line(self) -> DataLine:
        """Return how fresh the signals of the default region are, in words and numbers."""
        self.ensure_fresh()
        now = self._clock.now()
        revision = self._health.revision()
        key = (self.mode, revision, now.replace(second=0, microsecond=0))
        if self._line is not None and self._line[0] == key:
            return self._line[1]
        slug = self.settings.default_region
        horizon = Horizon(floor_slot(now), DATA_LINE_SLOTS)
        lately = Horizon(horizon.start - LATELY, LATELY // SLOT)
        archived = self._archive.series(
            SignalName.CARBON, [slug], lately, self.mode, now, revision
        )[slug]
        line = describe(
            self.view([slug], horizon)[slug],
            archived,
            mode=self.mode,
            is_auto=self.settings.mode == "auto",
            now=now,
            sources=self.health(),
        )
        self._line = (key, line)
        return line


def _health_names(source: GridSource | None) -> list[str]:
    if source is None:
        return []
    names = [carbon_health_name(source.carbon)] if source.carbon else []
    return names + ([price_health_name(source.price)] if source.price else [])
