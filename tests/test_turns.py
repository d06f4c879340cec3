"""Turns at a key that end, or go on, in unlikely ways: nobody is left waiting, and nothing is stored under a wrong key."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from resultstore import Store, _flights, _locks
from resultstore._locks import Gate
from resultstore.errors import BusyError
from tests.test_flights import until

pytestmark = [
    pytest.mark.versionless,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="locks on keys are told by process"),
]
FILES = (_flights.__file__, _locks.__file__)
runs = []


def free_elsewhere(folder, keys):
    """Say of each key whether another process finds it free, and its mark as well."""
    text = f"""
        from resultstore._locks import KeyLocks
        locks = KeyLocks({str(folder)!r})
        print([locks.try_lock(key) and not locks.is_marked(key) for key in {keys!r}])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], capture_output=True, check=True, text=True)
    return found.stdout.strip() == str([True] * len(keys))


def down(n):
    """Recurse, by a global name: what looks up a closure would meet the limit before a turn does."""
    return deeper(n + 1) if n < 10_000 else n


deeper = down


def test_the_recursion_limit_leaves_no_turn_behind(store, monkeypatch):
    """A recursion that is too deep frees every key, wherever in the taking or the ending of a turn it is met."""
    monkeypatch.setitem(globals(), "deeper", store.cache(down))
    limit = sys.getrecursionlimit()
    depth = len(list(iter_frames()))
    try:
        for more in range(150, 200):
            sys.setrecursionlimit(depth + more)
            with contextlib.suppress(RecursionError), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # near the limit a call may not even be keyed
                deeper(0)
            sys.setrecursionlimit(limit)
            assert (store._vault.flights.running, store._vault.flights.overdue) == ({}, set()), more
    finally:
        sys.setrecursionlimit(limit)
    assert free_elsewhere(store.location, [deeper.key(n) for n in range(60)])


def iter_frames():
    """Yield the frames of this thread."""
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


@pytest.mark.parametrize("waits", [False, True])
def test_an_interrupt_at_any_call_frees_the_turn(store, waits):
    """Wherever in taking, waiting and ending a turn a signal strikes, nothing stays taken, locked or marked."""
    flights, keys, at = store._vault.flights, [], 0
    struck = True

    def inside(x):
        return wait_in(flights, keys[-2]) if waits else None

    inside = store.cache(inside, on_mutable="allow", version="1", min_seconds=100)
    gc.collect()  # else a store of an earlier test may be dropped inside of the code that is struck
    while struck:
        at, struck, count = at + 1, False, 0

        def strike(frame, event, arg, at=at):
            nonlocal struck, count
            # Where Python looks for signals: as a function begins, and after a call of one in C.
            if frame.f_code.co_filename in FILES and event in ("call", "c_return"):
                count += 1
                if count == at:
                    struck = True
                    raise KeyboardInterrupt

        other = b"%032d" % at
        taken, go = threading.Event(), threading.Event()
        thread = threading.Thread(target=have_turn, args=(flights, other, taken, go))
        thread.start()
        taken.wait(10)
        keys += [other, inside.key(at)]
        timer = threading.Timer(0.005, go.set)
        timer.start()
        with contextlib.suppress(KeyboardInterrupt):
            sys.setprofile(strike)
            try:
                inside(at)
            finally:
                sys.setprofile(None)
        thread.join()
        timer.join()
        assert flights.running == {}
        assert _flights._turns.get() == ()
    assert at > 20
    assert free_elsewhere(store.location, keys)


def have_turn(flights, key, taken, go):
    """Have a turn for a while."""
    turn = flights.turn(key)
    turn.begin()
    taken.set()
    go.wait(10)
    turn.end()


def wait_in(flights, key):
    """Wait for a turn as a cached call does, and end it."""
    turn = flights.turn(key)
    try:
        while not turn.begin():
            turn.wait()
    finally:
        try:
            turn.end()
        except BaseException:
            turn.end()
            raise


def test_an_interrupt_as_the_gate_is_taken_leaves_it_to_others(tmp_path):
    """A signal that strikes just after a thread has taken the write gate does not keep it from other threads."""

    def strike(frame, event, arg):
        if event == "c_return" and arg.__name__ == "acquire":
            raise KeyboardInterrupt

    gate = Gate(str(tmp_path))
    sys.setprofile(strike)
    try:
        with pytest.raises(KeyboardInterrupt), gate.held(1):
            pass
    finally:
        sys.setprofile(None)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(gate._thread_lock.acquire, timeout=1).result()


@pytest.fixture
def peeking_soon(monkeypatch):
    """Have threads looked at sooner than after a second."""
    monkeypatch.setattr(_flights, "_THREADS_S", 0.05)


class Guarded:
    """An object that takes a lock of its own for its work, as its callers may."""

    def __init__(self):
        self._lock = threading.RLock()

    def work(self, begun):
        """Give others time to call, then need the lock."""
        begun.set()
        time.sleep(0.2)
        with self._lock:
            return 1


def test_a_gate_whose_file_was_replaced_is_one_gate(tmp_path):
    """Who had the gate's file open, and who opens the one that lies there now, do not write at the same time."""
    old, new = Gate(str(tmp_path)), Gate(str(tmp_path))
    with old.held(0):
        pass
    os.unlink(tmp_path / _locks.FILE_NAME)
    with new.held(0), pytest.raises(BusyError), old.held(0):
        pass
    with old.held(0):
        pass


def test_who_waits_may_hold_a_lock_that_the_other_needs(store, peeking_soon):
    """A thread that holds a reentrant lock does not wait for a computation that needs it: both would wait for ever."""
    guarded, begun = Guarded(), threading.Event()
    f = store.cache(lambda x: guarded.work(begun) + x, on_mutable="allow")
    thread = threading.Thread(target=f, args=(1,), daemon=True)
    with guarded._lock:
        thread.start()
        begun.wait(10)
        assert f(1) == 2
    thread.join(10)
    assert not thread.is_alive()


def test_a_call_in_another_context_of_the_thread_that_computes(store):
    """What runs beside a computation in its own thread, as callbacks and greenlets do, does not wait for it."""
    runs.clear()

    @store.cache(ignore=["is_inside"], on_mutable="allow")
    def f(x, is_inside):
        runs.append(x)
        return x if is_inside else contextvars.Context().run(f, x, True)

    assert f(1, False) == 1
    assert len(runs) == 2


def test_a_computation_that_waits_itself_is_waited_for(store, peeking_soon):
    """A thread waits as well for one that waits for a third one's result: none of the calls is computed twice."""

    @store.cache(ignore_globals=["runs"])
    def inner(x):
        runs.append("inner")
        while "go" not in runs:  # nothing of `threading`: who stands still there is taken for waiting for threads
            time.sleep(0.01)
        return x

    @store.cache(ignore_globals=["runs"])
    def outer(x):
        runs.append("outer")
        return inner(x)

    runs.clear()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(inner, 1)]
        until(lambda: runs == ["inner"])
        futures.append(pool.submit(outer, 1))
        until(lambda: runs == ["inner", "outer"])
        futures.append(pool.submit(outer, 1))
        time.sleep(0.4)  # so that it looks at the others, some times
        runs.append("go")
        assert [future.result(10) for future in futures] == [1, 1, 1]
    assert runs == ["inner", "outer", "go"]


@pytest.mark.parametrize("shelve", [False, True])
def test_arguments_that_change_while_their_call_waits(store, shelve):
    """A call that waited, and computes after all, is stored as what its arguments are by then."""

    @store.cache(ignore_globals=["runs"])
    async def total(numbers):
        runs.append(len(numbers))
        await asyncio.sleep(0.05)
        if len(runs) == 1:
            raise ConnectionError
        return sum(numbers)

    async def main():
        numbers = [1, 2]
        first = asyncio.ensure_future(total(numbers))
        second = asyncio.ensure_future(total.call_and_shelve(numbers) if shelve else total(numbers))
        await asyncio.sleep(0.02)
        numbers.append(100)
        with pytest.raises(ConnectionError):
            await first
        found = await second
        assert (found.get() if shelve else found) == 103
        assert await total([1, 2]) == 3
        assert total.get([1, 2, 100]) == 103

    runs.clear()
    asyncio.run(main())


def test_arguments_that_change_while_their_thread_waits(store):
    """The same where a thread waits: a value is never stored for arguments that the function was not given."""
    may_fail = threading.Event()
    runs.clear()

    @store.cache(ignore_globals=["runs"], on_mutable="allow")
    def total(numbers):
        runs.append(len(numbers))
        if len(runs) == 1:
            may_fail.wait(10)
            raise ConnectionError
        return sum(numbers)

    numbers = [1, 2]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(total, [1, 2])
        while not runs:
            time.sleep(0.005)
        second = pool.submit(total, numbers)
        (turn,) = store._vault.flights.running.values()
        while not turn._waiters:
            time.sleep(0.005)
        numbers.append(100)
        may_fail.set()
        with pytest.raises(ConnectionError):
            first.result(10)
        assert second.result(10) == 103
    assert total.get([1, 2, 100]) == 103
    assert not total.check_call_in_cache([1, 2])


def test_a_coroutine_that_is_dropped_leaves_other_contexts_alone(store):
    """A coroutine that is closed wherever it is dropped does not change whom the calls there wait for."""

    @store.cache
    async def endless(x):
        await asyncio.Event().wait()

    async def start():
        coroutine = endless(1)
        coroutine.send(None)  # it waits
        return coroutine

    coroutine = contextvars.Context().run(asyncio.run, start())
    turn = store._vault.flights.turn(b"k" * 32)
    assert turn.begin()
    coroutine.close()
    assert _flights._turns.get() == (turn,)
    turn.end()
    assert _flights._turns.get() == ()
    assert store._vault.flights.running == {}


def test_a_result_that_waits_gives_way_to_one_that_was_stored_meanwhile(store, folder):
    """In a burst, what one process computed does not replace what another one computed anew after it."""
    state = folder.parent / "state"
    f = store.cache(read)
    state.write_text("old")
    waiting = store._vault._keeper.waiting
    for number in range(40):
        f(number, str(state))
    waiting._since = time.monotonic() + 1000  # nothing is due before it is asked for
    assert f(1000, str(state)) == "old"
    assert waiting
    state.write_text("new")
    text = f"""
        from resultstore import Store
        from tests.test_turns import read
        print(Store({str(folder)!r}).cache(read).refresh(1000, {str(state)!r}))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=True)
    store._vault.write_waiting()
    assert f(1000, str(state)) == "new"
    assert store.verify() == []
    assert Store(folder).cache(read).get(1000, str(state)) == "new"


def read(number, path):
    """Return what a file says."""
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_a_fork_waits_for_the_imports_of_other_threads(store, folder, monkeypatch):
    """A child that is forked while another thread imports a module can import it: it would wait for ever for the thread."""
    folder.parent.joinpath("imported_slowly.py").write_text("import time\ntime.sleep(0.3)\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    thread = threading.Thread(target=__import__, args=("imported_slowly",))
    thread.start()
    while "imported_slowly" not in sys.modules:
        time.sleep(0.001)
    child = os.fork()
    if not child:
        try:
            signal.alarm(5)  # ends a child that hangs
            __import__("imported_slowly")
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
