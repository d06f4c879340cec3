"""Many processes and threads that do different things with one store."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

from battery import work
from battery.lab import BROKEN, Lab, Report, Seen
from battery.model import Group

GROUP = Group("Many at once")
LIMIT = 4_000_000
SECONDS = 2.5


def busy(lab: Lab, number: int, **more: object) -> Report:
    """Miss, hit, evict and clear in a random order."""
    seen = Seen()
    chance = random.Random(number)
    with seen.trying():
        store = lab.open(**more)
        table, small = store.cache(work.table), store.cache(work.small)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            x = chance.randrange(30)
            what = chance.random()
            if what < 0.6:
                seen.call(table, work.table_value(x), x)
            elif what < 0.97:
                seen.call(small, work.small_value(x), x)
            elif what < 0.99:
                with seen.trying():
                    store.shrink(LIMIT // 2)
            else:
                with seen.trying():
                    store.clear()
        store.close()
    return seen.report()


def disk_nbytes(place: Path) -> int:
    """Return the blocks of all files, of those that stay long enough to be looked at."""
    total = 0
    for folder, _, names in os.walk(place):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total


@GROUP.scenario("8 processes miss, hit, evict and clear")
def mixed(lab: Lab) -> None:
    lab.together(8, lambda number: busy(lab, number))
    lab.goes_on()
    lab.stays_tidy()


@GROUP.scenario("4 processes of 4 threads miss, hit, evict and clear")
def mixed_threads(lab: Lab) -> None:
    def act(number: int) -> Report:
        reports: list[Report] = []
        workers = [
            threading.Thread(target=lambda one=one: reports.append(busy(lab, 10 * number + one)), daemon=True)  # type: ignore[misc]
            for one in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wrong = sum(report["wrong"] for report in reports)
        return {"wrong": wrong, "raised": sorted({name for report in reports for name in report["raised"]})}

    lab.together(4, act)
    lab.goes_on()


@GROUP.scenario("8 processes under a limit of 4 MB: kept at every moment, but for one result each")
def budget(lab: Lab) -> None:
    largest = 0

    def act(number: int) -> Report:
        seen = Seen()
        chance = random.Random(number)
        with seen.trying():
            store = lab.open(limit=LIMIT)
            table = store.cache(work.table)
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                x = chance.randrange(60)
                seen.call(table, work.table_value(x), x)
            store.close()
        return seen.report()

    visits = [lab.start(lambda one=one: act(one)) for one in range(8)]  # type: ignore[misc]
    while not all(visit.is_done() for visit in visits):
        largest = max(largest, disk_nbytes(lab.place))
        time.sleep(0.005)
    for visit in visits:
        lab.judge(visit.finish())
    # A little more than a result each: a file has a head, and its last block is whole.
    if largest > LIMIT + 8 * (work.TABLE_NBYTES + 8192):
        lab.saw(BROKEN, f"{largest / 1e6:.0f} MB on the disk")


def opening(lab: Lab) -> None:
    """Let 50 processes open a store at the same moment and use it, and end without closing it."""
    kept = []

    def act(number: int) -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            kept.append(store)
            for x in range(4):
                seen.call(store.cache(work.table), work.table_value(x), x)
                seen.call(store.cache(work.small), work.small_value(x), x)
        return seen.report()

    lab.together(50, act)


@GROUP.scenario("50 processes open a store that is not there yet")
def opened_anew(lab: Lab) -> None:
    opening(lab)
    lab.goes_on()
    lab.stays_tidy()


@GROUP.scenario("50 processes open a filled store and hit: nothing is written before they close it")
def opened(lab: Lab) -> None:
    lab.fill()
    before, runs = files(lab.place), lab.runs()
    opening(lab)
    if lab.runs() != runs:
        lab.saw(BROKEN, "computed again")
    if files(lab.place) != before:
        lab.saw(BROKEN, "written to")


def files(place: Path) -> dict[str, tuple[int, int]]:
    """Return the lengths and times of all files but SQLite's log."""
    paths = [path for path in place.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm"))]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


@GROUP.scenario("another process clears while results are read")
def cleared(lab: Lab) -> None:
    lab.fill()

    def act(number: int) -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            table = store.cache(work.table)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                if number == 0:
                    store.clear()
                    time.sleep(0.01)
                for x in range(4):
                    seen.call(table, work.table_value(x), x)
            store.close()
        return seen.report()

    lab.together(4, act)
    lab.goes_on()
    lab.stays_tidy()


@GROUP.scenario("a fork after calls: parent and child go on")
def forked(lab: Lab) -> None:
    fork(lab, threads=0)


@GROUP.scenario("a fork while 3 threads make calls: parent and child go on")
def forked_busy(lab: Lab) -> None:
    fork(lab, threads=3)


def fork(lab: Lab, threads: int) -> None:
    """Fork a process that uses a store."""
    lab.fill()

    def act() -> Report:
        seen = Seen()
        store = lab.open()
        table, small = store.cache(work.table), store.cache(work.small)
        going = True

        def call_on(first: int) -> None:
            x = first
            while going:
                seen.call(table, work.table_value(x % 8), x % 8)
                seen.call(small, work.small_value(x), x)
                x += 1

        for x in range(4):
            seen.call(table, work.table_value(x), x)
        workers = [threading.Thread(target=call_on, args=(1000 * one,), daemon=True) for one in range(1, threads + 1)]
        for worker in workers:
            worker.start()
        for turn in range(5):
            time.sleep(0.05)

            def child(turn: int = turn) -> Report:
                inner = Seen()
                for x in range(10 * turn, 10 * turn + 6):
                    inner.call(table, work.table_value(x), x)
                    inner.call(small, work.small_value(x), x)
                return inner.report()

            report = lab.start(child).finish(8)
            seen.raised += report.get("raised", ["a deadlock" if report.get("hung") else "in a child"])
            seen.wrong += report.get("wrong", 0)
            seen.call(table, work.table_value(turn + 50), turn + 50)
        going = False
        for worker in workers:
            worker.join()
        store.close()
        return seen.report()

    lab.visit(act, 60)
    lab.goes_on()


@GROUP.scenario("calls after the store was closed")
def closed(lab: Lab) -> None:
    lab.fill()

    def act() -> Report:
        seen = Seen()
        store = lab.open()
        table = store.cache(work.table)
        for x in range(6):
            seen.call(table, work.table_value(x), x)
            with seen.trying():
                store.close()
        return seen.report()

    lab.visit(act)
    lab.goes_on()
