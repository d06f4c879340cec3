"""The index: its schema, its texts, what a hit and an opening run, and stores of earlier schemas."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resultstore import SchemaError, Store
from resultstore._index import hot
from resultstore._index.making import APPLICATION_ID
from resultstore._index.upgrade import migrations_folder, upgrade
from resultstore.eviction import LRU
from tests import science

ROOT = Path(__file__).parent.parent


def schema_of(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the text of everything that a database defines, white space folded."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")").strip() for name, sql in rows}


def test_the_hot_texts_are_what_sqlalchemy_compiles():
    """hot.py is what scripts/compile-sql writes from the schema and the Core statements."""
    subprocess.run([sys.executable, ROOT / "scripts" / "compile-sql", "--check"], check=True)


@pytest.mark.parametrize("sql", [hot.VICTIMS, hot.VICTIMS_WITH_PAYLOAD], ids=["any", "with payload"])
def test_the_least_recently_used_are_found_without_sorting(sql):
    """By the standing policy the next victims are read off an index, at any size of the store."""
    fresh = sqlite3.connect(":memory:")
    for statement in hot.CREATE:
        fresh.execute(statement)
    page = {"count": 10, "skip": 0}
    plan = fresh.execute("EXPLAIN QUERY PLAN " + sql.format(order=LRU.order), page).fetchall()
    fresh.close()
    assert len(plan) == 1
    assert "USING INDEX ix_call_" in plan[0][3]


def test_a_migrated_index_is_a_created_one(tmp_path):
    """An index that Alembic brought to the present schema defines the same as a fresh one, and is stamped alike."""
    path = tmp_path / "index.sqlite"
    sqlite3.connect(path).close()
    assert upgrade(str(path)) is None
    fresh = sqlite3.connect(":memory:")
    for statement in hot.CREATE:
        fresh.execute(statement)
    migrated = sqlite3.connect(path)
    assert schema_of(migrated) == schema_of(fresh)
    for query in ("SELECT * FROM alembic_version", "SELECT * FROM total"):
        assert migrated.execute(query).fetchall() == fresh.execute(query).fetchall()
    assert migrated.execute("PRAGMA user_version").fetchone() == (hot.VERSION,)
    assert upgrade(str(path)) is None
    migrated.close()
    fresh.close()


def test_an_older_index_is_upgraded_when_it_is_opened(folder):
    """A store whose schema is older is brought up to date at opening, and works."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.close()
    with Store(folder) as store:
        f = store.cache(science.square)
        assert f(2) == 4
        assert f.check_call_in_cache(2)
        assert store.verify() == []


def test_an_upgrade_keeps_a_backup(tmp_path, monkeypatch):
    """Before a schema with a number is changed, the index is copied beside itself."""
    folder = tmp_path / "results"
    with Store(folder) as store:
        store.cache(science.square)(2)
    monkeypatch.setattr(hot, "VERSION", hot.VERSION + 1)
    backup = upgrade(str(folder / "index.sqlite"))
    assert backup == f"{folder / 'index.sqlite'}-schema-{hot.VERSION - 1}.backup"
    copy = sqlite3.connect(backup)
    assert copy.execute("SELECT count(*) FROM call").fetchone() == (1,)
    copy.close()
    assert Path(backup).stat().st_mode & 0o777 == 0o600
    monkeypatch.undo()
    newer = sqlite3.connect(folder / "index.sqlite")
    newer.execute("UPDATE alembic_version SET version_num = 'later'")  # as a migration would have it
    newer.commit()
    newer.close()
    there = sorted(path.name for path in folder.iterdir())
    with pytest.raises(SchemaError, match="newer"):
        Store(folder)
    assert sorted(path.name for path in folder.iterdir()) == there


def test_an_upgrade_that_fails_leaves_the_index_as_it_was(tmp_path):
    """What an upgrade changes is one transaction: when it fails in the middle, nothing has changed."""
    path = tmp_path / "index.sqlite"
    shutil.copy(Path(__file__).parent / "golden" / "schema-1" / "index.sqlite", path)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE acceptance (somebody TEXT)")
    connection.commit()
    before = schema_of(connection)
    with pytest.raises(Exception, match="acceptance"):
        upgrade(str(path))
    assert schema_of(connection) == before
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM function_version").fetchone() == (4,)
    connection.close()


def test_versions_of_schema_1_keep_keys_and_sources(tmp_path):
    """After the upgrade from schema 1 every call is where it was, and every version has its code, and its text once."""
    old, path = (
        sqlite3.connect(Path(__file__).parent / "golden" / "schema-1" / "index.sqlite"),
        tmp_path / "index.sqlite",
    )
    shutil.copy(Path(__file__).parent / "golden" / "schema-1" / "index.sqlite", path)
    copy = sqlite3.connect(path)
    copy.execute("UPDATE function_version SET source = 'def f(): ...' WHERE id < 3")
    copy.commit()
    copy.close()
    upgrade(str(path))
    new = sqlite3.connect(path)
    columns = ", ".join(f"call.{row[1]}" for row in old.execute("PRAGMA table_info(call)"))
    calls = f"SELECT {columns}, function.name FROM call JOIN function_version ON version_id = function_version.id JOIN function ON function_id = function.id"
    assert new.execute(calls).fetchall() == old.execute(calls).fetchall()
    rows = new.execute(
        "SELECT number, fingerprint = code, text FROM function_version LEFT JOIN source ON digest = source_digest"
    )
    assert rows.fetchall() == [(1, 1, "def f(): ...")] * 2 + [(1, 1, None)] * 2
    assert new.execute("SELECT count(*) FROM source").fetchone() == (1,)
    assert new.execute("PRAGMA foreign_key_check").fetchall() == []
    sums = "SELECT function.name, count(*), sum(call.nbytes) FROM call JOIN function_version ON version_id = function_version.id JOIN function ON function_id = function.id WHERE state = 'stored' GROUP BY function.id ORDER BY function.name"
    assert (
        new.execute("SELECT name, stored, nbytes FROM function ORDER BY name").fetchall()
        == new.execute(sums).fetchall()
        != []
    )
    old.close()
    new.close()


def test_the_migrations_are_found():
    """The migration scripts lie at the top level of a checkout or inside an installed package."""
    assert (Path(migrations_folder()) / "versions" / "0001_first_schema.py").exists()
    for script in (Path(migrations_folder()) / "versions").glob("*.py"):
        text = script.read_text()
        assert "import resultstore" not in text
        assert "from resultstore" not in text


def test_the_settings_of_a_fresh_index(folder, store, sql):
    """What can only be set at creation is set: page size, incremental vacuum, identity, write-ahead log."""
    store.cache(science.square)(2)
    for pragma, value in [
        ("page_size", 4096), ("auto_vacuum", 2), ("user_version", hot.VERSION), ("application_id", APPLICATION_ID), ("journal_mode", "wal"),
    ]:  # fmt: skip
        assert sql(f"PRAGMA {pragma}") == [(value,)]
    assert sql("SELECT version_num FROM alembic_version") == [(f"{hot.VERSION:04}",)]
    assert dict(sql("SELECT name, value FROM meta")) == {"encoding": "1", "fingerprint scheme": "2"}  # type: ignore[arg-type]


def test_every_foreign_key_has_an_index(store, sql):
    """No look-up from parent to child scans a table."""
    store.cache(science.square)(2)
    for (table,) in sql("SELECT name FROM sqlite_master WHERE type = 'table'"):
        indexed = {
            str(column[2])
            for index in sql(f"PRAGMA index_list({table})")
            for column in sql(f"PRAGMA index_info({index[1]})")[:1]
        }
        primary = [str(row[1]) for row in sql(f"PRAGMA table_info({table})") if row[5] == 1]
        for key in sql(f"PRAGMA foreign_key_list({table})"):
            assert str(key[3]) in indexed | set(primary), (table, key[3])


class Trace:
    """The SQL statements that a store's connections run, in order."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        monkeypatch.setattr("resultstore._accesses._LOOK_S", 1000.0)  # else one hit in half a second looks around
        connections = store._vault.index.connections  # type: ignore[union-attr]
        real = connections._open

        def open_traced(mode: str) -> sqlite3.Connection:
            connection = real(mode)
            connection.set_trace_callback(self.statements.append)
            return connection

        store.close()
        monkeypatch.setattr(connections, "_open", open_traced)


def test_a_hit_runs_one_select(store, monkeypatch):
    """The first hit of a scalar runs one SELECT, of an array two; neither writes, and a file is opened once."""
    f, g, h = store.cache(science.square), store.cache(science.table), store.cache(science.slow_block)
    f(2), g(10), h(1)
    trace = Trace(store, monkeypatch)
    opened = []
    blobs = store._vault.blobs
    real_open = type(blobs).open
    monkeypatch.setattr(type(blobs), "open", lambda self, name: opened.append(name) or real_open(self, name))
    for call, selects, files in [(lambda: f(2), 1, 0), (lambda: g(10), 2, 0), (lambda: h(1), 2, 1)]:
        store._vault.index._recent.forget()
        call()  # type: ignore[no-untyped-call]
        store._vault.index._recent.forget()
        trace.statements.clear()
        opened.clear()
        call()  # type: ignore[no-untyped-call]
        assert [s.split()[0] for s in trace.statements] == ["SELECT"] * selects
        assert len(opened) == files


def test_opening_and_hitting_write_nothing(folder, monkeypatch):
    """Opening an existing store and hitting in it change no byte of index and payloads."""
    with Store(folder) as store:
        store.cache(science.square)(2)
        store.cache(science.table)(5000)

    def files():
        found = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".sqlite-wal", ".sqlite-shm")]
        return {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in found}

    before = files()
    store = Store(folder)
    for _ in range(10):
        store.cache(science.square)(2)
        store.cache(science.table)(5000)
    assert files() == before
    store._vault._accesses.forget()  # type: ignore[union-attr]
    store.close()
    assert files() == before


def test_a_miss_is_one_transaction(store, monkeypatch):
    """Whatever a result consists of, it is written in one transaction."""
    f = store.cache(science.spelled)
    f(0, c=0)
    trace = Trace(store, monkeypatch)
    f(1, c=[np.zeros(3), np.ones(30_000), {"k": np.arange(5)}])
    commands = [s.split()[0] for s in trace.statements]
    assert commands.count("BEGIN") == commands.count("COMMIT") == 1


def test_accesses_are_flushed_together(store, monkeypatch, sql):
    """Hits are counted in memory and written later, in one transaction, oldest access first."""
    f = store.cache(science.square)
    for i in range(3):
        f(i)
    for i in (2, 0, 0, 1):
        f(i)
    assert sql("SELECT sum(access_count) FROM call") == [(0,)]
    trace = Trace(store, monkeypatch)  # closes the store, which writes what waits
    assert sql("SELECT argument.number, access_count FROM call JOIN argument ON call_id = id ORDER BY access_sequence") == [
        (2.0, 1), (0.0, 2), (1.0, 1)
    ]  # fmt: skip
    f(1)
    later = store._vault._accesses._written_at + 2000
    monkeypatch.setattr("resultstore._clock.now", lambda: later)
    f(1)
    assert sql("SELECT sum(access_count) FROM call") == [(6,)]
    assert [s.split()[0] for s in trace.statements].count("COMMIT") == 1


def test_a_call_of_two_scalars_takes_little(folder, sql):
    """A small call with two scalar arguments takes at most 0.6 KiB of the index, indexes included, and no inode."""
    with Store(folder) as store:
        f = store.cache(science.table, ignore=["scale"])
        g = store.cache(lambda x, y: x + y)
        del f
        for i in range(3000):
            g(i, 0.5)
    assert (folder / "index.sqlite").stat().st_size / 3000 <= 0.6 * 1024
    assert len(list(folder.rglob("*"))) < 12


@pytest.mark.parametrize("name", sorted(p.name for p in (Path(__file__).parent / "golden").glob("schema-*")))
def test_stores_of_every_released_schema_work(folder, name):
    """A store written by an earlier version opens, is found in, loads, and takes new results."""
    shutil.copytree(Path(__file__).parent / "golden" / name, folder)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    with Store(folder) as store:
        assert store.verify() == []
        assert len(store.find()) == 7
        assert store.find("golden.scalar", x=3).first().load() == 4.5
        record = store.find("golden.arrays", n=4).first()
        assert record.arguments == {"n": 4, "label": "four"}
        loaded = record.load()
        assert loaded["small"].tolist() == [0, 1, 2, 3]
        assert loaded["again"] is loaded["small"]
        assert (loaded["large"] == np.arange(40_000.0).reshape(200, 200)).all()
        assert loaded["large"].flags.f_contiguous
        assert store.find("golden.scalar", x=1).first().state == "evicted"
        assert store.find("golden.scalar", x=2).first().access_count == 2
        store.cache(science.square)(2)
        assert store.verify() == []
