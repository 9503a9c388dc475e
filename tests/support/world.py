"""A whole application without its edges: real database, real signal service, a grid that a test scripts."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from agents.policy import Policy
from audit.writer import JsonlAuditLog
from models.domain.access import Caller, Role
from models.domain.errors import SourceUnavailable
from models.domain.plan import Placement
from models.domain.ports import JobView, SignalBatch
from models.domain.regions import region_of_letter
from models.domain.signal import (
    Provenance,
    Quality,
    SignalName,
    SignalSeries,
    ValueKind,
)
from models.domain.time import SLOT, Horizon, agile_published_at, floor_slot
from services import assets, planning, submit
from services.context import Context, ServiceSettings
from services.signal_refresh import GridSource
from services.signals import RefreshReport, SignalService, SignalSettings
from services.types import AssetDraft, JobDraft
from storage.database import Database
from storage.leases import SqlLeaseStore
from storage.unit_of_work import SqlUnitOfWorkFactory
from tests.support.fakes import FixedClock, MemorySignalStore
from tests.support.fleet import NOON

OPERATOR = Caller("local", Role.OPERATOR)
SUBMITTER = Caller("local", Role.SUBMITTER, "key-1")
AUDITOR = Caller("watch", Role.AUDITOR, "key-2")
STRANGER = Caller("someone-else", Role.OPERATOR, "key-3")

PLACES = ("london", "yorkshire", "south_scotland", "south_wales", "wales")
"""Regions the scripted grids know of."""

Script = Callable[[str, datetime], float]
"""Value of a region in the half-hour that starts at an instant."""


@dataclass
class ScriptedGrid:
    """Carbon and price source whose every value a test sets; silent while `is_down`."""

    mode: str
    carbon: Script
    price: Script
    is_down: bool = False
    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Take a name that tells modes apart."""
        self.name = f"scripted {self.mode} grid"

    def _told(self, kind: ValueKind, now: datetime) -> Provenance:
        if self.is_down:
            raise SourceUnavailable(f"{self.name} is down", source=self.name)
        quality = {"live": Quality.LIVE, "replay": Quality.REPLAYED}.get(
            self.mode, Quality.SIMULATED
        )
        return Provenance(self.name, "/scripted", kind, quality, None, now)

    def forecast(self, now: datetime) -> SignalBatch:
        """Return 48 h of carbon for every place."""
        horizon = Horizon(floor_slot(now), 96)
        return self._carbon(horizon, now)

    def history(self, start: datetime, end: datetime, now: datetime) -> SignalBatch:
        """Return carbon of the past."""
        first = floor_slot(start)
        return self._carbon(Horizon(first, max(1, (end - first) // SLOT)), now)

    def _carbon(self, horizon: Horizon, now: datetime) -> SignalBatch:
        told = self._told(ValueKind.FORECAST, now)
        return SignalBatch(
            tuple(
                SignalSeries.of(
                    SignalName.CARBON, slug, horizon,
                    [self.carbon(slug, at) for at in horizon.starts()], told,
                )
                for slug in PLACES
            )
        )  # fmt: skip

    def prices(
        self, letters: Collection[str], start: datetime, end: datetime, now: datetime
    ) -> SignalBatch:
        """Return prices as far as published at `now`."""
        told = self._told(ValueKind.TARIFF, now)
        first = floor_slot(start)
        asked = Horizon(first, max(1, (end - first) // SLOT)).starts()
        # Half-hours are published in their order.
        known = asked[: bisect_right(asked, now, key=agile_published_at)]
        if not known:
            raise SourceUnavailable("nothing published", source=self.name)
        horizon = Horizon(first, len(known))
        places = [region_of_letter(letter).slug for letter in letters]
        return SignalBatch(
            tuple(
                SignalSeries.of(
                    SignalName.PRICE, slug, horizon, [self.price(slug, at) for at in known], told
                )
                for slug in places
            )
        )


class HurriedSignals(SignalService):
    """A signal service whose timer stands still, but for 100 s that pass before it looks for what is due.

    So it looks whenever it is asked to, and reads once in between how its sources do, as it would in a real second.
    """

    def __init__(self, *parts: Any, **named: Any) -> None:
        """Take what the service takes, except its timer."""
        self._elapsed_seconds = 0.0
        super().__init__(*parts, **named, monotonic=lambda: self._elapsed_seconds)

    def refresh(self, force: bool = False) -> RefreshReport:
        """Let time pass, then fetch what is due."""
        self._elapsed_seconds += 100.0
        return super().refresh(force)

    def ensure_fresh(self, regions: Collection[str] = ()) -> None:
        """Let time pass, then fetch what is due."""
        self._elapsed_seconds += 100.0
        super().ensure_fresh(regions)


def flat(value: float) -> Script:
    """Return a script of one value everywhere."""
    return lambda _slug, _at: value


@dataclass
class World:
    """An application for tests, with its clock and grids."""

    context: Context
    clock: FixedClock
    grids: dict[str, ScriptedGrid]

    def at(self, instant: datetime) -> None:
        """Set the planning clock and fetch what is due."""
        self.clock.instant = instant
        self.context.signals.refresh(force=True)

    def view(self, job_id: str) -> JobView:
        """Return a job as it reads now."""
        with self.context.uow() as uow:
            return uow.jobs.view(job_id, self.clock.now())

    def records(self, event_type: str) -> list[Any]:
        """Return the audit records of a type, newest first."""
        with self.context.uow() as uow:
            return list(uow.decisions.page(event_types=(event_type,), limit=200).items)


def a_world(
    database: Database,
    folder: Path,
    *,
    mode: str = "live",
    now: datetime = NOON,
    carbon: Script | None = None,
    price: Script | None = None,
    policy: Policy | None = None,
) -> World:
    """Return an application on a clean database.

    Args:
        database: Migrated and empty.
        folder: Where the decision log goes.
        mode: As the setting of the same name; `auto` has a live grid that is down at first.
        now: First reading of the planning clock.
        carbon: Script of carbon; None: 100 g/kWh everywhere. [gCO2/kWh]
        price: Script of prices; None: 0.20 GBP/kWh everywhere. [GBP/kWh]
        policy: What the operator wants; None: carbon at 2,667 GBP/t.
    """
    clock = FixedClock(now)
    grids = {
        name: ScriptedGrid(name, carbon or flat(100.0), price or flat(0.20))
        for name in ("live", "replay", "simulated")
    }
    grids["live"].is_down = mode == "auto"
    units = SqlUnitOfWorkFactory(database, system_now=clock.now)
    signals = HurriedSignals(
        SignalSettings(mode=mode, regions=PLACES),
        {name: GridSource(grid, grid) for name, grid in grids.items()},
        MemorySignalStore(),
        units,
        clock,
        pause=lambda _seconds: None,
    )
    numbers = itertools.count(1)
    settings = ServiceSettings(
        default_region="london",
        customer_class="business",
        prices_include_vat=False,
        schedule_wait_seconds=300.0,
        freeze_minutes=5.0,
        freeze_executor_minutes=60.0,
        logs_dir=folder,
    )
    context = Context(
        uow=units,
        clock=clock,
        signals=signals,
        policy=policy or Policy(2.667),
        leases=SqlLeaseStore(database),
        audit=JsonlAuditLog(folder, None),
        settings=settings,
        new_id=lambda: uuid5(NAMESPACE_OID, str(next(numbers))),
        system_now=lambda: clock.now().astimezone(UTC),
    )
    signals.refresh(force=True)
    return World(context, clock, grids)


def with_cluster(world: World, **changes: Any) -> str:
    """Register a 100 kW cluster of the local operator in London and return its id."""
    draft = AssetDraft(region="london", max_power_kw=100.0, asset_id="hall")
    return assets.create(world.context, OPERATOR, replace(draft, **changes)).asset_id


def submitted(world: World, *, is_planned: bool = True, **changes: Any) -> str:
    """Submit a job (by default 2 h of 10 kW within a day) and plan; return its id."""
    now = world.clock.now()
    draft = JobDraft(
        duration=hours(2), latest_finish=now + hours(24), estimated_power_kw=10.0, job_name="train"
    )
    view = submit.submit(world.context, OPERATOR, replace(draft, **changes))
    if is_planned:
        planning.schedule_all(world.context, OPERATOR)
    return view.job.job_id


def placed(world: World, job_id: str) -> Placement:
    """Return where a job is planned to run."""
    plan = world.view(job_id).plan
    assert plan is not None
    assert plan.award is not None
    return plan.award.placement


def hours(count: float) -> timedelta:
    """Return a length of time in hours."""
    return timedelta(hours=count)


def with_settings(context: Context, **changes: Any) -> Context:
    """Return the same application with other settings."""
    return replace(context, settings=replace(context.settings, **changes))
