"""What a person can do about what the system, or SQLite, says of a disk, of rights and of handles.

Imported beforehand: without a free handle nothing can be imported any more.
"""

from __future__ import annotations

import errno
import os
import sqlite3

_ROOM = "Make room on its disk; store.reduce_size(...) evicts results"
_HANDLES = "No file handle is left: close files, or allow the process more of them (ulimit -n)"
_RIGHTS = "Let this user write to the directory and all in it, or give the store another one"
_DISK = "The disk does not do what it is asked: look at what the system says of it"
_OF_SYSTEM = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "This process may not write files so large: allow it (ulimit -f), or store smaller results",
    errno.EMFILE: _HANDLES,
    errno.ENFILE: _HANDLES,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: "Its file system may only be read: to store more, copy the store to another place",
    errno.EIO: _DISK,
}
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: _ROOM,
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_IOERR: _DISK,
}


def remedy(error: BaseException) -> str:
    """Return what to do about an error, as the end of a message about it; nothing where that is not known."""
    known = None
    if isinstance(error, OSError):
        known = _OF_SYSTEM.get(error.errno or 0)
    elif isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        # Of a file that it cannot open SQLite says nothing but that.
        known = _why_nothing_opens() if code == sqlite3.SQLITE_CANTOPEN else _OF_SQLITE.get(code)
    return "" if known is None else f". {known}"


def _why_nothing_opens() -> str | None:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return _OF_SYSTEM.get(error.errno or 0)
    return None
