"""Many processes and threads on one store: everything at once, the budget seen from outside, kills, opening and closing.

Short here. ``RESULTSTORE_TEST_ROUNDS=50 pytest -s tests/test_concurrency.py tests/test_upgrading.py`` runs them long, and prints figures.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from resultstore import CacheWarning, Store
from tests import science
from tests.test_upgrading import fork

pytestmark = pytest.mark.versionless

ROUNDS = int(os.environ.get("RESULTSTORE_TEST_ROUNDS", "1"))
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

MIXED = """
import collections, json, random, sys, threading, time, warnings
warnings.simplefilter("error")
from resultstore import BusyError, CacheWarning, MissingError, Store
from tests import science
folder, seed, limit, threads, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
store = Store(folder, size_limit=limit)
block, table, number = (store.cache(function) for function in (science.slow_block, science.table, science.square))
done, wrong, errors = collections.Counter(), [], []
until = time.monotonic() + seconds

def call(rng):
    i = rng.randrange(30)
    kind = rng.randrange(3)
    if kind == 0:
        nbytes = 20_000 + 4_000 * (i % 10)
        value = block(i, nbytes)
        right = len(value) == nbytes // 8 and (value == i).all()
    elif kind == 1:
        right = (table(i, i) == science.table(i, i)).all()
    else:
        right = number(i + 1000 * rng.randrange(3)) >= 0
    if not right:
        wrong.append((kind, i))
    return "calls"

def other(rng):
    what = rng.choice(["find", "pin", "unpin", "forget", "reduce", "clear", "verify", "close", "stats"])
    if what == "find":
        for record in store.find(block, i=rng.randrange(30)):
            record.state, record.arguments
    elif what in ("pin", "unpin"):
        record = store.find(number).first()
        if record is not None:
            try:
                getattr(store, what)(record)
            except MissingError:
                pass
    elif what == "forget":
        block.forget(rng.randrange(30), 20_000)
    elif what == "reduce":
        store.reduce_size(items_limit=20)
    elif what == "clear":
        rng.choice([table, number]).clear()
    elif what == "verify":
        unsound = [problem for problem in store.verify() if problem.kind not in ("orphan", "unused")]
        if unsound:
            wrong.append(unsound)
    elif what == "close":
        store.close()
    else:
        store.stats()
    return what

def work(number):
    rng = random.Random(1000 * seed + number)
    while time.monotonic() < until:
        try:
            done[(other if rng.random() < 0.06 else call)(rng)] += 1
        except (CacheWarning, BusyError) as error:  # the bounded wait of one of very many on a busy machine
            if "kept the write gate" not in str(error):
                errors.append(repr(error)[:500])
                return
            done["waits"] += 1
        except BaseException as error:
            errors.append(repr(error)[:500])
            return

workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
store.close()
print(json.dumps({"done": done, "wrong": wrong, "errors": errors}))
"""


def sample(folder: Path) -> int:
    """Return the blocks of all files at about one moment: a file that is renamed meanwhile counts once."""
    blocks: dict[int, int] = {}
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.lstat(os.path.join(root, name))
                blocks[found.st_ino] = found.st_blocks * 512
    return sum(blocks.values())


def run_mixed(folder: Path, *, processes: int, threads: int, limit: int, seconds: float) -> tuple[int, int, int]:
    """Let processes do everything at once; return how many calls they made, how many of them could not get the
    write gate within 10 s, and the most that lay on the disk."""
    command: list[str | Path] = [sys.executable, "-c", MIXED, folder]
    workers = [
        subprocess.Popen(
            [*command, str(seed), str(limit), str(threads), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in range(processes)
    ]
    most = 0
    while any(worker.poll() is None for worker in workers):
        most = max(most, sample(folder))
    calls = waits = 0
    for worker in workers:
        output, complaint = worker.communicate()
        assert complaint.decode()[-2000:] == ""
        report = json.loads(output)
        assert report["wrong"] == []
        assert report["errors"] == []
        calls += report["done"]["calls"]
        waits += report["done"].get("waits", 0)
    return calls, waits, most


LARGEST = 56_000 // 4096 * 4096 + 2 * 4096


@pytest.mark.parametrize(
    ("processes", "threads"), [(2, 8), (6, 2)] if ROUNDS == 1 else [(2, 8), (4, 8), (16, 8), (16, 1)]
)
def test_everything_at_once_under_a_tight_budget(folder, processes, threads):
    """Whatever processes and threads do at the same time, no value is wrong, nothing is raised or told, and the limit is kept.

    Seen from outside at every moment: the limit, and one result more for each process that is writing one.
    """
    limit = 1_500_000
    calls, waits, most = run_mixed(folder, processes=processes, threads=threads, limit=limit, seconds=ROUNDS)
    with Store(folder, size_limit=limit) as store:
        assert [problem for problem in store.verify() if problem.kind not in ("orphan", "unused")] == []
    sys.stderr.write(
        f"{processes} x {threads}: {calls} calls, wrong 0, errors 0, waits {waits}, most {most} of {limit}\n"
    )
    assert most <= limit + processes * LARGEST
    assert not waits or processes * threads > 64


LARGE = """
import sys, threading, time, warnings
from resultstore import Store
from tests import science
store = Store(sys.argv[1], size_limit="6 MB")
f = store.cache(science.slow_block)
until = time.monotonic() + float(sys.argv[3])

def work(number):
    i = 0
    while time.monotonic() < until:
        i += 1
        f(int(sys.argv[2]) * 10**6 + number * 10**5 + i, 1_000_000)

threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_the_limit_holds_however_many_write_at_once(folder):
    """Many threads that write large results at the same moment keep the limit: each counts what the others are writing."""
    seconds = 1.5 * ROUNDS
    workers = [
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", LARGE, folder, str(seed), str(seconds)])
        for seed in range(2)
    ]
    most = 0
    while any(worker.poll() is None for worker in workers):
        most = max(most, sample(folder))
    assert [worker.returncode for worker in workers] == [0, 0]
    sys.stderr.write(f"2 x 8 threads with results of 1 MB: most {most} of 6000000\n")
    assert most <= 6_000_000 + 2 * 1_000_000


OPENERS = """
import os, sys
from resultstore import Store, _accesses
from tests import science
_accesses._FLUSH_S = 1000.0  # else those that have waited 5 s on a busy machine write down their hits
folder, many = sys.argv[1], int(sys.argv[2])
begin, go = os.pipe()
children = []
for number in range(many):
    child = os.fork()
    if child == 0:
        try:
            os.close(go)
            os.read(begin, 1)  # all at once
            science.runs.clear()
            store = Store(folder)
            f, g = store.cache(science.square), store.cache(science.table)
            ok = f(number % 20) == (number % 20) ** 2 and len(g(9000 + number % 3)) == 9000 + number % 3
            ok = ok and f(number % 20) == f(number % 20) and not science.runs
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            ok = False
        os._exit(0 if ok else 1)
    children.append(child)
os.close(go)
print(sum(os.waitpid(child, 0)[1] == 0 for child in children), "hit")
"""


def state_of(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Return inode, mtime and bytes of all files but those that SQLite shares memory and changes by."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-shm", "-wal"))]
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@needs_fork
@pytest.mark.parametrize("journal", ["wal", "rollback"])
def test_many_open_a_filled_store_and_hit(folder, journal, monkeypatch):
    """Processes that open a filled store at the same moment all hit, and change no byte and no time of it."""
    monkeypatch.setenv("RESULTSTORE_JOURNAL", journal)
    many = 40 if ROUNDS == 1 else 200
    with Store(folder) as store:
        for i in range(20):
            store.cache(science.square)(i)
        for i in range(3):
            store.cache(science.table)(9000 + i)
    before = state_of(folder)
    done = subprocess.run(
        [sys.executable, "-c", OPENERS, folder, str(many)], capture_output=True, text=True, check=True, timeout=150
    )
    assert (done.stdout, done.stderr) == (f"{many} hit\n", "")
    assert state_of(folder) == before
    assert not any(path.stat().st_size for path in folder.glob("*-wal"))
    with Store(folder) as store:
        assert store.verify() == []


STAMPED = """
import sys, time, warnings
warnings.simplefilter("error")
import numpy as np
from resultstore import MissingError, Store

def stamped(i):
    return np.full(60_000, time.monotonic_ns())

until = time.monotonic() + float(sys.argv[3])
mode = {"reads": None, "maps": "r"}.get(sys.argv[2])
store = Store(sys.argv[1], mmap_mode=mode)
f = store.cache(stamped)
count, kept = 0, []
while time.monotonic() < until:
    i = count % 4
    count += 1
    if sys.argv[2] in ("reads", "maps"):
        value = f(i)
        kept = [*kept[-6:], (value, value[0])]
        for value, stamp in kept:
            assert (value == stamp).all(), "a mix of two results"
    elif count % 3 == 0:
        f.refresh(i)
    elif count % 3 == 1:
        store.reduce_size(items_limit=1)
    else:
        f.forget(i)
print(count)
"""


def test_what_others_load_or_have_mapped_may_be_evicted_and_computed_anew(folder):
    """A result is the one that was computed first or the one that was computed later, never a mix, also while it goes."""
    seconds = str(1.2 * ROUNDS)
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen([sys.executable, "-c", STAMPED, folder, what, seconds], stdout=pipe, stderr=pipe, text=True)
        for what in ("reads", "maps", "drops")
    ]
    reports = [worker.communicate() for worker in workers]
    assert [complaint[-1500:] for _, complaint in reports] == [""] * 3
    sys.stderr.write(f"loaded, mapped, dropped: {[int(output) for output, _ in reports]}, mixes 0\n")
    with Store(folder) as store:
        assert store.verify() == []


@needs_fork
def test_killed_holders_of_the_gate_delay_nobody(folder, monkeypatch):
    """Whoever is killed while it writes leaves the gate free at once, the index whole, and every result right."""
    monkeypatch.setattr("resultstore._writing.GATE_WAIT_S", 2.0)
    rng = random.Random(3)
    with Store(folder, size_limit="2 MB") as store:
        f = store.cache(science.slow_block)
        f(0, 40_000)
        store.reduce_size(items_limit=0)  # what is imported late is imported now

        def write_until_killed(seed: int) -> None:
            own = random.Random(seed)
            while True:
                i = own.randrange(40)
                f(i, 40_000 + 4000 * (i % 3))
                store.cache(science.square)(own.random())
                if own.random() < 0.05:
                    store.reduce_size(items_limit=5)

        rounds = 8 * ROUNDS
        for number in range(rounds):
            child = fork(lambda number=number: write_until_killed(number))  # type: ignore[misc]
            time.sleep(0.005 + 0.06 * rng.random())
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            assert (f(100 + number, 40_000) == 100 + number).all()  # a warning is an error
        assert {problem.kind for problem in store.verify()} <= {"orphan"}
        store.verify(fix=True)
        assert store.verify() == []
    sys.stderr.write(f"{rounds} kills of writers, no index hurt, no writer delayed\n")


@needs_fork
def test_forks_while_threads_are_at_work(folder):
    """Children forked while threads miss and hit do the same, close, and fork again; so does the parent."""
    with Store(folder) as store, contextlib.ExitStack() as stack:
        f, g = store.cache(science.square), store.cache(science.slow_block)
        g(0)
        stop = threading.Event()
        errors: list[BaseException] = []

        def work(number: int) -> None:
            i = 0
            try:
                while not stop.is_set():
                    i += 1
                    assert f(number * 1000 + i % 50) == (number * 1000 + i % 50) ** 2
                    assert (g(i % 20) == i % 20).all()
            except BaseException as error:
                errors.append(error)

        def grandchild() -> bool:
            return f(1001) == 1001**2 and f(-2) == 4

        def child() -> bool:
            ok = f(1001) == 1001**2 and bool((g(3) == 3).all()) and f(-1) == 1
            store.close()
            ok = ok and f(-1) == 1
            return ok and os.waitpid(fork(grandchild), 0)[1] == 0

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        stack.callback(lambda: [thread.join() for thread in threads])
        stack.callback(stop.set)
        for thread in threads:
            thread.start()
        assert [os.waitpid(fork(child), 0)[1] for _ in range(4)] == [0] * 4
        stop.set()
        for thread in threads:
            thread.join()
        assert errors == []
        assert f.check_call_in_cache(-1)
        assert f.check_call_in_cache(-2)
        assert store.verify() == []


def test_closing_while_others_call(folder):
    """Two store objects on one place may be closed while threads are inside calls: these go on, and hit."""
    stores = [Store(folder), Store(folder)]
    functions = [store.cache(science.slow_block) for store in stores]
    stop, errors = threading.Event(), []

    def work(number: int) -> None:
        i = 0
        while not stop.is_set():
            i += 1
            try:
                assert (functions[(number + i) % 2](i % 30) == i % 30).all()
            except BaseException as error:
                errors.append(error)
                return

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for i in range(60):
        stores[i % 2].close()
        time.sleep(0.005)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    for store, function in zip(stores, functions, strict=True):
        assert (function(3) == 3).all()
        assert store.verify() == []
        store.close()


ENDING = """
import atexit, sys, threading, time

def late():
    assert f(100_000) == 100_000**2 and f(100_000) == 100_000**2  # registered first, so it runs last
    print("late")

atexit.register(late)
from resultstore import Store
from tests import science
store = Store(sys.argv[1])
f = store.cache(science.square)

def work(number):
    i = 0
    while True:
        i += 1
        f(number * 10_000 + i % 400)

for number in range(3):
    threading.Thread(target=work, args=(number,), daemon=True).start()
time.sleep(0.3)
atexit.register(lambda: print("early", f(7)))
"""


def test_an_end_while_threads_are_calling(folder):
    """A process that ends while its daemonic threads are calling ends well, and so do calls that are made while it ends."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ENDING, folder], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "early 49\nlate\n", "")
    with Store(folder) as store:
        assert store.verify() == []
        assert store.cache(science.square).check_call_in_cache(100_000)


def test_a_long_reader_bounds_the_log_and_is_told_once(folder):
    """Somebody's open read transaction keeps results from being stored when the log is long; hits hit, and later all works."""
    with Store(folder, size_limit="4 MB") as store:
        f = store.cache(science.table)
        f(1000)
        with contextlib.closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM call").fetchone()
            with pytest.warns(CacheWarning, match="another program has been reading") as caught:
                for i in range(400):
                    assert len(f(1000 + i % 300)) == 1000 + i % 300
            assert len(caught) == 1
            assert (folder / "index.sqlite-wal").stat().st_size <= 9 * 32 * 4096
            science.runs.clear()
            f(1000)
            assert science.runs == []
            other.execute("ROLLBACK")
        for i in range(5000, 5040):
            f(i)
            assert f.check_call_in_cache(i)
        assert (folder / "index.sqlite-wal").stat().st_size <= 9 * 32 * 4096
        assert store.verify() == []


def test_a_foreign_writer_is_waited_for_once(folder, monkeypatch):
    """A program that keeps a write transaction open is waited for at one call, not at each; later all works."""
    monkeypatch.setattr("resultstore._index.connect._BUSY_S", 0.2)
    asked: list[float] = []
    with Store(folder) as store:
        f = store.cache(science.square)
        f(1)
        connections = store._vault.index.connections  # type: ignore[union-attr]
        with contextlib.closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.warns(CacheWarning, match="locked") as caught:
                for i in range(2, 8):
                    assert f(i) == i * i
                    assert f(1) == 1
                    asked.append(connections._patience())
            assert len(caught) == 1
            assert max(asked) < 0.2
            other.execute("ROLLBACK")
        f(9)
        assert f.check_call_in_cache(9)
        assert connections._patience() == 0.2
        assert store.verify() == []


def test_opening_beside_somebodys_own_connection_keeps_its_locks(folder):
    """A store that is opened while the process has a connection of its own to the index takes no lock from that."""
    with Store(folder) as store:
        store.cache(science.square)(2)
    with contextlib.closing(sqlite3.connect(folder / "index.sqlite")) as own:
        own.execute("BEGIN")
        assert own.execute("SELECT count(*) FROM call").fetchone() == (1,)
        for _ in range(3):
            Store(folder)
        code = "import sys; from resultstore import Store; from tests import science\nwith Store(sys.argv[1]) as s: s.cache(science.square)(3)"
        subprocess.run([sys.executable, "-c", code, folder], check=True, timeout=60)
        assert (folder / "index.sqlite-wal").exists()  # which the other process, not being the last, has left
        assert own.execute("SELECT count(*) FROM call").fetchone() == (1,)
        own.rollback()
        assert own.execute("SELECT count(*) FROM call").fetchone() == (2,)


def test_the_facts_of_the_store_are_told(store):
    """`stats` tells which SQLite is at work, and which journal it keeps."""
    assert (store.stats().sqlite_version, store.stats().journal) == (sqlite3.sqlite_version, "")
    store.cache(science.square)(2)
    assert store.stats().journal in ("wal", "delete")
