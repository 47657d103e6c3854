"""Alembic's environment: it works on the connection that `migrate.py` hands it, never on one of its own."""

from alembic import context

from weyl.kit.db import metadata

# Each extension counts its revisions in a table of its own: one that is taken out again leaves weyl's count as it was.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transactional_ddl=True,
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
