"""State and planning of `FakeServices`: clusters, jobs and their answers, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid5

from models.domain.access import ApiKey, Caller
from models.domain.asset import Asset
from models.domain.change import MovesNews, PlanChange
from models.domain.decision import DecisionDraft, EventType, SealedRecord, seal
from models.domain.errors import Conflict, NotFound
from models.domain.job import OPEN_STATUSES, Job, JobStatus
from models.domain.notice import Notice
from models.domain.plan import (
    Award,
    Baseline,
    Deferral,
    Explanation,
    NegotiationSummary,
    Placement,
    Refusal,
    Relaxation,
)
from models.domain.ports import JobPlan, JobView, Page, StoredResponse
from models.domain.routine import Routine
from models.domain.signal import Quality
from models.domain.time import SLOT, floor_slot
from services.telemetry import Telemetry
from services.types import (
    AssetDraft,
    AssetUse,
)
from tests.support.fake_market import FakeMarket
from tests.support.fake_sums import page_of, savings_of
from tests.support.sample_grid import (
    KAPPA_GBP_PER_KG,
    NOW,
    data_line,
    first_start,
    placement,
    starts_between,
)

NAMESPACE = UUID("6f1d9a52-7f0e-4a4f-9a53-0d9f0c2b7a11")


def new_id(*parts: object) -> str:
    return str(uuid5(NAMESPACE, "/".join(map(str, parts))))


class FakeFleet:
    """Clusters, jobs and planning over dictionaries."""

    def __init__(
        self,
        mode: str = "live",
        keys: Mapping[str, Caller] | None = None,
        *,
        now: datetime = NOW,
        slow_planning: bool = False,
    ) -> None:
        self.mode = mode
        self.now = now
        self.context = SimpleNamespace(
            clock=SimpleNamespace(now=lambda: self.now, is_shifted=False),
            policy=SimpleNamespace(carbon_price_gbp_per_tonne=KAPPA_GBP_PER_KG * 1000),
            settings=SimpleNamespace(default_region="london"),
            system_now=lambda: self.now,
        )
        self.market = FakeMarket()
        self.secrets = dict(keys or {})
        self.slow_planning = slow_planning
        self.assets_by_id: dict[str, Asset] = {}
        self.jobs_by_id: dict[str, Job] = {}
        self.plans: dict[str, JobPlan] = {}
        self.negotiations_made: list[NegotiationSummary] = []
        self.changes_made: list[PlanChange] = []
        self.moves_news: MovesNews | None = None
        self.records: list[SealedRecord] = []
        self.logs: dict[str, str] = {}
        self.kept_routines: dict[str, Routine] = {}
        self.told: list[Notice] = []
        self.seen = Telemetry(now, None, {}, (), True)
        self.idempotent: dict[tuple[str, str, str], StoredResponse] = {}
        self.stored_keys: list[ApiKey] = []
        self.fail_with: Exception | None = None
        """Raised by `statistics`, to test the boundary."""

    # --- inside ---------------------------------------------------------------------------------

    @property
    def quality(self) -> Quality:
        return data_line(self.mode).quality

    def _record(self, kind: EventType, job: Job | None, negotiation_id: str | None) -> str:
        draft = DecisionDraft(
            kind,
            {"rationale": "sample"},
            event_id=UUID(new_id("event", len(self.records))),
            job_id=job.job_id if job else None,
            owner=job.owner if job else None,
            negotiation_id=negotiation_id,
        )
        previous = self.records[-1].hash if self.records else "0" * 64
        sealed = seal(draft, seq=len(self.records) + 1, prev_hash=previous, now=self.now)
        self.records.append(sealed)
        return sealed.event_id

    def _own(self, caller: Caller, job_id: str) -> Job:
        job = self.jobs_by_id.get(job_id)
        if job is None or caller.sees_owner not in {None, job.owner}:
            raise NotFound(f"there is no job {job_id!r}; look at the list of jobs")
        return job

    def _view(self, job: Job) -> JobView:
        plan = self.plans.get(job.job_id)
        status = job.status
        ended = plan is not None and plan.award is not None and plan.award.placement.end <= self.now
        if status is JobStatus.SCHEDULED and ended:
            status = JobStatus.UNCONFIRMED
        return JobView(job, plan, status)

    def _options(self, job: Job) -> list[Placement]:
        asset = self.assets_by_id[job.asset_id]
        found = [
            placement(job, asset, start, self.quality)
            for start in starts_between(max(job.release, self.now), job.latest_finish, job.duration)
        ]
        if job.max_price_gbp_per_kwh is not None:
            cap = job.max_price_gbp_per_kwh
            found = [
                p
                for p in found
                if p.mean_price_gbp_per_kwh is None or p.mean_price_gbp_per_kwh <= cap
            ]
        if job.carbon_cap_g_per_kwh is not None:
            cap = job.carbon_cap_g_per_kwh
            found = [
                p
                for p in found
                if p.mean_carbon_g_per_kwh is None or p.mean_carbon_g_per_kwh <= cap
            ]
        return found

    def _award(self, job: Job, start: datetime | None = None) -> Award | Refusal:
        options = self._options(job)
        asset = self.assets_by_id[job.asset_id]
        if not options:
            start_at = first_start(self.now)
            easier = Relaxation("max_price_gbp_per_kwh", 0.31, start_at, asset.asset_id, 12.0, 9.0)
            return Refusal(
                job.job_id, "max_price", "every start is dearer than its cap of "
                f"{job.max_price_gbp_per_kwh} GBP/kWh", easier, (easier,), 12, ("12 starts on 1 cluster",),
            )  # fmt: skip
        ranked = sorted(options, key=lambda p: (p.objective_gbp or 0.0, p.start))
        best = ranked[0] if start is None else placement(job, asset, start, self.quality)
        rest = [p for p in ranked if p.end <= best.start or p.start >= best.end]
        arrival = placement(job, asset, first_start(job.release), self.quality)  # fmt: skip
        return Award(
            job.job_id,
            best,
            Baseline(arrival),
            savings_of(arrival, best),
            Explanation(
                rest[0] if rest else None,
                len(options),
                tuple(ranked[:3]),
                (),
                967.0,
                "below",
                hashlib.sha256(job.job_id.encode()).hexdigest(),
                options[-1].start,
            ),
            f"Starts {best.start:%H:%M}: least cost and carbon of {len(options)} starts.",
        )

    def plan(self, job_id: str, start: datetime | None = None) -> None:
        """Answer one job: award, refusal, or deferral where it is held."""
        job = self.jobs_by_id[job_id]
        negotiation_id = (
            self.negotiations_made[-1].negotiation_id if self.negotiations_made else new_id("n", 0)
        )
        answer: dict[str, Any]
        if job.is_held:
            answer = {"deferral": Deferral(job_id, "held until you release it", None)}
            status = JobStatus.PENDING
        else:
            found = self._award(job, start)
            refused = isinstance(found, Refusal)
            answer = {"refusal" if refused else "award": found}
            status = JobStatus.REFUSED if refused else JobStatus.SCHEDULED
        kind = EventType.REFUSAL if status is JobStatus.REFUSED else EventType.DECISION
        decision_id = self._record(kind, job, negotiation_id)
        mode = "simulated" if self.mode == "simulated" else "live"
        self.plans[job_id] = JobPlan(
            job_id, negotiation_id, decision_id, self.now, signals_mode=mode, **answer
        )
        self.jobs_by_id[job_id] = replace(job, status=status, version=job.version + 1)

    # --- clusters -------------------------------------------------------------------------------

    def create_asset(self, caller: Caller, draft: AssetDraft) -> Asset:
        asset_id = draft.asset_id or f"{draft.region}-{len(self.assets_by_id) + 1}"
        if asset_id in self.assets_by_id:
            raise Conflict(f"there is already a cluster {asset_id!r}; choose another id")
        fields = {
            name: getattr(draft, name)
            for name in AssetDraft.__dataclass_fields__
            if name != "asset_id"
        }
        asset = Asset(asset_id=asset_id, owner=caller.owner, created_at=self.now, **fields)
        self.assets_by_id[asset_id] = asset
        return asset

    def asset(self, caller: Caller, asset_id: str) -> Asset:
        found = self.assets_by_id.get(asset_id)
        if found is None or caller.sees_owner not in {None, found.owner}:
            raise NotFound(f"there is no cluster {asset_id!r}; look at the list of clusters")
        return found

    def assets(
        self,
        caller: Caller,
        *,
        region: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Asset]:
        mine = [
            a for _, a in sorted(self.assets_by_id.items())
            if caller.sees_owner in {None, a.owner} and region in {None, a.region}
        ]  # fmt: skip
        return page_of(mine, cursor, limit)

    def change_asset(self, caller: Caller, asset_id: str, changes: Mapping[str, Any]) -> Asset:
        found = self.asset(caller, asset_id)
        changed = replace(found, **changes, version=found.version + 1)
        self.assets_by_id[asset_id] = changed
        return changed

    def delete_asset(self, caller: Caller, asset_id: str) -> None:
        self.asset(caller, asset_id)
        if any(
            j.asset_id == asset_id and j.status is JobStatus.RUNNING
            for j in self.jobs_by_id.values()
        ):
            raise Conflict(f"work is running on {asset_id}; wait for it or cancel it first")
        del self.assets_by_id[asset_id]

    def asset_uses(self, caller: Caller, slots: int = 96) -> tuple[AssetUse, ...]:
        start = floor_slot(self.now)
        uses = []
        for asset in self.assets(caller, limit=200).items:
            used = [0.0] * slots
            for plan in self.plans.values():
                if plan.award is None or plan.award.placement.asset_id != asset.asset_id:
                    continue
                for k in range(slots):
                    inside = plan.award.placement.start < start + (k + 1) * SLOT
                    if inside and start + k * SLOT < plan.award.placement.end:
                        used[k] += self.jobs_by_id[plan.job_id].power_kw
            here = [j for j in self.jobs_by_id.values() if j.asset_id == asset.asset_id]
            uses.append(
                AssetUse(asset, start, tuple(used), sum(j.status in OPEN_STATUSES for j in here))
            )
        return tuple(uses)
