"""Alembic's environment: it works on the connection that `migrate.py` hands it, never on one of its own."""

from alembic import context

from weyl.kit.db import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
