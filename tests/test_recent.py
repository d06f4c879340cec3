"""Rows that a process has read count until somebody commits: a repeated hit needs no SELECT, and is never out of date."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from resultstore import Store
from resultstore._index import hot
from resultstore._index.pulse import Pulse, follows, open_pulse
from resultstore._index.recent import CallRow
from tests import science
from tests.test_index import Trace

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


def selects(trace):
    """Return how many statements have run since the last look, all of them SELECTs."""
    assert {s.split()[0] for s in trace.statements} <= {"SELECT"}
    count = len(trace.statements)
    trace.statements.clear()
    return count


def test_a_repeated_hit_runs_no_statement(store, monkeypatch):
    """A scalar, an array in the index, and one in a file: the second hit in a row asks SQLite nothing."""
    f, g, h = store.cache(science.square), store.cache(science.table), store.cache(science.slow_block)
    f(2), g(10), h(1)
    trace = Trace(store, monkeypatch)
    warmed(store, f, 2), g(10), h(1)
    trace.statements.clear()
    assert f(2) == 4
    assert len(g(10)) == 10
    h(1)
    assert selects(trace) == 0


def test_our_own_misses_and_flushes_forget_nothing_else(store, monkeypatch):
    """What this process commits itself, it knows: rows that it did not alter are not read again."""
    f = store.cache(science.square)
    for i in range(50):
        f(i)
    trace = Trace(store, monkeypatch)
    warmed(store, f, 3)
    f(1000)
    store._vault.flush()
    trace.statements.clear()
    f(3)
    assert selects(trace) == 0


def run(code, folder):
    """Run a program in a process of its own."""
    subprocess.run([sys.executable, "-c", code, folder], check=True, cwd=Path(__file__).parent.parent)


OTHER = "import sys; from resultstore import Store; from tests import science; s = Store(sys.argv[1]); f = s.cache(science.square); "


@pytest.mark.parametrize("what", ["f.forget(2)", "f.clear()", "s.reduce_size(items_limit=0)", "s.clear()"])
def test_what_another_process_removes_is_gone_at_once(store, folder, what):
    """A row is not believed a moment longer than SQLite would."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    science.runs.clear()
    run(OTHER + what, folder)
    f(2)
    assert len(science.runs) == 1


def test_what_another_process_computes_anew_is_given(store, folder):
    """A result that was refreshed elsewhere replaces the one that this process had read."""
    f = store.cache(science.table)
    before = warmed(store, f, 5, None)  # without a seed
    run(OTHER + "s.cache(science.table).call(5, None)", folder)
    after = f(5, None)
    assert not np.array_equal(before, after)
    assert np.array_equal(after, f(5, None))


def test_a_foreign_program_is_seen(store, folder):
    """Also what writes by SQLite alone, without our gate, is noticed."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    foreign = sqlite3.connect(folder / "index.sqlite")
    foreign.execute("PRAGMA foreign_keys = ON")
    foreign.execute("DELETE FROM call")
    foreign.execute("UPDATE function SET stored = 0, nbytes = 0")
    foreign.commit()
    foreign.close()
    science.runs.clear()
    f(2)
    assert len(science.runs) == 1
    store.verify(fix=True)  # the foreign program left the sums as they were


def test_an_interleaved_commit_of_others_is_not_taken_for_ours(store, folder):
    """If somebody commits between two commits of ours, nothing that was read before counts."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    recent = store._vault.index._recent
    page = recent.current
    foreign = sqlite3.connect(folder / "index.sqlite")
    foreign.execute("PRAGMA foreign_keys = ON")
    foreign.execute("DELETE FROM call")
    foreign.execute("UPDATE function SET stored = 0, nbytes = 0")
    foreign.commit()
    f(1000)
    recent.turn(page, [])
    foreign.close()
    science.runs.clear()
    f(2)
    assert len(science.runs) == 1
    store.verify(fix=True)  # the foreign program left the sums as they were


def test_a_row_read_before_a_commit_is_not_remembered_after_it(store, folder):
    """A thread that has read a row and is late to note it does not bring the old row back."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    index = store._vault.index
    page = index._recent.page()
    key = f.key(2)
    late = CallRow(*index.connections.query(hot.FETCH, {"key": key})[0])
    f.call(2)
    index._recent.put(page, key, late)
    assert index.fetch(key) is not late


def test_a_forked_child_begins_anew(store):
    """The parent's connection is not the child's, so neither is what it read by it."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    child = os.fork()
    if not child:
        recent = store._vault.index._recent
        os._exit(0 if recent.current is None and f(2) == 4 and f(77) == 5929 and f(77) == 5929 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    science.runs.clear()
    f(77)
    assert science.runs == []


def test_a_store_that_was_closed_reads_again(store, folder):
    """Closing lets go of the pulse with the last connection; what happened meanwhile is seen."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    store.close()
    run(OTHER + "f.forget(2)", folder)
    science.runs.clear()
    f(2)
    assert len(science.runs) == 1


def test_the_pulse_is_no_lock_that_others_lose(store, folder):
    """Feeling the pulse opens -shm beside SQLite; it is closed only after the last connection, whose locks stand."""
    f = store.cache(science.square)
    warmed(store, f, 2)
    second = Store(folder)
    g = second.cache(science.square)
    warmed(second, g, 2)
    second.close()
    for i in range(8):  # a process that opens and ends must not take the log away
        f(100 + i)
        run(OTHER + f"f({100 + i}); s.close()", folder)
    assert store.verify() == []
    assert len(store.find(f)) == 9


def test_a_directory_that_is_replaced_is_noticed_at_the_next_write(store, folder):
    """After the store's files are gone, the next miss makes new ones, and nothing of the old is remembered."""
    warmed(store, f := store.cache(science.square), 2)
    shutil.rmtree(folder)
    f(1000)
    science.runs.clear()
    f(2)
    f(2)
    assert len(science.runs) == 1


def test_threads_read_and_write_at_once(store):
    """Threads that refresh and threads that hit: nobody is given what was replaced before it asked."""
    science.runs.clear()
    f = store.cache(science.count_runs)
    f(1)
    latest = [0]
    wrong: list[tuple[int, int]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            floor = latest[0]
            value = f(1)
            if value < floor:
                wrong.append((value, floor))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(150):
        latest[0] = f.call(1)[0]
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_hits_of_threads_are_all_counted(store):
    """Threads that hit the same calls while others are stored: no access is lost."""
    f, g = store.cache(science.square), store.cache(science.identity)
    f(1), f(2)

    def read() -> None:
        for i in range(4000):
            f(1 + i % 2)

    threads = [threading.Thread(target=read) for _ in range(4)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for i in range(100):
            g(i)
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert store.stats().by_function[f.name].hits == 16_000
    assert sum(record.access_count for record in store.find(f)) == 16_000


def test_a_header_that_is_not_known_is_not_believed(tmp_path):
    """Without two equal copies of a header of the known version there is no pulse, and each hit runs its SELECT."""
    path = tmp_path / "index-shm"
    good = b"".join([b"\x18\xe2\x2d\0" if sys.byteorder == "little" else b"\0\x2d\xe2\x18", bytes(8), b"\1", bytes(35)])
    for content, state in [
        (b"", False), (bytes(200), False), (good + good, True), (good + good[:-1] + b"\1", False), (good, False)
    ]:  # fmt: skip
        path.write_bytes(content)
        pulse = Pulse(str(path))
        assert (pulse.now() is not None) == state
        pulse.close()
        assert pulse.now() is None
        assert not pulse.is_at(good + good)
    assert open_pulse(str(tmp_path / "nothing")) is None


@pytest.mark.parametrize(("before", "after", "one"), [(1, 2, True), (1, 1, False), (1, 3, False), (2**32 - 1, 0, True)])
def test_one_commit_is_told_from_several(before, after, one):
    """The counter of changes says whether a state follows another directly, also when it overflows."""

    def state(count: int) -> bytes:
        return bytes(8) + count.to_bytes(4, sys.byteorder) + bytes(84)

    assert follows(state(after), state(before)) == one


class Memo(RuleBasedStateMachine):
    """Two stores on one place and a foreign program: what is remembered is always what a SELECT gives."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.stores = [Store(self.folder), Store(self.folder)]
        self.functions = [store.cache(science.square) for store in self.stores]
        for f in self.functions:
            for _ in range(10):
                f(0)

    numbers = st.integers(0, 3)
    which = st.integers(0, 1)

    @rule(n=numbers, i=which)
    def call(self, n: int, i: int) -> None:
        assert self.functions[i](n) == n * n

    @rule(n=numbers, i=which)
    def refresh(self, n: int, i: int) -> None:
        self.functions[i].call(n)

    @rule(n=numbers, i=which)
    def forget(self, n: int, i: int) -> None:
        self.functions[i].forget(n)

    @rule(i=which)
    def flush(self, i: int) -> None:
        self.stores[i]._vault.flush()  # type: ignore[union-attr]

    @rule(i=which)
    def close(self, i: int) -> None:
        self.stores[i].close()

    @rule()
    def meddle(self) -> None:
        foreign = sqlite3.connect(Path(self.folder) / "index.sqlite")
        foreign.execute("UPDATE call SET created_at = created_at + 1")
        foreign.commit()
        foreign.close()

    @rule(n=numbers)
    def compare(self, n: int) -> None:
        for store, f in zip(self.stores, self.functions, strict=True):
            index, key = store._vault.index, f.key(n)  # type: ignore[union-attr]
            row = index.fetch(key)
            rows = index.connections.query(hot.FETCH, {"key": key})
            assert (None if row is None else tuple(getattr(row, name) for name in NAMES)) == (rows[0] if rows else None)

    def teardown(self) -> None:
        for store in getattr(self, "stores", ()):
            store.close()
        shutil.rmtree(self.folder, ignore_errors=True)


NAMES = ("id", "state", "kind", "integer", "number", "text", "leaf_count", "checksum", "created_at")
TestMemo = Memo.TestCase
TestMemo.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
