"""The database: tables, repositories, units of work, leases, the signal archive and migrations.

Implements the storage ports of `models.domain.ports` on SQLite and PostgreSQL; nothing above sees SQLAlchemy.
"""
