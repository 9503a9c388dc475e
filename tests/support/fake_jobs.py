"""Jobs and planning of `FakeServices`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from models.domain.access import Caller
from models.domain.asset import Asset
from models.domain.decision import EventType
from models.domain.errors import Conflict, FieldError, Infeasible, InvalidRequest, NotFound
from models.domain.job import FINAL_STATUSES, OPEN_STATUSES, Job, JobStatus
from models.domain.plan import (
    Certificate,
    NegotiationStatus,
    NegotiationSummary,
    PlanMethod,
    Refusal,
)
from models.domain.ports import JobFilter, JobView, Page
from models.domain.time import SLOT, floor_slot
from services.explain_types import (
    Account,
    Candidate,
    Difference,
    Scarcity,
    Shadow,
    WhyNot,
    WindowPage,
    WindowQuery,
)
from services.plan_changes import PlanChanges
from services.types import (
    BestWindow,
    BestWindowQuery,
    Estimate,
    JobDetail,
    JobDraft,
    NegotiationView,
    PlanRun,
    Repeat,
)
from tests.support.fake_fleet import FakeFleet, new_id
from tests.support.fake_sums import matches, page_of, savings_of
from tests.support.sample_grid import (
    KAPPA_GBP_PER_KG,
    placement,
    starts_between,
)


class FakeJobs(FakeFleet):
    """Submitting, controlling and planning jobs."""

    # --- jobs -----------------------------------------------------------------------------------

    def _job(self, caller: Caller, draft: JobDraft, job_id: str) -> Job:
        asset_id = draft.asset_id or next(iter(self.assets_by_id), None)
        if asset_id is None or asset_id not in self.assets_by_id:
            raise InvalidRequest(
                "asset_id: there is no such cluster",
                (
                    FieldError(
                        "asset_id",
                        "there is no such cluster",
                        asset_id,
                        None,
                        "add a cluster first",
                    ),
                ),
            )
        asset = self.assets_by_id[asset_id]
        start = max(draft.earliest_start or self.now, self.now)
        if not starts_between(start, draft.latest_finish, draft.duration):
            raise Infeasible(
                "the job does not fit before its deadline",
                (
                    FieldError(
                        "latest_finish", "is too soon", draft.latest_finish, "later", "move it"
                    ),
                ),
                {"latest_finish": start + draft.duration + SLOT},
            )
        names = set(JobDraft.__dataclass_fields__) & set(Job.__dataclass_fields__)
        names -= {
            "job_id",
            "asset_id",
            "earliest_start",
            "flexibility",
            "allowed_regions",
            "job_name",
        }
        return Job(
            job_id=job_id,
            owner=caller.owner,
            job_name=draft.job_name or f"job {job_id}",
            asset_id=asset_id,
            power_kw=draft.estimated_power_kw or 0.7 * (draft.gpu_count or 1),
            earliest_start=start,
            allowed_regions=draft.allowed_regions or (asset.region,),
            accepted_at=self.now,
            flexibility=draft.flexibility or asset.flexibility_type,
            **{name: getattr(draft, name) for name in names},
        )

    def submit_job(self, caller: Caller, draft: JobDraft) -> JobView:
        job_id = draft.job_id or f"job-{len(self.jobs_by_id) + 1:04d}"
        if job_id in self.jobs_by_id:
            raise Conflict(f"there is already a job {job_id!r}; choose another id")
        self.jobs_by_id[job_id] = self._job(caller, draft, job_id)
        return self._view(self.jobs_by_id[job_id])

    def submit_and_plan(
        self, caller: Caller, draft: JobDraft, repeat: Repeat | None = None
    ) -> tuple[JobView, ...]:
        wanted = repeat or Repeat()
        views = [self.submit_job(caller, draft) for _ in range(wanted.copies * wanted.times)]
        self.schedule_all(caller)
        return tuple(self.job(caller, view.job.job_id) for view in views)

    def estimate(self, caller: Caller, draft: JobDraft) -> Estimate:
        job = self._job(caller, draft, "estimate")
        found = self._award(job)
        note = (
            "as given"
            if draft.estimated_power_kw
            else f"{draft.gpu_count} × {draft.gpu_model} at 0.7 kW"
        )
        if isinstance(found, Refusal):
            return Estimate(
                None, None, None, None, None, found.detail, found, job.power_kw, note, job.asset_id
            )
        arrival = found.baseline.placement
        return Estimate(
            found.placement, arrival, found.explanation.runner_up, found.savings,
            found.placement.start - arrival.start if arrival else None,
            found.why, None, job.power_kw, note, job.asset_id,
        )  # fmt: skip

    def job(self, caller: Caller, job_id: str) -> JobView:
        return self._view(self._own(caller, job_id))

    def jobs(
        self,
        caller: Caller,
        wanted: JobFilter,
        *,
        cursor: str | None = None,
        limit: int = 50,
        newest_first: bool = True,
    ) -> Page[JobView]:
        views = [
            self._view(j) for j in self.jobs_by_id.values() if caller.sees_owner in {None, j.owner}
        ]
        views = [v for v in views if matches(v, wanted, self.assets_by_id)]
        return page_of(views[::-1] if newest_first else views, cursor, limit)

    def job_detail(self, caller: Caller, job_id: str) -> JobDetail:
        view = self.job(caller, job_id)
        record = next((r for r in reversed(self.records) if r.job_id == job_id), None)
        return JobDetail(
            view=view,
            asset=self.assets_by_id.get(view.job.asset_id),
            value_of_carbon_gbp_per_tonne=KAPPA_GBP_PER_KG * 1000,
            negotiation=self.negotiations_made[-1] if self.negotiations_made else None,
            record_line=record.line if record else None,
            may_still_move="A new forecast may still move it until 5 minutes before it starts.",
            how_sure="Live data; no error statistics yet: needs 14 days of archived forecasts.",
            changes=tuple(c for c in self.changes_made if c.job_id == job_id),
        )

    def job_log(self, caller: Caller, job_id: str) -> str:
        self._own(caller, job_id)
        if job_id not in self.logs:
            raise NotFound(f"job {job_id} was not handed to an executor, so it has no output")
        return self.logs[job_id]

    def change_job(self, caller: Caller, job_id: str, changes: Mapping[str, Any]) -> JobView:
        job = self._own(caller, job_id)
        if job.status not in OPEN_STATUSES:
            raise Conflict(f"{job_id} is {job.status}; only a job that has not started can change")
        named = {{"estimated_power_kw": "power_kw"}.get(k, k): v for k, v in changes.items()}
        self.jobs_by_id[job_id] = replace(job, **named)
        self.plan(job_id)
        return self.job(caller, job_id)

    def cancel_job(self, caller: Caller, job_id: str) -> JobView:
        job = self._own(caller, job_id)
        if job.status in {JobStatus.COMPLETED, JobStatus.FAILED}:
            raise Conflict(f"{job_id} is {job.status} already")
        self.jobs_by_id[job_id] = replace(job, status=JobStatus.CANCELLED)
        return self.job(caller, job_id)

    def undo_cancel(self, caller: Caller, job_id: str) -> JobView:
        job = self._own(caller, job_id)
        if job.status is not JobStatus.CANCELLED:
            raise Conflict(f"{job_id} is {job.status}, not cancelled")
        self.jobs_by_id[job_id] = replace(job, status=JobStatus.PENDING)
        self.plan(job_id)
        return self.job(caller, job_id)

    def _open(self, caller: Caller, job_id: str) -> Job:
        job = self._own(caller, job_id)
        if job.status not in OPEN_STATUSES:
            raise Conflict(f"{job_id} is {job.status}; this needs a job that has not started")
        return job

    def run_now(self, caller: Caller, job_id: str) -> JobView:
        start = floor_slot(self.now) + SLOT
        return self.pin(caller, job_id, start_time=start)

    def pin(
        self,
        caller: Caller,
        job_id: str,
        *,
        start_time: datetime | None = None,
        asset_id: str | None = None,
        pinned: bool = True,
    ) -> JobView:
        job = self._open(caller, job_id)
        plan = self.plans.get(job_id)
        kept = start_time or (plan.award.placement.start if plan and plan.award else None)
        if pinned and kept is None:
            raise Conflict(f"{job_id} has no start to keep; send start_time")
        if pinned and kept is not None and kept + job.duration > job.latest_finish:
            raise Conflict(f"from {kept:%H:%M} it would not be done by its deadline")
        self.jobs_by_id[job_id] = replace(
            job, pinned_start=kept if pinned else None, pinned_asset_id=asset_id
        )
        self.plan(job_id, kept if pinned else None)
        return self.job(caller, job_id)

    def hold(self, caller: Caller, job_id: str, *, held: bool = True) -> JobView:
        job = self._open(caller, job_id)
        self.jobs_by_id[job_id] = replace(job, is_held=held)
        self.plan(job_id)
        return self.job(caller, job_id)

    def confirm(
        self,
        caller: Caller,
        job_id: str,
        event: str,
        *,
        at: datetime | None = None,
        energy_kwh: float | None = None,
    ) -> JobView:
        job = self._own(caller, job_id)
        if job.status in FINAL_STATUSES:
            raise Conflict(f"{job_id} is {job.status} already")
        when = at or self.now
        status = {
            "started": JobStatus.RUNNING, "completed": JobStatus.COMPLETED,
            "failed": JobStatus.FAILED, "did_not_run": JobStatus.CANCELLED,
        }[event]  # fmt: skip
        times = {"started_at": when} if event == "started" else {"ended_at": when}
        self.jobs_by_id[job_id] = replace(
            job, status=status, measured_energy_kwh=energy_kwh, **times
        )
        return self.job(caller, job_id)

    def candidates(self, caller: Caller, job_id: str) -> tuple[Candidate, ...]:
        job = self._own(caller, job_id)
        plan = self.plans.get(job_id)
        here = plan.award.placement.objective_gbp if plan and plan.award else None
        return tuple(
            Candidate(p, True, None, None if here is None else (p.objective_gbp or 0.0) - here)
            for p in self._options(job)
        )

    def explain(
        self,
        caller: Caller,
        job_id: str,
        query: WindowQuery,
        *,
        start: datetime | None = None,
        asset_id: str | None = None,
    ) -> Account:
        """Explain by the same windows, all of them free."""
        job = self._own(caller, job_id)
        if job.status not in OPEN_STATUSES:
            told = None
            if start is not None:
                told = WhyNot(start, start, job.asset_id, "status", f"The job is {job.status}.")
            return Account(self.now, Scarcity(), None, told, ())
        found = tuple(
            replace(one, shadow=Shadow(0.01, 0.04, 0.25))
            for one in self.candidates(caller, job_id)
            if query.region in {None, one.placement.region}
            and query.asset_id in {None, one.placement.asset_id}
        )
        first = int(query.cursor or 0)
        last = first + query.limit
        windows = WindowPage(
            found[first:last], len(found), len(found), str(last) if last < len(found) else None
        )
        told = None
        if start is not None:
            at = next((one for one in found if one.placement.start == start), None)
            told = WhyNot(
                start, start, asset_id or job.asset_id, "dearer" if at else "late",
                "It is free but £0.42 dearer." if at else "It is too late.",
                at, Difference(0.42, 0.4, 0.01, 0.02, 0.0) if at else None,
                {"extra_gbp": 0.42} if at else {"late_minutes": 30.0},
            )  # fmt: skip
        return Account(self.now, self.scarcity(), windows, told, ())

    def scarcity(self) -> Scarcity:
        note = "2 half-hours are scarce on 1 cluster in the plan in force, of Sat 15:40."
        begin = floor_slot(self.now) + SLOT
        prices = {
            name: (begin, np.array([0.0, 0.04, 0.01])) for name in list(self.assets_by_id)[:1]
        }
        return Scarcity("plan-1", self.now, prices, note)

    # --- planning -------------------------------------------------------------------------------

    def schedule(self, caller: Caller, job_id: str) -> PlanRun:
        self._own(caller, job_id)
        return self.schedule_all(caller)

    def schedule_all(self, caller: Caller) -> PlanRun:
        negotiation_id = new_id("negotiation", len(self.negotiations_made))
        summary = NegotiationSummary(
            negotiation_id, NegotiationStatus.RUNNING, "schedule_all", self.now, None,
            0, 0, 0, 0, self.quality, None,
        )  # fmt: skip
        self.negotiations_made.append(summary)
        if self.slow_planning:
            return PlanRun(negotiation_id, finished=False)
        for job in list(self.jobs_by_id.values()):
            if job.status in OPEN_STATUSES:
                self.plan(job.job_id, job.pinned_start)
        answers = [
            self.plans[j.job_id] for j in self.jobs_by_id.values() if j.status in OPEN_STATUSES
        ]
        awards = [p.award for p in answers if p.award is not None]
        objective = sum(a.placement.objective_gbp or 0.0 for a in awards)
        refused = sum(p.refusal is not None for p in answers)
        deferred = sum(p.deferral is not None for p in answers)
        certificate = Certificate(
            objective,
            objective,
            0.0,
            None if refused else 0.0,
            0.0,
            objective,
            0.0,
            1,
            0.01,
            PlanMethod.GREEDY,
        )
        self._record(EventType.NEGOTIATION, None, negotiation_id)
        self.negotiations_made[-1] = replace(
            summary, status=NegotiationStatus.COMMITTED, finished_at=self.now, scheduled=len(awards),
            refused=refused, deferred=deferred, certificate=certificate,
        )  # fmt: skip
        return PlanRun(negotiation_id, True, len(awards), refused, deferred, 0, certificate)

    def negotiation(self, caller: Caller, negotiation_id: str) -> NegotiationView:
        for summary in self.negotiations_made:
            if summary.negotiation_id == negotiation_id:
                told = {"kind": "policy_published", "round": 0, "sender": "policy"}
                return NegotiationView(
                    summary, (told,), {"jobs": [], "assets": [], "policy": {}, "signals": {}}
                )
        raise NotFound(f"there is no negotiation {negotiation_id!r}")

    def plan_changes(
        self, caller: Caller, negotiation_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> PlanChanges:
        summary = self.negotiation(caller, negotiation_id).summary
        rows = [c for c in self.changes_made if c.negotiation_id == negotiation_id
                and caller.sees_owner in {None, c.owner}]  # fmt: skip
        return PlanChanges(summary, page_of(rows, cursor, limit))

    def negotiations(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[NegotiationSummary]:
        return page_of(self.negotiations_made[::-1], cursor, limit)

    def best_window(self, query: BestWindowQuery) -> BestWindow:
        asset = Asset("anywhere", "local", "any", query.region, 1e9, self.now)
        power = query.power_kw or 1.0
        job = Job(
            "question", "local", "question", "anywhere", query.duration, power,
            query.earliest_start or self.now, query.ready_by, (query.region,), self.now,
        )  # fmt: skip
        starts = starts_between(max(job.release, self.now), query.ready_by, query.duration)
        if not starts:
            raise Infeasible(
                "the work does not fit before ready_by",
                (
                    FieldError(
                        "ready_by", "is too soon", query.ready_by, "later", "move ready_by later"
                    ),
                ),
            )
        options = [placement(job, asset, s, self.quality) for s in starts]
        best = min(options, key=lambda p: (p.objective_gbp or 0.0, p.start))
        apart = [p for p in options if p.end <= best.start or p.start >= best.end]
        return BestWindow(
            query.region, self.now, query.ready_by, query.duration, power, query.power_kw is None,
            best, min(apart, key=lambda p: p.objective_gbp or 0.0, default=None), options[0],
            savings_of(options[0], best), f"Start {best.start:%H:%M}: the least of {len(options)} starts.",
            KAPPA_GBP_PER_KG * 1000, self.quality, "Agile is a household tariff: price shape, ex VAT",
            "not known yet: needs 14 days of archived forecasts",
            f"sbatch --begin={best.start:%Y-%m-%dT%H:%M:%S}", f"at -t {best.start:%Y%m%d%H%M}", starts[-1],
        )  # fmt: skip
