"""Stored hand-overs: the outbox between the plan and the executors."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, update

from models.domain.errors import Conflict, NotFound
from models.domain.execution import ExecutionState, HandOver, Stage
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import HandOverRow


class SqlHandOverRepository:
    """`HandOverRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def add(self, hand_over: HandOver) -> None:
        """Store a new one. Raises `Conflict` if the job has this attempt already."""
        if not self._tx.insert_if_absent(HandOverRow, ["job_id", "attempt"], _values(hand_over)):
            raise Conflict(
                f"attempt {hand_over.attempt} of job {hand_over.job_id!r} is stored already"
            )

    def update(self, hand_over: HandOver) -> None:
        """Store a changed one; `version` must be the read one + 1, else `Conflict`."""
        changed = self._tx.execute(
            update(HandOverRow)
            .where(
                HandOverRow.hand_over_id == hand_over.hand_over_id,
                HandOverRow.version == hand_over.version - 1,
            )
            .values(**_values(hand_over))
        )
        if changed.rowcount != 1:
            raise Conflict(f"hand-over {hand_over.hand_over_id} has changed since it was read")

    def get(self, hand_over_id: str) -> HandOver:
        """Return one. Raises `NotFound`."""
        row = self._tx.first(
            select(HandOverRow.body).where(HandOverRow.hand_over_id == hand_over_id)
        )
        if row is None:
            raise NotFound(f"there is no hand-over {hand_over_id!r}")
        return loads(HandOver, row.body)

    def of_job(self, job_id: str) -> tuple[HandOver, ...]:
        """Return every attempt of a job, first first."""
        rows = self._tx.rows(
            select(HandOverRow.body)
            .where(HandOverRow.job_id == job_id)
            .order_by(HandOverRow.attempt)
        )
        return tuple(loads(HandOver, row.body) for row in rows)

    def open(self) -> tuple[HandOver, ...]:
        """Return every one with something left to do, oldest first."""
        rows = self._tx.rows(
            select(HandOverRow.body)
            .where(HandOverRow.is_open.is_(True))
            .order_by(HandOverRow.created_at, HandOverRow.hand_over_id)
        )
        return tuple(loads(HandOver, row.body) for row in rows)

    def counts(self) -> dict[tuple[str, Stage, ExecutionState | None], int]:
        """Return how many there are by executor, stage and the executor's last word."""
        columns = (HandOverRow.executor, HandOverRow.stage, HandOverRow.state)
        rows = self._tx.rows(select(*columns, func.count().label("found")).group_by(*columns))
        return {
            (
                row.executor,
                Stage(row.stage),
                None if row.state is None else ExecutionState(row.state),
            ): int(row.found)
            for row in rows
        }


def _values(hand_over: HandOver) -> dict[str, Any]:
    return {
        "hand_over_id": hand_over.hand_over_id,
        "job_id": hand_over.job_id,
        "attempt": hand_over.attempt,
        "executor": hand_over.executor,
        "is_open": hand_over.is_open,
        "stage": str(hand_over.stage),
        "state": None if hand_over.state is None else str(hand_over.state),
        "created_at": hand_over.created_at,
        "version": hand_over.version,
        "body": dumps(hand_over),
    }
