"""Writes what the tools did into trust.md: totals first, then every scenario."""

from __future__ import annotations

import importlib.metadata
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from trust.runner import ERROR, NEEDLESS, NONE, REFUSED, RIGHT, STALE, UNTOLD
from trust.survey import Marks, key_of, sections

PAGE = Path(__file__).with_name("trust.md")
BEGIN, END = "<!-- made: begin -->\n", "<!-- made: end -->\n"
_PACKAGES = {"joblib": "joblib", "diskcache": "diskcache", "mandala": "pymandala"}
_MARKS = (RIGHT, STALE, NEEDLESS, ERROR, REFUSED, UNTOLD)


def write(surveys: dict[str, Marks], missing: dict[str, str]) -> None:
    """Put the tables into the page."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(head + BEGIN + made(surveys, missing) + END + rest.partition(END)[2])


def made(surveys: dict[str, Marks], missing: dict[str, str]) -> str:
    """Return what the script writes: versions, totals, tables."""
    lines = [f"Python {sys.version_info.major}.{sys.version_info.minor}, {', '.join(map(version_of, surveys))}.", ""]
    lines += [f"{tool} was left out: {reason}." for tool, reason in missing.items()]
    lines += totals(surveys)
    for title, scenarios in sections():
        lines += ["", f"## {title}: {len(scenarios)} scenarios"]
        for group, members in itertools.groupby(scenarios, lambda scenario: scenario.group):
            lines += ["", *([f"### {group}", ""] if group != title else []), *header(["scenario", "must", *surveys])]
            for one in members:
                cells = [shown(survey[key_of(one)]) for survey in surveys.values()]
                lines.append(f"| {escaped(one.name)} | {one.kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def totals(surveys: dict[str, Marks]) -> list[str]:
    """Return the table of how often each tool did what."""
    lines = ["", *header(["", "", *surveys])]
    for title, scenarios in sections():
        for number, mark in enumerate(_MARKS):
            counts = [sum(survey[key_of(one)] == mark for one in scenarios) for survey in surveys.values()]
            if any(counts) or mark in (RIGHT, STALE, NEEDLESS):
                name = f"**{title}**, {len(scenarios)}" if number == 0 else ""
                lines.append(f"| {name} | {mark} | {' | '.join(map(str, counts))} |")
    return lines


def header(cells: Sequence[str]) -> list[str]:
    """Return the first two lines of a table."""
    return ["| " + " | ".join(cells) + " |", "|---" * len(cells) + "|"]


def shown(mark: str) -> str:
    """Return a mark as the page shows it: what is wrong is to be found by the eye."""
    return mark if mark in (RIGHT, NONE) else f"**{mark}**" if mark == STALE else f"*{mark}*"


def escaped(name: str) -> str:
    """Return a name as Markdown that shows it."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", name)


def version_of(tool: str) -> str:
    """Return a tool with its version."""
    import resultstore

    return f"{tool} {resultstore.__version__ if tool not in _PACKAGES else importlib.metadata.version(_PACKAGES[tool])}"


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of the scenarios' rows of a page."""
    for line in text.partition(BEGIN)[2].partition(END)[0].partition("\n## ")[2].splitlines():
        if line.startswith("| ") and not line.startswith("| scenario |"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]
