"""What a signal's handler, or a finalizer, does wherever it strikes: it makes calls of its own, or it raises."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import resultstore
from resultstore import Store

PACKAGE = os.path.dirname(resultstore.__file__)


def double(x):
    """Return twice as much."""
    return x * 2


def add_one(x):
    """Return one more."""
    return x + 1


def numbers(n):
    """Return an array, which lies in a file."""
    return np.arange(n, dtype=float)


@contextlib.contextmanager
def struck(at, handler, within=PACKAGE):
    """Call a handler at the at-th place inside the package where Python looks for signals; tell whether it was."""
    count, seen = 0, []

    def strike(frame, event, arg):
        nonlocal count
        # As a function begins, and after a call of one in C.
        if event in ("call", "c_return") and not seen and frame.f_code.co_filename.startswith(within):
            count += 1
            if count == at:
                seen.append(at)
                sys.setprofile(None)
                handler(at)

    sys.setprofile(strike)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def handle_miss(store, at):
    """Compute and store something."""
    assert store.cache(add_one)(-at) == 1 - at


def handle_hit(store, at):
    """Ask for what is stored."""
    assert store.cache(add_one)(1) == 2


def handle_close(store, at):
    """Close the store, which opens itself again."""
    store.close()


def handle_drop(store, at):
    """Open a store at the same place, use it, and drop it."""
    assert Store(store.location).cache(add_one)(1) == 2


@pytest.mark.versionless
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("handle", [handle_miss, handle_hit, handle_close, handle_drop])
@pytest.mark.parametrize("work", ["miss", "file", "close", "burst"])
def test_a_handler_may_use_the_store_wherever_it_strikes(store, work, handle):
    """A call of a signal's handler neither hangs nor undoes what it interrupts, and both results are right."""
    doubled, stored, array = store.cache(double), store.cache(add_one), store.cache(numbers)
    assert stored(1) == 2
    at, step, seen = 1, 5, [0]
    while seen and at < 3000:
        with struck(at, lambda at: handle(store, at)) as seen:
            if work == "file":
                assert len(array(5000 + at)) == 5000 + at
            for number in range(40 if work == "burst" else 1):
                assert doubled(at + number / 100) == 2 * (at + number / 100)
            if work == "close":
                store.close()
        at += step
        if work == "burst" and at > 50:
            step = 197
    assert store._vault.flights.running == {}
    assert at > 100


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("handle", [handle_miss, handle_close])
def test_a_transaction_is_not_cut_in_two(store, handle):
    """A handler that strikes inside a write transaction leaves it whole; what it computes is stored when that is over."""
    doubled, stored = store.cache(double), store.cache(add_one)
    assert stored(1) == 2
    at, seen = 1, [0]
    while seen:
        with struck(at, lambda at: handle(store, at), os.path.join(PACKAGE, "_index", "changes.py")) as seen:
            assert doubled(at) == 2 * at
        assert store.verify() == []
        assert doubled.check_call_in_cache(at)
        assert handle is not handle_miss or not seen or stored.check_call_in_cache(-at)
        at += 1
    assert at > 10


def is_free_elsewhere(path):
    """Say whether another process could lock a file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="an interrupt may come between a lock's taking and its `with`")
@pytest.mark.versionless
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # in a finalizer Python swallows it
@pytest.mark.parametrize("work", ["file", "close"])
def test_an_interrupt_anywhere_leaves_the_store_to_other_threads(folder, work):
    """Ctrl-C at any moment of a call, or of `close`, keeps no other thread from storing and hitting."""
    store = Store(folder)
    doubled, stored, array = store.cache(double), store.cache(add_one), store.cache(numbers)
    at, seen, answers = 1, [0], []
    assert (doubled(0), stored(0), len(array(9))) == (0, 1, 9)  # what only a first call does is tried elsewhere

    def interrupt(at):
        raise KeyboardInterrupt

    def use():
        answers.append((stored(-at), stored(0)))

    def is_written(at):
        store._vault.write_waiting()
        return not store._vault._keeper.waiting and stored.check_call_in_cache(-at)

    while seen:
        with contextlib.suppress(KeyboardInterrupt), struck(at, interrupt) as seen:
            doubled(at)
            if work == "file":
                array(5000 + at)
            else:
                store.close()
        thread = threading.Thread(target=use, daemon=True)
        thread.start()
        thread.join(20)
        assert answers.pop() == (1 - at, 1)
        assert is_written(at)
        assert is_free_elsewhere(folder / "gate")
        at += 1
    assert at > 150
    assert {problem.kind for problem in store.verify()} <= {"orphan"}


LAST_CALLS = """
import os, sys
from resultstore import Store

store = Store(sys.argv[1])

@store.cache
def double(x):
    return x * 2

class Last:
    def __del__(self, write=os.write, double=double):
        write(1, b"%d %d" % (double(5), double(6)))

double(5)
sys.last = Last()
"""


def test_a_finalizer_may_call_as_the_interpreter_is_taken_down(folder):
    """Calls are answered when the modules are gone already: a stored one, and one that is computed."""
    run = subprocess.run([sys.executable, "-c", LAST_CALLS, str(folder)], capture_output=True, text=True, check=True)
    assert run.stdout == "10 12"
    assert "resultstore" not in run.stderr
