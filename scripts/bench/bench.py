"""What do hits, misses and questions cost, next to joblib, to diskcache, and to what is possible at all?

    scripts/bench/run                   # makes its own environment, measures all rows, prints them
    scripts/bench/run --write           # ... and writes them into bench.md
    scripts/bench/run --quick           # smaller and rougher: under two minutes
    scripts/bench/run --only "mapped"   # the rows whose chapter and name have this (a regular expression)
    scripts/bench/run --list            # the names of all rows

No time is ever judged here. A run stops with an error if a call that should be a hit executes its
function, or if any contender returns another value than the function.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import replace

import arrays
import calls
import curves
import growth
import page
import starts
import tables
from timing import Plan, Row, Task

FULL = Plan()
QUICK = Plan(
    rounds=7,
    large_rounds=7,
    process_rounds=5,
    large=10_000_000,
    table_rows=100_000,
    distinct=1_000,
    window_s=0.2,
    stores=(2_000, 50_000),
    real_calls=2_000,
)
# Sees that every row can be measured; its figures mean nothing.
TINY = Plan(
    rounds=1,
    large_rounds=1,
    process_rounds=1,
    medium=100_000,
    large=200_000,
    table_rows=1_000,
    distinct=20,
    window_s=0.02,
    stores=(100, 1_200),
    real_calls=1_000,
)


def all_tasks(plan: Plan) -> list[Task]:
    """Return all that can be measured, in the order of the page."""
    return [
        task
        for source in (calls.tasks, arrays.tasks, tables.tasks, starts.tasks, calls.crowd_tasks, growth.tasks)
        for task in source(plan)
    ]


def run(tasks: Iterable[Task], pattern: str, started: float) -> dict[str, list[Row]]:
    """Measure the rows that the pattern names, and return them by chapter."""
    chapters: dict[str, list[Row]] = {}
    for task in tasks:
        wanted = {row for row in task.rows if re.search(pattern, f"{task.chapter}: {row}", re.IGNORECASE)}
        if not wanted:
            continue
        print(f"[{time.perf_counter() - started:4.0f} s] {task.chapter}: {', '.join(task.rows)}", file=sys.stderr)
        rows = [row for row in task.run() if row.name in wanted]
        chapters.setdefault(task.chapter, []).extend(rows)
    return chapters


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description="Measure resultstore beside its peers.")
    parser.add_argument("--quick", action="store_true", help="smaller and rougher: under two minutes")
    parser.add_argument("--tiny", action="store_true", help="only see that the rows can be measured")
    parser.add_argument("--only", metavar="PATTERN", default="", help="rows whose chapter and name have this")
    parser.add_argument("--list", action="store_true", help="print the names of all rows, and measure nothing")
    parser.add_argument("--place", metavar="FOLDER", help="where the stores are made; else the temporary directory")
    parser.add_argument("--write", metavar="PAGE", nargs="?", const=page.PAGE, help="put the tables into this page")
    options = parser.parse_args()
    plan = replace(TINY if options.tiny else QUICK if options.quick else FULL, place=options.place)
    tasks = all_tasks(plan)
    if options.list:
        print("\n".join(row for task in tasks for row in task.rows))
        return
    if options.write == page.PAGE and (options.only or plan.rounds != FULL.rounds):
        parser.error("the page is of one full run: name another file to write to")
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # processes start with compiled modules, as they do for people
    started = time.perf_counter()
    chapters = run(tasks, options.only, started)
    text = page.tables_of(chapters, plan, time.perf_counter() - started)
    print(text)
    if options.write:
        page.write(options.write, text)
    if options.write == page.PAGE:
        curves.draw()


if __name__ == "__main__":
    main()
