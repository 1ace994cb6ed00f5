"""Each dispatch names the policy that it was decided under, and what it is for by the library's word. Decisions are
kept with all that they were taken on.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("dispatches") as table:
        table.alter_column("mode", new_column_name="aim", existing_type=sa.String(16), existing_nullable=False)
        table.add_column(sa.Column("policy", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "fleets",
        sa.Column("digest", sa.String(64), primary_key=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "decisions",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("dispatch_id", sa.String(128), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("fleet", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("decisions")
    op.drop_table("fleets")
    with op.batch_alter_table("dispatches") as table:
        table.drop_column("policy")
        table.alter_column("aim", new_column_name="mode", existing_type=sa.String(16), existing_nullable=False)
