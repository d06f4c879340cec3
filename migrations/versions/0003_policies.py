"""Policies that age, pins, sums for each function.

Never imports resultstore: a migration says what the schema was, not what it has become.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_call_dropped": "state != 'stored' AND pinned IS 0",
    "ix_call_pinned": "pinned IS 1",
    "ix_call_stored": "state = 'stored' AND pinned IS 0",
    "ix_call_with_payload": "state = 'stored' AND pinned IS 0 AND leaf_count > 0",
}


def upgrade() -> None:
    # Columns are added in place, at the end: a table of a million calls is not written anew.
    connection = op.get_bind()
    for table, column in (
        ("call", "age FLOAT DEFAULT '0' NOT NULL"),
        ("total", "age FLOAT DEFAULT '0' NOT NULL"),
        ("total", "aged_by TEXT"),
        ("function", "stored INTEGER DEFAULT '0' NOT NULL"),
        ("function", "nbytes BIGINT DEFAULT '0' NOT NULL"),
    ):
        connection.execute(sa.text(f"ALTER TABLE {table} ADD COLUMN {column}"))
    for name, where in _INDEXES.items():
        op.drop_index(name, "call", if_exists=True)
        op.create_index(name, "call", ["access_sequence"], sqlite_where=sa.text(where), postgresql_where=sa.text(where))
    sums = """
        CREATE TEMPORARY TABLE sums AS
        SELECT function_id, count(*) AS stored, sum(nbytes) AS nbytes
        FROM call JOIN function_version ON function_version.id = call.version_id
        WHERE state = 'stored' GROUP BY function_id
    """
    connection.execute(sa.text(sums))
    fill = """
        UPDATE function SET
            stored = (SELECT stored FROM sums WHERE function_id = function.id),
            nbytes = (SELECT nbytes FROM sums WHERE function_id = function.id)
        WHERE id IN (SELECT function_id FROM sums)
    """
    connection.execute(sa.text(fill))
    connection.execute(sa.text("DROP TABLE sums"))
