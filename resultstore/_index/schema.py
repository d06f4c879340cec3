"""The schema of the index, once, as SQLAlchemy tables; `hot.py` holds the texts compiled from it.

Types are portable. Times are seconds since the epoch, digests are raw bytes, sizes are bytes.
``docs/format/schema.md`` tells a stranger how to read it.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _reference(
    name: str, target: str, *, nullable: bool = False, index: bool = True, primary_key: bool = False
) -> Column[int]:
    delete = "SET NULL" if nullable else "CASCADE"
    if primary_key:
        return Column(name, Integer, ForeignKey(target, ondelete=delete), primary_key=True)
    return Column(name, Integer, ForeignKey(target, ondelete=delete), nullable=nullable, index=index)


# Facts of the store itself: encoding, fingerprint scheme.
meta = Table("meta", metadata, Column("name", Text, primary_key=True), Column("value", Text, nullable=False))

# A process that computed; written once, at its first miss.
run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("started_at", Float, nullable=False),
    Column("process", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("python", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("boot", Text, nullable=False),
    Column("packages", Text, nullable=False),  # JSON: {"numpy": "2.4.6"}
)

# A function by name, with its counters.
function = Table(
    "function",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("hits", Integer, nullable=False, server_default="0"),
    Column("misses", Integer, nullable=False, server_default="0"),
    Column("evictions", Integer, nullable=False, server_default="0"),
    Column("seconds_saved", Float, nullable=False, server_default="0"),
    # Sums over its stored calls, so that a budget of its own needs no scan.
    Column("stored", Integer, nullable=False, server_default="0"),
    Column("nbytes", BigInteger, nullable=False, server_default="0"),
)

# Texts of code, each once; they leave when no version has them any more.
source = Table(
    "source",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("text", Text, nullable=False),
    sqlite_with_rowid=False,
)


def _text_reference() -> Column[bytes]:
    return Column("source_digest", LargeBinary, ForeignKey("source.digest"), index=True)


# A function as it behaved: all its versions live side by side.
function_version = Table(
    "function_version",
    metadata,
    Column("id", Integer, primary_key=True),
    _reference("function_id", "function.id", index=False),
    Column("number", Integer, nullable=False),  # 1, 2, 3 ... within the function
    Column("fingerprint", LargeBinary, nullable=False),
    Column("code", LargeBinary, nullable=False),  # the fingerprint without a version= label
    Column("scheme", Integer, nullable=False),
    Column("label", Text),  # the version= pin that stands in for the code
    Column("portable", LargeBinary, index=True),  # the identity that holds across Python versions
    Column("place", Text, nullable=False),  # of a __main__ function: its script or notebook
    _text_reference(),
    Column("signature", Text),
    Column("python", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("function_id", "fingerprint", "code"),
)

# What a version depends on beside its own code.
dependency = Table(
    "dependency",
    metadata,
    Column("id", Integer, primary_key=True),
    _reference("version_id", "function_version.id"),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("place", Text),
    Column("detail", Text),  # a short text of a value, a distribution's version
    _text_reference(),
)

# Which version takes over the results of which older one, because somebody said so.
acceptance = Table(
    "acceptance",
    metadata,
    _reference("version_id", "function_version.id", primary_key=True),
    Column("accepted_id", Integer, ForeignKey("function_version.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("reason", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    sqlite_with_rowid=False,
)

# One row per distinct call: its latest computation. The first columns are those a hit reads.
call = Table(
    "call",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("state", Text, nullable=False),  # stored, evicted, not stored
    Column("kind", Text),  # how the result is kept: see docs/format/skeleton.md
    Column("integer", BigInteger),
    Column("number", Float),
    Column("text", Text),
    Column("leaf_count", Integer, nullable=False, server_default="0"),
    Column("checksum", LargeBinary),
    _reference("version_id", "function_version.id"),
    _reference("run_id", "run.id", nullable=True),
    Column("created_at", Float, nullable=False, index=True),
    Column("duration", Float, nullable=False),  # seconds
    Column("nbytes", BigInteger, nullable=False, server_default="0"),  # stored
    Column("accessed_at", Float, nullable=False),
    Column("access_count", Integer, nullable=False, server_default="0"),
    Column("access_sequence", BigInteger, nullable=False),
    Column("pinned", Boolean, nullable=False, server_default=text("0")),
    Column("note", Text),  # why it is not stored, or was dropped
    Column("age", Float, nullable=False, server_default="0"),  # total.age at the last access
    CheckConstraint("state IN ('stored', 'evicted', 'not stored')", name="state"),
)

# What may go, in the order of the standing policy; those of other policies are made when they are first used.
_STORED = (call.c.state == "stored") & call.c.pinned.is_(False)
_WITH_PAYLOAD = _STORED & (call.c.leaf_count > 0)
_DROPPED = (call.c.state != "stored") & call.c.pinned.is_(False)
Index("ix_call_stored", call.c.access_sequence, sqlite_where=_STORED, postgresql_where=_STORED)
Index("ix_call_with_payload", call.c.access_sequence, sqlite_where=_WITH_PAYLOAD, postgresql_where=_WITH_PAYLOAD)
Index("ix_call_dropped", call.c.access_sequence, sqlite_where=_DROPPED, postgresql_where=_DROPPED)
Index(
    "ix_call_pinned",
    call.c.access_sequence,
    sqlite_where=call.c.pinned.is_(True),
    postgresql_where=call.c.pinned.is_(True),
)

# The arguments of a call, as they were before the function ran.
argument = Table(
    "argument",
    metadata,
    _reference("call_id", "call.id", primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("number", Float),  # of bool, int and float; a NaN is kind float without a number
    Column("text", Text),  # of short strings, and of integers that no float holds
    Column("token", LargeBinary),  # the short encoding or digest; none for an ignored argument
    Column("summary", Text, nullable=False),
    Index("ix_argument_name_token", "name", "token"),
    Index(
        "ix_argument_name_number",
        "name",
        "number",
        sqlite_where=text("number IS NOT NULL"),
        postgresql_where=text("number IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

# Stored bytes of one leaf; equal leaves share them.
payload = Table(
    "payload",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, index=True),  # of the value
    Column("checksum", LargeBinary, nullable=False),  # of the stored bytes
    Column("format", Text, nullable=False),
    Column("codec", Text),
    Column("nbytes", BigInteger, nullable=False),  # stored
    Column("raw_nbytes", BigInteger, nullable=False),
    Column("head_nbytes", Integer, nullable=False),
    Column("dtype", Text),
    Column("shape", Text),
    Column("memory_order", Text),
    Column("file", Text, index=True),  # below payloads/, or none for an inline payload
    Column("disk_nbytes", BigInteger, nullable=False, server_default="0"),
    Column("inline", LargeBinary),  # last: a long row's tail is read only when asked for
)

# Where a leaf stands in a result.
result_leaf = Table(
    "result_leaf",
    metadata,
    _reference("call_id", "call.id", primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("payload_id", Integer, ForeignKey("payload.id"), nullable=False, index=True),
    Column("path", Text, nullable=False),
    Column("writeable", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# Earlier computations of a call.
computation = Table(
    "computation",
    metadata,
    Column("id", Integer, primary_key=True),
    _reference("call_id", "call.id"),
    _reference("run_id", "run.id", nullable=True),
    Column("created_at", Float, nullable=False),
    Column("duration", Float, nullable=False),
    Column("checksum", LargeBinary),
    Column("state", Text, nullable=False),
    Column("note", Text),
)

# Which call made which: lineage by calling.
nesting = Table(
    "nesting",
    metadata,
    _reference("parent_id", "call.id", primary_key=True),
    Column("child_id", Integer, ForeignKey("call.id", ondelete="CASCADE"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

tag = Table(
    "tag",
    metadata,
    _reference("call_id", "call.id", primary_key=True),
    Column("name", Text, primary_key=True, index=True),
    sqlite_with_rowid=False,
)

# Computations in progress, for indexes that no file lock reaches.
lease = Table(
    "lease",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("expires_at", Float, nullable=False),
)

# One row of sums, so that a budget check costs the same at any size.
total = Table(
    "total",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("file_nbytes", BigInteger, nullable=False),  # blocks of payload files
    Column("inline_nbytes", BigInteger, nullable=False),
    Column("payloads", BigInteger, nullable=False),
    Column("access_sequence", BigInteger, nullable=False),
    Column("evictions", BigInteger, nullable=False),
    Column("file_calls", BigInteger, nullable=False),  # calls with a payload in a file
    Column("journal_lines", BigInteger, nullable=False),
    Column("age", Float, nullable=False, server_default="0"),  # the worth of what was evicted last, see eviction.py
    Column("aged_by", Text),  # the policy whose worth that is
)

VERSION = 3
"""``PRAGMA user_version``: raised with every migration."""

REVISION = "0003"
"""The Alembic revision that a store of this version is stamped with."""

CALLS_VIEW = """\
CREATE VIEW calls AS
SELECT
    call.id AS id,
    function.name AS function,
    coalesce(function_version.label, function_version.number) AS version,
    (SELECT group_concat(name || '=' || summary, ', ')
       FROM (SELECT name, summary FROM argument WHERE argument.call_id = call.id ORDER BY position)) AS arguments,
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
JOIN function ON function.id = function_version.function_id"""
