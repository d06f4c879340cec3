"""Takes tools through all scenarios, on two cores."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from trust import scenarios
from trust.model import ANEW, HIT, RUN, Project
from trust.runner import HEAVY, NONE, Seen, Servers, judge_project, see_pairs, see_project, see_results

WORKERS = 2
Marks = dict[str, str]
"""How a tool did, by the names of scenarios."""


def survey(tool: str) -> Marks:
    """Take a tool through everything."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(WORKERS + 1) as pool:
        base = Path(folder)
        projects = [*scenarios.projects(), *scenarios.around()]
        values = pool.submit(survey_values, tool, base / "values")
        parts = [projects[start::WORKERS] for start in range(WORKERS)]
        jobs = [pool.submit(survey_projects, tool, part, base / str(n)) for n, part in enumerate(parts)]
        marks = [values.result(), *[job.result() for job in jobs]]
        return dict(itertools.chain.from_iterable(part.items() for part in marks))


def survey_projects(tool: str, projects: Sequence[Project], base: Path) -> Marks:
    """Take a tool through projects."""
    marks = {}
    with Servers("none") as plain, Servers(tool) as servers:
        for number, project in enumerate(projects):
            marks[key_of(project)] = mark_of(project, plain, servers, base / str(number))
    return marks


def mark_of(project: Project, plain: Servers, servers: Servers, base: Path) -> str:
    """Take a tool through one project, beside no tool at all."""
    if project.tools is not None and servers.tool not in project.tools:
        return NONE
    truth = see_project(plain, project, base / "plain")
    check_truth(project, truth)
    return judge_project(project, truth, see_project(servers, project, base / "tool"))


def check_truth(project: Project, truth: Sequence[Seen]) -> None:
    """Raise ValueError where a project does not show what it is to show."""
    before: dict[str, list[str]] = {}
    for act, seen in zip(project.acts, truth, strict=True):
        earlier = before.setdefault(act.call or project.call, [])
        value = seen["value"]
        wrong = (
            (act.expected == RUN and value in earlier)
            or (act.expected == HIT and bool(earlier) and value not in earlier)
            or (act.expected in (RUN, ANEW) and not (seen["runs"] or "raise" in str(project.files)))
            or ("trace" in seen and "raise" not in str(project.files))
        )
        if wrong:
            raise ValueError(f"{project.group}: {project.name}: {act.expected!r} beside {seen}, after {earlier}")
        earlier.append(value)


def survey_values(tool: str, base: Path) -> Marks:
    """Take a tool through arguments and results."""
    pairs, results = scenarios.pairs(), scenarios.results()
    with Servers(tool, HEAVY) as servers:
        marks = dict(zip(map(key_of, pairs), see_pairs(servers, pairs, base / "pairs"), strict=True))
        for result, (mark, _) in zip(results, see_results(servers, results, base / "results"), strict=True):
            marks[key_of(result)] = NONE if result.options and tool != "resultstore" else mark
    return marks


def key_of(scenario: Any) -> str:
    """Return the name that only this scenario has."""
    return f"{scenario.group}: {scenario.name}: {scenario.kind}"


def sections() -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the parts of the page, each with its scenarios."""
    parts: list[tuple[str, Callable[[], Sequence[Any]]]] = [
        ("Function identity", scenarios.projects),
        ("Arguments", scenarios.pairs),
        ("Results", scenarios.results),
        ("Around a call", scenarios.around),
    ]
    for title, listed in parts:
        yield title, listed()
