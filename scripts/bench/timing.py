"""How a figure is taken: samples of all contenders in interleaved rounds, by the wall clock and by the CPU clock."""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import workloads

Call = tuple[Any, ...]
Function = Callable[..., Any]

SAMPLE_S = 0.008  # a sample lasts at least so long, unless a single call does
MOST_CALLS = 100_000  # calls in a sample, however short they are
FRESH = itertools.count(10_000_000)
"""Arguments that no call has had yet."""


@dataclass(frozen=True)
class Sample:
    """Seconds per call by both clocks; for figures of the disk, bytes or inodes per call in both."""

    wall: float
    cpu: float
    errors: int = 0


@dataclass(frozen=True)
class Contender:
    """Who takes part in a row, and how one sample of it is taken."""

    name: str
    take: Callable[[], Sample]


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    name: str
    samples: Mapping[str, Sequence[Sample]]
    """By contender. One that is not there lacks the feature, or is not installed."""
    limits: tuple[str, ...] = ()
    """The contenders that only show what is possible; the first is the one of the ratio."""
    unit: str = "s"
    """``"s"``, ``"calls/s"``, ``"B"`` or ``"inodes"``."""


@dataclass(frozen=True)
class Task:
    """Rows that are measured together."""

    chapter: str
    rows: tuple[str, ...]
    run: Callable[[], Iterable[Row]]


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    place: str | None = None
    """Where the temporary directories are made."""
    rounds: int = 25
    large_rounds: int = 9
    """Of rows in which a call takes long."""
    process_rounds: int = 9
    """Of rows for which processes are started."""
    small: int = 1_000
    medium: int = 1_000_000
    large: int = 100_000_000
    """Bytes of arrays."""
    table_rows: int = 1_000_000
    distinct: int = 2_000
    window_s: float = 0.5
    """A sample of throughput."""
    stores: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    """Calls in the stores of the chapter on growth."""
    real_calls: int = 100_000
    """Larger stores of ours are filled by copies of rows."""


def fail(text: str) -> None:
    """Stop the run: what was about to be measured is not what the row says."""
    raise SystemExit(text)


def time_calls(function: Function, calls: Sequence[Call]) -> Sample:
    """Time all calls together, without the garbage collector."""
    gc.disable()
    try:
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for call in calls:
            function(*call)
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    finally:
        gc.enable()
    return Sample(wall / len(calls) * 1e-9, cpu / len(calls) * 1e-9)


def check_executions(name: str, before: int, expected: int) -> None:
    """Stop the run unless the functions of the workloads ran exactly so often since then."""
    executed = workloads.executions() - before
    if executed != expected:
        fail(f"{name}: {executed} executions instead of {expected}; these are not the calls to measure")


def hits(
    name: str,
    function: Function,
    calls: Sequence[Call],
    expected: Sequence[Any] | None = None,
    *,
    finish: Callable[[], object] | None = None,
) -> Contender:
    """Return a contender whose calls are all answered without computing.

    Each call is made once before, where it may compute, and once more, when it must not and must give
    the expected value. ``finish`` is called at the end of each sample, and timed with it.
    """
    for call in calls:
        function(*call)
    before = workloads.executions()
    if expected is not None and not all(map(workloads.same, (function(*call) for call in calls), expected)):
        fail(f"{name}: the hits have other results than the function")
    # The third call is not yet like the thousandth: something may be opened, and a sample made after it is too short.
    once = min(time_calls(function, calls).wall for _ in range(5))
    check_executions(name, before, 0)
    repeats = math.ceil(SAMPLE_S / (once * len(calls)))
    many = list(calls) * max(1, min(repeats, MOST_CALLS // len(calls)))

    def take() -> Sample:
        started = workloads.executions()
        sample = time_calls(function, many)
        if finish is not None:
            last = time_calls(finish, [()])
            sample = Sample(sample.wall + last.wall / len(many), sample.cpu + last.cpu / len(many))
        check_executions(name, started, 0)
        return sample

    return Contender(name, take)


def misses(
    name: str,
    function: Function,
    count: int,
    prepare: Callable[[int, int], Any],
    *,
    drop: Callable[[int], object] | None = None,
    stores: bool = True,
) -> Contender:
    """Return a contender whose calls, ``count`` a sample, are all computed and stored.

    ``prepare(number, i)`` makes ready, untimed, what call ``i`` of a sample will return for the argument
    ``number``, and returns it. After each sample its last call must be a hit of that value; ``drop`` removes a call.
    """
    first = next(FRESH)
    prepare(first, 0)
    function(first)  # what only the very first call does is not measured here
    if drop is not None:
        drop(first)

    def take() -> Sample:
        numbers = [next(FRESH) for _ in range(count)]
        values = [prepare(number, i) for i, number in enumerate(numbers)]
        before = workloads.executions()
        sample = time_calls(function, [(number,) for number in numbers])
        check_executions(name, before, count if stores else 0)
        if stores and not workloads.same(values[-1], function(numbers[-1])):
            fail(f"{name}: a stored result is another than the function's")
        check_executions(name, before, count if stores else 0)
        if drop is not None:
            for number in numbers:
                drop(number)
        return sample

    return Contender(name, take)


def measure(contenders: Iterable[Contender], rounds: int) -> dict[str, list[Sample]]:
    """Return the samples of each contender, taken in interleaved rounds."""
    contenders = list(contenders)
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for i in range(rounds):
        turn = i % len(contenders)  # everyone goes first now and then
        for contender in contenders[turn:] + contenders[:turn]:
            samples[contender.name].append(contender.take())
    return samples


def call_for(seconds: float, function: Function, calls: Iterable[Call]) -> tuple[int, Sample]:
    """Call as often as that time allows; return how often, and the time of all calls together."""
    count, calls = 0, iter(calls)
    gc.disable()
    try:
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        end = wall + int(seconds * 1e9)
        while time.perf_counter_ns() < end:
            for call in itertools.islice(calls, 10):
                function(*call)
            count += 10
        wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    finally:
        gc.enable()
    return count, Sample(wall * 1e-9, cpu * 1e-9)
