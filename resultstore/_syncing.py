"""Having the system write files and directories to the disk, for ``durability="full"``."""

from __future__ import annotations

import os
import sys

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def sync_file(fd: int) -> None:
    """Return when the bytes of an open file, and its size, are on the disk."""
    if sys.platform == "darwin" and fcntl is not None:
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)  # there fsync stops at the disk's own cache
        except OSError:  # a file system that has no such thing; where the disk fails, fsync says so
            os.fsync(fd)
    else:
        getattr(os, "fdatasync", os.fsync)(fd)


def sync_folder(folder: str) -> None:
    """Return when the entries of a directory are on the disk."""
    if os.name == "nt":  # directories cannot be opened there
        return
    fd = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
