"""Hostile stores: planted bytes, rows, schemas and links neither run code, nor take memory, nor lead out of the store."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import zstandard

from resultstore import CacheWarning, Reference, SchemaError, Store, StoreError
from resultstore.formats import tree
from tests import science
from tests.hostile import Planted, bomb, forge

BIG = 100_000
NAME = "a/" + "a" * 32 + "-" + "0" * 12


@pytest.fixture(autouse=True)
def _forget_runs():
    science.runs.clear()


@pytest.fixture
def key(folder):
    """Return the key of a call that is stored, to be forged."""
    with Store(folder) as store:
        f = store.cache(science.identity, cache_errors=Exception)
        f(1)
        return f.key(1)


@pytest.fixture
def mark(tmp_path):
    """Return the path of a file that no code may make."""
    yield tmp_path / "mark"
    assert not (tmp_path / "mark").exists()


def ask_everything(store, key):
    """Do all that can be done with a store and one of its calls; nothing but a StoreError may come of it."""
    reference = Reference(store, key)
    record = store.record(key)
    f = store.cache(science.identity, cache_errors=Exception)
    steps = [
        lambda: f.explain(1), lambda: f.check_call_in_cache(1), lambda: record.load(), lambda: reference.get(),
        lambda: store.cache(science.count_runs)(reference), lambda: repr(store.find()), lambda: store.find()._repr_html_(),
        lambda: store.explain(key), lambda: f.versions(), lambda: store.stats(), lambda: store.plan_eviction(items_limit=0),
        lambda: f.call_and_shelve(1), lambda: store.verify(), lambda: store.verify(fix=True),
        lambda: store.reduce_size(items_limit=0), store.clear,
    ]  # fmt: skip
    for step in steps:
        with contextlib.suppress(StoreError):
            step()


def use(folder, key, expected=1, **options):
    """Call with a forged result; whatever comes is the function's own value, and warnings alone."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Store(folder, **options) as store:
            f = store.cache(science.identity, cache_errors=Exception)
            assert f(1) == expected
            ask_everything(store, key)
            f(1)
    assert {warning.category for warning in caught} <= {CacheWarning}
    assert all(len(str(warning.message)) < 3000 for warning in caught)


# -- code


@pytest.mark.parametrize("kind", ["pickle", "error", "json", "tree", "leaf", "unheard"])
@pytest.mark.parametrize("format_name", ["pickle", "bytes", "json"])
@pytest.mark.parametrize("others_write", [False, True])
def test_no_pickle_is_loaded(folder, key, mark, kind, format_name, others_write):
    """Whatever kind and format a row gives a pickle, without pickle, or where others can write, it is not loaded."""
    forge(folder, key, kind, Planted(format_name, bomb(mark), file=NAME + ".pkl" if others_write else None))
    if others_write:
        folder.chmod(0o777)
    data = bytearray(bomb(mark))  # a row may say that the result is these bytes
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        with Store(folder, **({} if others_write else {"allow_pickle": False})) as store:
            value = store.cache(science.identity, cache_errors=Exception)(1)
            assert value in (1, bytes(data), data)
            ask_everything(store, key)


@pytest.mark.parametrize(
    "text",
    [
        '[["os.system","touch {mark}"]]',
        '[["numpy.os.system","touch {mark}"]]',
        "[[\"pandas.eval\",\"__import__('os').system('touch {mark}')\"]]",
        '[["pathlib.Path.touch","{mark}"]]',
        '[["resultstore.formats.pickled.load","{mark}"]]',
        '[["value","os.system",["touch {mark}"]]]',
        '[["numpy","O","gASVCgAAAA=="]]',
        '[["numpy",[["f0","O"]],"AA=="]]',
        '[["objects","1","C",true,["os.system"]]]',
        '[["__reduce__","{mark}"]]',
        '[["tuple"],["__class__",[0]]]',
    ],
)
def test_no_tag_of_a_skeleton_is_imported_or_called(folder, key, mark, text):
    """A skeleton names nodes out of a closed list; what is not in it is a damaged result."""
    forge(folder, key, "tree", text=text.replace("{mark}", str(mark)))
    use(folder, key)


@pytest.mark.parametrize(
    "name", ["os.system", "eval", "exec", "open", "__import__", "SystemExit", "KeyboardInterrupt", "object"]
)
def test_an_exception_is_one_of_pythons_own(folder, key, mark, name):
    """The skeleton of an exception names a class of Python's exceptions, and neither an exit nor a function."""
    entries = f'[["tuple","{mark}"],["list","{name}",[0],null,null,null,false],["list",[1]]]'
    forge(folder, key, "error", Planted("json", entries.encode()))
    use(folder, key)


@pytest.mark.parametrize(
    "leaf",
    [
        Planted("npy", bytes(8), dtype="|O", shape="[1]"),
        Planted("npy", bytes(8), dtype="[('a', '|O')]", shape="[1]"),
        Planted("npy", bytes(8), dtype="__import__('os').abort()", shape="[1]"),
        Planted("npy", bytes(8), dtype="[__import__('os').abort()]", shape="[1]"),
        Planted("npy", bytes(8), dtype="<f8", shape="[__import__('os').abort()]"),
        Planted("npy", bytes(8), dtype="[" + "-" * 100_000 + "1]", shape="[1]"),
        Planted("npy", bytes(8), dtype="[" * 100_000, shape="[1]"),
        Planted("npy", bytes(8), dtype="<f8", shape="[-1]", raw_nbytes=-8),
        Planted("npy", bytes(8), dtype="<f8", shape="[-1, -1]"),
        Planted("npy", bytes(8), dtype="<f8", shape="[1" + ", 1" * 100 + "]"),
        Planted("npy", bytes(8), dtype="<f8", shape="[1]", order="Z\0"),
    ],
)
def test_a_dtype_and_a_shape_are_texts_that_nobody_evaluates(folder, key, leaf):
    """What the index says of an array is parsed, never run, and makes no array of objects."""
    forge(folder, key, "leaf", leaf)
    with Store(folder) as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        value = store.cache(science.identity)(1)
        assert isinstance(value, int) or value.dtype == np.float64
        ask_everything(store, key)


class Evil(pa.ExtensionType):  # type: ignore[misc]
    """A type whose reader runs code, as libraries register some that unpickle."""

    ran: list[bytes] = []  # noqa: RUF012 -- what all of them did

    def __init__(self) -> None:
        super().__init__(pa.int64(), "tests.evil")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"payload"

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type, serialized):
        cls.ran.append(serialized)
        return cls()


def arrow_file(table: pa.Table, **options) -> bytes:
    """Return a table as an Arrow file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_an_extension_type_is_not_made(folder, key, mmap_mode):
    """A planted Arrow file whose column names a registered type is refused before Arrow asks that type to read."""
    pa.register_extension_type(Evil())
    try:
        table = pa.table({"a": pa.ExtensionArray.from_storage(Evil(), pa.array([1, 2, 3]))})
        body = arrow_file(table)
        Evil.ran.clear()
        forge(folder, key, "leaf", Planted("arrow", body, shape="[3, 1]", file=NAME + ".arrow"))
        use(folder, key, mmap_mode=mmap_mode)
        assert Evil.ran == []
    finally:
        pa.unregister_extension_type("tests.evil")


def test_a_column_may_be_called_as_it_likes(store):
    """A table in which the words of an extension stand somewhere comes back all the same."""
    f = store.cache(science.identity)
    table = pa.table({"ARROW:extension:name": [1, 2]})
    f(table)
    assert f(table).equals(table)


def with_wrong_offsets() -> bytes:
    """Return an Arrow file whose texts begin at two thousand million."""
    body = bytearray(arrow_file(pa.table({"a": ["x" * 10] * 100})))
    start = bytes(body).find(np.arange(0, 1010, 10, dtype="<i4").tobytes())
    body[start + 4 : start + 400] = np.full(99, 2**30, "<i4").tobytes()
    return bytes(body)


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_a_planted_table_does_not_crash(folder, key, mmap_mode):
    """Where others can write, every offset of a table is looked at before anybody follows it."""
    forge(folder, key, "leaf", Planted("arrow", with_wrong_offsets(), shape="[100, 1]", file=NAME + ".arrow"))
    folder.chmod(0o777)
    use(folder, key, mmap_mode=mmap_mode)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON call BEGIN DELETE FROM function; END",
        "CREATE TRIGGER evil AFTER UPDATE ON total BEGIN SELECT zeroblob(1000); END",
        "ALTER TABLE call RENAME TO other",
        "CREATE VIRTUAL TABLE evil USING fts5(x)",
    ],
)
def test_a_planted_schema_is_not_used(folder, key, sql, statement):
    """An index with triggers, or with views or virtual tables for tables, is not written to and answers nothing."""
    sql("PRAGMA legacy_alter_table = ON")
    sql(statement)
    strange = not statement.startswith("CREATE VIRTUAL")
    if "RENAME" in statement:
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
        sql(f"CREATE VIEW call AS SELECT other.* FROM other WHERE id IN ({endless})")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Store(folder) as store:
            f = store.cache(science.square)
            assert [f(3), f(4)] == [9, 16]
    assert sql("SELECT count(*) FROM function") in ([(1,)], [(2,)])
    assert bool(caught) == strange


def test_a_view_of_ones_own_is_welcome(folder, key, sql):
    """Views under other names than ours are nobody's business."""
    sql("CREATE VIEW mine AS SELECT * FROM calls")
    with Store(folder) as store:
        assert store.cache(science.identity).check_call_in_cache(1)


def test_a_function_in_a_planted_schema_is_not_called(folder, key, sql):
    """An index with an expression of functions that the schema may not call is refused by SQLite, and told."""
    sql("CREATE INDEX evil ON call (id) WHERE note > 'x'")
    with Store(folder) as store:
        connection = store._vault.index.connections._open("ro")
        try:
            assert connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
            assert connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) <= 1 << 25
        finally:
            connection.close()


# -- bounds


def limited(code: str, *args: str, most: int = 3 << 30) -> subprocess.CompletedProcess[str]:
    """Run a program that may take so many bytes of address space, 3 GB if nothing else is said."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *args], capture_output=True, text=True, check=False, timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most)),
    )  # fmt: skip


HIT = """
import resource, sys
from resultstore import Store
from tests import science
store = Store(sys.argv[1])
f = store.cache(science.identity)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for i in range(int(sys.argv[2])):
    assert f(i) == i
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(i, after - before)
    before = after
store.verify(fix=True)
"""


def claiming(nbytes: int) -> bytes:
    """Return a short frame that says it holds many bytes, and does as far as blocks of one byte go."""
    frame = bytearray(zstandard.ZstdCompressor(write_content_size=True).compress(bytes(1 << 20)))
    head = zstandard.get_frame_parameters(bytes(frame))
    assert head.content_size == 1 << 20
    return bytes(frame[:4]) + b"\xe0" + nbytes.to_bytes(8, "little") + bytes(frame[9:])


CLAIMS = [
    Planted("npy", bytes(80), dtype="<f8", shape="[1000000000000000]", raw_nbytes=8 * 10**15),
    Planted(
        "npy",
        bytes(80),
        dtype="<f8",
        shape="[1000000000000000]",
        raw_nbytes=8 * 10**15,
        head_nbytes=80 - 8 * 10**15,
    ),
    Planted("bytes", bytes(80), raw_nbytes=10**12, head_nbytes=80 - 10**12),
    Planted("npy", claiming(10**12), dtype="|u1", shape="[1000000000000]", raw_nbytes=10**12, codec="zstd"),
    Planted("bytes", claiming(10**12), raw_nbytes=10**12, codec="zstd"),
    Planted("bytes", claiming(10**9), raw_nbytes=10**9, codec="zstd"),
    Planted("bytes", claiming(10**9), raw_nbytes=10**9 - 64, codec="zstd+shuffle"),
    Planted("arrow", b"ARROW1\0\0" + b"\xff\xff\xff\x7f" * 100 + b"ARROW1", shape="[1, 1]"),
    Planted("json", b"[" * 1_000_000 + b"]" * 1_000_000),
    Planted("json", b'{"a":' * 1_000_000),
    Planted("json", b'[["int","' + b"f" * 1_000_000 + b'"],["value","fractions.Fraction",["1e999999999"]]]'),
]


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited so on Linux alone")
def test_a_journal_without_end_takes_no_memory(folder):
    """Of a planted journal, a hole of 1 GB, only so much of a line is read as one of ours may have; what follows it counts."""
    with Store(folder) as store:
        store.cache(science.slow_block)(1)
    (folder / "index.sqlite").unlink()
    journal = folder / "journal.jsonl"
    lines = journal.read_bytes()
    with journal.open("wb") as file:
        file.seek(1 << 30)
        file.write(b"\n" + lines)
    code = "import sys\nfrom resultstore import Store\nprint(Store(sys.argv[1]).repair().results)"
    done = limited(code, str(folder), most=1 << 30)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited so on Linux alone")
def test_what_is_claimed_takes_no_memory(folder):
    """Sizes that the index or a frame claims are compared before memory is taken: a miss in little time and room."""
    with Store(folder) as store:
        f = store.cache(science.identity)
        keys = [f.key(i) for i in range(len(CLAIMS)) if f(i) == i]
    for key, leaf in zip(keys, CLAIMS, strict=True):
        forge(folder, key, "json" if leaf.format == "json" else "leaf", leaf)
    done = limited(HIT, str(folder), str(len(CLAIMS)))
    assert done.returncode == 0, done.stderr
    grown = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert len(grown) == len(CLAIMS)
    assert max(grown) < 300_000, grown  # kB


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="the system does not say what memory it has")
def test_a_file_of_holes_takes_no_memory(folder, key):
    """A sparse file of more bytes than the machine has memory is not read, and not thrown away either."""
    nbytes = 1 << 50
    with contextlib.suppress(OSError):
        forge(folder, key, "leaf", Planted("bytes", b"", raw_nbytes=nbytes, file=NAME + ".bin"))
        os.truncate(folder / "payloads" / (NAME + ".bin"), nbytes)
    with sqlite3.connect(folder / "index.sqlite") as connection:
        connection.execute("UPDATE payload SET nbytes = ?", (nbytes,))
    connection.close()
    with Store(folder) as store, pytest.warns(CacheWarning):
        assert store.cache(science.identity)(1) == 1


def test_an_index_text_of_gigabytes_is_not_read(folder, key, sql):
    """A text or blob longer than any that a store writes is a miss."""
    sql("UPDATE call SET text = printf('%.*c', 35000000, 'x')")
    with Store(folder) as store, pytest.warns(CacheWarning, match="too big"):
        assert store.cache(science.identity)(1) == 1


def nested(depth: int) -> list[list[Any]]:
    """Return the nodes of a set of a tuple in a tuple in a tuple."""
    return [["tuple"], *(["tuple", [i]] for i in range(depth)), ["set", [depth]]]


def test_a_key_that_would_exhaust_the_stack_is_no_key(folder, key):
    """Python hashes tuples in tuples without looking at the depth: neither stored nor loaded, at any depth."""
    assert tree.put_together("tree", json.dumps(nested(900)), [])
    forge(folder, key, "json", Planted("json", json.dumps(nested(100_000)).encode()))
    with Store(folder) as store, pytest.warns(CacheWarning, match="hashed"):
        assert store.cache(science.identity)(1) == 1


def test_a_key_that_would_be_hashed_for_ever_is_no_key(folder, key):
    """A tuple that holds another one twice, and so on, is visited two to the power of its depth times."""
    nodes = ",".join(['["tuple"]', *(f'["tuple",[{i}],[{i}]]' for i in range(60)), '["dict",[60],1]'])
    forge(folder, key, "tree", text=f"[{nodes}]")
    use(folder, key)


def test_deep_tuples_that_are_no_keys_are_stored(store):
    """The bound is one of keys alone: a result may be as deep as it likes."""
    value: tuple = ()
    for _ in range(5000):
        value = (value,)
    f = store.cache(make_deep)
    f(5000)
    assert f.check_call_in_cache(5000)
    back, depth = f(5000), 0
    while back:
        back, depth = back[0], depth + 1
    assert depth == 5000


def make_deep(depth):
    """Return a tuple in a tuple in a tuple."""
    value: tuple = ()
    for _ in range(depth):
        value = (value,)
    return value


# -- paths


@pytest.fixture
def outside(tmp_path):
    """Return somebody's directory outside the store, in which nothing may change."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "notes.txt").write_text("mine")
    (path / ("a" * 32 + "-" + "0" * 12 + ".npy")).write_text("mine")
    (path / "a").mkdir()
    (path / "a" / ("a" * 32 + "-" + "0" * 12 + ".npy")).write_text("mine")
    (path / f"{os.getpid()}-{'0' * 12}").write_text("mine")
    for file in path.rglob("*"):
        os.utime(file, ns=(0, 0), follow_symlinks=False)
    before = snapshot(path)
    yield path
    assert snapshot(path) == before


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return every path below a folder with its bytes, mode and time."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        state = path.lstat()
        is_file = path.is_file() and not path.is_symlink()
        found[str(path.relative_to(folder))] = (
            state.st_mode, state.st_ino, state.st_mtime_ns, path.read_bytes() if is_file else None,
        )  # fmt: skip
    return found


def work(folder):
    """Do all that writes, reads and deletes; the functions' values are right."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for options in ({}, {"mmap_mode": "r"}, {"compression": "zstd"}):
            with contextlib.suppress(StoreError), Store(folder, size_limit="2 MB", **options) as store:
                f = store.cache(science.table)
                for n in (10, BIG, BIG + 1, BIG + 2, BIG + 3):
                    assert (f(n) == science.table(n)).all()
                for step in (
                    lambda store=store: store.verify(fix=True), lambda store=store: store.reduce_size(items_limit=0),
                    lambda store=store: store.find().first(), store.stats, store.clear,
                ):  # fmt: skip
                    with contextlib.suppress(StoreError, OSError):
                        step()
    assert {warning.category for warning in caught} <= {CacheWarning}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *((name, target) for name in ("payloads", "payloads/a", "temporary", "quarantine") for target in ("", "a")),
        *((name, target) for name in ("journal.jsonl", "gate", "locks") for target in ("notes.txt", "not there")),
        *(
            (f"index.sqlite{suffix}", target)
            for suffix in ("", "-wal", "-shm")
            for target in ("notes.txt", "not there")
        ),
    ],
)
def test_a_link_in_the_store_is_not_followed(folder, outside, name, target):
    """Links in the place of our files and folders lead nowhere: nothing outside is read, written or deleted."""
    with Store(folder) as store:
        for n in range(BIG, BIG + 3):
            store.cache(science.table)(n)
    path = folder / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(outside / target)
    work(folder)
    assert path.is_symlink() or name == "index.sqlite"  # which is set aside, as a damaged one


def test_a_linked_folder_of_another_store_is_left_alone(folder, tmp_path):
    """Where `payloads` leads to another store's, that one keeps all of its results, whatever is evicted or mended here."""
    with Store(tmp_path / "other") as other:
        for n in range(BIG, BIG + 3):
            other.cache(science.table)(n)
    shutil.copytree(tmp_path / "other", folder)
    shutil.rmtree(folder / "payloads")
    (folder / "payloads").symlink_to(tmp_path / "other" / "payloads")
    before = snapshot(tmp_path / "other")
    work(folder)
    assert snapshot(tmp_path / "other") == before


def test_a_store_behind_a_link_is_a_store(folder, tmp_path):
    """The directory itself may be reached by a link: that is its user's choice."""
    Store(folder).cache(science.square)(3)
    (tmp_path / "link").symlink_to(folder)
    with Store(tmp_path / "link") as store:
        assert store.cache(science.square).check_call_in_cache(3)


@pytest.mark.parametrize("name", ["payloads", "temporary", "journal.jsonl", "gate", "index.sqlite", "payloads/a"])
def test_a_fifo_in_the_store_blocks_nobody(folder, name):
    """A FIFO in the place of a file or folder of ours is no reason to wait for ever."""
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    path = folder / name
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    os.mkfifo(path)
    work(folder)


@pytest.mark.parametrize(
    "name",
    ["../../../mine", "/etc/passwd", "a/../../../mine", "a", "", ".", "a/" + "a" * 32 + "-" + "0" * 12 + ".npy\0", "CON", "a/CON.npy",
     "a\\..\\mine", "/dev/zero", "A/" + "A" * 32 + "-" + "0" * 12 + ".npy", NAME + "./x", NAME + ".npy\n"],
)  # fmt: skip
def test_no_name_in_the_index_leads_out(folder, sql, outside, name):
    """A payload's file is one of our scheme, or none."""
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    sql("UPDATE payload SET file = ?", name)
    work(folder)


# -- what is somebody else's


OWN = [
    "notes.txt", "payloads/README", "payloads/a/notes.txt", "payloads/ab/notes.txt", "payloads/z", "index.sqlite.bak",
    "index.sqlite-copy", "journal.jsonl.old", "temporary/notes.txt", "quarantine/notes.txt", "gate.txt", ".hidden",
    "payloads/a/" + "a" * 32 + ".npy", "payloads/A/" + "a" * 32 + "-" + "0" * 12 + ".npy", "sub/index.sqlite", "locks.txt",
    "temporary/1-0123456789ab.txt", "payloads/a/" + "A" * 32 + "-" + "0" * 12 + ".npy",
]  # fmt: skip


def test_files_of_others_are_never_touched(folder):
    """What is not of our names stays as it is, byte for byte, through all that removes something."""
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    for name in OWN:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("mine")
        os.utime(path, ns=(10**9, 10**9))
    before = {name: snapshot(folder)[name] for name in OWN}
    work(folder)
    for damage in (lambda p: p.write_bytes(b"garbage" * 1000), Path.unlink):
        damage(folder / "index.sqlite")
        work(folder)
        with Store(folder) as store, contextlib.suppress(AttributeError, StoreError), warnings.catch_warnings():
            warnings.simplefilter("ignore", CacheWarning)
            store.repair()
    after = snapshot(folder)
    assert {name: after[name] for name in OWN} == before


@pytest.mark.parametrize("statement", ["PRAGMA user_version = 99", "PRAGMA application_id = 7"])
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_what_we_do_not_know_is_refused_unchanged(folder, sql, statement, journal_mode):
    """A store from the future, or another program's database: a refusal, and not a byte, mode or time is changed."""
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    sql(f"PRAGMA journal_mode = {journal_mode}")
    sql(statement)
    sql("UPDATE alembic_version SET version_num = 'later'")
    before = snapshot(folder)
    for options in ({}, {"size_limit": "1 MB"}, {"signing_key": "a secret of the tests"}):
        with pytest.raises(SchemaError):
            Store(folder, **options)
    assert snapshot(folder) == before


@pytest.mark.parametrize("name", ["alembic_version", "total", "call", "meta"])
def test_a_view_that_never_ends_holds_nobody_up(folder, key, sql, name):
    """Opening, repairing and looking at an index, also one with a damaged head, never reads a view for a table."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"
    sql("PRAGMA legacy_alter_table = ON")
    sql(f"ALTER TABLE {name} RENAME TO other")
    sql(f"CREATE VIEW {name} AS SELECT other.* FROM other WHERE 1 IN ({endless} WHERE i < 0)")
    shutil.copy(folder / "index.sqlite", folder / "index-damaged-20200101-000000.sqlite")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        with Store(folder) as store:
            assert store.cache(science.square)(3) == 9
            with contextlib.suppress(StoreError):
                store.repair()
            with contextlib.suppress(StoreError):
                store.verify(fix=True)
        sql("PRAGMA application_id = 7")
        with contextlib.suppress(StoreError):
            Store(folder).cache(science.square)(3)
    (folder / "index.sqlite").unlink()
    with Store(folder) as store:  # where nothing but what was set aside has such a view
        assert store.cache(science.square)(3) == 9
        assert store.repair().files == ("index-damaged-20200101-000000.sqlite",)
        assert not list(folder.glob("index-damaged-*"))


def test_a_repair_reads_no_links(folder, tmp_path):
    """What was set aside is read if it is a file; links and FIFOs under such names are put away, and lead nowhere."""
    with Store(folder) as store:
        store.cache(science.table)(BIG)
    for i, name in enumerate(("index-damaged-20200101-00000{}.sqlite", "journal-20200101-00000{}.jsonl")):
        os.mkfifo(folder / name.format(2 * i))
        (tmp_path / "mine").write_text("mine")
        (folder / name.format(2 * i + 1)).symlink_to(tmp_path / "mine")
    with Store(folder) as store:
        (folder / "quarantine").symlink_to(tmp_path)
        with pytest.raises(StoreError, match="symbolic link"):
            store.repair()
        (folder / "quarantine").unlink()
        store.repair()
        assert store.cache(science.table).check_call_in_cache(BIG)
        store.verify(fix=True)
        store.clear()
    assert [path.name for path in tmp_path.iterdir() if path != folder] == ["mine"]
    assert (tmp_path / "mine").read_text() == "mine"
