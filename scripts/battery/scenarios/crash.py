"""Processes that are killed or interrupted, and files that a power cut has lost."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time

from battery import work
from battery.lab import BROKEN, STUCK, Lab, Report, Seen
from battery.model import Group
from battery.tools import Tool

GROUP = Group("Crash and power")
ROUNDS = 12
LIMIT = 20 * work.TABLE_NBYTES


def killed(lab: Lab, busy: object, rounds: int = ROUNDS) -> None:
    """Kill a busy process at many moments; after each, calls must be right."""
    chance = random.Random(1)
    for _ in range(rounds):
        visit = lab.start(busy)  # type: ignore[arg-type]
        time.sleep(chance.uniform(0.005, 0.12))
        visit.kill()
        lab.judge(visit.finish(), killed=True)
        lab.use()
    lab.goes_on()
    lab.stays_tidy()


def writing(store: Tool) -> None:
    """Miss for ever."""
    table, small = store.cache(work.table), store.cache(work.small)
    for x in itertools.count(os.getpid() * 1000):
        table(x)
        small(x)


@GROUP.scenario(f"a process that stores is killed, {ROUNDS} times")
def writer(lab: Lab) -> None:
    lab.fill()
    killed(lab, lambda: writing(lab.open()))


@GROUP.scenario(f"a process that stores and evicts is killed, {ROUNDS} times")
def evictor(lab: Lab) -> None:
    lab.fill()
    killed(lab, lambda: writing(lab.open(limit=LIMIT)))


@GROUP.scenario(f"a process that clears is killed, {ROUNDS} times")
def clearer(lab: Lab) -> None:
    lab.fill()

    def busy() -> Report:
        store = lab.open()
        table = store.cache(work.table)
        while True:
            for x in range(3):
                table(x)
            store.clear()

    killed(lab, busy)


@GROUP.scenario("a process is killed after its call has returned: the result is there")
def returned(lab: Lab) -> None:
    def busy() -> Report:
        store = lab.open()
        store.cache(work.slow)(1, 0.3)
        (lab.folder / "returned").touch()
        time.sleep(60)
        return {}

    visit = lab.start(busy)
    for _ in range(400):
        if (lab.folder / "returned").exists():
            break
        time.sleep(0.02)
    visit.kill()
    lab.judge(visit.finish(), killed=True)
    before = lab.runs()

    def again() -> Report:
        seen = Seen()
        store = lab.open()
        seen.call(store.cache(work.slow), work.table_value(1), 1, 0.3)
        return seen.report()

    lab.visit(again)
    if lab.runs() != before:
        lab.saw(BROKEN, "computed again")


@GROUP.scenario(f"Ctrl-C in a process that stores, {ROUNDS} times")
def interrupted(lab: Lab) -> None:
    lab.fill()
    marks = lab.folder / "interrupts"
    marks.touch()
    marks.chmod(0o666)

    def busy() -> Report:
        seen = Seen()
        store = lab.open()
        table, small = store.cache(work.table), store.cache(work.small)
        number = itertools.count(10_000)
        for _ in range(ROUNDS):
            try:
                while True:
                    x = next(number)
                    seen.call(table, work.table_value(x), x)
                    seen.call(small, work.small_value(x), x)
            except KeyboardInterrupt:
                with marks.open("a") as file:
                    file.write("!")
            seen.call(table, work.table_value(1), 1)
        store.close()
        return seen.report()

    visit = lab.start(busy)
    chance = random.Random(2)
    for done in range(ROUNDS):
        time.sleep(chance.uniform(0.2, 0.3) if done == 0 else chance.uniform(0.005, 0.05))
        visit.kill(signal.SIGINT)
        for _ in range(100):
            if marks.stat().st_size > done or visit.is_done():
                break
            time.sleep(0.02)
        else:
            lab.saw(STUCK, "swallows the interrupt")
            visit.kill(signal.SIGINT)
    lab.judge(visit.finish(20))
    lab.goes_on()
    lab.stays_tidy()


@GROUP.scenario("power cut: the last files are empty")
def emptied(lab: Lab) -> None:
    lab.fill()
    for path in lab.tool.payloads(lab.place)[:2]:
        os.truncate(path, 0)
    lab.goes_on()


@GROUP.scenario("power cut: the last files are of their length, and zeros")
def zeroed(lab: Lab) -> None:
    lab.fill()
    for path in lab.tool.payloads(lab.place)[:2]:
        path.write_bytes(bytes(path.stat().st_size))
    lab.goes_on()


@GROUP.scenario("by an option, a file is on the disk before it counts")
def synced(lab: Lab) -> None:
    def stored() -> Report:
        # Python's own calls are counted and made: SQLite syncs its files by itself.
        synced_files = []
        real = {name: getattr(os, name) for name in ("fsync", "fdatasync")}

        def counted(name: str) -> object:
            def call(fd: int) -> None:
                synced_files.append(os.readlink(f"/proc/self/fd/{fd if isinstance(fd, int) else fd.fileno()}"))
                real[name](fd)

            return call

        for name in real:
            setattr(os, name, counted(name))
        store = lab.open(durable=True)
        seen = Seen()
        seen.call(store.cache(work.table), work.table_value(1), 1)
        store.close()
        return {**seen.report(), "synced": synced_files}

    told = lab.visit(stored).get("synced", [])
    if not any(os.path.isdir(path) for path in told) or not any(not os.path.isdir(path) for path in told):
        lab.saw(BROKEN, "not synced")
    lab.goes_on()
