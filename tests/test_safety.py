"""The floor of safety: damage, hostile files, rights, and the record from which a lost index is repaired."""

from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
import sqlite3
import stat
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from resultstore import CacheWarning, Store
from resultstore._journal import Journal
from resultstore.blobs.local import LocalBlobs
from resultstore.errors import DamagedError
from tests import science

BIG = 100_000


@pytest.fixture(autouse=True)
def _forget_runs():
    science.runs.clear()


def payload_of(folder: Path) -> Path:
    """Return the only payload file of a store."""
    (file,) = (folder / "payloads").rglob("*.npy")
    return file


def test_directories_and_files_are_private(folder, store):
    """Whatever the umask, directories are 0700 and files 0600."""
    old = os.umask(0)
    try:
        store.cache(science.table)(BIG)
        store.cache(science.table)(10)
    finally:
        os.umask(old)
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.lstat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_paths_are_short_and_plain(folder, store):
    """Every path below the store is short and of plain characters, whatever the function's name."""
    namespace = {"__name__": "a.very." + "deep." * 40 + "module", "np": np}
    exec("def " + "ünïcode_näme" * 20 + "(n): return np.zeros(n)", namespace)
    f = store.cache(next(v for k, v in namespace.items() if k.startswith("ü")))
    f(BIG)
    assert f.check_call_in_cache(BIG)
    for path in folder.rglob("*"):
        relative = str(path.relative_to(folder))
        assert len(relative) <= 80
        assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789._-/" for c in relative.replace("CACHEDIR.TAG", ""))


def test_marks_are_only_put_into_a_directory_of_our_own(tmp_path):
    """CACHEDIR.TAG and .gitignore mark a directory that we made, never one that was there before."""
    Store(tmp_path / "new").cache(science.square)(2)
    assert (tmp_path / "new" / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55")
    assert (tmp_path / "new" / ".gitignore").read_text().splitlines()[-1] == "*"
    (tmp_path / "old").mkdir()
    Store(tmp_path / "old").cache(science.square)(2)
    assert not (tmp_path / "old" / "CACHEDIR.TAG").exists()
    assert not (tmp_path / "old" / ".gitignore").exists()


def flip(path: Path) -> None:
    """Change one bit of the last element."""
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


def replace_by_other(path: Path) -> None:
    """Put another whole .npy file in the place."""
    np.save(path.with_suffix(""), np.zeros(BIG))
    os.replace(path.with_suffix("").with_suffix(".npy"), path)


def make_hole(path: Path) -> None:
    """Let a part of the file be a hole, as after a power cut."""
    data = path.read_bytes()
    os.truncate(path, 4096)
    with path.open("r+b") as file:
        file.seek(12_288)
        file.write(data[12_288:])


def replace_by_directory(path: Path) -> None:
    """Put a directory in the place."""
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    """Put a symbolic link to an equal file in the place."""
    shutil.copy(path, path.parent.parent / "elsewhere")
    path.unlink()
    path.symlink_to(path.parent.parent / "elsewhere")


def replace_by_fifo(path: Path) -> None:
    """Put a FIFO in the place, which would block a reader for ever."""
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "damage",
    [
        flip,
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: os.truncate(path, path.stat().st_size + 1),
        lambda path: os.truncate(path, 0),
        lambda path: path.write_bytes(b"\0" * path.stat().st_size),
        make_hole,
        lambda path: path.write_bytes(b"garbage" + path.read_bytes()[7:]),
        Path.unlink,
        replace_by_other,
        replace_by_directory,
        replace_by_link,
        replace_by_fifo,
    ],
)
def test_a_damaged_payload_is_a_miss(folder, damage):
    """Whatever was done to a payload, the call gives its right value, one warning, and is stored again."""
    with Store(folder) as store:
        expected = store.cache(science.table)(BIG).copy()
    damage(payload_of(folder))
    with Store(folder) as store:
        f = store.cache(science.table)
        with pytest.warns(CacheWarning, match=r"science\.table: .* is computed again|cannot be read") as caught:
            assert (f(BIG) == expected).all()
        assert len(caught) == 1
        assert len(science.runs) == 2
    with Store(folder) as store:
        assert (store.cache(science.table)(BIG) == expected).all()
    assert len(science.runs) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_payload_that_may_not_be_read_is_a_miss(folder):
    """A payload file without the right to read it is put aside, computed and stored again."""
    with Store(folder) as store:
        expected = store.cache(science.table)(BIG).copy()
    payload_of(folder).chmod(0)
    with (
        Store(folder) as store,
        pytest.warns(CacheWarning, match=r"science\.table: .* is computed again: .* may not be"),
    ):
        assert (store.cache(science.table)(BIG) == expected).all()
    with Store(folder) as store:
        assert (store.cache(science.table)(BIG) == expected).all()
    assert len(science.runs) == 2


def test_files_that_are_swapped_or_of_another_call_are_misses(folder):
    """Two whole payloads in each other's place, or one in that of another call, are told from those that were written."""
    with Store(folder) as store:
        f = store.cache(science.slow_block)
        for i in range(4):
            f(i)
        names = [store._vault.index.leaves(i + 1)[0].payload.file for i in range(4)]  # type: ignore[union-attr]
    one, other, third, fourth = (folder / "payloads" / str(name) for name in names)
    os.rename(one, folder / "x")
    os.rename(other, one)
    os.rename(folder / "x", other)
    shutil.copy(third, fourth)
    with (
        Store(folder) as store,
        pytest.warns(CacheWarning, match=r"the stored result of \(i=0, nbytes=100000\) cannot be used"),
    ):
        f = store.cache(science.slow_block)
        assert [int(f(i)[0]) for i in range(4)] == [0, 1, 2, 3]
        assert store.verify() == []


def test_mapped_files_are_verified_when_asked(folder):
    """With verify_maps=True a damaged payload is a miss also where results are mapped, and what is whole stays a map."""
    with Store(folder, mmap_mode="r") as store:
        expected = store.cache(science.table)(BIG).copy()
    flip(payload_of(folder))
    with Store(folder, mmap_mode="r", verify_maps=True) as store:
        f = store.cache(science.table)
        with pytest.warns(
            CacheWarning, match=r"\(n=100000, seed=0, scale=1\.0\) cannot be used .* not those that were written"
        ):
            assert (f(BIG) == expected).all()
        assert len(list((folder / "quarantine").iterdir())) == 1
        assert isinstance(f(BIG), np.memmap)
    with Store(folder, mmap_mode="r", verify_maps=True) as store:
        assert isinstance(store.cache(science.table)(BIG), np.memmap)
        assert len(science.runs) == 2


def test_explain_knows_of_damage_in_place(folder):
    """What was changed in its place, at its size, is no hit to explain; what is whole is one."""
    with Store(folder) as store:
        f = store.cache(science.table)
        f(BIG)
        assert f.explain(BIG).outcome == "hit"
        flip(payload_of(folder))
        os.utime(payload_of(folder), ns=(0, 0))
        assert f.explain(BIG).reason == "unreadable"
    with Store(folder) as store:
        assert store.cache(science.table).explain(BIG).reason == "unreadable"


def test_damage_is_noticed_after_the_first_read_too(folder, store):
    """A file that changed since it was checked is checked again."""
    f = store.cache(science.table)
    expected = f(BIG).copy()
    f(BIG)
    path = payload_of(folder)
    flip(path)
    os.utime(path, ns=(0, 0))
    with pytest.warns(CacheWarning, match="not those that were written"):
        assert (f(BIG) == expected).all()


def test_damaged_files_are_kept_for_a_look(folder, store):
    """A damaged file goes to quarantine/ and counts in the budget until someone removes it."""
    f = store.cache(science.table)
    f(BIG)
    store.close()
    flip(payload_of(folder))
    again = Store(folder)
    with pytest.warns(CacheWarning):
        again.cache(science.table)(BIG)
    assert len(list((folder / "quarantine").iterdir())) == 1
    again.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE call SET number = 5.0",
        "UPDATE call SET kind = 'none'",
        "UPDATE payload SET inline = zeroblob(length(inline))",
        "UPDATE payload SET shape = '[1000000000000]'",
        "UPDATE payload SET dtype = '|O'",
        "UPDATE payload SET dtype = '<i8'",
        "UPDATE payload SET memory_order = 'F', shape = '[10, 10]'",
        "UPDATE payload SET dtype = '__import__(1)'",
        "UPDATE payload SET format = 'pickle'",
        "UPDATE payload SET format = 'unheard'",
        "UPDATE payload SET codec = 'unheard'",
        "UPDATE payload SET digest = zeroblob(32)",
        "DELETE FROM result_leaf",
        "UPDATE call SET text = '[[\"tuple\",1]]'",
    ],
)
def test_a_tampered_index_row_is_a_miss(folder, sql, change):
    """A row of the index that was changed behind our back is never served."""

    with Store(folder) as store:
        store.cache(science.square)(2.5)
        store.cache(science.table)(100)
        store.cache(science.spelled)(1, c=np.arange(3))
    sql(change)
    with Store(folder) as store, pytest.warns(CacheWarning):
        assert store.cache(science.square)(2.5) == 6.25
        assert (store.cache(science.table)(100) == science.table(100)).all()
        assert (store.cache(science.spelled)(1, c=np.arange(3))[3] == np.arange(3)).all()
        store.verify(fix=True)
        assert store.verify() == []


def test_the_row_of_another_call_is_a_miss(folder, sql):
    """What is whole, and was written for another call, is not served for this one."""
    with Store(folder) as store:
        assert [store.cache(science.square)(x) for x in (2.5, 3.5)] == [6.25, 12.25]
    sql("UPDATE call SET (number, checksum) = (SELECT number, checksum FROM call WHERE id = 2) WHERE id = 1")
    with Store(folder) as store, pytest.warns(CacheWarning, match="cannot be used"):
        assert store.cache(science.square)(2.5) == 6.25


@pytest.mark.parametrize("name", ["../../../mine", "/etc/passwd", "ab/../../mine", "ab"])
def test_paths_in_a_tampered_index_lead_nowhere(folder, sql, name, tmp_path):
    """A file name in the index that is not of our scheme is neither read nor deleted."""
    (tmp_path / "mine").write_text("mine")
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    sql("UPDATE payload SET file = ?", name)
    with Store(folder) as store:
        with pytest.warns(CacheWarning):
            store.cache(science.table)(BIG)
        store.clear()
        store.verify(fix=True)
        assert store.verify() == []
    assert (tmp_path / "mine").read_text() == "mine"


class Bomb:
    """A pickle that does something when it is loaded."""

    def __reduce__(self):
        return os.putenv, ("RESULTSTORE_BOMB", "went off")


def test_without_pickle_no_code_runs(folder):
    """allow_pickle=False neither writes nor reads pickles: such results are computed each time."""
    with Store(folder) as store:
        f = store.cache(science.slow_block)
        store.cache(make_set)(1)
    with Store(folder, allow_pickle=False) as store:
        f = store.cache(make_set)
        with pytest.warns(CacheWarning) as caught:
            assert f(1).value == 1
        assert "does not allow pickle" in str(caught[0].message)
        assert "needs pickle, which this store does not allow" in str(caught[1].message)
        f(2)
        assert not f.check_call_in_cache(2)


class Value:
    """Something that only pickle can store."""

    def __init__(self, value):
        self.value = value


def make_set(x):
    """Return something that only pickle can store."""
    return Value(x)


def test_a_planted_pickle_is_not_loaded(folder, sql, monkeypatch):
    """A hostile pickle in place of a payload is found out by its checksum before anything loads it."""
    with Store(folder) as store:
        store.cache(make_set)(1)
    bomb = pickle.dumps(Bomb())
    sql("UPDATE payload SET inline = ?, nbytes = ?, raw_nbytes = ?", bomb, len(bomb), len(bomb))
    loaded = []
    monkeypatch.setattr("resultstore.formats.pickled.load", lambda *args: loaded.append(args))
    with Store(folder) as store, pytest.warns(CacheWarning, match="not those that were written"):
        store.cache(make_set)(1)
    assert loaded == []


def test_pickle_is_off_where_others_can_write(folder):
    """In a directory that the world can write to, pickle is off by default, and the remedy is told."""
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.warns(CacheWarning, match="chmod 700"):
        store = Store(folder)
    with pytest.warns(CacheWarning, match="needs pickle"):
        store.cache(make_set)(1)
    store.cache(science.square)(2)
    assert store.cache(science.square).check_call_in_cache(2)
    store.close()
    with Store(folder, allow_pickle=True) as trusting:
        trusting.cache(make_set)(1)
        assert trusting.cache(make_set).check_call_in_cache(1)


@pytest.mark.parametrize(
    "breakage",
    [
        lambda folder: (folder / "index.sqlite").write_bytes(b"garbage" * 5000),
        lambda folder: os.truncate(folder / "index.sqlite", 5000),
        lambda folder: os.truncate(folder / "index.sqlite", 0),
        lambda folder: ((folder / "index.sqlite").unlink(), (folder / "index.sqlite").mkdir()),
        lambda folder: shutil.rmtree(folder / "payloads"),
        lambda folder: (shutil.rmtree(folder / "payloads"), (folder / "payloads").write_text("")),  # type: ignore[func-returns-value]
        lambda folder: ((folder / "gate").unlink(), (folder / "gate").mkdir()),
        shutil.rmtree,
    ],
)
def test_a_broken_store_computes(folder, breakage, recwarn):
    """Whatever is broken, before a store is opened or while it is open, functions return their values."""
    store = Store(folder)
    f = store.cache(science.table)
    expected = f(BIG).copy()
    store.cache(science.square)(2)
    breakage(folder)
    assert (f(BIG) == expected).all()
    assert store.cache(science.square)(2) == 4
    store.close()
    again = Store(folder)
    for _ in range(2):
        assert (again.cache(science.table)(BIG) == expected).all()
        assert again.cache(science.square)(3) == 9
    again.close()
    assert all(issubclass(warning.category, CacheWarning) for warning in recwarn.list)


def test_an_index_that_goes_away_is_made_anew(folder, recwarn):
    """A store whose directory was removed while it was open stores again."""
    store = Store(folder)
    f = store.cache(science.square)
    f(2)
    shutil.rmtree(folder)
    f(3)
    f(4)
    store.close()
    again = Store(folder).cache(science.square)
    assert again.check_call_in_cache(4)
    assert again(4) == 16


def test_a_locked_index_costs_nothing_but_the_storing(folder, monkeypatch):
    """A writer that is kept out returns its value and warns once; hits go on hitting."""
    monkeypatch.setattr("resultstore._writing.GATE_WAIT_S", 0.05)
    store = Store(folder)
    f = store.cache(science.square)
    f(2)
    other = Store(folder)
    with other._vault.gate.held(1):  # type: ignore[union-attr]
        with pytest.warns(CacheWarning, match="kept the write gate"):
            assert f(3) == 9
        monkeypatch.setattr("resultstore._writing.GATE_WAIT_S", 1000)  # nobody waits again as long as it is kept
        assert f(4) == 16
        assert f(2) == 4
    assert f(3) == 9
    assert f.check_call_in_cache(3)
    assert not store._vault._writing._busy_until  # type: ignore[union-attr]
    store.close()


def test_a_foreign_lock_on_the_index_is_waited_for_and_told(folder, monkeypatch):
    """Another program's open write transaction makes a result unstored, never an error."""
    monkeypatch.setattr("resultstore._index.connect._BUSY_S", 0.05)
    store = Store(folder)
    f = store.cache(science.square)
    f(2)
    connection = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    store.close()
    with pytest.warns(CacheWarning, match="locked"):
        assert f(3) == 9
    assert f(2) == 4
    connection.execute("ROLLBACK")
    connection.close()
    f(3)
    assert f.check_call_in_cache(3)
    store.close()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory_still_hits(folder, recwarn):
    """In a directory without the right to write, hits hit and misses compute."""
    with Store(folder) as store:
        store.cache(science.square)(2)
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        store = Store(folder)
        f = store.cache(science.square)
        assert f(2) == 4
        assert science.runs == [2]
        assert f(3) == 9
        store.close()
    finally:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o700)


def test_the_journal_records_what_repair_needs(folder, store):
    """From the journal and the payload files alone a call can be told and its result rebuilt."""
    f = store.cache(science.spelled)
    value = np.arange(20_000.0)
    f(1, c=value, note="text")
    store.cache(science.square)(2)  # without a file: nothing to repair from
    (record,) = Journal(str(folder)).records()
    assert record["key"] == f.key(1, c=value, note="text").hex()
    assert record["function"]["name"] == "tests.science.spelled"
    assert record["function"]["fingerprint"] == f.fingerprint().hex()
    assert [a["name"] for a in record["arguments"]] == ["a", "b", "c", "d", "note"]
    assert record["result"]["kind"] == "tree"
    (leaf,) = record["result"]["leaves"]
    assert (np.load(folder / "payloads" / leaf["payload"]["file"]) == value).all()
    assert "children" not in record


def test_torn_journal_lines_lose_only_themselves(folder, store):
    """A line cut by a kill, or changed, is passed over; those around it are read."""
    f = store.cache(science.slow_block)
    f(1)
    path = folder / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    f(2)
    assert [r["arguments"][0]["number"] for r in Journal(str(folder)).records()] == [2]
    path.write_bytes(whole.replace(b'"number":1.0', b'"number":3.0') + whole)
    assert [r["arguments"][0]["number"] for r in Journal(str(folder)).records()] == [1]
    text = json.dumps({"key": "00"}).encode()
    path.write_bytes(b"%08x %s\n" % (zlib.crc32(text), text))
    assert list(Journal(str(folder)).records()) == [{"key": "00"}]


def test_the_journal_does_not_grow_for_ever(folder, open_store):
    """When most of its lines are of calls that are gone, the journal is written anew."""
    store = open_store(size_limit="4 MB")
    f = store.cache(science.slow_block)
    for i in range(300):
        f(i, 100_000)
    lines = list(Journal(str(folder)).records())
    live = {record.key_hex for record in store.find(f) if record.state == "stored"}
    assert len(lines) < 250
    assert live <= {line["key"] for line in lines}


def test_verify_finds_and_mends(folder, store, sql):
    """verify names every kind of fault, changes nothing unless asked, and leaves a whole store."""
    f = store.cache(science.slow_block)
    for i in range(4):
        f(i)
    f(9, 1000)
    names = [str(row[0]) for row in sql("SELECT file FROM payload WHERE file IS NOT NULL ORDER BY id")]
    flip(folder / "payloads" / names[0])
    (folder / "payloads" / names[1]).unlink()
    shutil.copy(folder / "payloads" / names[2], folder / "payloads" / names[2].replace(names[2][-10:-4], "000000"))
    sql("UPDATE payload SET inline = zeroblob(length(inline)) WHERE inline IS NOT NULL")
    sql("INSERT INTO payload (digest, checksum, format, nbytes, raw_nbytes, head_nbytes, inline) "
        "SELECT digest, checksum, format, nbytes, raw_nbytes, head_nbytes, NULL FROM payload WHERE id = 3")  # fmt: skip
    sql("UPDATE total SET file_nbytes = 5")
    found = store.verify()
    assert sorted({problem.kind for problem in found}) == ["damaged", "missing", "orphan", "totals", "unused"]
    assert not any(problem.fixed for problem in found)
    assert all(problem.fixed for problem in store.verify(fix=True))
    assert store.verify() == []
    assert sum(record.state == "stored" for record in store.find(f)) == 2
    for i in range(4):
        assert (f(i) == i).all()
    assert (f(9, 1000) == 9).all()


def test_left_over_temporary_files_are_swept(folder, store):
    """A temporary file that a killed process left is removed once it is old, not before."""
    f = store.cache(science.slow_block)
    f(1)
    leftover = folder / "temporary" / "1-000000000000"
    leftover.write_bytes(b"half")
    store.verify(fix=True)
    assert leftover.exists()
    os.utime(leftover, (0, 0))
    store.verify(fix=True)
    assert not leftover.exists()


def test_what_killed_processes_left_is_swept_by_a_later_write(folder):
    """The first write of a process takes old temporary files, unfinished indexes and journals; young and foreign ones stay."""
    with Store(folder) as store:
        store.cache(science.slow_block)(1)
    names = (
        "temporary/1-000000000000",
        "index.sqlite-12-0123abcd.new",
        "index.sqlite-12-0123abcd.new-journal",
        "journal.jsonl-0123abcd.new",
    )
    left = [folder / name for name in names]
    foreign = [folder / name for name in ("index.sqlite-mine.new", "notes.new", "journal.jsonl-0123abcd.new.txt")]
    for path in [*left, *foreign]:
        path.write_bytes(b"half")
    with Store(folder) as store:
        store.cache(science.slow_block)(2)
        assert all(path.exists() for path in left)
    for path, moved in zip([*left, *foreign], (-7200, 7200, -7200, -7200, -7200, -7200, -7200), strict=True):
        os.utime(path, (time.time() + moved,) * 2)  # of the future too: a clock may have been set back
    with Store(folder) as store:
        store.cache(science.slow_block)(3)
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in foreign)


def test_a_file_that_is_being_written_is_never_swept(folder, store):
    """Whatever the clock says, a temporary file whose writer lives stays."""
    f = store.cache(science.slow_block)
    f(1)
    ticket = LocalBlobs(str(folder)).stage([b"bytes"])
    for moved in (-1e9, 1e9):
        os.utime(ticket, (time.time() + moved,) * 2)
        store.verify(fix=True)
        assert os.path.exists(ticket)
    os.unlink(ticket)


def test_file_first_then_row(folder, store, monkeypatch):
    """A failure between the file and the row leaves no file and no row; the value comes back."""
    f = store.cache(science.slow_block)
    f(1)

    def fail(*args, **kwargs):
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch, pytest.warns(CacheWarning, match="disk I/O error"):
        patch.setattr(store._vault.index, "add", fail)
        assert (f(2) == 2).all()
    assert len(list((folder / "payloads").rglob("*.npy"))) == 1
    assert not f.check_call_in_cache(2)


def test_row_first_then_file(folder, store, monkeypatch):
    """A failure between dropping the row and the file leaves a file without a row, which verify takes."""
    f = store.cache(science.slow_block)
    f(1)
    with monkeypatch.context() as patch:
        patch.setattr(type(store._vault.blobs), "delete", lambda self, name: (_ for _ in ()).throw(OSError("no")))
        f.forget(1)
    assert [problem.kind for problem in store.verify()] == ["orphan"]
    store.verify(fix=True)


def test_an_interrupt_in_the_function_leaves_nothing(folder, store):
    """Ctrl-C inside a computation reaches the user and stores nothing."""

    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.cache(interrupted)(1)
    assert len(store.find()) == 0


def test_verbs_tell_of_a_damaged_index_in_our_words(folder):
    """What people ask of a damaged index is answered with an error of our own that names the file."""
    store = Store(folder)
    f = store.cache(science.square)
    f(2)
    store.close()
    (folder / "index.sqlite").write_bytes(b"no database" * 1000)
    for verb in (lambda: len(store.find(f)), store.stats, store.clear, f.clear, lambda: store.reduce_size(items_limit=0),
                 lambda: f.forget(2), lambda: f.check_call_in_cache(2)):  # fmt: skip
        with pytest.raises(DamagedError, match=r"index\.sqlite is damaged"):
            verb()
    assert [problem.kind for problem in store.verify()] == ["index"]
    store.close()


def test_a_store_that_is_dropped_unclosed_says_nothing(folder):
    """Nobody has to close a store: dropping one writes its accesses and closes its files without a warning."""
    store = Store(folder)
    f = store.cache(science.square)
    assert f(2) == f(2) == 4
    store.mine = store  # type: ignore[attr-defined]  # a cycle, so that the collector finds them all at once
    del store, f
    gc.collect()
    assert Store(folder).find(science.square).first().access_count == 1  # type: ignore[union-attr]
