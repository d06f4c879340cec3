"""The write gate: one writer at a time, across threads and processes.

A lock on a file of its own (1.2 us, freed by the kernel when its holder dies) in front of every write
transaction. With it no two of our processes ever compete inside SQLite, and the write-ahead log stays
small: two busy writers without it grew the log to 250 MB.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator

from resultstore.errors import BusyError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

FILE_NAME = "gate"


class Gate:
    """The write gate of one store, re-entrant within a thread."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, FILE_NAME)
        self._renew()

    def _renew(self) -> None:
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._fd: int | None = None

    @contextlib.contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Hold the gate.

        Raises
        ------
        BusyError
            If another holder did not let go within ``wait_s`` seconds.
        OSError
            If the lock file cannot be made.
        """
        deadline = time.monotonic() + wait_s
        if not self._thread_lock.acquire(timeout=max(wait_s, 0)):
            raise BusyError(f"another thread kept the write gate {self._path} for over {wait_s:g} s")
        try:
            self._depth += 1
            try:  # an interrupt while waiting for the file must not leave it locked
                if self._depth == 1:
                    self._lock_file(deadline, wait_s)
                yield
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self._unlock_file()
        finally:
            self._thread_lock.release()
            if self._depth == 0:
                self._release_rest()

    def _release_rest(self) -> None:
        """Let go what an interrupt, between taking the lock and noting it, has left taken by this thread."""
        with contextlib.suppress(RuntimeError):  # it is not this thread's any more
            while True:
                self._thread_lock.release()

    @contextlib.contextmanager
    def alone(self, wait_s: float) -> Iterator[bool]:
        """Keep this process's other threads from writing; yield False if one goes on for too long."""
        if not self._thread_lock.acquire(timeout=wait_s):
            yield False
            return
        try:
            yield self._depth == 0
        finally:
            self._thread_lock.release()

    def _lock_file(self, deadline: float, wait_s: float) -> None:
        if self._fd is None or not self._is_current(self._fd):
            self._close_file()
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        pause = 0.0005
        while not _try_lock(self._fd):
            if time.monotonic() >= deadline:
                raise BusyError(f"another process kept the write gate {self._path} for over {wait_s:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def _is_current(self, fd: int) -> bool:
        """Say whether the open file is still the one that others would open."""
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path))
        except OSError:
            return False

    def _unlock_file(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # it was never locked
                _unlock(self._fd)

    def pause(self, wait_s: float) -> bool:
        """Keep this process's other threads from writing until `resume`; say whether that was possible."""
        return self._thread_lock.acquire(timeout=wait_s)

    def resume(self) -> None:
        """Let other threads write again."""
        self._thread_lock.release()

    def close(self) -> None:
        """Close the lock file, unless it is held; the next holder opens it again."""
        with self.alone(0) as nobody_holds_it:
            if nobody_holds_it:
                self._close_file()

    def _close_file(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def abandon(self) -> None:
        """Start anew in a forked child: the parent's threads and its lock are not the child's."""
        self._close_file()  # the parent's copy of the descriptor keeps the parent's lock
        self._renew()


if fcntl is not None:

    def _try_lock(fd: int) -> bool:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

else:

    def _try_lock(fd: int) -> bool:
        try:
            os.lseek(fd, 0, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(fd: int) -> None:
        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
