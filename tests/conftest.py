"""What all tests share: a store that is verified after every test."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from resultstore import Store

# Real files and processes take their time on a busy machine: no deadline, and no health check of speed.
hypothesis.settings.register_profile(
    "resultstore", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("resultstore")

# A job in a shell's background is started with interrupts ignored, and so is all that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where a test's store lies; the directory is not there yet."""
    return tmp_path / "results"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    """Return an empty store, and verify it when the test is over."""
    with Store(folder) as store:
        yield store
        assert store.verify() == []


@pytest.fixture
def open_store(folder: Path) -> Iterator[Callable[..., Store]]:
    """Return a function that opens the test's store with options; every store is verified in the end."""
    stores: list[Store] = []

    def open_it(**options: object) -> Store:
        stores.append(Store(folder, **options))  # type: ignore[arg-type]
        return stores[-1]

    yield open_it
    for store in stores:
        assert store.verify() == []
        store.close()


@pytest.fixture
def sql(folder: Path) -> Callable[..., list[tuple[object, ...]]]:
    """Return a function that asks the index as a stranger would, past the code under test."""

    def ask(text: str, *values: object) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(folder / "index.sqlite")
        try:
            with connection:
                return connection.execute(text, values).fetchall()
        finally:
            connection.close()

    return ask


class Counter:
    """A function that counts how often it really ran."""

    def __init__(self) -> None:
        self.runs = 0


@pytest.fixture
def counter() -> Counter:
    """Return a counter that closures may hold by a global name."""
    return Counter()
