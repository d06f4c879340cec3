"""What reading and writing payloads asks of the system, counted, so that the speed cannot rot."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import threading
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from blake3 import blake3

from resultstore import CacheWarning
from resultstore._index.index import PayloadGone
from resultstore.formats import hashing, prepare
from resultstore.formats.hashing import BESIDE_NBYTES, THREADS_NBYTES
from resultstore.formats.tree import take_apart
from tests import science

_CALLS = "open close fstat lstat stat readv pread read writev write rename replace unlink posix_fallocate".split()


@pytest.fixture
def calls(monkeypatch):
    """Return how often each function of the system is called on files; what SQLite does itself is not in it."""
    counts = Counter()

    def counted(module, name):
        real = getattr(module, name)

        def count(*args, **kwargs):
            counts[name] += 1
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, count)

    for name in _CALLS:
        if hasattr(os, name):
            counted(os, name)
    counted(mmap, "mmap")
    return counts


@pytest.fixture
def hashed(monkeypatch):
    """Return the sizes of what is hashed to be verified."""
    from resultstore import _verifying

    sizes = []
    real = _verifying.hash_of
    monkeypatch.setattr(_verifying, "hash_of", lambda data: sizes.append(len(data)) or real(data))
    return sizes


def test_a_hit_of_an_array_is_one_read(store, calls, hashed):
    """A hit of an array in a file opens it, looks once what it is, and fills head and array by one read."""
    f = store.cache(science.slow_block)
    f(1), f(1), f(1), f(1)
    for _ in range(3):
        calls.clear()
        assert (f(1) == 1).all()
        assert calls == {"open": 1, "fstat": 1, "readv": 1, "close": 1}
    assert hashed == []  # this process wrote it


def test_a_file_is_verified_at_the_first_read_and_when_it_changed(store, folder, hashed):
    """Every byte is hashed at the first read in a process, and again when inode, size or time are others."""
    f = store.cache(science.slow_block)
    f(1)
    store._vault._loader._checked.clear()
    f(1), f(1), f(1), f(1)
    assert hashed == [f(1).nbytes]
    (path,) = (p for p in (folder / "payloads").rglob("*") if p.is_file())
    os.utime(path)
    f(1), f(1), f(1), f(1)
    assert hashed == [f(1).nbytes] * 2


def test_a_mapped_hit_is_one_mapping(store, calls, hashed):
    """A mapped hit opens the file, looks what it is and how it begins, and maps it; a mapping in use is shared."""
    f = store.cache(science.slow_block, mmap_mode="r")
    f(1), f(2)
    calls.clear()
    value = f(1)
    assert calls == {"open": 1, "fstat": 1, "readv": 1, "mmap": 1, "close": 1}
    for _ in range(3):
        f(2)  # the last one is kept anyway; this one takes its place
        calls.clear()
        again = f(1)
        assert calls == {"lstat": 1}
        assert again is not value
        assert again._mmap is value._mmap
    assert hashed == []


def test_a_small_array_is_copied_from_the_row(store, calls):
    """A hit of an array that lies in the index touches no file."""
    f = store.cache(lambda n: np.arange(n))
    f(100), f(100), f(100), f(100)
    calls.clear()
    assert np.array_equal(f(100), np.arange(100))
    assert calls == {}


def test_a_small_array_is_verified_unless_it_is_the_very_same_bytes(store, hashed):
    """Bytes that come from the index anew are verified anew; those that were verified are copied."""
    f = store.cache(lambda n: np.arange(n))
    f(100)
    vault = store._vault
    row = vault.index.fetch(f.key(100))
    first, second = vault.index.leaves(row.id), vault.index.leaves(row.id)
    assert first[0].payload.inline is not second[0].payload.inline
    for leaf, times in ((first[0], 1), (first[0], 1), (second[0], 2), (second[0], 2)):
        value = vault._loader._load_leaf(leaf, None)
        assert len(hashed) == times
        assert np.array_equal(value, np.arange(100))
        assert value.flags.owndata
        assert value.flags.writeable
        value[:] = -1  # a copy of one's own


def test_records_have_a_dtype_of_their_own(store):
    """Who renames the fields of one result, which numpy does in the dtype itself, changes no other result."""
    f = store.cache(lambda n: np.zeros(n, [("x", "f8"), ("y", "i4")]))
    for n in (10, 10_000):
        f(n)
        for _ in range(2):
            value = f(n)
            assert value.dtype.names == ("x", "y")
            value.dtype.names = ("p", "q")


# -- misses

LARGE = BESIDE_NBYTES // 8


def numbers(n, value=0):
    """Return numbers."""
    return np.arange(n, dtype=float) + value


def table(n, value=0):
    """Return a frame of several kinds of columns."""
    texts = np.array(["alpha", "beta", None] * n, dtype=object)[:n]
    return pd.DataFrame({"x": np.arange(n) / 7 + value, "n": np.arange(n), "s": texts})


@pytest.fixture(params=["a core to spare", "no core to spare"])
def beside(request, monkeypatch):
    """Let there be a core to hash on beside the write, or none; say which."""
    cores = 1 if request.param == "a core to spare" else 0
    monkeypatch.setattr(prepare, "idle_cores", lambda: cores)
    return bool(cores)


def left(folder):
    """Return the files in the temporary folder."""
    return [p.name for p in (folder / "temporary").glob("*")]


def test_a_miss_of_an_array_is_one_write(store, calls):
    """A result in a file takes one open, one write and one rename, beside the line in the journal."""
    f = store.cache(numbers)
    f(LARGE // 8), f(LARGE // 8, 1)
    calls.clear()
    f(LARGE // 8, 2)
    assert calls["writev"] == 1
    assert calls["rename"] <= 2  # again if it is the first file in its folder
    assert calls["write"] <= 1  # the journal
    assert calls["open"] <= 2
    assert calls.get("posix_fallocate", 0) <= 1
    assert calls["read"] == calls["readv"] == calls["unlink"] == 0


@pytest.mark.parametrize("make", [numbers, table])
def test_hashing_beside_the_write_stores_the_same(store, folder, beside, make):
    """Hashed in a thread beside the write or before it: the same file, the same digest, a hit that is verified."""
    f = store.cache(make)
    n = LARGE + 1000
    f(n)
    (path,) = (p for p in (folder / "payloads").rglob("*") if p.is_file())
    (part,), _ = prepare.prepare(take_apart(make(n)))
    assert path.read_bytes() == part.encoded.head + bytes(part.encoded.body)
    assert path.name.startswith(part.facts.digest.hex()[:32])
    store._vault._loader._checked.clear()
    pd.testing.assert_frame_equal(pd.DataFrame(f(n)), pd.DataFrame(make(n)), check_exact=True)
    assert store.stats().hits == 1
    assert left(folder) == []


def test_equal_large_results_are_stored_once(store, folder, beside):
    """A large result that is stored already is thrown away after it was written beside its hash."""
    f = store.cache(numbers)
    g = store.cache(lambda n: (numbers(n), numbers(n), "and more"))
    f(LARGE), g(LARGE), f.refresh(LARGE)
    assert len([p for p in (folder / "payloads").rglob("*") if p.is_file()]) == 1
    assert left(folder) == []
    assert np.array_equal(g(LARGE)[1], numbers(LARGE))


def test_what_goes_wrong_leaves_nothing_behind(store, folder, beside, monkeypatch):
    """A full disk, a result that cannot be stored, an interrupt: the value is returned, and no staged file stays."""
    f = store.cache(numbers)
    real = os.writev

    def full(fd, views):
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(os, "writev", full)
    with pytest.warns(CacheWarning, match="no space left"):
        assert len(f(LARGE)) == LARGE

    def interrupted(fd, views):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "writev", interrupted)
    with pytest.raises(KeyboardInterrupt):
        f(LARGE)
    monkeypatch.setattr(os, "writev", real)
    with pytest.warns(CacheWarning, match="not stored"):
        store.cache(lambda n: [numbers(n), store_me_not()])(LARGE)
    assert left(folder) == []
    assert not f.check_call_in_cache(LARGE)


def store_me_not():
    """Return what no format takes."""
    return (i for i in range(3))


def test_a_result_without_room_is_hashed_first(open_store, folder, beside, calls):
    """Under a limit nothing is staged that does not fit: an equal result that stands costs no other one its place."""
    store = open_store(size_limit=3 * 8 * LARGE)
    f = store.cache(numbers)
    f(LARGE), f(LARGE, 1)
    calls.clear()
    f.refresh(LARGE)
    assert calls["writev"] == 0
    assert f.check_call_in_cache(LARGE, 1)
    with pytest.warns(CacheWarning, match="not stored"):
        f(5 * LARGE)
    assert calls["writev"] == 0
    assert left(folder) == []


def test_an_equal_payload_that_goes_meanwhile_is_written_after_all(store, folder, beside, monkeypatch):
    """If what a result leans on is dropped before its row is written, the result is written by itself."""
    f = store.cache(lambda n: [numbers(n), numbers(n, 1)])
    store.cache(numbers)(LARGE)
    real, tries = type(store._vault.index).add, []

    def add(self, *args, **kwargs):
        tries.append(1)
        if len(tries) == 1:
            raise PayloadGone
        return real(self, *args, **kwargs)

    monkeypatch.setattr(type(store._vault.index), "add", add)
    f(LARGE)
    assert len(tries) == 2
    assert np.array_equal(f(LARGE)[1], numbers(LARGE, 1))
    assert left(folder) == []


def test_a_mapped_array_that_is_returned_is_not_hashed(store, monkeypatch):
    """A result that is a mapped argument, or a result's map, leans on its file without being read."""
    f = store.cache(numbers, mmap_mode="r")
    g = store.cache(lambda a: a, mmap_mode="r")
    a = f(LARGE)
    monkeypatch.setattr(prepare, "hash_of", lambda *pieces: pytest.fail("hashed"))
    assert np.array_equal(g(a), numbers(LARGE))


# -- hashing


def test_pieces_have_the_hash_of_the_whole():
    """Bytes have one hash, in one piece or several, in this thread or another, with a helper or without."""
    data = np.random.default_rng(0).bytes(THREADS_NBYTES + 1000)
    pieces = data[:1000], memoryview(data)[1000:5000], bytearray(data[5000:])
    whole = blake3(data).digest()
    assert hashing.hash_of(data) == hashing.hash_of(*pieces) == whole
    assert hashing.HashBeside(*pieces).result() == whole


def test_without_a_thread_the_hash_is_made_all_the_same(monkeypatch):
    """Where no thread can be started, whoever waits for the hash makes it."""

    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert hashing.HashBeside(b"bytes").result() == blake3(b"bytes").digest()


def test_cores_are_counted_anywhere(monkeypatch):
    """How many cores are idle is a number from 0 on, whatever the system tells."""
    assert hashing.idle_cores() >= 0
    monkeypatch.setattr(os, "open", lambda *args: (_ for _ in ()).throw(FileNotFoundError()))
    assert hashing.idle_cores() >= 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_hashes_with_threads_too(monkeypatch):
    """Threads that hashed before a fork are not waited for by the child, which does not have them."""
    monkeypatch.setattr(hashing, "idle_cores", lambda: 3)
    data = bytes(THREADS_NBYTES)
    expected = hashing.hash_of(data)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if hashing.hash_of(data) == expected and hashing.HashBeside(data).result() == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
