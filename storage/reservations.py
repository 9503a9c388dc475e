"""Which half-hours an award holds, and giving them back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, update

from models.domain.plan import Award
from models.domain.time import SLOT, floor_slot
from storage.database import IN_LIST_LIMIT, Transaction
from storage.tables import JobPlanRow, ReservationRow


def held_slots(award: Award) -> dict[datetime, float]:
    """Return the IT power an award reserves, by start of the half-hour. [kW]

    A part-used half-hour reserves full power; where two segments share one, the greater counts. A run that overruns
    keeps its last power.
    """
    held: dict[datetime, float] = {}
    for segment in award.held_segments:
        if segment.power_kw <= 0.0:
            continue
        slot = floor_slot(segment.start)
        while slot < segment.end:
            held[slot] = max(held.get(slot, 0.0), segment.power_kw)
            slot += SLOT
    return held


def holding_digest(award: Award, held: dict[datetime, float]) -> str | None:
    """Return a digest of what an award reserves, None where it reserves nothing."""
    if not held:
        return None
    text = "|".join(f"{slot.isoformat()}={power!r}" for slot, power in sorted(held.items()))
    head = f"{award.placement.asset_id}|{award.is_frozen}|"
    return hashlib.sha256((head + text).encode()).hexdigest()


def drop_slots(transaction: Transaction, job_ids: Sequence[str]) -> None:
    """Delete every reserved half-hour of some jobs."""
    for first in range(0, len(job_ids), IN_LIST_LIMIT):
        part = job_ids[first : first + IN_LIST_LIMIT]
        transaction.execute(delete(ReservationRow).where(ReservationRow.job_id.in_(part)))


def release_jobs(transaction: Transaction, job_ids: Sequence[str]) -> None:
    """Give back every half-hour of some jobs and note that they hold none."""
    drop_slots(transaction, job_ids)
    for first in range(0, len(job_ids), IN_LIST_LIMIT):
        part = job_ids[first : first + IN_LIST_LIMIT]
        transaction.execute(
            update(JobPlanRow)
            .where(JobPlanRow.job_id.in_(part), JobPlanRow.holding.is_not(None))
            .values(holding=None)
        )


def freeze_job(transaction: Transaction, job_id: str) -> None:
    """Mark what a started job holds as frozen: a breach it causes can no longer be planned away."""
    transaction.execute(
        update(ReservationRow).where(ReservationRow.job_id == job_id).values(frozen=True)
    )
