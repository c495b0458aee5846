# ruff: noqa: INP001 - alembic loads these files by path
"""Alembic's entry: it runs on the connection that ``collector.store.database`` hands over, never on one of its own."""

from alembic import context

from collector.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
