"""Disks that are full, and limits of files and handles."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

from battery import work
from battery.lab import BROKEN, STUCK, Lab, Report, Seen
from battery.model import Group

GROUP = Group("Space")


@contextlib.contextmanager
def full_disk(lab: Lab) -> Iterator[Path]:
    """Lay a store on a small disk, and fill that up within a with block."""
    disk = lab.mount("6m")
    lab.fill()
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield disk
    ballast.unlink(missing_ok=True)


@GROUP.scenario("disk full: what is stored hits, what is not is computed")
def full(lab: Lab) -> None:
    with full_disk(lab):
        if lab.use().get("runs"):
            lab.saw(BROKEN, "stored results are computed again")
        lab.use(range(100, 103), range(100, 103))
        lab.use()
    lab.use(range(100, 103), range(100, 103))
    if lab.use(range(100, 103), range(100, 103)).get("runs"):
        lab.saw(STUCK, "does not store again")
    lab.goes_on()
    lab.stays_tidy()


@GROUP.scenario("disk full while the store is open, then space again")
def filled(lab: Lab) -> None:
    disk = lab.mount("6m")
    lab.fill()

    def live() -> Report:
        seen = Seen()
        store = lab.open()
        table, small = store.cache(work.table), store.cache(work.small)
        for x in range(40):
            seen.call(table, work.table_value(x), x)
            seen.call(small, work.small_value(x), x)
        with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(512))
        for x in range(40, 50):
            seen.call(table, work.table_value(x), x)
            seen.call(small, work.small_value(x), x)
        (disk / "ballast").unlink()
        with seen.trying():
            store.shrink(0)
        for x in range(4):
            seen.call(table, work.table_value(x), x)
            seen.call(small, work.small_value(x), x)
        with seen.trying():
            store.close()
        return seen.report()

    lab.visit(live)
    if lab.use().get("runs"):
        lab.saw(STUCK, "does not store again")
    lab.goes_on()
    lab.stays_tidy()


def freed(lab: Lab, name: str) -> None:
    """Free space on a full disk with the tool's own means."""
    with full_disk(lab):

        def free() -> Report:
            seen = Seen()
            with seen.trying():
                store = lab.open()
                store.clear() if name == "clear" else store.shrink(0)
                store.close()
            return seen.report()

        lab.visit(free)
        if lab.tool.payloads(lab.place):
            lab.saw(BROKEN, "frees nothing")
        lab.goes_on()


@GROUP.scenario("disk full: clearing works")
def clearing(lab: Lab) -> None:
    freed(lab, "clear")


@GROUP.scenario("disk full: evicting works")
def evicting(lab: Lab) -> None:
    freed(lab, "shrink")


@GROUP.scenario("files may not grow beyond 100 kB")
def file_size(lab: Lab) -> None:
    lab.fill()

    def limited() -> Report:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        report = lab.used(range(8), range(8))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return report

    lab.visit(limited)
    lab.use(range(8), range(8))
    if lab.use(range(8), range(8)).get("runs"):
        lab.saw(STUCK, "does not store again")
    lab.stays_tidy()


@GROUP.scenario("no file handle is left, before the store is opened")
def no_handle(lab: Lab) -> None:
    handles(lab, first=False)


@GROUP.scenario("no file handle is left, while it is open")
def no_handle_later(lab: Lab) -> None:
    handles(lab, first=True)


def handles(lab: Lab, *, first: bool) -> None:
    """Use up the handles of a process, before or after its first calls, and give them back."""
    lab.fill()

    def limited() -> Report:
        seen = Seen()
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        taken: list[int] = []

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(0))

        with seen.trying():
            if not first:
                take()
            store = lab.open()
            table, small = store.cache(work.table), store.cache(work.small)
            if first:
                seen.call(table, work.table_value(1), 1)
                take()
            for x in range(8):
                seen.call(table, work.table_value(x), x)
                seen.call(small, work.small_value(x), x)
            while taken:
                os.close(taken.pop())
            for x in range(8):
                seen.call(table, work.table_value(x), x)
                seen.call(small, work.small_value(x), x)
            store.close()
        return seen.report()

    lab.visit(limited)
    if lab.use(range(8), range(8)).get("runs"):
        lab.saw(STUCK, "does not store again")
    lab.goes_on()
    lab.stays_tidy()
