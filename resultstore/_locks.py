"""Locks across processes: the write gate, and those on keys.

The write gate lets one writer in at a time, across threads and processes: a lock on a file of its own
(1.2 us, freed by the kernel when its holder dies) in front of every write transaction. With it no two of
our processes ever compete inside SQLite, and the write-ahead log stays small: two busy writers without it
grew the log to 250 MB.

Locks on keys are POSIX locks on single bytes of an empty file. They belong to a process, so a table in front
of them must tell its threads apart, and closing any descriptor of the file frees them all: it is opened once.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator

from resultstore._place import make_place
from resultstore._rights import open_own, rights_of
from resultstore.errors import BusyError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

FILE_NAME, KEYS_FILE_NAME = "gate", "locks"
_MARKS, _FOLD = 1 << 62, 1 << 30
_LOOK_S = 0.05
"""How long the file of the key locks is taken to be the one that others open: looking takes a third of locking."""


class Gate:
    """The write gate of one store, re-entrant within a thread, which a signal's handler may interrupt anywhere."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, FILE_NAME)
        self.is_shut: Callable[[], bool] = _never
        """Says whether the thread that has the gate is at what must not be interrupted by another write of its own."""
        self._renew()

    def _renew(self) -> None:
        self._thread_lock = threading.RLock()
        self._depth = 0
        self._within: set[tuple[int, object]] = set()
        self._fd: int | None = None
        self._is_locked = False
        self._unlocked = 0

    @contextlib.contextmanager
    def held(self, wait_s: float) -> Iterator[None]:
        """Hold the gate.

        Raises
        ------
        BusyError
            If another holder did not let go within ``wait_s`` seconds, or this very thread was interrupted in the
            middle of a write.
        OSError
            If the lock file cannot be made.
        """
        deadline = time.monotonic() + wait_s
        entry = (threading.get_ident(), object())
        try:
            self._within.add(entry)
            if not self._thread_lock.acquire(timeout=max(wait_s, 0)):
                raise BusyError(f"another thread kept the write gate {self._path} for over {wait_s:g} s")
            try:
                if self._depth and self.is_shut():
                    raise BusyError(f"this thread was interrupted while it wrote behind the write gate {self._path}")
                self._depth += 1
                is_first = not self._is_locked
                try:  # an interrupt while waiting for the file must not leave it locked
                    if is_first:
                        self._lock_file(deadline, wait_s)
                    yield
                finally:
                    try:  # not inside of `_unlock_file`, which an interrupt may keep from beginning
                        if is_first:
                            self._unlock_file()
                    except BaseException:
                        self._unlock_file()
                        raise
                    finally:
                        self._depth -= 1
            finally:
                self._thread_lock.release()
        finally:
            self._within.discard(entry)
            self._release_rest()

    def _release_rest(self) -> None:
        """Let go what an interrupt, between taking the lock and noting it, has left taken by this thread.

        Not what a caller further up has taken, whom an interrupt made wait for this one.
        """
        me = threading.get_ident()
        if all(thread != me for thread, _ in tuple(self._within)):
            with contextlib.suppress(RuntimeError):  # it is not this thread's any more
                while True:
                    self._thread_lock.release()

    @contextlib.contextmanager
    def alone(self, wait_s: float) -> Iterator[bool]:
        """Keep this process's other threads from writing; yield False if one goes on for too long."""
        entry = (threading.get_ident(), object())
        try:
            self._within.add(entry)
            if not self._thread_lock.acquire(timeout=wait_s):
                yield False
                return
            try:
                yield self._depth == 0
            finally:
                self._thread_lock.release()
        finally:
            self._within.discard(entry)
            self._release_rest()

    def _lock_file(self, deadline: float, wait_s: float) -> None:
        unlocked = -1
        while unlocked != self._unlocked:  # else who interrupted this thread has taken the lock, and let it go
            unlocked = self._unlocked
            self._lock_file_once(deadline, wait_s)
            self._is_locked = True

    def _lock_file_once(self, deadline: float, wait_s: float) -> None:
        if self._fd is None or not self._is_current(self._fd):
            self._close_file()
            fd = open_own(self._path, os.O_RDWR, rights_of(self._folder))
            self._close_file()  # one that was opened meanwhile, by who interrupted this thread
            self._fd = fd
        fd, pause = self._fd, 0.0005
        while not _try_lock(fd):
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
        self._is_locked = False
        self._unlocked += 1
        fd = self._fd
        if fd is not None:
            with contextlib.suppress(OSError):  # it was never locked
                _unlock(fd)

    def pause(self, wait_s: float) -> bool:
        """Keep this process's other threads from writing until `resume`; say whether that was possible."""
        entry = (threading.get_ident(), self)
        self._within.add(entry)  # first, for an interrupt may come after the lock was taken
        if self._thread_lock.acquire(timeout=wait_s):
            return True
        self._within.discard(entry)
        return False

    def resume(self) -> None:
        """Let other threads write again, if they were kept from it."""
        entry = (threading.get_ident(), self)
        if entry in self._within:
            self._within.discard(entry)
            with contextlib.suppress(RuntimeError):  # an interrupt came before the lock was taken
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


class KeyLocks:
    """Locks on the keys of one store, each on a byte of its own of one empty file.

    A lock that is lost, as when somebody else's code in this process opens and closes the file, costs a call that
    is computed twice, never a wrong value.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, KEYS_FILE_NAME)
        self._fd: int | None = None
        self._identity: tuple[int, int] | None = None
        self._looked = 0.0
        self._retired: list[int] = []
        self.renew()

    def renew(self) -> None:
        """Begin anew in a forked child, which has the open file and none of its locks."""
        self._opening = threading.RLock()

    def try_lock(self, key: bytes) -> bool | None:
        """Lock a key; return False if another process has it, None where nothing can be locked."""
        try:
            return _lock_byte(self._current(), _offset(key), shared=False)
        except OSError:  # a read-only store, a file system without locks, no handle left
            return None

    def unlock(self, key: bytes) -> None:
        """Free a key."""
        self._unlock(_offset(key))

    def is_free(self, key: bytes) -> bool:
        """Say whether no other process has a key."""
        return self._is_free(_offset(key))

    def mark(self, key: bytes) -> None:
        """Tell other processes that the owner of a key, which is this one, waits for something itself."""
        with contextlib.suppress(OSError):
            _lock_byte(self._current(), _MARKS + _offset(key), shared=False)

    def unmark(self, key: bytes) -> None:
        """Tell that it no longer does."""
        self._unlock(_MARKS + _offset(key))

    def is_marked(self, key: bytes) -> bool:
        """Say whether the owner of a key, another process, waits for something itself."""
        return not self._is_free(_MARKS + _offset(key))

    def owner(self, key: bytes) -> int | None:
        """Return the process that has a key, where the system tells it."""
        try:
            return _owner_of_byte(self._current(), _offset(key))
        except (OSError, ValueError, struct.error):
            return None

    def close(self) -> None:
        """Close the file, and with it free all locks of this process."""
        with self._opening:
            fds, self._fd, self._retired = [*self._retired, self._fd], None, []
            for fd in fds:
                if fd is not None:
                    os.close(fd)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _is_free(self, offset: int) -> bool:
        try:
            fd = self._current()
            # A shared one: those who look at the same moment must not take each other for the owner.
            if not _lock_byte(fd, offset, shared=True):
                return False
            _unlock_byte(fd, offset)
        except OSError:
            pass
        return True

    def _unlock(self, offset: int) -> None:
        for fd in (*self._retired, self._fd):
            if fd is not None:
                with contextlib.suppress(OSError):
                    _unlock_byte(fd, offset)

    def _current(self) -> int:
        """Return the file, opened anew if it was removed or replaced."""
        now = time.monotonic()
        if self._fd is not None and now - self._looked < _LOOK_S:
            return self._fd
        try:
            found = os.stat(self._path, follow_symlinks=False)
            if self._fd is not None and (found.st_dev, found.st_ino) == self._identity:
                self._looked = now
                return self._fd
        except FileNotFoundError:
            make_place(self._folder)
        with self._opening:
            fd = open_own(self._path, os.O_RDWR, rights_of(self._folder))
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                os.close(fd)
                raise OSError(errno.EINVAL, "this is not a regular file", self._path)
            if (found.st_dev, found.st_ino) == self._identity and self._fd is not None:
                self._retired.append(fd)  # another thread was quicker; closing this one would free its locks
                return self._fd
            if self._fd is not None:
                self._retired.append(self._fd)
            self._fd, self._identity = fd, (found.st_dev, found.st_ino)
            return fd


def _never() -> bool:
    return False


def _offset(key: bytes) -> int:
    return int.from_bytes(key[:8]) >> 2


def _folded(offset: int) -> int:
    """Return a place for systems that count 31 bits, a mark's and its key's apart from each other."""
    return offset % _FOLD + (_FOLD if offset >= _MARKS else 0)


if fcntl is not None:

    def _lock_byte(fd: int, offset: int, *, shared: bool) -> bool:
        try:
            fcntl.lockf(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB, 1, offset)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, as the system likes
            return False
        return True

    def _unlock_byte(fd: int, offset: int) -> None:
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, offset)

    # struct flock, with room behind it; what cannot be told is only a hint that is missing.
    _FLOCK = "@qqihh8x" if sys.platform == "darwin" else "@hhqqi8x"

    def _owner_of_byte(fd: int, offset: int) -> int | None:
        if sys.platform == "darwin":
            asked = struct.pack(_FLOCK, offset, 1, 0, fcntl.F_WRLCK, os.SEEK_SET)
            _, _, owner, kind, _ = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        else:
            asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
            kind, _, _, _, owner = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
        return None if kind == fcntl.F_UNLCK else owner

else:
    _seeking = threading.Lock()
    """What is locked is where the file stands, which threads share."""

    def _lock_byte(fd: int, offset: int, *, shared: bool) -> bool:
        with _seeking:
            os.lseek(fd, _folded(offset), os.SEEK_SET)
            try:
                msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
            except PermissionError:
                return False
            return True

    def _unlock_byte(fd: int, offset: int) -> None:
        with _seeking:
            os.lseek(fd, _folded(offset), os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

    def _owner_of_byte(fd: int, offset: int) -> int | None:
        return None


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
