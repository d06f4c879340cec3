"""What calls cost, counted: Python calls, SQL statements, system calls. Times are for the bench, counts hold anywhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import numpy as np
import pytest

from resultstore import Store
from tests import science
from tests.test_index import Trace

SYSTEM_CALLS = ("stat", "lstat", "fstat", "open", "close", "read", "readv", "write", "rename", "unlink", "scandir")


def double(x):
    """Take a number."""
    return 2 * x


def python_calls(call: Callable[[], object]) -> int:
    """Return how many Python functions a call enters, the least of a few times."""
    counts = []
    for _ in range(5):
        entered = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal entered
            entered += event == "call"

        sys.setprofile(count)
        try:
            call()
        finally:
            sys.setprofile(None)
        counts.append(entered)
    return min(counts)


@pytest.fixture
def system_calls(monkeypatch):
    """Return a list that every system call by way of `os` is added to."""
    made: list[str] = []
    for name in SYSTEM_CALLS:
        if hasattr(os, name):
            monkeypatch.setattr(os, name, noted(made, name, getattr(os, name)))
    return made


def noted(made, name, real):
    """Return a function that notes its name, and does what the real one does."""

    def call(*args, **kwargs):
        made.append(name)
        return real(*args, **kwargs)

    return call


def fill(f, count=60):
    """Make calls until rows are remembered and a burst has begun."""
    for i in range(count):
        f(i)


def test_a_repeated_hit_asks_nobody(store, monkeypatch, system_calls):
    """It runs no SQL statement and makes no system call; it enters some thirty Python functions."""
    f = store.cache(double)
    fill(f)
    trace = Trace(store, monkeypatch)
    fill(f)
    f(7)
    trace.statements.clear()
    system_calls.clear()
    assert f(7) == 14
    assert trace.statements == []
    assert system_calls == []
    assert python_calls(lambda: f(7)) <= 32


def test_the_first_hit_of_a_call_is_one_select(store, monkeypatch, system_calls):
    """A call that this process has not asked for yet takes one statement more, and nothing of the system."""
    f = store.cache(double)
    fill(f)
    trace = Trace(store, monkeypatch)
    fill(f, 50)
    trace.statements.clear()
    system_calls.clear()
    assert f(55) == 110
    assert [s.split()[0] for s in trace.statements] == ["SELECT"]
    assert system_calls == []


@pytest.mark.parametrize(("nbytes", "most"), [(1_000, 50), (1_000_000, 50)])
def test_an_array_argument_is_hashed_and_that_is_all(store, nbytes, most):
    """The Python functions that a hit enters do not grow with the array."""
    f = store.cache(science.identity)
    array = np.arange(nbytes // 8)
    store.cache(double)(1)
    g = store.cache(lambda a: float(a[0]))
    for _ in range(20):
        g(array)
    del f
    assert python_calls(lambda: g(array)) <= most


def test_a_miss_of_a_burst_costs_no_transaction(store, monkeypatch, system_calls):
    """A short call among many runs one SELECT; what is written for it later are three statements and its share."""
    f = store.cache(double)
    fill(f)
    trace = Trace(store, monkeypatch)
    store.stats()
    fill(f, 200)
    store.stats()
    waiting = store._vault._keeper.waiting
    waiting._watch = lambda: False
    waiting._since = float("inf")  # nothing is due before it is asked for
    trace.statements.clear()
    system_calls.clear()
    for i in range(1000, 1010):
        f(i)
    assert [s.split()[0] for s in trace.statements].count("BEGIN") <= 1
    store.stats()
    kinds = [s.split()[0] for s in trace.statements]
    assert kinds.count("COMMIT") <= 2
    assert kinds.count("INSERT") == 20
    numbers = iter(range(5000, 6000))
    for _ in range(100):
        f(next(numbers))
    assert python_calls(lambda: f(next(numbers))) <= 140


def test_a_miss_alone_is_one_transaction_of_few_statements(store, monkeypatch):
    """A call on its own writes its row, its arguments, and two sums."""
    f = store.cache(double)
    f(1), f(2)
    trace = Trace(store, monkeypatch)
    f(3)
    trace.statements.clear()
    f(4)
    kinds = [s.split()[0] for s in trace.statements]
    assert kinds.count("BEGIN") == kinds.count("COMMIT") == 1
    assert kinds.count("INSERT") == 2
    assert kinds.count("UPDATE") == 2
    assert len(kinds) <= 12


def test_costs_do_not_grow_with_the_store(folder, monkeypatch):
    """Hit, miss and find run as many statements and enter as many functions in a store of 2,000 calls as in one of 50."""
    seen = []
    for count in (50, 2000):
        with Store(folder / str(count)) as store:
            f = store.cache(double)
            fill(f, count)
            trace = Trace(store, monkeypatch)
            fill(f, 20)
            store.find(f, x=3).first()
            f(5)
            trace.statements.clear()
            calls = [python_calls(lambda f=f: f(5)), python_calls(lambda s=store, f=f: s.find(f, x=3).first())]
            seen.append((calls, len(trace.statements)))
    assert seen[0] == seen[1]
