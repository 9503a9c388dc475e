"""Look into the database of a running app: what half-hours hold, read without the program's own code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection

from storage.database import normal_url


def overbooked(database_url: str) -> list[tuple[str, str, float, float]]:
    """Return every half-hour of a cluster that holds more than its limit: cluster, start, held and limit. [kW]"""
    query = """
        SELECT r.asset_id, CAST(r.slot_start AS TEXT), SUM(r.power_kw), a.max_power_kw
        FROM reservations r JOIN assets a ON a.asset_id = r.asset_id
        GROUP BY r.asset_id, r.slot_start, a.max_power_kw
        HAVING SUM(r.power_kw) > a.max_power_kw + 0.000001
    """
    return [(row[0], row[1], row[2], row[3]) for row in _rows(database_url, query)]


def held_kw(database_url: str) -> dict[tuple[str, datetime], float]:
    """Return what is held of each half-hour of each cluster, by its id and the start. [kW]"""
    query = (
        "SELECT asset_id, slot_start, SUM(power_kw) FROM reservations GROUP BY asset_id, slot_start"
    )
    return {(row[0], _utc(row[1])): row[2] for row in _rows(database_url, query)}


def wrongly_held(database_url: str) -> list[str]:
    """Return jobs whose half-hours do not fit their state: planned without any, or not planned and holding some."""
    query = """
        SELECT j.job_id, j.status, COUNT(r.job_id)
        FROM jobs j LEFT JOIN reservations r ON r.job_id = j.job_id
        GROUP BY j.job_id, j.status
        HAVING (j.status IN ('scheduled', 'running')) <> (COUNT(r.job_id) > 0)
    """
    return [f"{row[0]} is {row[1]} and holds {row[2]}" for row in _rows(database_url, query)]


def busiest_share(database_url: str) -> float:
    """Return the greatest share of a cluster's limit that any half-hour holds."""
    query = """
        SELECT MAX(share) FROM (
            SELECT SUM(r.power_kw) / a.max_power_kw AS share
            FROM reservations r JOIN assets a ON a.asset_id = r.asset_id
            GROUP BY r.asset_id, r.slot_start, a.max_power_kw
        ) AS shares
    """
    return float(_rows(database_url, query)[0][0] or 0.0)


def sqlite_of(folder: Path) -> str:
    """Return the address of the default database of an app in a folder."""
    return f"sqlite:///{next((folder / 'data').glob('*.sqlite3'))}"


def _utc(stored: datetime | int) -> datetime:
    """Return an instant as PostgreSQL gives it, or from microseconds since 1970 as SQLite keeps it."""
    if isinstance(stored, datetime):
        return stored.astimezone(UTC)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=stored)


def _rows(database_url: str, query: str) -> list[tuple]:  # type: ignore[type-arg]
    engine = create_engine(normal_url(database_url))
    try:
        with engine.connect() as connection:
            assert isinstance(connection, Connection)
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()
