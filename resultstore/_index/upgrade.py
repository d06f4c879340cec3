"""Upgrading an index of an older schema: under the write gate, after a backup, by Alembic.

Alembic is imported here and nowhere else (0.66 s with SQLAlchemy): a store of the present schema never
pays for it. The migrations lie at the top level of the repository and, in a wheel, inside the package.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3

from resultstore._index import hot, opened
from resultstore._index.making import backup_path
from resultstore._rights import make_file, rights_of
from resultstore.errors import SchemaError

_WAIT_S = 30.0


def migrations_folder() -> str:
    """Return where the migration scripts are: in an installed package, else in the checkout."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (os.path.join(package, "_migrations"), os.path.join(os.path.dirname(package), "migrations")):
        if os.path.isdir(os.path.join(folder, "versions")):
            return folder
    raise SchemaError(f"the migration scripts are missing from {package}; install resultstore again")


def upgrade(path: str) -> str | None:
    """Bring an index file to the present schema; return the backup's path, if there was a version to keep.

    The caller holds the write gate. An upgrade that is cut short leaves the index as it was; a backup is whole
    or is not there, and there is one for each schema at most.
    """
    with contextlib.closing(opened.connect(path, path, timeout=_WAIT_S)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        before = connection.execute("PRAGMA user_version").fetchone()[0]
        if before == hot.VERSION:
            return None
        backup = backup_path(path, before) if before else None
        if backup is not None:
            _copy(connection, backup)
    _run_alembic(path)
    with contextlib.closing(opened.connect(path, path, timeout=_WAIT_S)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return backup


def _copy(connection: sqlite3.Connection, backup: str) -> None:
    temporary = f"{backup}.new"  # the same at each try: those that were killed leave one at most
    _remove(temporary)
    try:
        os.close(make_file(temporary, os.O_WRONLY, rights_of(os.path.dirname(backup))))
        with contextlib.closing(sqlite3.connect(temporary)) as copy:
            copy.execute("PRAGMA journal_mode = OFF")  # a copy that fails is thrown away
            connection.backup(copy)
        os.replace(temporary, backup)
    finally:
        _remove(temporary)


def _remove(path: str) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            os.unlink(path + suffix)


def _run_alembic(path: str) -> None:
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", migrations_folder().replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    # Without the sqlite3 module's own transactions, which leave changes of the schema outside: a process that
    # is killed in the middle of an upgrade leaves the index as it was.
    engine = sqlalchemy.create_engine("sqlite://", creator=lambda: opened.connect(path, path, timeout=_WAIT_S))
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.exec_driver_sql(f"PRAGMA user_version = {hot.VERSION}")
    finally:
        engine.dispose()
