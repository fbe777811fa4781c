"""Alembic's environment: migrates over the connection it is given."""

from alembic import context

from l2l.store.schema import metadata

_config = context.config
_connection = _config.attributes["connection"]

context.configure(
    connection=_connection,
    target_metadata=metadata,
    version_table=_config.attributes["version_table"],
    render_as_batch=_connection.dialect.name == "sqlite",  # SQLite alters tables by copying them
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
