"""Alembic's entry: run the migrations on the connection that `storage.migrate` hands over."""

from __future__ import annotations

from alembic import context

from storage.tables import Base


def run() -> None:
    """Run inside the transaction and lock of `storage.migrate.upgrade`."""
    connection = context.config.attributes["connection"]
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transactional_ddl=True,
        render_as_batch=True,
        compare_type=True,
    )
    context.run_migrations()


run()
