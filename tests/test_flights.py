"""Single flight: a call that several ask for at one moment is computed once, and nobody waits for ever."""

from __future__ import annotations

import contextvars
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from resultstore import Store, _flights
from resultstore._locks import KEYS_FILE_NAME, KeyLocks
from tests import science

pytestmark = [
    pytest.mark.versionless,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="these tests start their processes by forking"),
]


ROOT = Path(__file__).parent.parent


def note(log, text="run"):
    """Write a line to a file that all processes share."""
    with open(log, "ab", buffering=0) as file:
        file.write(f"{text} {os.getpid()}\n".encode())


def noted(log):
    """Return the lines of that file."""
    try:
        with open(log) as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def slow(x, seconds, log):
    """Take some time, and tell that it ran."""
    note(log)
    time.sleep(seconds)
    return [x, x]


def fickle(x, log):
    """Raise at the first run."""
    note(log)
    time.sleep(0.2)
    if len(noted(log)) == 1:
        raise ConnectionError(x)
    return x


def handed_on(x, depth, folder, log):
    """Have a program of its own compute the same call, which is not told that it works for this one."""
    note(log)
    if depth:
        text = f"""
            from resultstore import Store
            from tests.test_flights import handed_on
            f = Store({folder!r}).cache(handed_on, ignore=["depth", "folder", "log"])
            assert f({x!r}, {depth - 1!r}, {folder!r}, {log!r}) == {x!r}
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=True, timeout=30, cwd=ROOT)
    return x


def in_threads(count, function, *args):
    """Call a function in some threads at once, and return what came of each: a value or an exception."""

    def call():
        start.wait()
        try:
            return function(*args)
        except Exception as error:
            return error

    start = threading.Barrier(count)
    with ThreadPoolExecutor(count) as pool:
        return [future.result(30) for future in [pool.submit(call) for _ in range(count)]]


def in_processes(count, function, *args):
    """Fork some processes that each run a function at once; return their exit codes."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=function, args=args) for _ in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    return [worker.exitcode for worker in workers]


def until(condition, seconds=20):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.005)


@pytest.fixture
def log(tmp_path):
    """Return a file that runs are noted in."""
    return str(tmp_path / "log")


def is_locked_elsewhere(folder, key):
    """Say whether another process would find a key locked."""
    text = f"from resultstore._locks import KeyLocks; print(KeyLocks({str(folder)!r}).is_free({key!r}))"
    return subprocess.run([sys.executable, "-c", text], capture_output=True, check=True).stdout.strip() == b"False"


def test_threads_compute_a_call_once(store, log):
    """Of many threads that ask for the same call one computes it, and each gets a value of its own."""
    f = store.cache(slow, ignore=["seconds", "log"])
    values = in_threads(8, f, 1, 0.2, log)
    assert values == [[1, 1]] * 8
    assert len({id(value) for value in values}) == 8
    assert len(noted(log)) == 1
    assert store.find(f).first().access_count == 7


def test_processes_compute_a_call_once(folder, log):
    """Processes that ask for the same call of a store that is not there yet compute it once."""

    def ask():
        with Store(folder) as store:
            assert store.cache(slow, ignore=["seconds", "log"])(1, 0.4, log) == [1, 1]

    assert in_processes(8, ask) == [0] * 8
    assert len(noted(log)) == 1


@pytest.mark.parametrize("at", ["store", "function"])
def test_it_can_be_switched_off(folder, log, at):
    """With ``single_flight=False`` everybody computes."""
    off = {"single_flight": False}
    with Store(folder, **(off if at == "store" else {})) as store:
        f = store.cache(slow, ignore=["seconds", "log"], **(off if at == "function" else {}))
        assert in_threads(3, f, 1, 0.2, log) == [[1, 1]] * 3
        assert len(noted(log)) == 3


def test_an_exception_is_the_callers_own(store, log):
    """Whoever computes gets the exception; one of those that waited tries again, and the others take its result."""
    f = store.cache(fickle, ignore=["log"])
    outcomes = in_threads(4, f, 1, log)
    assert sorted(map(str, outcomes)) == ["1"] * 4
    assert [type(outcome) for outcome in outcomes].count(ConnectionError) == 1
    assert len(noted(log)) == 2


def test_failures_do_not_queue_up(store, log):
    """Nobody waits for more than two computations that stored nothing."""
    together = threading.Barrier(6)

    def fails(x, log):
        note(log)
        (turn,) = store._vault.flights.running.values() if len(noted(log)) <= 2 else (None,)
        if turn is not None:
            waiters = 8 - len(noted(log))
            until(lambda: len(turn._waiters) == waiters)
        else:
            together.wait(20)  # one after the other they would never meet
        raise ConnectionError(x)

    outcomes = in_threads(8, store.cache(fails, ignore=["log"], on_mutable="allow"), 1, log)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError] * 8
    assert len(noted(log)) == 8


def test_results_that_cannot_be_stored_do_not_queue_up(store):
    """Who has waited for a result that was not stored computes at once, together with the others."""
    runs = []

    def unstorable(x):
        runs.append(x)
        if len(runs) == 1:
            until(all_wait)
        until(lambda: len(runs) in (1, 6))
        return lambda: x

    def all_wait():
        (turn,) = store._vault.flights.running.values()
        return len(turn._waiters) == 5

    f = store.cache(unstorable, on_mutable="allow", version="1")
    with pytest.warns(UserWarning, match="not stored"):
        values = in_threads(6, f, 1)
    assert [value() for value in values] == [1] * 6
    assert len(runs) == 6


def test_other_keys_are_not_delayed(store, log):
    """While one call is computed, others are computed and hit."""
    go = threading.Event()

    def held(x, go, log):
        note(log)
        if x == 1:
            go.wait(60)
        return x

    f = store.cache(held, ignore=["go", "log"])
    first = threading.Thread(target=f, args=(1, go, log))
    first.start()
    until(lambda: noted(log))
    for x in range(2, 30):
        f(x, go, log)
        f(x, go, log)
    assert first.is_alive()
    go.set()
    first.join()
    assert len(noted(log)) == 29


def test_a_killed_owner_is_replaced(folder, log):
    """When the process that computes is killed, one of those that wait takes over, and only one."""

    def hang():
        Store(folder).cache(slow, ignore=["seconds", "log"])(1, 600, log)

    def ask():
        with Store(folder) as store:
            assert store.cache(slow, ignore=["seconds", "log"])(1, 0.2, log) == [1, 1]

    owner = multiprocessing.get_context("fork").Process(target=hang)
    owner.start()
    until(lambda: noted(log))
    killer = threading.Timer(0.5, os.kill, (owner.pid, signal.SIGKILL))
    killer.start()
    assert in_processes(4, ask) == [0] * 4
    killer.join()
    owner.join()
    assert len(noted(log)) == 2


def test_a_live_computation_is_not_taken_over(folder, log):
    """However long a computation takes, who waits goes on waiting; looking on costs it nothing."""

    def ask():
        with Store(folder) as store:
            store.cache(slow, ignore=["seconds", "log"])(1, 2.5, log)

    assert in_processes(3, ask) == [0] * 3
    assert len(noted(log)) == 1


def test_recursion_and_nesting(store, log):
    """A function that calls itself and others, with the same key too, waits for nothing of its own."""

    @store.cache(ignore=["depth"])
    def outer(x, depth=0):
        return outer(x, depth + 1) if depth < 3 else inner(x) + 1

    @store.cache
    def inner(x):
        return deepest(x) + deepest(x + 1)

    @store.cache
    def deepest(x):
        return x * 10

    assert outer(1) == 31
    assert in_threads(4, outer, 2) == [51] * 4


def test_threads_that_wait_for_each_other(store, log):
    """Two calls that need each other's result are both computed: waiting would never end."""

    @store.cache(ignore=["depth"])
    def left(x, depth=0):
        meet.wait(5)
        return 1 if depth else right(x, 1) + 1

    @store.cache(ignore=["depth"])
    def right(x, depth=0):
        meet.wait(5)
        return 1 if depth else left(x, 1) + 1

    class Meet:
        """A barrier for the two outer calls; the inner ones pass."""

        barrier = threading.Barrier(2)
        passed = threading.local()

        def wait(self, seconds):
            if not getattr(self.passed, "already", False):
                self.passed.already = True
                self.barrier.wait(seconds)

    meet = Meet()
    left = store.cache(left.func, ignore=["depth"], ignore_globals=["meet"], on_mutable="allow")
    right = store.cache(right.func, ignore=["depth"], ignore_globals=["meet"], on_mutable="allow")
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(left, 1), pool.submit(right, 1)]
        # What the inner call gives depends on who was first: such functions are no functions of their arguments.
        assert all(future.result(30) in (2, 3) for future in futures)


def test_processes_that_wait_for_each_other(folder, tmp_path, monkeypatch):
    """The same between processes: after a while one of the two goes on by itself."""
    monkeypatch.setattr(_flights, "_STUCK_S", 0.3)

    def left(x, depth, here, there):
        note(here)
        until(lambda: noted(there))
        return 1 if depth else g(x, 1, here, there) + 1

    def right(x, depth, here, there):
        note(there)
        until(lambda: noted(here))
        return 1 if depth else f(x, 1, here, there) + 1

    store = Store(folder)
    options = {"ignore": ["depth", "here", "there"], "version": "1", "on_mutable": "allow"}
    f, g = store.cache(left, **options), store.cache(right, **options)
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    one = multiprocessing.get_context("fork").Process(target=f, args=(1, 0, here, there))
    two = multiprocessing.get_context("fork").Process(target=g, args=(1, 0, here, there))
    for process in (one, two):
        process.start()
    for process in (one, two):
        process.join(30)
    assert (one.exitcode, two.exitcode) == (0, 0)


def test_workers_of_a_computation_do_not_wait_for_it(store, log, monkeypatch):
    """A call that has workers compute the same call, threads or processes, does not wait for itself."""
    monkeypatch.setattr(_flights, "_THREADS_S", 0.1)

    @store.cache(ignore=["how", "log"], on_mutable="allow")
    def split(x, how, log):
        note(log, how)
        if how == "threads":
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(split, x, "alone", log).result(30)
        if how == "processes":
            assert in_processes(1, split, x, "alone", log) == [0]
        return x

    assert split(1, "threads", log) == 1
    assert split(2, "processes", log) == 2
    assert [line.split()[0] for line in noted(log)] == ["threads", "alone", "processes", "alone"]


def test_a_program_that_a_computation_runs_does_not_wait_for_it(store, log):
    """A program that asks for what a process computes which it descends from, nearly or not, computes it as well."""
    f = store.cache(handed_on, ignore=["depth", "folder", "log"])
    assert f(1, 2, str(store.location), log) == 1
    assert len({line.split()[1] for line in noted(log)}) == 3


def test_a_fork_inside_a_computation(store, log):
    """A child that a computation forks may call what its parent computes, and ends without freeing the parent's turn."""

    @store.cache(ignore=["log"], on_mutable="allow")
    def forks(x, log):
        child = os.fork()
        if not child:
            note(log)
            os._exit(0 if forks.func.__name__ == "forks" and x == 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert is_locked_elsewhere(store.location, forks.key(x, log))
        return x

    assert forks(1, log) == 1
    assert not is_locked_elsewhere(store.location, forks.key(1, log))


def test_a_fork_beside_a_computation(store, log):
    """A child that is forked while another thread computes knows nothing of that thread's turn: it waits for nobody."""
    may_end = threading.Event()

    @store.cache(ignore=["waits", "log"], on_mutable="allow")
    def beside(x, waits, log):
        note(log)
        waits(30)
        return x

    thread = threading.Thread(target=beside, args=(1, may_end.wait, log))
    thread.start()
    until(lambda: noted(log))
    child = os.fork()
    if not child:
        os._exit(0 if beside(1, abs, log) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    may_end.set()
    thread.join()
    assert len(noted(log)) == 2


WAITING = """
    import os, signal, sys, threading, time
    from resultstore import Store
    store = Store({folder!r})
    @store.cache
    def slow(x):
        print("computing", flush=True)
        time.sleep(600 if x == 1 else 0)
        return x
    try:
        print("asking", flush=True)
        slow(1)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(slow(2), flush=True)
"""


@pytest.mark.parametrize("first", [True, False], ids=["computing", "waiting"])
def test_an_interrupt_frees_the_turn_and_ends_the_wait(folder, first):
    """Ctrl-C reaches who computes and who waits, at once; nothing stays locked, and later calls work."""
    text = textwrap.dedent(WAITING.format(folder=str(folder)))
    # The same script for both, so that it is the same function.
    script = folder.parent / "script.py"
    script.write_text(text)

    def start():
        process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "asking\n"
        return process

    owner = start()
    assert owner.stdout.readline() == "computing\n"
    waiter = None if first else start()
    if waiter is not None:
        time.sleep(0.5)  # it is waiting by now, or on its way: an interrupt is to reach it anywhere
        waiter.send_signal(signal.SIGINT)
        assert waiter.communicate(timeout=20)[0].split() in (["interrupted", "2"], ["interrupted", "computing", "2"])
    owner.send_signal(signal.SIGINT)
    assert owner.communicate(timeout=20)[0].split()[0] == "interrupted"
    assert (owner.returncode, 0 if waiter is None else waiter.returncode) == (0, 0)


def test_results_that_wait_to_be_written_keep_their_turn(store, log):
    """In a burst the lock on a key is freed when its result is in the index, so that others find it."""

    @store.cache
    def quick(x):
        return x

    for x in range(40):
        quick(x)
    waiting = store._vault._keeper.waiting
    waiting._since = time.monotonic() + 1000  # nothing is due before it is asked for
    quick(1000)
    assert quick.key(1000) in waiting
    assert is_locked_elsewhere(store.location, quick.key(1000))
    store._vault.write_waiting()
    assert not is_locked_elsewhere(store.location, quick.key(1000))
    assert not is_locked_elsewhere(store.location, quick.key(1))


def test_a_result_that_lands_frees_no_turn_of_another_computation(store):
    """What was computed earlier and is written only now leaves the lock of who computes the same call anew."""
    store.cache(science.square)(0)
    flights, waiting, key = store._vault.flights, store._vault._keeper.waiting, bytes(32)
    facts = SimpleNamespace(key=key)
    first, second = flights.turn(key), flights.turn(key)
    assert first.begin()
    waiting._calls[key] = facts
    first.end()
    assert contextvars.copy_context().run(second.begin)
    waiting._calls.clear()
    waiting.written([facts])
    assert is_locked_elsewhere(store.location, key)
    second.end()
    assert not is_locked_elsewhere(store.location, key)


def test_nothing_is_left_of_a_computation(store, log):
    """After a result, an exception, and a wait, nothing is locked and nothing is remembered."""
    f = store.cache(fickle, ignore=["log"])
    with pytest.raises(ConnectionError):
        f(1, log)
    f(1, log)
    in_threads(3, store.cache(slow, ignore=["seconds", "log"]), 1, 0.1, log)
    flights = store._vault.flights
    assert (flights.running, flights._landing) == ({}, set())
    assert not is_locked_elsewhere(store.location, f.key(1, log))


def test_without_a_file_to_lock_threads_still_share(folder, log):
    """Where the file of the locks cannot be used, processes compute for themselves and threads compute once."""
    folder.mkdir()
    (folder / KEYS_FILE_NAME).mkdir()
    with Store(folder) as store:
        f = store.cache(slow, ignore=["seconds", "log"])
        assert in_threads(4, f, 1, 0.2, log) == [[1, 1]] * 4
    assert len(noted(log)) == 1


def test_a_place_that_nobody_can_write_to_computes(tmp_path, log):
    """Where nothing can be written or locked, calls are computed."""
    (tmp_path / "file").write_text("")
    with Store(tmp_path / "file" / "store") as store, pytest.warns(UserWarning, match="could not be stored"):
        f = store.cache(slow, ignore=["seconds", "log"])
        assert [f(1, 0, log), f(1, 0, log)] == [[1, 1]] * 2


def test_a_computation_after_the_store_was_removed(folder, log):
    """When the directory is removed while a call is computed, the next one locks a new file."""
    import shutil

    with Store(folder) as store:
        f = store.cache(slow, ignore=["seconds", "log"])
        f(1, 0, log)
        shutil.rmtree(folder)
        in_threads(2, f, 2, 0.1, log)
        assert (folder / KEYS_FILE_NAME).exists()
        assert len(noted(log)) == 2


def test_what_was_stored_between_look_and_turn_is_taken(store, folder, log, monkeypatch):
    """A result that another process stores just before the turn is begun is taken, not computed again."""
    f = store.cache(slow, ignore=["seconds", "log"])
    real = _flights.Flights.turn

    def late(flights, key):
        monkeypatch.setattr(_flights.Flights, "turn", real)
        assert in_processes(1, f, 1, 0, log) == [0]
        return real(flights, key)

    for warm in range(100, 110):  # so that rows are remembered
        f(warm, 0, log)
    count = len(noted(log))
    monkeypatch.setattr(_flights.Flights, "turn", late)
    assert f(1, 0, log) == [1, 1]
    assert len(noted(log)) == count + 1


def test_locks_tell_their_owner(tmp_path):
    """A key that another process has names that process; one that nobody has names none."""
    mine = KeyLocks(str(tmp_path))
    key = bytes(range(32))
    assert mine.try_lock(key)
    assert mine.owner(key) is None  # one's own locks are no obstacle
    ready, done = multiprocessing.Pipe()
    other = os.fork()
    if not other:
        mine.renew()
        ready.send((mine.try_lock(key), mine.is_free(key), mine.is_marked(key), mine.owner(key)))
        os._exit(0)
    assert done.recv() == (False, False, False, os.getpid())
    os.waitpid(other, 0)
    mine.mark(key)
    other = os.fork()
    if not other:
        ready.send(mine.is_marked(key))
        os._exit(0)
    assert done.recv() is True
    os.waitpid(other, 0)
    mine.unmark(key)
    mine.unlock(key)
    mine.close()


def test_waiting_survives_a_jump_of_the_clock(store, log, monkeypatch):
    """Nothing in waiting asks what time it is."""
    f = store.cache(slow, ignore=["seconds", "log"])
    first = threading.Thread(target=f, args=(1, 0.5, log))
    first.start()
    until(lambda: noted(log))
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert f(1, 0.5, log) == [1, 1]
    first.join()
    assert len(noted(log)) == 1
