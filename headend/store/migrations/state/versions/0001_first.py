"""The state tables as first released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "store_identity",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "claims",
        sa.Column("agent_id", sa.String(128), primary_key=True),
        sa.Column("asset_id", sa.String(128), primary_key=True),
    )
    op.create_table(
        "asset_revisions",
        sa.Column("asset_id", sa.String(128), primary_key=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "dispatches",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("principal", sa.String(256), nullable=False),
        sa.Column("node", sa.String(1000), nullable=False),
        sa.Column("asset_id", sa.String(128)),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("target_w", sa.Float(53)),
        sa.Column("duration_s", sa.Float(53)),
        sa.Column("program", sa.String(256), nullable=False),
        sa.Column("primacy", sa.BigInteger(), nullable=False),
        sa.Column("submitted_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_w", sa.Float(53)),
        sa.Column("shortfall_w", sa.Float(53)),
        sa.Column("causes", sa.Text(), nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("dispatches_by_state", "dispatches", ["state"])
    op.create_index("dispatches_by_time", "dispatches", ["submitted_ms"])
    op.create_table(
        "intents",
        sa.Column("asset_id", sa.String(128), primary_key=True),
        sa.Column("revision", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.String(64), nullable=False),
        sa.Column("dispatch_id", sa.String(128), nullable=False),
        sa.Column("setpoint_w", sa.Float(53)),
        sa.Column("reversion_w", sa.Float(53)),
        sa.Column("issued_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("program", sa.String(256), nullable=False),
        sa.Column("primacy", sa.BigInteger(), nullable=False),
        sa.Column("raw_w", sa.Float(53)),
        sa.Column("clamped", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("acked_ms", sa.BigInteger()),
        sa.Column("acked_state", sa.String(16)),
        sa.Column("power_w", sa.Float(53)),
    )
    op.create_index("intents_by_dispatch", "intents", ["dispatch_id"])
    op.create_index("intents_by_state", "intents", ["state"])


def downgrade() -> None:
    op.drop_table("intents")
    op.drop_table("dispatches")
    op.drop_table("asset_revisions")
    op.drop_table("claims")
    op.drop_table("store_identity")
