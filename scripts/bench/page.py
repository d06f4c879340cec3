"""The page: figures as tables, between two marks in a text that people write."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from peers import NAMES, OURS
from timing import Plan, Row, Sample

import resultstore

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bench.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
LIBRARIES = ("joblib", "diskcache", "numpy", "blake3", "pandas", "pyarrow")
HEAD = "| | resultstore | joblib | diskcache | limit | joblib / ours | diskcache / ours | ours / limit |"


def write(path: str, text: str) -> None:
    """Put the tables between the marks of a page, or of a copy of ours."""
    source = path if os.path.exists(path) else PAGE
    with open(source, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    after = rest.partition(END)[2]
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def tables_of(chapters: Mapping[str, Sequence[Row]], plan: Plan, seconds: float) -> str:
    """Return all chapters, and what they were measured with."""
    rounds = f"Rounds: {plan.rounds}; {plan.large_rounds} with large results, {plan.process_rounds} of processes"
    parts = [f"{machine()}. {versions()}.", f"{rounds}. The run took {seconds / 60:.1f} minutes."]
    for chapter, rows in chapters.items():
        parts.append(f"### {chapter}")
        parts.append("\n".join([HEAD, "|---|" + "--:|" * 7, *map(line_of, rows)]))
    return "\n\n".join(parts)


def machine() -> str:
    """Return what the figures depend on, and nothing that tells whose machine it is."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), model)
    return f"{platform.system()} {platform.machine()}, {model}, {os.cpu_count()} cores"


def versions() -> str:
    """Return the versions of all that takes part."""
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    found.append(f"resultstore {resultstore.__version__}")
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def line_of(row: Row) -> str:
    """Return one line of a table."""
    cells = [show(row.samples[name], row.unit) if name in row.samples else "-" for name in NAMES]
    limits = [f"{name}: {show(row.samples[name], row.unit)}" for name in row.limits if name in row.samples]
    cells.append("<br>".join(limits) or "-")
    first = row.limits[0] if row.limits else ""
    quotients = [("joblib", OURS), ("diskcache", OURS), (OURS, first)]
    cells += [ratio(row, numerator, denominator) for numerator, denominator in quotients]
    return f"| {row.name} | " + " | ".join(cells) + " |"


def show(samples: Sequence[Sample], unit: str) -> str:
    """Return medians of both clocks and the spread of the first."""
    walls = [sample.wall for sample in samples]
    wall, cpu = statistics.median(walls), statistics.median(sample.cpu for sample in samples)
    if unit in ("B", "inodes"):
        return f"{wall:,.0f} B" if unit == "B" else f"{digits(wall)}"
    first = f"{rate_text(1 / wall)}" if unit == "calls/s" else time_text(wall)
    errors = f" · {sum(sample.errors for sample in samples)} errors" if unit == "calls/s" else ""
    return f"{first} · {time_text(cpu)} · {spread(walls)}{errors}"


def spread(values: Sequence[float]) -> str:
    """Return the distance of the quartiles, in parts of the median."""
    if len(values) < 2:
        return "?"
    low, median, high = statistics.quantiles(values, method="inclusive")
    return f"{(high - low) / median:.0%}"


def ratio(row: Row, numerator: str, denominator: str) -> str:
    """Return the quotient of two contenders by the wall clock, and by the CPU clock."""
    if numerator not in row.samples or denominator not in row.samples:
        return "-"
    over, under = row.samples[numerator], row.samples[denominator]
    wall = statistics.median(s.wall for s in over) / statistics.median(s.wall for s in under)
    if row.unit in ("B", "inodes"):
        return digits(wall)
    used = statistics.median(s.cpu for s in under)
    cpu = digits(statistics.median(s.cpu for s in over) / used) if used else "-"
    return f"{digits(wall)} ({cpu})"


def digits(number: float) -> str:
    """Return a number in three digits."""
    if number >= 100:
        return f"{number:.0f}"
    return f"{number:.3g}" if number >= 0.001 else f"{number:.1g}"


def time_text(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{digits(seconds / factor)} {unit}"
    return f"{digits(seconds * 1e6)} µs"


def rate_text(per_second: float) -> str:
    """Return calls per second."""
    return f"{digits(per_second / 1000)} k/s" if per_second >= 1000 else f"{digits(per_second)} /s"
