"""Alembic's entry: runs the migrations on the connection that schema.py hands over."""

from __future__ import annotations

from alembic import context

from pipeline.store.schema import VERSION_TABLE, belongs
from pipeline.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table=VERSION_TABLE,
    include_object=belongs,
    transactional_ddl=True,  # SQLite can, once the driver does not commit by itself
    # SQLite changes a table by copying it. The copy keeps neither CHECK constraints nor WITHOUT ROWID by itself: give
    # batch_alter_table the `table_args` and `table_kwargs` of tables.py.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
