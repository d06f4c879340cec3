"""The functions that are cached, and what they truly return. Each run leaves a line in a log."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

NUMBERS = 40_000
TABLE_NBYTES = NUMBERS * 8
LOG = "BATTERY_LOG"
"""The variable that holds the number of the log's descriptor."""
BOMB = "BATTERY_BOMB"
"""The variable that makes `planted` return a bomb: the path of the file that it makes when it goes off."""


def note(line: str) -> None:
    """Leave a line in the log."""
    os.write(int(os.environ[LOG]), f"{line}\n".encode())


def table(x: int) -> Any:
    """Return an array that is large enough for a file of its own."""
    note(f"table {x}")
    return np.arange(NUMBERS) * (x + 0.5)


def small(x: int) -> float:
    """Return a number."""
    note(f"small {x}")
    return x * x + 0.5


def numbers(x: int) -> list[float]:
    """Return a plain value that takes some space, compressed, too."""
    note(f"numbers {x}")
    return [(number * 7919 + x) % 10007 / 7 for number in range(20_000)]


def slow(x: int, seconds: float) -> Any:
    """Return an array after some time."""
    note(f"slow {x}")
    time.sleep(seconds)
    return np.arange(NUMBERS) * (x + 0.5)


async def later(x: int) -> float:
    """Return a number after some time, and let others work meanwhile."""
    import asyncio

    note(f"later {x}")
    await asyncio.sleep(0.3)
    return x * x + 0.5


class Bomb:
    """Something whose pickle runs code when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return go_off, (self.path,)


def go_off(path: str) -> list[Any]:
    """Leave a trace that code from a store was run."""
    with open(path, "w"):
        pass
    return []


def planted(x: int) -> Any:
    """Return a plain value, or a bomb where an attacker runs it."""
    note(f"planted {x}")
    path = os.environ.get(BOMB)
    return Bomb(path) if path else [x, x, x]


def anything(*args: Any, **kwargs: Any) -> int:
    """Return a number, whatever it is given."""
    note("anything")
    return len(args) + len(kwargs)


def unpicklable(x: int) -> Any:
    """Return what cannot be stored."""
    note(f"unpicklable {x}")
    return lambda: x


def table_value(x: int) -> Any:
    """Return what `table` and `slow` return."""
    return np.arange(NUMBERS) * (x + 0.5)


def small_value(x: int) -> float:
    """Return what `small` and `later` return."""
    return x * x + 0.5


def numbers_value(x: int) -> list[float]:
    """Return what `numbers` returns."""
    return [(number * 7919 + x) % 10007 / 7 for number in range(20_000)]


def same(one: Any, other: Any) -> bool:
    """Say whether two values are the same."""
    if isinstance(other, np.ndarray):
        return isinstance(one, np.ndarray) and one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other
