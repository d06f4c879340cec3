"""What the two shortcuts, rows that are remembered and results that wait, must not cost: each test is a way they could lie."""

from __future__ import annotations

import inspect
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resultstore import Store
from resultstore._locks import Gate
from resultstore._waiting import Waiting
from tests import science

ROOT = Path(__file__).parent.parent
pytestmark = [
    pytest.mark.versionless,
    pytest.mark.skipif(sys.platform == "win32", reason="there each hit runs its SELECT"),
]


def warmed(store, f, *args):
    """Call until the row is remembered."""
    for _ in range(30):
        value = f(*args)
    assert store._vault.index._recent.current is not None
    return value


def in_burst(f, count=40):
    """Make short calls until a burst is on."""
    for i in range(count):
        f(1_000_000 + i)


def run(code, *args):
    """Run a program in a process of its own; return what it printed."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, args)], check=True, cwd=ROOT, capture_output=True, text=True
    ).stdout


def locks(path):
    """Return the POSIX locks that this process holds on a file."""
    inode = os.stat(path).st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return [line for line in lines if f" {os.getpid()} " in line and f":{inode} " in line]


def test_a_refreshed_result_is_given_though_it_waits(store):
    """A refresh in a burst replaces what was remembered: the next hit is the new result."""
    science.runs.clear()
    f, g = store.cache(science.count_runs), store.cache(science.square)
    warmed(store, f, 1)
    in_burst(g)
    latest = f.refresh(1)
    assert f(1) == latest


def test_a_refresh_is_seen_by_another_process_at_once(store, folder):
    """A result that takes another's place never waits: elsewhere the old one would be given meanwhile."""
    science.runs.clear()
    f, g = store.cache(science.count_runs), store.cache(science.square)
    f(1)
    in_burst(g)
    g(5)
    latest = f.refresh(1)
    connection = sqlite3.connect(folder / "index.sqlite")
    found = connection.execute(
        "SELECT integer FROM call JOIN function_version v ON v.id = version_id JOIN function ON function.id = function_id WHERE function.name LIKE '%count_runs'"
    ).fetchall()
    connection.close()
    assert found == [(latest,)]


def test_every_refresh_counts(store):
    """One call refreshed again and again in a burst is as many misses, and as many past computations."""
    f = store.cache(science.square)
    for _ in range(200):
        f.refresh(1)
    assert store.stats().by_function[f.name].misses == 200


def test_an_evicted_result_is_computed_once(store):
    """That a call has no result is not remembered: what is computed for it in a burst is a hit at once."""
    f, g = store.cache(science.square), store.cache(science.identity)
    f(1)
    store.reduce_size(items_limit=0)
    g(0), g(0), g(0), g(0), g(0)
    f.check_call_in_cache(1)
    in_burst(g)
    science.runs.clear()
    for _ in range(20):
        assert f(1) == 1
    assert science.runs == [1]


def test_a_result_that_is_outdated_is_computed_once(store, monkeypatch):
    """What takes the place of a result beyond its ttl is a hit at once, also in a burst."""
    f, g = store.cache(science.square, ttl=3600), store.cache(science.identity)
    warmed(store, f, 1)
    monkeypatch.setattr("resultstore._clock.now", lambda: time.time() + 3601)
    in_burst(g)
    science.runs.clear()
    for _ in range(20):
        f(1)
    assert len(science.runs) == 1


def test_two_stores_and_a_directory_that_is_replaced(folder):
    """What was read of an index that is gone counts no more once a new one was begun, whoever keeps the old one open."""
    science.runs.clear()
    a, b = Store(folder), Store(folder)
    f, g = a.cache(science.count_runs), b.cache(science.count_runs)
    warmed(a, f, 1), warmed(b, g, 1)
    shutil.rmtree(folder)
    latest = f.refresh(1)
    assert f(1) == latest
    a.close(), b.close()


def test_a_closed_store_remembers_nothing(folder):
    """After closing, the index that lies there now is read, though another store keeps the old one open."""
    science.runs.clear()
    a, b = Store(folder), Store(folder)
    f, g = a.cache(science.count_runs), b.cache(science.count_runs)
    warmed(a, f, 1), warmed(b, g, 1)
    a.close()
    shutil.rmtree(folder)
    count = len(science.runs)
    f(1)
    assert len(science.runs) == count + 1
    a.close(), b.close()


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="looks at the kernel's list of locks")
def test_a_program_that_reads_the_index_beside_us_keeps_its_locks(folder):
    """Closing a store takes no lock from a connection that somebody opened by sqlite3 in this process."""
    store = Store(folder)
    warmed(store, store.cache(science.square), 2)
    foreign = sqlite3.connect(folder / "index.sqlite")
    cursor = foreign.execute("SELECT * FROM argument UNION ALL SELECT * FROM argument")
    cursor.fetchone()
    shm = folder / "index.sqlite-shm"
    before = len(locks(shm))
    assert before
    store.close()
    assert locks(shm)
    foreign.close()


def test_hits_while_another_thread_closes(store, recwarn):
    """Closing in one thread is no fault for another one that hits."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    science.runs.clear()
    stop = threading.Event()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def read() -> None:
        while not stop.is_set():
            f(2)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            store.close()
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(before)
    assert science.runs == []
    assert [str(w.message) for w in recwarn] == []


def test_the_files_of_closed_stores_are_closed(tmp_path):
    """A process that opens many stores, one after another, keeps no file of theirs."""

    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    for i in range(3):
        with Store(tmp_path / str(i)) as store:
            f = store.cache(science.square)
            warmed(store, f, 2)
        with Store(tmp_path / str(i)) as store:
            f = store.cache(science.square)
            warmed(store, f, 2)
    before = count()
    for i in range(20):
        with Store(tmp_path / str(i)) as store:
            f = store.cache(science.square)
            warmed(store, f, 2)
        with Store(tmp_path / str(i)) as store:
            f = store.cache(science.square)
            warmed(store, f, 2)
    assert count() <= before + 1


def test_a_path_through_a_link_is_the_same_place(folder, tmp_path):
    """Two stores of one directory under two names see each other's results that wait."""
    with Store(folder) as store:
        f = store.cache(science.square)
        f(0)
        os.symlink(folder, tmp_path / "link")
        other = Store(tmp_path / "link")
        g = other.cache(science.square)
        in_burst(f)
        for i in range(100):
            f(i)
            science.runs.clear()
            assert g(i) == i * i
            assert science.runs == []
        other.close()


def test_results_wait_no_longer_for_a_fork(store):
    """A result that came while a fork was on is written soon, though nothing else happens."""
    waiting = Waiting()

    class Keeper:
        written = 0

        def write(self):
            self.written += len(waiting.take())

    keeper = Keeper()

    class Call:
        key = b"k"

    waiting.stop()
    waiting.join(keeper.write)
    waiting.add(Call(), 1, 100)
    waiting.resume()
    deadline = time.monotonic() + 20
    while not keeper.written and time.monotonic() < deadline:
        time.sleep(0.01)
    assert keeper.written == 1


NO_THREADS = """
import sys, threading, warnings, os
from resultstore import Store
from tests import science
store = Store(sys.argv[1])
f = store.cache(science.square)
f(0)
warnings.simplefilter("error")
threading.stack_size(1 << 46)
for i in range(200):
    f(i)
pid = os.fork()
if not pid: os._exit(0)
os.waitpid(pid, 0)
for i in range(200):
    f(i)
print(len(store.find(f)), len(science.runs))
"""


def test_where_no_thread_can_be_started_results_are_written_at_once(folder):
    """A process that may have no more threads stores all the same, and tells nothing."""
    out = subprocess.run(
        [sys.executable, "-c", NO_THREADS, folder], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (out.stdout, out.stderr) == ("200 200\n", "")


def test_a_store_that_is_dropped_leaves_what_waits_to_another_one(store, folder, recwarn):
    """The collector may drop a store while its own thread writes by another one: nothing is lost, nobody waits."""
    f = store.cache(science.identity)
    f(0)
    dropped = Store(folder)
    g = dropped.cache(science.square)
    in_burst(g)
    waiting = dropped._vault._keeper.waiting
    waiting._watch = lambda: None  # nobody writes what is left
    made = 40
    while not waiting:
        g(made)
        made += 1
    with store._vault.gate.held(1):
        del g, dropped
    assert waiting
    assert len(store.find("tests.science.square")) == made
    assert [str(w.message) for w in recwarn] == []


def test_a_limit_holds_though_another_store_has_none(folder):
    """Results that wait are never written by a store that knows nothing of the limit."""
    with Store(folder, size_limit="1 MB") as limited, Store(folder) as other:
        f = limited.cache(science.identity)
        for i in range(5000):
            f("x" * 300 + str(i))
            if i % 20 == 0:
                other.find().first()
        assert limited.stats().nbytes <= 1_000_000


LATE = """
import atexit, sys
def late():
    for i in range(300):
        f(i)
atexit.register(late)
from resultstore import Store
from tests import science
store = Store(sys.argv[1])
f = store.cache(science.square)
f(-1)
"""


def test_calls_at_the_very_end_are_stored(folder):
    """A burst in a handler that runs after ours, when the process ends, is stored as well."""
    run(LATE, folder)
    with Store(folder) as store:
        assert len(store.find()) == 301


SENT = """
import multiprocessing, sys
from resultstore import Store
runs = []
store = Store(sys.argv[1])
@store.cache
def square(x):
    runs.append(x)
    return x * x
def ask(function, x):
    before = len(runs)
    return function(x), len(runs) - before
def main():
    square(-1)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.apply(ask, (square, -1))
        for i in range(300):
            square(i)
            if i % 25 == 24:
                print(pool.apply(ask, (square, i)) == (i * i, 0), end=" ")
"""


@pytest.mark.parametrize("place", ["script", "module"])
def test_a_function_that_is_sent_writes_first_what_waits(folder, tmp_path, place):
    """A worker that runs already and is given the function hits what its sender has just computed."""
    (tmp_path / "sent.py").write_text(SENT)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sent; sent.main()"
    assert run(code if place == "module" else SENT + "main()", folder).split() == ["True"] * 12


def test_a_nested_call_that_is_refreshed_keeps_its_children(store, sql):
    """A result of a burst is written after the calls that it made, also where it takes another's place."""
    square = store.cache(science.square)

    @store.cache
    def outer(x):
        return square(x) + square(x + 1000)

    for i in range(100):
        outer(i)
        outer.refresh(i)
    assert len(store.find(outer)) == 100
    assert sql("SELECT count(*) FROM nesting") == [(200,)]


TOLD = """
import sys, time, warnings
warnings.simplefilter("error")
from resultstore import Store
from tests import science
import sqlite3
store = Store(sys.argv[1])
f = store.cache(science.square)
waiting = store._vault._keeper.waiting
def until_written():
    until = time.monotonic() + 30
    while (waiting or waiting._thread is not None) and time.monotonic() < until:
        time.sleep(0.01)
    assert not waiting and waiting._thread is None
for i in range(300):
    f(i)
until_written()
real = store._vault.index.add
def full(*args, **kwargs):
    raise sqlite3.OperationalError("database or disk is full")
for i in range(40):
    f(1000 + i)
store._vault.index.add = full
while not waiting:
    i += 1
    f(1000 + i)
until_written()
store._vault.index.add = real
for k in range(200):
    f(5000 + k)
until_written()
print("good")
"""


def test_a_fault_that_is_an_error_costs_no_later_result(folder):
    """Where warnings are errors, one that strikes the writing thread ends it, and the next burst starts another."""
    assert run(TOLD, folder) == "good\n"


def test_an_interrupt_leaves_the_gate_open(tmp_path):
    """One that strikes just after a thread has taken the gate keeps others out no longer than to its next write."""
    gate = Gate(str(tmp_path))
    text, first = inspect.getsourcelines(Gate.held.__wrapped__)
    struck = first + next(i for i, line in enumerate(text) if line.strip() == "try:")

    def use() -> None:
        with gate.held(1):
            pass

    def trace(frame, event, arg):
        if frame.f_code is Gate.held.__wrapped__.__code__ and event == "line" and frame.f_lineno == struck:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt):
            use()
    finally:
        sys.settrace(before)
    use()
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert gate.pause(0)
    taken = []
    thread = threading.Thread(target=lambda: taken.append(gate.pause(0)))
    thread.start()
    thread.join()
    assert taken == [False]


INTERRUPTED = """
import signal, sys, threading, time
from resultstore import Store
from tests import science
store = Store(sys.argv[1])
f = store.cache(science.square)
f(-1)
real = store._vault._room.make
def interrupted(incoming):
    store._vault._room.make = real
    raise KeyboardInterrupt
made = 0
for _ in range(20):
    store._vault._room.make = real
    for i in range(40):
        f(made)
        made += 1
    store._vault._room.make = interrupted
    try:
        while store._vault._room.make is interrupted:
            f(made)
            made += 1
    except KeyboardInterrupt:
        pass
print(len(store.find(f)), len(set(science.runs)), store.stats().by_function[f.name].misses)
"""


def test_an_interrupt_loses_nothing_that_waits(folder):
    """Ctrl-C while results are written, in a process that goes on, leaves them waiting."""
    stored, different, misses = run(INTERRUPTED, folder).split()
    assert stored == misses
    assert int(stored) >= int(different) - 1  # a slow call that was interrupted itself has run twice
