"""Stores that others have written to, with intent."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from battery import work
from battery.lab import BROKEN, WRONG, Lab, Report, Seen
from battery.model import Group
from battery.tools import NotHere

GROUP = Group("Hostile")


def trace(lab: Lab) -> Path:
    """Return the file that a bomb makes."""
    return lab.folder / "went-off"


def look(lab: Lab) -> None:
    """See whether code of a store was run."""
    if trace(lab).exists():
        lab.saw(WRONG, "runs foreign code")


def planted(lab: Lab, *, bomb: bool, **more: object) -> Report:
    """Make the calls of `work.planted`, as an attacker or as a victim."""
    seen = Seen()
    if bomb:
        os.environ[work.BOMB] = str(trace(lab))
    with seen.trying():
        store = lab.open(**more)
        cached = store.cache(work.planted)
        for x in range(2):
            value = cached(x)
            seen.wrong += not bomb and not work.same(value, [x, x, x])
        store.close()
    return seen.report()


@GROUP.scenario("a pickle that runs code, put in a result's place")
def in_place(lab: Lab) -> None:
    import pickle

    lab.fill()
    bomb = pickle.dumps(work.Bomb(str(trace(lab))))
    for path in lab.tool.payloads(lab.place):
        path.write_bytes(bomb)
    lab.use()
    look(lab)


def stored_bomb(lab: Lab, **more: object) -> None:
    """Let an attacker store a result that runs code, and a victim make the same call."""
    lab.visit(lambda: planted(lab, bomb=True))
    trace(lab).unlink(missing_ok=True)
    lab.own(lab.folder)
    lab.visit(lambda: planted(lab, bomb=False, **more))
    look(lab)


@GROUP.scenario("a pickle that runs code, stored by the same program, met with pickle switched off")
def switched_off(lab: Lab) -> None:
    stored_bomb(lab, safe=True)


@GROUP.scenario("the same, met by a store with a signing key")
def signed(lab: Lab) -> None:
    lab.visit(lambda: planted(lab, bomb=False, key=b"k" * 32))
    stored_bomb(lab, key=b"k" * 32)


@GROUP.scenario("the same, in a directory that others may write to, met as the tool comes")
def shared(lab: Lab) -> None:
    lab.place.mkdir()
    lab.place.chmod(0o700)
    lab.visit(lambda: planted(lab, bomb=True))
    trace(lab).unlink(missing_ok=True)
    lab.place.chmod(0o777)
    lab.visit(lambda: planted(lab, bomb=False))
    look(lab)


@GROUP.scenario("paths in the index lead out of the directory: not read")
def path_read(lab: Lab) -> None:
    lab.fill()
    secret = lab.folder / "secret"
    secret.write_bytes(lab.tool.payloads(lab.place)[0].read_bytes())
    lab.tool.mislead(lab.place, "../secret")
    lab.goes_on()


@GROUP.scenario("paths in the index lead out of the directory: nothing there is deleted")
def path_deleted(lab: Lab) -> None:
    lab.fill()
    secret = lab.folder / "secret"
    secret.write_text("secret")
    lab.tool.mislead(lab.place, "../secret")
    lab.use()
    lab.visit(lambda: swept(lab))
    if not secret.exists():
        lab.saw(WRONG, "deletes it")


def swept(lab: Lab) -> Report:
    """Evict all, clear and tidy."""
    seen = Seen()
    with seen.trying():
        store = lab.open()
        store.shrink(0)
        store.tidy()
        store.clear()
        store.close()
    return seen.report()


@GROUP.scenario("a folder of results is a link to elsewhere: nothing there is deleted")
def linked(lab: Lab) -> None:
    lab.fill()
    folder = lab.tool.payloads(lab.place)[0].parent
    elsewhere = lab.folder / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    before = sorted(path.name for path in elsewhere.rglob("*"))
    lab.visit(lambda: swept(lab))
    if sorted(path.name for path in elsewhere.rglob("*")) != before:
        lab.saw(WRONG, "deletes what lies there")


@GROUP.scenario("a small compressed result that grows to 100 MB: little memory is taken")
def bomb(lab: Lab) -> None:
    lab.options["compressed"] = True

    def call() -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            numbers, table = store.cache(work.numbers), store.cache(work.table)
            for x in range(2):
                seen.call(numbers, work.numbers_value(x), x)
                if lab.tool.name != "diskcache":  # which compresses plain values only
                    seen.call(table, work.table_value(x), x)
            store.close()
        peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024
        return {**seen.report(), "peak": peak}

    if sys.platform != "linux":
        raise NotHere("memory is read from /proc")
    usual = lab.visit(call).get("peak", 0)
    lab.visit(call)
    files = lab.tool.payloads(lab.place)
    if not files:
        raise NotHere("it keeps such results in its index")
    for path in files:
        lab.tool.plant_bomb(path, 100_000_000)
    peak = lab.visit(call).get("peak", 0)
    if peak > usual + 80_000_000:
        lab.saw(BROKEN, f"takes {(peak - usual) / 1e9:.1f} GB")


@GROUP.scenario("a result whose head announces a terabyte")
def head(lab: Lab) -> None:
    lab.fill()
    for path in lab.tool.payloads(lab.place):
        lab.tool.plant_head(path)

    def limited() -> Report:
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        return lab.used()

    lab.visit(limited)
    lab.goes_on()


@GROUP.scenario("an index from a later version: refused, and not a byte changed")
def future(lab: Lab) -> None:
    if lab.tool.name != "resultstore":
        raise NotHere("its format has no version")
    from battery.tools import change

    lab.fill()
    (index,) = lab.tool.index(lab.place)
    change(index, "UPDATE alembic_version SET version_num = '1000'")
    change(index, "PRAGMA user_version = 1000")
    before = {path: path.read_bytes() for path in lab.place.rglob("*") if path.is_file()}

    def act() -> Report:
        try:
            store = lab.open()
            store.cache(work.table)(1)
        except Exception as error:
            return {"refused": type(error).__name__}
        return {}

    if lab.visit(act).get("refused") != "SchemaError":
        lab.saw(BROKEN, "not refused")
    if before != {path: path.read_bytes() for path in lab.place.rglob("*") if path.is_file()}:
        lab.saw(WRONG, "changes it")
