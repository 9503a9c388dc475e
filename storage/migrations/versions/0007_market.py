"""Contracts of the market, what they claim, windows found elsewhere, and the messages and work of exchanges.

Revision: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.types import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "market_contracts",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("peer_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_market_contracts")),
    )
    op.create_index(
        op.f("ix_market_contracts_created_at"), "market_contracts", ["created_at"], unique=False
    )
    op.create_index(
        op.f("ix_market_contracts_job_id"), "market_contracts", ["job_id"], unique=False
    )
    op.create_index(
        op.f("ix_market_contracts_side_peer_id_transaction_id"),
        "market_contracts",
        ["side", "peer_id", "transaction_id"],
        unique=True,
    )
    op.create_index(
        op.f("ix_market_contracts_state_created_at"),
        "market_contracts",
        ["state", "created_at"],
        unique=False,
    )
    op.create_table(
        "market_claims",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("slot_start", UtcDateTime(), nullable=False),
        sa.Column("asset_id", sa.Text(), nullable=False),
        sa.Column("power_kw", sa.Double(), nullable=False),
        sa.Column("most_kw", sa.Double(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["market_contracts.contract_id"],
            name=op.f("fk_market_claims_contract_id_market_contracts"),
        ),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["assets.asset_id"], name=op.f("fk_market_claims_asset_id_assets")
        ),
        sa.PrimaryKeyConstraint("contract_id", "slot_start", name=op.f("pk_market_claims")),
    )
    op.create_index(
        op.f("ix_market_claims_slot_start"), "market_claims", ["slot_start"], unique=False
    )
    op.create_table(
        "market_found",
        sa.Column("slot_id", sa.Text(), nullable=False),
        sa.Column("peer_id", sa.Text(), nullable=False),
        sa.Column("start_at", UtcDateTime(), nullable=False),
        sa.Column("found_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("slot_id", "peer_id", name=op.f("pk_market_found")),
    )
    op.create_index(op.f("ix_market_found_start_at"), "market_found", ["start_at"], unique=False)
    op.create_table(
        "exchange_messages",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("peer_id", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("authorization", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_exchange_messages")),
    )
    op.create_index(op.f("ix_exchange_messages_at"), "exchange_messages", ["at"], unique=False)
    op.create_index(
        op.f("ix_exchange_messages_direction_peer_id_action_message_id"),
        "exchange_messages",
        ["direction", "peer_id", "action", "message_id"],
        unique=True,
    )
    op.create_index(
        op.f("ix_exchange_messages_transaction_id_seq"),
        "exchange_messages",
        ["transaction_id", "seq"],
        unique=False,
    )
    op.create_table(
        "exchange_work",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("peer_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("transaction_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("dialect", sa.String(length=8), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("request_seq", sa.BigInteger(), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("taken_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_exchange_work")),
    )
    op.create_index(
        op.f("ix_exchange_work_created_at"), "exchange_work", ["created_at"], unique=False
    )
    op.create_index(
        op.f("ix_exchange_work_peer_id_transaction_id_state_seq"),
        "exchange_work",
        ["peer_id", "transaction_id", "state", "seq"],
        unique=False,
    )
    op.create_index(
        op.f("ix_exchange_work_state_due_at"), "exchange_work", ["state", "due_at"], unique=False
    )


def downgrade() -> None:
    for name in (
        "exchange_work",
        "exchange_messages",
        "market_found",
        "market_claims",
        "market_contracts",
    ):
        op.drop_table(name)
