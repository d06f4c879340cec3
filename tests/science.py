"""Functions for tests that need them importable: in other processes, by name, by pickle."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

runs: list[Any] = []
"""What the functions were really called with, in this process."""


def square(x: float) -> float:
    """Return the square."""
    runs.append(x)
    return x * x


def table(n: int, seed: int = 0, *, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Return some numbers."""
    runs.append((n, seed, scale))
    return np.random.default_rng(seed).normal(size=n) * scale


def spelled(a: Any, /, b: Any = 2, *args: Any, c: Any, d: Any = 4, **kw: Any) -> Any:
    """Return what was received, in every kind of parameter there is."""
    runs.append((a, b, args, c, d, kw))
    return [a, b, args, c, d, kw]


def slow_block(i: int, nbytes: int = 100_000) -> np.ndarray[Any, Any]:
    """Return a block that says who it is in every element."""
    return np.full(nbytes // 8, i, dtype=np.int64)


def count_runs(x: Any) -> int:
    """Return how many runs there have been since somebody cleared the list."""
    runs.append(x)
    return len(runs)


def fail_later(x: Any) -> int:
    """Return 1 at the first run, and fail from then on."""
    runs.append(x)
    return 1 // (2 - len(runs))


def make_lambda(x: int) -> Any:
    """Return what cannot be stored."""
    return lambda y: x + y


def identity(x: Any) -> Any:
    """Return the argument."""
    return x


def log_run(path: str, value: int) -> int:
    """Add a line to a file for each real run, from any process."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, b"run\n")
    os.close(fd)
    time.sleep(0.001)
    return value * 2
