"""How an index file is made, and which journal of SQLite's it keeps.

A write-ahead log needs memory that all its users share. Where they may sit on several machines, or the file
system cannot map a file for all, SQLite's rollback journal is kept instead: slower to write, otherwise the same.
Which one it is stands in the file, so that all processes use the same.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Mapping

from resultstore import _place
from resultstore._index import hot, opened
from resultstore._rights import make_file, rights_of
from resultstore._syncing import sync_file
from resultstore.errors import BusyError

APPLICATION_ID = opened.APPLICATION_ID
_UNLOG_WAIT_S = 5.0
_TABLES = ", ".join(f"'{text.split()[2]}'" for text in hot.CREATE if text.startswith("CREATE TABLE"))
STRANGE = (
    "SELECT name FROM sqlite_master WHERE type = 'trigger' "  # noqa: S608 -- our own tables' names
    f"OR (name IN ({_TABLES}) AND (type != 'table' OR sql LIKE 'CREATE VIRTUAL%')) LIMIT 1"
)
"""What could run for ever when we read or write; views of one's own, under other names, we never look at."""
LONGEST = 1 << 25
"""Bytes of a text or blob: what we write is far shorter, and a longer one would cost its reader memory."""
_WISHED = "RESULTSTORE_JOURNAL=rollback is set"


Known = tuple[int, int]
"""Of an index that takes the place of a lost one: the bytes of payloads that lie there already, and the first place
in the sequence of accesses."""


def make(path: str, meta: Mapping[str, str], known: Known | None = None) -> str | None:
    """Make a whole index beside its place and rename it: nobody ever sees half of one.

    Return why it has no write-ahead log; None if it has one, or nobody wanted one.
    """
    from resultstore._index.damage import clear_sides

    clear_sides(path)
    folder = os.path.dirname(path)
    why = why_unlogged(folder)
    temporary = f"{path}-{os.getpid()}-{os.urandom(4).hex()}.new"
    try:
        if why is not None or not _fill(temporary, meta, known, logged=True):
            why = why or "SQLite can keep no write-ahead log there"
            _remove(temporary)
            _fill(temporary, meta, known, logged=False)
        fd = os.open(temporary, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        try:
            sync_file(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    finally:
        _remove(temporary)
    return None if why == _WISHED else why


def _fill(path: str, meta: Mapping[str, str], known: Known | None, *, logged: bool) -> bool:
    """Make an index with nothing in it; say whether it could be given the log that it should have."""
    os.close(make_file(path, os.O_WRONLY, rights_of(os.path.dirname(path))))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")  # what fails is thrown away
        connection.execute("PRAGMA synchronous = OFF")  # once, at the end, is enough
        fill(connection, meta, known)
        if not logged:
            connection.execute("PRAGMA journal_mode = DELETE")
            return True
        try:
            answer = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("SELECT count(*) FROM meta").fetchone()  # the memory is shared from the first look on
        except sqlite3.OperationalError:
            return False
        return bool(answer == ("wal",))


def fill(connection: sqlite3.Connection, meta: Mapping[str, str], known: Known | None = None) -> None:
    """Make the tables of an index in an empty database."""
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("BEGIN")
    for statement in hot.CREATE:
        connection.execute(statement)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    if known is not None:
        connection.execute("UPDATE total SET file_nbytes = ?, access_sequence = ?", known)
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {hot.VERSION}")


def _remove(path: str) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(OSError):
            os.unlink(path + suffix)


def backup_path(path: str, version: int) -> str:
    """Return where the copy of an index lies that had an older schema."""
    return f"{path}-schema-{version}.backup"


class Backups:
    """What upgrades have left beside an index."""

    def __init__(self, path: str) -> None:
        self._paths = [backup_path(path, version) for version in range(1, hot.VERSION)]
        self._nbytes: int | None = None

    def nbytes(self) -> int:
        """Return their bytes on the disk, as they were at the first look."""
        if self._nbytes is None:
            self._nbytes = sum(map(blocks, self._paths))
        return self._nbytes

    def forget(self) -> None:
        """Look again."""
        self._nbytes = None

    def drop(self, older_than_s: float) -> int:
        """Remove those that were made so long ago; return their bytes on the disk."""
        before = self.nbytes()
        for path in self._paths:
            with contextlib.suppress(OSError):
                if time.time() - os.stat(path).st_mtime >= older_than_s:
                    os.unlink(path)
        self.forget()
        return max(before - self.nbytes(), 0)


def blocks(path: str) -> int:
    """Return what a file takes on the disk; nothing if it is not there."""
    try:
        return -(-os.stat(path).st_size // 4096) * 4096
    except OSError:
        return 0


def why_unlogged(folder: str) -> str | None:
    """Return why an index in a directory must have no write-ahead log; None where it may."""
    wish = os.environ.get("RESULTSTORE_JOURNAL", "").strip().lower()
    if wish == "rollback":
        return _WISHED
    kind = None if wish == "wal" else _place.network_file_system(folder)
    return None if kind is None else f"it lies on a file system that other machines may use as well ({kind})"


def give_up_log(path: str) -> None:
    """Turn an index with a write-ahead log into one with a rollback journal. The caller holds the write gate.

    Raises
    ------
    BusyError
        If another connection is open.
    """
    with contextlib.closing(opened.connect(path, path, timeout=_UNLOG_WAIT_S)) as connection:
        try:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # so that no memory is shared
            answer = connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            raise BusyError(f"another program has {path} open, so its write-ahead log has to stay: {error}") from error
    if answer != ("delete",):
        raise BusyError(f"SQLite keeps the write-ahead log of {path}")
