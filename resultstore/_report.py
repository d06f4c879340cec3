"""Telling people: log lines for every hit and miss, one warning for each kind of trouble, and what to do about it.

The remedies lie here, and are imported beforehand: without a free handle nothing can be imported any more.
"""

from __future__ import annotations

import errno
import functools
import os
import sqlite3
import sys
import warnings
from typing import Any

from resultstore._loaded import loaded
from resultstore.errors import CacheWarning


class _Logger:
    """The logger called ``"resultstore"``, from the moment on that anybody has imported `logging`.

    Before that nobody can hear it; and importing it costs as much as opening a store and hitting in it.
    """

    def __init__(self) -> None:
        self.debug = functools.partial(self._say, "debug")
        self.info = functools.partial(self._say, "info")

    def _say(self, level: str, message: str, *args: Any) -> None:
        logging = loaded("logging")
        if logging is not None:
            real = logging.getLogger("resultstore")
            self.debug, self.info = real.debug, real.info
            getattr(real, level)(message, *args, stacklevel=2)


logger = _Logger()

_LONGEST = 2000
_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Reporter:
    """Warns once per store, function and kind of trouble in a process; logs every time."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def warn(self, function: str, kind: str, message: str) -> None:
        """Issue a CacheWarning, unless this kind was told of this function before."""
        if len(message) > _LONGEST:  # a tampered index may say anything, at any length
            message = f"{message[:_LONGEST]}..."
        logger.info("%s: %s", function, message)
        if (function, kind) in self._told:
            return
        self._told.add((function, kind))
        try:
            warnings.warn(CacheWarning(f"{function}: {message}" if function else message), stacklevel=_callers_level())
        except CacheWarning:  # somebody has made it an error
            raise
        except Exception as error:  # a closed stream, say: what cannot be told must not cost the caller the value
            logger.debug("a warning could not be shown: %r", error)


def _callers_level() -> int:
    """Return the stacklevel of the first frame outside this package: the user's own line."""
    level = 2
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    return level


# -- remedies

_ROOM = "Make room on its disk; store.reduce_size(...) evicts results"
_HANDLES = "No file handle is left: close files, or allow the process more of them (ulimit -n)"
_RIGHTS = "Let this user read and write the directory and all in it, or give the store another one"
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
