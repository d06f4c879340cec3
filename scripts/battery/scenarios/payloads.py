"""Files of results that are not what was written."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from battery import work
from battery.lab import Lab, Report, Seen
from battery.model import Group

GROUP = Group("Damaged results")


def damaged(name: str) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Add a scenario: two files are damaged at rest, one more while the store is open."""

    def added(damage: Callable[[Path], object]) -> Callable[[Path], object]:
        def act(lab: Lab) -> None:
            lab.fill()
            for path in lab.tool.payloads(lab.place)[:2]:
                damage(path)
            lab.goes_on()

            def live() -> Report:
                seen = Seen()
                store = lab.open()
                table = store.cache(work.table)
                for _ in range(2):
                    for x in range(4):
                        seen.call(table, work.table_value(x), x)
                    damage(lab.tool.payloads(lab.place)[0])
                for x in range(4):
                    seen.call(table, work.table_value(x), x)
                store.close()
                return seen.report()

            lab.visit(live)
            lab.goes_on()
            lab.stays_tidy()

        GROUP.scenario(name)(act)
        return damage

    return added


@damaged("cut in half")
def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@damaged("the last byte is gone")
def shortened(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@damaged("one bit flipped")
def flipped(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 16]))


@damaged("all zeros")
def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@damaged("a hole of 4096 zeros")
def hole(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(bytes(4096))


@damaged("garbage at its head")
def garbage(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"garbage!" * 8)


@damaged("empty")
def empty(path: Path) -> None:
    os.truncate(path, 0)


@damaged("deleted")
def deleted(path: Path) -> None:
    path.unlink()


@damaged("a directory in its place")
def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@damaged("a FIFO in its place")
def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@GROUP.scenario("not readable")
def unreadable(lab: Lab) -> None:
    lab.become_nobody()
    lab.fill()
    for path in lab.tool.payloads(lab.place)[:2]:
        path.chmod(0)
    lab.goes_on()


@GROUP.scenario("two files swapped")
def swapped(lab: Lab) -> None:
    lab.fill()
    one, other = lab.tool.payloads(lab.place)[:2]
    spare = one.with_name("spare")
    one.rename(spare)
    other.rename(one)
    spare.rename(other)
    lab.goes_on()


@GROUP.scenario("the whole file of another call in its place")
def other_call(lab: Lab) -> None:
    lab.fill()
    one, other = lab.tool.payloads(lab.place)[:2]
    shutil.copy(one, other)
    lab.goes_on()


@GROUP.scenario("a number that lies with its record, one bit flipped")
def number(lab: Lab) -> None:
    lab.fill()
    # 3 * 3 + 0.5, wherever it lies: as a float of SQLite (big-endian), or pickled (big-endian, too).
    import struct

    found = 0
    for path in [path for path in lab.place.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        if struct.pack(">d", 9.5) in data:
            path.write_bytes(data.replace(struct.pack(">d", 9.5), struct.pack(">d", 9.25)))
            found += 1
    if not found:
        raise RuntimeError("the number lies nowhere")
    lab.goes_on()


@GROUP.scenario("mapped results, cut in half at rest")
def mapped_cut(lab: Lab) -> None:
    lab.options["mapped"] = True
    lab.fill()
    for path in lab.tool.payloads(lab.place)[:2]:
        halved(path)
    lab.goes_on()


@GROUP.scenario("mapped results, evicted by others while they are read")
def mapped_evicted(lab: Lab) -> None:
    lab.options["mapped"] = True
    lab.fill()

    def hold() -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            value = store.cache(work.table)(2)
            report = lab.start(emptied).finish()
            seen.raised += report.get("raised", ["a hang"])
            seen.wrong += not (value == work.table_value(2)).all()
            seen.call(lambda x: __import__("numpy").array(store.cache(work.table)(x)), work.table_value(2), 2)
            store.close()
        return seen.report()

    def emptied() -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            store.shrink(0)
            store.close()
        return seen.report()

    lab.visit(hold)
    lab.goes_on()
    lab.stays_tidy()
