"""What no other write of the same thread may interrupt: a signal's handler, or a finalizer, may make calls anywhere."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator


class Undisturbed:
    """Notes when the writing connection is in use, which only the holder of the write gate uses."""

    def __init__(self) -> None:
        self._thread = 0

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        before = self._thread
        try:
            self._thread = threading.get_ident()
            yield
        finally:
            self._thread = before

    def is_interrupted(self) -> bool:
        """Say whether the present thread is at it already."""
        return self._thread == threading.get_ident()
