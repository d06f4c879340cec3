"""A damaged index: how it is known, looked at again, and set aside with its date, for `Store.repair` to read."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable

from resultstore._index import hot, making, opened
from resultstore._place import dated, free_name

SIDES = ("-wal", "-shm", "-journal")
_STEM = "index-damaged"
_SUSPICIONS = ("no such table", "no such column", "has no column", "Could not decode to UTF-8")
_REVISION = f"{hot.VERSION:04d}"
_LOOK_S, _LOOK_STEPS = 5.0, 10_000


def is_damage(error: BaseException | None) -> bool:
    """Say whether an error may mean that the index is damaged; a lock, a full disk or no free handle never does."""
    if error is None:
        return False
    if isinstance(error, (opened.NoIndexError, UnicodeDecodeError)):
        return True
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or str(error).startswith(_SUSPICIONS)
    return is_damage(getattr(error, "orig", None))  # as SQLAlchemy wraps it, in an upgrade


def is_own(connection: sqlite3.Connection) -> bool:
    """Say whether a file whose head belies it is an index of our schema all the same: then the head is damaged."""
    with contextlib.suppress(*opened.ERRORS):
        if connection.execute(making.STRANGE).fetchone() is not None:
            return False  # a view in the table's place could run for ever
        return bool(connection.execute("SELECT version_num FROM alembic_version").fetchone() == (_REVISION,))
    return False


def look(connect: Callable[[str], sqlite3.Connection], path: str, told: BaseException | None) -> str | None:
    """Look at an index once more, by a connection of its own; return what is wrong with it, or None.

    What SQLite cannot find to be whole within some seconds is as bad as it was told to be, if it was.
    """
    if not os.path.lexists(path):
        return None
    try:
        with contextlib.closing(connect("ro")) as connection:
            if connection.execute(making.STRANGE).fetchone() is not None:
                return None  # whoever wants to use it is told
            deadline = time.monotonic() + _LOOK_S
            if told is not None:
                connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _LOOK_STEPS)
            return _faults(connection) or (_unreadable_texts(connection) if told is None else None)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT:
            return str(told)
        if is_damage(error):
            return str(error)
        raise
    except opened.ERRORS as error:
        if is_damage(error):
            return str(error)
        raise
    except FileNotFoundError:
        return "it is a link that leads nowhere" if os.path.lexists(path) else None


def _faults(connection: sqlite3.Connection) -> str | None:
    """Return what is wrong with an index that can be opened, or None."""
    found = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if (version, application) == (hot.VERSION, opened.APPLICATION_ID):
        for name in table_names():
            if name not in found:
                return f"its table {name} is gone"
        opened.check_sums(connection.execute(hot.TOTAL).fetchone())
    elif not found and not application:
        return "it is empty"
    elif is_own(connection):
        return "its head is damaged"
    elif application != opened.APPLICATION_ID or version > hot.VERSION:
        return None  # not for us to judge
    connection.text_factory = bytes  # what it says may quote what is damaged
    said = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    return None if said == b"ok" else bytes(said).decode("utf-8", "replace")


def _unreadable_texts(connection: sqlite3.Connection) -> str | None:
    """Return what is wrong with the first text that is none; SQLite itself does not look."""
    connection.text_factory = str
    for name in table_names():
        try:
            for _ in connection.execute(f"SELECT * FROM {name}"):  # noqa: S608 -- a name of ours
                pass
        except opened.ERRORS as error:
            return str(error)
    return None


def table_names() -> list[str]:
    """Return the tables of an index of our schema."""
    return [text.split()[2] for text in hot.CREATE if text.startswith("CREATE TABLE ")]


def set_aside(path: str) -> str:
    """Rename an index and its side files, so that a new one may take their place; return where it is now.

    The index goes first: if the process is killed in between, what is left is a log without an index, which
    `clear_sides` gives back to it.
    """
    folder = os.path.dirname(path)
    aside = free_name(folder, _STEM, ".sqlite", SIDES)
    os.rename(path, aside)
    _move_sides(path, aside)
    return aside


def _move_sides(path: str, aside: str | None) -> None:
    for side in SIDES:
        with contextlib.suppress(FileNotFoundError):
            if aside is None:
                os.unlink(path + side)
            else:
                os.rename(path + side, aside + side)


def clear_sides(path: str) -> None:
    """Take away a log that was left without its index: SQLite would play it back into the new one."""
    if not os.path.lexists(path + "-wal"):
        _move_sides(path, None)
        return
    folder = os.path.dirname(path)
    last = asides(folder)[-1:]
    # Renamed a moment ago by a process that was killed before it could rename the log.
    is_of_last = last and os.lstat(path + "-wal").st_mtime <= os.lstat(last[0]).st_ctime
    alone = is_of_last and not any(os.path.lexists(last[0] + side) for side in SIDES)
    _move_sides(path, last[0] if alone else free_name(folder, _STEM, ".sqlite", SIDES))


def asides(folder: str) -> list[str]:
    """Return the indexes of a store that were set aside, oldest first."""
    return dated(folder, _STEM, ".sqlite")


def side_files(folder: str) -> list[str]:
    """Return the logs of indexes that were set aside, those without their index as well."""
    return [path for side in SIDES for path in dated(folder, _STEM, ".sqlite" + side)]
