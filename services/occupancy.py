"""Who holds the power of an asset, half-hour by half-hour, as arrays: read once per state of the plan."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from models.domain.ports import UnitOfWork
from models.domain.signal import FloatArray, IntArray
from models.domain.time import Horizon, floor_slot
from services.context import Context
from services.memo import Memo, state_of
from services.situation import LONGEST_SLOTS


@dataclass(frozen=True)
class Occupancy:
    """The holders of one asset's power from the current half-hour on.

    Attributes:
        horizon: The half-hours.
        job_ids: Jobs that hold power in any of them, by id.
        owners: Owner of each.
        job: Position in `job_ids` of each holding, by half-hour; shape (holdings,).
        power_kw: Power of each holding, shape (holdings,). [kW]
        first: Where each half-hour's holdings begin, shape (slots + 1,).
    """

    horizon: Horizon
    job_ids: tuple[str, ...]
    owners: tuple[str, ...]
    job: IntArray
    power_kw: FloatArray
    first: IntArray

    def holders(
        self, starts: Collection[datetime], owner: str | None, *, besides: str, most: int
    ) -> tuple[tuple[str, ...], int, int]:
        """Return who holds power in some half-hours.

        Args:
            starts: Starts of the half-hours.
            owner: Whose jobs may be named; None: everybody's.
            besides: A job that is left out.
            most: How many jobs are named.

        Returns:
            Own jobs, most power over the half-hours first; how many there are; how many other owners' jobs.
        """
        slots = [self.horizon.index_of(at) for at in starts]
        spans = [
            np.arange(self.first[slot], self.first[slot + 1])
            for slot in slots
            if 0 <= slot < self.horizon.slots
        ]
        if not spans or not self.job_ids:
            return (), 0, 0
        rows = np.concatenate(spans)
        count = len(self.job_ids)
        held_kw = np.bincount(self.job[rows], weights=self.power_kw[rows], minlength=count)
        found = np.unique(self.job[rows])
        found = found[[self.job_ids[k] != besides for k in found]]
        mine = found[[owner is None or self.owners[k] == owner for k in found]]
        # Ids are in order, so that a stable sort breaks ties by id.
        ranked = mine[np.argsort(-held_kw[mine], kind="stable")]
        named = tuple(self.job_ids[k] for k in ranked[:most])
        return named, int(mine.size), int(found.size - mine.size)


_of_asset: Memo[Occupancy] = Memo(entries=32)


def of_asset(context: Context, uow: UnitOfWork, asset_id: str, now: datetime) -> Occupancy:
    """Return who holds an asset's power, as of a reading transaction's state."""
    horizon = Horizon(floor_slot(now), LONGEST_SLOTS)
    return _of_asset.get(
        context,
        (*state_of(uow), horizon, asset_id),
        lambda: _read(uow, asset_id, horizon),
    )


def _read(uow: UnitOfWork, asset_id: str, horizon: Horizon) -> Occupancy:
    rows = uow.plans.holders(asset_id, horizon.start, horizon.end)
    owner_of = {job_id: owner for _, job_id, owner, _ in rows}
    job_ids = tuple(sorted(owner_of))
    place = {job_id: k for k, job_id in enumerate(job_ids)}
    slots = np.array([horizon.index_of(at) for at, *_ in rows], dtype=np.int64)
    return Occupancy(
        horizon=horizon,
        job_ids=job_ids,
        owners=tuple(owner_of[job_id] for job_id in job_ids),
        job=np.array([place[job_id] for _, job_id, *_ in rows], dtype=np.int64),
        power_kw=np.array([kw for *_, kw in rows], dtype=np.float64),
        first=np.searchsorted(slots, np.arange(horizon.slots + 1)).astype(np.int64),
    )
