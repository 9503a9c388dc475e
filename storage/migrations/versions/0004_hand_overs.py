"""Hand-overs to executors.

Revision: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "hand_overs",
        sa.Column("hand_over_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("executor", sa.String(length=32), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("stage", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.job_id"], name=op.f("fk_hand_overs_job_id_jobs")
        ),
        sa.PrimaryKeyConstraint("hand_over_id", name=op.f("pk_hand_overs")),
    )
    op.create_index(
        op.f("ix_hand_overs_job_id_attempt"), "hand_overs", ["job_id", "attempt"], unique=True
    )
    op.create_index(
        op.f("ix_hand_overs_is_open_created_at"),
        "hand_overs",
        ["is_open", "created_at"],
        unique=False,
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_hand_overs_is_open_created_at"), table_name="hand_overs")
    op.drop_index(op.f("ix_hand_overs_job_id_attempt"), table_name="hand_overs")
    op.drop_table("hand_overs")
