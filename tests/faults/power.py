"""Power cuts: all that work has changed is written down, and what a disk may hold of it after a cut is played back.

What was not synced may be there or not, in parts, or as zeros; a name may be there or not, as long as names come in
their order. The worst of it is tried at every cut, and some of what lies between.
"""

from __future__ import annotations

import os
import random
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resultstore.blobs import marks
from tests.faults import runner, work
from tests.faults.runner import Runner, Tally, apart
from tests.faults.work import Report, Work

_HEAD = struct.Struct("=5q")
_PAGE = 4096
NOTHING, NO_BYTES, ZEROS, SOME_PAGES, SOME = STATES = (
    "nothing that was not synced",
    "names without bytes",
    "names and zeros",
    "names and some pages",
    "some names and some pages",
)


@dataclass(frozen=True)
class Change:
    """One thing that was done: by the shim's letter, with two numbers and two texts or bytes."""

    kind: str
    a: int
    b: int
    first: bytes
    second: bytes


@dataclass(eq=False)
class File:
    """A file on the disk, and what was written to it since it was last synced."""

    synced: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[str, int, bytes]] = field(default_factory=list)
    size: int = 0

    def note(self, kind: str, at: int, written: bytes) -> None:
        """Note what was written, page by page, for a disk writes pages; or what was cut or added."""
        if kind == "W":
            while written:
                some = written[: _PAGE - at % _PAGE]
                self.waiting.append(("W", at, some))
                at, written = at + len(some), written[len(some) :]
            self.size = max(self.size, at)
        elif kind == "A":
            self.waiting.append(("A", max(at, self.size), b""))
            self.size = max(at, self.size)
        else:
            self.waiting.append(("T", at, b""))
            self.size = at

    def after(self, state: str, dice: random.Random) -> bytes:
        """Return what a cut leaves of it."""
        if state in (NOTHING, NO_BYTES):
            return bytes(self.synced)
        kept = [state != ZEROS and dice.random() < 0.7 for _ in self.waiting]
        return bytes(_written(bytearray(self.synced), self.waiting, kept))

    def sync(self) -> None:
        """Bring all that waits to the disk."""
        _written(self.synced, self.waiting, [True] * len(self.waiting))
        self.waiting.clear()


def _written(data: bytearray, waiting: list[tuple[str, int, bytes]], kept: list[bool]) -> bytearray:
    """Write to a file what is kept; sizes are as if all had been written."""
    for (kind, at, some), is_kept in zip(waiting, kept, strict=True):
        if kind == "T":
            del data[at:]
        end = at + len(some)
        data.extend(bytes(max(end - len(data), 0)))
        if is_kept:
            data[at:end] = some
    return data


class Disk:
    """A directory as changes make it, in memory and on the disk."""

    def __init__(self, root: Path, begun: Path | None) -> None:
        self._root = root
        self._begun: dict[str, File | None] = {}
        self._names: dict[str, File | None] = {}
        self._events: list[list[Any]] = []
        self._open: dict[int, tuple[str, File | None]] = {}
        if begun is not None and begun.exists():
            for path in sorted([begun, *begun.rglob("*")]):
                name = os.path.normpath(root / path.relative_to(begun))
                self._begun[name] = None if path.is_dir() else _file(path)
        self._names = dict(self._begun)

    def apply(self, change: Change) -> None:
        """Do what was done."""
        kind, a, b = change.kind, change.a, change.b
        if kind in "ORUML":
            self._apply_to_names(change)
        elif kind == "K":
            self._open.pop(a, None)
        elif kind == "D":
            self._open[b] = self._open[a]
        elif kind in "WTAS":
            path, file = self._open[a]
            if kind == "S":
                if file is not None:
                    file.sync()
                else:
                    self._sync_names(path)
            elif file is not None:
                file.note(kind, b, change.first)

    def _apply_to_names(self, change: Change) -> None:
        path, other = os.fsdecode(change.first), os.fsdecode(change.second)
        if change.kind == "O":
            made = bool(change.b & 1)
            if made:
                self._event("make", path, None, File())
            file = self._names.get(path)
            if change.b & 2 and file is not None and not made:
                file.note("T", 0, b"")
            self._open[change.a] = path, file
        elif change.kind == "M":
            self._event("make", path, None, None)
        elif change.kind == "U":
            self._event("remove", path, None, None)
        elif change.kind == "R":
            self._event("rename", path, other, self._names[path])
        else:
            self._event("make", other, None, self._names[path])

    def _event(self, kind: str, path: str, other: str | None, file: File | None) -> None:
        event = [kind, path, other, file, False]
        _happen(self._names, event)
        self._events.append(event)

    def _sync_names(self, folder: str) -> None:
        for event in self._events:
            if folder in (os.path.dirname(event[1]), os.path.dirname(event[2] or event[1])):
                event[4] = True

    def cut(self, state: str, seed: int, place: Path) -> None:
        """Write what a cut leaves to a directory."""
        dice = random.Random(seed)
        names = dict(self._begun)
        until = {NOTHING: 0, SOME: dice.randint(0, len(self._events))}.get(state, len(self._events))
        for i, event in enumerate(self._events):
            if event[4] or i < until:
                _happen(names, event)
        for name, file in sorted(names.items()):
            path = place / Path(name).relative_to(self._root)
            if name.endswith("-shm") or not path.parent.exists():
                continue  # shared memory is made anew
            if file is None:
                path.mkdir(mode=0o700, exist_ok=True)
            else:
                path.write_bytes(file.after(state, dice))
                if path.parent.parent.name == "payloads":
                    marks.mark(path)  # as it was written, before the cut


def _file(path: Path) -> File:
    data = path.read_bytes()
    return File(bytearray(data), size=len(data))


def _happen(names: dict[str, File | None], event: list[Any]) -> None:
    kind, path, other, file, _ = event
    if kind == "make":
        names[path] = file
    elif kind == "remove":
        names.pop(path, None)
    else:  # the new name may be on the disk, and the one before it never have been
        names.pop(path, None)
        names[other] = file


def recorded(run: Runner, some: Work, place: Path) -> list[Change]:
    """Do some work, and return all that it changed."""
    with tempfile.TemporaryFile() as log:

        def do() -> Report:
            report = Report()
            run.shim.watch(place)
            run.shim.log(log.fileno())

            def all_of_it() -> None:
                session = some.session(place, report)
                session.done = run.shim.mark
                some.do(session)

            work.quietly(report, all_of_it)
            run.shim.log(-1)
            return report

        report = apart(do)
        assert isinstance(report, Report), report
        assert not report.errors, report.errors
        log.seek(0)
        return list(_parsed(log.read()))


def _parsed(data: bytes) -> Iterator[Change]:
    at = 0
    while at < len(data):
        kind, a, b, nfirst, nsecond = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        yield Change(chr(kind), a, b, data[at : at + nfirst], data[at + nfirst : at + nfirst + nsecond])
        at += nfirst + nsecond


def cut_power(run: Runner, some: Work, *, every: int = 1, states: tuple[str, ...] = STATES) -> Tally:
    """Cut the power after each change of a piece of work, and ask of what is left."""
    tally = Tally()
    with run.place(some) as place:
        changes = recorded(run, some, place)
    begun = run.begun(some)
    disk, done = Disk(place, begun), 0
    boot = run.folder / "boot"
    boot.write_text("another boot\n")
    for i, change in enumerate(changes):
        if change.kind == "!":
            done += 1
            continue
        disk.apply(change)
        if change.kind in "KDS" or i % every:
            continue
        for number, state in enumerate(states):
            left = run.folder / "cut"
            left.mkdir()
            disk.cut(state, 1000 * i + number, left)
            tally.add(_ask(run, some, left / ".", boot, f"{some.name}, cut after {i} of {len(changes)}, {state}", done))
            runner.remove(left)
    return tally


def _ask(run: Runner, some: Work, place: Path, boot: Path, case: str, done: int) -> Tally:
    def do() -> Report:
        run.shim.boot(boot)
        marks._mark.cache_clear()
        report = Report()
        work.quietly(report, lambda: _after_cut(some, place, report, done))
        return report

    tally = Tally(points=1)
    try:
        found = apart(do)
        report = found if isinstance(found, Report) else Report(errors=[str(found)])
    except runner.Killed as killed:
        report = Report(errors=[f"the next process: {killed}"])
    tally.wrong, tally.errors, tally.left = len(report.wrong), len(report.errors), report.facts.get("left", 0)
    if report.wrong or report.errors:
        tally.bad.append(f"{case}:\n    " + "\n    ".join([*report.wrong, *report.errors]))
    return tally


def _after_cut(some: Work, place: Path, report: Report, done: int) -> None:
    session = some.session(place, report)
    is_durable = some.options.get("durability") == "full"
    for i, (name, x) in enumerate(some.all_calls()):
        if not session.call(name, x) and is_durable and i < done:
            report.errors.append(f"{name}({x}) had returned, and is not stored")
        if not session.call(name, x):
            report.errors.append(f"not stored: {name}({x}); told: {report.told}")
    store = session.store
    if some.repairs:  # one that was cut short is due again
        store.repair()
    problems = store.verify(fix=True)
    if any(problem.kind == "index" for problem in problems):
        report.errors.append(f"the index is damaged: {problems}")
    report.facts["left"] = sum(problem.kind == "orphan" for problem in problems) + len(runner.left_behind(place))
    problems = store.verify()
    if problems:
        report.errors.append(f"verify(fix=True) left {problems}")
    store.close()
