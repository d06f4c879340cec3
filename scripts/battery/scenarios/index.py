"""The index of results, or what stands for it, is not what was written."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from battery import work
from battery.lab import BROKEN, Lab, Report, Seen
from battery.model import Group

GROUP = Group("Damaged index")


def damaged(name: str) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Add a scenario: the index is damaged at rest, and then while the store is open."""

    def added(damage: Callable[[Path], object]) -> Callable[[Path], object]:
        def act(lab: Lab) -> None:
            lab.fill()
            for path in lab.tool.index(lab.place):
                damage(path)
            lab.goes_on()

            def live() -> Report:
                seen = Seen()
                store = lab.open()
                table, small = store.cache(work.table), store.cache(work.small)
                for x in range(4):
                    seen.call(table, work.table_value(x), x)
                for path in lab.tool.index(lab.place):
                    damage(path)
                for x in range(8):
                    seen.call(table, work.table_value(x), x)
                    seen.call(small, work.small_value(x), x)
                with seen.trying():
                    store.close()
                return seen.report()

            lab.visit(live)
            lab.goes_on()

        GROUP.scenario(name)(act)
        return damage

    return added


@damaged("cut in half")
def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@damaged("garbage")
def garbage(path: Path) -> None:
    path.write_bytes(b"garbage!" * 4096)


@damaged("4 KiB of zeros in its midst")
def zeros(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 8192 * 4096)
        file.write(bytes(4096))


@damaged("empty")
def empty(path: Path) -> None:
    os.truncate(path, 0)


@damaged("deleted")
def deleted(path: Path) -> None:
    path.unlink(missing_ok=True)


@damaged("a directory in its place")
def directory(path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        path.mkdir()


def crashed(lab: Lab) -> list[Path]:
    """Leave a store behind whose log was not written back, and return the files of the log."""
    lab.fill()
    lab.tool.logs(lab.place)

    def busy() -> Report:
        store = lab.open()
        for x in range(8):
            store.cache(work.table)(x)
            store.cache(work.small)(x)
        time.sleep(0.1)
        (lab.folder / "stored").touch()
        time.sleep(60)
        return {}

    visit = lab.start(busy)
    while not (lab.folder / "stored").exists() and not visit.is_done():
        time.sleep(0.01)
    visit.kill()
    lab.judge(visit.finish(), killed=True)
    return lab.tool.logs(lab.place)


@GROUP.scenario("its log deleted after a crash")
def log_deleted(lab: Lab) -> None:
    for path in crashed(lab):
        path.unlink()
    lab.goes_on()


@GROUP.scenario("its log overwritten with garbage after a crash")
def log_garbage(lab: Lab) -> None:
    for path in crashed(lab):
        path.write_bytes(os.urandom(path.stat().st_size))
    lab.goes_on()


@GROUP.scenario("deleted: repair brings results back")
def repaired(lab: Lab) -> None:
    lab.fill()
    for path in [*lab.tool.index(lab.place), *existing_logs(lab)]:
        path.unlink(missing_ok=True)
    before = lab.runs()
    lab.visit(lambda: repairing(lab))
    lab.use(smalls=())
    if lab.runs() != before:
        lab.saw(BROKEN, "computed again")


@GROUP.scenario("zeros in its midst: repair brings results back")
def repaired_page(lab: Lab) -> None:
    lab.fill()
    for path in lab.tool.index(lab.place):
        zeros(path)
    before = lab.runs()
    lab.visit(lambda: repairing(lab))
    lab.use(smalls=())
    if lab.runs() != before:
        lab.saw(BROKEN, "computed again")


def repairing(lab: Lab) -> Report:
    """Do what the tool offers."""
    seen = Seen()
    with seen.trying():
        store = lab.open()
        store.repair()
        store.close()
    return seen.report()


def existing_logs(lab: Lab) -> list[Path]:
    """Return the files of the index's log, or none."""
    return [path for pattern in ("*-wal", "*-shm") for path in lab.place.glob(pattern)]


def removed(name: str, remove: Callable[[Lab], object]) -> None:
    """Add a scenario: directories go while the store is open."""

    def act(lab: Lab) -> None:
        lab.fill()

        def live() -> Report:
            seen = Seen()
            store = lab.open()
            table, small = store.cache(work.table), store.cache(work.small)
            for x in itertools.chain(range(4), [100]):
                seen.call(table, work.table_value(x), x)
            remove(lab)
            for _ in range(2):
                for x in range(8):
                    seen.call(table, work.table_value(x), x)
                    seen.call(small, work.small_value(x), x)
            with seen.trying():
                store.close()
            return seen.report()

        lab.visit(live)
        before = lab.runs()
        lab.use(range(8), range(8))
        if lab.runs() != before:
            lab.saw(BROKEN, "did not store again")
        lab.goes_on()

    GROUP.scenario(name)(act)


removed("the store's directory removed while it is open", lambda lab: shutil.rmtree(lab.place))
removed(
    "the directories of results removed while it is open",
    lambda lab: [shutil.rmtree(path) for path in lab.place.iterdir() if path.is_dir()],
)
