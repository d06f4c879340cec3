"""Telling people: log lines for every hit and miss, and one warning for each kind of trouble."""

from __future__ import annotations

import logging
import os
import sys
import warnings

from resultstore.errors import CacheWarning

logger = logging.getLogger("resultstore")
logger.addHandler(logging.NullHandler())

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Reporter:
    """Warns once per store, function and kind of trouble in a process; logs every time."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str]] = set()

    def warn(self, function: str, kind: str, message: str) -> None:
        """Issue a CacheWarning, unless this kind was told of this function before."""
        logger.info("%s: %s", function, message)
        if (function, kind) in self._told:
            return
        self._told.add((function, kind))
        warnings.warn(CacheWarning(f"{function}: {message}" if function else message), stacklevel=_callers_level())


def _callers_level() -> int:
    """Return the stacklevel of the first frame outside this package: the user's own line."""
    level = 2
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
        level += 1
    return level
