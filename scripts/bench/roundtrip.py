"""Question: does a hit give back what the function returned, for each kind of result, and is a pickle needed for it?

Every value is returned by a cached function of resultstore and of joblib.Memory and asked for again through a
fresh store object; what the hit gives is compared with what the first call returned, aspect by aspect. The table
lists what is lost. It needs what the tests need: ``.venv-test/bin/python scripts/bench/roundtrip.py --write`` after
``scripts/test`` puts the table into roundtrip.md.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import struct
import sys
import tempfile
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import xarray as xr
from scipy import sparse
from sklearn.preprocessing import StandardScaler

from resultstore import Store
from resultstore.testing import same

PAGE = Path(__file__).with_name("roundtrip.md")
Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 -- as people write them


@dataclasses.dataclass
class Fit:
    """A result of one's own class."""

    weights: np.ndarray[Any, Any]


class Measured(np.ndarray):  # type: ignore[type-arg]
    """An array that knows its unit."""


def in_metres(array: np.ndarray[Any, Any]) -> Measured:
    """Return an array of a subclass, with an attribute."""
    result = array.view(Measured)
    result.unit = "m"  # type: ignore[attr-defined]
    return result


def readonly(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the array, not writeable."""
    array.flags.writeable = False
    return array


def twice(part: Any) -> list[Any]:
    """Return one object in two places."""
    return [part, part]


def cyclic() -> list[Any]:
    """Return a list that contains itself."""
    result: list[Any] = [1]
    result.append(result)
    return result


def frame(**options: Any) -> pd.DataFrame:
    """Return a frame of several dtypes."""
    return pd.DataFrame({"i": [1, 2, 3], "x": [0.5, float("nan"), -0.0], "s": ["a", None, "c"]}, **options)


def with_attrs() -> pd.DataFrame:
    """Return a frame that knows its unit, and that its labels may not repeat."""
    result = frame()
    result.attrs = {"unit": "m"}
    return result.set_flags(allows_duplicate_labels=False)


def zoned() -> pd.Series:
    """Return a series over an index with a zone and a frequency."""
    return pd.Series(range(3), pd.date_range("2026-01-01", periods=3, freq="h", tz="Europe/Berlin"))


def dataset() -> xr.Dataset:
    """Return labelled arrays with attributes."""
    return xr.Dataset({"t": (("x",), np.arange(3.0), {"unit": "K"})}, {"x": [10, 20, 30]}, {"title": "run"})


VALUES: dict[str, Callable[[], Any]] = {
    "int, float, str, None, bool": lambda: [1, 0.5, "é", None, True],
    "-0.0, NaN with its bits, lone surrogate": lambda: [
        -0.0,
        struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0],
        "\ud800",
    ],
    "tuple, set, frozenset, bytes, range, slice": lambda: (1, {2}, frozenset({3}), b"4", range(5), slice(6)),
    "dict in its order": lambda: {"b": 1, "a": 2},
    "one object in two places": lambda: twice([1]),
    "one array in two places": lambda: twice(np.arange(5)),
    "a list that contains itself": cyclic,
    "datetime, Decimal, Path": lambda: [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), Decimal("1.10"), Path("a")],
    "namedtuple": lambda: Point(1, 2),
    "dataclass with an array": lambda: Fit(np.arange(3)),
    "array, C order": lambda: np.arange(6.0).reshape(2, 3),
    "array, Fortran order": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "array, strided": lambda: np.arange(10.0)[::2],
    "array, read-only": lambda: readonly(np.arange(3)),
    "array, big-endian": lambda: np.arange(3, dtype=">i4"),
    "array, 0 dimensions": lambda: np.array(1.5),
    "array, empty": lambda: np.zeros((0, 3)),
    "array, records": lambda: np.zeros(2, [("x", "<f4"), ("y", ">i2", (2,))]),
    "array, datetime64[us]": lambda: np.array(["2026-01-01", "NaT"], "M8[us]"),
    "array, objects": lambda: np.array([1, "two", None], dtype=object),
    "array, masked": lambda: np.ma.masked_equal([1, 2], 2),
    "array, masked, hard, big-endian": lambda: np.ma.array(np.arange(2, dtype=">i4"), hard_mask=True),
    "array subclass with attributes": lambda: in_metres(np.arange(3.0)),
    "numpy scalar": lambda: np.float32(1.5),
    "pandas DataFrame": frame,
    "pandas DataFrame with attrs and flags": with_attrs,
    "pandas Series, zone and frequency": zoned,
    "pandas DataFrame, MultiIndex": lambda: frame(index=pd.MultiIndex.from_product([["a"], [1, 2, 3]], names=["k", 1])),
    "pandas, category with unused values": lambda: pd.Series(pd.Categorical(["a"], ["a", "b"], ordered=True)),
    "pandas, Float64 with NA beside NaN": lambda: pd.Series(
        pd.arrays.FloatingArray(np.array([1, np.nan, 2]), np.array([False, False, True]))
    ),
    "pandas, Arrow dtype": lambda: pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "pandas, Interval, Period": lambda: [pd.interval_range(0, 2), pd.period_range("2026-01", periods=2, freq="M")],
    "pyarrow Table with metadata": lambda: pa.table({"a": [1, None]}).replace_schema_metadata({"k": "v"}),
    "polars DataFrame": lambda: pl.DataFrame({"a": [1, None], "s": ["x", "y"]}),
    "scipy csr_array": lambda: sparse.csr_array(np.triu(np.ones((4, 4)))),
    "xarray Dataset": dataset,
    "scikit-learn estimator": lambda: StandardScaler().fit(np.arange(6.0).reshape(3, 2)),
}


def lost(one: Any, other: Any) -> str:
    """Return which aspects of a value are lost in another, in words."""
    aspects = {"type": type}
    if isinstance(one, np.ndarray):
        aspects |= {
            "dtype": lambda v: repr(v.dtype),
            "order": lambda v: v.flags.f_contiguous,
            "writeable": lambda v: v.flags.writeable,
            "attributes": lambda v: {} if type(v) is not Measured else vars(v),
            "hard mask": lambda v: getattr(v, "hardmask", None),
        }
    if isinstance(one, (pd.DataFrame, pd.Series)):
        aspects |= {
            "dtypes": lambda v: list(v.dtypes) if v.ndim == 2 else v.dtype,
            "index": lambda v: (type(v.index), list(v.index.names), getattr(v.index, "freq", None)),
            "attrs": lambda v: v.attrs,
            "flags": lambda v: v.flags.allows_duplicate_labels,
        }
    if type(one) is list and len(one) == 2 and one[0] is one[1]:
        aspects["aliasing"] = lambda v: v[0] is v[1]
    missing = [name for name, look in aspects.items() if look(one) != look(other)]
    if not missing and not is_equal(one, other):
        missing = ["value"]
    return ", ".join(missing) or "nothing"


def is_equal(one: Any, other: Any) -> bool:
    """Say whether two values of one make-up have one content."""
    if isinstance(one, list) and any(part is one for part in one):
        return len(one) == len(other) and other[-1] is other
    if isinstance(one, Fit):
        return same(one.weights, other.weights)
    if isinstance(one, StandardScaler):
        return same(vars(one), vars(other))
    return same(one, other)


def through(cache: Callable[[], Callable[..., Any]], make: Callable[[], Any]) -> str:
    """Return what a hit loses against the first call's value."""

    def computed(name: str) -> Any:
        return make()

    try:
        first = cache()(computed)("x")
        cached = cache()(computed)
        if not cached.check_call_in_cache("x"):
            return "not stored"
        return lost(first, cached("x"))
    except Exception as error:  # what a library cannot keep it says in its own way
        return f"{type(error).__name__}"


def table() -> str:
    """Return the table as markdown."""
    lines = ["| result | resultstore: lost | pickle | joblib: lost |", "|---|---|---|---|"]
    for name, make in VALUES.items():
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ours = through(lambda: Store(f"{folder}/ours").cache, make)
            theirs = through(lambda: joblib.Memory(f"{folder}/theirs", verbose=0).cache, make)
            pickled = any(Path(folder, "ours").rglob("*.pkl")) or _has_pickle(folder)
        lines.append(f"| {name} | {ours} | {'yes' if pickled else 'no'} | {theirs} |")
    return "\n".join(lines)


def _has_pickle(folder: str) -> bool:
    import sqlite3

    index = sqlite3.connect(f"{folder}/ours/index.sqlite")  # there, for every value of the table is stored
    try:
        return bool(index.execute("SELECT count(*) FROM payload WHERE format = 'pickle'").fetchone()[0])
    finally:
        index.close()


def main() -> None:
    text = table()
    print(text)
    if "--write" in sys.argv:
        begin, end = "<!-- table -->\n", "\n<!-- end -->"
        page = PAGE.read_text()
        head, _, rest = page.partition(begin)
        PAGE.write_text(head + begin + text + end + rest.partition(end)[2])


if __name__ == "__main__":
    main()
