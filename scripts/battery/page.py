"""Writes what the tools did into docs/design/faults.md: totals first, then every scenario."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from battery import scenarios
from battery.lab import BROKEN, LEFT, RAISED, STUCK, WRONG
from battery.survey import Mark

PAGE = Path(__file__).parent.parent.parent / "docs" / "design" / "faults.md"
BEGIN, END = "<!-- battery -->\n", "<!-- /battery -->\n"
RIGHT, ABSENT = "right", "–"
_QUESTIONS = {
    WRONG: "served a wrong value, or did harm",
    RAISED: "an error reached the caller",
    STUCK: "did not go on",
    LEFT: "files left behind",
    BROKEN: "did not do what was asked",
}
Marks = dict[str, Mark]


def write(surveys: dict[str, Marks]) -> None:
    """Put the tables into the page."""
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    PAGE.write_text(head + BEGIN + made(surveys) + END + rest.partition(END)[2])


def made(surveys: dict[str, Marks]) -> str:
    """Return what the script writes: versions, totals, tables, reasons."""
    lines = [f"Python {sys.version_info.major}.{sys.version_info.minor}, {', '.join(map(version_of, surveys))}.", ""]
    lines += totals(surveys)
    for group in scenarios.groups():
        lines += ["", f"### {group.title}: {len(group.scenarios)} scenarios", "", *header(["scenario", *surveys])]
        for one in group.scenarios:
            cells = [shown(marks[one.key]) for marks in surveys.values()]
            lines.append(f"| {escaped(one.name)} | {' | '.join(cells)} |")
    lines += ["", "Left out:", ""]
    for tool, marks in surveys.items():
        lines += [f"- {tool}, {name}: {mark.absent}" for name, mark in marks.items() if mark.absent]
    return "\n".join(lines).rstrip() + "\n\n"


def totals(surveys: dict[str, Marks]) -> list[str]:
    """Return the table of how often each tool did what."""
    lines = header(["", *surveys])
    counts = [sum(not mark.absent for mark in marks.values()) for marks in surveys.values()]
    lines.append(f"| scenarios | {' | '.join(map(str, counts))} |")
    counts = [sum(mark.is_right for mark in marks.values()) for marks in surveys.values()]
    lines.append(f"| all right | {' | '.join(f'**{count}**' for count in counts)} |")
    for kind, words in _QUESTIONS.items():
        counts = [sum(kind in dict(mark.faults) for mark in marks.values()) for marks in surveys.values()]
        lines.append(f"| {words} | {' | '.join(map(str, counts))} |")
    return lines


def header(cells: Sequence[str]) -> list[str]:
    """Return the first two lines of a table."""
    return ["| " + " | ".join(cells) + " |", "|---" * len(cells) + "|"]


def shown(mark: Mark) -> str:
    """Return a mark as the page shows it: what is wrong is to be found by the eye."""
    if mark.absent:
        return ABSENT
    return ", ".join(f"**{text}**" if kind == WRONG else f"*{text}*" for kind, text in mark.faults) or RIGHT


def escaped(name: str) -> str:
    """Return a name as Markdown that shows it."""
    return re.sub(r"([\\`*_\[\]<>])", r"\\\1", name)


def version_of(tool: str) -> str:
    """Return a tool with its version."""
    import resultstore

    return f"{tool} {resultstore.__version__ if tool == 'resultstore' else importlib.metadata.version(tool)}"


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of the scenarios' rows of a page."""
    for line in text.partition(BEGIN)[2].partition(END)[0].partition("\n### ")[2].splitlines():
        if line.startswith("| ") and not line.startswith("| scenario |"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]
