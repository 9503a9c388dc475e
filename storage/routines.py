"""Stored routines."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from models.domain.errors import Conflict, NotFound
from models.domain.routine import Routine
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import RoutineRow


class SqlRoutineRepository:
    """`RoutineRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def add(self, routine: Routine) -> None:
        """Store a new one. Raises `Conflict` if its id exists."""
        if not self._tx.insert_if_absent(RoutineRow, ["routine_id"], _values(routine)):
            raise Conflict(f"there is already a routine {routine.routine_id!r}; choose another id")

    def update(self, routine: Routine) -> None:
        """Store a changed one; `version` must be the read one + 1, else `Conflict`."""
        changed = self._tx.execute(
            update(RoutineRow)
            .where(
                RoutineRow.routine_id == routine.routine_id,
                RoutineRow.version == routine.version - 1,
            )
            .values(**_values(routine))
        )
        if changed.rowcount != 1:
            raise Conflict(f"routine {routine.routine_id} has changed since it was read")

    def get(self, routine_id: str, owner: str | None = None) -> Routine:
        """Return one, of an owner where one is given. Raises `NotFound`."""
        wanted = select(RoutineRow.body).where(RoutineRow.routine_id == routine_id)
        if owner is not None:
            wanted = wanted.where(RoutineRow.owner == owner)
        row = self._tx.first(wanted)
        if row is None:
            raise NotFound(f"there is no routine {routine_id!r}")
        return loads(Routine, row.body)

    def all(self, owner: str | None = None, *, only_live: bool = True) -> tuple[Routine, ...]:
        """Return routines by id, of an owner where one is given."""
        wanted = select(RoutineRow.body).order_by(RoutineRow.routine_id)
        if owner is not None:
            wanted = wanted.where(RoutineRow.owner == owner)
        if only_live:
            wanted = wanted.where(RoutineRow.is_live.is_(True))
        return tuple(loads(Routine, row.body) for row in self._tx.rows(wanted))


def _values(routine: Routine) -> dict[str, Any]:
    return {
        "routine_id": routine.routine_id,
        "owner": routine.owner,
        "is_live": routine.is_live,
        "version": routine.version,
        "body": dumps(routine),
    }
