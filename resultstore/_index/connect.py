"""Connections to the index file: how it is made, opened for reading, and opened for writing.

Reading connections lie in a pool, taken and given back around each statement, so that there are as
many as threads that read at one moment, and none is lost with a thread that ends. There is one
writing connection in a process, used only by the holder of the write gate.

Opening and reading run no writing statement. A forked child gets fresh connections; the parent's are
kept alive in it, unused, because closing them would drop the parent's locks.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from resultstore import _lifetime
from resultstore._index import hot, making, opened
from resultstore._index.moving import Moving
from resultstore._index.opened import told
from resultstore._place import sync_place
from resultstore.errors import DamagedError, SchemaError

if TYPE_CHECKING:
    from resultstore._index.pulse import Pulse

__all__ = ["FILE_NAME", "Connections", "told"]

FILE_NAME = "index.sqlite"
_BUSY_S, _HASTY_S, _BUSY_PAUSE_S, _LOCKED_OUT_S = 5.0, 0.05, 30.0, 30.0
_OPEN_TRIES, _OPEN_PAUSE_S = 20, 0.01
_WAL_FORMAT = 2  # at offset 18 of the file
_LOGGED = (-1, 0, 0)
_UNLOGGED = (
    "the index {0} keeps a rollback journal instead of a write-ahead log: {1}. All works; storing results takes longer"
)


class Connections(Moving):
    """The connections of one process to one index file."""

    def __init__(self, folder: str, meta: dict[str, str], *, checkpoint_pages: int, is_durable: bool = False) -> None:
        super().__init__(os.path.join(folder, FILE_NAME))
        self._meta = meta
        self._is_durable = is_durable
        self._checkpoint_pages = checkpoint_pages
        self._readers: list[opened.Connection] = []
        self._writer: opened.Connection | None = None
        self.before_query: Callable[[], None] = _do_nothing
        """Called before a question that results which wait to be written would change the answer to."""
        self.before_close: Callable[[], None] = _do_nothing
        """Called when what was read may be another file's from now on."""
        self.before_create: Callable[[], making.Known | None] = _do_nothing
        """Called before an index is made; returns what is known of one that is lost."""
        self.generation = 0
        """Counts the connections that this object has written by: with each the index may be another one."""
        self.notice = ""
        """What people should be told of an index that was just made."""
        self._guard: tuple[int, int, int] | None = None
        self._busy_until = self._locked_out_until = 0.0
        self._epoch = 0
        self.is_older = self.check_version()
        self._renew()

    def _renew(self) -> None:
        self._opened = 0
        self._counting = threading.RLock()
        self.undisturbed = opened.Undisturbed()
        self._paused = False
        self._resumed = threading.Event()

    def exists(self) -> bool:
        """Say whether something is in the index file's place; where that cannot be told, raise OSError.

        A disk that fails for a moment must not have a new index made over the one that is there.
        """
        try:
            os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def check_version(self) -> bool:
        """Say whether the schema is older than ours; raise for a newer one or another program's, touching nothing.

        The file's first bytes tell it, so that opening a store costs one read and no connection.

        Raises
        ------
        SchemaError
            If the index cannot be used by this version of resultstore.
        """
        try:
            head = opened.read_head(self.path)
            if head is None:
                version, application, is_logged = self._ask_version()
            elif len(head) < 100 or not head.startswith(b"SQLite format 3\0"):
                return False  # damaged: the first call finds out and degrades
            else:
                version, application = struct.unpack(">I", head[60:64])[0], struct.unpack(">I", head[68:72])[0]
                is_logged = head[18] == _WAL_FORMAT
        except (OSError, sqlite3.Error):
            return False  # not there yet, or not readable: the first call finds out and degrades
        if (application != making.APPLICATION_ID or version > hot.VERSION) and self._is_own():
            return False  # a damaged head: the first call sets the index aside
        if application != making.APPLICATION_ID:
            raise SchemaError(f"{self.path} is a database of another program; give the store a directory of its own.")
        if version > hot.VERSION:
            raise SchemaError(
                f"{self.path} was written by a newer resultstore (schema {version}, this one knows {hot.VERSION}). "
                "Nothing was touched. Upgrade resultstore, or give another directory."
            )
        self.is_misplaced = is_logged and making.why_unlogged(os.path.dirname(self.path)) is not None
        return int(version) < hot.VERSION

    def _ask_version(self) -> tuple[int, int, bool]:
        # Nobody pauses for a fork what is only being made: the lock keeps one from happening meanwhile.
        with _lifetime.opening, contextlib.closing(self._connect("ro")) as connection:
            version, application, journal = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("user_version", "application_id", "journal_mode")
            )
            return version, application, journal == "wal"

    # -- reading

    def query(self, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run a SELECT and return its rows, those of calls that wait included; no rows while there is no index."""
        self.before_query()
        return self.rows(sql, parameters)

    def rows(self, sql: str, parameters: dict[str, Any], *, may_mend: bool = True) -> list[tuple[Any, ...]]:
        """Run a SELECT and return its rows as they are written by now."""
        if self._paused:
            self._resumed.wait(_BUSY_S)
        is_hasty, epoch = False, self._epoch
        try:
            connection = self._readers.pop()
        except IndexError:
            if not self.exists():
                return []
            with self._counting:
                self._opened += 1
            try:
                connection = self._open_reader()
                is_hasty = connection.patience < _BUSY_S
            except BaseException as error:
                self._discard(None)
                if may_mend and opened.is_torn(error):
                    return self._rows_of_torn(sql, parameters)
                raise
        try:
            rows = connection.execute(sql, parameters).fetchall()
            if self._guard is not None and self._guard != self._guard_state():
                self._discard(connection)
                self._guard = None
                return self.rows(sql, parameters)
        except sqlite3.Error as error:
            self._discard(connection)
            self._note(error)
            if may_mend and opened.is_torn(error):
                return self._rows_of_torn(sql, parameters)
            if self._guard is None:
                raise
            self._guard = None  # somebody writes after all: the error may be of our own making
            return self.rows(sql, parameters)
        except BaseException:
            self._discard(connection)
            raise
        if is_hasty or epoch != self._epoch:
            # The next one waits as long as ever, if it may; or the index was closed, for another that is in its place.
            self._discard(connection)
        else:
            self._readers.append(connection)
        return rows

    def _rows_of_torn(self, sql: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Undo what a writer with a rollback journal left half done, which needs the right to write, and read on."""
        with _lifetime.opening, contextlib.closing(self._connect("rw")) as connection:
            connection.execute("SELECT count(*) FROM meta").fetchone()
        return self.rows(sql, parameters, may_mend=False)

    def pulse(self) -> Pulse | None:
        """Return what tells of commits without asking SQLite; None where nothing was read yet, or not in WAL mode."""
        with _lifetime.opening, contextlib.suppress(OSError, sqlite3.Error, IndexError):
            reader = self._readers.pop()
            try:
                return self._pulse_by(reader)
            finally:
                self._readers.append(reader)
        return None

    def _pulse_by(self, reader: opened.Connection) -> Pulse | None:
        identity = getattr(reader, "identity", None) if self._guard is None else None
        pulse = None if identity is None else opened.pulses.get(identity)
        # A file that was left behind says nothing of an index with another journal.
        if identity is not None and pulse is None and reader.execute("PRAGMA journal_mode").fetchone() == ("wal",):
            from resultstore._index.pulse import open_pulse  # no fork now: the lock is held

            pulse = open_pulse(self.path) if opened.identity_of(self.path) == identity else None
            if pulse is not None:
                opened.pulses[identity] = pulse
        return pulse

    def _discard(self, connection: opened.Connection | None) -> None:
        with self._counting:
            self._opened -= 1
        if connection is not None:
            connection.close()

    def pause(self, wait_s: float) -> None:
        """Let no thread start reading until `resume`, and wait for those that are at it.

        A fork while a thread is inside SQLite would leave the child with SQLite's own locks taken.
        """
        self._resumed.clear()
        self._paused = True
        deadline = time.monotonic() + wait_s
        while self._opened > len(self._readers) and time.monotonic() < deadline:
            time.sleep(0.0002)

    def resume(self) -> None:
        """Let threads read again."""
        self._paused = False
        self._resumed.set()

    def _open_reader(self) -> opened.Connection:
        for tries_left in reversed(range(_OPEN_TRIES)):
            try:
                self._expect_locks()
                connection = self._open("ro")
            except sqlite3.OperationalError as error:
                self._note(error)
                if opened.is_torn(error):
                    raise
                before = self._guard_state()
                if before != _LOGGED and not opened.is_busy(error):
                    # A read-only medium: only an immutable connection opens, which must see no writer.
                    connection = self._open("ro&immutable=1")
                    self._guard = before
                    return connection
                # An immutable connection would not see what lies in the log. Likely the last writer
                # of another process is just removing it.
                if not tries_left or opened.is_busy(error) or opened.is_locked_out(error):
                    raise
                time.sleep(_OPEN_PAUSE_S)
            else:
                self._identity = self._identity or self._present_identity()
                return connection
        raise AssertionError("unreachable")

    def _guard_state(self) -> tuple[int, int, int]:
        found = os.stat(self.path)
        for suffix in ("-wal", "-journal"):
            with contextlib.suppress(OSError):
                if os.stat(self.path + suffix).st_size:
                    return _LOGGED
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def _connect(self, mode: str) -> opened.Connection:
        opened.check_regular(self.path)
        uri = f"file:%{os.fsencode(self.path).hex('%')}?mode={mode}"
        return opened.connect(uri, self.path, uri=True, timeout=self._patience(), check_same_thread=False)

    def _open(self, mode: str) -> opened.Connection:
        connection = self._connect(mode)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, making.LONGEST)
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if connection.execute(making.STRANGE).fetchone() is not None:
                raise DamagedError(  # noqa: TRY301
                    f"{self.path} has triggers, or views in the place of tables, and nobody knows what they would do: "
                    "move it away, and the store begins a new one"
                )
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            if version != hot.VERSION or application != making.APPLICATION_ID:
                from resultstore._index import damage  # nobody meets it twice

                if (version, application) == (0, 0) or damage.is_own(connection):
                    raise opened.NoIndexError("it is empty, or its head is damaged")  # noqa: TRY301
                raise SchemaError(f"{self.path} has schema {version}, not {hot.VERSION}.")  # noqa: TRY301
        except BaseException:
            connection.close()
            raise
        return connection

    # -- writing; the caller holds the write gate

    def writer(self) -> opened.Connection:
        """Return the writing connection, making the index first if there is none."""
        if self._writer is not None and getattr(self._writer, "identity", None) is None:
            self._writer = None  # the collector took it first, of a store that is being dropped in a cycle
        if self.has_moved():
            self.close()  # the store was removed, or another put in its place, while it was open
        if self._writer is None:
            if not self.exists():
                self._make()
            self._expect_locks()
            connection = self._open("rw")
            self._identity = self._present_identity()
            is_logged = connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            # A power cut in the middle of rolling back could tear a file that was not synced at each step.
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if is_logged and not self._is_durable else 'FULL'}")
            if self._is_durable:
                connection.execute("PRAGMA fullfsync = ON")  # macOS
                sync_place(os.path.dirname(self.path))
            connection.text_factory = opened.decoded  # so that a row with a damaged text can be replaced
            connection.execute("PRAGMA foreign_keys = ON")
            # Every writer is alone behind the gate, so SQLite's own copying back bounds the log; a log
            # that one large transaction has grown is cut when it is next reused.
            connection.execute(f"PRAGMA wal_autocheckpoint = {self._checkpoint_pages}")
            connection.execute(f"PRAGMA journal_size_limit = {2 * 4096 * self._checkpoint_pages}")
            self._writer = connection
            self.generation += 1
        return self._writer

    def _make(self) -> None:
        why = making.make(self.path, self._meta, self.before_create())
        if why is not None:
            self.notice = _UNLOGGED.format(self.path, why)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[opened.Connection]:
        """Run a write transaction: all of it, or nothing."""
        connection = self.writer()
        if connection.in_transaction:  # left by an exception of a signal's at an unlucky moment
            connection.execute("ROLLBACK")
        self._wait_so_long(connection)
        try:
            with self.undisturbed():
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    yield connection
                    connection.execute("COMMIT")
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
        except BaseException as error:
            self._note(error)
            raise
        self._busy_until = 0.0

    def is_writing_here(self) -> bool:
        """Say whether the present thread is at a write already: a signal, or a finalizer, has interrupted it."""
        return self.undisturbed.is_interrupted()

    def _note(self, error: BaseException) -> None:
        """Note that the index is locked, or cannot be: one wait is enough, later calls do not wait for it as well."""
        if opened.is_busy(error):
            self._busy_until = time.monotonic() + _BUSY_PAUSE_S
        elif opened.is_locked_out(error) and time.monotonic() >= self._locked_out_until:
            self._locked_out_until = time.monotonic() + _LOCKED_OUT_S

    def _expect_locks(self) -> None:
        """Raise at once where SQLite has just tried for 10 s: no timeout of ours would shorten that."""
        if time.monotonic() < self._locked_out_until:
            raise opened.locked_out()

    def _patience(self) -> float:
        if self._busy_until and time.monotonic() >= self._busy_until:
            self._busy_until = 0.0
        return _HASTY_S if self._busy_until else _BUSY_S

    def _wait_so_long(self, connection: opened.Connection) -> None:
        patience = self._patience()
        if connection.patience != patience:
            connection.execute(f"PRAGMA busy_timeout = {int(1000 * patience)}")
            connection.patience = patience

    def close(self, *, writer: bool = True) -> None:
        """Close the connections that lie idle; the writing one only for a caller that is alone with it."""
        self.before_close()
        if self.has_moved():
            self._tell_moved()
        if writer or self._writer is None:
            self._identity = ()
        self._epoch += 1
        while self._readers:
            with contextlib.suppress(sqlite3.Error, IndexError):
                self._discard(self._readers.pop())
        if writer and self._writer is not None:  # last: it copies the log back and removes it
            connection, self._writer = self._writer, None
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def abandon(self) -> None:
        """Forget the connections of the parent process, in a forked child."""
        opened.inherit((*self._readers, *filter(None, [self._writer])))
        self._readers, self._writer = [], None
        self._renew()


def _do_nothing(*_: object) -> None:
    """Return None."""
