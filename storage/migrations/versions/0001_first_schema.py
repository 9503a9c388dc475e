"""First schema.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_api_keys")),
    )
    op.create_index(op.f("ix_api_keys_secret_sha256"), "api_keys", ["secret_sha256"], unique=True)
    op.create_table(
        "assets",
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("max_power_kw", sa.Double(), nullable=False),
        sa.Column("base_load_kw", sa.Double(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", UtcDateTime(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_assets")),
    )
    op.create_index(op.f("ix_assets_owner_asset_id"), "assets", ["owner", "asset_id"], unique=False)
    op.create_table(
        "clock_state",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("clock_start", UtcDateTime(), nullable=True),
        sa.Column("system_start", UtcDateTime(), nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("last_reading", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_state")),
    )
    op.create_table(
        "decision_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("last_ts", UtcDateTime(), nullable=True),
        sa.Column("flushed_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_head")),
    )
    op.create_table(
        "decisions",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.String(length=32), nullable=False),
        sa.Column("ts", UtcDateTime(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("prev_hash", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("negotiation_id", sa.Text(), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_event_id"), "decisions", ["event_id"], unique=True)
    op.create_index(
        op.f("ix_decisions_event_type_seq"), "decisions", ["event_type", "seq"], unique=False
    )
    op.create_index(op.f("ix_decisions_job_id_seq"), "decisions", ["job_id", "seq"], unique=False)
    op.create_index(op.f("ix_decisions_owner_seq"), "decisions", ["owner", "seq"], unique=False)
    op.create_index(op.f("ix_decisions_ts"), "decisions", ["ts"], unique=False)
    op.create_table(
        "fencing_state",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fencing_state")),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("reserved_at", UtcDateTime(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "route", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(
        op.f("ix_idempotency_keys_reserved_at"), "idempotency_keys", ["reserved_at"], unique=False
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("fencing_token", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_index(op.f("ix_leases_fencing_token"), "leases", ["fencing_token"], unique=True)
    op.create_table(
        "negotiations",
        sa.Column("negotiation_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("messages", sa.LargeBinary(), nullable=True),
        sa.Column("snapshot", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("negotiation_id", name=op.f("pk_negotiations")),
    )
    op.create_index(
        op.f("ix_negotiations_started_at_negotiation_id"),
        "negotiations",
        ["started_at", "negotiation_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_negotiations_status_started_at_negotiation_id"),
        "negotiations",
        ["status", "started_at", "negotiation_id"],
        unique=False,
    )
    op.create_table(
        "plan_state",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_state")),
    )
    op.create_table(
        "signal_days",
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("day_start", UtcDateTime(), nullable=False),
        sa.Column("newest_at", UtcDateTime(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("mode", "name", "region", "day_start", name=op.f("pk_signal_days")),
    )
    op.create_table(
        "signal_modes",
        sa.Column("mode", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("mode", name=op.f("pk_signal_modes")),
    )
    op.create_table(
        "signal_provenances",
        sa.Column("provenance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=True),
        sa.Column("retrieved_at", UtcDateTime(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("provenance_id", name=op.f("pk_signal_provenances")),
    )
    op.create_index(
        op.f("ix_signal_provenances_digest"), "signal_provenances", ["digest"], unique=True
    )
    op.create_table(
        "source_health",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("last_success_at", UtcDateTime(), nullable=True),
        sa.Column("last_failure_at", UtcDateTime(), nullable=True),
        sa.Column("failures_in_a_row", sa.BigInteger(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("retry_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_source_health")),
    )
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("accepted_at", UtcDateTime(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.asset_id"], name=op.f("fk_jobs_asset_id_assets")
        ),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_jobs")),
    )
    op.create_index(
        op.f("ix_jobs_accepted_at_job_id"), "jobs", ["accepted_at", "job_id"], unique=False
    )
    op.create_index(op.f("ix_jobs_asset_id"), "jobs", ["asset_id"], unique=False)
    op.create_index(
        op.f("ix_jobs_owner_accepted_at_job_id"),
        "jobs",
        ["owner", "accepted_at", "job_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_jobs_owner_status_accepted_at_job_id"),
        "jobs",
        ["owner", "status", "accepted_at", "job_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_jobs_status_accepted_at_job_id"),
        "jobs",
        ["status", "accepted_at", "job_id"],
        unique=False,
    )
    op.create_table(
        "signal_issues",
        sa.Column("issue_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("provenance_id", sa.BigInteger(), nullable=False),
        sa.Column("retrieved_at", UtcDateTime(), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=False),
        sa.Column("end_at", UtcDateTime(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["provenance_id"],
            ["signal_provenances.provenance_id"],
            name=op.f("fk_signal_issues_provenance_id_signal_provenances"),
        ),
        sa.PrimaryKeyConstraint("issue_id", name=op.f("pk_signal_issues")),
    )
    op.create_index(op.f("ix_signal_issues_end_at"), "signal_issues", ["end_at"], unique=False)
    op.create_index(
        op.f("ix_signal_issues_mode_name_region_end_at_start_at_retrieved_at"),
        "signal_issues",
        ["mode", "name", "region", "end_at", "start_at", "retrieved_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_signal_issues_provenance_id"), "signal_issues", ["provenance_id"], unique=False
    )
    op.create_table(
        "job_controls",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name=op.f("fk_job_controls_job_id_jobs")
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_job_controls")),
    )
    op.create_table(
        "job_dependencies",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("predecessor_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name=op.f("fk_job_dependencies_job_id_jobs")
        ),
        sa.PrimaryKeyConstraint("job_id", "predecessor_id", name=op.f("pk_job_dependencies")),
    )
    op.create_index(
        op.f("ix_job_dependencies_predecessor_id"),
        "job_dependencies",
        ["predecessor_id"],
        unique=False,
    )
    op.create_table(
        "job_plans",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("negotiation_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("start_at", UtcDateTime(), nullable=True),
        sa.Column("end_at", UtcDateTime(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("signals_mode", sa.Text(), nullable=False),
        sa.Column("moves", sa.BigInteger(), nullable=False),
        sa.Column("previous_start", UtcDateTime(), nullable=True),
        sa.Column("move_reason", sa.Text(), nullable=True),
        sa.Column("holding", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("outturn", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.job_id"], name=op.f("fk_job_plans_job_id_jobs")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_job_plans")),
    )
    op.create_index(op.f("ix_job_plans_holding"), "job_plans", ["holding"], unique=False)
    op.create_index(op.f("ix_job_plans_start_at"), "job_plans", ["start_at"], unique=False)
    op.create_table(
        "reservations",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("slot_start", UtcDateTime(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("power_kw", sa.Double(), nullable=False),
        sa.Column("frozen", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.asset_id"], name=op.f("fk_reservations_asset_id_assets")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job_plans.job_id"], name=op.f("fk_reservations_job_id_job_plans")
        ),
        sa.PrimaryKeyConstraint("job_id", "slot_start", name=op.f("pk_reservations")),
    )
    op.create_index(
        op.f("ix_reservations_asset_id_slot_start"),
        "reservations",
        ["asset_id", "slot_start"],
        unique=False,
    )
    _insert_single_rows()


def downgrade() -> None:
    op.drop_index(op.f("ix_reservations_asset_id_slot_start"), table_name="reservations")
    op.drop_table("reservations")
    op.drop_index(op.f("ix_job_plans_start_at"), table_name="job_plans")
    op.drop_index(op.f("ix_job_plans_holding"), table_name="job_plans")
    op.drop_table("job_plans")
    op.drop_index(op.f("ix_job_dependencies_predecessor_id"), table_name="job_dependencies")
    op.drop_table("job_dependencies")
    op.drop_table("job_controls")
    op.drop_index(op.f("ix_signal_issues_provenance_id"), table_name="signal_issues")
    op.drop_index(
        op.f("ix_signal_issues_mode_name_region_end_at_start_at_retrieved_at"),
        table_name="signal_issues",
    )
    op.drop_index(op.f("ix_signal_issues_end_at"), table_name="signal_issues")
    op.drop_table("signal_issues")
    op.drop_index(op.f("ix_jobs_status_accepted_at_job_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_owner_status_accepted_at_job_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_owner_accepted_at_job_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_asset_id"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_accepted_at_job_id"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_table("source_health")
    op.drop_index(op.f("ix_signal_provenances_digest"), table_name="signal_provenances")
    op.drop_table("signal_provenances")
    op.drop_table("signal_modes")
    op.drop_table("signal_days")
    op.drop_table("plan_state")
    op.drop_index(
        op.f("ix_negotiations_status_started_at_negotiation_id"), table_name="negotiations"
    )
    op.drop_index(op.f("ix_negotiations_started_at_negotiation_id"), table_name="negotiations")
    op.drop_table("negotiations")
    op.drop_index(op.f("ix_leases_fencing_token"), table_name="leases")
    op.drop_table("leases")
    op.drop_index(op.f("ix_idempotency_keys_reserved_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("fencing_state")
    op.drop_index(op.f("ix_decisions_ts"), table_name="decisions")
    op.drop_index(op.f("ix_decisions_owner_seq"), table_name="decisions")
    op.drop_index(op.f("ix_decisions_job_id_seq"), table_name="decisions")
    op.drop_index(op.f("ix_decisions_event_type_seq"), table_name="decisions")
    op.drop_index(op.f("ix_decisions_event_id"), table_name="decisions")
    op.drop_table("decisions")
    op.drop_table("decision_head")
    op.drop_table("clock_state")
    op.drop_index(op.f("ix_assets_owner_asset_id"), table_name="assets")
    op.drop_table("assets")
    op.drop_index(op.f("ix_api_keys_secret_sha256"), table_name="api_keys")
    op.drop_table("api_keys")


def _insert_single_rows() -> None:
    """Write the rows that exist from the first day on."""
    rows: dict[str, dict[str, int | str]] = {
        "plan_state": {"id": 1, "version": 0},
        "decision_head": {"id": 1, "seq": 0, "hash": "0" * 64, "flushed_seq": 0},
        "fencing_state": {"id": 1, "last_token": 0},
        "clock_state": {"id": 1},
    }
    for name, row in rows.items():
        op.bulk_insert(sa.table(name, *(sa.column(column) for column in row)), [row])
