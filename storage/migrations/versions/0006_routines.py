"""Routines.

Revision: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "routines",
        sa.Column("routine_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("is_live", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("routine_id", name=op.f("pk_routines")),
    )
    op.create_index(op.f("ix_routines_is_live"), "routines", ["is_live"], unique=False)
    op.create_index(op.f("ix_routines_owner"), "routines", ["owner"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_routines_owner"), table_name="routines")
    op.drop_index(op.f("ix_routines_is_live"), table_name="routines")
    op.drop_table("routines")
