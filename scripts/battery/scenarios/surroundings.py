"""What is not the store's, and clocks that jump."""

from __future__ import annotations

import time

from battery import work
from battery.lab import BROKEN, WRONG, Lab, Report, Seen
from battery.model import Group
from battery.scenarios.hostile import swept

GROUP = Group("Own files, and clocks")
TEN_YEARS_S = 10 * 365 * 86400.0


def own_files(lab: Lab, *, below: bool) -> None:
    """Put somebody's files among those of the store, then evict, tidy and clear."""
    lab.fill()
    folders = [lab.place]
    if below:
        folders = [path.parent for path in lab.tool.payloads(lab.place)]
    files = [folder / name for folder in folders for name in ("notes.txt", "output.txt", "data.npy.bak")]
    for path in files:
        path.write_text("mine")
    (lab.place / "mine").mkdir()
    (lab.place / "mine" / "notes.txt").write_text("mine")
    lab.visit(lambda: swept(lab))
    lab.goes_on()
    if not all(path.exists() for path in [*files, lab.place / "mine" / "notes.txt"]):
        lab.saw(WRONG, "deletes them")


@GROUP.scenario("somebody's own files in the directory, after evicting, tidying and clearing")
def own_top(lab: Lab) -> None:
    own_files(lab, below=False)


@GROUP.scenario("somebody's own files beside results, after evicting, tidying and clearing")
def own_below(lab: Lab) -> None:
    own_files(lab, below=True)


def jump(lab: Lab, seconds: float) -> None:
    """Let processes use a store by a clock that is years off, and others by the right one."""
    lab.fill()

    def shifted(tables: range) -> Report:
        real = time.time
        time.time = lambda: real() + seconds
        time.time_ns = lambda: int((real() + seconds) * 1e9)
        return lab.used(tables)

    before = lab.runs()
    lab.visit(lambda: shifted(range(4)))
    lab.use()
    if lab.runs() != before:
        lab.saw(BROKEN, "computed again")
    lab.visit(lambda: shifted(range(10, 14)))
    before = lab.runs()
    lab.use(range(10, 14))
    if lab.runs() != before:
        lab.saw(BROKEN, "computed again")
    lab.goes_on()
    lab.stays_tidy()


@GROUP.scenario("the clock jumps ten years ahead")
def ahead(lab: Lab) -> None:
    jump(lab, TEN_YEARS_S)


@GROUP.scenario("the clock jumps ten years back")
def back(lab: Lab) -> None:
    jump(lab, -TEN_YEARS_S)


@GROUP.scenario("the clock jumps ten years back: what was used last is evicted last")
def order(lab: Lab) -> None:
    limit = 4_000_000

    def used(tables: range, seconds: float) -> Report:
        real = time.time
        time.time = lambda: real() + seconds
        seen = Seen()
        with seen.trying():
            store = lab.open(limit=limit)
            table = store.cache(work.table)
            for x in tables:
                seen.call(table, work.table_value(x), x)
                time.sleep(0.01)
            store.close()
        return seen.report()

    lab.visit(lambda: used(range(8), 0.0))
    lab.visit(lambda: used(range(4), -TEN_YEARS_S))
    lab.visit(lambda: used(range(20, 26), -TEN_YEARS_S + 60))
    before = lab.runs()
    lab.visit(lambda: used(range(4), -TEN_YEARS_S + 120))
    if lab.runs() != before:
        lab.saw(BROKEN, "not kept")
