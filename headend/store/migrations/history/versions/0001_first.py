"""The history tables as first released."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "telemetry",
        sa.Column("asset_id", sa.String(128), primary_key=True),
        sa.Column("time_ms", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("power_w", sa.Float(53), nullable=False),
        sa.Column("soc_wh", sa.Float(53)),
        sa.Column("available_up_w", sa.Float(53), nullable=False),
        sa.Column("available_down_w", sa.Float(53), nullable=False),
        sa.Column("setpoint_w", sa.Float(53)),
        sa.Column("quality", sa.Integer(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "agent_sessions",
        sa.Column("session_id", sa.String(64), primary_key=True),
        sa.Column("asset_id", sa.String(128), primary_key=True),
        sa.Column("asset_name", sa.Text(), nullable=False),
        sa.Column("site_id", sa.String(128), nullable=False),
        sa.Column("site_name", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.String(128), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("connected_ms", sa.BigInteger(), nullable=False),
        sa.Column("disconnected_ms", sa.BigInteger()),
        sa.Column("ended", sa.Text(), nullable=False),
    )
    op.create_index("agent_sessions_by_asset", "agent_sessions", ["asset_id", "connected_ms"])
    op.create_table(
        "asset_events",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("asset_id", sa.String(128), nullable=False),
        sa.Column("time_ms", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("asset_events_by_asset", "asset_events", ["asset_id", "time_ms"])


def downgrade() -> None:
    op.drop_table("asset_events")
    op.drop_table("agent_sessions")
    op.drop_table("telemetry")
