"""Stores that grow: hit, miss, opening and finding among ten thousand, a hundred thousand and a million calls."""

from __future__ import annotations

import itertools
import os
import random
import sqlite3
import types
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import peers
import workloads
from calls import INSERT, MISSES, SELECT, make_half
from starts import SQLITE, openings, place_of
from timing import Contender, Plan, Row, Sample, Task, fail, hits, measure, misses, time_calls

CHAPTER = "Stores that grow"
FIND = "one SELECT by argument"
JOBLIB_CALLS = 10_000  # a call is a directory with two files: more take minutes to make and to remove
FEW = 1_000  # real calls in a store of copied rows
KINDS = (
    "hit",
    "miss",
    "open and first hit, fresh process",
    "find(f, x=...).first()",
    "find(f, x=between(...)).first()",
    "evict 10 %",
)
DELETE = "one DELETE of the oldest"
EVICTIONS = 3  # of a tenth of what is left, in each store
BYTES, INODES = "disk, bytes per small call", "disk, inodes per small call"


def tasks(plan: Plan) -> Iterator[Task]:
    """Give the rows of this chapter."""
    for count in plan.stores:
        rows = [f"{kind}, {count:,} calls" for kind in KINDS]
        if count == plan.stores[0]:
            rows += [f"{kind}, {count:,} calls" for kind in (BYTES, INODES)]
        yield Task(CHAPTER, tuple(rows), partial(measure_store, plan, rows, count))


def fill(cache: peers.Cache, count: int, real_calls: int) -> None:
    """Store so many calls; in ours, those beyond ``real_calls`` are copied rows."""
    if cache.name == "diskcache":
        for start in range(0, count, 10_000):
            with cache.owner.transact():  # one commit for many calls
                call_all(cache, start, min(count, start + 10_000))
    elif cache.name == "joblib" or count <= real_calls:
        call_all(cache, 0, count)
    else:
        call_all(cache, 0, FEW)
        cache.close()
        copy_rows(cache, FEW, count)
    before = workloads.executions()
    for x in random.Random(0).sample(range(count), min(count, 1_000)):
        if cache.function(x) != x * 0.5:
            fail(f"{cache.name}: a call of the store has another result")
    if workloads.executions() != before:
        fail(f"{cache.name}: a call of the store is no hit")


def call_all(cache: peers.Cache, start: int, stop: int) -> None:
    """Make real calls."""
    for x in range(start, stop):
        cache.function(x)


def copy_rows(cache: peers.Cache, start: int, stop: int) -> None:
    """Write copies of the rows of a real call under the keys, tokens and checksums of other calls."""
    from resultstore._identity.key import token
    from resultstore._verifying import row_checksum

    path = os.path.join(place_of(cache), "index.sqlite")
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        call = dict(connection.execute("SELECT * FROM call ORDER BY id DESC LIMIT 1").fetchone())
        argument = dict(connection.execute("SELECT * FROM argument WHERE call_id = ?", (call["id"],)).fetchone())
        shift = call["id"] - start + 1

        def calls() -> Iterator[dict[str, Any]]:
            for x in range(start, stop):
                row = call | {"id": x + shift, "key": cache.function.key(x), "number": x * 0.5}
                row |= {"access_sequence": x + shift, "created_at": call["created_at"] - (stop - x) * 1e-3}
                row["checksum"] = row_checksum(row["key"], types.SimpleNamespace(**row), ())
                yield row

        def arguments() -> Iterator[dict[str, Any]]:
            for x in range(start, stop):
                yield argument | {"call_id": x + shift, "number": float(x), "token": token(x), "summary": str(x)}

        connection.executemany(insert_of("call", call), calls())
        connection.executemany(insert_of("argument", argument), arguments())
        connection.execute("UPDATE total SET access_sequence = access_sequence + ?", (stop - start,))
        connection.execute(
            "UPDATE function SET misses = misses + :n, stored = stored + :n, nbytes = nbytes + 8 * :n",
            {"n": stop - start},
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def insert_of(table: str, row: dict[str, Any]) -> str:
    """Return the statement that writes a whole row."""
    return f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(':' + name for name in row)})"


def measure_store(plan: Plan, names: Sequence[str], count: int) -> list[Row]:
    """Measure all rows of one size."""
    libraries = [n for n in peers.NAMES if n != "joblib" or count <= JOBLIB_CALLS]
    with ExitStack() as stack:
        cached = stack.enter_context(peers.caches(workloads.point, plan.place, names=libraries))
        rows = stack.enter_context(peers.sqlite_rows(plan.place, count))
        for cache in cached:
            fill(cache, count, plan.real_calls)
        xs = random.Random(1).sample(range(count), min(count, plan.distinct))
        found = [
            Row(names[0], measure(hit_contenders(cached, rows, xs), plan.rounds), (SELECT,)),
            Row(names[1], measure(miss_contenders(cached, rows), plan.rounds), (INSERT,)),
        ]
        paths = {cache.name: place_of(cache) for cache in cached} | {SQLITE: rows.path}
        for cache in cached:
            cache.close()
        usage = {name: usage_of(path) for name, path in paths.items() if name in peers.NAMES}
        found.append(Row(names[2], measure(openings(paths, xs[0]), plan.process_rounds), (SQLITE,)))
        found.append(Row(names[3], measure(find_contenders(cached, rows, xs, width=None), plan.rounds), (FIND,)))
        found.append(Row(names[4], measure(find_contenders(cached, rows, xs, width=10), plan.rounds), (FIND,)))
        calls = count + 1 + plan.rounds * MISSES  # are in the store by now
        evicting = [*map(evictor, (c for c in cached if c.name != "joblib")), Contender(DELETE, partial(delete, rows))]
        found.append(Row(names[5], measure(evicting, EVICTIONS), (DELETE,)))
        for i, name in enumerate(names[len(KINDS) :]):
            figures = {who: [Sample(used[i] / calls, used[i] / calls)] for who, used in usage.items()}
            found.append(Row(name, figures, unit=("B", "inodes")[i]))
        return found


def evictor(cache: peers.Cache) -> Contender:
    """Return who removes a tenth of its calls: we evict the least recently used, diskcache expires its oldest."""
    if cache.name == peers.OURS:

        def evict() -> Sample:
            kept = cache.owner.stats().by_function[cache.function.name].calls * 9 // 10
            sample = time_calls(partial(cache.owner.reduce_size, items_limit=kept), [()])
            if cache.owner.stats().by_function[cache.function.name].calls != kept:
                fail("we have not evicted a tenth")
            return sample

        return Contender(cache.name, evict)

    def expire() -> Sample:
        count = len(cache.owner)
        oldest = "SELECT rowid FROM Cache ORDER BY rowid LIMIT ?"
        # Each at a time of its own: `expire` goes on after the last time of a batch.
        cache.owner._sql(f"UPDATE Cache SET expire_time = rowid WHERE rowid IN ({oldest})", (count // 10,))
        sample = time_calls(cache.owner.expire, [()])
        if not count * 0.899 <= len(cache.owner) <= count * 0.901:
            fail("diskcache has not removed a tenth")
        return sample

    return Contender(cache.name, expire)


def delete(rows: peers.Rows) -> Sample:
    """Time the removal of a tenth of the rows."""
    return time_calls(partial(rows.delete_oldest, rows.count() // 10), [()])


def hit_contenders(cached: list[peers.Cache], rows: peers.Rows, xs: Sequence[int]) -> list[Contender]:
    """Return who hits calls from all over the store."""
    calls, expected = [(x,) for x in xs], [x * 0.5 for x in xs]
    contenders = [hits(c.name, c.function, calls, expected) for c in cached]
    return [*contenders, hits(SELECT, rows.select, [(peers.key_of(x),) for x in xs])]


def miss_contenders(cached: list[peers.Cache], rows: peers.Rows) -> list[Contender]:
    """Return who stores further calls."""
    contenders = [misses(c.name, c.function, MISSES, make_half) for c in cached]
    return [*contenders, misses(INSERT, rows.insert, MISSES, make_half, stores=False)]


def find_contenders(
    cached: list[peers.Cache], rows: peers.Rows, xs: Sequence[int], *, width: int | None
) -> list[Contender]:
    """Return who finds a call by its argument, or the newest in a range: the others would read all they have."""
    from resultstore import between

    (ours,) = (c for c in cached if c.name == peers.OURS)

    def find_only(x: int) -> Any:
        return ours.owner.find(ours.function, x=x if width is None else between(x - width, x)).first()

    def find(x: int) -> Any:
        return find_only(x).load()

    def find_row(x: int) -> Any:
        return rows.find(x) if width is None else rows.find_between(x - width, x)

    once = time_calls(find, [(xs[0],)])
    calls = [(x,) for x in itertools.islice(xs, max(1, min(50, int(0.2 / once.wall))))]
    if [find(*call) for call in calls] != [x * 0.5 for (x,) in calls]:
        fail("find finds other calls than those that were asked for")
    return [hits(peers.OURS, find_only, calls), hits(FIND, find_row, calls)]


def usage_of(path: str) -> tuple[int, int]:
    """Return bytes in whole blocks, and inodes, of a directory."""
    places = [path]
    for root, folders, files in os.walk(path):
        places += [os.path.join(root, name) for name in itertools.chain(folders, files)]
    return sum(os.lstat(place).st_blocks * 512 for place in places), len(places)
