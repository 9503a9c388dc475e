"""The archive of everything a source ever said about carbon, prices and the generation mix."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import CursorResult, delete, func, select

from models.domain.ports import SignalBatch
from models.domain.signal import MixSeries, Provenance, SignalName, SignalSeries
from models.domain.time import Horizon
from storage import signal_issues
from storage.database import Database, Transaction
from storage.signal_arrays import MIX, NOTHING, Canvas, Issue, issues_of_mix, issues_of_series
from storage.signal_days import (
    DAY,
    SLOTS_PER_UTC_DAY,
    Day,
    day_start_of,
    days_of,
    drop_days,
    lay_issues,
    load_days,
    store_days,
)
from storage.signal_issues import IssueHead
from storage.tables import SignalDayRow, SignalIssueRow, SignalModeRow, SignalProvenanceRow

_ISSUES_PER_READ = 200
_REMEMBERED_PROVENANCES = 20_000


class SqlSignalStore:
    """`SignalStore` on SQL.

    Every issue is kept as it came. The newest value of each half-hour is also kept by UTC day, and answers whenever
    `as_of` is not before the newest retrieval in that day; an earlier `as_of` is answered from the issues.
    """

    def __init__(self, database: Database) -> None:
        """Keep the archive in a database."""
        self._database = database
        self._provenances: dict[int, Provenance] = {}
        """Provenances by id; rows never change and ids are never used twice."""

    def save(self, batch: SignalBatch, mode: str) -> None:
        """Archive a batch: one issue per series, mix and provenance. Series about which nothing is known leave none."""
        issues = [issue for series in batch.series for issue in issues_of_series(series)]
        issues += [issue for mix in batch.mixes for issue in issues_of_mix(mix)]
        if not issues:
            return
        with self._database.transaction(write=True) as transaction:
            transaction.insert_if_absent(SignalModeRow, ["mode"], {"mode": mode})
            ids = signal_issues.store_provenances(transaction, {i.provenance for i in issues})
            signal_issues.store_issues(transaction, mode, issues, ids)
            self._update_days(transaction, mode, issues, ids)

    def latest(
        self,
        name: SignalName,
        regions: Collection[str],
        horizon: Horizon,
        mode: str,
        as_of: datetime,
    ) -> dict[str, SignalSeries]:
        """Return per region the newest value known at `as_of` for each slot.

        An actual beats a tariff, then a forecast, then an own estimate; among equals the later `retrieved_at` wins.
        Regions without any value are present and all-unknown.
        """
        canvases = self._canvases(str(name), regions, horizon, mode, as_of)
        return {
            region: canvas.to_series(name, region, self._provenances.__getitem__)
            for region, canvas in canvases.items()
        }

    def latest_mix(
        self, regions: Collection[str], horizon: Horizon, mode: str, as_of: datetime
    ) -> dict[str, tuple[MixSeries, ...]]:
        """Return per region the mixes that touch the horizon, newest first.

        Each holds the half-hours for which it is the newest; those a newer mix answers for are left out.
        """
        canvases = self._canvases(MIX, regions, horizon, mode, as_of)
        return {
            region: canvas.to_mixes(region, self._provenances.__getitem__)
            for region, canvas in canvases.items()
        }

    def issues(
        self, name: SignalName, region: str, horizon: Horizon, mode: str
    ) -> Iterator[SignalSeries]:
        """Yield every archived issue that touches the horizon, oldest first; none stays open between reads."""
        after: tuple[datetime, int] | None = None
        while True:
            with self._database.transaction() as transaction:
                found = signal_issues.oldest_first(
                    transaction, mode, str(name), region, horizon, after, _ISSUES_PER_READ
                )
            for _, issue in found:
                yield issue.to_series()
            if len(found) < _ISSUES_PER_READ:
                return
            last_id, last = found[-1]
            after = (last.provenance.retrieved_at, last_id)

    def has_any(self, mode: str) -> bool:
        """Return whether any provider of this mode has ever answered (pruned answers count)."""
        with self._database.transaction() as transaction:
            row = transaction.first(select(SignalModeRow.mode).where(SignalModeRow.mode == mode))
        return row is not None

    def prune(self, before: datetime) -> int:
        """Drop issues whose last slot ended by an instant; return how many."""
        with self._database.transaction(write=True) as transaction:
            dropped: CursorResult[Any] = transaction.execute(
                delete(SignalIssueRow).where(SignalIssueRow.end_at <= before)
            )
            drop_days(transaction, before)
            self._rebuild_day(transaction, day_start_of(before))
            still_used = select(SignalIssueRow.provenance_id).where(
                SignalIssueRow.provenance_id == SignalProvenanceRow.provenance_id
            )
            newest = select(func.max(SignalProvenanceRow.provenance_id)).scalar_subquery()
            transaction.execute(
                delete(SignalProvenanceRow).where(
                    ~still_used.exists(),
                    SignalProvenanceRow.provenance_id < newest,  # so that no id is used twice
                )
            )
        return dropped.rowcount

    def _update_days(
        self,
        transaction: Transaction,
        mode: str,
        issues: list[Issue],
        ids: dict[Provenance, int],
    ) -> None:
        days = load_days(
            transaction,
            mode,
            {issue.name for issue in issues},
            {issue.region for issue in issues},
            min(day_start_of(issue.horizon.start) for issue in issues),
            max(day_start_of(issue.horizon.end) for issue in issues),
        )
        touched = {
            (issue.name, issue.region, day_start)
            for issue in issues
            for day_start in days_of(issue.horizon)
        }
        days = {key: day for key, day in days.items() if key in touched}
        new = {one: provenance for provenance, one in ids.items()}
        stored = {int(one) for day in days.values() for one in day.canvas.ids} - new.keys() - {0}
        known = self._provenances_of(transaction, stored) | new
        lay_issues(days, [(issue, ids[issue.provenance]) for issue in issues], known.__getitem__)
        store_days(transaction, mode, days)

    def _canvases(
        self, name: str, regions: Collection[str], horizon: Horizon, mode: str, as_of: datetime
    ) -> dict[str, Canvas]:
        """Return the answering values per region; the provenances used are in `_provenances` afterwards."""
        canvases = {region: Canvas(horizon) for region in regions}
        wanted = days_of(horizon)
        with self._database.transaction() as transaction:
            days = load_days(transaction, mode, {name}, regions, wanted[0], wanted[-1])
            too_new: dict[str, list[datetime]] = {}
            for (_, region, day_start), day in days.items():
                if day.newest_at > as_of:
                    too_new.setdefault(region, []).append(day_start)
                else:
                    canvases[region].paste(day.canvas)
            for region, starts in too_new.items():
                part = _days_between(min(starts), max(starts))
                canvases[region].paste(
                    self._from_issues(transaction, mode, name, region, part, as_of)
                )
            used = {int(one) for canvas in canvases.values() for one in set(canvas.ids.tolist())}
            self._provenances_of(transaction, used - {0})
        return canvases

    def _provenances_of(self, transaction: Transaction, ids: set[int]) -> dict[int, Provenance]:
        missing = ids - self._provenances.keys()
        if missing:
            if len(self._provenances) > _REMEMBERED_PROVENANCES:
                self._provenances = {}
                missing = ids
            self._provenances |= signal_issues.load_provenances(transaction, missing)
        return {one: self._provenances[one] for one in ids}

    def _rebuild_day(self, transaction: Transaction, day_start: datetime) -> None:
        """Lay one UTC day anew from the issues that are left, for every signal that has it."""
        rows = transaction.rows(
            select(
                SignalDayRow.mode, SignalDayRow.name, SignalDayRow.region, SignalDayRow.newest_at
            ).where(SignalDayRow.day_start == day_start)
        )
        horizon = Horizon(day_start, SLOTS_PER_UTC_DAY)
        for row in rows:
            canvas = self._from_issues(transaction, row.mode, row.name, row.region, horizon, None)
            day = Day(canvas, row.newest_at)
            store_days(transaction, row.mode, {(row.name, row.region, day_start): day})

    def _from_issues(
        self,
        transaction: Transaction,
        mode: str,
        name: str,
        region: str,
        horizon: Horizon,
        as_of: datetime | None,
    ) -> Canvas:
        """Return the answering values read from the issues themselves, and only from those that may matter.

        On the working canvas an id is the place of an issue among the heads, from 1, best first: a smaller one wins.
        """
        heads = signal_issues.best_first(transaction, mode, name, region, horizon, as_of)
        canvas = Canvas(horizon)
        read: set[int] = set()
        while places := _worth_reading(canvas, heads, read):
            provenances = self._provenances_of(
                transaction, {heads[place - 1].provenance_id for place in places}
            )
            issues = signal_issues.load_issues(
                transaction, [heads[place - 1].issue_id for place in places], provenances
            )
            for place in places:
                canvas.lay(issues[heads[place - 1].issue_id], place, place.__lt__)
            read.update(places)
        provenance_ids = np.array([NOTHING, *(head.provenance_id for head in heads)])
        canvas.ids = provenance_ids[canvas.ids]
        return canvas


def _worth_reading(canvas: Canvas, heads: list[IssueHead], read: set[int]) -> list[int]:
    """Return the places (from 1) of unread issues that may answer for a slot, one a slot: the best that spans it."""
    answers = np.where(canvas.ids == NOTHING, len(heads) + 1, canvas.ids)
    found = []
    for place, head in enumerate(heads, start=1):
        if place in read:
            continue
        span = slice(
            max(0, canvas.horizon.index_of(head.start)), max(0, canvas.horizon.index_of(head.end))
        )
        if (answers[span] > place).any():
            answers[span] = np.minimum(answers[span], place)
            found.append(place)
    return found


def _days_between(first: datetime, last: datetime) -> Horizon:
    """Return the horizon of the UTC days from one to another, both included."""
    return Horizon(first, ((last - first) // DAY + 1) * SLOTS_PER_UTC_DAY)
