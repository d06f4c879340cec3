"""Indexes that come and go under a process that has one open: set aside as damaged, or removed, by whomever."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable

from resultstore import _lifetime
from resultstore._index import opened

_SOUND_S = 60.0


class Moving:
    """The half of connections that knows whether what is open is still what lies in the place."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.after_move: list[Callable[[], None]] = []
        """Called when another index is in the place: what was known of the rows of the last one no longer holds."""
        self._identity: tuple[int, ...] = ()
        self._sound_until = 0.0
        self.is_older = False
        """Whether the index has an older schema."""
        self.is_misplaced = False
        """Whether the index has a write-ahead log where there should be none."""

    def _connect(self, mode: str) -> opened.Connection:
        raise NotImplementedError

    def close(self, *, writer: bool = True) -> None:
        """Close the connections that lie idle; the writing one only for a caller that is alone with it."""
        raise NotImplementedError

    def has_moved(self) -> bool:
        """Say whether another index lies in the place than the one that this process has open, or none."""
        return bool(self._identity) and self._identity[0] != _inode(self.path)

    def is_lost(self) -> bool:
        """Say whether what this process has open, the log and its header included, is no more what lies in the place.

        Another process has set the index aside, or the store was removed; or somebody has deleted the log from under
        our connections, which would go on with a file that nobody else can see.
        """
        present = self._present_identity()
        # A log that we have not seen yet is no other one.
        return any(known not in (-1, now) for known, now in zip(self._identity, present, strict=False))

    def _present_identity(self) -> tuple[int, ...]:
        return tuple(_inode(self.path + side) for side in ("", "-wal", "-shm"))

    def _is_own(self) -> bool:
        """Say whether a file whose head belies it is an index of ours all the same."""
        from resultstore._index import damage

        with contextlib.suppress(OSError, sqlite3.Error), _lifetime.opening:
            log = self.path + "-wal"
            # Another program's index is not to find a file of ours beside it.
            is_logged = os.path.exists(log) and os.path.getsize(log) > 0
            connection = self._connect("ro" if is_logged else "ro&immutable=1")
            try:
                return damage.is_own(connection)
            finally:
                connection.close()
        return False

    # -- setting aside; the caller holds the write gate

    def look(self, error: BaseException | None = None) -> str | None:
        """Look at the index as a whole; return what is wrong with it, or None if nothing is, or nothing is there."""
        from resultstore._index import damage

        return damage.look(self._connect, self.path, error)

    def set_aside(self, error: BaseException) -> str | None:
        """Set the index aside if it is as damaged as an error says; return where it is, None if it is sound.

        An empty text is returned where another process has done it, or something is in the place that works.
        """
        if time.monotonic() < self._sound_until:
            return None
        self.close()
        if self.look(error) is None:
            self._sound_until = time.monotonic() + _SOUND_S
            return ""
        return self.put_aside()

    def put_aside(self) -> str:
        """Set the index aside; return where it is."""
        from resultstore._index import damage

        self.close()
        aside = damage.set_aside(self.path)
        self.is_older = self.is_misplaced = False
        self._tell_moved()
        return aside

    def _tell_moved(self) -> None:
        for tell in self.after_move:
            tell()


def _inode(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:
        return -1
