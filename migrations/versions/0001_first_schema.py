"""The first schema.

Never imports resultstore: a migration says what the schema was, not what it has become.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "function",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hits", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("misses", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("evictions", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("seconds_saved", sa.Float(), nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("id", name="pk_function"),
        sa.UniqueConstraint("name", name="uq_function_name"),
    )
    op.create_table(
        "lease",
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_lease"),
    )
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "payload",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=True),
        sa.Column("nbytes", sa.BigInteger(), nullable=False),
        sa.Column("raw_nbytes", sa.BigInteger(), nullable=False),
        sa.Column("head_nbytes", sa.Integer(), nullable=False),
        sa.Column("dtype", sa.Text(), nullable=True),
        sa.Column("shape", sa.Text(), nullable=True),
        sa.Column("memory_order", sa.Text(), nullable=True),
        sa.Column("file", sa.Text(), nullable=True),
        sa.Column("disk_nbytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("inline", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_payload"),
    )
    op.create_index("ix_payload_digest", "payload", ["digest"])
    op.create_index("ix_payload_file", "payload", ["file"])
    op.create_table(
        "run",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("program", sa.Text(), nullable=False),
        sa.Column("python", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("packages", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
    )
    op.create_table(
        "total",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("file_nbytes", sa.BigInteger(), nullable=False),
        sa.Column("inline_nbytes", sa.BigInteger(), nullable=False),
        sa.Column("payloads", sa.BigInteger(), nullable=False),
        sa.Column("access_sequence", sa.BigInteger(), nullable=False),
        sa.Column("evictions", sa.BigInteger(), nullable=False),
        sa.Column("file_calls", sa.BigInteger(), nullable=False),
        sa.Column("journal_lines", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_total"),
    )
    op.create_table(
        "function_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("function_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("scheme", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("portable", sa.LargeBinary(), nullable=True),
        sa.Column("alias_of", sa.Integer(), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("python", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_function_version"),
        sa.UniqueConstraint("function_id", "fingerprint", name="uq_function_version_function_id_fingerprint"),
        sa.ForeignKeyConstraint(
            ["function_id"], ["function.id"], name="fk_function_version_function_id_function", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["alias_of"],
            ["function_version.id"],
            name="fk_function_version_alias_of_function_version",
            ondelete="SET NULL",
        ),
    )
    op.create_index("ix_function_version_alias_of", "function_version", ["alias_of"])
    op.create_index("ix_function_version_portable", "function_version", ["portable"])
    op.create_table(
        "call",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("integer", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("leaf_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("checksum", sa.LargeBinary(), nullable=True),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("nbytes", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("accessed_at", sa.Float(), nullable=False),
        sa.Column("access_count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("access_sequence", sa.BigInteger(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.text("0")),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_call"),
        sa.CheckConstraint("state IN ('stored', 'evicted', 'not stored')", name=op.f("ck_call_state")),
        sa.UniqueConstraint("key", name="uq_call_key"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["function_version.id"], name="fk_call_version_id_function_version", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_call_run_id_run", ondelete="SET NULL"),
    )
    op.create_index("ix_call_created_at", "call", ["created_at"])
    op.create_index(
        "ix_call_dropped",
        "call",
        ["access_sequence"],
        sqlite_where=sa.text("state != 'stored'"),
        postgresql_where=sa.text("state != 'stored'"),
    )
    op.create_index("ix_call_run_id", "call", ["run_id"])
    op.create_index(
        "ix_call_stored",
        "call",
        ["access_sequence"],
        sqlite_where=sa.text("state = 'stored'"),
        postgresql_where=sa.text("state = 'stored'"),
    )
    op.create_index("ix_call_version_id", "call", ["version_id"])
    op.create_index(
        "ix_call_with_payload",
        "call",
        ["access_sequence"],
        sqlite_where=sa.text("state = 'stored' AND leaf_count > 0"),
        postgresql_where=sa.text("state = 'stored' AND leaf_count > 0"),
    )
    op.create_table(
        "dependency",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dependency"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["function_version.id"],
            name="fk_dependency_version_id_function_version",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_dependency_version_id", "dependency", ["version_id"])
    op.create_table(
        "argument",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Float(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("token", sa.LargeBinary(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "position", name="pk_argument"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_argument_call_id_call", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_argument_name_number",
        "argument",
        ["name", "number"],
        sqlite_where=sa.text("number IS NOT NULL"),
        postgresql_where=sa.text("number IS NOT NULL"),
    )
    op.create_index("ix_argument_name_token", "argument", ["name", "token"])
    op.create_table(
        "computation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("duration", sa.Float(), nullable=False),
        sa.Column("checksum", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_computation"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_computation_call_id_call", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_computation_run_id_run", ondelete="SET NULL"),
    )
    op.create_index("ix_computation_call_id", "computation", ["call_id"])
    op.create_index("ix_computation_run_id", "computation", ["run_id"])
    op.create_table(
        "nesting",
        sa.Column("parent_id", sa.Integer(), nullable=False),
        sa.Column("child_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("parent_id", "child_id", name="pk_nesting"),
        sa.ForeignKeyConstraint(["parent_id"], ["call.id"], name="fk_nesting_parent_id_call", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["child_id"], ["call.id"], name="fk_nesting_child_id_call", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_nesting_child_id", "nesting", ["child_id"])
    op.create_table(
        "result_leaf",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("payload_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("writeable", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "position", name="pk_result_leaf"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_result_leaf_call_id_call", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["payload_id"], ["payload.id"], name="fk_result_leaf_payload_id_payload"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_result_leaf_payload_id", "result_leaf", ["payload_id"])
    op.create_table(
        "tag",
        sa.Column("call_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", "name", name="pk_tag"),
        sa.ForeignKeyConstraint(["call_id"], ["call.id"], name="fk_tag_call_id_call", ondelete="CASCADE"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tag_name", "tag", ["name"])
    op.execute(
        """
        CREATE VIEW calls AS
        SELECT
            call.id AS id,
            function.name AS function,
            coalesce(function_version.label, function_version.number) AS version,
            (SELECT group_concat(name || '=' || summary, ', ')
               FROM (SELECT name, summary FROM argument
                     WHERE argument.call_id = call.id ORDER BY position)) AS arguments,
            call.state AS state,
            strftime('%Y-%m-%dT%H:%M:%fZ', call.created_at, 'unixepoch') AS created_at,
            strftime('%Y-%m-%dT%H:%M:%fZ', call.accessed_at, 'unixepoch') AS accessed_at,
            call.access_count AS access_count,
            call.duration AS duration,
            call.nbytes AS nbytes,
            lower(hex(call.key)) AS key,
            lower(hex(function_version.fingerprint)) AS fingerprint
        FROM call
        JOIN function_version ON function_version.id = call.version_id
        JOIN function ON function.id = function_version.function_id
        """
    )
    op.execute("INSERT INTO total VALUES (1, 0, 0, 0, 0, 0, 0, 0)")
