"""What ``verbose`` prints, in the words and at the levels of joblib, because tools look for them."""

from __future__ import annotations

import contextlib
import time
from typing import Any

_WIDTH = 80
CALLS, HITS, HITS_LONG, PLACES = 1, 2, 5, 10
"""The lowest levels at which calls, hits, hits with their duration, and places are told."""


class Progress:
    """Prints what happens to the calls of one function."""

    __slots__ = ("_name", "_place", "_short", "_started", "level")

    def __init__(self, level: int, name: str, place: str) -> None:
        self.level = level
        self._name = name
        self._short = name.rpartition(".")[2]
        self._place = place
        self._started = time.perf_counter()

    def calling(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Say that a call is not stored and is computed now."""
        if self.level < CALLS:
            return
        from resultstore._identity.summary import summarise

        spelled = [*map(summarise, args), *(f"{name}={summarise(value)}" for name, value in kwargs.items())]
        _say("_" * _WIDTH)
        _say(f"[Memory] Calling {self._name}...\n{self._short}({', '.join(spelled)})")

    def called(self, duration: float) -> None:
        """Say how long the computation took, in seconds."""
        if self.level >= CALLS:
            self._line(f"{self._short} - {_format_time(duration)}")

    def loading(self, began: float) -> None:
        """Say that a call was found, after it was loaded; ``began`` is on `time.perf_counter`'s clock."""
        if self.level < HITS:
            return
        place = f" from {self._place}" if self.level >= PLACES else "..."
        _say(f"[Memory]{_format_time(began - self._started)}    : Loading {self._short}{place}")
        if self.level >= HITS_LONG:
            self._line(f"{self._short} cache loaded - {_format_time(time.perf_counter() - began)}")

    def _line(self, text: str) -> None:
        _say(text.rjust(_WIDTH, "_"))


def _say(text: str) -> None:
    with contextlib.suppress(Exception):  # a closed pipe, or a strange stream, must not cost the caller the value
        print(text, flush=True)  # noqa: T201 -- what verbose asks for


def _format_time(seconds: float) -> str:
    return f"{seconds:.1f}s, {seconds / 60:.1f}min"
