"""Takes scenarios through a tool: lays the files out, visits them in fresh processes, and judges what was seen."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from trust.model import HIT, MAIN, TOLD, Pair, Project, Result
from trust.tools import TOOLS
from trust.world_text import arguments_text, results_text

SCRIPTS = Path(__file__).resolve().parent.parent
HEAVY = tuple("numpy pandas pyarrow scipy.sparse xarray polars sklearn.pipeline sklearn.linear_model".split())
"""Imported before the forks, for values."""

RIGHT, STALE, NEEDLESS, REFUSED, UNTOLD, ERROR, NONE = "right", "STALE", "needless", "refused", "untold", "error", "–"
_ORDER = (RIGHT, NONE, UNTOLD, REFUSED, NEEDLESS, ERROR, STALE)
Seen = dict[str, Any]


class Servers:
    """Two processes of a tool that fork for visits; they differ in PYTHONHASHSEED, and visits alternate."""

    def __init__(self, tool: str, heavy: Sequence[str] = ()) -> None:
        self.tool = tool
        self._processes = [self._started(seed, heavy) for seed in ("1", "2")]
        self._turn = 0

    def _started(self, seed: str, heavy: Sequence[str]) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(SCRIPTS), os.environ.get("PYTHONPATH", "")])
        return subprocess.Popen(
            [sys.executable, "-m", "trust.server", self.tool, *heavy],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def visit(self, request: Seen) -> list[Seen]:
        """Let the next process make a visit."""
        process = self._processes[self._turn]
        self._turn = 1 - self._turn
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"tool": self.tool, **request}) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())  # type: ignore[no-any-return]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *why: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.communicate()


def see_project(servers: Servers, project: Project, base: Path) -> list[Seen]:
    """Take one tool through a project's calls."""
    base.mkdir(parents=True)
    prepare = TOOLS[servers.tool].prepare
    states = [(act, {file: prepare(text) for file, text in files.items()}) for act, files in project.states()]
    seen: list[Seen] = []
    entry, folder = project.entry, base / "project"
    at = 0
    while at < len(states):
        last = at + 1
        while last < len(states) and not states[last][0].fresh:
            last += 1
        first = states[at][0]
        entry = first.entry or entry
        if first.moved:
            shutil.rmtree(folder)
            folder = base / "another" / "place"
        lay_out(folder, states[at][1])
        acts = [
            {"before": act.before, "call": act.call or project.call, "target": act.target or project.target}
            for act, _ in states[at:last]
        ]
        (base / "elsewhere").mkdir(exist_ok=True)
        request = {
            "kind": "project",
            "store": str(base / "store"),
            "folder": str(folder),
            "cwd": str(base / "elsewhere" if first.elsewhere else folder),
            "path": project.path,
            "entry": entry,
            "acts": acts,
        }
        answers = servers.visit(request)
        seen += answers if len(answers) == len(acts) else answers[:1] * len(acts)
        at = last
    shutil.rmtree(base)
    return seen


def lay_out(folder: Path, files: dict[str, str]) -> None:
    """Write a project's files, and remove what is no longer there."""
    if folder.exists():
        shutil.rmtree(folder)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def judge_project(project: Project, truth: list[Seen], seen: list[Seen]) -> str:
    """Return how a tool did over all calls of a project: the worst of it."""
    marks, told = [], list[str]()
    for act, true, one in zip(project.acts, truth, seen, strict=True):
        told = one["told"] or ([] if act.fresh else told)  # tools tell once in a process
        marks.append(judge(act.expected, true["value"], {**one, "told": told}))
    return max(marks, key=_ORDER.index)


def judge(expected: str, truth: str, seen: Seen) -> str:
    """Return how a tool did at one call."""
    value, ran = seen["value"], bool(seen["runs"])
    if value == "unavailable":
        return NONE
    if value != truth:
        return ERROR if value.startswith(("raised", "died")) else STALE
    if expected == TOLD:
        return RIGHT if ran and seen["told"] else UNTOLD
    if expected != HIT and not ran:
        return STALE
    if seen["told"]:
        return REFUSED
    return NEEDLESS if ran and expected == HIT else RIGHT


def see_pairs(servers: Servers, pairs: Sequence[Pair], base: Path) -> list[str]:
    """Take one tool through all pairs of arguments, in two processes; return how it did at each."""
    sides = []
    for side in ("one", "other"):
        lay_out(base / "project", {MAIN: arguments_text(pairs)})
        expressions = [getattr(pair, side) for pair in pairs]
        sides.append(servers.visit(_values_request("arguments", base, expressions)))
    if any(len(side) != len(pairs) for side in sides):
        return [ERROR] * len(pairs)
    marks = []
    for pair, first, second in zip(pairs, *sides, strict=True):
        expected = (TOLD if pair.expected == TOLD else "run", pair.expected)
        both = [judge(one, seen["truth"], seen) for one, seen in zip(expected, (first, second), strict=True)]
        marks.append(max(both, key=_ORDER.index))
    return marks


def see_results(servers: Servers, results: Sequence[Result], base: Path) -> list[tuple[str, str]]:
    """Take one tool through all results: computed, hit at once, hit in a fresh process. Return mark and reason."""
    times = []
    for _ in range(2):
        lay_out(base / "project", {MAIN: results_text(results)})
        looks = [list(result.looks) for result in results]
        times.append(servers.visit({**_values_request("results", base, [r.make for r in results]), "looks": looks}))
    if any(len(time) != len(results) for time in times):
        return [(ERROR, str(times))] * len(results)
    return [judge_result(result, *both) for result, *both in zip(results, *times, strict=True)]


def judge_result(result: Result, first: Seen, second: Seen) -> tuple[str, str]:
    """Return how a tool did at one result, and what it lost."""
    for seen in (first["first"], first["second"], second["first"]):
        if seen["lost"] == "unavailable":
            return NONE, ""
        if seen["lost"]:
            return (ERROR if seen["lost"].startswith("raised") else STALE), seen["lost"]
    told = first["first"]["told"]
    hits = not first["second"]["runs"] and not second["first"]["runs"]
    if result.told:
        return (RIGHT if told and not hits else UNTOLD), ""
    if not first["first"]["runs"]:
        return STALE, "did not run"
    return (RIGHT if hits and not told else REFUSED if told else NEEDLESS), "; ".join(told)


def _values_request(kind: str, base: Path, expressions: list[str]) -> Seen:
    return {
        "kind": kind,
        "store": str(base / "store"),
        "folder": str(base / "project"),
        "cwd": str(base / "project"),
        "path": [],
        "entry": "values",
        "expressions": expressions,
    }
