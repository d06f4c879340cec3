"""Versions with their real code, what they depend on, their texts each once, and which of them were accepted.

Never imports resultstore: a migration says what the schema was, not what it has become.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from blake3 import blake3

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Tables are made anew under their own names, so that their texts are those of a fresh index. The view
    # needs no change: it is looked at only when it is asked.
    connection = op.get_bind()
    columns = "id, function_id, number, fingerprint, scheme, label, portable, place, signature, python, created_at"
    connection.execute(sa.text(f"CREATE TEMPORARY TABLE old AS SELECT {columns}, source FROM function_version"))  # noqa: S608
    op.drop_table("function_version")
    op.drop_table("dependency")  # nothing was ever in it
    op.create_table(
        "source",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_source"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "function_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("function_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("code", sa.LargeBinary(), nullable=False),
        sa.Column("scheme", sa.Integer(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("portable", sa.LargeBinary(), nullable=True),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("source_digest", sa.LargeBinary(), nullable=True),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("python", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_function_version"),
        sa.UniqueConstraint(
            "function_id", "fingerprint", "code", name="uq_function_version_function_id_fingerprint_code"
        ),
        sa.ForeignKeyConstraint(
            ["function_id"], ["function.id"], name="fk_function_version_function_id_function", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["source_digest"], ["source.digest"], name="fk_function_version_source_digest_source"),
    )
    op.create_index("ix_function_version_portable", "function_version", ["portable"])
    op.create_index("ix_function_version_source_digest", "function_version", ["source_digest"])
    op.create_table(
        "dependency",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("source_digest", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_dependency"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["function_version.id"],
            name="fk_dependency_version_id_function_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["source_digest"], ["source.digest"], name="fk_dependency_source_digest_source"),
    )
    op.create_index("ix_dependency_source_digest", "dependency", ["source_digest"])
    op.create_index("ix_dependency_version_id", "dependency", ["version_id"])
    op.create_table(
        "acceptance",
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("accepted_id", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", "accepted_id", name="pk_acceptance"),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["function_version.id"],
            name="fk_acceptance_version_id_function_version",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["accepted_id"],
            ["function_version.id"],
            name="fk_acceptance_accepted_id_function_version",
            ondelete="CASCADE",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_acceptance_accepted_id", "acceptance", ["accepted_id"])
    texts = [row[0] for row in connection.execute(sa.text("SELECT DISTINCT source FROM old WHERE source IS NOT NULL"))]
    digests = {text: blake3(text.encode()).digest() for text in texts}
    for text, digest in digests.items():
        connection.execute(sa.text("INSERT INTO source VALUES (:digest, :text)"), {"digest": digest, "text": text})
    insert = f"""
        INSERT INTO function_version ({columns}, code, source_digest)
        SELECT {columns}, fingerprint, (SELECT digest FROM source WHERE text = old.source) FROM old
    """  # noqa: S608 -- columns are our own
    connection.execute(sa.text(insert))
    connection.execute(sa.text("DROP TABLE old"))
