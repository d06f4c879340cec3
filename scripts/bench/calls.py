"""Calls with small arguments and results: hits, misses, and calls of several processes at once."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import peers
import workloads
from timing import Call, Contender, Plan, Row, Sample, Task, fail, hits, measure, misses

CHAPTER, CROWD_CHAPTER = "Small calls", "Throughput"
SELECT, INSERT, LOOKUP = "one SELECT by key", "one INSERT and commit", "a dict lookup"
MISSES = 200  # in a sample
FEW_MISSES = 20
PAUSE_S = 0.25
SQLITE = "sqlite3"
PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probe.py")


def tasks(plan: Plan) -> Iterator[Task]:
    """Give the rows of the first chapter."""
    for name, distinct, close in (
        ("hit, the same call", 1, False),
        (f"hit, {plan.distinct:,} calls in turn", plan.distinct, False),
        (f"hit, {plan.distinct:,} calls in turn, then close()", plan.distinct, True),
    ):
        yield Task(CHAPTER, (name,), partial(measure_hits, plan, name, distinct, close=close))
    for name, count in (("miss, one of many in a row", MISSES), ("miss, one of a few after a pause", FEW_MISSES)):
        yield Task(CHAPTER, (name,), partial(measure_misses, plan, name, count))


def crowd_tasks(plan: Plan) -> Iterator[Task]:
    """Give the rows on throughput."""
    rows = [f"{kind}, {count} process{'es' * (count > 1)}" for kind in ("hits", "misses") for count in (1, 2)]
    yield Task(CROWD_CHAPTER, tuple(rows), partial(measure_crowd, plan, rows))


def measure_hits(plan: Plan, name: str, distinct: int, *, close: bool) -> list[Row]:
    """Measure hits of so many calls with two numbers and a short text, one after the other."""
    calls: Sequence[Call] = [(i, i / 8, f"abc{i % 10}") for i in range(distinct)]
    table = {call: workloads.mixed(*call) for call in calls}
    expected = list(table.values())
    keys = [(peers.key_of(i),) for i in range(distinct)]
    with peers.caches(workloads.mixed, plan.place) as cached, peers.sqlite_rows(plan.place) as rows:
        contenders = [hits(c.name, c.function, calls, expected, finish=c.close if close else None) for c in cached]
        contenders.append(hits(SELECT, rows.select, keys))
        contenders.append(hits(LOOKUP, table.__getitem__, [(call,) for call in calls], expected))
        return [Row(name, measure(contenders, plan.rounds), (SELECT, LOOKUP))]


def measure_misses(plan: Plan, name: str, count: int) -> list[Row]:
    """Measure calls that are computed and stored."""

    def prepare(number: int, i: int) -> float:
        if i == 0 and count == FEW_MISSES:
            time.sleep(PAUSE_S)
        return make_half(number, i)

    with peers.caches(workloads.point, plan.place) as cached, peers.sqlite_rows(plan.place) as rows:
        contenders = [misses(c.name, c.function, count, prepare) for c in cached]
        contenders.append(misses(INSERT, rows.insert, count, prepare, stores=False))
        return [Row(name, measure(contenders, plan.rounds), (INSERT,))]


def make_half(number: int, i: int) -> float:
    """Say what the function will return."""
    return number * 0.5


class Worker:
    """A process that calls when it is told to."""

    def __init__(self, name: str, path: str, number: int, distinct: int) -> None:
        words = [sys.executable, PROBE, name, path, str(number), str(distinct)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, kind: str, seconds: float) -> None:
        """Let it make hits or misses for so long."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([kind, seconds]) + "\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, float]:
        """Wait for its report."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            fail("a process of the bench has died")
        return dict(json.loads(line))

    def end(self) -> None:
        """Let it end by itself."""
        self._process.communicate()


@contextmanager
def crowd(plan: Plan, name: str) -> Iterator[Callable[[str, int], Sample]]:
    """Start two processes on one store; give a function that takes a sample with one or both of them."""
    with ExitStack() as stack:
        path = stack.enter_context(peers.folder(plan.place))
        workers = []
        for number in (1, 2):
            workers.append(Worker(name, path, number, plan.distinct))
            stack.callback(workers[-1].end)
            workers[-1].tell("hits", 0.05)  # one after the other: the first one fills the store
            workers[-1].hear()

        def take(kind: str, count: int) -> Sample:
            for worker in workers[:count]:
                worker.tell(kind, plan.window_s)
            reports = [worker.hear() for worker in workers[:count]]
            rate = sum(report["count"] / report["wall"] for report in reports)
            cpu = sum(report["cpu"] for report in reports) / sum(report["count"] for report in reports)
            return Sample(1 / rate, cpu, int(sum(report["errors"] for report in reports)))

        yield take


def measure_crowd(plan: Plan, names: Sequence[str]) -> list[Row]:
    """Measure how many hits and misses a second one process makes, and two on the same store."""
    found = []
    with ExitStack() as stack:
        takers = {
            name: stack.enter_context(crowd(plan, name))
            for name in itertools.chain(filter(peers.is_installed, peers.NAMES), [SQLITE])
        }
        for name, (kind, count) in zip(names, itertools.product(("hits", "misses"), (1, 2)), strict=True):
            limit = SELECT if kind == "hits" else INSERT
            contenders = [
                Contender(limit if who == SQLITE else who, partial(take, kind, count)) for who, take in takers.items()
            ]
            found.append(Row(name, measure(contenders, plan.process_rounds), (limit,), "calls/s"))
    return found
