"""The rights of what a store makes, and files of its own that are opened without following anybody's link."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from resultstore._data import Data

_CLOSED = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A link would lead out of the store; without O_NONBLOCK, opening a FIFO to write would block for ever.
_OWN = _CLOSED | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_OPEN_TRIES = 5
_SHARED = stat.S_ISGID | stat.S_IRWXG
_BOTH = stat.S_IRGRP | stat.S_IWGRP
_INDEX = "index.sqlite"
_SQLITE_READONLY = 8  # sqlite3.SQLITE_READONLY, without its import


class Rights(Data):
    """The modes of what is made in a store, whatever the umask."""

    folder: int
    file: int


PRIVATE = Rights(0o700, 0o600)
GROUP = Rights(0o2770, 0o660)
"""With setgid, so that what any member of the group makes belongs to the group."""
_told: set[str] = set()


def share(place: str) -> None:
    """Make what this process makes in a store for the group."""
    _told.add(place)


def rights_of(place: str) -> Rights:
    """Return the modes of what is made in a store: as this process was told, else as its index is."""
    return GROUP if place in _told or is_shared(place) else PRIVATE


def is_shared(place: str) -> bool:
    """Say whether a store was made for a group: then everybody goes on so, told or not."""
    try:
        folder, index = os.stat(place).st_mode, os.lstat(os.path.join(place, _INDEX)).st_mode
    except OSError:
        return False
    return folder & _SHARED == _SHARED and index & _BOTH == _BOTH


def is_for_one(place: str) -> bool:
    """Say whether what lies there already was made for its owner alone."""
    try:
        if os.stat(place).st_mode & _SHARED != _SHARED:
            return True
        return os.lstat(os.path.join(place, _INDEX)).st_mode & _BOTH != _BOTH
    except OSError:
        return False


def exists(place: str) -> bool:
    """Say whether the directory is there already."""
    return os.path.isdir(place)


def is_read_only(place: str, error: BaseException) -> bool:
    """Say whether an error only tells that somebody may read a store and not write to it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    is_refusal = code == _SQLITE_READONLY or getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)
    return is_refusal and os.access(place, os.R_OK) and not os.access(place, os.W_OK)


def make_folder(path: str, rights: Rights) -> bool:
    """Make a directory, unless it is there; say whether it was made."""
    try:
        os.mkdir(path, rights.folder & 0o777)
    except FileExistsError:
        return False
    if stat.S_IMODE(os.lstat(path).st_mode) != rights.folder:  # by the umask, or a setgid directory above
        os.chmod(path, rights.folder)
    return True


def open_own(path: str, flags: int, rights: Rights) -> int:
    """Open a file of the store's own, made if it is not there; never through a link, and never waiting.

    Raises
    ------
    OSError
        If a link or something else that is no file is in its place, or the system refuses.
    """
    for _ in range(_OPEN_TRIES):  # others may make it and remove it meanwhile
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, flags | _OWN)
        with contextlib.suppress(FileExistsError):
            return make_file(path, flags, rights)
    raise OSError(errno.EAGAIN, "somebody removes this file again and again", path)


def open_existing(path: str) -> int:
    """Open a file of the store's own to read it, if it is one; never through a link, and never waiting."""
    fd = os.open(path, os.O_RDONLY | _OWN)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "this is not a regular file", path)
    return fd


def make_file(path: str, flags: int, rights: Rights) -> int:
    """Make a new file and open it."""
    fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | _CLOSED, rights.file)
    if hasattr(os, "fchmod"):
        os.fchmod(fd, rights.file)
    return fd


def check_no_link(path: str) -> None:
    """Raise OSError for a symbolic link, through which nothing is read, written or deleted."""
    if stat.S_ISLNK(os.lstat(path).st_mode):
        raise OSError(errno.ELOOP, "this is a symbolic link, which a store does not follow", path)


def others_can_write(place: str) -> str | None:
    """Say who but this user can write to a directory, or None: the world, a group, or an owner that is another one."""
    try:
        found = os.stat(place)
    except OSError:
        return None
    if not hasattr(os, "geteuid"):  # on Windows rights are not in the mode, which is always 0777
        return None
    if found.st_mode & stat.S_IWOTH:
        return "others"
    if found.st_uid not in (os.geteuid(), 0):
        return f"its owner, the user {found.st_uid},"
    if found.st_mode & stat.S_IWGRP and found.st_gid != os.getegid():
        return "others"
    return None
