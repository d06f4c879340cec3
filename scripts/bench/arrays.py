"""Arrays: as arguments and as results, read into memory and mapped, hits and misses."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import peers
import workloads
from blake3 import blake3
from timing import Contender, Plan, Row, Task, hits, measure, misses

ARGUMENTS, RESULTS, MISSES = "Array arguments", "Array results", "Misses with array results"
HASH, HASH_SELECT, FROMFILE, WRITE = "BLAKE3", "BLAKE3 + one SELECT", "np.fromfile", "write + rename"
MMAP, MMAP_TWICE = "np.load(mmap_mode)", "np.load(mmap_mode), twice"


def tasks(plan: Plan) -> Iterator[Task]:
    """Give the rows of these chapters."""
    sizes = {size_text(nbytes): nbytes for nbytes in (plan.small, plan.medium, plan.large)}
    for size, nbytes in sizes.items():
        yield task(ARGUMENTS, f"hit, array argument of {size}", measure_argument, plan, nbytes)
    yield task(ARGUMENTS, f"key alone, array of {size_text(plan.large)}", measure_key, plan, plan.large)
    for size, nbytes in sizes.items():
        yield task(RESULTS, f"hit, array result of {size}", measure_result, plan, nbytes)
    for size, nbytes in sizes.items():
        yield task(RESULTS, f"mapped hit, array result of {size}", measure_mapped, plan, nbytes)
    yield task(RESULTS, f"h(g(f(x))), mapped arrays of {size_text(plan.large)}", measure_chain, plan, plan.large)
    for nbytes in (plan.medium, plan.large):
        yield task(MISSES, f"miss, array result of {size_text(nbytes)}", measure_miss, plan, nbytes)


def task(chapter: str, row: str, run: Callable[..., list[Row]], plan: Plan, nbytes: int) -> Task:
    """Return the task of one row."""
    return Task(chapter, (row,), partial(run, plan, nbytes, row))


def size_text(nbytes: int) -> str:
    """Return a number of bytes in the decimal unit that suits it."""
    for unit, factor in (("MB", 10**6), ("KB", 10**3)):
        if nbytes >= factor:
            return f"{nbytes // factor} {unit}"
    return f"{nbytes} B"


def rounds_of(plan: Plan, nbytes: int) -> int:
    """Return how many samples a row with such arrays gets."""
    return plan.large_rounds if nbytes > plan.medium else plan.rounds


def hash_buffer(array: workloads.Array) -> bytes:
    """Hash an array's buffer in one thread."""
    return blake3(array.view(np.uint8).data).digest()


def measure_argument(plan: Plan, nbytes: int, name: str) -> list[Row]:
    """Measure hits with an array as the argument and a number as the result."""
    array = np.random.default_rng(0).random(nbytes // 8)
    calls, expected = [(array,)], [float(array[-1])]
    with peers.caches(workloads.last, plan.place) as cached, peers.sqlite_rows(plan.place) as rows:
        key = peers.key_of(0)

        def hash_and_select(array: workloads.Array) -> Any:
            hash_buffer(array)
            return rows.select(key)

        contenders = [hits(c.name, c.function, calls, expected) for c in cached]
        contenders += [hits(HASH_SELECT, hash_and_select, calls), hits(HASH, hash_buffer, calls)]
        return [Row(name, measure(contenders, rounds_of(plan, nbytes)), (HASH_SELECT, HASH))]


def measure_key(plan: Plan, nbytes: int, name: str) -> list[Row]:
    """Measure what turns an array into a key, without a look into the store."""
    calls = [(np.random.default_rng(0).random(nbytes // 8),)]
    with peers.caches(workloads.last, plan.place, names=[peers.OURS]) as cached:
        contenders = [hits(c.name, c.function.key, calls) for c in cached]
        if peers.is_installed("joblib"):
            import joblib

            contenders.append(hits("joblib", joblib.hash, calls))
        contenders.append(hits(HASH, hash_buffer, calls))
        return [Row(name, measure(contenders, rounds_of(plan, nbytes)), (HASH,))]


def measure_result(plan: Plan, nbytes: int, name: str) -> list[Row]:
    """Measure hits that read an array into memory."""
    size = nbytes // 8
    expected = np.arange(size) * 0.5
    with peers.caches(workloads.series, plan.place) as cached, peers.folder(plan.place) as folder:
        path = os.path.join(folder, "raw")
        expected.tofile(path)
        contenders = [hits(c.name, c.function, [(size,)], [expected]) for c in cached]
        contenders.append(hits(FROMFILE, np.fromfile, [(path,)], [expected]))
        return [Row(name, measure(contenders, rounds_of(plan, nbytes)), (FROMFILE,))]


def measure_mapped(plan: Plan, nbytes: int, name: str) -> list[Row]:
    """Measure hits that map an array's file, and read nothing of it."""
    size = nbytes // 8
    expected = np.arange(size) * 0.5
    with peers.caches(workloads.series, plan.place, "r") as cached, peers.folder(plan.place) as folder:
        path = os.path.join(folder, "raw.npy")
        np.save(path, expected)
        contenders = [hits(c.name, c.function, [(size,)], [expected]) for c in cached]
        contenders.append(hits(MMAP, partial(np.load, mmap_mode="r"), [(path,)], [expected]))
        return [Row(name, measure(contenders, rounds_of(plan, nbytes)), (MMAP,))]


def measure_chain(plan: Plan, nbytes: int, name: str) -> list[Row]:
    """Measure three calls, all hits, each of which takes what the one before has given: two mapped arrays."""
    size = nbytes // 8
    expected = float((np.arange(size) * 0.5 * 2)[-1])
    with peers.caches(workloads.series, plan.place, "r") as cached, peers.folder(plan.place) as folder:
        path = os.path.join(folder, "raw.npy")
        np.save(path, np.arange(size) * 0.5)

        def make_chain(cache: peers.Cache) -> Callable[[int], float]:
            first, second, third = map(cache.sibling, (workloads.series, workloads.doubled, workloads.last))
            return lambda size: third(second(first(size)))

        def map_twice(_: int) -> float:
            np.load(path, mmap_mode="r")
            return float(np.load(path, mmap_mode="r")[-1] * 2)

        contenders = [hits(c.name, make_chain(c), [(size,)], [expected]) for c in cached]
        contenders.append(hits(MMAP_TWICE, map_twice, [(size,)], [expected]))
        return [Row(name, measure(contenders, rounds_of(plan, nbytes)), (MMAP_TWICE,))]


def measure_miss(plan: Plan, nbytes: int, name: str) -> list[Row]:
    """Measure calls whose result is an array that lies ready, and is stored."""
    count = max(1, min(10, 5 * plan.medium // nbytes))
    pool = [np.random.default_rng(i).random(nbytes // 8) for i in range(count)]

    def prepare(number: int, i: int) -> workloads.Array:
        pool[i][0] = number  # no two results are equal: of equal ones, some caches keep one
        workloads.SHELF[number] = pool[i]
        return pool[i]

    with peers.caches(workloads.shelved, plan.place) as cached, peers.folder(plan.place) as folder:
        contenders = [misses(c.name, c.function, count, prepare, drop=c.drop) for c in cached]
        contenders.append(limit_of_miss(folder, count, prepare))
        try:
            return [Row(name, measure(contenders, rounds_of(plan, nbytes)), (WRITE,))]
        finally:
            workloads.SHELF.clear()


def limit_of_miss(folder: str, count: int, prepare: Callable[[int, int], Any]) -> Contender:
    """Return the writing of the same bytes to a file."""

    def path_of(number: int) -> str:
        return os.path.join(folder, str(number))

    def write(number: int) -> None:
        peers.write_and_rename(path_of(number), workloads.SHELF[number])

    return misses(WRITE, write, count, prepare, drop=lambda number: os.unlink(path_of(number)), stores=False)
