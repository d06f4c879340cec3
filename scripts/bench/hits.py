"""What does a hit cost, next to joblib, to diskcache, and to the least that a hit could cost at all?

The contenders of a workload are timed side by side in one run, in interleaved rounds: each round takes
one sample of every contender, so that whatever else the machine does meets all of them alike. A sample
is a number of calls, timed together by the wall clock and by this process's CPU clock; the table shows
medians over the rounds, for one call. Every contender has a fresh temporary directory, and a run stops
with an error if anything that should be a hit executes the function. No time is ever judged here.

    python scripts/bench/hits.py            # a few minutes
    python scripts/bench/hits.py --quick    # under 40 seconds, rougher
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import diskcache
import joblib
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

import resultstore

Call = tuple[object, ...]
Array = NDArray[np.float64]

CALLS = 2_000  # calls in a sample with small arguments
ROWS = 10_000  # rows of the database whose SELECT is the limit
DISKCACHE_NBYTES = 1_000_000  # diskcache pickles the whole array into the key and stores that key

EXECUTIONS: Counter[str] = Counter()


def small(count: int, factor: float, name: str) -> float:
    """Take two scalars and a short string."""
    EXECUTIONS["small"] += 1
    return count * factor + len(name)


def first(array: Array) -> float:
    """Take an array."""
    EXECUTIONS["first"] += 1
    return float(array[0])


@dataclass(frozen=True)
class Contender:
    """Something to call, and the calls that make one sample."""

    name: str
    function: Callable[..., object]
    calls: Sequence[Call]
    caches: bool = True


@dataclass(frozen=True)
class Sample:
    """Seconds per call."""

    wall: float
    cpu: float


def check_executions(before: int, expected: int, name: str) -> None:
    """Stop the run unless the functions were executed exactly so often since then."""
    executed = EXECUTIONS.total() - before
    if executed != expected:
        raise SystemExit(f"{name}: {executed} executions instead of {expected}; these are not the hits to measure")


def fill(contender: Contender, distinct: int) -> None:
    """Make every call once, which computes, and once more, which must give the same without computing."""
    before = EXECUTIONS.total()
    computed = [contender.function(*call) for call in contender.calls]
    check_executions(before, distinct if contender.caches else 0, contender.name)
    before = EXECUTIONS.total()
    if [contender.function(*call) for call in contender.calls] != computed:
        raise SystemExit(f"{contender.name}: the hits have other results than the computations")
    check_executions(before, 0, contender.name)


def take_sample(contender: Contender) -> Sample:
    """Time all calls of a sample together."""
    function, calls = contender.function, contender.calls
    before = EXECUTIONS.total()
    cpu_started, wall_started = time.process_time(), time.perf_counter()
    for call in calls:
        function(*call)
    wall, cpu = time.perf_counter() - wall_started, time.process_time() - cpu_started
    check_executions(before, 0, contender.name)
    return Sample(wall / len(calls), cpu / len(calls))


def measure(contenders: list[Contender], distinct: int, rounds: int) -> dict[str, list[Sample]]:
    """Return the samples of each contender, taken in interleaved rounds."""
    for contender in contenders:
        fill(contender, distinct)
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for i in range(rounds):
        turn = i % len(contenders)  # everyone goes first now and then
        for contender in contenders[turn:] + contenders[:turn]:
            samples[contender.name].append(take_sample(contender))
    return samples


@contextmanager
def caches(
    function: Callable[..., object], calls: Sequence[Call], *, with_diskcache: bool
) -> Iterator[list[Contender]]:
    """Give the function as each library caches it, in a fresh directory of its own."""
    with ExitStack() as stack:
        folders = [stack.enter_context(tempfile.TemporaryDirectory()) for _ in range(3)]
        store = stack.enter_context(closing(resultstore.Store(folders[0])))
        contenders = [
            Contender("resultstore", store.cache(function), calls),
            Contender("joblib", joblib.Memory(folders[1], verbose=0).cache(function), calls),
        ]
        if with_diskcache:
            cache = stack.enter_context(closing(diskcache.Cache(folders[2])))
            contenders.append(Contender("diskcache", cache.memoize()(function), calls))
        yield contenders


@contextmanager
def sqlite_select(distinct: int) -> Iterator[Contender]:
    """Give one SELECT by a 32-byte key, on a database in WAL mode: the least that an indexed hit costs."""
    keys = [blake3(str(i).encode()).digest() for i in range(ROWS)]
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(os.path.join(folder, "rows"))) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE result (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value REAL)")
        connection.executemany("INSERT INTO result (key, value) VALUES (?, ?)", [(key, 1.5) for key in keys])
        connection.commit()

        def select(key: bytes) -> object:
            return connection.execute("SELECT value FROM result WHERE key = ?", (key,)).fetchone()

        calls: Sequence[Call] = [(key,) for key in keys[:: ROWS // distinct]] * (CALLS // distinct)
        yield Contender("SQLite SELECT", select, calls, caches=False)


def hash_array(array: Array) -> bytes:
    """Hash an array's buffer in one thread: the least that a content key of it costs."""
    return blake3(array.view(np.uint8).data).digest()


def measure_small(distinct: int, rounds: int) -> str:
    """Measure hits with two scalars and a short string: so many stored calls, in turn."""
    calls: Sequence[Call] = [(i, i / 8, f"abc{i % 10}") for i in range(distinct)] * (CALLS // distinct)
    table = {call: i for i, call in enumerate(calls)}
    lookup = Contender("dict lookup", table.__getitem__, [(call,) for call in calls], caches=False)
    with caches(small, calls, with_diskcache=True) as cached, sqlite_select(distinct) as select:
        samples = measure([*cached, select, lookup], distinct, rounds)
    return rows(f"hit, small arguments, {distinct} in turn", samples, select.name)


def measure_array(nbytes: int, size: str, calls_per_sample: int, rounds: int) -> str:
    """Measure hits with an array argument."""
    task, with_diskcache = f"hit, array of {size}", nbytes <= DISKCACHE_NBYTES
    calls: Sequence[Call] = [(make_array(nbytes),)] * calls_per_sample
    limit = Contender("BLAKE3, 1 thread", hash_array, calls, caches=False)
    with caches(first, calls, with_diskcache=with_diskcache) as cached:
        table = rows(task, measure([*cached, limit], 1, rounds), limit.name)
    skipped = f"\n| {task} | diskcache | skipped: the pickled array is the key |" + " |" * 6
    return table if with_diskcache else table + skipped


def measure_keying(nbytes: int, size: str, rounds: int) -> str:
    """Measure the key of an array alone."""
    calls: Sequence[Call] = [(make_array(nbytes),)]
    limit = Contender("BLAKE3, 1 thread", hash_array, calls, caches=False)
    with tempfile.TemporaryDirectory() as folder, closing(resultstore.Store(folder)) as store:
        ours = Contender("resultstore", store.cache(first).key, calls, caches=False)
        contenders = [ours, Contender("joblib", joblib.hash, calls, caches=False), limit]
        return rows(f"key, array of {size}", measure(contenders, 0, rounds), limit.name)


def make_array(nbytes: int) -> Array:
    """Return an array of random float64 numbers, always the same."""
    return np.random.default_rng(0).random(nbytes // 8)


def rows(task: str, samples: dict[str, list[Sample]], limit: str) -> str:
    """Return a task's rows of the table; ``limit`` names the contender that is the least it could cost."""
    walls = {name: statistics.median(s.wall for s in taken) for name, taken in samples.items()}
    cpus = {name: statistics.median(s.cpu for s in taken) for name, taken in samples.items()}
    lines = []
    for name, taken in samples.items():
        wall, cpu = walls[name], cpus[name]
        low, _, high = statistics.quantiles([s.wall for s in taken])
        times = [show(wall), f"{show(low)} to {show(high)}", show(cpu)]
        against_joblib = [ratio(walls["joblib"], wall), ratio(cpus["joblib"], cpu)]
        against_limit = [ratio(wall, walls[limit]), ratio(cpu, cpus[limit])]
        label = f"limit: {name}" if name == limit else name
        lines.append("| " + " | ".join([task, label, *times, *against_joblib, *against_limit]) + " |")
    return "\n".join(lines)


def show(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def ratio(numerator: float, denominator: float) -> str:
    """Return a quotient of two times, in three digits."""
    quotient = numerator / denominator
    return f"{quotient:.0f}" if quotient >= 100 else f"{quotient:.3g}"


def versions() -> str:
    """Return the versions of all that takes part, and the number of cores."""
    names = ("resultstore", "joblib", "diskcache", "numpy", "blake3")
    libraries = [f"{name} {resultstore.__version__ if name == 'resultstore' else version(name)}" for name in names]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return ", ".join([f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}", *libraries, machine])


def main() -> None:
    """Measure everything and print one table."""
    parser = argparse.ArgumentParser(description="Measure what a hit costs.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: under 40 seconds")
    quick = parser.parse_args().quick
    rounds, large_rounds = (7, 5) if quick else (50, 25)
    print(f"{versions()}. Rounds: {rounds}, with 100 MB {large_rounds}.\n")
    print("| task | contender | wall | its quartiles | CPU | joblib / it: wall | CPU | it / limit: wall | CPU |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    print(measure_small(1, rounds), flush=True)
    print(measure_small(CALLS, rounds), flush=True)
    print(measure_array(1_000, "1 KB", 500, rounds), flush=True)
    print(measure_array(1_000_000, "1 MB", 20, rounds), flush=True)
    print(measure_array(100_000_000, "100 MB", 1, large_rounds), flush=True)
    print(measure_keying(100_000_000, "100 MB", large_rounds), flush=True)


if __name__ == "__main__":
    main()
