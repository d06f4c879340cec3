"""Processes: fork, spawn, pools, kill -9, and many writers at once."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from resultstore import Store
from tests import science

pytestmark = pytest.mark.versionless

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def in_child(store, function, *args):
    """Call a cached function in a worker, and return its value and whether it ran there."""
    science.runs.clear()
    return function(*args), list(science.runs), store.find(function).first().arguments


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_stores_and_functions_travel(store, folder, method):
    """A store and a cached function work in workers, however these are started, and hit what the parent stored."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("this system cannot start workers so")
    f = store.cache(science.square)
    f(3)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        value, ran, arguments = pool.submit(in_child, store, f, 3).result()
        assert (value, ran, arguments) == (9, [], {"x": 3})
        assert pool.submit(in_child, store, f, 4).result()[:2] == (16, [4])
    assert f.check_call_in_cache(4)
    assert Store(folder).find(f, x=3).first().access_count == 1


def hit_often(function, times):
    """Hit the same call a number of times."""
    for _ in range(times):
        function(3)


def test_workers_that_end_write_their_accesses(store):
    """A pool's worker, which ends without atexit, writes its access counts all the same."""
    f = store.cache(science.square)
    f(3)
    context = multiprocessing.get_context("fork" if hasattr(os, "fork") else "spawn")
    workers = [context.Process(target=hit_often, args=(f, 5)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert store.find(f).first().access_count == 15
    assert store.stats().hits == 15


@needs_fork
def test_a_fork_with_an_open_store(store):
    """Parent and child go on with a store that was open when they parted; accesses are counted once."""
    f = store.cache(science.square)
    f(1)
    f(1)  # an access waits in the parent
    pid = os.fork()
    if pid == 0:
        try:
            ok = f(1) == 1 and f(2) == 4 and f(1) == 1
            store.close()
        finally:
            os._exit(0 if ok else 1)
    assert f(3) == 9
    assert os.waitpid(pid, 0)[1] == 0
    assert f.check_call_in_cache(2)
    assert store.find(f, x=1).first().access_count == 3


@needs_fork
def test_a_fork_while_a_thread_writes(store):
    """A child forked while another thread is writing is not stuck with that thread's lock."""
    f = store.cache(science.table)
    f(1)  # a fork in the middle of a thread's import would be stuck in Python itself
    with ThreadPoolExecutor(2) as threads:
        work = [threads.submit(f, 3000 + i) for i in range(60)]
        statuses = []
        for i in range(5):
            pid = os.fork()
            if pid == 0:
                ok = False
                try:
                    ok = len(f(10 + i)) == 10 + i
                finally:
                    os._exit(0 if ok else 1)
            statuses.append(os.waitpid(pid, 0)[1])
        for item in work:
            item.result()
    assert statuses == [0] * 5


def open_first(folder, number):
    """Open a store that is not there yet, as many do at once, and compute."""
    with Store(folder) as store:
        return int(store.cache(science.square)(number % 5))


def test_many_open_a_new_store_at_once(folder):
    """Processes that make the same new store at the same moment all work, on one index."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(8, mp_context=context) as pool:
        assert list(pool.map(open_first, [folder] * 24, range(24))) == [(i % 5) ** 2 for i in range(24)]
    with Store(folder) as store:
        assert len(store.find()) == 5
        assert store.verify() == []


WORKER = """
import random, sys, warnings
warnings.simplefilter("error")
from resultstore import Store
from tests import science
folder, seed, limit = sys.argv[1], int(sys.argv[2]), sys.argv[3] or None
store = Store(folder, size_limit=limit)
f, g = store.cache(science.slow_block), store.cache(science.table)
rng = random.Random(seed)
for step in range(int(sys.argv[4])):
    i = rng.randrange(12)
    what = rng.random()
    if what < 0.6:
        assert (f(i, 40_000 + 4000 * (i % 3)) == i).all(), "a wrong block"
    elif what < 0.85:
        assert len(g(i)) == i, "a wrong table"
    elif what < 0.9:
        f.forget(i, 40_000 + 4000 * (i % 3))
    elif what < 0.93:
        store.reduce_size(items_limit=8)
    elif what < 0.95:
        g.clear()
    elif what < 0.98:
        list(store.find(f, i=i))
    else:
        store.close()
"""


def start_worker(folder, seed, *, limit="", steps=150):
    """Start a process that does everything at random and checks every value; any warning is an error."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), str(seed), limit, str(steps)], stderr=subprocess.PIPE
    )


@pytest.mark.parametrize("limit", ["", "1.5 MB"])
def test_everything_at_once(folder, limit):
    """Processes that store, hit, forget, reduce, clear and find the same calls meet no error and no wrong value."""
    workers = [start_worker(folder, seed, limit=limit) for seed in range(4)]
    assert [worker.communicate()[1].decode()[-800:] for worker in workers] == [""] * 4
    with Store(folder) as store:
        assert store.verify() == []


def test_killed_writers_leave_no_row_that_lies(folder):
    """However many writers are killed at whatever moment, every row's payload is whole; orphan files may stay."""
    rng = random.Random(7)
    for round_number in range(12):
        workers = [start_worker(folder, 100 * round_number + n, limit="3 MB", steps=10_000) for n in range(2)]
        time.sleep(0.35 + rng.random() * 0.3)
        for worker in workers:
            worker.send_signal(signal.SIGKILL)
        for worker in workers:
            stderr = worker.communicate()[1]
            assert b"wrong" not in stderr, stderr
    with Store(folder) as store:
        assert {problem.kind for problem in store.verify()} <= {"orphan"}
        store.verify(fix=True)
        assert store.verify() == []
        f = store.cache(science.slow_block)
        assert (f(3, 40_000) == 3).all()
        assert f.check_call_in_cache(3, 40_000)


def test_a_function_of_a_script_is_the_same_in_workers(folder, tmp_path):
    """A script's own cached function hits in its spawned workers: __mp_main__ is __main__."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, sys\nfrom resultstore import Store\nstore = Store(sys.argv[1])\n"
        "@store.cache\ndef f(x):\n    print('ran', x, flush=True)\n    return x + 1\n"
        "if __name__ == '__main__':\n    f(1)\n    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        print(pool.map(f, [1, 1, 1]))\n"
    )
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "ran 1\n[2, 2, 2]\n"


def test_a_mapped_reader_outlives_eviction(store, folder):
    """Someone who maps a payload file keeps his bytes when the call is evicted."""
    f = store.cache(science.slow_block)
    f(5)
    (path,) = (folder / "payloads").rglob("*.npy")
    mapped = np.load(path, mmap_mode="r")
    store.reduce_size(items_limit=0)
    assert not path.exists()
    assert (mapped == 5).all()


SCRIPT = """
import sys
import cloudpickle
from joblib import Parallel, delayed
from resultstore import Store

store = Store(sys.argv[1])

@store.cache
def scaled(x, factor=2):
    return x * factor + offset()

def offset():
    return 1

@store.cache
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

if __name__ == "__main__":
    assert Parallel(n_jobs=2)(delayed(scaled)(i) for i in range(4)) == [1, 3, 5, 7]
    assert Parallel(n_jobs=2)(delayed(fibonacci)(i) for i in (5, 6)) == [5, 8]
    assert all(scaled.check_call_in_cache(i) for i in range(4)) and fibonacci.check_call_in_cache(6)
    assert len({(r.function, r.version) for r in store.find()}) == 2
    assert cloudpickle.loads(cloudpickle.dumps(scaled)) is scaled
    with open(sys.argv[2], "wb") as file:
        cloudpickle.dump(scaled, file)
"""


def test_functions_of_a_script_travel_by_value(folder, tmp_path):
    """Workers of loky, and whatever reads a cloudpickle, get a script's cached function whole, under the same keys."""
    script, pickled = tmp_path / "script.py", tmp_path / "scaled.pickle"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, script, folder, pickled], check=True, timeout=120)
    code = "import pickle, sys; f = pickle.load(open(sys.argv[1], 'rb')); assert f.check_call_in_cache(x=3); assert f(9) == 19"
    subprocess.run([sys.executable, "-c", code, pickled], check=True, timeout=60)
    assert [record.version for record in Store(folder).find("__main__.scaled", x=9)] == [1]


@pytest.mark.skipif(os.environ.get("RESULTSTORE_JOURNAL") == "rollback", reason="there is no log to be taken away")
def test_opening_a_store_again_keeps_the_locks_of_the_open_one(store, folder):
    """A second store object on the same place drops no lock: another process's end does not take our log away."""
    f = store.cache(science.slow_block)
    f(1)
    Store(folder)
    code = "import sys; from resultstore import Store; from tests import science\nwith Store(sys.argv[1]) as s: s.cache(science.slow_block)(2)"
    subprocess.run([sys.executable, "-c", code, folder], check=True, timeout=60)
    assert (folder / "index.sqlite-wal").exists()
    assert f.check_call_in_cache(2)
    f(3)


CHURN = """
import os, sys, threading, warnings
from resultstore import Store
from tests import science
stop = False
def churn():
    while not stop:
        Store(sys.argv[1]).cache(science.square)(2)
store = Store(sys.argv[1])
store.cache(science.square)(2)
thread = threading.Thread(target=churn)
thread.start()
for _ in range(25):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if Store(sys.argv[1]).cache(science.square)(3) == 9 else 1)
    assert os.waitpid(pid, 0)[1] == 0
stop = True
thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_children_forked_while_stores_come_and_go(folder):
    """A child forked while another thread opens and drops stores finds no lock taken for ever."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", CHURN, folder], check=True, timeout=100)
    with Store(folder) as store:
        assert store.verify() == []


FORKERS = """
import os, sys, threading
from resultstore import Store
sys.setswitchinterval(1e-5)
stores = [Store(f"{sys.argv[1]}/{number}") for number in range(3)]
functions = [store.cache(abs) for store in stores]
stop = threading.Event()
bad = []

def churn():
    others = []
    while not stop.is_set():
        others = [*others[-20:], Store(sys.argv[1] + "/0")]

def fork():
    for number in range(6):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if functions[number % 3](-number) == number else 1)
        if os.waitpid(pid, 0)[1]:
            bad.append(number)

churning = threading.Thread(target=churn)
forking = [threading.Thread(target=fork) for _ in range(3)]
for thread in (churning, *forking):
    thread.start()
for thread in forking:
    thread.join()
stop.set()
churning.join()
for function in functions:
    function(-1000)
    assert function.check_call_in_cache(-1000)
print(bad)
"""


@needs_fork
def test_threads_that_fork_at_the_same_moment(folder):
    """What one thread's fork holds still goes on when that fork is over, though others fork and stores come and go."""
    done = subprocess.run(
        # Python 3.12+ says of every fork in a process with threads what this is about.
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKERS, folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


@needs_fork
def test_a_forked_child_holds_locks_of_its_own(folder):
    """When the parent closes its store, the log stays under a child that was forked while it was open, and goes on storing."""
    store = Store(folder)
    f = store.cache(science.square)
    f(1), f(1)
    to_child, to_parent = multiprocessing.Pipe(), multiprocessing.Pipe()
    pid = os.fork()
    if pid == 0:
        ok = False
        try:
            f(2)
            to_parent[1].send(None)
            to_child[0].recv()
            ok = f(3) == 9 and f.check_call_in_cache(3)
            store.close()
        finally:
            os._exit(0 if ok else 1)
    to_parent[0].recv()
    store.close()
    to_child[1].send(None)
    assert os.waitpid(pid, 0)[1] == 0
    science.runs.clear()
    assert [f(1), f(2), f(3)] == [1, 4, 9]
    assert science.runs == []
    assert store.verify() == []
    store.close()
