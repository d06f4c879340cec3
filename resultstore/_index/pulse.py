"""Whether anybody has committed to an index since the last look, told without a system call.

In WAL mode every commit, of any process, changes the header of the WAL-index, the file ``-shm`` that all
connections map: a counter of changes, the number of frames, their checksum. SQLite itself decides by
comparing this header whether what it has in its memory still counts; here the same comparison decides
whether rows that were read do (0.2 us; a SELECT takes 8, ``PRAGMA data_version`` 4).
The header's layout is published: https://sqlite.org/walformat.html#the_wal_index_header
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
from typing import Any

_COPY_NBYTES = 48
_HEADER_NBYTES = 2 * _COPY_NBYTES
_VERSION = struct.pack("=I", 3007000)
_CHANGES = struct.Struct("=I")
_CHANGES_AT, _INITIALISED_AT = 8, 12
# Not read-only: where we could not write to it, neither can our SQLite, which then holds no lock that keeps
# another process from truncating the file, and the map would be torn from under us.
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

State = bytes
"""Both copies of the header, found equal."""

_kept: dict[tuple[int, int], tuple[int, Any]] = {}
"""Files, by device and inode, that must stay open: somebody in this process uses them past our connections."""


class Pulse:
    """One index file's WAL-index header, mapped.

    Closing any descriptor of ``-shm`` drops all locks that this process holds on it, those of SQLite's
    connections included. So a pulse is closed only when the process has no connection to the file, and even
    then the file stays open if a connection may use it that is not ours: somebody's own, by `sqlite3`.
    """

    def __init__(self, path: str) -> None:
        _close_unlinked()
        fd, view = _kept.pop(_identity(os.lstat(path)), (-1, None))
        if fd < 0:
            fd = os.open(path, _FLAGS)
        # The map keeps a descriptor of its own: this one must stay open as long.
        self._fd: int | None = fd
        self._map: Any = view
        from mmap import ACCESS_READ, mmap

        found = os.fstat(fd)
        self._identity = _identity(found)
        if view is None and stat.S_ISREG(found.st_mode) and found.st_size >= _HEADER_NBYTES:
            try:
                self._map = mmap(fd, _HEADER_NBYTES, access=ACCESS_READ)
            except BaseException:  # no descriptor is free: the next try goes on with this one
                _kept[self._identity] = fd, None
                raise

    def _header(self) -> bytes:
        view = self._map
        if view is None:
            return b""
        try:
            return bytes(view[:_HEADER_NBYTES])
        except ValueError:  # another thread has just closed it
            return b""

    def now(self) -> State | None:
        """Return the header as it is now; None while somebody writes it, or where there is none that we know."""
        state = self._header()
        half = state[:_COPY_NBYTES]
        known = half == state[_COPY_NBYTES:] and half.startswith(_VERSION) and half[_INITIALISED_AT]
        return state if known else None

    def is_at(self, state: State) -> bool:
        """Say whether nothing was committed since a state."""
        return self._header() == state

    def close(self) -> None:
        """Let the file go. None of our connections may be using it."""
        view, self._map = self._map, None
        fd, self._fd = self._fd, None
        if fd is not None:
            if _has_name(fd) and _is_used_here(self._identity[1]):
                _kept[self._identity] = fd, view
            else:
                _close(fd, view)
        _close_unlinked()


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _has_name(fd: int) -> bool:
    """Say whether others can open the file of a descriptor; where in doubt, yes."""
    try:
        return bool(os.fstat(fd).st_nlink)
    except OSError:
        return True


def _is_used_here(inode: int) -> bool:
    """Say whether a connection of this process has mapped the file, to write to it; where in doubt, yes."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            fields = [line.split(None, 5) for line in maps if "-shm" in line]
    except OSError:
        return True
    return any(field[4] == str(inode) and "w" in field[1] for field in fields)


def _close_unlinked() -> None:
    """Close the files that nobody else can open any more: their last connection has removed them."""
    for identity, (fd, view) in list(_kept.items()):
        if not _has_name(fd):
            del _kept[identity]
            _close(fd, view)


def _close(fd: int, view: Any) -> None:
    if view is not None:
        view.close()
    os.close(fd)


def open_pulse(index_path: str) -> Pulse | None:
    """Return the pulse of an index that has connections, or None where there is none to be felt."""
    if sys.platform == "win32":  # the descriptor would keep SQLite from removing the file
        return None
    with contextlib.suppress(OSError, ValueError):
        return Pulse(os.path.realpath(index_path) + "-shm")  # where SQLite has it
    return None


def follows(after: State, before: State) -> bool:
    """Say whether exactly one commit lies between two states."""
    earlier, later = _CHANGES.unpack_from(before, _CHANGES_AT)[0], _CHANGES.unpack_from(after, _CHANGES_AT)[0]
    return bool(later == (earlier + 1) & 0xFFFFFFFF)
