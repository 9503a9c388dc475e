"""The present plan of every job, the power it reserves, and the guard against double booking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, case, delete, func, insert, select, union, update

from models.domain.asset import Asset
from models.domain.change import PlanChange
from models.domain.errors import NotFound, StalePlan
from models.domain.job import JobStatus
from models.domain.plan import NegotiationStatus, NegotiationSummary
from models.domain.ports import JobPlan, Page
from models.domain.time import format_utc
from storage import negotiations, plan_changes
from storage.database import IN_LIST_LIMIT, Transaction
from storage.job_lists import STATUSES_TO_PLAN
from storage.job_plan_rows import PLAN_COLUMNS, plan_from_row, plan_values
from storage.reservations import drop_slots, held_slots, holding_digest, release_jobs
from storage.serialise import dump_free, loads
from storage.tables import (
    AssetRow,
    ClaimRow,
    JobPlanRow,
    JobRow,
    LeaseRow,
    PlanStateRow,
    ReservationRow,
)


class SqlPlanRepository:
    """`PlanRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def version(self) -> int:
        """Return the plan version, which grows with every committed change a planner must know."""
        row = self._tx.first(select(PlanStateRow.version).where(PlanStateRow.id == 1))
        assert row is not None, "the first migration writes this row"
        return int(row.version)

    def bump(self) -> None:
        """Grow the plan version, so that a plan in the making is stale."""
        self._tx.execute(
            update(PlanStateRow)
            .where(PlanStateRow.id == 1)
            .values(version=PlanStateRow.version + 1)
        )

    def guard(self, expected_version: int, fencing_token: int) -> None:
        """Raise `StalePlan` if the version or the lease's token has moved on.

        The plan row itself is locked since the transaction began: every writer takes it first.
        """
        version = self.version()
        if version != expected_version:
            raise StalePlan(
                f"the plan has moved on from version {expected_version} to {version} meanwhile; "
                "plan again"
            )
        holding = self._tx.first(
            select(LeaseRow.name).where(
                LeaseRow.fencing_token == fencing_token, LeaseRow.holder.is_not(None)
            )
        )
        if holding is None:
            raise StalePlan(
                f"the planning lease {fencing_token} has been given up or taken over; plan again"
            )

    def current(self) -> dict[str, JobPlan]:
        """Return the present plan of every open job and of every award that still holds power."""
        open_statuses = [str(status) for status in STATUSES_TO_PLAN]
        wanted = union(
            select(JobRow.job_id).where(JobRow.status.in_(open_statuses)),
            select(JobPlanRow.job_id).where(JobPlanRow.holding.is_not(None)),
        ).subquery()
        rows = self._tx.rows(
            select(JobPlanRow.job_id, *PLAN_COLUMNS)
            .join(wanted, wanted.c.job_id == JobPlanRow.job_id)
            .order_by(JobPlanRow.job_id)
        )
        plans = ((row.job_id, plan_from_row(row.job_id, row)) for row in rows)
        return {job_id: plan for job_id, plan in plans if plan is not None}

    def put(self, plans: Iterable[JobPlan]) -> None:
        """Store the answers of a negotiation and replace the half-hours those jobs hold.

        Rows that would not change are left alone. A refusal or deferral holds nothing.
        """
        wanted = {plan.job_id: plan for plan in plans}
        stored = self._stored_rows(list(wanted))
        changed: list[dict[str, Any]] = []
        moved: list[str] = []
        slots: list[dict[str, Any]] = []
        for job_id, plan in wanted.items():
            held = held_slots(plan.award) if plan.award else {}
            holding = holding_digest(plan.award, held) if plan.award else None
            values = plan_values(plan, holding)
            before = stored.get(job_id)
            if before is not None and all(before[name] == value for name, value in values.items()):
                continue
            changed.append(values)
            if before is not None and before["holding"] == holding:
                continue
            moved.append(job_id)
            if plan.award is not None:
                slots += _slot_rows(plan, held)
        self._tx.upsert(JobPlanRow, ["job_id"], changed)
        drop_slots(self._tx, [job_id for job_id in moved if job_id in stored])
        if slots:
            self._tx.execute(insert(ReservationRow), slots)

    def release(self, job_id: str) -> None:
        """Give back every half-hour a job still holds."""
        release_jobs(self._tx, [job_id])

    def forget(self, job_id: str) -> None:
        """Drop the answer of a job, and whatever it holds."""
        release_jobs(self._tx, [job_id])
        self._tx.execute(delete(JobPlanRow).where(JobPlanRow.job_id == job_id))

    def check_capacity(self, tolerance_kw: float = 1e-6) -> None:
        """Raise `StalePlan` if any asset's reserved power exceeds its room in any half-hour.

        A breach by frozen awards alone (they cannot move any more) is let pass. A deleted asset has no room.
        """
        room_kw = case(
            (AssetRow.deleted_at.is_not(None), 0.0),
            (AssetRow.max_power_kw < AssetRow.base_load_kw, 0.0),
            else_=AssetRow.max_power_kw - AssetRow.base_load_kw,
        )
        reserved_kw = func.sum(ReservationRow.power_kw)
        movable_kw = func.sum(case((ReservationRow.frozen, 0.0), else_=ReservationRow.power_kw))
        held = (
            select(
                ReservationRow.asset_id,
                ReservationRow.slot_start,
                reserved_kw.label("reserved_kw"),
                movable_kw.label("movable_kw"),
            )
            .group_by(ReservationRow.asset_id, ReservationRow.slot_start)
            .subquery()
        )
        breach = self._tx.first(
            select(held.c.asset_id, held.c.slot_start, held.c.reserved_kw, room_kw.label("room"))
            .join(AssetRow, AssetRow.asset_id == held.c.asset_id)
            .where(held.c.reserved_kw > room_kw + tolerance_kw, held.c.movable_kw > tolerance_kw)
            .order_by(held.c.slot_start, held.c.asset_id)
            .limit(1)
        )
        if breach is not None:
            raise StalePlan(
                f"asset {breach.asset_id!r} would draw {breach.reserved_kw:g} kW in the half-hour "
                f"from {format_utc(breach.slot_start)} and has room for {breach.room:g} kW; plan again"
            )
        self._check_limited(tolerance_kw)
        self._check_claims(tolerance_kw)

    def _check_limited(self, tolerance_kw: float) -> None:
        """Check the half-hours of assets whose power is limited at times: London time is no matter for SQL."""
        bodies = self._tx.rows(
            select(AssetRow.body).where(
                AssetRow.has_power_limits.is_(True), AssetRow.deleted_at.is_(None)
            )
        )
        limited = {asset.asset_id: asset for row in bodies for asset in (loads(Asset, row.body),)}
        if not limited:
            return
        held = self._tx.rows(
            select(
                ReservationRow.asset_id,
                ReservationRow.slot_start,
                func.sum(ReservationRow.power_kw).label("reserved_kw"),
                func.sum(case((ReservationRow.frozen, 0.0), else_=ReservationRow.power_kw)).label(
                    "movable_kw"
                ),
            )
            .join(AssetRow, AssetRow.asset_id == ReservationRow.asset_id)
            .where(AssetRow.has_power_limits.is_(True), AssetRow.deleted_at.is_(None))
            .group_by(ReservationRow.asset_id, ReservationRow.slot_start)
            .order_by(ReservationRow.slot_start, ReservationRow.asset_id)
        )
        for row in held:
            room_kw = limited[row.asset_id].room_at(row.slot_start)
            if row.movable_kw > tolerance_kw and row.reserved_kw > room_kw + tolerance_kw:
                raise StalePlan(
                    f"asset {row.asset_id!r} would draw {row.reserved_kw:g} kW in the half-hour from "
                    f"{format_utc(row.slot_start)} and its limits leave {room_kw:g} kW; plan again"
                )

    def _check_claims(self, tolerance_kw: float) -> None:
        """Check the half-hours in which contracts keep power for others or limit what jobs may draw."""
        claims = self._tx.rows(
            select(
                ClaimRow.asset_id, ClaimRow.slot_start, ClaimRow.power_kw, ClaimRow.most_kw,
                ClaimRow.job_id, AssetRow.body,
            ).join(AssetRow, AssetRow.asset_id == ClaimRow.asset_id)
        )  # fmt: skip
        if not claims:
            return
        kept: dict[tuple[str, datetime], float] = {}
        most: dict[tuple[str, datetime], float] = {}
        bodies: dict[str, str] = {}
        for row in claims:
            place = (row.asset_id, row.slot_start)
            bodies[row.asset_id] = row.body
            if row.job_id is None:
                kept[place] = kept.get(place, 0.0) + row.power_kw
            if row.most_kw is not None:
                most[place] = min(most.get(place, row.most_kw), row.most_kw)
        assets = {name: loads(Asset, body) for name, body in bodies.items()}
        held = self._tx.rows(
            select(
                ReservationRow.asset_id,
                ReservationRow.slot_start,
                func.sum(ReservationRow.power_kw).label("reserved_kw"),
                func.sum(case((ReservationRow.frozen, 0.0), else_=ReservationRow.power_kw)).label(
                    "movable_kw"
                ),
            )
            .where(ReservationRow.slot_start.in_(sorted({slot for _, slot in (*kept, *most)})))
            .group_by(ReservationRow.asset_id, ReservationRow.slot_start)
        )
        for row in held:
            place = (row.asset_id, row.slot_start)
            if (place not in kept and place not in most) or row.movable_kw <= tolerance_kw:
                continue
            room_kw = assets[row.asset_id].room_at(row.slot_start) - kept.get(place, 0.0)
            room_kw = min(room_kw, most.get(place, room_kw))
            if row.reserved_kw > room_kw + tolerance_kw:
                raise StalePlan(
                    f"asset {row.asset_id!r} would draw {row.reserved_kw:g} kW in the half-hour from "
                    f"{format_utc(row.slot_start)} and contracts leave {room_kw:g} kW; plan again"
                )

    def reserved(
        self, start: datetime, end: datetime, *, only_job: str | None = None
    ) -> dict[str, dict[datetime, float]]:
        """Return the IT power awards (or one job's) hold per asset id and half-hour start in `[start, end)`. [kW]"""
        wanted = (
            select(
                ReservationRow.asset_id,
                ReservationRow.slot_start,
                func.sum(ReservationRow.power_kw).label("power_kw"),
            )
            .where(ReservationRow.slot_start >= start, ReservationRow.slot_start < end)
            .group_by(ReservationRow.asset_id, ReservationRow.slot_start)
        )
        if only_job is not None:
            wanted = wanted.where(ReservationRow.job_id == only_job)
        held: dict[str, dict[datetime, float]] = {}
        for row in self._tx.rows(wanted):
            held.setdefault(row.asset_id, {})[row.slot_start] = float(row.power_kw)
        return held

    def holders(
        self, asset_id: str, start: datetime, end: datetime
    ) -> tuple[tuple[datetime, str, str, float], ...]:
        """Return who holds an asset's power in `[start, end)`: (half-hour start, job id, owner, kW), by time then id."""
        rows = self._tx.rows(
            select(
                ReservationRow.slot_start,
                ReservationRow.job_id,
                JobRow.owner,
                ReservationRow.power_kw,
            )
            .join(JobRow, JobRow.job_id == ReservationRow.job_id)
            .where(
                ReservationRow.asset_id == asset_id,
                ReservationRow.slot_start >= start,
                ReservationRow.slot_start < end,
            )
            .order_by(ReservationRow.slot_start, ReservationRow.job_id)
        )
        return tuple((row.slot_start, row.job_id, row.owner, float(row.power_kw)) for row in rows)

    def begin_negotiation(self, summary: NegotiationSummary) -> None:
        """Store a negotiation as running."""
        negotiations.store(self._tx, summary)

    def finish_negotiation(
        self,
        summary: NegotiationSummary,
        messages: Sequence[Mapping[str, Any]],
        snapshot: Mapping[str, Any],
    ) -> None:
        """Store how a negotiation ended, with its messages and a frozen view of the plan."""
        negotiations.store(self._tx, summary, messages, snapshot)

    def negotiation(
        self, negotiation_id: str
    ) -> tuple[NegotiationSummary, tuple[Mapping[str, Any], ...], Mapping[str, Any]]:
        """Return summary, messages and snapshot. Raises `NotFound`."""
        return negotiations.load(self._tx, negotiation_id)

    def snapshot(self, negotiation_id: str) -> Mapping[str, Any]:
        """Return the frozen view of a plan. Raises `NotFound`."""
        return negotiations.snapshot_of(self._tx, negotiation_id)

    def negotiation_summary(self, negotiation_id: str) -> NegotiationSummary:
        """Return how a negotiation stands, without reading what was said. Raises `NotFound`."""
        return negotiations.summary_of(self._tx, negotiation_id)

    def negotiations(
        self, *, status: NegotiationStatus | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[NegotiationSummary]:
        """Return negotiations, newest first."""
        return negotiations.page(self._tx, status=status, cursor=cursor, limit=limit)

    def count_refused(self, rule: str) -> int:
        """Return how many jobs are refused by a rule now."""
        row = self._tx.first(
            select(func.count().label("jobs"))
            .select_from(JobRow)
            .join(JobPlanRow, JobPlanRow.job_id == JobRow.job_id)
            .where(JobRow.status == str(JobStatus.REFUSED), JobPlanRow.rule == rule)
        )
        assert row is not None
        return int(row.jobs)

    def add_changes(self, changes: Iterable[PlanChange]) -> None:
        """Store what a plan changed against the one before."""
        plan_changes.add(self._tx, changes)

    def changes(
        self,
        negotiation_id: str,
        owner: str | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[PlanChange]:
        """Return what a plan changed, in its order."""
        return plan_changes.page(self._tx, negotiation_id, owner, cursor=cursor, limit=limit)

    def changes_of(self, job_id: str, limit: int = 20) -> tuple[PlanChange, ...]:
        """Return the last changes of one job, newest first."""
        return plan_changes.of_job(self._tx, job_id, limit)

    def last_moves(self, owner: str | None, since: datetime) -> tuple[str, datetime, int] | None:
        """Return (negotiation, time, moved jobs) of the last plan since then that moved an owner's jobs."""
        return plan_changes.last_moves(self._tx, owner, since)

    def save_outturn(self, job_id: str, outturn: Mapping[str, Any]) -> None:
        """Store what a finished award turned out to cost. Raises `NotFound` where there is no plan."""
        changed = self._tx.execute(
            update(JobPlanRow).where(JobPlanRow.job_id == job_id).values(outturn=dump_free(outturn))
        )
        if changed.rowcount == 0:
            raise NotFound(f"job {job_id!r} has no plan to store an outturn for")

    def _stored_rows(self, job_ids: Sequence[str]) -> dict[str, RowMapping]:
        stored: dict[str, RowMapping] = {}
        for first in range(0, len(job_ids), IN_LIST_LIMIT):
            part = job_ids[first : first + IN_LIST_LIMIT]
            for row in self._tx.mappings(
                select(*JobPlanRow.__table__.columns).where(JobPlanRow.job_id.in_(part))
            ):
                stored[row["job_id"]] = row
        return stored


def _slot_rows(plan: JobPlan, held: Mapping[Any, float]) -> list[dict[str, Any]]:
    assert plan.award is not None
    return [
        {
            "job_id": plan.job_id,
            "slot_start": slot,
            "asset_id": plan.award.placement.asset_id,
            "power_kw": power_kw,
            "frozen": plan.award.is_frozen,
        }
        for slot, power_kw in held.items()
    ]
