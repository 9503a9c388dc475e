"""What each plan changed against the one before.

Revision: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "plan_changes",
        sa.Column("negotiation_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("negotiation_id", "position", name=op.f("pk_plan_changes")),
    )
    op.create_index(
        op.f("ix_plan_changes_negotiation_id_owner_position"),
        "plan_changes",
        ["negotiation_id", "owner", "position"],
        unique=False,
    )
    op.create_index(
        op.f("ix_plan_changes_job_id_decided_at"),
        "plan_changes",
        ["job_id", "decided_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_plan_changes_kind_decided_at"),
        "plan_changes",
        ["kind", "decided_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_plan_changes_kind_decided_at"), table_name="plan_changes")
    op.drop_index(op.f("ix_plan_changes_job_id_decided_at"), table_name="plan_changes")
    op.drop_index(op.f("ix_plan_changes_negotiation_id_owner_position"), table_name="plan_changes")
    op.drop_table("plan_changes")
