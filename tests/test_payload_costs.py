"""What reading and writing payloads asks of the system, counted, so that the speed cannot rot."""

from __future__ import annotations

import mmap
import os
from collections import Counter

import numpy as np
import pytest

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
    from resultstore import _loading

    sizes = []
    real = _loading.hash_of
    monkeypatch.setattr(_loading, "hash_of", lambda data: sizes.append(len(data)) or real(data))
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
