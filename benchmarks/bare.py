"""The least a web program can do with jobs: Flask, SQLAlchemy Core and JSON, reading 50 rows and inserting one."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from flask import Flask, jsonify, request
from sqlalchemy import Engine, create_engine, event, text


def create_app() -> Flask:
    """Return an app that reads the newest 50 jobs of the program's database, and stores jobs in one of its own."""
    app = Flask(__name__)
    folder = os.environ["HALFHOUR_DATA_DIR"]
    engine = create_engine(f"sqlite:///{folder}/halfhour.sqlite3")
    own = _own_database(f"sqlite:///{folder}/bare.sqlite3")
    query = text(
        "SELECT job_id, owner, asset_id, status, accepted_at FROM jobs "
        "ORDER BY accepted_at DESC, job_id DESC LIMIT 50"
    )
    insert = text(
        "INSERT INTO jobs VALUES (:job_id, :job_name, :asset_id, :duration_hours, :estimated_power_kw, "
        ":earliest_start, :latest_finish, :accepted_at)"
    )

    @app.get("/")
    def newest() -> Any:
        with engine.connect() as connection:
            return jsonify([dict(row) for row in connection.execute(query).mappings()])

    @app.post("/")
    def store() -> Any:
        sent = request.get_json()
        del sent["allowed_regions"]
        row = {**sent, "job_id": str(uuid4()), "accepted_at": datetime.now(UTC).isoformat()}
        with own.begin() as connection:
            connection.execute(insert, row)
        return jsonify(row), 201

    return app


def _own_database(url: str) -> Engine:
    """Return a database that keeps what was committed through a power cut, as the program's own does."""
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=30000")

    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS jobs (job_id TEXT PRIMARY KEY, job_name TEXT, asset_id TEXT, "
                "duration_hours REAL, estimated_power_kw REAL, earliest_start TEXT, latest_finish TEXT, accepted_at TEXT)"
            )
        )
    return engine
