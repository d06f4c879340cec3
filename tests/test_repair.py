"""A damaged or lost index: that the store goes on, and that `store.repair` brings back all that can be read."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resultstore import CacheWarning, Repair, Store
from resultstore._index.damage import asides
from resultstore._journal import Journal
from resultstore.errors import DamagedError
from tests import science

BIG, SMALL_CALLS = 5000, 120
SEEDS = range(int(os.environ.get("RESULTSTORE_DAMAGES", "6")))


@pytest.fixture(autouse=True)
def _forget_runs():
    science.runs.clear()


def fill(folder: Path) -> None:
    """Make a store with results in the index, in files, shared, evicted and inside each other."""
    with Store(folder) as store:
        square, table = store.cache(science.square), store.cache(science.table)
        for i in range(SMALL_CALLS):
            square(i)
        for i in range(4):
            table(BIG + i)
        store.cache(science.spelled)(1, c=np.arange(20_000.0), note="text")
        square.forget(SMALL_CALLS - 1)
        store.pin(square.key(1))
        square(2)
    science.runs.clear()


def check(folder: Path) -> int:
    """Call all that `fill` has called until all of it is stored; return how often a function really ran at first.

    A call may meet the damage after hits that were still served: these are computed anew the next time.
    """
    first = None
    for _ in range(3):
        science.runs.clear()
        with Store(folder) as store:
            square, table = store.cache(science.square), store.cache(science.table)
            assert [square(i) for i in range(SMALL_CALLS - 1)] == [i * i for i in range(SMALL_CALLS - 1)]
            for i in range(4):
                assert (table(BIG + i) == table_of(BIG + i)).all()
        first = len(science.runs) if first is None else first
    assert science.runs == []
    return first or 0


def table_of(n: int) -> np.ndarray[Any, Any]:
    """Return what `science.table` gives."""
    return np.random.default_rng(0).normal(size=n)


def inner(x: int) -> int:
    """Return one more; it is cached."""
    return x + 1


def outer(x: int) -> int:
    """Return two more, by the cached one."""
    return inner(x) + 1


def index_of(folder: Path) -> Path:
    return folder / "index.sqlite"


def overwrite(path: Path, start: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(data)


def replace_by_directory(folder: Path) -> None:
    index_of(folder).unlink()
    index_of(folder).mkdir()


DAMAGES = {
    "garbage": lambda folder: index_of(folder).write_bytes(b"garbage" * 5000),
    "truncated": lambda folder: os.truncate(index_of(folder), index_of(folder).stat().st_size * 7 // 10),
    "a few pages": lambda folder: os.truncate(index_of(folder), 5000),
    "less than a head": lambda folder: os.truncate(index_of(folder), 50),
    "empty": lambda folder: os.truncate(index_of(folder), 0),
    "directory": replace_by_directory,
    "first page": lambda folder: overwrite(index_of(folder), 0, b"\xa5" * 4096),
    "list of tables": lambda folder: overwrite(index_of(folder), 100, b"\xa5" * 3000),
    "application_id": lambda folder: overwrite(index_of(folder), 68, b"\0\1\2\3"),
    "user_version": lambda folder: overwrite(index_of(folder), 63, b"\7"),
}


@pytest.mark.parametrize("is_open", [False, True], ids=["at rest", "open"])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_index_is_set_aside_and_the_store_goes_on(folder, damage, is_open):
    """A call that meets a damaged index gives its value, one warning names the remedy, and what is computed is stored."""
    fill(folder)
    store = Store(folder)
    if is_open:
        store.cache(science.square)(SMALL_CALLS + 1)
    damage(folder)
    with pytest.warns(CacheWarning) as caught:
        for i in range(0, SMALL_CALLS, 7):
            assert store.cache(science.square)(i) == i * i
        store.cache(science.square)(SMALL_CALLS + 2)
        store.close()
        again = Store(folder)
        assert again.cache(science.square)(SMALL_CALLS + 2) == (SMALL_CALLS + 2) ** 2
        for i in range(0, SMALL_CALLS, 7):
            assert again.cache(science.square)(i) == i * i
    assert len(caught) == 1
    assert "is damaged" in str(caught[0].message)
    assert "store.repair()" in str(caught[0].message)
    (aside,) = asides(str(folder))
    assert Path(aside).name in str(caught[0].message)
    assert {problem.kind for problem in again.verify(fix=True)} <= {"index", "orphan"}
    runs = len(science.runs)
    for i in range(0, SMALL_CALLS, 7):
        assert again.cache(science.square)(i) == i * i
    assert len(science.runs) == runs
    repair = again.repair()
    again.close()
    assert any(name.startswith("index-damaged-") for name in repair.files)
    assert asides(str(folder)) == []
    assert not any(isinstance(run, tuple) for run in science.runs)
    check(folder)
    assert not any(isinstance(run, tuple) for run in science.runs)
    with Store(folder) as last:
        assert last.verify() == []
        assert last.repair().files == ()


@pytest.mark.parametrize("side", ["-wal", "-shm"])
@pytest.mark.parametrize("is_open", [False, True], ids=["at rest", "open"])
@pytest.mark.parametrize("how", ["garbage", "deleted"])
def test_a_damaged_log_costs_no_more_than_what_it_held(folder, side, is_open, how, recwarn):
    """The log or its header, deleted or garbage, never makes a hit wrong or the store unusable, also while it is open."""
    fill(folder)
    store = Store(folder)
    path = Path(f"{index_of(folder)}{side}")
    if is_open:
        store.cache(science.square)(SMALL_CALLS + 1)
    if how == "garbage":
        path.write_bytes(b"garbage" * 5000)
    else:
        path.unlink(missing_ok=True)
    for i in range(SMALL_CALLS):
        assert store.cache(science.square)(i) == i * i
    store.cache(science.square)(SMALL_CALLS + 5)
    store.close()
    check(folder)
    with Store(folder) as again:
        assert again.cache(science.square).check_call_in_cache(SMALL_CALLS + 5)
        assert again.verify() == []
    assert all(issubclass(warning.category, CacheWarning) for warning in recwarn.list)


def test_a_transient_error_sets_nothing_aside(folder, monkeypatch):
    """A locked index, a full disk or a lack of handles is told, and the index stays where it is."""
    fill(folder)
    for text, code in [("disk I/O error", sqlite3.SQLITE_IOERR), ("unable to open", sqlite3.SQLITE_CANTOPEN),
                       ("database is locked", sqlite3.SQLITE_BUSY), ("full", sqlite3.SQLITE_FULL)]:  # fmt: skip
        error = sqlite3.OperationalError(text)
        error.sqlite_errorcode = code
        with Store(folder) as store, monkeypatch.context() as patch, pytest.warns(CacheWarning, match=text):
            patch.setattr(store._vault.index, "fetch", lambda key, error=error: (_ for _ in ()).throw(error))
            store.cache(science.square)(2)
    assert asides(str(folder)) == []


def test_an_index_that_sqlite_finds_sound_is_not_set_aside(folder):
    """An error that says damage is looked into before anything is renamed: it may have been of the moment."""
    fill(folder)
    with Store(folder) as store:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        store._vault._heal(error)
        assert asides(str(folder)) == []
        assert store.cache(science.square).check_call_in_cache(2)


def test_a_page_that_only_a_miss_meets_is_found_at_the_miss(folder):
    """Damage where no hit reads is met by the first result that is stored, which is stored all the same."""
    fill(folder)
    with closing(sqlite3.connect(index_of(folder))) as connection:
        root = "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_argument_name_token'"
        page = connection.execute(root).fetchone()[0]
    overwrite(index_of(folder), (page - 1) * 4096, b"\xa5" * 4096)
    with Store(folder) as store:
        square = store.cache(science.square)
        assert square(2) == 4
        assert science.runs == []
        with pytest.warns(CacheWarning, match="set aside"):
            assert square(SMALL_CALLS + 9) == (SMALL_CALLS + 9) ** 2
            store.close()  # it may wait to be written
        assert square.check_call_in_cache(SMALL_CALLS + 9)
        assert store.repair().results == SMALL_CALLS + 4
        assert store.verify() == []
    assert check(folder) == 0


def test_a_damaged_index_of_an_older_schema_is_set_aside(folder):
    """An upgrade that meets damage sets the index aside; the store opens, and its calls come back."""
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "golden" / "schema-1" / "index.sqlite", index_of(folder))
    with closing(sqlite3.connect(index_of(folder))) as connection:
        root = "SELECT rootpage FROM sqlite_schema WHERE name = 'function_version'"
        page = connection.execute(root).fetchone()[0]
    overwrite(index_of(folder), (page - 1) * 4096, b"\xa5" * 4096)
    with pytest.warns(CacheWarning, match="set aside"):
        store = Store(folder)
    store.cache(science.square)(2)
    assert store.cache(science.square).check_call_in_cache(2)
    store.close()


def test_verbs_say_what_to_do(folder):
    """What people ask of a damaged index is answered with our own error, which names the remedy, and nothing is changed."""
    fill(folder)
    DAMAGES["directory"](folder)
    with Store(folder) as store:
        for verb in (lambda: len(store.find()), store.stats, store.clear):
            with pytest.raises(DamagedError, match=r"index\.sqlite is damaged .*store\.repair\(\)"):
                verb()
        (problem,) = store.verify(fix=True)
        assert (problem.kind, problem.fixed) == ("index", False)
        assert "store.repair()" in problem.message
        assert asides(str(folder)) == []
        assert store.repair().results == 5
        assert len(store.find()) == 5


def test_another_process_moves_over(folder):
    """A process that has the old index open stores into the new one, and finds there what others store."""
    fill(folder)
    with Store(folder) as one, Store(folder) as other:
        mine, others = one.cache(science.square), other.cache(science.square)
        assert (mine(2), others(2)) == (4, 4)
        one._vault.index.connections.put_aside()
        assert mine(500) == 250_000
        others(501)  # a miss: what is written is written where the index is
        other._vault.flush()
        assert others.check_call_in_cache(500)
        assert mine.check_call_in_cache(501)
        one._vault.index.connections.put_aside()
        mine(502)
        one._vault.flush()
        other._vault._accesses._looked_at = 0.0
        others(501)  # a hit, of the old index, after which it looks around
        assert others.check_call_in_cache(502)
        science.runs.clear()
        assert others(501) == 501**2
        assert science.runs == [501]
        assert one.repair().results > SMALL_CALLS


# -- repair


def test_every_readable_row_comes_back(folder, monkeypatch):
    """From an index whose pages are whole, all comes back: results, records, uses, pins, versions, sources, runs, lineage."""
    with Store(folder) as store:
        square = store.cache(science.square)
        monkeypatch.setitem(globals(), "inner", store.cache(inner))
        store.cache(outer)(3)
        for i in range(10):
            square(i)
        square(2)
        square(2)
        store.pin(square.key(3))
        store.reduce_size(items_limit=8)
        before = facts_of(store)
    DAMAGES["list of tables"](folder)
    with Store(folder) as store:
        repair = store.repair()
        assert (repair.results, repair.unreadable) == (8, 0)
        assert facts_of(store) == before
        assert store.verify() == []
        square(2)
    assert science.runs[-1] != 2


def facts_of(store: Store) -> list[object]:
    """Return what an index knows, without its own numbers."""
    assert store._vault is not None
    connections = store._vault.index.connections
    records = [
        (r.key, r.function, r.version, r.arguments, r.created_at, r.accessed_at, r.access_count, r.duration, r.nbytes,
         r.state, r.note, r.pinned)
        for r in store.find()
    ]  # fmt: skip
    questions = [
        "SELECT name, hits, misses, evictions, seconds_saved, stored, nbytes FROM function ORDER BY name",
        """SELECT name, function_version.number, fingerprint, code, portable, text, place, signature FROM function_version
        JOIN function ON function.id = function_id LEFT JOIN source ON digest = source_digest ORDER BY 1, 2""",
        "SELECT dependency.name, kind, dependency.digest, detail FROM dependency ORDER BY 1, 2, 3",
        "SELECT started_at, process, host, packages FROM run JOIN call ON run.id = run_id ORDER BY key",
        "SELECT p.key, c.key FROM nesting JOIN call p ON p.id = parent_id JOIN call c ON c.id = child_id ORDER BY 1, 2",
        "SELECT key, computation.created_at, computation.state FROM computation JOIN call ON call.id = call_id ORDER BY 1, 2",
    ]
    return [sorted(records), *(connections.query(text, {}) for text in questions)]


def test_a_lost_index_gives_back_what_lies_in_files(folder):
    """When the index is deleted, every call whose result lies in files comes back from the journal, shared files too."""
    with Store(folder) as store:
        table, same = store.cache(science.table), store.cache(science.identity)
        for i in range(4):
            same(table(BIG + i))  # the second leans on the file of the first
        store.cache(science.spelled)(1, c=np.arange(20_000.0), note="text")
        table.forget(BIG)  # the file stays, as the other's
        store.cache(science.square)(3)
    index_of(folder).unlink()
    for path in folder.glob("index.sqlite-*"):
        path.unlink()
    with Store(folder) as store:
        repair = store.repair()
        assert (repair.results, repair.records, repair.unreadable) == (3 + 4 + 1, 0, 0)
        science.runs.clear()
        table, same = store.cache(science.table), store.cache(science.identity)
        assert not table.check_call_in_cache(BIG)  # forgotten stays forgotten
        for i in range(1, 4):
            assert (same(table(BIG + i)) == table_of(BIG + i)).all()
        assert (same(table_of(BIG)) == table_of(BIG)).all()
        assert science.runs == []
        assert store.verify() == []


def test_what_was_computed_since_counts(folder):
    """A newer computation stays; one that was older than what is salvaged gives way; repair twice changes nothing."""
    with Store(folder) as store:
        f = store.cache(science.count_runs)
        assert f(1) == 1
    DAMAGES["list of tables"](folder)
    with Store(folder) as store:
        f = store.cache(science.count_runs)
        with pytest.warns(CacheWarning, match="set aside"):
            assert f(1) == 2
        repair = store.repair()
        assert (repair.results, repair.known) == (0, 1)
        assert f(1) == 2


def test_payloads_of_what_was_computed_since_go(folder):
    """A repair deletes the files of calls that the store has anew: nothing would count them in the budget any more."""
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    DAMAGES["list of tables"](folder)
    with Store(folder) as store:
        table = store.cache(science.table)
        with pytest.warns(CacheWarning, match="set aside"):
            assert (table(BIG) == table_of(BIG)).all()
        assert len(list((folder / "payloads").rglob("*.npy"))) == 2
        repair = store.repair()
        assert (repair.results, repair.known) == (0, 2)  # by the index and by the journal
        assert len(list((folder / "payloads").rglob("*.npy"))) == 1
        assert store.verify() == []
        assert table.check_call_in_cache(BIG)


def test_a_payload_that_is_not_whole_comes_back_on_record_only(folder):
    """A call is admitted only if every byte of its result is as it was written; else its record says why."""
    fill(folder)
    files = sorted((folder / "payloads").rglob("*.npy"), key=lambda path: path.stat().st_size)
    files[0].unlink()
    overwrite(files[1], 3000, b"\xa5")
    index_of(folder).unlink()
    with Store(folder) as store:
        repair = store.repair()
        assert (repair.results, repair.records) == (3, 2)
        notes = sorted(str(record.note) for record in store.find() if record.state == "evicted")
        assert notes == ["its payload was damaged", "its payload was missing"]


def test_a_log_that_lost_its_index_is_given_back_to_it(folder, tmp_path):
    """Who is killed when the index is set aside, and its log is not yet, costs nothing of what the log holds."""
    with Store(tmp_path / "other") as other:
        square = other.cache(science.square)
        for i in range(8):
            square.refresh(i)
        shutil.copytree(tmp_path / "other", folder)
        assert (folder / "index.sqlite-wal").stat().st_size
    index_of(folder).rename(folder / "index-damaged-20200101-000000.sqlite")
    with Store(folder) as store:
        store.cache(science.table)(BIG)
        assert store.repair().results == 8
        assert [store.cache(science.square).get(i) for i in range(8)] == [i * i for i in range(8)]


def test_an_index_that_was_cut_gives_back_what_is_left(folder, sql):
    """Also one whose tables lie elsewhere than in a fresh one, as after a VACUUM: its own list of tables is used."""
    with Store(folder) as store:
        for i in range(1000):
            store.cache(science.square)(i)
    sql("VACUUM")
    path = index_of(folder)
    os.truncate(path, path.stat().st_size * 7 // 10 // 4096 * 4096 + 100)
    with Store(folder) as store:
        with pytest.warns(CacheWarning, match="is damaged"):
            store.cache(science.table)(BIG)
        assert store.repair().results > 500
        assert store.verify() == []


def test_a_row_that_was_changed_does_not_come_back(folder, sql):
    """What is not as it was written is counted as unreadable, and is computed anew."""
    with Store(folder) as store:
        for i in range(8):
            store.cache(science.square)(i + 0.5)
    sql("UPDATE call SET number = 7 WHERE id = 3")
    index_of(folder).rename(folder / "index-damaged-20200101-000000.sqlite")
    with Store(folder) as store:
        repair = store.repair()
        assert (repair.results, repair.unreadable) == (7, 1)
        assert store.cache(science.square)(2.5) == 6.25


def test_a_repair_that_was_killed_after_counting_counts_once(folder, sql):
    """What an earlier repair has added, and did not live to put away, is not added again."""
    with Store(folder) as store:
        for i in range(8):
            store.cache(science.square)(i)
    aside = index_of(folder).rename(folder / "index-damaged-20200101-000000.sqlite")
    with Store(folder) as store:
        store.cache(science.table)(BIG)
        sql("INSERT INTO meta VALUES (?, '1')", f"counted {aside.name}")
        assert store.repair().results == 8
        assert store.stats().misses == 1
        assert not sql("SELECT * FROM meta WHERE name LIKE 'counted%'")


def test_verify_keeps_what_a_repair_could_bring_back(folder):
    """Until the repair, verify(fix=True) and eviction's sweeps delete no payload that a lost index may have named."""
    fill(folder)
    index_of(folder).unlink()
    with Store(folder) as store:
        store.cache(science.square)(2)
        found = store.verify(fix=True)
        assert {problem.kind for problem in found} == {"index", "orphan"}
        assert all("store.repair()" in problem.message and not problem.fixed for problem in found)
        store.reduce_size(items_limit=0)
        assert store.repair().results == 5
        assert store.verify() == []


def test_an_index_that_is_gone_is_missed_before_anything_is_computed(folder):
    """Payload files and a journal without an index are named by verify, counted by stats, and not touched."""
    fill(folder)
    taken = sum(path.stat().st_blocks * 512 for path in (folder / "payloads").rglob("*.npy"))
    index_of(folder).unlink()
    before = {path: path.stat().st_size for path in folder.rglob("*")}
    with Store(folder) as store:
        for fix in (False, True):
            (problem,) = store.verify(fix=fix)
            assert (problem.kind, problem.where, problem.fixed) == ("index", "index.sqlite", False)
            assert problem.message == "it is gone: store.repair() brings back what can be read"
        assert taken < store.stats().nbytes < taken + 200_000
        assert {path: path.stat().st_size for path in folder.rglob("*")} == before
        assert store.repair().results == 5
        assert store.verify() == []


def test_payloads_of_which_nothing_is_known_are_told(folder):
    """Without index and journal, payload files are named, kept, and removed by clear alone."""
    fill(folder)
    index_of(folder).unlink()
    (folder / "journal.jsonl").unlink()
    with Store(folder) as store:
        (problem,) = store.verify(fix=True)
        assert problem.kind == "index"
        assert "remove them by store.clear()" in problem.message
        assert list(folder.glob("payloads/*/*"))
        assert store.clear() == 0
        assert store.verify() == []
        assert not list(folder.glob("payloads/*/*"))


def test_clear_means_the_calls_of_an_index_that_is_gone(folder):
    """What was removed by clear comes back by no repair, also where the index had been deleted before."""
    fill(folder)
    index_of(folder).unlink()
    with Store(folder) as store:
        store.clear()
        assert store.verify() == []
        assert store.repair() == Repair()
        assert not list(folder.glob("payloads/*/*"))


def test_a_place_where_nothing_is_takes_no_bytes(folder):
    """A store that nobody has written to takes nothing, and asking it makes no directory."""
    with Store(folder) as store:
        assert store.stats().nbytes == 0
        assert store.verify() == []
        assert store.clear() == 0
        assert not folder.exists()


def test_the_journal_of_a_lost_index_is_kept(folder):
    """With a new index a new journal begins, so that no compaction drops lines that only the lost index knew."""
    fill(folder)
    index_of(folder).unlink()
    with Store(folder) as store:
        table = store.cache(science.table)
        table(BIG)
        (old,) = folder.glob("journal-*.jsonl")
        assert len(old.read_bytes().split()) >= 5
        assert len(list(Journal(str(folder)).records())) == 1
        store._vault.journal.compact(set())
        assert store.repair().results == 4
        assert not list(folder.glob("journal-*.jsonl"))
        assert len(list(Journal(str(folder)).records())) == 4  # what came back can come back again


def test_the_size_limit_holds_beside_what_is_to_be_repaired(folder):
    """Payloads without rows and what was set aside count in the budget; under it they go before new results do."""
    limit = 4_000_000
    with Store(folder, size_limit=limit) as store:
        f = store.cache(science.slow_block)
        for i in range(20):
            f(i, 150_000)
    index_of(folder).unlink()
    for path in (folder / "payloads").rglob("*.npy"):
        os.utime(path, (1, 1))
    with Store(folder, size_limit=limit) as store:
        f = store.cache(science.slow_block)
        for i in range(100, 130):
            f(i, 150_000)
            taken = sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))
            assert taken <= limit, (i, taken)
        assert f.check_call_in_cache(129, 150_000)
        store.repair()
        assert sum(path.stat().st_blocks * 512 for path in folder.rglob("*")) <= limit
        assert store.verify() == []


def test_what_was_written_just_now_does_not_give_way(folder):
    """Payloads that no row names, and what was set aside, go to make room once they are old enough to be nobody's."""
    fill(folder)
    index_of(folder).unlink()
    with Store(folder) as store:
        store.cache(science.table)(BIG)  # written at once: a new index is begun
        vault, paths = store._vault, [path for path in (folder / "payloads").rglob("*") if path.is_file()]
        assert vault.remains.files()
        for age_s, left in ((0, len(paths)), (1000, 1)):
            for path in paths:
                os.utime(path, (time.time() - age_s,) * 2)
            with vault.gate.held(10):
                vault.remains.give_up(1 << 40)
            assert sum(path.exists() for path in paths) == left


def test_clear_removes_what_was_set_aside(folder):
    """After clear nothing is left for a repair: whoever removes all calls means those of a lost index, too."""
    fill(folder)
    index_of(folder).unlink()
    with Store(folder) as store:
        store.cache(science.square)(2)
        store.clear()
        assert store.verify() == []
        assert store.repair().files == ()
        assert len(store.find()) == 0


KILLED = """
    import os, sys
    from resultstore import Store, _journal
    from resultstore._index import restore
    left = int(sys.argv[2])
    def count(event, args):
        global left
        if event in ("sqlite3.connect", "os.rename", "open", "os.remove", "os.mkdir"):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), 9)
    store = Store(sys.argv[1])
    sys.addaudithook(count)
    store.repair()
    print("done")
"""


@pytest.mark.versionless
def test_a_repair_that_is_killed_is_run_again(folder, tmp_path):
    """Wherever a repair is killed, the next one brings back all, and nothing is there twice."""
    fill(folder)
    DAMAGES["list of tables"](folder)
    done, at = False, 0
    while not done:
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "copy")
        run = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "copy"), str(at)],
                             capture_output=True, text=True, check=False)  # fmt: skip
        done = "done" in run.stdout
        assert done or run.returncode == -signal.SIGKILL, run.stderr
        with Store(tmp_path / "copy") as store:
            store.repair()
            assert len(store.find()) == SMALL_CALLS - 1 + 5
            assert store.stats().misses == SMALL_CALLS + 5
            assert store.verify(fix=True) == []
        at += 37 if "RESULTSTORE_DAMAGES" not in os.environ else 2
    assert at > 2 * 37


def oracle(path: Path) -> set[bytes]:
    """Return the keys of the stored calls of which plain SQLite can read every row as it was before the damage."""
    tables = {"call": "id", "argument": "call_id", "result_leaf": "call_id"}

    def rows(connection: sqlite3.Connection, number: int) -> list[object]:
        found: list[object] = [
            connection.execute(f"SELECT * FROM {t} NOT INDEXED WHERE {c} = ?", (number,)).fetchall()
            for t, c in tables.items()
        ]
        leaves = connection.execute(
            "SELECT payload_id FROM result_leaf NOT INDEXED WHERE call_id = ?", (number,)
        ).fetchall()
        found += [
            connection.execute("SELECT * FROM payload NOT INDEXED WHERE id = ?", leaf).fetchall() for leaf in leaves
        ]
        return found

    whole = {}
    with closing(sqlite3.connect(f"{path}.whole")) as before, closing(sqlite3.connect(path)) as after:
        versions = "SELECT * FROM function_version NOT INDEXED", "SELECT id, name FROM function NOT INDEXED"
        try:
            if any(before.execute(v).fetchall() != after.execute(v).fetchall() for v in versions):
                return set()
        except (sqlite3.Error, UnicodeDecodeError):
            return set()
        for number, key in before.execute("SELECT id, key FROM call WHERE state = 'stored'").fetchall():
            try:
                if rows(before, number) == rows(after, number):
                    whole[key] = number
            except (sqlite3.Error, UnicodeDecodeError):
                continue
    return set(whole)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_damaged_no_value_is_wrong_and_what_is_readable_comes_back(tmp_path, seed, recwarn):
    """For random damage of an index no wrong value is served, and every call that SQLite can read comes back."""
    chance, folder = random.Random(seed), tmp_path / "results"
    fill(folder)
    path = index_of(folder)
    shutil.copy(path, f"{path}.whole")
    size = path.stat().st_size
    match seed % 3:
        case 0:
            data = bytearray(path.read_bytes())
            for _ in range(chance.choice((1, 5, 30))):
                data[chance.randrange(size)] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        case 1:
            for _ in range(chance.choice((1, 3))):
                overwrite(path, chance.randrange(size // 4096) * 4096, bytes(4096))
        case _:
            os.truncate(path, chance.randrange(size))
    readable = oracle(path)
    Path(f"{path}.whole").unlink()
    if seed % 2:
        check(folder)  # calls meet the damage first
    with Store(folder) as store:
        store.repair()
        assert {record.key for record in store.find() if record.state == "stored"} >= readable
        assert len({record.key for record in store.find()}) == len(store.find())
        store.verify(fix=True)
        assert store.verify() == []
    check(folder)
    assert all(issubclass(warning.category, CacheWarning) for warning in recwarn.list)


# -- a store that is taken away while it is open


@pytest.mark.parametrize("what", ["", "payloads", "temporary", "journal.jsonl", "gate", "index.sqlite"])
def test_what_is_removed_under_an_open_store_is_made_anew(folder, what, recwarn):
    """A store, or a part of it, that another process removes while two have it open stores again, in both of them."""
    with Store(folder) as one, Store(folder) as other:
        for store in (one, other):
            store.cache(science.square)(2)
            store.cache(science.table)(BIG)
        remove = "import shutil, os, sys; p = sys.argv[1]; shutil.rmtree(p) if os.path.isdir(p) else os.unlink(p)"
        subprocess.run([sys.executable, "-c", remove, str(folder / what)], check=True)
        for at, store in enumerate((one, other, one, other)):
            store._vault._accesses._looked_at = 0.0
            assert store.cache(science.square)(2) == 4
            assert (store.cache(science.table)(BIG) == table_of(BIG)).all()
            assert store.cache(science.square)(10 + at) == (10 + at) ** 2
            assert (store.cache(science.table)(BIG + 1 + at) == table_of(BIG + 1 + at)).all()
            store._vault._accesses._looked_at = 0.0
            store.cache(science.square)(2)
            store.cache(science.square)(2)
        science.runs.clear()
        for store in (one, other):
            store.cache(science.square)(2)
            store.cache(science.table)(BIG)
            for at in range(4):
                store.cache(science.square)(10 + at)
                store.cache(science.table)(BIG + 1 + at)
        assert science.runs == []
    with Store(folder) as again:
        assert again.cache(science.square)(2) == 4
        assert science.runs == []
        again.repair()
        again.verify(fix=True)
        assert again.verify() == []
    assert all(issubclass(warning.category, CacheWarning) for warning in recwarn.list)


def test_lines_of_the_journal_are_struck(folder):
    """A call that is dropped, or replaced by a result without a file, while its file stays, has no line that counts."""
    with Store(folder) as store:
        table, same = store.cache(science.table), store.cache(science.identity)
        same(table(BIG))
        table.forget(BIG)
        lines = (folder / "journal.jsonl").read_text().split()
        assert json.loads(lines[-1]) == {"gone": [table.key(BIG).hex()]}


OTHER = """
    import sys
    from resultstore import Store
    from tests import science
    store = Store(sys.argv[1])
    square, table = store.cache(science.square), store.cache(science.table)
    print(square(2), float(table(5000).sum()), len(science.runs), flush=True)
    for line in sys.stdin:
        science.runs.clear()
        store._vault._accesses._looked_at = 0.0
        values = [square(2), square(2), square(2), square(int(line)), float(table(5000).sum())]
        store.close()
        print(*values[2:], len(science.runs), flush=True)
"""


def test_a_second_process_goes_on_when_the_store_is_removed(folder):
    """A process that has the store open stores into the one that is made anew, and what it stores is found by others."""
    fill(folder)
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(OTHER), str(folder)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # fmt: skip
        assert other.stdin is not None
        assert other.stdout is not None
        expected = str(float(table_of(BIG).sum()))
        assert other.stdout.readline().split() == ["4", expected, "0"]
        shutil.rmtree(folder)
        with Store(folder) as store:
            assert store.cache(science.square)(7) == 49
        print(500, file=other.stdin, flush=True)
        assert other.stdout.readline().split()[:3] == ["4", "250000", expected]
        print(500, file=other.stdin, flush=True)
        assert other.stdout.readline().split() == ["4", "250000", expected, "0"]
        other.stdin.close()
    science.runs.clear()
    with Store(folder) as store:
        square = store.cache(science.square)
        assert (square(7), square(500), square(2)) == (49, 250_000, 4)
        assert (store.cache(science.table)(BIG) == table_of(BIG)).all()
        assert science.runs == []
        assert store.verify() == []


def test_two_repairs_at_once_count_once(folder, monkeypatch):
    """What functions had counted is added once, though another process repairs the same index meanwhile."""
    from resultstore import _repair

    fill(folder)
    with Store(folder) as store:
        counted = store.stats().misses
        with store._vault.gate.held(10):
            store._vault.index.connections.put_aside()
        admit = _repair._Bringing._admit

        def after_another(bringing):
            monkeypatch.setattr(_repair._Bringing, "_admit", admit)
            with Store(folder) as other:
                assert other.repair().results > 0
            admit(bringing)

        monkeypatch.setattr(_repair._Bringing, "_admit", after_another)
        assert store.repair().files == ()
        assert store.stats().misses == counted
    check(folder)
