"""Mapped arrays as arguments: what the store has handed out read-only is known by its digest, and not read again."""

from __future__ import annotations

import gc
import mmap
import os
import pickle
import shutil
import struct
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from resultstore import CacheWarning, DamagedError, DigestError, digest, register_digest, unregister_digest
from resultstore._data import replace
from resultstore._identity import arrays, encoding, maps
from tests import science

N = 50_000


def make(n, value=0):
    """Return numbers."""
    return np.arange(n, dtype=float) + value


def add(a, b=0):
    """Return an array with something added."""
    return a + b


@pytest.fixture
def hashed(monkeypatch):
    """Return the sizes of the large arrays whose bytes are hashed as arguments."""
    sizes = []
    real = arrays._hash_buffer

    def record(array):
        if array.nbytes >= maps.WORTH_NBYTES:
            sizes.append(array.nbytes)
        return real(array)

    monkeypatch.setattr(arrays, "_hash_buffer", record)
    return sizes


def in_another_process(store):
    """Let a store forget what it has written and verified, as a new process would."""
    store._vault._loader._checked.clear()
    store._vault._loader.let_go()


def file_of(folder):
    """Return the only payload file."""
    (path,) = (p for p in (folder / "payloads").rglob("*") if p.is_file())
    return path


def copy_of(value):
    """Return an equal array in memory of its own, which nothing can recognise."""
    return np.array(value, copy=True, order=arrays.order_of(value), subok=False)


def the_plain_way(value):
    """Return the digest of an equal array in memory of its own."""
    return digest(copy_of(value))


def known_digest(value):
    """Return the digest of a value as a call's key has it, and on whose word that is."""
    leaning = []
    return encoding.digest_of(encoding.encode(value, leaning)), leaning


# -- what is saved


def test_a_chain_of_mapped_arrays_is_not_read(store, hashed):
    """Three chained functions, warm in a new process: no array's bytes are read, neither to key nor to load them."""
    f, g, h = (store.cache(func, mmap_mode="r") for func in (make, add, science.identity))
    expected = np.array(h(g(f(N), 1)))
    in_another_process(store)
    hashed.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("resultstore._verifying.hash_of", lambda *args: pytest.fail("read"))
        found = h(g(f(N), 1))
    assert np.array_equal(found, expected)
    assert hashed == []
    assert store.stats().misses == 3


def test_arrays_inside_containers_are_recognised(store, hashed):
    """In a list, a dict or a tuple a mapped array is known as well; beside it what is not mapped is hashed."""
    f = store.cache(make, mmap_mode="r")
    g = store.cache(lambda parts: None)
    a, b, c = f(N), f(N, 1), make(N, 2)
    in_another_process(store)
    a, b = f(N), f(N, 1)
    hashed.clear()
    for parts in ([a, b], {"a": a, "more": (b, [a])}, (a, (a, a), "text")):
        known = g.key(parts)
        assert hashed == []
        plain = pickle.loads(pickle.dumps(parts))
        assert known == g.key(plain)
        hashed.clear()
    assert g.key([a, c]) == g.key([np.array(a), c])


def test_what_was_hashed_is_not_hashed_again(store, hashed):
    """A part of a mapped array, or a column of a mapped table, is hashed at its first use as an argument only."""
    f = store.cache(make, mmap_mode="r")
    g = store.cache(lambda part: None)
    table = store.cache(lambda: pd.DataFrame({"x": np.arange(N), "y": np.arange(N) / 7}), mmap_mode="r", version="1")
    table()
    for value in (f(N)[100:], f(N)[: N // 2].reshape(-1, 2), table()):
        in_another_process(store)
        hashed.clear()
        first = g.key(value)
        assert hashed
        hashed.clear()
        assert g.key(value) == first
        assert hashed == []


def test_a_mapped_global_is_hashed_once(store, hashed):
    """A mapped array that a function reads as a global is hashed when the function is first looked at."""
    data = store.cache(make, mmap_mode="r")(N)
    f = store.cache(lambda i: data[i])
    in_another_process(store)
    f(1), f(2)
    hashed.clear()
    assert f(2) == 2
    assert hashed == []


# -- what is recognised is what hashing gives


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    dtype=hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.array_dtypes(),
    shape=hnp.array_shapes(max_dims=3, max_side=4),
    fortran=st.booleans(),
    number=st.integers(0, 2**60),
)
def test_the_digest_is_the_plain_one(open_store, dtype, shape, fortran, number):
    """A mapped array of any dtype, shape and order has the key that hashing gives, recognised or not."""
    count = -(-maps.WORTH_NBYTES // max(1, dtype.itemsize * int(np.prod(shape))))
    octets = np.random.default_rng(number).integers(0, 2, count * int(np.prod(shape)) * dtype.itemsize, np.uint8)
    value = np.ndarray((count, *shape), dtype, octets.tobytes()).copy("F" if fortran else "C")
    store = open_store()
    f = store.cache(lambda number, text: value, mmap_mode="r", ignore_globals=["value"])
    g = store.cache(lambda a: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        f(number, repr((dtype, shape, fortran)))
        in_another_process(store)
        mapped = f(number, repr((dtype, shape, fortran)))
    for other in (mapped, mapped[:], mapped.T, mapped[1:], mapped.view(np.ndarray), mapped.reshape(-1, order="A")):
        plain = copy_of(other)
        assert g.key(other) == g.key(plain)
        assert g.key([other, {"x": other}]) == g.key([plain, {"x": plain}])
    assert g.key(mapped) == g.key(value)


def test_a_value_that_contains_itself_is_hashed(store):
    """Inside a cycle the whole encoding counts, so arrays in it are read; the digest is the plain one."""
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    mapped, plain = [f(N)], [make(N)]
    mapped.append(mapped)
    plain.append(plain)
    assert known_digest(mapped)[0] == digest(plain)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: setattr(a, "shape", (2, -1)),
        lambda a: setattr(a, "dtype", np.dtype("<i8")),
        lambda a: setattr(a, "dtype", np.dtype("<f8", metadata={"unit": "m"})),
    ],
    ids=["shape", "dtype", "metadata"],
)
@pytest.mark.filterwarnings("ignore:Setting the:DeprecationWarning")
def test_an_array_changed_in_place_is_another(store, change):
    """What is recognised is judged as it is now: another shape or dtype of the same bytes is another value."""
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    a = f(N)
    change(a)
    assert known_digest(a)[0] == the_plain_way(a)


def test_views_with_other_bytes_are_others(store):
    """Views of the same size elsewhere in the map, backwards or with steps are not taken for the array."""
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    a = f(N)
    whole = np.frombuffer(a._mmap, np.uint8)
    shifted = np.lib.stride_tricks.as_strided(a[1:], (N - 1,), (8,), writeable=False)
    for other in (whole, whole[64 : 64 + a.nbytes].view(float), a[::-1], a[::2], shifted, a[:-1], np.frombuffer(a)):
        assert known_digest(other)[0] == the_plain_way(other)


def test_a_registered_digest_goes_before(store):
    """Where somebody has said what identifies arrays, mapped ones too are known by that."""
    a = store.cache(make, mmap_mode="r")(N)
    in_another_process(store)
    register_digest(np.memmap, lambda array: ("mine", array.shape))
    try:
        assert known_digest(a)[0] == digest(a)
        assert known_digest([a])[0] == digest([a])
    finally:
        unregister_digest(np.memmap)
    assert known_digest(a)[0] == the_plain_way(a)


# -- what is not recognised


def test_only_our_read_only_maps_count(store, hashed, tmp_path):
    """A copy-on-write map, an array that merely says it is read-only, and a map of another's file are hashed."""
    store.cache(make, mmap_mode="r")(N)
    alive = store.cache(make, mmap_mode="r")(N)
    private = store.cache(make, mmap_mode="c")(N)
    private.flags.writeable = False
    frozen = make(N)
    frozen.flags.writeable = False
    np.save(tmp_path / "a.npy", make(N))
    foreign = np.load(tmp_path / "a.npy", mmap_mode="r")
    g = store.cache(lambda a: None)
    for value in (private, frozen, foreign):
        for _ in range(2):
            hashed.clear()
            assert g.key(value) == g.key(alive)
            assert value.nbytes in hashed


def test_what_a_hit_hands_out_cannot_be_written_to(store):
    """Neither the array, nor a view, nor the mapping under it takes a write, whatever flags are set."""
    a = store.cache(make, mmap_mode="r")(N)
    for view in (a, a[:], np.asarray(a), np.frombuffer(a._mmap, np.uint8), np.frombuffer(a)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
    with pytest.raises(TypeError):
        a._mmap[0] = 1
    with pytest.raises((TypeError, ValueError, SystemError)):
        a._mmap.resize(10)


def write_in_place(path):
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"changed")


def write_by_another_map(path):
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[1000:1007] = b"changed"
        mapping.flush()


@pytest.mark.parametrize("write", [write_in_place, write_by_another_map])
def test_a_file_that_was_written_to_is_read(store, folder, write):
    """A map shows what is written into its file; from then on the array is keyed by what it really holds."""
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    a = f(N)
    before = known_digest(a)[0]
    assert before == digest(make(N))
    path = file_of(folder)
    os.utime(path, ns=(1, 1))  # long ago: the clock of files is coarse
    in_another_process(store)
    a = f(N)
    path.chmod(0o600)
    write(path)
    after = known_digest(a)[0]
    assert after == the_plain_way(a) != before
    store.clear()


def test_an_evicted_array_is_hashed(store, hashed):
    """Of a file that is gone the map still has the bytes, but nobody can say that they are unchanged: they are read."""
    f = store.cache(make, mmap_mode="r")
    g = store.cache(lambda a: None)
    a = f(N)
    store.reduce_size(items_limit=0)
    hashed.clear()
    assert g.key(a) == g.key(make(N))
    assert a.nbytes in hashed
    b = f(N)  # another file, perhaps of the same inode
    assert g.key(b) == g.key(a)


def test_maps_that_are_gone_are_forgotten(store):
    """Nothing is kept of a map that nobody uses; what later lies at its addresses is not taken for it."""
    f = store.cache(make, mmap_mode="r")
    gc.collect()  # maps of other tests
    before = list(maps._starts)
    kept = [f(N, i) for i in range(20)]
    assert len(maps._starts) == len(before) + 20
    del kept
    store._vault._loader.let_go()
    assert maps._starts == sorted(maps._by_start) == before
    for i in range(20):
        other = make(N, 100 + i)
        other.flags.writeable = False
        assert known_digest(other)[0] == the_plain_way(other)


def test_a_mapping_that_was_closed_is_nothing(store):
    """Who closes a mapping by hand gives its addresses away: nothing there is recognised, and a hit maps anew."""
    f = store.cache(make, mmap_mode="r")
    a = f(N)
    mapping = a._mmap
    del a
    mapping.close()
    other = make(N, 5)
    other.flags.writeable = False
    assert known_digest(other)[0] == the_plain_way(other)
    assert np.array_equal(f(N), make(N))


def test_a_pickled_map_is_an_array_of_its_own(store):
    """What comes out of a pickle is an array in memory: hashed, and the same argument."""
    f = store.cache(make, mmap_mode="r")
    a = f(N)
    in_another_process(store)
    a = f(N)
    back = pickle.loads(pickle.dumps(a))
    assert known_digest(back) == (known_digest(a)[0], [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_recognises_what_its_parent_mapped(store):
    """A mapping that a child inherits is what it was, so the child needs not read it either."""
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    a = f(N)
    expected = digest(make(N))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            found, leaning = known_digest(a)
            code = 0 if found == expected and len(leaning) == 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# -- before a function runs


def damage(path):
    """Change the last number in a file; size and time stay."""
    found = path.stat()
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(found.st_size - 8)
        file.write(struct.pack("<d", -1e9))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def test_a_mapped_argument_is_verified_once_before_a_function_runs(store, hashed):
    """A miss reads an argument that was only recognised, once in a process; the next function does not."""
    f = store.cache(make, mmap_mode="r")
    g, h = store.cache(lambda a: float(a.sum())), store.cache(lambda a: float(a.max()))
    f(N)
    in_another_process(store)
    a = f(N)
    read = []
    with pytest.MonkeyPatch.context() as patch:
        real = store._vault._loader._prove
        patch.setattr("resultstore._loading.Loader._prove", lambda *args: read.append(1) or real(*args[1:]))
        in_another_process(store)
        store._vault._loader._maps._known.clear()
        a = f(N)
        assert read == []
        g(a), h(a), g(a)
    assert read == [1]
    hashed.clear()
    g(a), h(a)
    assert hashed == []


def test_a_damaged_argument_is_never_computed_with_under_the_right_key(store, folder):
    """An argument whose file was damaged is told and put aside, and the call is keyed by what the function is given."""
    f = store.cache(make, mmap_mode="r")
    g = store.cache(lambda a: float(a.sum()))
    f(N)
    damage(file_of(folder))
    in_another_process(store)
    a = f(N)  # a map is not read
    right = g.key(make(N))
    assert g.key(a) == right
    with pytest.warns(CacheWarning, match="a mapped argument is not what was stored"):
        value = g(a)
    assert value == float(a.sum()) != float(make(N).sum())
    assert not g.check_call_in_cache(make(N))
    assert g.key(a) == g.key(np.array(a)) != right
    assert g(a) == value  # a hit, under the key of these bytes
    assert list((folder / "quarantine").iterdir())
    with pytest.warns(CacheWarning, match="computed again"):
        assert np.array_equal(f(N), make(N))
    assert g(f(N)) == float(make(N).sum())


def test_a_damaged_argument_is_told_once(store, folder):
    """One warning a function and process; the calls go on."""
    f = store.cache(make, mmap_mode="r")
    g = store.cache(lambda a, i: float(a.sum()))
    f(N)
    damage(file_of(folder))
    in_another_process(store)
    a = f(N)
    with pytest.warns(CacheWarning) as told:
        g(a, 1), g(a, 2), g(a, 3)
    assert len(told) == 1
    store.clear()


def test_checked_hits_run_on_verified_arguments(open_store, folder):
    """A hit that may be computed again verifies a mapped argument first, or it would blame the function."""
    store = open_store(check_hits=1.0)
    f = store.cache(make, mmap_mode="r")
    g = store.cache(lambda a: float(a.sum()))
    g(make(N))
    f(N)
    damage(file_of(folder))
    in_another_process(store)
    a = f(N)
    with pytest.warns(CacheWarning, match="a mapped argument is not what was stored"):
        assert g(a) == float(a.sum())
    assert g(make(N)) == float(make(N).sum())
    store.clear()


def test_an_index_that_says_another_digest_is_found_out(store):
    """A payload that is whole, but of another digest than the index says, is damage when a function is to run on it."""
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    a = f(N)
    (handed,) = known_digest(a)[1]
    handed.whole.digest = digest("another value")
    facts = store._vault.index.leaves(store._vault.index.fetch(f.key(N)).id)[0].payload
    mapped = store._vault.blobs.map(facts.file, copy_on_write=False)
    with pytest.raises(DamagedError, match="of another value"):
        store._vault._loader._prove(replace(facts, digest=digest("another value")), mapped)
    store.clear()


def test_check_arguments_compares_what_was_recognised(open_store):
    """An argument that was known by its digest before a call, and by its bytes after it, has not changed."""
    store = open_store(check_arguments=True)
    f = store.cache(make, mmap_mode="r")
    f(N)
    in_another_process(store)
    g = store.cache(lambda a: float(a.sum()))
    assert g(f(N)) == make(N).sum()


def test_a_store_that_is_gone_hurts_nobody(store, folder):
    """With the files deleted under a map, the array is read, and the call computed."""
    f = store.cache(make, mmap_mode="r")
    a = f(N)
    shutil.rmtree(folder / "payloads")
    g = store.cache(lambda a: float(a.sum()))
    assert g(a) == make(N).sum()
    store.clear()


def test_what_cannot_be_keyed_is_told_as_before(store):
    """A container with a mapped array and something without a digest names the argument."""
    a = store.cache(make, mmap_mode="r")(N)
    with pytest.raises(DigestError, match="argument 'a'"):
        store.cache(lambda a: None).key([a, object()])
