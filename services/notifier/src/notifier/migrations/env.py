"""Alembic's entry: runs on the connection that `maskwatch_runtime.migrations` hands over."""

from alembic import context

config = context.config
context.configure(
    connection=config.attributes["connection"],
    version_table=config.attributes["version_table"],
)
with context.begin_transaction():
    context.run_migrations()
