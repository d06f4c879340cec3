"""What this process has open of index files, by device and inode.

POSIX locks belong to a process and a file: closing any descriptor drops them all, those of SQLite's connections
included. So all that opens an index file, or the log's header beside it, is counted here.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from resultstore import _lifetime
from resultstore._rights import check_no_link, is_read_only
from resultstore.errors import BusyError, DamagedError, StoreError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from resultstore._index.pulse import Pulse

_HEAD_NBYTES = 100
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_LOCKED_FROM, _LOCKED_NBYTES = 0x40000000, 512
"""The bytes that SQLite locks of a database: https://sqlite.org/fileformat2.html#the_lock_byte_page"""
_FLOCK = "hhqqi4x"
_ASK_OF_LOCKS = getattr(fcntl, "F_OFD_GETLK", None) if os.name == "posix" and sys.maxsize > 1 << 32 else None

APPLICATION_ID = 0x52534C54  # "RSLT", at offset 68 of the file
ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What reading a damaged index raises: the sqlite3 module cannot even say what is wrong in words that are no text."""
_inherited: list[sqlite3.Connection | Pulse] = []
counts: Counter[tuple[int, int]] = Counter()
"""How many connections this process has to each index file, by device and inode."""
pulses: dict[tuple[int, int], Pulse] = {}
"""The pulses of index files that have connections."""
_kept: dict[tuple[int, int], int] = {}
"""Descriptors of index files that must stay open: somebody in this process may hold locks on these files."""


class NoIndexError(sqlite3.DatabaseError):
    """What lies in the index's place is no index of ours: a directory, an empty file, a head that was overwritten."""


class Connection(sqlite3.Connection):
    """A connection that is counted, and closes silently when its store is dropped: nobody is asked to close a cache."""

    identity: tuple[int, int] | None = None
    patience: float = 0.0
    """How many seconds it waits for others' locks."""

    def close(self) -> None:
        with _lifetime.opening:
            try:
                # A statement that somebody still holds, as an interrupt's traceback does, keeps its transaction
                # alive after closing: nobody could write any more.
                with contextlib.suppress(sqlite3.Error):
                    if self.in_transaction:
                        self.rollback()
                super().close()
            finally:
                identity, self.identity = self.identity, None
                if identity is not None:
                    counts[identity] -= 1
                    if not counts[identity] and identity in pulses:
                        pulses.pop(identity).close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # it never opened, or the interpreter is being taken down
            self.close()


def connect(target: str, path: str, *, timeout: float, **options: Any) -> Connection:
    """Connect to an index file, by its path or a URI, so that it is counted."""
    check_regular(path)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            check_no_link(path + suffix)
    with _lifetime.opening:  # never while a head is being read
        connection: Connection = sqlite3.connect(
            target, timeout=timeout, isolation_level=None, factory=Connection, **options
        )
        connection.patience = timeout
        connection.identity = identity_of(path)
        counts[connection.identity] += 1
    return connection


def inherit(connections: Iterable[sqlite3.Connection]) -> None:
    """Keep what is the parent's alive in a forked child, unused."""
    _inherited.extend(connections)
    _inherited.extend(pulses.values())
    pulses.clear()


def check_regular(path: str) -> None:
    """Raise NoIndexError for what is no file of ours: a directory, a FIFO that blocks for ever, a link elsewhere."""
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise NoIndexError("it is not a regular file")


def check_sums(total: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """Return the row of sums; raise NoIndexError for what none of our transactions has written."""
    if total is None or not all(type(number) is int for number in total[:8]):
        raise NoIndexError("its row of sums is damaged")
    return total


def read_head(path: str) -> bytes | None:
    """Return the first bytes of an index file, or None if this process has connections to it.

    Closing any descriptor of a file drops all POSIX locks that the process holds on it, those of its
    SQLite connections included: another process would then believe itself the last one, and remove
    the log under our feet. So it stays open, for the next look, where somebody's own connection holds any.
    """
    check_regular(path)
    with _lifetime.opening:
        if counts[identity_of(path)] > 0:
            return None
        _close_unlinked()
        fd = _kept.pop(identity_of(path), -1)
        if fd < 0:
            fd = os.open(path, _READ)
        try:
            os.lseek(fd, 0, os.SEEK_SET)
            return os.read(fd, _HEAD_NBYTES)
        finally:
            if _is_locked(fd):
                found = os.fstat(fd)
                _kept[found.st_dev, found.st_ino] = fd
            else:
                os.close(fd)


def _is_locked(fd: int) -> bool:
    """Say whether anybody holds one of SQLite's locks on a file. Whether this process does, cannot always be told."""
    if _ASK_OF_LOCKS is None:
        return False
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _LOCKED_FROM, _LOCKED_NBYTES, 0)
    try:  # as the holder of a lock on the open file, to which locks of this very process are in the way as well
        answer = fcntl.fcntl(fd, _ASK_OF_LOCKS, asked)
    except OSError:
        return False
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def _close_unlinked() -> None:
    """Close what nobody else can open any more."""
    for identity, fd in list(_kept.items()):
        if not os.fstat(fd).st_nlink:
            del _kept[identity]
            os.close(fd)


def identity_of(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


@contextlib.contextmanager
def told(path: str) -> Iterator[None]:
    """Raise what SQLite says about an index in our own words, for people who asked for something."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise BusyError(f"another program keeps {path} locked ({error}): try again when it is done") from error
        from resultstore._index.damage import is_damage

        if is_damage(error):
            raise DamagedError(
                f"the index {path} is damaged ({error}): store.repair() sets it aside and brings back what can be read"
            ) from error
        raise _refused(path, error) or StoreError(f"the index {path} cannot be used: {error}") from error
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise _refused(path, error) or StoreError(f"the store at {path} cannot be used: {error}") from error


def _refused(path: str, error: Exception) -> StoreError | None:
    """Return the one error of all that would write where one may only read."""
    place = os.path.dirname(path)
    if not is_read_only(place, error):
        return None
    return StoreError(f"the store {place} is read-only for you, and this writes to it ({error})")


def decoded(text: bytes) -> str:
    """Return a text, also one that is damaged."""
    return text.decode("utf-8", "replace")


def is_busy(error: BaseException) -> bool:
    """Say whether another program locks the index."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_torn(error: BaseException) -> bool:
    """Say whether a writer was killed in the middle, and a reader may not undo what it had begun."""
    return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY_ROLLBACK


def is_locked_out(error: BaseException) -> bool:
    """Say whether SQLite gave up getting a lock that nobody need hold: a file system has ceased to give any."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_PROTOCOL


def locked_out() -> sqlite3.OperationalError:
    """Return what SQLite raises after 10 s."""
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_PROTOCOL, "SQLITE_PROTOCOL"
    return error


class Undisturbed:
    """Notes when the writing connection is in use, which only the holder of the write gate uses.

    No other write of the same thread may come in between: a signal's handler, or a finalizer, may make calls anywhere.
    """

    def __init__(self) -> None:
        self._thread = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        before = self._thread
        try:
            self._thread = threading.get_ident()
            yield
        finally:
            self._thread = before

    def is_interrupted(self) -> bool:
        """Say whether the present thread is at it already."""
        return self._thread == threading.get_ident()
