"""What a fresh process pays: the import, opening and the first hit, the first read of each array."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import peers
import workloads
from arrays import FROMFILE, MMAP, size_text
from timing import Contender, Plan, Row, Sample, Task, fail, measure

CHAPTER = "A fresh process"
IMPORTS = ("import", "import, numpy loaded", "open and first hit, numpy and library loaded")
LIMIT, SQLITE = "sqlite3 + blake3", "SQLite: connect + SELECT"

IMPORT = {
    peers.OURS: "import resultstore",
    "joblib": "import joblib",
    "diskcache": "import diskcache",
    LIMIT: "import sqlite3, blake3",
    SQLITE: "import sqlite3, blake3",
    FROMFILE: "",
    MMAP: "",
}
# How each library is opened on a path, and which function it makes. MAP stands for the option of maps.
OPEN = {
    peers.OURS: "f = resultstore.Store(path).cache(workloads.FUNCTION, MAP)",
    "joblib": "f = joblib.Memory(path, verbose=0, MAP).cache(workloads.FUNCTION)",
    "diskcache": "f = diskcache.Cache(path).memoize()(workloads.FUNCTION)",
    SQLITE: """connection = sqlite3.connect(path + "/rows")
def f(x):
    return connection.execute("SELECT value FROM result WHERE x = ?", (x,)).fetchone()[0]""",
    FROMFILE: "def f(size): return np.fromfile(f'{path}/{size}')",
    MMAP: "def f(size): return np.load(f'{path}/{size}.npy', mmap_mode='r')",
}
CLOCK = """
import json, os, sys, time
sys.path.insert(0, os.environ["RESULTSTORE_BENCH_MODULES"])
def clock():
    return time.perf_counter_ns(), time.process_time_ns()
"""


def tasks(plan: Plan) -> Iterator[Task]:
    """Give the rows of this chapter."""
    yield Task(CHAPTER, IMPORTS, partial(measure_starts, plan))
    for mmap_mode in (None, "r"):
        rows = tuple(
            f"first {'mapped ' if mmap_mode else ''}hit of an array result of {size_text(nbytes)}"
            for nbytes in (plan.small, plan.medium, plan.large)
        )
        yield Task(CHAPTER, rows, partial(measure_first_reads, plan, rows, mmap_mode))


def run(code: str, *words: str) -> Any:
    """Run a program in a fresh process, with compiled bytecode, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["RESULTSTORE_BENCH_MODULES"] = os.path.dirname(os.path.abspath(__file__))
    done = subprocess.run(
        [sys.executable, "-c", CLOCK + code, *words], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        fail(done.stderr)
    return json.loads(done.stdout)


def as_sample(start: Sequence[int], end: Sequence[int]) -> Sample:
    """Return the seconds between two looks at the clocks."""
    return Sample((end[0] - start[0]) * 1e-9, (end[1] - start[1]) * 1e-9)


def take_import(name: str, before: str) -> Sample:
    """Time an import in a fresh process."""
    return as_sample(*run(f"{before}\na = clock()\n{IMPORT[name]}\nprint(json.dumps([a, clock()]))"))


def take_opening(name: str, path: str, x: int) -> Sample:
    """Time opening and the first hit in a fresh process that has the library and numpy."""
    opening = OPEN[name].replace("FUNCTION", "point").replace(", MAP", "")
    code = f"""
import numpy as np, workloads
{IMPORT[name]}
path, x = sys.argv[1], int(sys.argv[2])
a = clock()
{opening}
value = f(x)
print(json.dumps([a, clock(), value, workloads.executions()]))
"""
    start, end, value, executions = run(code, path, str(x))
    if value != x * 0.5 or executions:
        fail(f"{name}: the first call in a fresh process is no hit")
    return as_sample(start, end)


def openings(paths: dict[str, str], x: int) -> list[Contender]:
    """Return the contenders that open stores at these places and hit a call in them."""
    return [Contender(name, partial(take_opening, name, path, x)) for name, path in paths.items()]


def measure_starts(plan: Plan) -> list[Row]:
    """Measure imports, and the first hit after them."""
    found: list[Row] = []
    libraries = [*filter(peers.is_installed, peers.NAMES), LIMIT]
    for row, before in zip(IMPORTS, ("", "import numpy"), strict=False):
        contenders = [Contender(name, partial(take_import, name, before)) for name in libraries]
        measure(contenders, 1)  # compiles what is not compiled yet
        found.append(Row(row, measure(contenders, plan.process_rounds), (LIMIT,)))
    with ExitStack() as stack:
        paths = {}
        for cache in stack.enter_context(peers.caches(workloads.point, plan.place)):
            for x in range(100):
                cache.function(x)
            cache.close()
            paths[cache.name] = place_of(cache)
        paths[SQLITE] = stack.enter_context(peers.folder(plan.place))
        peers.Rows(paths[SQLITE], peers.LIMIT_ROWS).close()
        found.append(Row(IMPORTS[2], measure(openings(paths, 50), plan.process_rounds), (SQLITE,)))
    return found


def place_of(cache: peers.Cache) -> str:
    """Return the directory of a cache."""
    return str(cache.owner.directory if cache.name == "diskcache" else cache.owner.location)


READS = """
import numpy as np, workloads
IMPORT
path = sys.argv[1]
OPEN
f(1)
found = []
for size in map(int, sys.argv[2:]):
    a = clock()
    value = f(size)
    b = clock()
    assert workloads.executions() == 0, "a first read that is no hit"
    assert workloads.same(value, workloads.series(size)), "another value"
    workloads.EXECUTIONS.clear()
    found.append([a, b])
print(json.dumps(found))
"""


class Reader:
    """A contender of several rows at once: one process reads arrays of all sizes."""

    def __init__(self, name: str, path: str, sizes: Sequence[int], mmap_mode: str | None) -> None:
        option = f"mmap_mode={mmap_mode!r}" if mmap_mode else ""
        opening = OPEN[name].replace("FUNCTION", "series").replace("MAP", option)
        self._code = READS.replace("IMPORT", IMPORT[name]).replace("OPEN", opening)
        self._words = [path, *map(str, sizes)]
        self.samples: list[list[Sample]] = [[] for _ in sizes]

    def take(self) -> Sample:
        """Start a process, and note its reads."""
        reads = run(self._code, *self._words)
        for samples, (start, end) in zip(self.samples, reads, strict=True):
            samples.append(as_sample(start, end))
        return self.samples[0][-1]


def measure_first_reads(plan: Plan, names: Sequence[str], mmap_mode: str | None) -> list[Row]:
    """Measure the first read of array results in a process that has hit a small one before."""
    sizes = [nbytes // 8 for nbytes in (plan.small, plan.medium, plan.large)]
    limit = MMAP if mmap_mode else FROMFILE
    with ExitStack() as stack:
        paths = {}
        for cache in stack.enter_context(peers.caches(workloads.series, plan.place, mmap_mode)):
            for size in (1, *sizes):
                cache.function(size)
            cache.close()
            paths[cache.name] = place_of(cache)
        paths[limit] = stack.enter_context(peers.folder(plan.place))
        write_raw(paths[limit], (1, *sizes))
        readers = {name: Reader(name, path, sizes, mmap_mode) for name, path in paths.items()}
        measure([Contender(name, reader.take) for name, reader in readers.items()], plan.process_rounds)
        return [
            Row(row, {name: reader.samples[i] for name, reader in readers.items()}, (limit,))
            for i, row in enumerate(names)
        ]


def write_raw(path: str, sizes: Sequence[int]) -> None:
    """Write the arrays as plain files."""
    for size in sizes:
        array = np.arange(size) * 0.5
        array.tofile(os.path.join(path, str(size)))
        np.save(os.path.join(path, f"{size}.npy"), array)
