"""A process of the rows on throughput: makes hits or misses when it is told to, and counts what goes wrong.

python probe.py CONTENDER FOLDER NUMBER DISTINCT; then lines ``["hits", SECONDS]`` or ``["misses", SECONDS]``.
"""

from __future__ import annotations

import itertools
import json
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import peers
import workloads
from timing import call_for

CHECKED = 20  # calls of each sample of misses that must be hits afterwards


class Careful:
    """A function whose errors and wrong values are counted."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function
        self.errors = 0

    def call(self, argument: Any, expected: Any) -> None:
        """Call it, and look at what it returns."""
        try:
            self.errors += self._function(argument) != expected
        except Exception:
            self.errors += 1


class Prober:
    """One contender in this process."""

    def __init__(self, name: str, path: str, number: int, distinct: int) -> None:
        self._recent: deque[tuple[Any, Any]] = deque(maxlen=CHECKED)
        self._is_cache = name in peers.NAMES
        if self._is_cache:
            function = peers.open_cache(name, workloads.point, path).function
            self.hit, self.make = Careful(function), Careful(function)
            known: list[tuple[Any, Any]] = [(x, x * 0.5) for x in range(distinct)]
            for call in known:
                self.hit.call(*call)
        else:
            rows = peers.Rows(path, distinct)
            self.hit, self.make = Careful(rows.select), Careful(rows.insert)
            known = [(peers.key_of(x), (x * 0.5,)) for x in range(distinct)]
        self._known = itertools.cycle(known)
        self._fresh = itertools.count(number * 10**9)

    def _new_calls(self) -> Iterable[tuple[int, Any]]:
        for x in self._fresh:
            call = (x, x * 0.5 if self._is_cache else None)
            self._recent.append(call)
            yield call

    def probe(self, kind: str, seconds: float) -> dict[str, float]:
        """Make hits or misses for so long, and report."""
        self.hit.errors = self.make.errors = 0
        before = workloads.executions()
        if kind == "hits":
            count, sample = call_for(seconds, self.hit.call, self._known)
        else:
            count, sample = call_for(seconds, self.make.call, self._new_calls())
            before += count * self._is_cache
            for x, expected in self._recent:
                self.hit.call(*((x, expected) if self._is_cache else (peers.key_of(x), (x * 0.5,))))
        errors = self.hit.errors + self.make.errors + abs(workloads.executions() - before)
        return {"count": count, "wall": sample.wall, "cpu": sample.cpu, "errors": errors}


def main() -> None:
    prober = Prober(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    for line in sys.stdin:
        with warnings.catch_warnings(record=True) as told:  # a cache that fails may only warn of it
            warnings.simplefilter("always")
            report = prober.probe(*json.loads(line))
        report["errors"] += len(told)
        print(json.dumps(report), flush=True)


main()
