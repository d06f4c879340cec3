"""``compression="auto"`` and shuffled payloads: chosen by a sample, given back bit by bit, never more than plain."""

from __future__ import annotations

import threading
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from resultstore import CacheWarning, OptionError, Store
from resultstore._data import replace
from resultstore._facts import PayloadFacts
from resultstore._settings import Compression
from resultstore.errors import DamagedError
from resultstore.formats import compression as codecs
from resultstore.formats.compression import compress, decompress
from resultstore.formats.npy import Npy
from resultstore.formats.registry import format_named
from resultstore.formats.shuffle import Layout, layout_for, layout_of, shuffle, unshuffle
from resultstore.testing import same, strategies

AUTO = Compression("auto")
rng = np.random.default_rng


def smooth(n):
    """Return measurements: smooth, with noise in the last bits."""
    return np.sin(np.linspace(0, 9, n))


def mask(n):
    """Return a mask of integers with regions, as labelling gives."""
    return (np.sin(np.arange(n) / 100) > 0.5).astype(np.int64)


def noise(n):
    """Return what no codec makes smaller by a fifth."""
    return rng(0).normal(size=n)


def frame(n):
    """Return a table of numbers, times and texts."""
    return pd.DataFrame(
        {
            "a": np.arange(n),
            "x": smooth(n),
            "y": np.round(noise(n), 2),
            "at": pd.date_range("2026-01-01", periods=n, freq="min"),
            "text": [f"label {i % 20}" for i in range(n)],
        }
    )


def encode(value):
    """Return a leaf as its format writes it."""
    name = {bytes: "bytes", pa.Table: "arrow"}.get(type(value), "npy")
    return format_named(name).encode(value)


def facts_of(encoded, codec, frame):
    """Return what a row says of a payload, as far as reading asks."""
    return PayloadFacts(
        digest=b"",
        checksum=b"",
        format=encoded.format,
        nbytes=len(frame),
        raw_nbytes=len(encoded.body),
        head_nbytes=len(encoded.head),
        dtype=encoded.dtype,
        shape=encoded.shape,
        order=encoded.order,
        codec=codec,
    )


def through(encoded, codec, frame):
    """Return the value that a frame gives back."""
    facts = facts_of(encoded, codec, frame)
    holder, view = format_named(encoded.format).room(facts)
    decompress(frame, facts, view)
    return format_named(encoded.format).value(holder, facts)


# -- shuffling


def defined(data, widths, count):
    """Return shuffled bytes as the page on files defines them, byte by byte."""
    size, out = sum(widths), b""
    whole = len(data) // size * size
    for start in range(0, whole, count * size):
        block = data[start : min(start + count * size, whole)]
        for i, width in enumerate(widths):
            offset = sum(widths[:i])
            out += b"".join(block[at + offset : at + offset + width] for at in range(0, len(block), size))
    return out + data[whole:]


LAYOUTS = [(1, 1), (1,) * 4, (4, 2, 1, 1), (1,) * 7, (2, 2), (8, 4, 4), (1,) * 32]


@given(st.binary(min_size=1, max_size=400), st.sampled_from(LAYOUTS), st.integers(1, 20))
def test_shuffled_bytes_are_as_the_page_defines_them(data, widths, count):
    """Whatever the bytes, the parts of an item and the length of a block: shuffled as defined, and put back."""
    layout = Layout(widths, count)
    assert layout_of(layout.line) == layout
    shuffled = b"".join(map(bytes, shuffle(data, layout)))
    assert shuffled == defined(data, widths, count)
    out, done = bytearray(len(data)), 0

    def fill(room):
        nonlocal done
        room[:] = shuffled[done : done + len(room)]
        done += len(room)

    unshuffle(memoryview(out), layout, fill)
    assert bytes(out) == data


@given(strategies.arrays(max_side=9), st.integers(1, 400), st.integers(1, 3))
def test_any_array_comes_back_shuffled_and_plain(array, times, level):
    """Every dtype, shape and order, also empty, structured and dates, is the same after either codec."""
    if not Npy().accepts(array):
        return
    for value in (array, np.repeat(array, times, axis=0) if array.ndim else array):
        encoded = encode(value)
        for layout in (None, layout_for(encoded.itemsize, encoded.dtype)):
            made = codecs._frame(encoded, layout, level)
            assert same(through(encoded, "zstd+shuffle" if layout else "zstd", made), np.array(value, order="K"))


@given(strategies.arrays(max_side=9) | st.binary(max_size=3000), st.integers(1, 400))
def test_auto_gives_back_what_plain_does_in_fewer_bytes(value, times):
    """Whatever auto decides, the value is the one that storing plain gives back, and takes a fifth less or is plain."""
    if type(value) is bytes:
        value *= times
    elif Npy().accepts(value) and value.ndim:
        value = np.repeat(value, times, axis=-1)
    if type(value) is not bytes and not Npy().accepts(value):
        return
    encoded = encode(value)
    made = compress(encoded, AUTO)
    assert made == compress(encoded, AUTO)
    if made is not None:
        codec, frame = made
        assert len(frame) <= 0.8 * encoded.nbytes
        assert same(through(encoded, codec, frame), through_plain(encoded))


def through_plain(encoded):
    """Return the value that the plain bytes give back."""
    facts = facts_of(encoded, None, bytes(encoded.nbytes))
    holder, view = format_named(encoded.format).room(facts)
    view[:] = encoded.body
    return format_named(encoded.format).value(holder, facts)


# -- what auto chooses


CHOICES = {
    "smooth floats": (lambda: smooth(8192), "zstd+shuffle", 0.77),
    "smooth float32": (lambda: smooth(16_384).astype("f4"), "zstd+shuffle", 0.57),
    "smooth complex": (lambda: smooth(8192).view(complex), "zstd+shuffle", 0.77),
    "a mask of integers": (lambda: mask(8192), "zstd+shuffle", 0.01),
    "a mask of bools": (lambda: mask(65_536) > 0, "zstd", 0.01),
    "whole numbers": (lambda: rng(0).integers(0, 1000, 8192), "zstd+shuffle", 0.18),
    "times": (lambda: np.datetime64("2026-01-01", "us") + np.arange(8192), "zstd+shuffle", 0.02),
    "rounded numbers": (lambda: np.round(smooth(8192), 3), "zstd", 0.2),
    "texts": (lambda: np.array([f"label {i % 90}" for i in range(2000)]), "zstd", 0.05),
    "random floats": (lambda: noise(8192), None, 1),
    "random float32": (lambda: noise(16_384).astype("f4"), None, 1),
    "random bytes": (lambda: rng(0).integers(0, 256, 65_536, dtype="u1"), None, 1),
    "a small array": (lambda: np.zeros(40), None, 1),
    "a table": (lambda: pa.table({"x": smooth(3000), "i": np.arange(3000)}), "zstd+shuffle", 0.5),
    "bytes": (lambda: b"some text " * 5000, "zstd", 0.01),
    "random bytes object": (lambda: rng(0).bytes(65_536), None, 1),
}


@pytest.mark.parametrize("name", CHOICES)
def test_auto_takes_the_codec_that_pays(name):
    """A sample says what suits a payload: shuffled, plain zstd, or nothing where it would save little."""
    make, codec, most = CHOICES[name]
    encoded = encode(make())
    made = compress(encoded, AUTO)
    assert (made and made[0]) == codec
    if made is not None:
        assert len(made[1]) <= most * encoded.nbytes


def test_what_one_place_alone_would_tell_is_not_believed():
    """A long payload is sampled all over: zeros in front of noise do not make noise worth compressing."""
    assert compress(encode(np.concatenate([np.zeros(20_000), noise(1_980_000)])), AUTO) is None
    half = compress(encode(np.concatenate([noise(500_000), np.zeros(1_500_000)])), AUTO)
    assert half is not None


@pytest.mark.parametrize("spec", ["auto", ("auto", 1), ("auto", 9)])
@pytest.mark.parametrize("make", [smooth, mask, noise, frame])
def test_values_come_back_from_a_store(open_store, sql, spec, make):
    """Per store or per function, what auto stored comes back the same, in this process and the next."""
    f = open_store(compression=spec).cache(make)
    first = f(20_000)
    g = open_store().cache(make, compression=spec)
    for again in (f(20_000), g(20_000)):
        assert same(again, first)
        assert same(again, make(20_000))
    assert open_store().stats().misses == 1
    for codec, nbytes, raw, file in sql("SELECT codec, nbytes, raw_nbytes, file FROM payload"):
        assert codec is None or nbytes <= 0.8 * raw
        if file is not None:
            ending = {None: (".npy", ".arrow"), "zstd": (".npy.zst", ".arrow.zst")}
            assert file.endswith(ending.get(codec, (".npy.shuffled.zst", ".arrow.shuffled.zst")))


def test_small_masks_lie_in_the_index(open_store, sql):
    """64 KB of a mask take some hundred bytes of the index, and no file."""
    open_store(compression="auto").cache(mask)(8192)
    ((codec, nbytes, inline, file),) = sql("SELECT codec, nbytes, length(inline), file FROM payload")
    assert (codec, file, inline) == ("zstd+shuffle", None, nbytes)
    assert nbytes < 600


def test_nobody_takes_a_shuffled_file_for_the_plain_one(open_store, folder):
    """Unpacked by zstd, a shuffled payload says what it is, and np.load refuses it; the head follows that line."""
    open_store(compression="auto").cache(smooth)(50_000)
    (path,) = (folder / "payloads").rglob("*.npy.shuffled.zst")
    assert zstandard.get_frame_parameters(path.read_bytes()).has_checksum
    data = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    assert data.startswith(b"shuffled 4211 32768 ")
    assert data[64:70] == b"\x93NUMPY"
    (folder / "out.npy").write_bytes(data)
    with pytest.raises(ValueError, match=r"pickle|magic"):
        np.load(folder / "out.npy", allow_pickle=False)


@pytest.mark.parametrize("spec", [("auto", 0), ("auto", 23), ("auto",), "zstd+shuffle", ("auto", None), "AUTO"])
def test_a_wrong_option_is_refused(folder, spec):
    """What is no option is an error that says what is."""
    with pytest.raises(OptionError, match='write "zstd" or "auto"'):
        Store(folder, compression=spec)


# -- damage


def test_every_damaged_byte_is_found(open_store, sql, folder):
    """Whatever byte of a shuffled payload is changed: a warning and a new computation, before it is unpacked."""
    f = open_store(compression="auto").cache(mask)
    f(4000)
    ((number, frame),) = sql("SELECT id, inline FROM payload")
    for at in range(len(frame)):
        data = bytearray(frame)
        data[at] ^= 1 << at % 8
        sql("UPDATE payload SET inline = ? WHERE id = ?", bytes(data), number)
        with Store(folder) as store:
            assert [problem.kind for problem in store.verify()] == ["damaged"], at
    with pytest.warns(CacheWarning, match="not those that were written"):
        assert np.array_equal(open_store().cache(mask)(4000), mask(4000))


def forge(line, rest, size=None, **options):
    """Return a frame of a line and some bytes."""
    data = line.ljust(63)[:63] + b"\n" + rest
    writer = zstandard.ZstdCompressor(**options).compressobj(size=len(data) if size is None else size)
    return writer.compress(data) + writer.flush()


@pytest.mark.parametrize(
    "line",
    [
        b"shuffled 11111111 0",
        b"shuffled 11111111 1000000",
        b"shuffled 11111111 -5",
        b"shuffled 4121 10",
        b"shuffled 82 10",
        b"shuffled 1 10",
        b"shuffled 3131 10",
        b"shuffled " + b"1" * 33 + b" 10",
        b"shuffled 11 99999999",
        b"shuffled 11",
        b"Shuffled 11 10",
        b"",
        b"\x93NUMPY",
    ],
)
def test_a_line_that_makes_no_sense_is_damage(line):
    """A layout that is none, or would take much memory, is refused."""
    encoded = encode(smooth(1000))
    frame = forge(line, encoded.head + encoded.body)
    facts = facts_of(encoded, "zstd+shuffle", frame)
    with pytest.raises(DamagedError, match=r"shuffled|parts of|too large"):
        decompress(frame, facts, Npy().room(facts)[1])


def test_frames_of_other_sizes_are_refused_before_memory_is_taken():
    """A frame that holds, or asks for, more than the row says is refused by its first bytes, whatever it may unpack to."""
    encoded = encode(smooth(1000))
    line = layout_for(8, "<f8").line
    body = bytes(encoded.body)
    bomb = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    wide = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=False)
    hostile = [
        bomb,
        bomb[:40],
        forge(line, encoded.head + body + b"!"),
        forge(line, encoded.head + body[:-1]),
        forge(line, encoded.head + body, write_content_size=False),
        forge(line, encoded.head + body, compression_params=wide, size=-1),
        b"",
        b"no frame at all",
    ]
    for frame in hostile:
        for codec in ("zstd", "zstd+shuffle"):
            facts = facts_of(encoded, codec, frame)
            _, view = Npy().room(facts)
            tracemalloc.start()
            try:
                with pytest.raises(DamagedError):
                    decompress(frame, facts, view)
                assert tracemalloc.get_traced_memory()[1] < 1 << 20
            finally:
                tracemalloc.stop()


def test_heads_of_no_possible_size_are_refused():
    """A row with a head of less than nothing, or of more than the frame holds, is damage."""
    encoded = encode(smooth(1000))
    codec, frame = compress(encoded, AUTO)
    facts = facts_of(encoded, codec, frame)
    for head_nbytes in (-1, -64, 0, facts.head_nbytes + 1, 1 << 50):
        with pytest.raises(DamagedError):
            decompress(frame, replace(facts, head_nbytes=head_nbytes), Npy().room(facts)[1])


def test_frames_cut_short_are_damage():
    """A frame that ends early is damage wherever it ends."""
    encoded = encode(smooth(1000))
    codec, frame = compress(encoded, AUTO)
    for length in range(0, len(frame), 97):
        facts = facts_of(encoded, codec, frame[:length])
        with pytest.raises(DamagedError):
            decompress(frame[:length], facts, Npy().room(facts)[1])


@pytest.mark.parametrize(("make", "other"), [(smooth, "zstd"), (mask, "zstd"), (lambda n: mask(n) > 0, "zstd+shuffle")])
def test_a_codec_for_another_is_damage(make, other):
    """A row that names the wrong codec is refused by the frame itself: no number is put together wrongly."""
    encoded = encode(make(9000))
    codec, frame = compress(encoded, AUTO)
    assert codec != other
    facts = facts_of(encoded, other, frame)
    with pytest.raises(DamagedError, match="unpacks to"):
        decompress(frame, facts, Npy().room(facts)[1])


# -- contexts that are kept


def test_threads_do_not_share_a_context_in_use():
    """Threads that compress and unpack at one time, at several levels, get their own values back."""
    failures = []

    def work(seed):
        value = np.repeat(rng(seed).integers(0, 50, 3000), 4)
        encoded = encode(value)
        for level in (1, 3, 5, 1):
            codec, frame = compress(encoded, Compression("auto", level))
            if not same(through(encoded, codec, frame), value):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(len(kept) <= codecs._KEPT_CONTEXTS for kept in (*codecs._compressors.values(), codecs._decompressors))


def test_a_frame_that_failed_leaves_no_trace():
    """After a damaged frame, others are unpacked as ever."""
    encoded = encode(smooth(1000))
    codec, frame = compress(encoded, AUTO)
    facts = facts_of(encoded, codec, frame)
    damaged = bytearray(frame)
    damaged[len(frame) // 2 :] = bytes(len(frame) - len(frame) // 2)
    for _ in range(3):
        with pytest.raises(DamagedError):
            decompress(damaged, facts, Npy().room(facts)[1])
        assert same(through(encoded, codec, frame), smooth(1000))
