"""Telling people: log lines for every hit and miss, and one warning for each kind of trouble."""

from __future__ import annotations

import functools
import os
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
