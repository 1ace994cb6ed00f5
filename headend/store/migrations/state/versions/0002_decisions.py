"""Each dispatch names the policy that it was decided under, and what it is for by the library's word."""

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


def downgrade() -> None:
    with op.batch_alter_table("dispatches") as table:
        table.drop_column("policy")
        table.alter_column("aim", new_column_name="mode", existing_type=sa.String(16), existing_nullable=False)
