"""The least a web program can do with the same table: Flask, SQLAlchemy Core, 50 rows, JSON."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, jsonify
from sqlalchemy import create_engine, text


def create_app() -> Flask:
    """Return an app with one address that reads the newest 50 jobs of the program's database."""
    app = Flask(__name__)
    engine = create_engine(f"sqlite:///{os.environ['HALFHOUR_DATA_DIR']}/halfhour.sqlite3")
    query = text(
        "SELECT job_id, owner, asset_id, status, accepted_at FROM jobs "
        "ORDER BY accepted_at DESC, job_id DESC LIMIT 50"
    )

    @app.get("/")
    def newest() -> Any:
        with engine.connect() as connection:
            return jsonify([dict(row) for row in connection.execute(query).mappings()])

    return app
