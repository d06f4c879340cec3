"""Runs work under faults, each in a process of its own that is forked off one that has imported everything."""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import os
import pickle
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resultstore._index import connect
from tests.faults import shim, work
from tests.faults.work import Report, Work

_LONGEST_S = 60
_OLD_S = 7200.0
_LOCKED_OUT_S = 4.0


@dataclass(frozen=True)
class Fault:
    """A way in which an operation goes wrong."""

    name: str
    action: int
    kinds: int
    error: int = 0
    lasting: bool = False


_SPACE = shim.MAKE | shim.WRITE
_HANDLES = shim.OPEN
FAULTS = (
    Fault("kill", shim.KILL, shim.CHANGES),
    Fault("kill in the middle of a write", shim.TEAR, shim.CHANGES),
    Fault("ENOSPC once", shim.FAIL, _SPACE, errno.ENOSPC),
    Fault("ENOSPC from then on", shim.FAIL, _SPACE, errno.ENOSPC, lasting=True),
    Fault("EDQUOT from then on", shim.FAIL, _SPACE, errno.EDQUOT, lasting=True),
    Fault("half of a write, then ENOSPC", shim.TEAR, _SPACE, errno.ENOSPC),
    Fault("EIO once", shim.FAIL, shim.ANYTHING & ~shim.LOCK, errno.EIO),
    Fault("EIO from then on", shim.FAIL, shim.ANYTHING & ~shim.LOCK, errno.EIO, lasting=True),
    Fault("EMFILE from then on", shim.FAIL, _HANDLES, errno.EMFILE, lasting=True),
    Fault("EACCES from then on", shim.FAIL, shim.MAKE | shim.OPEN | shim.REMOVE, errno.EACCES, lasting=True),
    Fault("EROFS from then on", shim.FAIL, _SPACE | shim.REMOVE, errno.EROFS, lasting=True),
    Fault("no locks from then on", shim.FAIL, shim.LOCK, errno.ENOLCK, lasting=True),
    Fault("ENOMEM for maps from then on", shim.FAIL, shim.MAP, errno.ENOMEM, lasting=True),
    Fault("Ctrl-C", shim.INTERRUPT, shim.ANYTHING),
)


@dataclass
class Tally:
    """What came out of many cases."""

    points: int = 0
    """Operations at which a fault struck."""
    wrong: int = 0
    errors: int = 0
    left: int = 0
    """Files that were left behind, and swept afterwards."""
    bad: list[str] = field(default_factory=list)
    """What should not have been, with the case it was seen in."""

    def add(self, other: Tally) -> None:
        """Count another tally in."""
        self.points += other.points
        self.wrong += other.wrong
        self.errors += other.errors
        self.left += other.left
        self.bad += other.bad


class Killed(Exception):
    """The process was ended by a signal."""


def apart(do: Callable[[], Any]) -> Any:
    """Do something in a forked process; return what it returns, raise Killed if it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            signal.alarm(_LONGEST_S)  # a hang ends as one
            try:
                outcome = pickle.dumps(do())
            except BaseException:
                outcome = pickle.dumps(traceback.format_exc())
            with open(writing, "wb") as file:
                file.write(outcome)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as file:
        data = file.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        raise Killed(signal.Signals(os.WTERMSIG(status)).name)
    return pickle.loads(data) if data else "the process ended without a word"


class Runner:
    """Plays faults into work, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.shim = shim.Shim()
        self._begun: dict[str, Path] = {}
        self._number = 0

    def begun(self, some: Work) -> Path:
        """Return the store that a piece of work begins with, which stays as it is."""
        begun = self._begun.get(some.name)
        if begun is None:
            begun = self._begun[some.name] = self.folder / f"begun-{len(self._begun)}"
            outcome = apart(lambda: some.begin(begun))
            assert outcome is None, outcome
        return begun

    @contextlib.contextmanager
    def place(self, some: Work) -> Iterator[Path]:
        """Give a copy of the store that a piece of work begins with."""
        begun = self.begun(some)
        self._number += 1
        place = self.folder / f"case-{self._number}"
        if begun.exists():
            shutil.copytree(begun, place)
        try:
            yield place
        finally:
            remove(place)

    def count(self, some: Work, kinds: int) -> int:
        """Return how many operations a piece of work takes."""
        with self.place(some) as place:

            def do() -> int:
                self.shim.watch(place)
                self.shim.arm(shim.COUNT, kinds)
                report = Report()
                work.quietly(report, lambda: some.do(some.session(place, report)))
                return self.shim.disarm()

            counted = apart(do)
            assert isinstance(counted, int), counted
            return counted

    def run(self, some: Work, fault: Fault, places: list[int] | None = None, *, every: int = 1) -> Tally:
        """Let a fault strike at each of these operations, or at one after the other until a run meets none."""
        tally = Tally()
        at = 0
        while places is None or at < len(places):
            at += 1
            case = self.case(some, fault, 1 + (at - 1) * every if places is None else places[at - 1])
            if case is None:
                break
            tally.add(case)
        return tally

    def sample(self, some: Work, fault: Fault, number: int) -> Tally:
        """Let a fault strike at one operation, chosen by a number."""
        at = 1 + 31 * number % 41
        while at:
            case = self.case(some, fault, at)
            if case is not None:
                return case
            at //= 2
        return Tally()

    def case(self, some: Work, fault: Fault, at: int) -> Tally | None:
        """Let a fault strike at one operation, and ask everything afterwards; None if none came so far."""
        tally = Tally(points=1)
        with self.place(some) as place:
            report, struck = self._strike(some, fault, at, place)
            if not struck:
                return None
            after = Report()
            try:
                found = apart(lambda: examine(some, place, after))
                after = found if isinstance(found, Report) else Report(errors=[str(found)])
            except Killed as killed:
                after.errors.append(f"the next process: {killed}")
            for report_ in (report, after):
                tally.wrong += len(report_.wrong)
                tally.errors += len(report_.errors)
            tally.left = after.facts.get("left", 0)
            what = [*report.wrong, *report.errors, *(f"afterwards: {w}" for w in (*after.wrong, *after.errors))]
            if what:
                tally.bad.append(
                    f"{some.name}, {fault.name} at {report.facts.get('where', at)}:\n    " + "\n    ".join(what)
                )
        return tally

    def _strike(self, some: Work, fault: Fault, at: int, place: Path) -> tuple[Report, bool]:
        with tempfile.TemporaryFile() as trace:

            def do() -> Report:
                return self._under_fault(some, fault, at, place, trace.fileno())

            try:
                found = apart(do)
                report = found if isinstance(found, Report) else Report(errors=[str(found)], facts={"struck": True})
            except Killed as killed:
                report = Report(facts={"struck": True})
                if fault.action not in (shim.KILL, shim.TEAR) or fault.error or str(killed) != "SIGKILL":
                    report.errors.append(f"the process: {killed}")
            trace.seek(0)
            report.facts["where"] = trace.read().decode().strip() or str(at)
        return report, bool(report.facts.get("struck"))

    def _under_fault(self, some: Work, fault: Fault, at: int, place: Path, trace: int) -> Report:
        """Do the work under a fault, then go on in the same process when it is over."""
        report = Report()
        sessions: list[work.Session] = []

        def do() -> None:
            try:
                sessions.append(some.session(place, report))
                some.do(sessions[0])
            except KeyboardInterrupt:
                report.facts["interrupted"] = True

        connect._LOCKED_OUT_S = _LOCKED_OUT_S  # half a minute otherwise
        self.shim.trace(trace)
        self.shim.watch(place)
        self.shim.arm(fault.action, fault.kinds, at, fault.error, lasting=fault.lasting)
        try:
            work.quietly(report, do)
        except Exception as error:
            report.errors.append(f"opening raised {error!r}")
        report.facts["struck"] = self.shim.fired
        self.shim.disarm()
        if fault.action == shim.INTERRUPT and self.shim.fired and not report.facts.get("interrupted"):
            report.errors.append("the interrupt did not reach the caller")
        if len(set(report.told)) < len(report.told):
            report.errors.append(f"told twice: {report.told}")
        if report.facts["struck"]:
            if fault.kinds == shim.LOCK:
                time.sleep(_LOCKED_OUT_S)
            work.quietly(report, lambda: self._healed(some, place, sessions, report))
        return report

    def _healed(self, some: Work, place: Path, sessions: list[work.Session], report: Report) -> None:
        """See that all works again, in this process and at once in another one."""
        # An upgrade that failed is tried again after a while, or by the next store that is opened.
        is_same = bool(sessions) and not some.name.startswith("upgrade")
        session = sessions[0] if is_same else some.session(place, report)
        for name, x in some.all_calls():
            session.call(name, x)
            if not session.call(name, x):
                report.errors.append(f"not stored when all was well again: {name}({x}); told: {report.told}")

        def other() -> Report:
            found = Report()
            session = some.session(place, found)
            if session.call("number", 998) or not session.call("number", 998):
                found.errors.append("another process could not store")
            session.store.close()
            return found

        found = apart(other)
        report.errors += found.errors if isinstance(found, Report) else [str(found)]
        session.verb(lambda store: store.close())


def examine(some: Work, place: Path, report: Report) -> Report:
    """Ask everything of a store that a fault has befallen, in a fresh process."""
    work.quietly(report, lambda: _examine(some, place, report))
    return report


def _examine(some: Work, place: Path, report: Report) -> None:
    left = left_behind(place)
    for path in left:
        os.utime(path, (time.time() - _OLD_S,) * 2, follow_symlinks=False)
    session = some.session(place, report)
    store = session.store
    if some.repairs:
        store.repair()
    found = {problem.kind for problem in session.verb(lambda store: store.verify()) or ()}
    if found - {"orphan"} - some.known:
        report.errors.append(f"verify found {store.verify()}")
    report.facts["left"] = len(left) + sum(p.kind == "orphan" for p in store.verify())
    if session.call("array", 999) or not session.call("array", 999):
        report.errors.append("a new result was not stored")
    if left_behind(place):
        report.errors.append(f"never swept: {left_behind(place)}")
    for name, x in some.stays:
        if not session.call(name, x):
            report.errors.append(f"lost: {name}({x})")
    told = len(report.told)
    for name, x in some.all_calls():
        session.call(name, x)
        if not session.call(name, x):
            report.errors.append(f"not stored: {name}({x})")
    if told and not some.known and not some.repairs:
        report.errors.append(f"told afterwards: {report.told}")
    store.verify(fix=True)
    problems = store.verify()
    if problems:
        report.errors.append(f"verify(fix=True) left {problems}")
    taken = sum(path.lstat().st_blocks * 512 for path in [place, *place.rglob("*")])
    told_nbytes = store.stats().nbytes
    limit = some.options.get("size_limit")
    if taken > told_nbytes + 100_000:
        report.errors.append(f"the store takes {taken} bytes and says {told_nbytes}")
    if limit is not None and taken > limit:
        report.errors.append(f"the store takes {taken} bytes of {limit}")
    store.close()


def remove(place: Path) -> None:
    """Remove what a case has left."""
    shutil.rmtree(place, ignore_errors=True)


def left_behind(place: Path) -> list[Path]:
    """Return the files that only a process that was killed leaves."""
    temporary = place / "temporary"
    return [*(temporary.iterdir() if temporary.exists() else ()), *place.glob("*.new*")]


def warm_up(folder: Path, chosen: Iterable[Work]) -> None:
    """Import all that work and questions need, so that each fork finds it there."""
    report = Report()
    for some in chosen:
        if some.name.startswith("upgrade"):
            for module in ("alembic.command", "alembic.config", "resultstore._index.upgrade"):
                importlib.import_module(module)
        else:
            place = folder / "warm"
            some.begin(place)
            work.quietly(report, lambda some=some, place=place: some.do(some.session(place, report)))  # type: ignore[misc]
            work.quietly(report, lambda some=some, place=place: examine(some, place, report))  # type: ignore[misc]
            shutil.rmtree(place)
    gc.collect()
    gc.freeze()  # a fork shares what the collector does not touch
