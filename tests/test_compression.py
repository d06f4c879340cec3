"""Compressed payloads: an option of storage that never changes what is found or given back."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard

from resultstore import CacheWarning, OptionError, Store
from tests import science


def smooth(n):
    """Return numbers that compress."""
    return np.round(np.sin(np.linspace(0, 9, n)), 3)


def noise(n):
    """Return bytes that do not."""
    return np.random.default_rng(1).integers(0, 256, n, dtype=np.uint8)


def mixed(n):
    """Return leaves of several kinds."""
    return {"a": smooth(n), "text": "x" * n, "raw": b"y" * n, "noise": noise(n), "small": np.arange(3)}


def rows(sql):
    """Return format, codec, stored and raw bytes of all payloads."""
    return sql("SELECT format, codec, nbytes, raw_nbytes, file FROM payload ORDER BY id")


@pytest.mark.parametrize("spec", ["zstd", ("zstd", 1), ("zstd", 9)])
@pytest.mark.parametrize("of", ["store", "function"])
def test_values_come_back(open_store, sql, spec, of):
    """Stored compressed, per store or per function, every value comes back the same, in this process and the next."""
    store = open_store(compression=spec if of == "store" else None)
    f = store.cache(mixed, compression=False if of == "store" else spec)
    first = f(60_000)
    codecs = dict(sql("SELECT path, codec FROM result_leaf JOIN payload ON payload.id = payload_id"))
    assert codecs == {"['a']": "zstd", "['raw']": "zstd", "['noise']": None, "['small']": None, "<skeleton>": "zstd"}
    for again in (f(60_000), open_store().cache(mixed)(60_000)):
        assert again.keys() == first.keys()
        for name, value in again.items():
            assert np.array_equal(value, first[name])
            assert type(value) is type(first[name])
        assert again["a"].flags.writeable
    assert store.stats().misses == 1


def test_what_compresses_takes_less(open_store, sql, folder):
    """Smooth numbers shrink, random bytes are left as they are, in files that say so by their names."""
    store = open_store(compression="zstd")
    store.cache(smooth)(200_000)
    store.cache(noise)(200_000)
    (_, codec, nbytes, raw, file), (_, other, kept, whole, plain) = rows(sql)
    assert (codec, other) == ("zstd", None)
    assert nbytes < raw / 4
    assert kept > whole
    assert file.endswith(".npy.zst")
    assert plain.endswith(".npy")
    assert store.find(smooth).first().nbytes == nbytes


def test_a_frame_is_a_plain_zst_file(open_store, folder):
    """A stranger unpacks a payload with zstd alone and has the .npy file; the frame carries a checksum."""
    store = open_store(compression="zstd")
    store.cache(smooth)(200_000)
    (path,) = (folder / "payloads").rglob("*.npy.zst")
    frame = path.read_bytes()
    assert zstandard.get_frame_parameters(frame).has_checksum
    plain = zstandard.ZstdDecompressor().decompress(frame)
    (folder / "out.npy").write_bytes(plain)
    assert np.array_equal(np.load(folder / "out.npy"), smooth(200_000))


def test_small_results_shrink_inside_the_index(open_store, sql):
    """A payload that is small once compressed lies in the index: no file, no inode."""
    store = open_store(compression="zstd")
    f = store.cache(np.zeros)
    f(50_000)
    ((_, codec, nbytes, raw, file),) = rows(sql)
    assert (codec, file) == ("zstd", None)
    assert nbytes < 1000 < raw
    assert (f(50_000) == 0).all()


def test_storage_options_never_enter_the_key(open_store):
    """What was stored one way is a hit another way, in all directions."""
    stores = [
        open_store(),
        open_store(compression="zstd"),
        open_store(compression=("zstd", 19)),
        open_store(compression="auto"),
        open_store(mmap_mode="r"),
    ]
    functions = [store.cache(smooth) for store in stores]
    for i, f in enumerate(functions):
        f(1000 + i)
    for i in range(5):
        for f in functions:
            assert f.check_call_in_cache(1000 + i)
            assert np.array_equal(f(1000 + i), smooth(1000 + i))
    assert stores[0].stats().misses == 5


@pytest.mark.parametrize("spec", ["zstd", "auto"])
def test_equal_results_are_stored_once_whatever_the_option(open_store, sql, spec):
    """A compressed payload serves an uncompressed function's equal result, and the other way round."""

    def other(n):
        return smooth(n)

    packed, plain = open_store(compression=spec), open_store()
    packed.cache(smooth)(50_000)
    plain.cache(other)(50_000)
    assert len(rows(sql)) == 1
    assert np.array_equal(plain.cache(other)(50_000), smooth(50_000))
    plain.cache(smooth)(60_000)
    packed.cache(other)(60_000)
    assert len(rows(sql)) == 2
    mapped = open_store(mmap_mode="r").cache(smooth)
    mapped.refresh(50_000)
    assert type(mapped(50_000)) is np.memmap


def test_compression_and_maps_exclude_each_other(open_store, folder):
    """Asked for together, at construction or decoration, they are one error; switching one off is the way out."""
    with pytest.raises(OptionError, match="compressed cannot be mapped"):
        Store(folder, compression="zstd", mmap_mode="r")
    store = open_store(compression="zstd")
    with pytest.raises(OptionError, match="compressed cannot be mapped"):
        store.cache(smooth, mmap_mode="c")
    store.cache(smooth, mmap_mode="c", compression=None)(10)
    with pytest.raises(OptionError, match="compressed cannot be mapped"):
        open_store(mmap_mode="r").cache(smooth, compression="zstd")


def test_a_compressed_result_asked_for_as_a_map(open_store):
    """A mapping function that meets a compressed payload gives a read-only array of its own."""
    open_store(compression="zstd").cache(smooth)(50_000)
    value = open_store(mmap_mode="r").cache(smooth)(50_000)
    assert type(value) is np.ndarray
    assert not value.flags.writeable
    assert np.array_equal(value, smooth(50_000))


@pytest.mark.parametrize(
    "spec", ["gzip", ("zstd", 0), ("zstd", 23), ("zstd", True), ("zstd", "9"), ("zstd",), 3, True, [], "lz4"]
)
def test_a_wrong_compression_is_refused(folder, spec):
    """What is no codec or level is an error that says what is."""
    with pytest.raises(OptionError, match='write "zstd"'):
        Store(folder, compression=spec)


@pytest.mark.parametrize("at", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("n", [1_000, 200_000])
def test_a_damaged_frame_is_a_miss(open_store, folder, sql, at, n):
    """One flipped bit of a frame, in a file or inline, is a warning and a new computation, never a wrong value."""
    f = open_store(compression="zstd").cache(smooth)
    f(n)
    ((number, inline, file),) = sql("SELECT id, inline, file FROM payload")
    data = bytearray(inline or (folder / "payloads" / file).read_bytes())
    data[int(at * len(data))] ^= 16
    if inline is None:
        (folder / "payloads" / file).write_bytes(data)
    else:
        sql("UPDATE payload SET inline = ? WHERE id = ?", bytes(data), number)
    with pytest.warns(CacheWarning, match="not those that were written"):
        value = open_store().cache(smooth)(n)
    assert np.array_equal(value, smooth(n))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("codec = 'lzma'", "newer resultstore"),
        ("codec = NULL", "instead of|the index says"),
        ("raw_nbytes = raw_nbytes + 8", "not that of|unpacks to|instead of"),
        ("head_nbytes = head_nbytes - 1", "unpacks to|instead of|another value"),
    ],
)
def test_facts_that_contradict_the_frame_are_damage(open_store, sql, change, message):
    """A tampered row is a miss with a warning, whatever column was changed."""
    f = open_store(compression="zstd").cache(smooth)
    f(200_000)
    sql(f"UPDATE payload SET {change}")
    with pytest.warns(CacheWarning, match=message):
        value = open_store().cache(smooth)(200_000)
    assert np.array_equal(value, smooth(200_000))


def test_the_budget_counts_what_is_stored(open_store):
    """A result that fits only when it is compressed is kept."""
    store = open_store(size_limit="2 MB", compression="zstd")
    f = store.cache(np.zeros)
    f(1_000_000)
    assert f.check_call_in_cache(1_000_000)
    with pytest.warns(CacheWarning, match="not stored"):
        open_store(size_limit="2 MB").cache(np.ones)(1_000_000)


def test_what_is_not_asked_for_is_not_imported(folder):
    """Without compression neither a miss nor a hit imports zstandard."""
    import subprocess
    import sys

    code = (
        "import sys; from resultstore import Store; from tests import science\n"
        "f = Store(sys.argv[1]).cache(science.slow_block); f(1); f(1); print('zstandard' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert science.slow_block(1)[0] == 1
