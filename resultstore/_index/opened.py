"""What this process has open of index files, by device and inode.

POSIX locks belong to a process and a file: closing any descriptor drops them all, those of SQLite's connections
included. So all that opens an index file, or the log's header beside it, is counted here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from resultstore import _lifetime

if TYPE_CHECKING:
    from resultstore._index.pulse import Pulse

_inherited: list[sqlite3.Connection | Pulse] = []
counts: Counter[tuple[int, int]] = Counter()
"""How many connections this process has to each index file, by device and inode."""
pulses: dict[tuple[int, int], Pulse] = {}
"""The pulses of index files that have connections."""


class Connection(sqlite3.Connection):
    """A connection that is counted, and closes silently when its store is dropped: nobody is asked to close a cache."""

    identity: tuple[int, int] | None = None

    def close(self) -> None:
        with _lifetime.opening:
            super().close()
            identity, self.identity = self.identity, None
            if identity is not None:
                counts[identity] -= 1
                if not counts[identity] and identity in pulses:
                    pulses.pop(identity).close()

    def __del__(self) -> None:
        with contextlib.suppress(sqlite3.ProgrammingError):  # it never opened
            self.close()


def inherit(connections: Iterable[sqlite3.Connection]) -> None:
    """Keep what is the parent's alive in a forked child, unused."""
    _inherited.extend(connections)
    _inherited.extend(pulses.values())
    pulses.clear()


def check_regular(path: str) -> None:
    """Raise OSError for what would not open as a file should: a directory, or a FIFO that blocks for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "this is not a regular file", path)


def read_head(path: str) -> bytes | None:
    """Return the first bytes of an index file, or None if this process has connections to it.

    Closing any descriptor of a file drops all POSIX locks that the process holds on it, those of its
    SQLite connections included: another process would then believe itself the last one, and remove
    the log under our feet.
    """
    check_regular(path)
    with _lifetime.opening:
        if counts[identity_of(path)] > 0:
            return None
        with open(path, "rb", buffering=0) as file:
            return file.read(100)


def identity_of(path: str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino
