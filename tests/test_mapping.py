"""Arrays as maps of their files: per store, per function, per load, and on the first call too."""

from __future__ import annotations

import logging
import os

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from resultstore import CacheWarning, OptionError, Store
from resultstore._environment import boot_id
from resultstore.blobs.local import LocalBlobs
from tests import science


def make_parts(n):
    """Return arrays inside containers, one of them twice."""
    a = np.arange(n, dtype=float)
    return {"a": a, "pair": [a, (np.ones((n, 2), order="F"), "text", n)]}


def make_small():
    """Return arrays that a function without maps keeps in the index."""
    return np.arange(3), np.array(5.0), np.zeros((0, 4))


def make_structured(n):
    """Return records."""
    return np.zeros(n, dtype=[("x", "<f8"), ("y", ">i4", (2,))])


def make_object():
    """Return an instance that only pickle keeps, with a large array in it."""
    return Holder(np.arange(20_000))


class Holder:
    """Something that is no plain value."""

    def __init__(self, data):
        self.data = data


def is_mapped(array):
    """Say whether an array is a map of a file."""
    return type(array) is np.memmap and array._mmap is not None


# -- "r"


def test_first_and_later_calls_give_maps(store):
    """The first call returns what later calls do: a read-only map with the right values."""
    f = store.cache(science.slow_block, mmap_mode="r")
    for _ in range(3):
        value = f(7)
        assert is_mapped(value)
        assert value.mode == "r"
        assert not value.flags.writeable
        assert (value == 7).all()
        with pytest.raises(ValueError, match="read-only"):
            value[0] = 1
    assert np.load(value.filename).shape == value.shape


def test_leaves_inside_containers_are_maps(store):
    """Every array of a nested result is a map; what is one object stays one object, and order stays."""
    f = store.cache(make_parts, mmap_mode="r")
    for _ in range(2):
        value = f(30_000)
        assert value["a"] is value["pair"][0]
        for array in (value["a"], value["pair"][1][0]):
            assert is_mapped(array)
        assert value["pair"][1][0].flags.f_contiguous
        assert value["pair"][1][1:] == ("text", 30_000)


@pytest.mark.parametrize("make", [make_small, lambda: (make_structured(3), make_structured(0))])
def test_arrays_of_every_size_are_maps(store, make):
    """A function that maps keeps small, scalar, empty and structured arrays in files as well."""
    f = store.cache(make, mmap_mode="r")
    for _ in range(2):
        for mapped, plain in zip(f(), make(), strict=True):
            assert is_mapped(mapped)
            assert mapped.dtype == plain.dtype
            assert mapped.shape == plain.shape
            assert np.array_equal(mapped, plain)


def test_arrays_inside_a_pickle_are_maps(store):
    """Large arrays of a pickled result lie on their own, and map."""
    f = store.cache(make_object, mmap_mode="r")
    assert is_mapped(f().data)
    assert is_mapped(f().data)


def test_what_is_no_array_is_not_changed(store):
    """Scalars, texts and bytes are what they are."""
    f = store.cache(science.identity, mmap_mode="r")
    for value in (1, "x", b"y" * 5000, [1, "two"], None):
        for _ in range(2):
            assert f(value) == value
            assert type(f(value)) is type(value)


# -- "c"


def test_copy_on_write_changes_nothing_stored(store):
    """A map of mode "c" can be written to; neither the store nor another map sees it."""
    f = store.cache(science.slow_block, mmap_mode="c")
    first, second = f(7), f(7)
    for value in (first, second):
        assert is_mapped(value)
        assert value.mode == "c"
        assert (value == 7).all()
        value[:] = 9
    assert (f(7) == 7).all()
    assert (store.cache(science.slow_block, mmap_mode=None)(7) == 7).all()


@pytest.mark.parametrize("mode", ["r+", "w+"])
@pytest.mark.parametrize("where", ["store", "function", "load", "reference"])
def test_modes_that_write_are_refused(store, folder, mode, where):
    """ "r+" and "w+" would write into the stored result: one sentence names "c"."""
    f = store.cache(science.slow_block)
    f(1)
    deeds = {
        "store": lambda: Store(folder, mmap_mode=mode),
        "function": lambda: store.cache(science.slow_block, mmap_mode=mode),
        "load": lambda: store.find(f).first().load(mmap_mode=mode),
        "reference": lambda: f.call_and_shelve(1).get(mmap_mode=mode),
    }
    with pytest.raises(OptionError, match='"c" gives a map of your own'):
        deeds[where]()


@pytest.mark.parametrize("mode", ["x", 1, True, b"r"])
def test_other_modes_are_refused(folder, mode):
    """What is no mode is an error that lists them."""
    with pytest.raises(OptionError, match="mmap_mode"):
        Store(folder, mmap_mode=mode)


# -- who says so


def test_overrides_work_in_both_directions(open_store):
    """A function can map in a store that does not, and the other way round; a load overrides both."""
    plain, mapping = open_store(), open_store(mmap_mode="r")
    assert is_mapped(mapping.cache(science.slow_block)(1))
    assert not is_mapped(mapping.cache(science.slow_block, mmap_mode=None)(1))
    assert is_mapped(plain.cache(science.slow_block, mmap_mode="r")(1))
    assert not is_mapped(plain.cache(science.slow_block)(1))
    record = plain.find(science.slow_block).first()
    assert is_mapped(record.load(mmap_mode="r"))
    assert not is_mapped(record.load())
    assert is_mapped(mapping.record(record.key).load())
    assert not is_mapped(mapping.record(record.key).load(mmap_mode=None))
    reference = mapping.cache(science.slow_block, mmap_mode=None).call_and_shelve(1)
    assert not is_mapped(reference.get())
    assert reference.get(mmap_mode="c").flags.writeable


def test_results_stored_without_maps_are_found(store, sql):
    """An inline array met by a mapping call is a hit, as a read-only or a writable array of its own."""
    plain = store.cache(make_small)
    plain()
    assert sql("SELECT count(*) FROM payload WHERE file IS NOT NULL") == [(0,)]
    for array in store.cache(make_small, mmap_mode="r")():
        assert type(array) is np.ndarray
        assert not array.flags.writeable
    for array in store.cache(make_small, mmap_mode="c")():
        assert array.flags.writeable
    assert store.stats().misses == 1


def test_a_map_leans_on_no_array_that_lies_in_the_index(store):
    """What a function without maps has stored in the index is stored in a file as well for one that maps."""
    store.cache(make_small)()
    for value in store.cache(lambda: make_small(), mmap_mode="r")():
        assert is_mapped(value)


def test_results_stored_for_maps_are_found_without(store):
    """What a mapping function stored is a hit in memory, writable as the computed array was."""
    mapped = store.cache(make_small, mmap_mode="r")
    mapped()
    for array in store.cache(make_small)():
        assert type(array) is np.ndarray
        assert array.flags.writeable
    assert store.stats().misses == 1


def test_a_read_only_result_can_be_written_in_mode_c(store):
    """Mode "c" says that the caller wants to write, whatever the function's array was."""

    def frozen():
        array = np.arange(20_000)
        array.flags.writeable = False
        return array

    assert store.cache(frozen, mmap_mode="c")().flags.writeable
    assert not store.cache(frozen)().flags.writeable


# -- what may happen


def test_a_mapped_hit_reads_nothing(store, monkeypatch):
    """A mapped hit opens each file once and reads no byte of the body, at any size."""
    f = store.cache(science.slow_block, mmap_mode="r")
    f(1, 4_000_000)
    monkeypatch.setattr("resultstore._loading.Loader._read_file", lambda *args: pytest.fail("read"))
    monkeypatch.setattr("resultstore._verifying.hash_of", lambda *args: pytest.fail("hashed"))
    assert f(1, 4_000_000)[-1] == 1


def test_a_map_outlives_eviction(store):
    """Who holds a map keeps his values when the result is evicted and the file unlinked."""
    f = store.cache(science.slow_block, mmap_mode="r")
    value = f(1)
    store.reduce_size(items_limit=0)
    assert (value == 1).all()
    assert not f.check_call_in_cache(1)


def test_an_equal_map_is_stored_once(store, folder):
    """A mapped array that is returned again leans on its own file."""
    f = store.cache(science.slow_block, mmap_mode="r")
    g = store.cache(science.identity, mmap_mode="r")
    assert is_mapped(g(f(1)))
    assert len([p for p in (folder / "payloads").rglob("*") if p.is_file()]) == 1
    store.cache(science.slow_block).clear()
    assert (g(science.slow_block(1)) == 1).all()


@pytest.mark.parametrize("damage", [lambda p: p.write_bytes(p.read_bytes()[:-8]), lambda p: p.write_bytes(b""),
                                    lambda p: p.write_bytes(b"x" * p.stat().st_size), lambda p: p.unlink()])  # fmt: skip
def test_a_damaged_file_is_a_miss(store, folder, damage):
    """A file of another size, without the format's head, or gone, is computed again, with a warning."""
    f = store.cache(science.slow_block, mmap_mode="r")
    f(1)
    (path,) = (p for p in (folder / "payloads").rglob("*") if p.is_file())
    path.chmod(0o600)
    damage(path)
    with pytest.warns(CacheWarning, match="computed again"):
        value = f(1)
    assert is_mapped(value)
    assert (value == 1).all()


@pytest.mark.skipif(not boot_id(), reason="the system does not tell its boots apart")
@pytest.mark.parametrize("moved_ns", [1000, -(10**18), 10**18 + 1000])
def test_a_file_from_before_the_last_boot_is_verified_once(open_store, folder, moved_ns, monkeypatch):
    """What a power cut may have torn is verified at its first map, by the first process only, whatever the clock says."""
    open_store().cache(science.slow_block, mmap_mode="r")(1)
    (path,) = (p for p in (folder / "payloads").rglob("*") if p.is_file())
    moment = path.stat().st_mtime_ns + moved_ns + (1000 if moved_ns % 10**9 == 0 else 0)
    data = path.read_bytes()
    path.write_bytes(data[:4096] + bytes(4096) + data[8192:])
    os.utime(path, ns=(moment, moment))
    with pytest.warns(CacheWarning, match="not those that were written"):
        assert (open_store().cache(science.slow_block, mmap_mode="r")(1) == 1).all()
    (path,) = (p for p in (folder / "payloads").rglob("*") if p.is_file())
    os.utime(path, ns=(moment, moment))
    f = open_store().cache(science.slow_block, mmap_mode="r")
    assert (f(1) == 1).all()
    monkeypatch.setattr("resultstore._verifying.hash_of", lambda *args: pytest.fail("verified again"))
    for cached in (f, open_store().cache(science.slow_block, mmap_mode="r")):
        assert is_mapped(cached(1))


def test_without_files_to_map_arrays_are_read_only(store, monkeypatch):
    """A blob store that has no files gives plain arrays that behave as maps do."""
    f = store.cache(science.slow_block, mmap_mode="r")
    f(1)
    store._vault._loader.let_go()
    monkeypatch.setattr(type(store._vault.blobs), "map", lambda self, name, *, copy_on_write: None)
    value = f(1)
    assert type(value) is np.ndarray
    assert not value.flags.writeable


def test_a_result_that_cannot_be_stored_is_returned_as_it_is(open_store):
    """Too large for the store: the function's own array, and one warning."""
    store = open_store(size_limit="1 MB", mmap_mode="r")
    with pytest.warns(CacheWarning, match="not stored"):
        value = store.cache(science.slow_block)(1, 4_000_000)
    assert type(value) is np.ndarray


def test_a_map_is_keyed_as_its_array(store):
    """A map and an array of equal content are one argument."""
    f = store.cache(science.slow_block, mmap_mode="r")
    g = store.cache(lambda a: float(a.sum()))
    assert g.key(f(2)) == g.key(science.slow_block(2))


# -- tables


def make_table():
    """Return a pyarrow table."""
    return pa.table({"x": np.arange(5000), "s": ["a", None] * 2500})


def make_frames():
    """Return frames of three libraries inside a container."""
    pandas = pd.DataFrame({"x": np.arange(5000.0), "n": np.arange(5000), "s": ["a", None] * 2500})
    return {"pandas": pandas, "polars": pl.DataFrame({"x": np.arange(5000)}), "pyarrow": make_table()}


@pytest.fixture
def mapped_places(monkeypatch):
    """Return the ranges of memory that the store has mapped."""
    places = []
    real = LocalBlobs.map

    def record(self, name, *, copy_on_write):
        mapped = real(self, name, copy_on_write=copy_on_write)
        start = np.frombuffer(mapped.mapping, np.uint8).ctypes.data
        places.append((start, start + len(mapped.mapping)))
        return mapped

    monkeypatch.setattr(LocalBlobs, "map", record)
    return places


@pytest.mark.parametrize("mode", ["r", "c"])
def test_tables_are_maps_too(store, mapped_places, mode):
    """Columns of numbers of every library's tables lie in the map itself, on the first call and on a hit."""
    f = store.cache(make_frames, mmap_mode=mode)
    for _ in range(2):
        found = f()
        columns = [
            found["pandas"]["x"].to_numpy().ctypes.data,
            found["pandas"]["n"].to_numpy().ctypes.data,
            found["polars"]["x"].to_numpy().ctypes.data,
            found["pyarrow"]["x"].chunk(0).buffers()[1].address,
            found["pyarrow"]["s"].chunk(0).buffers()[2].address,
        ]
        for address in columns:
            assert any(start <= address < stop for start, stop in mapped_places)
        plain = make_frames()
        pd.testing.assert_frame_equal(found["pandas"], plain["pandas"], check_exact=True)
        assert found["polars"].equals(plain["polars"])
        assert found["pyarrow"].equals(plain["pyarrow"])
    assert store.stats().misses == 1


def test_a_mapped_frame_of_mode_c_is_its_callers_own(store):
    """A frame over a copy-on-write map can be changed in place; the store and other hits do not see it."""
    f = store.cache(make_frames, mmap_mode="c")
    frame = f()["pandas"]
    frame.loc[0, "x"] = -1.0
    frame["n"] += 1
    assert frame.loc[0, "x"] == -1
    pd.testing.assert_frame_equal(f()["pandas"], make_frames()["pandas"])


def test_a_mapped_frame_of_mode_r_can_be_worked_with(store):
    """A frame over a read-only map can be read, computed with and copied; setting a cell raises, and changes nothing."""
    f = store.cache(make_frames, mmap_mode="r")
    frame = f()["pandas"]
    with pytest.raises(ValueError, match="read-only"):
        frame.iloc[0, 0] = 5.0
    copied = frame.copy()
    copied.iloc[0, 0] = 5.0
    assert frame["x"].sum() == make_frames()["pandas"]["x"].sum()
    assert frame.groupby("s")["n"].mean().loc["a"] == make_frames()["pandas"].groupby("s")["n"].mean().loc["a"]
    pd.testing.assert_frame_equal(f()["pandas"], make_frames()["pandas"])


def test_a_mapped_table_is_found_compressed_and_inline(open_store):
    """A mapping function gets tables that were stored compressed, or in the index, in memory of their own."""
    open_store(compression="zstd").cache(make_table)()
    assert open_store(mmap_mode="r").cache(make_table)().equals(make_table())
    open_store().cache(make_frames)()
    assert open_store(mmap_mode="c").cache(make_frames)()["pyarrow"].equals(make_table())


@pytest.mark.parametrize("make", [make_table, lambda: pd.DataFrame({"s": pd.Categorical(["a", "b"] * 3000)})])
def test_a_mapped_table_with_offsets_is_verified_once(open_store, folder, make):
    """Where a wrong byte could crash the process, a mapped table's checksum is verified at its first load; not twice."""
    open_store(mmap_mode="r").cache(make)()
    (path,) = (folder / "payloads").rglob("*.arrow")
    f = open_store(mmap_mode="r").cache(make)
    f()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resultstore._verifying.hash_of", lambda *args: pytest.fail("hashed again"))
        f()
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 255
    path.write_bytes(data)
    with pytest.warns(CacheWarning, match="not those that were written"):
        open_store(mmap_mode="r").cache(make)()


def test_a_mapped_table_of_numbers_is_not_read(open_store):
    """A table without offsets is mapped without reading it, also by a process that did not write it."""

    def numbers():
        return pa.table({"x": np.arange(50_000), "y": np.zeros(50_000)})

    open_store(mmap_mode="r").cache(numbers)()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resultstore._verifying.hash_of", lambda *args: pytest.fail("read"))
        assert open_store(mmap_mode="r").cache(numbers)().equals(numbers())


def test_a_result_that_goes_before_it_is_mapped_is_returned(store):
    """A call that is forgotten by another thread between storing and mapping gives the function's own array."""
    f = store.cache(science.slow_block, mmap_mode="r")

    class Forgetful(logging.Handler):
        def emit(self, record):
            if record.getMessage().startswith("stored"):
                f.forget(3)

    handler = Forgetful()
    logger = logging.getLogger("resultstore")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        value = f(3)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert type(value) is np.ndarray
    assert (value == 3).all()
