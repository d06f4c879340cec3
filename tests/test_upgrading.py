"""Indexes of older versions: upgraded by many at once, killed, on a full disk, without the right to write."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from resultstore import CacheWarning, Store
from resultstore._index import hot
from tests import science

GOLDEN = Path(__file__).parent / "golden"
KILLS = int(os.environ.get("RESULTSTORE_TEST_ROUNDS", "6"))
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def put_old_store(folder: Path, schema: int = 1) -> None:
    """Copy a store that an earlier version has written."""
    shutil.copytree(GOLDEN / f"schema-{schema}", folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)


def version_of(path: Path) -> tuple[int, int]:
    """Return an index's schema version, and how many calls it has."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return version, connection.execute("SELECT count(*) FROM call").fetchone()[0]


def backups(folder: Path) -> list[str]:
    """Return the names of what upgrades have left beside the index."""
    return sorted(
        path.name for path in folder.glob("index.sqlite*") if not path.name.endswith((".sqlite", "-wal", "-shm"))
    )


def fork(work: Callable[[], object]) -> int:
    """Run something in a forked process, which ends with 0 if it returns something true; return its number."""
    pid = os.fork()
    if pid == 0:
        ok: object = False
        try:
            ok = work()
        finally:
            os._exit(0 if ok else 1)
    return pid


def open_and_use(folder: Path, number: int) -> bool:
    """Open a store of an older schema, as others do at the same moment; hit, miss and hit."""
    with Store(folder) as store:
        f = store.cache(science.square)
        return (
            store.find("golden.scalar", x=3).first().load() == 4.5  # type: ignore[union-attr]
            and f(number) == f(number) == number**2
            and len(store.find()) >= 8
        )


@needs_fork
@pytest.mark.parametrize("schema", range(1, hot.VERSION))
def test_many_upgrade_at_once(folder, schema):
    """Processes that open a store of an older schema at the same moment all work, on one index, with one backup."""
    put_old_store(folder, schema)
    children = [fork(lambda number=number: open_and_use(folder, number)) for number in range(6)]  # type: ignore[misc]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 6
    assert backups(folder) == [f"index.sqlite-schema-{schema}.backup"]
    backup = folder / f"index.sqlite-schema-{schema}.backup"
    assert version_of(backup) == (schema, 7)
    assert backup.stat().st_mode & 0o777 == 0o600
    with Store(folder) as store:
        assert store.verify() == []
        assert len(store.find()) == 13


@needs_fork
def test_killed_upgrades_leave_the_old_index_or_the_new_one(folder):
    """However often an upgrade is killed, the index is the old one or the new one, whole, and the next try succeeds."""
    put_old_store(folder)
    Store(folder).close()  # imports what an upgrade needs: from now on one takes some hundredths of a second
    found: Counter[tuple[int, bool]] = Counter()
    for number in range(KILLS):
        schema = 1 + number % (hot.VERSION - 1)
        shutil.rmtree(folder)
        put_old_store(folder, schema)
        started = time.perf_counter()
        Store(folder).close()
        took = time.perf_counter() - started
        shutil.rmtree(folder)
        put_old_store(folder, schema)
        child = fork(lambda: Store(folder).close() or True)
        time.sleep(took * 1.2 * number / KILLS)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        version, calls = version_of(folder / "index.sqlite")
        assert version in (schema, hot.VERSION)
        assert calls == 7
        for name in backups(folder):
            assert ".new" in name or version_of(folder / name) == (schema, 7)
        found[version, bool(backups(folder))] += 1
        with Store(folder) as store:
            assert store.find("golden.scalar", x=3).first().load() == 4.5  # type: ignore[union-attr]
            assert store.verify() == []
        assert backups(folder) == [f"index.sqlite-schema-{schema}.backup"]
    sys.stderr.write(f"{KILLS} kills; schema and whether there was a backup, how often: {dict(found)}\n")


def test_an_upgrade_that_cannot_be_done_is_told_once_and_tried_again(folder, monkeypatch):
    """On a full disk a store of an older schema computes, with one warning, and is upgraded when there is room again."""
    put_old_store(folder)
    before = (folder / "index.sqlite").read_bytes()

    def no_room(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("resultstore._index.upgrade._run_alembic", no_room)
        with pytest.warns(CacheWarning, match="could not be brought to this version .*full.*computing") as caught:
            store = Store(folder)
            f = store.cache(science.square)
            assert (f(2), f(2)) == (4, 4)
            assert (store.cache(science.table)(100) == science.table(100)).all()
            store.close()
        assert len(caught) == 1
        assert (folder / "index.sqlite").read_bytes() == before
        assert version_of(folder / "index.sqlite") == (1, 7)
    store._vault._writing._settle_from = 0.0  # type: ignore[union-attr]
    assert f(3) == 9
    assert f.check_call_in_cache(3)
    assert len(store.find()) == 8
    store.close()
    assert version_of(folder / "index.sqlite") == (hot.VERSION, 8)


def test_without_the_right_to_write_an_old_store_computes(folder):
    """A store of an older schema that cannot be written to is left as it is: its functions are computed."""
    put_old_store(folder)
    (folder / "gate").mkdir()  # as good as no right to write, for root as well
    with pytest.warns(CacheWarning, match="could not be brought to this version") as caught:
        store = Store(folder)
        assert store.cache(science.square)(2) == 4
        store.close()
    assert len(caught) == 1
    assert version_of(folder / "index.sqlite") == (1, 7)


def test_backups_count_in_the_budget_and_go_when_they_are_old(folder):
    """What an upgrade leaves behind counts as the store's, and is removed after a week if there is need of room."""
    put_old_store(folder)
    with Store(folder, size_limit="2 MB") as store:
        backup = folder / "index.sqlite-schema-1.backup"
        f = store.cache(science.slow_block)
        for i in range(40):
            f(i)
        assert backup.exists()
        assert store.stats().nbytes >= sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
        os.utime(backup, (0, 0))
        for i in range(40, 80):
            f(i)
        assert not backup.exists()
        assert store.verify() == []
