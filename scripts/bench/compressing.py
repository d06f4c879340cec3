"""What does compression save, what does it cost, and when does it pay?

Two tables. The first is of payloads alone: what ``compression="auto"`` makes of them, beside the best of zstd and of
shuffled zstd, both at level 1; what its look at a sample costs; and below which speed of a disk the compressed
payload is there sooner than the plain one. The second is of whole caches, whose store and load are a
miss and a hit: bytes and throughput beside joblib with its ``compress``, diskcache, and files of Blosc2.

``scripts/bench/run compression --write`` puts both into compression.md; with --tiny one small round.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import sqlite3
import statistics
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from resultstore import Store
from resultstore._facts import PayloadFacts
from resultstore._settings import Compression
from resultstore.formats import compression as codecs
from resultstore.formats.registry import format_named
from resultstore.formats.shuffle import layout_for

PAGE = Path(__file__).with_name("compression.md")
TINY = "--tiny" in sys.argv
SIZES = {"64 KB": (65_536, 2 if TINY else 60), "10 MB": (262_144 if TINY else 10_000_000, 1 if TINY else 7)}
SHELF: dict[int, Any] = {}
Bytes = Callable[[int], int]


def smooth(count: int) -> Any:
    """Return a measured curve: smooth, noise in the last bits only."""
    return np.sin(np.linspace(0, 9, count)) + 1e-9 * np.random.default_rng(0).normal(size=count)


def mask(count: int) -> Any:
    """Return an image's mask: some hundred pixels a region."""
    side = int(count**0.5)
    rows, columns = np.mgrid[:side, :side]
    return np.sin(columns / 7) * np.cos(rows / 9) > 0.5


def frame(nbytes: int) -> Any:
    """Return a table of numbers, times, truths and texts."""
    import pandas as pd

    count, rng = nbytes // 53, np.random.default_rng(0)
    return pd.DataFrame(
        {
            "number": rng.integers(0, 1000, count),
            "curve": smooth(count),
            "measured": np.round(rng.normal(20, 5, count), 2),
            "at": pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(count), unit="min"),
            "valid": rng.random(count) > 0.05,
            "label": np.array([f"station {i}" for i in range(50)])[rng.integers(0, 50, count)],
        }
    )


DATA: dict[str, Callable[[int], Any]] = {
    "smooth float64": lambda nbytes: smooth(nbytes // 8),
    "smooth float32": lambda nbytes: smooth(nbytes // 4).astype(np.float32),
    "random float64": lambda nbytes: np.random.default_rng(0).normal(size=nbytes // 8),
    "random float32": lambda nbytes: np.random.default_rng(0).normal(size=nbytes // 4).astype(np.float32),
    "rounded float64": lambda nbytes: np.round(smooth(nbytes // 8), 3),
    "random int64 below 1000": lambda nbytes: np.random.default_rng(0).integers(0, 1000, nbytes // 8),
    "mask of bool": mask,
    "mask of int64": lambda nbytes: mask(nbytes // 8).astype(np.int64),
    "DataFrame, mixed": frame,
}


def shelved(number: int) -> Any:
    """Return what lies ready."""
    return SHELF[number]


def raw_nbytes(value: Any) -> int:
    """Return the bytes of an array, or of a frame's pickle."""
    return int(value.nbytes) if isinstance(value, np.ndarray) else len(pickle.dumps(value, 5))


def is_installed(name: str) -> bool:
    """Say whether a library can be imported."""
    return importlib.util.find_spec(name) is not None


# -- payloads alone


def cpu_us(rounds: int, function: Callable[[], object]) -> float:
    """Return the median CPU time of a call."""
    times = []
    for _ in range(rounds):
        started = time.process_time_ns()
        function()
        times.append((time.process_time_ns() - started) / 1e3)
    return statistics.median(times)


def leaf_of(value: Any) -> Any:
    """Return what is stored of an array or a frame, as its format writes it."""
    if isinstance(value, np.ndarray):
        return format_named("npy").encode(value)
    import pyarrow as pa

    return format_named("arrow").encode(pa.Table.from_pandas(value))


def bare(value: Any) -> int:
    """Return the bytes of the best that zstd-1 makes of a buffer alone, shuffled or not; of a frame, of its pickle."""
    import zstandard

    compressor = zstandard.ZstdCompressor(level=1)
    if not isinstance(value, np.ndarray):
        return len(compressor.compress(pickle.dumps(value, 5)))
    data = value.reshape(-1).view(np.uint8).reshape(-1, value.itemsize)
    return min(len(compressor.compress(data)), len(compressor.compress(np.ascontiguousarray(data.T))))


def payload_row(name: str, nbytes: int, rounds: int, folder: str) -> str:
    """Return the line of one kind of data."""
    value = DATA[name](nbytes)
    raw, encoded = raw_nbytes(value), leaf_of(value)
    layout = layout_for(encoded.itemsize, encoded.dtype)
    frames = [codecs._frame(encoded, None, 1)]
    if layout is not None:
        frames.append(codecs._frame(encoded, layout, 1))
    best = min(len(made) for made in frames) / raw
    reference = bare(value) / raw
    auto = Compression("auto")
    made = codecs.compress(encoded, auto)
    body = memoryview(encoded.body)
    look = cpu_us(rounds, lambda: codecs._choose(body, layout))
    pack = cpu_us(rounds, lambda: codecs.compress(encoded, auto))
    path = os.path.join(folder, "plain")
    with open(path, "wb") as file:
        file.write(body)

    def facts(codec: str | None, size: int) -> PayloadFacts:
        e = encoded
        return PayloadFacts(b"", b"", e.format, size, len(body), len(e.head), e.dtype, e.shape, e.order, codec)

    def read() -> None:
        _, view = format_named(encoded.format).room(facts(None, encoded.nbytes))
        with open(path, "rb", buffering=0) as file:
            file.readinto(view)

    plain = cpu_us(rounds, read)
    if made is None:
        parts = f"{encoded.nbytes / raw:.3f} | {best:.3f} | {reference:.3f}"
        return f"| {name} | plain | {parts} | {look:.0f} | {pack:.0f} | {plain:.0f} | {plain:.0f} | |"
    codec, packed = made
    row = facts(codec, len(packed))

    def unpack() -> None:
        _, view = format_named(encoded.format).room(row)
        codecs.decompress(packed, row, view)

    unpacked = cpu_us(rounds, unpack)
    saved = encoded.nbytes - len(packed)
    pays = f"{saved / max(unpacked - plain * saved / encoded.nbytes, 0.1):.0f} MB/s"
    parts = f"{len(packed) / raw:.3f} | {best:.3f} | {reference:.3f}"
    return f"| {name} | {codec} | {parts} | {look:.0f} | {pack:.0f} | {unpacked:.0f} | {plain:.0f} | {pays} |"


# -- whole caches


def ours(folder: str, stack: ExitStack, compression: str | None) -> tuple[Any, Bytes]:
    """Return the function cached by a store."""
    store = stack.enter_context(Store(folder, compression=compression))
    cached = store.cache(shelved, ignore_globals=["SHELF"])
    return cached, lambda number: store.find(cached, number=number).first().nbytes


def joblib(folder: str, stack: ExitStack, compress: Any) -> tuple[Any, Bytes]:
    """Return the function cached by joblib."""
    import joblib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory = joblib.Memory(folder, verbose=0, compress=compress)
    cached = memory.cache(types.FunctionType(shelved.__code__, globals(), shelved.__name__))

    def nbytes(number: int) -> int:
        found = cached.call_and_shelve(number)
        path = os.path.join(memory.store_backend.location, *found._call_id, "output.pkl")
        return os.stat(path).st_size

    return cached, nbytes


def diskcache(folder: str, stack: ExitStack, _: Any) -> tuple[Any, Bytes]:
    """Return the function cached by diskcache."""
    import diskcache

    cache = stack.enter_context(diskcache.Cache(folder, size_limit=2**50))
    cached = cache.memoize()(shelved)

    def nbytes(number: int) -> int:
        with closing(sqlite3.connect(os.path.join(folder, "cache.db"))) as rows:
            query = "SELECT max(size, coalesce(length(value), 0)) FROM Cache ORDER BY rowid DESC LIMIT 1"
            return int(rows.execute(query).fetchone()[0])

    return cached, nbytes


def blosc2(folder: str, stack: ExitStack, _: Any) -> tuple[Any, Bytes]:
    """Return a function that keeps an array in a file of Blosc2, by its defaults; no cache, but what one could use."""
    import blosc2

    def cached(number: int) -> Any:
        path = os.path.join(folder, f"{number}.b2nd")
        if os.path.exists(path):
            return blosc2.open(path)[:]
        value = shelved(number)
        blosc2.asarray(value, urlpath=path, mode="w")
        return value

    return cached, lambda number: os.stat(os.path.join(folder, f"{number}.b2nd")).st_size


CACHES: dict[str, tuple[Callable[..., Any], Any, tuple[str, ...]]] = {
    "resultstore": (ours, None, ()),
    '"zstd"': (ours, "zstd", ()),
    '"auto"': (ours, "auto", ()),
    "joblib": (joblib, False, ("joblib",)),
    "joblib zlib-3": (joblib, ("zlib", 3), ("joblib",)),
    "joblib lz4": (joblib, "lz4", ("joblib", "lz4")),
    "diskcache": (diskcache, None, ("diskcache",)),
    "Blosc2 file": (blosc2, None, ("blosc2",)),
}


def touch(value: Any, number: int) -> Any:
    """Make a value that no other is equal to."""
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.flat[number % 50] = value.flat[number % 50 + 50] if value.dtype.kind in "bi" else number
        return value
    value = value.copy()
    value.loc[0, "measured"] = float(number)
    return value


def cache_row(name: str, nbytes: int, rounds: int) -> str:
    """Return the line of one kind of data: for each cache the part of the bytes, and MB/s of store and load."""
    cells = []
    with ExitStack() as stack:
        opened: dict[str, tuple[Any, Bytes]] = {}
        for label, (make, option, needs) in CACHES.items():
            if all(map(is_installed, needs)) and not (make is blosc2 and name.startswith("DataFrame")):
                folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
                opened[label] = make(folder, stack, option)
        value = DATA[name](nbytes)
        raw = raw_nbytes(value)
        stored: dict[str, list[int]] = {label: [] for label in opened}
        loaded: dict[str, list[int]] = {label: [] for label in opened}
        sizes: dict[str, int] = {}
        for number in range(rounds + 1):
            SHELF[number] = touch(value, number)
            order = list(opened)[number % len(opened) :] + list(opened)[: number % len(opened)]
            for label in order:
                cached, size = opened[label]
                times = []
                gc.disable()
                for _ in range(3):
                    started = time.process_time_ns()
                    cached(number)
                    times.append(time.process_time_ns() - started)
                gc.enable()
                stored[label].append(times[0])
                loaded[label].append(min(times[1:]))
                sizes[label] = size(number)
            SHELF.clear()
    for label in CACHES:
        if label not in opened:
            cells.append("-")
            continue
        store_s, load_s = (statistics.median(times[label][1:] or times[label]) / 1e9 for times in (stored, loaded))
        cells.append(f"{sizes[label] / raw:.3f} · {raw / store_s / 1e6:.0f} · {raw / load_s / 1e6:.0f}")
    return f"| {name} | {' | '.join(cells)} |"


def figures() -> str:
    """Measure, and return the tables."""
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for size, (nbytes, rounds) in SIZES.items():
            lines += [
                f"\n### Payloads of {size}\n",
                "| | auto | of raw | best | bare | look, us | pack, us | unpack, us | read plain, us | pays below |",
                "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
            ]
            lines += [payload_row(name, nbytes, rounds, folder) for name in DATA]
    for size, (nbytes, rounds) in SIZES.items():
        lines += [
            f"\n### Caches, results of {size}\n",
            f"| | {' | '.join(CACHES)} |",
            "|---|" + "---|" * len(CACHES),
        ]
        lines += [cache_row(name, nbytes, rounds) for name in DATA]
    return "\n".join(lines).strip() + "\n"


def main() -> None:
    text = figures()
    print(text)
    if "--write" in sys.argv:
        begin, end = "<!-- measured: begin -->\n\n", "\n<!-- measured: end -->"
        head, _, rest = PAGE.read_text().partition(begin)
        PAGE.write_text(head + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
