"""Stored assets."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select, update

from models.domain.asset import Asset
from models.domain.errors import Conflict, NotFound
from models.domain.ports import Page
from storage.cursors import decode_cursor, encode_cursor
from storage.database import Transaction
from storage.serialise import dumps, loads
from storage.tables import AssetRow, JobRow


class SqlAssetRepository:
    """`AssetRepository` on SQL."""

    def __init__(self, transaction: Transaction) -> None:
        """Work inside a transaction."""
        self._tx = transaction

    def add(self, asset: Asset) -> None:
        """Store a new asset. Raises `Conflict` if the id exists (deleted ones included)."""
        if not self._tx.insert_if_absent(AssetRow, ["asset_id"], _values(asset)):
            raise Conflict(
                f"an asset with the id {asset.asset_id!r} exists already; choose another id"
            )

    def get(self, asset_id: str, owner: str | None = None) -> Asset:
        """Return a live asset. Raises `NotFound` (also for another owner's)."""
        wanted = select(AssetRow.body).where(
            AssetRow.asset_id == asset_id, AssetRow.deleted_at.is_(None)
        )
        if owner is not None:
            wanted = wanted.where(AssetRow.owner == owner)
        row = self._tx.first(wanted)
        if row is None:
            raise NotFound(f"there is no asset {asset_id!r}")
        return loads(Asset, row.body)

    def update(self, asset: Asset) -> None:
        """Store a changed asset; `version` must be the read one + 1, else `Conflict`."""
        changed = self._tx.execute(
            update(AssetRow)
            .where(AssetRow.asset_id == asset.asset_id, AssetRow.version == asset.version - 1)
            .values(**_values(asset))
        )
        if changed.rowcount == 1:
            return
        known = self._tx.first(select(AssetRow.version).where(AssetRow.asset_id == asset.asset_id))
        if known is None:
            raise NotFound(f"there is no asset {asset.asset_id!r}")
        raise Conflict(
            f"asset {asset.asset_id!r} has changed since it was read (it is at version "
            f"{known.version}); read it again"
        )

    def page(
        self,
        owner: str | None,
        *,
        region: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Asset]:
        """Return live assets by id."""
        wanted = (
            select(AssetRow.asset_id, AssetRow.body)
            .where(AssetRow.deleted_at.is_(None))
            .order_by(AssetRow.asset_id)
            .limit(limit + 1)
        )
        if owner is not None:
            wanted = wanted.where(AssetRow.owner == owner)
        if region is not None:
            wanted = wanted.where(AssetRow.region == region)
        if cursor is not None:
            (after,) = decode_cursor("assets", cursor, (str,))
            wanted = wanted.where(AssetRow.asset_id > after)
        rows = self._tx.rows(wanted)
        has_more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            tuple(loads(Asset, row.body) for row in rows),
            encode_cursor("assets", rows[-1].asset_id) if has_more else None,
        )

    def all_live(self, owner: str | None = None) -> tuple[Asset, ...]:
        """Return every live asset (of one owner), by id."""
        wanted = (
            select(AssetRow.body).where(AssetRow.deleted_at.is_(None)).order_by(AssetRow.asset_id)
        )
        if owner is not None:
            wanted = wanted.where(AssetRow.owner == owner)
        return tuple(loads(Asset, row.body) for row in self._tx.rows(wanted))

    def last_used(self, owner: str) -> Asset | None:
        """Return the asset of the owner's newest job if still live, else the only asset, else None."""
        newest = self._tx.first(
            select(AssetRow.body, AssetRow.deleted_at)
            .join(JobRow, JobRow.asset_id == AssetRow.asset_id)
            .where(JobRow.owner == owner)
            .order_by(JobRow.accepted_at.desc(), JobRow.job_id.desc())
            .limit(1)
        )
        if newest is not None and newest.deleted_at is None:
            return loads(Asset, newest.body)
        live = self._tx.rows(
            select(AssetRow.body)
            .where(AssetRow.owner == owner, AssetRow.deleted_at.is_(None))
            .limit(2)
        )
        return loads(Asset, live[0].body) if len(live) == 1 else None


def _values(asset: Asset) -> dict[str, Any]:
    return {
        "asset_id": asset.asset_id,
        "owner": asset.owner,
        "region": asset.region,
        "max_power_kw": asset.max_power_kw,
        "base_load_kw": asset.base_load_kw,
        "has_power_limits": bool(asset.power_limits),
        "is_demo": asset.is_demo,
        "version": asset.version,
        "deleted_at": asset.deleted_at,
        "body": dumps(asset),
    }
