"""Blobs as files of one directory."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Self

from resultstore._data import replace
from resultstore._place import network_file_system
from resultstore._rights import Rights, check_no_link, make_file, make_folder, rights_of
from resultstore._syncing import sync_file, sync_folder
from resultstore.blobs import marks
from resultstore.blobs.base import BEGINNING, BlobState, Buffer, Mapped, is_name
from resultstore.errors import DamagedError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_READ = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_TICKET = re.compile(r"[0-9]{1,10}-[0-9a-f]{12}(-head)?(-journal|-wal|-shm)?")
_MAP: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
"""A mapping needs no descriptor to live on; before 3.13 each takes one all the same."""
_STALE_S = 3600.0
_PARTS_AT_ONCE = 1000  # POSIX promises 16, Linux and macOS take 1,024
_ALLOCATED_NBYTES = 1 << 18
_SLOW_TRIES, _SLOW_S_A_BYTE = 3, 0.1e-9
_AT_ONCE = 1 << 30  # Linux reads and writes at most 2 GiB - 4 KiB in one call, macOS refuses more


class LocalBlobs:
    """Files under ``payloads/``, staged under ``temporary/`` in the same file system, then renamed.

    Directories are made with mode 0700 and files with 0600, or for the group, whatever the umask. Symbolic
    links, devices and FIFOs are never followed or opened, and names out of the scheme are refused.
    """

    def __init__(self, root: str, *, is_durable: bool = False) -> None:
        self._is_durable = is_durable
        self._synced: set[str] = set()
        self._root = root
        self._rights: Rights | None = None
        self._seen: set[str] = set()
        """Folders that were found to be none of somebody's links. That holds for reading alone, for what is read is
        verified; before anything is written or deleted in a folder it is looked at again."""
        self._payloads = os.path.join(root, "payloads")
        self._temporary = os.path.join(root, "temporary")
        self._quarantine = os.path.join(root, "quarantine")
        self._staged: dict[str, int] = {}
        self._slow_allocations = 0 if hasattr(os, "posix_fallocate") else _SLOW_TRIES

    def reserve(self, nbytes: int) -> str:
        """Make a temporary file that is as long as it will be: others count it before its bytes are there."""
        path, fd = self._begin()
        try:
            os.ftruncate(fd, nbytes)
        except BaseException:
            self.discard(path)
            raise
        return path

    def _begin(self) -> tuple[str, int]:
        path = os.path.join(self._temporary, f"{os.getpid()}-{os.urandom(6).hex()}")
        rights = self._rights = self._rights or rights_of(self._root)
        try:
            check_no_link(self._temporary)
        except FileNotFoundError:
            make_folder(self._temporary, rights)
        fd = make_file(path, os.O_WRONLY, rights)
        self._staged[path] = fd
        _lock(fd)  # held until the file is published: a sweeper sees that its writer lives
        return path, fd

    def stage(self, parts: Sequence[Buffer], ticket: str | None = None) -> str:
        """Write bytes to a temporary file; return its path."""
        path, fd = self._begin() if ticket is None else (ticket, self._staged[ticket])
        try:
            self._allocate(fd, sum(map(len, parts)))
            _write_all(fd, parts)
            marks.mark(fd)
            if self._is_durable:
                sync_file(fd)
        except BaseException:  # an interrupt too must not leave half a file
            self.discard(path)
            raise
        if os.name == "nt":
            self._release(path)  # an open file cannot be renamed there
        return path

    def _allocate(self, fd: int, nbytes: int) -> None:
        """Ask for all blocks of a large file at once: that saves a third of the writing, and a full disk says so."""
        if nbytes < _ALLOCATED_NBYTES or self._slow_allocations >= _SLOW_TRIES:
            return
        started = time.perf_counter()
        try:
            os.posix_fallocate(fd, 0, nbytes)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            self._slow_allocations = _SLOW_TRIES
            return
        # Where the file system cannot do it, the C library writes into each block, which costs more than it saves.
        if time.perf_counter() - started > nbytes * _SLOW_S_A_BYTE:
            self._slow_allocations += 1

    def _release(self, ticket: str) -> None:
        fd = self._staged.pop(ticket, None)
        if fd is not None:
            os.close(fd)

    def publish(self, ticket: str, name: str) -> BlobState:
        """Rename a temporary file to its place."""
        path = f"{self._payloads}/{name}"
        try:
            self._path(name, changes=True)
            os.rename(ticket, path)
        except FileNotFoundError:
            rights = rights_of(self._root)
            for folder in (self._payloads, os.path.dirname(path)):
                make_folder(folder, rights)
                check_no_link(folder)
            os.rename(ticket, path)
        if self._is_durable:
            self._sync_entry(os.path.dirname(path))
        self._release(ticket)
        return _state(os.lstat(path))

    def _sync_entry(self, folder: str) -> None:
        sync_folder(folder)
        if folder not in self._synced:  # whoever has made it
            sync_folder(self._payloads)
            sync_folder(os.path.dirname(self._payloads))
            self._synced.add(folder)

    def discard(self, ticket: str) -> None:
        """Remove a temporary file, if it is still there."""
        self._release(ticket)
        with contextlib.suppress(OSError):
            os.unlink(ticket)

    def open(self, name: str) -> LocalBlob:
        """Open a payload file; what is not a regular file is as good as not there."""
        return LocalBlob(self._path(name))

    def map(self, name: str, *, copy_on_write: bool) -> Mapped | None:
        """Map a payload file, read-only or copy-on-write; it stays whole when the file is unlinked."""
        import mmap

        access = mmap.ACCESS_COPY if copy_on_write else mmap.ACCESS_READ
        path = self._path(name)
        with LocalBlob(path) as file:
            if not file.nbytes:
                return None
            beginning = bytearray(min(BEGINNING, file.nbytes))
            file.fill(memoryview(beginning))  # by a read: the first touch of a mapped page costs 5 us
            mapping = mmap.mmap(file.fd, file.nbytes, access=access, **_MAP)
            is_settled = marks.is_marked(file.signature[2]) or network_file_system(self._payloads) is not None
            return Mapped(mapping, path, file.signature, bytes(beginning), is_settled)

    def settle(self, name: str, mapped: Mapped) -> Mapped:
        """Give a payload file that was found whole the mark of this boot."""
        if mapped.is_settled:
            return mapped
        marks.mark(self._path(name))
        return replace(mapped, signature=self.state(name).signature, is_settled=True)

    def state(self, name: str) -> BlobState:
        """Return size, blocks and signature of a payload file."""
        found = os.lstat(self._path(name))
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "this is not a regular file", name)
        return _state(found)

    def delete(self, name: str) -> bool:
        """Unlink a payload file; one that a reader has open or mapped stays whole for it."""
        try:
            os.unlink(self._path(name, changes=True))
        except FileNotFoundError:
            return False
        return True

    def quarantine(self, name: str) -> bool:
        """Move a payload file to ``quarantine/``."""
        make_folder(self._quarantine, rights_of(self._root))
        check_no_link(self._quarantine)
        try:
            os.rename(self._path(name, changes=True), os.path.join(self._quarantine, name.partition("/")[2]))
        except FileNotFoundError:
            return False
        return True

    def names(self) -> Iterator[str]:
        """Yield the names of the payload files; what someone else put there is passed over."""
        for folder in _entries(self._payloads):
            for entry in _entries(folder.path):
                name = f"{folder.name}/{entry.name}"
                if is_name(name):
                    yield name

    def sweep(self, older_than_s: float) -> int:
        """Remove temporary files that nobody holds a lock on; where locks tell nothing, those that are very old."""
        swept = 0
        now = time.time()
        for entry in _entries(self._temporary):
            with contextlib.suppress(OSError):
                if not _TICKET.fullmatch(entry.name):  # somebody else's
                    continue
                age_s = abs(now - entry.stat(follow_symlinks=False).st_mtime)  # of the future, if a clock was set back
                if age_s >= older_than_s and entry.path not in self._staged and _is_abandoned(entry.path, age_s):
                    os.unlink(entry.path)
                    swept += 1
        return swept

    def scratch(self) -> str:
        """Return the folder of temporary files, for one of somebody else's: it is swept when it is old."""
        make_folder(self._temporary, rights_of(self._root))
        check_no_link(self._temporary)
        return self._temporary

    def staged_nbytes(self, besides: Collection[str] = ()) -> int:
        """Return the blocks of temporary files, but of these."""
        return _disk_nbytes(self._temporary, besides)

    def extra_nbytes(self) -> int:
        """Return the blocks of temporary and quarantined files."""
        return _disk_nbytes(self._temporary) + _disk_nbytes(self._quarantine)

    def path(self, name: str) -> str:
        """Return the file of a payload, for what needs a path: mapping, and people."""
        return self._path(name)

    def _path(self, name: str, *, changes: bool = False) -> str:
        """Return the file of a payload, in folders that are no links."""
        if not is_name(name):
            raise OSError(errno.EINVAL, "the index names a file outside the store's own scheme", str(name))
        folder = name[0]
        if changes or folder not in self._seen:
            check_no_link(self._payloads)
            check_no_link(f"{self._payloads}/{folder}")
            self._seen.add(folder)
        return f"{self._payloads}/{name}"


class LocalBlob:
    """A payload file that is open for reading."""

    __slots__ = ("fd", "nbytes", "signature")

    def __init__(self, path: str) -> None:
        try:
            self.fd = os.open(path, _READ)
        except PermissionError as error:  # of no use where it lies, and in the way of one that is
            raise DamagedError(f"it may not be read ({error.strerror})") from error
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.fd)
            raise OSError(errno.EINVAL, "this is not a regular file", path)
        self.nbytes = found.st_size
        self.signature = found.st_ino, found.st_size, found.st_mtime_ns

    def fill(self, *parts: memoryview) -> None:
        """Fill writable bytes with those of the file, by one call of the system where that is enough."""
        done = _read_at_once(self.fd, parts)
        for part in parts:
            if done < len(part):
                self._fill(part[done:])
            done = max(done - len(part), 0)

    def _fill(self, view: memoryview) -> None:
        import io

        with io.FileIO(self.fd, closefd=False) as file:
            done = 0
            while done < len(view):
                count = file.readinto(view[done:])
                if not count:
                    raise DamagedError(f"it ends before its {self.nbytes} bytes")
                done += count

    def read(self) -> bytes:
        """Return all bytes."""
        data = bytearray(self.nbytes)
        self.fill(memoryview(data))
        return bytes(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        os.close(self.fd)


if hasattr(os, "readv"):

    def _read_at_once(fd: int, parts: Sequence[memoryview]) -> int:
        return os.readv(fd, parts) if sum(map(len, parts)) <= _AT_ONCE else 0

else:

    def _read_at_once(fd: int, parts: Sequence[memoryview]) -> int:
        return 0


def _lock(fd: int) -> None:
    if fcntl is not None:
        with contextlib.suppress(OSError):  # a file system without locks: then age alone tells
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_abandoned(path: str, age_s: float) -> bool:
    """Say whether the writer of a temporary file is gone: the kernel freed its lock."""
    if fcntl is None:
        return age_s > _STALE_S
    fd = os.open(path, _READ)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:  # whatever the clock says: it may have been set
        return False
    except OSError:
        return age_s > _STALE_S
    finally:
        os.close(fd)
    return True


def _entries(path: str) -> list[os.DirEntry[str]]:
    """Return what lies in a folder; nothing for one that is not there, or is somebody's link."""
    try:
        check_no_link(path)
        with os.scandir(path) as entries:
            return list(entries)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return []


def _disk_nbytes(folder: str, besides: Collection[str] = ()) -> int:
    total = 0
    for entry in _entries(folder):
        if entry.path in besides:
            continue
        with contextlib.suppress(OSError):
            total += _state(entry.stat(follow_symlinks=False)).disk_nbytes
    return total


def _state(found: os.stat_result) -> BlobState:
    blocks = getattr(found, "st_blocks", None)
    # Delayed allocation may not have counted the blocks yet: never believe less than the size.
    rounded = -(-found.st_size // 4096) * 4096
    disk = rounded if blocks is None else max(blocks * 512, rounded)
    return BlobState(found.st_size, disk, (found.st_ino, found.st_size, found.st_mtime_ns))


def _write_all(fd: int, parts: Sequence[Buffer]) -> None:
    views = [memoryview(part).cast("B") for part in parts if len(part)]
    if hasattr(os, "writev") and len(views) <= _PARTS_AT_ONCE and sum(map(len, views)) <= _AT_ONCE:
        done = os.writev(fd, views)
        while views and done >= len(views[0]):
            done -= len(views.pop(0))
        if views:
            views[0] = views[0][done:]
    for rest in views:
        view = rest
        while view:
            view = view[os.write(fd, view[:_AT_ONCE]) :]
