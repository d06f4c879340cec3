"""In a burst of short calls results wait a moment, to be written together; nobody who asks can tell."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

from resultstore import CacheWarning, Store
from resultstore._waiting import Waiting
from tests import science
from tests.test_index import Trace

pytestmark = pytest.mark.versionless

BURST = 200
ROOT = Path(__file__).parent.parent
WITHOUT_TIMES = """
    SELECT hex(call.key), call.state, call.kind, call.integer, call.number, call.text, call.leaf_count,
           hex(call.checksum), call.nbytes, call.access_count, call.note, function.name, function.misses,
           (SELECT group_concat(position || name || argument.kind || ifnull(argument.number, '') || summary)
              FROM argument WHERE call_id = call.id),
           (SELECT group_concat(path || hex(digest) || nbytes || writeable)
              FROM result_leaf JOIN payload ON payload.id = payload_id WHERE call_id = call.id),
           (SELECT group_concat(hex(child.key)) FROM nesting JOIN call AS child ON child.id = child_id
             WHERE parent_id = call.id)
      FROM call JOIN function_version ON function_version.id = version_id JOIN function ON function.id = function_id
     ORDER BY call.id
"""


def waiting_of(store):
    """Return what waits in a store."""
    return store._vault._keeper.waiting


def burst(f, count=BURST, start=0):
    """Make short calls until some wait."""
    return [f(i) for i in range(start, start + count)]


def leave_some_waiting(store, f):
    """Make short calls, and stop while the last ones wait; return how many were made."""
    waiting_of(store)._watch = lambda: None  # nobody writes what is left, but who is asked to
    made = 0
    while made < 40 or not waiting_of(store):
        f(made)
        made += 1
    return made


def test_a_burst_is_written_in_few_transactions(store, monkeypatch):
    """Hundreds of short calls share transactions, and all are there in the end."""
    f = store.cache(science.square)
    f(-1)
    trace = Trace(store, monkeypatch)
    burst(f)
    commits = [s.split()[0] for s in trace.statements].count("COMMIT")
    assert commits < BURST
    assert len(store.find(f)) == BURST + 1


def test_calls_that_do_not_come_in_a_burst_are_written_at_once(store, sql):
    """The first calls, and slow ones, lie in the index as soon as they return."""

    def slow(x):
        time.sleep(0.003)
        return x

    f, g = store.cache(science.square), store.cache(slow)
    for i in range(20):
        f(i)
        assert sql("SELECT count(*) FROM call") == [(i + 1,)]
    burst(f)
    store.stats()
    before = sql("SELECT count(*) FROM call")[0][0]
    g(1)
    assert sql("SELECT count(*) FROM call") == [(before + 1,)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, f, n: len(store.find(f)) == n,
        lambda store, f, n: store.stats().by_function[f.name].misses == n,
        lambda store, f, n: f.check_call_in_cache(n - 1),
        lambda store, f, n: store.find(f, x=n - 1).first().load() == (n - 1) ** 2,
        lambda store, f, n: store.record(f.key(n - 1)).key == f.key(n - 1),
        lambda store, f, n: f.clear() == n,
        lambda store, f, n: store.clear() == n,
        lambda store, f, n: f.forget(n - 1) == 1,
        lambda store, f, n: store.verify() == [] and len(store.find(f)) == n,
        lambda store, f, n: Store(store.location).cache(science.square).check_call_in_cache(n - 1),
        lambda store, f, n: len(Store(store.location).find()) == n,
        lambda store, f, n: f.explain(n - 1).outcome == "hit",
        lambda store, f, n: pickle.loads(pickle.dumps(store)).cache(science.square).check_call_in_cache(n - 1),
        lambda store, f, n: store.reduce_size(items_limit=1) == n - 1,
        lambda store, f, n: store.close() is None and len(Store(store.location).find()) == n,
        lambda store, f, n: f.call_and_shelve(n - 1).get() == (n - 1) ** 2,
    ],
)
def test_whoever_asks_sees_what_waits(store, ask):
    """Every question is answered as if all results had been written at once; nothing is computed again."""
    f = store.cache(science.square)
    made = leave_some_waiting(store, f)
    science.runs.clear()
    assert ask(store, f, made)
    assert science.runs == []


def test_a_result_that_waits_is_a_hit(store):
    """The same call again is answered, in this store and in another one of the process."""
    f = store.cache(science.square)
    made = leave_some_waiting(store, f)
    g = Store(store.location).cache(science.square)
    science.runs.clear()
    assert f(made - 1) == g(made - 1) == (made - 1) ** 2
    assert science.runs == []


def test_what_waits_replaces_what_was_read(store):
    """A result computed anew in a burst is what the next call gets, in this store and in another one."""
    f = store.cache(science.table)
    g = Store(store.location).cache(science.table)
    for _ in range(100):
        new = f.call(3, None)[0]  # without a seed
        assert np.array_equal(f(3, None), new)
        assert np.array_equal(g(3, None), new)


def test_what_is_left_of_a_burst_is_written_without_being_asked_for(store, sql):
    """A moment after the last call another process sees all, though this one does nothing more."""
    f = store.cache(science.square)
    burst(f, 500)
    deadline = time.monotonic() + 20
    while sql("SELECT count(*) FROM call") != [(500,)] and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sql("SELECT count(*) FROM call") == [(500,)]


def make_calls(store):
    """Make calls of many kinds, also within each other."""
    square, identity = store.cache(science.square), store.cache(science.identity)

    @store.cache
    def outer(x):
        return square(x) + square(x + 1)

    for i in range(60):
        square(i)
        identity([i, {"k": np.arange(i)}, np.ones(3)])
        identity("text" * i)
        outer(i)


def test_written_together_is_written_alike(tmp_path, monkeypatch):
    """Rows of a burst equal those of the same calls written one by one, but for times."""
    dumps = []
    for name, is_burst in [("together", lambda self: True), ("alone", lambda self: False)]:
        monkeypatch.setattr(Waiting, "is_burst", is_burst)
        with Store(tmp_path / name) as store:
            make_calls(store)
        connection = sqlite3.connect(tmp_path / name / "index.sqlite")
        dumps.append(connection.execute(WITHOUT_TIMES).fetchall())
        dumps.append(connection.execute("SELECT payloads, inline_nbytes, file_nbytes FROM total").fetchall())
        connection.close()
    assert dumps[0] == dumps[2]
    assert dumps[1] == dumps[3]


def test_a_forked_child_sees_the_burst_and_writes_it_no_second_time(store):
    """A fork in the middle of a burst finds everything written, and no thread."""
    f = store.cache(science.square)
    made = 0
    while made < 40 or not waiting_of(store):
        f(made)
        made += 1
    child = os.fork()
    if not child:
        science.runs.clear()
        good = not waiting_of(store) and f(made - 1) == (made - 1) ** 2 and not science.runs
        burst(f, start=10_000)
        store.close()
        os._exit(0 if good else 1)
    assert waiting_of(store)._thread is None
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    burst(f, start=20_000)
    assert len(store.find(f)) == made + 2 * BURST
    assert store.stats().by_function[f.name].misses == made + 2 * BURST


kept = []


def squares(folder, start):
    """Make a burst of calls in a worker, by a store that lives on: one that is dropped writes what waits."""
    kept.append(Store(folder))
    f = kept[-1].cache(science.square)
    return sum(f(i) for i in range(start, start + BURST))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_that_end_have_written_all(folder, method):
    """Processes of a pool, which end without `atexit`, leave nothing unwritten behind."""
    with get_context(method).Pool(2) as pool:
        pool.starmap(squares, [(folder, 0), (folder, 1000)])
        pool.close()
        pool.join()
    with Store(folder) as store:
        assert len(store.find()) == 2 * BURST


def test_workers_that_are_killed_have_written_all(folder):
    """`with Pool()` kills its workers as soon as it has their answers: they let nothing wait."""
    with get_context("fork").Pool(2) as pool:
        assert pool.starmap(squares, [(folder, 0), (folder, 1000)])
    with Store(folder) as store:
        assert len(store.find()) == 2 * BURST


KILLED = """
import sys, time
from resultstore import Store
from tests import science
f = Store(sys.argv[1]).cache(science.square)
i = 0
while True:
    f(i)
    i += 1
    if i % 50 == 0:
        print(i, time.monotonic(), flush=True)
"""


def test_a_kill_loses_no_more_than_a_moment(folder):
    """Killed in a burst, a process leaves a whole store that has everything but the last moment's calls."""
    for _ in range(3):
        worker = subprocess.Popen([sys.executable, "-c", KILLED, folder], stdout=subprocess.PIPE, cwd=ROOT, text=True)
        lines = [worker.stdout.readline() for _ in range(40)]
        worker.send_signal(signal.SIGKILL)
        lines += worker.communicate()[0].splitlines(keepends=True)
        told = [line.split() for line in lines if line.endswith("\n")]
        with Store(folder) as store:
            assert store.verify() == []
            last = float(told[-1][1])
            early = max(int(count) for count, at in told if float(at) < last - 0.5) if len(told) > 60 else 0
            f = store.cache(science.square)
            assert all(f.check_call_in_cache(i) for i in range(early))
        shutil.rmtree(folder)


def test_what_cannot_be_written_is_told_once_and_costs_nobody_the_value(store, folder):
    """A fault met when a burst is written is one warning a function; later results are stored again."""
    f, g = store.cache(science.square), store.cache(science.identity)
    burst(f)
    store.find().first()
    real = store._vault.index.add

    def full(*args, **kwargs):
        raise sqlite3.OperationalError("database or disk is full")

    store._vault.index.add = full
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert [f(i) for i in range(1000, 1200)] == [i * i for i in range(1000, 1200)]
        assert burst(g) == list(range(BURST))
        store._vault.flush()
    store._vault.index.add = real
    assert sorted(str(w.message).split(":")[0] for w in told) == ["tests.science.identity", "tests.science.square"]
    assert all(issubclass(w.category, CacheWarning) and "disk is full" in str(w.message) for w in told)
    burst(f, start=2000)
    assert len(store.find(f, x=2000)) == 1


def test_threads_share_a_burst(store):
    """Threads that call at once: every result is stored once, and nothing is asked for in vain."""
    f = store.cache(science.square)
    threads = [threading.Thread(target=burst, args=(f, 300, 1000 * i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.find(f)) == 1200
    assert not waiting_of(store)


def test_the_thread_ends_when_there_is_nothing_to_write(store):
    """A process that makes no more short calls has no thread of ours."""
    f = store.cache(science.square)
    burst(f, 400)
    deadline = time.monotonic() + 20
    while waiting_of(store)._thread is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert waiting_of(store)._thread is None
    assert not waiting_of(store)
    burst(f, 400, 1000)
    assert len(store.find(f)) == 800


def test_a_burst_keeps_the_limit(folder):
    """Results that wait are counted when they are written: the limit holds."""
    with Store(folder, size_limit="1 MB") as store:
        f = store.cache(science.identity)
        for i in range(3000):
            f("x" * 300 + str(i))
            if i % 300 == 299:
                assert store.stats().nbytes <= 1_000_000
        assert store.verify() == []


def test_a_call_that_waits_can_be_pinned(store):
    """What waits is on record for whoever changes it, too."""
    f = store.cache(science.square)
    made = leave_some_waiting(store, f)
    assert store.pin(f.key(made - 1)).pinned
