"""Alembic's entry for the state tables. `headend.store.migrate` hands in the connection; there is no ini file."""

from __future__ import annotations

from alembic import context

from headend.store import tables

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.state,
    version_table="derms_state_version",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
