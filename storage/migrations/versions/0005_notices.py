"""Notices, and the starts people were told.

Revision: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("is_due", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices")),
    )
    op.create_index(op.f("ix_notices_key"), "notices", ["key"], unique=True)
    op.create_index(
        op.f("ix_notices_is_due_created_at"), "notices", ["is_due", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_notices_created_at_notice_id"),
        "notices",
        ["created_at", "notice_id"],
        unique=False,
    )
    op.create_table(
        "told_starts",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_told_starts")),
    )


def downgrade() -> None:
    op.drop_table("told_starts")
    op.drop_index(op.f("ix_notices_created_at_notice_id"), table_name="notices")
    op.drop_index(op.f("ix_notices_is_due_created_at"), table_name="notices")
    op.drop_index(op.f("ix_notices_key"), table_name="notices")
    op.drop_table("notices")
