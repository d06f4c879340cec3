"""Tables as results: a DataFrame of a million rows, and one whose texts are Python objects."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import peers
import workloads
from blake3 import blake3
from timing import Contender, Plan, Row, Task, hits, measure, misses

CHAPTER = "Tables"
HASH = "BLAKE3 of its columns' bytes"
READ, WRITE = "Arrow file, mapped, to pandas", "from pandas, Arrow file written"


def tasks(plan: Plan) -> Iterator[Task]:
    """Give the rows of this chapter."""
    shape = f"{plan.table_rows:,} x 6"
    for row, as_objects in ((f"hit, argument of {shape}", False), ("hit, argument with texts as objects", True)):
        yield Task(CHAPTER, (row,), partial(measure_argument, plan, row, as_objects=as_objects))
    for kind in ("hit", "miss"):
        for row, as_objects in ((f"{kind}, table of {shape}", False), (f"{kind}, with texts as objects", True)):
            run = measure_hit if kind == "hit" else measure_miss
            yield Task(CHAPTER, (row,), partial(run, plan, row, as_objects=as_objects))


def make_table(count: int, *, as_objects: bool) -> Any:
    """Return a DataFrame: two columns of floats, two of integers, one of times, one of texts."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    labels = [f"label {i}" for i in range(1000)]
    texts = [labels[i] for i in rng.integers(0, 1000, count)]
    if as_objects:
        texts = [text[:3] + text[3:] for text in texts]  # objects of their own, as a parser makes them
    return pd.DataFrame(
        {
            "a": rng.random(count),
            "b": rng.normal(size=count),
            "c": rng.integers(0, 10**6, count),
            "d": np.arange(count),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(count), unit="s"),
            "text": pd.Series(texts, dtype=object) if as_objects else pd.Series(texts),
        }
    )


def write_arrow(path: str, table: Any) -> None:
    """Write a DataFrame as an uncompressed Arrow file, and rename it."""
    import pyarrow as pa

    data = pa.Table.from_pandas(table)
    with pa.OSFile(path + ".tmp", "wb") as file, pa.ipc.new_file(file, data.schema) as writer:
        writer.write_table(data)
    os.rename(path + ".tmp", path)


def read_arrow(path: str, *, as_objects: bool) -> Any:
    """Map an Arrow file, and make a DataFrame of it with the dtypes that were written."""
    import pyarrow as pa

    with pa.memory_map(path) as file:
        table = pa.ipc.open_file(file).read_all().to_pandas()
    return table.astype({"text": object}) if as_objects else table


def has_libraries() -> bool:
    """Say whether there is anything to make tables with."""
    return peers.is_installed("pandas") and peers.is_installed("pyarrow")


def hash_columns(table: Any) -> bytes:
    """Hash all columns as Arrow lays them out."""
    import pyarrow as pa

    hasher = blake3()
    for column in table:
        array = pa.array(table[column], from_pandas=True)
        for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
            for buffer in filter(None, chunk.buffers()):
                hasher.update(buffer)
    return hasher.digest()


def measure_argument(plan: Plan, name: str, *, as_objects: bool) -> list[Row]:
    """Measure hits with a table as the argument and a number as the result."""
    if not has_libraries():
        return [Row(name, {})]
    table = make_table(plan.table_rows, as_objects=as_objects)
    with peers.caches(workloads.height, plan.place) as cached:
        contenders = [hits(c.name, c.function, [(table,)], [len(table)]) for c in cached]
        contenders.append(hits(HASH, hash_columns, [(table,)]))
        return [Row(name, measure(contenders, plan.large_rounds), (HASH,))]


def measure_hit(plan: Plan, name: str, *, as_objects: bool) -> list[Row]:
    """Measure hits that read a table into memory."""
    if not has_libraries():
        return [Row(name, {})]
    workloads.SHELF[0] = table = make_table(plan.table_rows, as_objects=as_objects)
    with peers.caches(workloads.shelved, plan.place) as cached, peers.folder(plan.place) as folder:
        path = os.path.join(folder, "table.arrow")
        write_arrow(path, table)
        contenders = [hits(c.name, c.function, [(0,)], [table]) for c in cached]
        contenders.append(hits(READ, partial(read_arrow, as_objects=as_objects), [(path,)], [table]))
        try:
            return [Row(name, measure(contenders, plan.large_rounds), (READ,))]
        finally:
            workloads.SHELF.clear()


def measure_miss(plan: Plan, name: str, *, as_objects: bool) -> list[Row]:
    """Measure calls whose result is a table that lies ready, and is stored."""
    if not has_libraries():
        return [Row(name, {})]
    table = make_table(plan.table_rows, as_objects=as_objects)

    def prepare(number: int, i: int) -> Any:
        table.iloc[0, 0] = float(number)  # no two results are equal
        workloads.SHELF[number] = table
        return table

    with peers.caches(workloads.shelved, plan.place) as cached, peers.folder(plan.place) as folder:
        contenders = [misses(c.name, c.function, 1, prepare, drop=c.drop) for c in cached]
        contenders.append(limit_of_miss(os.path.join(folder, "table.arrow"), prepare))
        try:
            return [Row(name, measure(contenders, plan.large_rounds), (WRITE,))]
        finally:
            workloads.SHELF.clear()


def limit_of_miss(path: str, prepare: Any) -> Contender:
    """Return the writing of the same table as an Arrow file."""

    def write(number: int) -> None:
        write_arrow(path, workloads.SHELF[number])

    return misses(WRITE, write, 1, prepare, drop=lambda _: os.unlink(path), stores=False)
