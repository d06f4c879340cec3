"""Run the migrations on the connection that resultstore hands over.

`resultstore._index.upgrade` takes care of the lock, the backup and the version number; nothing here
is meant to be run by the ``alembic`` command.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
