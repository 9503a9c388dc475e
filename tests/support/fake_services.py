"""`FakeServices`: the use cases in memory, with the signatures of `services.facade.Services`.

A small real implementation: assets and jobs are stored, and every job is planned alone at its cheapest start
(cost plus the value of carbon) on its own asset. `mode` says what the data look like: `live | simulated | stale | empty`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from models.domain.access import ApiKey, Caller, Role
from models.domain.decision import SealedRecord
from models.domain.errors import Conflict, FieldError, InvalidRequest, NotFound
from models.domain.job import FINAL_STATUSES, OPEN_STATUSES, Job, JobStatus
from models.domain.notice import Notice
from models.domain.ports import JobView, Page, StoredResponse, VerifyReport
from models.domain.routine import Routine
from models.domain.time import floor_slot
from services.doctor import Check, Finding
from services.routines import RoutineDraft
from services.telemetry import Telemetry
from services.types import (
    AssetDraft,
    JobDraft,
    PlanRun,
)
from tests.support.fake_fleet import new_id
from tests.support.fake_reading import FakeReading
from tests.support.fake_sums import page_of
from tests.support.sample_grid import (
    placement,
)


class FakeServices(FakeReading):
    """Use cases over dictionaries. `keys` maps secrets to callers; empty means the open loopback mode."""

    # --- audit log ------------------------------------------------------------------------------

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
        if job_id is not None:
            self._own(caller, job_id)
        kinds = {str(kind) for kind in event_types}
        found = [
            r for r in reversed(self.records)
            if job_id in {None, r.job_id} and (not kinds or r.event_type in kinds)
            and (r.owner is None or caller.sees_owner in {None, r.owner})
        ]  # fmt: skip
        return page_of(found, cursor, limit)

    def decision(self, caller: Caller, event_id: str) -> SealedRecord:
        for record in self.records:
            if record.event_id == event_id:
                return record
        raise NotFound(f"there is no decision {event_id!r}")

    def verify_log(self, *, fresh: bool = False) -> VerifyReport:
        head = self.records[-1].hash if self.records else "0" * 64
        return VerifyReport(True, len(self.records), len(self.records), head, self.now)

    # --- access, health, demo -------------------------------------------------------------------

    def authenticate(self, secret: str) -> Caller | None:
        return self.secrets.get(secret)

    def keys_exist(self) -> bool:
        return bool(self.secrets)

    def create_key(self, owner: str, role: Role, label: str) -> tuple[str, ApiKey]:
        secret = f"hh_{new_id('key', len(self.stored_keys))}"
        key = ApiKey(
            new_id("id", secret),
            hashlib.sha256(secret.encode()).hexdigest(),
            owner,
            role,
            label,
            self.now,
        )
        self.stored_keys.append(key)
        self.secrets[secret] = Caller(owner, role, key.key_id)
        return secret, key

    def keys(self) -> Sequence[ApiKey]:
        return tuple(self.stored_keys)

    def revoke_key(self, key_id: str) -> None:
        self.secrets = {s: c for s, c in self.secrets.items() if c.key_id != key_id}

    def idempotent_begin(
        self, caller: Caller, route: str, key: str, request_sha256: str
    ) -> StoredResponse | None:
        stored = self.idempotent.get((caller.owner, route, key))
        if stored is None:
            self.idempotent[caller.owner, route, key] = StoredResponse(request_sha256, None, "")
            return None
        if stored.request_sha256 != request_sha256:
            raise InvalidRequest(
                "this Idempotency-Key was used with another request",
                (
                    FieldError(
                        "Idempotency-Key", "used with another request", key, None, "use a new key"
                    ),
                ),
            )
        if stored.status is None:
            raise Conflict("the first request with this Idempotency-Key is still being worked on")
        return stored

    def idempotent_end(
        self, caller: Caller, route: str, key: str, response: StoredResponse | None
    ) -> None:
        if response is None:
            del self.idempotent[caller.owner, route, key]
        else:
            self.idempotent[caller.owner, route, key] = response

    def ready(self) -> Mapping[str, Any]:
        return {
            "database": "ok",
            "logs": "ok",
            "clock": {"now": self.now},
            "data": self.data_line(),
        }

    def submit_jobs(self, caller: Caller, drafts: list[JobDraft]) -> tuple[JobView, ...]:
        return tuple(self.submit_job(caller, draft) for draft in drafts)

    def create_routine(self, caller: Caller, draft: RoutineDraft) -> Routine:
        routine_id = draft.routine_id or f"every-{len(self.kept_routines) + 1}"
        job = {**draft.job, "duration_hours": draft.job["duration"] / timedelta(hours=1)}
        del job["duration"]
        self.kept_routines[routine_id] = Routine(
            routine_id, caller.owner, draft.every, draft.hour, draft.minute, draft.window, draft.copies, job,
            draft.first_on or self.now.date(), draft.until, self.now,
        )  # fmt: skip
        return self.kept_routines[routine_id]

    def routines(self, caller: Caller) -> tuple[Routine, ...]:
        return tuple(
            r for r in self.kept_routines.values() if r.is_live and r.owner == caller.owner
        )

    def routine(self, caller: Caller, routine_id: str) -> Routine:
        found = self.kept_routines.get(routine_id)
        if found is None or found.owner != caller.owner:
            raise NotFound(f"there is no routine {routine_id!r}")
        return found

    def end_routine(self, caller: Caller, routine_id: str) -> Routine:
        self.kept_routines[routine_id] = replace(self.routine(caller, routine_id), is_live=False)
        return self.kept_routines[routine_id]

    def notices(
        self, caller: Caller, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Notice]:
        mine = [n for n in self.told if n.owner in {None, caller.owner}]
        return page_of(mine, cursor, limit)

    def examine(self) -> Iterator[Check]:
        yield Check("database", Finding.OK, "in memory")

    def telemetry(self) -> Telemetry:
        return self.seen

    def load_demo(self, caller: Caller) -> PlanRun:
        fill(self, caller, is_demo=True)
        return self.schedule_all(caller)

    def clear_demo(self, caller: Caller) -> int:
        gone = [j.job_id for j in self.jobs_by_id.values() if j.is_demo]
        for job_id in gone:
            del self.jobs_by_id[job_id]
        places = [a.asset_id for a in self.assets_by_id.values() if a.is_demo]
        for asset_id in places:
            del self.assets_by_id[asset_id]
        return len(gone) + len(places)

    def open_jobs_for_after(self, caller: Caller) -> tuple[Job, ...]:
        return tuple(j for j in self.jobs_by_id.values() if j.status in OPEN_STATUSES)


def fill(services: FakeServices, caller: Caller, *, is_demo: bool = False) -> None:
    """Register three clusters and submit jobs that end up in every state."""
    for asset_id, region, power in (("alder", "london", 200.0), ("birch", "north_scotland", 120.0), ("cedar", "south_wales", 80.0)):  # fmt: skip
        services.create_asset(
            caller,
            AssetDraft(region=region, max_power_kw=power, asset_id=asset_id, name=asset_id.title(), pue=1.2, is_demo=is_demo),
        )  # fmt: skip
    deadline = services.now + timedelta(hours=18)
    for number, status in enumerate(JobStatus):
        cap = -1.0 if status is JobStatus.REFUSED else None
        draft = JobDraft(
            timedelta(hours=2 + number % 3), deadline, estimated_power_kw=10.0 * (number + 1),
            job_id=f"{status}-job", job_name=f"Sample {status}", asset_id=("alder", "birch", "cedar")[number % 3],
            max_price_gbp_per_kwh=cap, is_demo=is_demo,
        )  # fmt: skip
        services.submit_job(caller, draft)


def filled(
    mode: str = "live", keys: Mapping[str, Caller] | None = None, owner: str = "local"
) -> FakeServices:
    """Return services with three clusters and one job in each state (`<status>-job`), and one held."""
    services = FakeServices(mode, keys)
    # What is stored is immutable, so a copy of the collections is as good as the same steps again.
    for name, kept in _stored(mode, owner).items():
        setattr(services, name, kept.copy())
    return services


@functools.cache
def _stored(mode: str, owner: str) -> dict[str, dict[Any, Any] | list[Any]]:
    """Return the collections of `filled` services by name."""
    services = FakeServices(mode)
    caller = Caller(owner, Role.OPERATOR)
    fill(services, caller)
    services.hold(caller, "pending-job")
    services.schedule_all(caller)
    for status in (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        job = services.jobs_by_id[f"{status}-job"]
        services.jobs_by_id[job.job_id] = replace(
            job,
            status=status,
            started_at=services.now - timedelta(hours=3)
            if status is not JobStatus.CANCELLED
            else None,
            ended_at=services.now if status in FINAL_STATUSES else None,
            measured_energy_kwh=61.5 if status is JobStatus.COMPLETED else None,
        )
    _shift_into_past(services, "unconfirmed-job")
    fresh = vars(FakeServices(mode))
    return {
        name: kept
        for name, kept in vars(services).items()
        if isinstance(kept, dict | list) and kept != fresh[name]
    }


def _shift_into_past(services: FakeServices, job_id: str) -> None:
    """Give a job an award whose end has passed without anybody confirming it."""
    plan = services.plans[job_id]
    assert plan.award is not None
    job = services.jobs_by_id[job_id]
    start = floor_slot(services.now) - timedelta(hours=8)
    old = placement(job, services.assets_by_id[job.asset_id], start, services.quality)
    services.plans[job_id] = replace(plan, award=replace(plan.award, placement=old))
