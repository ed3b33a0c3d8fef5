"""Alembic's environment: runs on the connection, and in the transaction, that `registry.schema` opened."""

from __future__ import annotations

from alembic import context

from registry.migrations.options import OPTIONS
from registry.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, **OPTIONS)
with context.begin_transaction():
    context.run_migrations()
