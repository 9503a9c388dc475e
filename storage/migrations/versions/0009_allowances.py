"""How many messages one address or signer may still send, counted by all processes together.

Revision: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_allowances",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("left_over", sa.Double(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_exchange_allowances")),
    )


def downgrade() -> None:
    op.drop_table("exchange_allowances")
