"""A contract may claim power on several clusters in one half-hour: where work moves to is claimed too.

Revision: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLE, KEY = "market_claims", "pk_market_claims"


def upgrade() -> None:
    _with_key(["contract_id", "asset_id", "slot_start"])


def downgrade() -> None:
    op.execute("DELETE FROM market_claims WHERE asset_id <> (SELECT min(other.asset_id) FROM market_claims AS other"
               " WHERE other.contract_id = market_claims.contract_id AND other.slot_start = market_claims.slot_start)")  # fmt: skip
    _with_key(["contract_id", "slot_start"])


def _with_key(columns: list[str]) -> None:
    with op.batch_alter_table(TABLE) as table:
        table.drop_constraint(op.f(KEY), type_="primary")
        table.create_primary_key(op.f(KEY), columns)
