"""How many seconds of compute does each policy of eviction save, beside the standing one and the best there could be?

Seeded traces of requests are replayed under several budgets through the policies of `resultstore.eviction`: their
ranks and ages, no copy of them. The best there could be is a bound by linear programming. One trace also goes
through a real store, which must hit and evict as the replay does. Nothing is timed: the figures are the same on
every machine. With --write they are put into replay.md, with --tiny only few requests are replayed.
"""

from __future__ import annotations

import heapq
import random
import re
import sys
import tempfile
import types
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

import resultstore._computing
from resultstore import Store
from resultstore._data import replace
from resultstore.eviction import POLICIES, Policy, Use

PAGE = Path(__file__).with_suffix(".md")
SHARES = (0.02, 0.1, 0.3)
"""Budgets, as shares of the bytes of all results of a trace."""
POPULARITY = 0.9


@dataclass(frozen=True)
class Result:
    """What one call gives, and what it costs."""

    nbytes: int
    seconds: float


@dataclass(frozen=True)
class Trace:
    """Requests for results, by number."""

    name: str
    requests: Sequence[int]
    results: Sequence[Result]

    @property
    def nbytes(self) -> int:
        """Return the bytes of all results that are asked for."""
        return sum(self.results[number].nbytes for number in set(self.requests))

    @property
    def seconds(self) -> float:
        """Return what a store without a limit saves: all but the first request for each result."""
        spent = sum(self.results[number].seconds for number in self.requests)
        return spent - sum(self.results[number].seconds for number in set(self.requests))


# -- traces


def make_traces(count: int) -> list[Trace]:
    """Return the traces, of so many requests each."""
    return [make(random.Random(seed), count) for seed, make in enumerate((zipf, scans, mixed, drift), start=1)]


def make_results(random_: random.Random, count: int) -> list[Result]:
    """Return results whose bytes and seconds spread over some powers of ten, and have nothing to do with each other."""
    return [Result(int(random_.lognormvariate(11, 1.5)) + 100, random_.lognormvariate(-1, 1.5)) for _ in range(count)]


def choose(random_: random.Random, numbers: Sequence[int], count: int) -> list[int]:
    """Return requests for some results, the first ones most often."""
    weights = [1 / (place + 1) ** POPULARITY for place in range(len(numbers))]
    return random_.choices(numbers, weights, k=count)


def zipf(random_: random.Random, count: int) -> Trace:
    """Some results are asked for much more often than others, always the same ones."""
    results = make_results(random_, count // 5)
    return Trace("Zipf", choose(random_, range(len(results)), count), results)


def scans(random_: random.Random, count: int) -> Trace:
    """The same, now and then broken off by a run through results that are asked for once."""
    results = make_results(random_, count)
    popular, once = range(count // 6), iter(range(count // 6, count))
    requests: list[int] = []
    while len(requests) < count:
        requests += choose(random_, popular, count // 12)
        requests += [number for _, number in zip(range(count // 15), once, strict=False)]
    return Trace("scans", requests[:count], results)


def mixed(random_: random.Random, count: int) -> Trace:
    """Results that are large and cheap among ones that are small and dear."""
    results = [
        Result(random_.randrange(1_000_000, 5_000_000), random_.uniform(0.01, 0.1))
        if number % 2
        else Result(random_.randrange(1_000, 50_000), random_.uniform(1, 30))
        for number in range(count // 5)
    ]
    return Trace("cheap and large, dear and small", choose(random_, range(len(results)), count), results)


def drift(random_: random.Random, count: int) -> Trace:
    """What is popular changes: of the popular results a third is replaced every so often."""
    results = make_results(random_, count)
    numbers, fresh = list(range(count // 10)), iter(range(count // 10, count))
    requests: list[int] = []
    while len(requests) < count:
        requests += choose(random_, numbers, count // 12)
        for place in random_.sample(range(len(numbers)), len(numbers) // 3):
            numbers[place] = next(fresh)
    return Trace("drift", requests[:count], results)


# -- replay


class Replay:
    """A store of results without bytes: what is stored, what goes, and how old the store is."""

    def __init__(self, policy: Policy, budget: int) -> None:
        self._policy = policy
        self._budget = budget
        self._stored: dict[int, Use] = {}
        self._counts: dict[int, int] = {}  # as records keep them when their results go
        self._queue: list[tuple[tuple[float, ...], int, int, Use]] = []
        self._nbytes = 0
        self._age = 0.0
        self._sequence = 0

    def request(self, number: int, result: Result) -> bool:
        """Ask for a result; say whether that is a hit."""
        self._sequence += 1
        found = self._stored.get(number)
        if found is not None:
            self._counts[number] += 1
            used = replace(found, access_sequence=self._sequence, access_count=self._counts[number], age=self._age)
            self._put(used)
            return True
        if result.nbytes > self._budget:
            return False
        while self._nbytes + result.nbytes > self._budget:
            self._evict()
        count = self._counts.setdefault(number, 0)
        self._put(Use(number, self._sequence, count, float(self._sequence), result.seconds, result.nbytes, self._age))
        self._nbytes += result.nbytes
        return False

    def _put(self, use: Use) -> None:
        self._stored[use.id] = use
        heapq.heappush(self._queue, (self._policy.rank(use), use.id, self._sequence, use))

    def _evict(self) -> None:
        _, number, _, use = heapq.heappop(self._queue)
        if self._stored.get(number) is use:  # else it was hit since
            del self._stored[number]
            self._nbytes -= use.nbytes
            self._age = max(self._age, self._policy.aged([use]))


def replay(trace: Trace, policy: Policy, budget: int) -> list[bool]:
    """Return for each request whether it hits."""
    store = Replay(policy, budget)
    return [store.request(number, trace.results[number]) for number in trace.requests]


def saved(trace: Trace, hits: Iterable[bool]) -> float:
    """Return the seconds of compute that hits make unnecessary."""
    return sum(trace.results[number].seconds for number, hit in zip(trace.requests, hits, strict=True) if hit)


def bound(trace: Trace, budget: int) -> float:
    """Return seconds that no policy can exceed, not even one that knows all requests beforehand.

    Between two requests for a result a store either keeps it, and saves its seconds at the second one, or does
    not. What is kept between two requests must fit into the budget. Where results may be kept in part, the best
    choice is a linear program: a flow of bytes through time, along the requests (free room) or across them (a
    kept result). The best choice of whole results saves at most as much.
    (D. Berger, N. Beckmann, M. Harchol-Balter, Practical bounds on optimal caching with variable object sizes,
    ACM SIGMETRICS 2018; here with seconds for the worth of a hit.)
    """
    last: dict[int, int] = {}
    kept = []
    for time, number in enumerate(trace.requests):
        if number in last and trace.results[number].nbytes <= budget:
            kept.append((last[number], time, trace.results[number]))
        last[number] = time
    steps = len(trace.requests) - 1
    # A row for each request: what flows out is what flows in. Columns: free room after each, then what is kept.
    rows, columns, values = [], [], []

    def flow(row: int, column: int, share: float) -> None:
        if row < steps:
            rows.append(row)
            columns.append(column)
            values.append(share)

    for time in range(steps):
        flow(time, time, 1.0)
        flow(time + 1, time, -1.0)
    for i, (start, end, result) in enumerate(kept):
        flow(start, steps + i, result.nbytes / budget)
        flow(end, steps + i, -result.nbytes / budget)
    balance = coo_array((values, (rows, columns)), shape=(steps, steps + len(kept)))
    supply = np.zeros(steps)
    supply[0] = 1.0
    worth = np.array([0.0] * steps + [-result.seconds for _, _, result in kept])
    found = linprog(worth, A_eq=balance.tocsr(), b_eq=supply, bounds=(0, 1), method="highs")
    if found.status != 0:
        raise SystemExit(f"the bound of {trace.name} was not found: {found.message}")
    return float(-found.fun)


# -- the same through a real store


class World:
    """What runs of the function below are made of. The time goes on when a run says so, and never else."""

    results: Sequence[Result] = ()
    executed = 0
    seconds = 0.0


def compute(number: int) -> bytes:
    """Give a result as large as the trace says, after as long as it says."""
    result = World.results[number]
    World.executed += 1
    World.seconds += result.seconds
    return (b"%9d" % number * (result.nbytes // 9 + 1))[: result.nbytes]


def through_a_store(trace: Trace, policy: Policy, budget: int, place: str) -> list[bool]:
    """Return for each request whether it hits in a real store."""
    World.results = trace.results
    hits = []
    timer = resultstore._computing.time
    resultstore._computing.time = types.SimpleNamespace(perf_counter=lambda: World.seconds)  # type: ignore[attr-defined]
    try:
        with Store(place, policy=policy) as store:
            cached = store.cache(compute, size_limit=budget, ignore_globals="World")
            for number in trace.requests:
                before = World.executed
                cached(number)
                hits.append(before == World.executed)
                if hits[-1]:
                    store._vault.flush()  # type: ignore[union-attr] -- now, not with the hits of some seconds
            for record in store.find(cached):
                if record.state == "stored" and record.nbytes != trace.results[record.arguments["number"]].nbytes:
                    raise SystemExit("a stored result takes other bytes than the trace says")
    finally:
        resultstore._computing.time = timer  # type: ignore[attr-defined]
    return hits


# -- the page


def tables(traces: Sequence[Trace]) -> Iterator[str]:
    """Yield the lines of the tables."""
    yield "| trace | budget | " + " | ".join(f"`{name}`" for name in POLICIES) + " | bound | no limit |"
    yield "|---|--:|" + "--:|" * (len(POLICIES) + 2)
    for trace in traces:
        for share in SHARES:
            budget = int(trace.nbytes * share)
            best = bound(trace, budget)
            gains = {name: saved(trace, replay(trace, policy, budget)) for name, policy in POLICIES.items()}
            if max(gains.values()) > best * (1 + 1e-6):
                raise SystemExit(f"{trace.name}: a policy saves more than the bound says is possible")
            cells = [
                f"{seconds:,.0f} ({seconds / gains['lru']:.2f}, {seconds / best:.0%})" for seconds in gains.values()
            ]
            yield f"| {trace.name} | {share:.0%} | " + " | ".join(cells) + f" | {best:,.0f} | {trace.seconds:,.0f} |"


def compare(trace: Trace, share: float) -> Iterator[str]:
    """Yield the lines of a table: one trace through a real store and through the replay."""
    budget = int(trace.nbytes * share)
    yield "| policy | requests | hits, replayed | hits, real store | requests that differ |"
    yield "|---|--:|--:|--:|--:|"
    for name, policy in POLICIES.items():
        replayed = replay(trace, policy, budget)
        with tempfile.TemporaryDirectory() as place:
            real = through_a_store(trace, policy, budget, place)
        differ = sum(one != other for one, other in zip(replayed, real, strict=True))
        yield f"| `{name}` | {len(real):,} | {sum(replayed):,} | {sum(real):,} | {differ} |"


def main() -> None:
    tiny = "--tiny" in sys.argv
    text = "\n".join(
        [
            *tables(make_traces(120 if tiny else 6_000)),
            "",
            *compare(mixed_small(120 if tiny else 2_000), 0.1),
        ]
    )
    print(text)
    if "--write" in sys.argv:
        page = PAGE.read_text()
        marked = re.compile(r"(<!-- measured: begin -->\n).*(<!-- measured: end -->)", re.DOTALL)
        PAGE.write_text(marked.sub(lambda match: f"{match[1]}{text}\n{match[2]}", page))


def mixed_small(count: int) -> Trace:
    """Return the mixed trace with a hundredth of the bytes, for a real disk, and seconds that add up exactly."""
    trace = mixed(random.Random(5), count)
    results = [Result(r.nbytes // 100 + 2_000, round(r.seconds * 1024) / 1024) for r in trace.results]
    return Trace(trace.name, trace.requests, results)


if __name__ == "__main__":
    main()
