"""A place for one scenario: processes that visit a store, and what was seen of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from battery import work
from battery.tools import NotHere, Tool

WRONG, RAISED, STUCK, LEFT, BROKEN = "wrong", "raised", "stuck", "left", "broken"
"""A wrong value was served, or harm done; an error reached the caller; the store does not go on; files are left behind;
or what the scenario asks for was not kept."""

WAIT_S = 15.0
HOUR_S = 3600
NOBODY = 65534
Report = dict[str, Any]


class HungError(Exception):
    """A process hangs: the scenario has shown what it can."""


class Seen:
    """What one process saw."""

    def __init__(self) -> None:
        self.wrong = 0
        self.raised: list[str] = []
        self.more: Report = {}

    def call(self, func: Callable[..., Any], truth: Any, *args: Any, **kwargs: Any) -> bool:
        """Make a call, and say whether it gave its right value."""
        try:
            value = func(*args, **kwargs)
        except Exception as error:
            self.raised.append(type(error).__name__)
            return False
        right = work.same(value, truth)
        self.wrong += not right
        return right

    @contextlib.contextmanager
    def trying(self) -> Any:
        """Note what a with block raises."""
        try:
            yield
        except NotHere:
            raise
        except Exception as error:
            self.raised.append(type(error).__name__)

    def report(self) -> Report:
        """Return it all as plain data."""
        return {"wrong": self.wrong, "raised": self.raised, **self.more}


class Visit:
    """A process that does one thing to the store."""

    def __init__(self, pid: int, answers: int) -> None:
        self.pid = pid
        self._answers = answers
        self._text = b""
        self._is_over = False

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def is_done(self) -> bool:
        """Say whether the process has answered or died."""
        return bool(select.select([self._answers], [], [], 0)[0])

    def end(self) -> int:
        """Kill the process and all that it has started."""
        if self._is_over:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._is_over = True
        return os.waitpid(self.pid, 0)[1]

    def finish(self, wait_s: float = WAIT_S) -> Report:
        """Return the answer; a process that takes too long is killed."""
        end = time.monotonic() + wait_s
        while True:
            if not select.select([self._answers], [], [], max(0.0, end - time.monotonic()))[0]:
                break
            part = os.read(self._answers, 1 << 16)
            if not part:
                break
            self._text += part
        hung = time.monotonic() >= end
        status = self.end() if hung else os.waitpid(self.pid, 0)[1]
        self._is_over = True
        os.close(self._answers)
        if hung:
            return {"hung": True}
        if os.WIFSIGNALED(status):
            return {"died": os.WTERMSIG(status)}
        return json.loads(self._text) if self._text else {"died": 0}  # type: ignore[no-any-return]


class Lab:
    """A store of one tool in a folder of its own, with what is done to it and seen of it."""

    def __init__(self, tool: type[Tool], folder: Path) -> None:
        self.tool = tool
        self.folder = folder
        self.place = folder / "store"
        self.log = folder / "runs"
        self.log.touch()
        self.log.chmod(0o666)
        self.options: Report = {}
        self.unprivileged = False
        self.user = NOBODY
        self.faults: list[tuple[str, str]] = []
        self._mounts: list[Path] = []
        self._visits: list[Visit] = []

    # -- what is seen

    def saw(self, kind: str, text: str) -> None:
        """Note something that is not right, once."""
        if (kind, text) not in self.faults:
            self.faults.append((kind, text))

    def judge(self, report: Report, *, killed: bool = False) -> Report:
        """Note what is wrong in a report, whatever the scenario."""
        if report.get("nothere"):
            raise NotHere(report["nothere"])
        if report.get("wrong"):
            self.saw(WRONG, "wrong value")
        for name in report.get("raised", ()):
            self.saw(RAISED, f"raises {name}")
        if report.get("hung"):
            self.saw(STUCK, "hangs")
            raise HungError
        if "died" in report and not killed:
            self.saw(RAISED, f"dies of signal {report['died']}")
        return report

    def runs(self, line: str | None = None) -> int:
        """Return how often functions ran until now, or one call did."""
        lines = self.log.read_text().splitlines()
        return len(lines) if line is None else lines.count(line)

    # -- processes

    def open(self, **more: Any) -> Tool:
        """Open the store: in a visit only."""
        return self.tool(str(self.place), **{**self.options, **more})

    def start(self, act: Callable[[], Report | None]) -> Visit:
        """Start a process that does something."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            os._exit(self._live(act, writing))
        os.close(writing)
        self._visits.append(Visit(pid, reading))
        return self._visits[-1]

    def visit(self, act: Callable[[], Report | None], wait_s: float = WAIT_S) -> Report:
        """Let a process do something, and judge what it saw."""
        return self.judge(self.start(act).finish(wait_s))

    def together(self, number: int, act: Callable[[int], Report | None], wait_s: float = WAIT_S) -> list[Report]:
        """Let many processes do something at the same moment, and judge what they saw."""
        waiting, going = os.pipe()

        def wait_and_act(one: int) -> Report | None:
            os.read(waiting, 1)
            return act(one)

        visits = [self.start(lambda one=one: wait_and_act(one)) for one in range(number)]  # type: ignore[misc]
        os.write(going, b"!" * number)
        reports = [self.judge(visit.finish(wait_s)) for visit in visits]
        os.close(waiting)
        os.close(going)
        return reports

    def _live(self, act: Callable[[], Report | None], answers: int) -> int:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        warnings.simplefilter("ignore")
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_APPEND)
            os.environ[work.LOG] = str(log)
            if self.unprivileged:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(self.user)
            report = act() or {}
        except NotHere as reason:
            report = {"nothere": str(reason)}
        except BaseException as error:
            report = {"raised": [type(error).__name__]}
            if os.environ.get("BATTERY_LOUD"):
                import traceback

                traceback.print_exc()
        os.write(answers, json.dumps(report).encode())
        return 0

    # -- the usual visits

    def use(self, tables: Iterable[int] = range(4), smalls: Iterable[int] = range(4), **more: Any) -> Report:
        """Let a process open the store, make calls and close it; tell how many functions ran, too."""
        before = self.runs()
        report = self.visit(lambda: self.used(tables, smalls, **more))
        return {**report, "runs": self.runs() - before}

    def used(self, tables: Iterable[int] = range(4), smalls: Iterable[int] = range(4), **more: Any) -> Report:
        """Do what `use` does, in this process."""
        seen = Seen()
        with seen.trying():
            store = self.open(**more)
            table, small = store.cache(work.table), store.cache(work.small)
            for x in tables:
                seen.call(table, work.table_value(x), x)
            for x in smalls:
                seen.call(small, work.small_value(x), x)
            store.close()
        return seen.report()

    def fill(self, **more: Any) -> None:
        """Store the usual results, and see that they hit: else the scenario would show nothing."""
        self.use(**more)
        if self.use(**more)["runs"] or self.faults:
            raise RuntimeError(f"{self.tool.name} does not hit in a store that nothing has happened to: {self.faults}")

    def goes_on(self, **more: Any) -> None:
        """See that calls are right, and that in a next process they hit."""
        self.use(**more)
        if self.use(**more).get("runs"):
            self.saw(STUCK, "does not hit again")

    def stays_tidy(self) -> None:
        """See that nothing is left behind that belongs to no result, an hour later, and after the tool's own means."""
        for path in self.tool.loose(self.place):
            # A file that is young may still be in somebody's hands.
            os.utime(path, (path.stat().st_atime - 2 * HOUR_S, path.stat().st_mtime - 2 * HOUR_S))

        def tidied() -> Report:
            seen = Seen()
            with seen.trying():
                store = self.open()
                seen.call(store.cache(work.table), work.table_value(-1), -1)
                store.tidy()
                store.close()
            return seen.report()

        self.visit(tidied)
        loose = len(self.tool.loose(self.place))
        if loose:
            self.saw(LEFT, f"{loose} file{'s' * (loose > 1)} left")

    # -- the surroundings

    def become_nobody(self) -> None:
        """Make all later visits those of a user without rights over others' files."""
        if os.geteuid() != 0:
            return
        self.unprivileged = True
        self.own(self.folder)

    def own(self, *paths: Path) -> None:
        """Give what is there to the user of the visits."""
        if self.unprivileged:
            for top in paths:
                for path in [top, *top.rglob("*")]:
                    os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    def mount(self, size: str) -> Path:
        """Return a small disk in memory, and lay the store on it."""
        disk = self.folder / "disk"
        disk.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "none", str(disk)]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            raise NotHere("no right to mount a disk here")
        self._mounts.append(disk)
        self.place = disk / "store"
        return disk

    def remount(self, options: str) -> None:
        """Change how the disk is mounted."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self._mounts[0])], check=True)

    def clean(self) -> None:
        """End all that still runs, and remove all that there was."""
        for visit in self._visits:
            visit.end()
        for disk in self._mounts:
            subprocess.run(["umount", "-l", str(disk)], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
