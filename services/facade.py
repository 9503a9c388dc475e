"""`Services`: the one object the edges talk to; every method is one use case from a file of its own.

This module only delegates. Errors are those of `models.domain.errors`; `caller` decides what is visible.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from models.domain.access import ApiKey, Caller, Role
from models.domain.asset import Asset
from models.domain.decision import SealedRecord
from models.domain.job import Job
from models.domain.notice import Notice
from models.domain.plan import NegotiationSummary
from models.domain.ports import JobFilter, JobView, Page, StoredResponse, VerifyReport
from models.domain.routine import Routine
from models.domain.signal import SignalName
from services import (
    access,
    amend,
    assets,
    audit_view,
    backtest_command,
    best_window,
    board,
    controls,
    demo,
    doctor,
    energy,
    executions,
    explain,
    health,
    idempotency,
    job_detail,
    notices,
    plan_changes,
    planning,
    routines,
    statement,
    statistics,
    submit,
    telemetry,
    what_if,
)
from services.context import Context
from services.doctor import Check
from services.explain_types import Account, Candidate, Scarcity, WindowQuery
from services.market_facade import MarketServices
from services.plan_changes import PlanChanges
from services.protocol import MarketProtocol
from services.routines import RoutineDraft
from services.telemetry import Telemetry
from services.trade_off import TradeOff
from services.types import (
    AssetDraft,
    AssetUse,
    BestWindow,
    BestWindowQuery,
    Board,
    DataLine,
    EnergyRow,
    Estimate,
    JobDetail,
    JobDraft,
    NegotiationView,
    PlanRun,
    RegionNow,
    Repeat,
    Statement,
    Statistics,
)
from services.what_if import WhatIf


class Services:
    """Every use case, bound to one context."""

    def __init__(self, context: Context, protocol: MarketProtocol | None = None) -> None:
        """Bind the ports, and what speaks for us on the market where something does."""
        self.context = context
        self.market = MarketServices(context, protocol)

    # --- clusters -----------------------------------------------------------------------------

    def create_asset(self, caller: Caller, draft: AssetDraft) -> Asset:
        """Register an asset. Operators only; `Conflict` if the id exists."""
        return assets.create(self.context, caller, draft)

    def asset(self, caller: Caller, asset_id: str) -> Asset:
        """Return one live asset of the caller's owner."""
        return assets.get(self.context, caller, asset_id)

    def assets(
        self,
        caller: Caller,
        *,
        region: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Asset]:
        """Return live assets, by id."""
        return assets.page(self.context, caller, region=region, cursor=cursor, limit=limit)

    def change_asset(self, caller: Caller, asset_id: str, changes: Mapping[str, Any]) -> Asset:
        """Change fields of an asset (names of `Asset`) and re-plan; `Conflict` where frozen work needs the power."""
        return assets.change(self.context, caller, asset_id, changes)

    def delete_asset(self, caller: Caller, asset_id: str) -> None:
        """Retire an asset; its open jobs are re-planned or refused; `Conflict` while work on it is frozen or running."""
        assets.delete(self.context, caller, asset_id)

    def asset_uses(self, caller: Caller, slots: int = 96) -> tuple[AssetUse, ...]:
        """Return every asset with the power the plan holds per half-hour from the current one."""
        return assets.uses(self.context, caller, slots)

    # --- jobs ---------------------------------------------------------------------------------

    def submit_job(self, caller: Caller, draft: JobDraft) -> JobView:
        """Accept a job (committed and audited) without planning it yet; the loop or `schedule` does."""
        return submit.submit(self.context, caller, draft)

    def submit_and_plan(
        self, caller: Caller, draft: JobDraft, repeat: Repeat | None = None
    ) -> tuple[JobView, ...]:
        """Accept a job (or copies and repeats of it) and plan at once; returns all of them planned."""
        return submit.submit_and_plan(self.context, caller, draft, repeat or Repeat())

    def submit_jobs(self, caller: Caller, drafts: list[JobDraft]) -> tuple[JobView, ...]:
        """Accept several jobs, all or none, without planning them yet."""
        return submit.submit_many(self.context, caller, drafts)

    def create_routine(self, caller: Caller, draft: RoutineDraft) -> Routine:
        """Hand work in again and again; `InvalidRequest` where its first occurrence could not be accepted."""
        return routines.create(self.context, caller, draft)

    def routines(self, caller: Caller) -> tuple[Routine, ...]:
        """Return the live routines the caller may see."""
        return routines.page(self.context, caller)

    def routine(self, caller: Caller, routine_id: str) -> Routine:
        """Return one routine, ended ones too."""
        return routines.get(self.context, caller, routine_id)

    def end_routine(self, caller: Caller, routine_id: str) -> Routine:
        """End a routine; jobs it has made stay."""
        return routines.end(self.context, caller, routine_id)

    def estimate(self, caller: Caller, draft: JobDraft) -> Estimate:
        """Return what the planner would do with a draft now; nothing is stored."""
        return submit.estimate(self.context, caller, draft)

    def job(self, caller: Caller, job_id: str) -> JobView:
        """Return a job with its plan."""
        return submit.get(self.context, caller, job_id)

    def jobs(
        self,
        caller: Caller,
        wanted: JobFilter,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page[JobView]:
        """Return jobs of the caller's owner that match a filter."""
        return submit.page(
            self.context, caller, wanted, cursor=cursor, limit=limit, newest_first=newest_first
        )

    def job_detail(self, caller: Caller, job_id: str) -> JobDetail:
        """Return everything the Job page shows."""
        return job_detail.show(self.context, caller, job_id)

    def job_log(self, caller: Caller, job_id: str) -> str:
        """Return the end of what a job's last run wrote; `NotFound` where nothing is kept here."""
        return executions.log_tail(self.context, caller, job_id)

    def change_job(self, caller: Caller, job_id: str, changes: Mapping[str, Any]) -> JobView:
        """Change fields of a job that has not started (names of `JobDraft`) and re-plan."""
        return amend.change(self.context, caller, job_id, changes)

    def cancel_job(self, caller: Caller, job_id: str) -> JobView:
        """Cancel a job; the record is kept. Again: no effect."""
        return controls.cancel(self.context, caller, job_id)

    def undo_cancel(self, caller: Caller, job_id: str) -> JobView:
        """Reopen a cancelled job whose last start has not passed, and plan it."""
        return controls.undo_cancel(self.context, caller, job_id)

    def run_now(self, caller: Caller, job_id: str) -> JobView:
        """Start at the next half-hour that has room (pins it there); `Conflict` if none has in time."""
        return controls.run_now(self.context, caller, job_id)

    def pin(
        self,
        caller: Caller,
        job_id: str,
        *,
        start_time: datetime | None = None,
        asset_id: str | None = None,
        pinned: bool = True,
    ) -> JobView:
        """Keep a job at a start (default: its present one), or let it move again with `pinned=False`."""
        return controls.pin(
            self.context, caller, job_id, start_time=start_time, asset_id=asset_id, pinned=pinned
        )

    def hold(self, caller: Caller, job_id: str, *, held: bool = True) -> JobView:
        """Take a job out of the plan until released (`held=False`)."""
        return controls.hold(self.context, caller, job_id, held=held)

    def confirm(
        self,
        caller: Caller,
        job_id: str,
        event: str,
        *,
        at: datetime | None = None,
        energy_kwh: float | None = None,
    ) -> JobView:
        """Say what really happened: `started | completed | failed | did_not_run`."""
        return controls.confirm(self.context, caller, job_id, event, at=at, energy_kwh=energy_kwh)

    def candidates(self, caller: Caller, job_id: str) -> tuple[Candidate, ...]:
        """Return every start of a job on every candidate asset with its cost and what blocks it, by start."""
        return explain.candidates(self.context, caller, job_id)

    def explain(
        self,
        caller: Caller,
        job_id: str,
        query: WindowQuery,
        *,
        start: datetime | None = None,
        asset_id: str | None = None,
    ) -> Account:
        """Return a job's windows, who holds the full ones at what price, and why it does not run at `start`."""
        return explain.account(self.context, caller, job_id, query, start=start, asset_id=asset_id)

    def scarcity(self) -> Scarcity:
        """Return the shadow prices of the plan in force."""
        return explain.scarce(self.context)

    # --- planning -----------------------------------------------------------------------------

    def schedule(self, caller: Caller, job_id: str) -> PlanRun:
        """Negotiate all work not started (see `schedule_all`) after checking that the job is the caller's."""
        return planning.schedule(self.context, caller, job_id)

    def schedule_all(self, caller: Caller) -> PlanRun:
        """Negotiate all work not started; waits up to the configured seconds, then `finished=False`."""
        return planning.schedule_all(self.context, caller)

    def negotiation(self, caller: Caller, negotiation_id: str) -> NegotiationView:
        """Return one negotiation; jobs of other owners are left out of messages and snapshot."""
        return planning.show(self.context, caller, negotiation_id)

    def negotiations(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[NegotiationSummary]:
        """Return negotiations, newest first."""
        return planning.page(self.context, caller, cursor=cursor, limit=limit)

    def plan_changes(
        self,
        caller: Caller,
        negotiation_id: str,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> PlanChanges:
        """Return what a plan changed against the one before; rows only of the caller's owner, sums of the fleet."""
        return plan_changes.show(self.context, caller, negotiation_id, cursor=cursor, limit=limit)

    def best_window(self, query: BestWindowQuery) -> BestWindow:
        """Return a good start for work that is not even submitted."""
        return best_window.answer(self.context, query)

    def what_if(self, caller: Caller, carbon_price_gbp_per_tonne: float) -> WhatIf:
        """Return what a re-plan now would give at another value of carbon; nothing is committed."""
        return what_if.what_if(self.context, caller, carbon_price_gbp_per_tonne)

    def trade_off(
        self, caller: Caller, carbon_price_gbp_per_tonne: float, goes_on: bool = False
    ) -> TradeOff:
        """Return carbon against cost at five values of carbon, the current and the asked one among them."""
        return what_if.trade_off(self.context, caller, carbon_price_gbp_per_tonne, goes_on)

    # --- grid ---------------------------------------------------------------------------------

    def data_line(self) -> DataLine:
        """Return how fresh the signals are."""
        return self.context.signals.data_line()

    def energy_forecast(self, region: str, hours: float) -> tuple[EnergyRow, ...]:
        """Return half-hours from the current one."""
        return energy.forecast(self.context, region, hours)

    def energy_current(self, region: str) -> EnergyRow:
        """Return the current half-hour."""
        return energy.current(self.context, region)

    def energy_history(self, region: str, start: datetime, end: datetime) -> tuple[EnergyRow, ...]:
        """Return past half-hours from the archive (last published values)."""
        return energy.history(self.context, region, start, end)

    def regions_now(self, at: datetime | None = None) -> tuple[RegionNow, ...]:
        """Return all 18 regions in the half-hour of `at` (default: now), DNO regions first."""
        return energy.regions_now(self.context, at)

    def forecast_error(self, region: str, signal: SignalName) -> Mapping[str, Any]:
        """Return error statistics of archived forecasts, or the reason why there are none yet."""
        return energy.forecast_error(self.context, region, signal)

    # --- pages that sum up --------------------------------------------------------------------

    def board(self, caller: Caller, *, region: str | None = None) -> Board:
        """Return the Schedule page."""
        return board.show(self.context, caller, region=region)

    def statistics(self, caller: Caller) -> Statistics:
        """Return counts, totals, waits, refusals and data age."""
        return statistics.show(self.context, caller)

    def statement(self, caller: Caller, start_on: date, end_on: date) -> Statement:
        """Return the savings statement of a period (inclusive London dates)."""
        return statement.show(self.context, caller, start_on, end_on)

    def backtests(self, caller: Caller) -> tuple[Mapping[str, Any], ...]:
        """Return every stored back-test, newest first; they hold nobody's jobs, so every caller sees them."""
        del caller
        return backtest_command.results(self.context)

    # --- audit log ----------------------------------------------------------------------------

    def decisions(
        self,
        caller: Caller,
        *,
        job_id: str | None = None,
        event_types: Collection[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[SealedRecord]:
        """Return audit records the caller may see, newest first."""
        return audit_view.page(
            self.context, caller, job_id=job_id, event_types=event_types,
            since=since, until=until, cursor=cursor, limit=limit,
        )  # fmt: skip

    def decision(self, caller: Caller, event_id: str) -> SealedRecord:
        """Return one record."""
        return audit_view.get(self.context, caller, event_id)

    def verify_log(self, *, fresh: bool = False) -> VerifyReport:
        """Verify the chain (files, anchors, outbox); a recent report is reused unless `fresh`."""
        return audit_view.verify(self.context, fresh=fresh)

    # --- access, health, demo -----------------------------------------------------------------

    def authenticate(self, secret: str) -> Caller | None:
        """Return who holds a key (from the settings or the database), or None."""
        return access.authenticate(self.context, secret)

    def keys_exist(self) -> bool:
        """Return whether any key is set; without one only loopback is served, as owner `local`."""
        return access.keys_exist(self.context)

    def create_key(self, owner: str, role: Role, label: str) -> tuple[str, ApiKey]:
        """Create a key; the secret is returned once and never stored."""
        return access.create_key(self.context, owner, role, label)

    def keys(self) -> Sequence[ApiKey]:
        """Return every stored key."""
        return access.keys(self.context)

    def revoke_key(self, key_id: str) -> None:
        """Revoke a key."""
        access.revoke(self.context, key_id)

    def idempotent_begin(
        self, caller: Caller, route: str, key: str, request_sha256: str
    ) -> StoredResponse | None:
        """Reserve an Idempotency-Key; return the stored answer if it was used.

        Raises:
            Conflict: While the first request is still being worked on.
            InvalidRequest: If the key was used with another body.
        """
        return idempotency.begin(self.context, caller, route, key, request_sha256)

    def idempotent_end(
        self, caller: Caller, route: str, key: str, response: StoredResponse | None
    ) -> None:
        """Store the answer, or free the key when the request failed without effect (None)."""
        idempotency.end(self.context, caller, route, key, response)

    def ready(self) -> Mapping[str, Any]:
        """Return readiness: database, migrations, logs writable, data line; raises `SourceUnavailable` if not ready."""
        return health.ready(self.context)

    def telemetry(self) -> Telemetry:
        """Return planning, hand-overs and the loop over all owners, without naming a job."""
        return telemetry.show(self.context)

    def notices(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Notice]:
        """Return what people should hear of, newest first."""
        return notices.page(self.context, caller, cursor=cursor, limit=limit)

    def examine(self) -> Iterator[Check]:
        """Look at everything the program needs here, one check after the other."""
        return doctor.examine(self.context)

    def load_demo(self, caller: Caller) -> PlanRun:
        """Load the demo: 3 clusters and 24 jobs, planned. Only while signals are simulated or replayed, or said so."""
        return demo.load(self.context, caller)

    def clear_demo(self, caller: Caller) -> int:
        """Remove the demo; returns how many things were retired."""
        return demo.clear(self.context, caller)

    def open_jobs_for_after(self, caller: Caller) -> tuple[Job, ...]:
        """Return jobs a new one could wait for (`after job`)."""
        return submit.possible_predecessors(self.context, caller)
