"""The contenders: a function as each library caches it in a fresh directory, and the raw limits."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

OURS = "resultstore"
NAMES = (OURS, "joblib", "diskcache")
NO_LIMIT = 2**50  # diskcache begins to cull at 1 GB unless told otherwise
LIMIT_ROWS = 10_000


@dataclass(frozen=True)
class Cache:
    """A function as a library caches it."""

    name: str
    function: Any
    drop: Callable[[int], object]
    """Removes the call with this argument."""
    close: Callable[[], object]
    owner: Any
    """The library's own object."""
    sibling: Callable[[Callable[..., Any]], Any]
    """Caches another function in the same place, with the same options."""


def is_installed(name: str) -> bool:
    """Say whether a library is there."""
    return importlib.util.find_spec(name) is not None


@contextmanager
def folder(place: str | None) -> Iterator[str]:
    """Give a fresh temporary directory."""
    with tempfile.TemporaryDirectory(dir=place, prefix="bench-", ignore_cleanup_errors=True) as path:
        yield path


def open_cache(name: str, function: Callable[..., Any], path: str, mmap_mode: str | None = None) -> Cache:
    """Cache a function by a library, in a directory, with the options that people get by default."""
    if name == OURS:
        import resultstore

        store = resultstore.Store(path)

        def cache(f: Callable[..., Any]) -> Any:
            # What lies ready is no part of a function: it would be hashed at every call, to see whether it changed.
            return store.cache(f, mmap_mode=mmap_mode, ignore_globals=["SHELF"])

        ours = cache(function)
        return Cache(name, ours, ours.forget, store.close, store, cache)
    if name == "joblib":
        import joblib

        memory = joblib.Memory(path, mmap_mode=mmap_mode, verbose=0)
        # A function of its own: the code of one that this process has cached elsewhere is not written again,
        # and without it other processes take the results for those of other code.
        cached = memory.cache(types.FunctionType(function.__code__, function.__globals__, function.__name__))

        def drop(number: int) -> None:
            cached.call_and_shelve(number).clear()

        return Cache(name, cached, drop, lambda: None, memory, memory.cache)
    import diskcache

    cache = diskcache.Cache(path, size_limit=NO_LIMIT)
    memoized = cache.memoize()(function)

    def delete(number: int) -> None:
        cache.delete(memoized.__cache_key__(number))

    return Cache(name, memoized, delete, cache.close, cache, cache.memoize())


@contextmanager
def caches(
    function: Callable[..., Any], place: str | None, mmap_mode: str | None = None, names: Sequence[str] = NAMES
) -> Iterator[list[Cache]]:
    """Give the function as each installed library caches it, in a fresh directory of its own."""
    with ExitStack() as stack:
        opened = []
        for name in names:
            if is_installed(name) and (mmap_mode is None or name != "diskcache"):
                cache = open_cache(name, function, stack.enter_context(folder(place)), mmap_mode)
                stack.callback(cache.close)
                opened.append(cache)
        yield opened


def connect(path: str) -> sqlite3.Connection:
    """Open a database as we do: a log beside it, nothing synchronous."""
    connection = sqlite3.connect(os.path.join(path, "rows"), isolation_level=None, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


class Rows:
    """A table of keys and numbers: the least that an index in SQLite costs."""

    def __init__(self, path: str, count: int) -> None:
        self.path = path
        self._connection = connect(path)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS result "
            "(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, x INTEGER, value REAL)"
        )
        self._connection.execute("CREATE INDEX IF NOT EXISTS ix_x ON result (x)")
        self.fill(count)
        self.close = self._connection.close

    def fill(self, count: int) -> None:
        """Write the rows of so many numbers, unless they are there."""
        if self._connection.execute("SELECT count(*) FROM result").fetchone()[0] < count:
            self._connection.execute("BEGIN")
            self._connection.executemany(
                "INSERT INTO result (key, x, value) VALUES (?, ?, ?)", ((key_of(x), x, x * 0.5) for x in range(count))
            )
            self._connection.execute("COMMIT")

    def select(self, key: bytes) -> Any:
        """Look a key up."""
        return self._connection.execute("SELECT value FROM result WHERE key = ?", (key,)).fetchone()

    def find(self, x: int) -> Any:
        """Find a row by its argument."""
        return self._connection.execute("SELECT * FROM result WHERE x = ?", (x,)).fetchone()

    def find_between(self, low: int, high: int) -> Any:
        """Find the latest row with an argument in a range."""
        return self._connection.execute(
            "SELECT * FROM result WHERE x BETWEEN ? AND ? ORDER BY id DESC LIMIT 1", (low, high)
        ).fetchone()

    def count(self) -> int:
        """Count the rows."""
        return int(self._connection.execute("SELECT count(*) FROM result").fetchone()[0])

    def delete_oldest(self, count: int) -> None:
        """Delete so many of the oldest rows."""
        self._connection.execute("DELETE FROM result WHERE id IN (SELECT id FROM result ORDER BY id LIMIT ?)", (count,))

    def insert(self, x: int) -> None:
        """Write one row, and commit."""
        self._connection.execute("INSERT INTO result (key, x, value) VALUES (?, ?, ?)", (key_of(x), x, x * 0.5))


def key_of(x: int) -> bytes:
    """Return 32 bytes that are no other number's."""
    return blake3(x.to_bytes(8, "little")).digest()


@contextmanager
def sqlite_rows(place: str | None, count: int = LIMIT_ROWS) -> Iterator[Rows]:
    """Give a fresh table of so many rows."""
    with folder(place) as path, closing(Rows(path, count)) as rows:
        yield rows


def write_and_rename(path: str, body: Any) -> None:
    """Write a file beside its place and rename it: the least that a payload in a file costs."""
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        view = memoryview(body).cast("B")
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
