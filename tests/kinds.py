"""Values of every kind that has a digest, by name: for golden vectors, copies, and telling apart.

Each is made anew by a function, so that two of one name are two objects. None of them speaks of a class of the
tests' own, whose code is not the same on every Python.
"""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import fractions
import functools
import http
import ipaddress
import operator
import pathlib
import random
import re
import textwrap
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

Makers = dict[str, Callable[[], Any]]


def _loop() -> Any:
    space = types.SimpleNamespace(a=1)
    space.self = space
    return space


STANDARD: Makers = {
    "Counter": lambda: collections.Counter("abca"),
    "defaultdict": lambda: collections.defaultdict(list, a=[1]),
    "defaultdict without": lambda: collections.defaultdict(None, a=[1]),
    "deque": lambda: collections.deque([1, 2]),
    "deque of three": lambda: collections.deque([1, 2], 3),
    "ChainMap": lambda: collections.ChainMap({1: 2}, {3: 4}),
    "UserDict": lambda: collections.UserDict(a=1),
    "mappingproxy": lambda: types.MappingProxyType({"a": 1}),
    "SimpleNamespace": lambda: types.SimpleNamespace(a=1, b=[2]),
    "cycle of objects": _loop,
    "array": lambda: array.array("d", [1.0, 2.0]),
    "array of ints": lambda: array.array("h", [1, 2]),
    "memoryview": lambda: memoryview(b"abc"),
    "writeable memoryview": lambda: memoryview(bytearray(b"abc")),
    "NotImplemented": lambda: NotImplemented,
    "address": lambda: ipaddress.ip_address("10.0.0.1"),
    "network": lambda: ipaddress.ip_network("10.0.0.0/8"),
    "random": lambda: random.Random(1),
    "pattern": lambda: re.compile("a+"),
    "pattern with flags": lambda: re.compile("a+", re.IGNORECASE),
    "enum": lambda: http.HTTPStatus.OK,
    "flag": lambda: re.ASCII | re.DOTALL,
    "exception": lambda: ValueError("no", 1),
    "system error": lambda: OSError(2, "no", "file"),
    "class": lambda: dict,
    "NoneType": lambda: type(None),
    "stdlib class": lambda: collections.OrderedDict,
    "method of a class": lambda: str.upper,
    "bound builtin": lambda: "abc".upper,
    "stdlib function": lambda: textwrap.dedent,
    "partial": lambda: functools.partial(dict, [(1, 2)], a=[3]),
    "itemgetter": lambda: operator.itemgetter(1, "a"),
    "alias": lambda: list[int],
    "zone of one's own": lambda: datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
    "ordered with attributes": lambda: _with(collections.OrderedDict(a=1), unit="m"),
    "decimal": lambda: decimal.Decimal("NaN"),
    "fraction": lambda: fractions.Fraction(2, 4),
    "path": lambda: pathlib.PurePosixPath("a"),
}  # fmt: skip


def _with(value: Any, **attributes: Any) -> Any:
    vars(value).update(attributes)
    return value


def _masked(**options: Any) -> Any:
    return np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False], **options)


_RECORD = [("a", "<i4"), ("b", "<f8")]
NUMPY: Makers = {
    "masked": _masked,
    "masked fill": lambda: _masked(fill_value=-1.0),
    "masked hard": lambda: _masked(hard_mask=True),
    "not masked": lambda: np.ma.array([1.0, 2.0, 3.0]),
    "masked constant": lambda: np.ma.masked,
    "matrix": lambda: np.matrix([[1.0, 2.0]]),
    "recarray": lambda: np.rec.array([(1, 2.0)], dtype=_RECORD),
    "record": lambda: np.rec.array([(1, 2.0)], dtype=_RECORD)[0],
    "void record": lambda: np.array([(1, 2.0)], dtype=_RECORD)[0],
    "record of objects": lambda: np.array([(1, [2])], dtype=[("a", "<i4"), ("b", "O")])[0],
    "dtype with metadata": lambda: np.zeros(2, np.dtype("<f8", metadata={"unit": "m"})),
    "generator": lambda: np.random.default_rng(3),
    "generator of MT": lambda: np.random.Generator(np.random.MT19937(3)),
    "bits": lambda: np.random.PCG64(3),
    "random state": lambda: np.random.RandomState(3),
    "seeds": lambda: np.random.SeedSequence(3),
    "calendar": lambda: np.busdaycalendar("1111100", [datetime.date(2020, 1, 1)]),
}


def _frame() -> Any:
    return pd.DataFrame(
        {
            "i": np.array([1, 2, 3], "<i8"),
            "f": [1.0, np.nan, -0.0],
            "b": [True, False, True],
            "o": pd.Series(["x", "y", None], dtype=object),
            "c": pd.Categorical.from_codes([0, 1, -1], pd.Index(["u", "v"], dtype=object)),
            "m": pd.array([1, None, 3], dtype="Int64"),
            "t": np.array(["2020", "NaT", "2021"], "M8[ns]"),
        },
        columns=pd.Index(list("ifbocmt"), dtype=object),
    )


def _dates(**options: Any) -> Any:
    return pd.DatetimeIndex(np.array(["2020-01-01", "2020-01-02"], "M8[ns]"), **options)


PANDAS: Makers = {
    "frame": _frame,
    "frame with attrs": lambda: _named(_frame(), unit="m"),
    "frame without duplicates": lambda: _frame().set_flags(allows_duplicate_labels=False),
    "empty frame": lambda: pd.DataFrame(index=pd.RangeIndex(2), columns=pd.Index([], dtype=object)),
    "series": lambda: pd.Series([1.0, 2.0], name="x"),
    "series without a name": lambda: pd.Series([1.0, 2.0]),
    "texts": lambda: pd.Series(["a", "bcé"], dtype=object),
    "texts and None": lambda: pd.Series(["a", None], dtype=object),
    "texts and nan": lambda: pd.Series(["a", np.nan], dtype=object),
    "objects": lambda: pd.Series(["a", 1, [2]], dtype=object),
    "string": lambda: pd.Series(["a", None], dtype="string[python]"),
    "arrow string": lambda: pd.Series(["a", None], dtype="string[pyarrow]"),
    "Int32": lambda: pd.array([1, None], dtype="Int32"),
    "Float64": lambda: pd.array([1.5, None], dtype="Float64"),
    "boolean": lambda: pd.array([True, None], dtype="boolean"),
    "categorical": lambda: pd.Categorical.from_codes([0, -1], pd.Index([3, 4], dtype="int64"), ordered=True),
    "zoned": lambda: pd.Series(_dates(tz="UTC")),
    "periods": lambda: pd.period_range("2020-01", periods=2, freq="M"),
    "intervals": lambda: pd.IntervalIndex.from_breaks(np.array([0, 1, 2], "<i8")),
    "sparse": lambda: pd.arrays.SparseArray(np.array([0.0, 1.0]), fill_value=0.0),
    "arrow": lambda: pd.array([1, None], dtype=pd.ArrowDtype(pa.int32())),
    "index": lambda: pd.Index(np.array([3, 1], "<i8"), name="n"),
    "range": lambda: pd.RangeIndex(1, 7, 2),
    "dates": _dates,
    "dates with a frequency": lambda: _dates(freq="D"),
    "durations": lambda: pd.TimedeltaIndex(np.array([1, 2], "m8[ns]")),
    "multi": lambda: pd.MultiIndex.from_arrays(
        [np.array([1, 2], "<i8"), pd.Index(["a", "b"], dtype=object)], names=["p", None]
    ),
    "category index": lambda: pd.CategoricalIndex(pd.Categorical.from_codes([0], pd.Index([3], dtype="int64"))),
    "timestamp": lambda: pd.Timestamp(np.datetime64("2020-01-01", "ns")),
    "timestamp s": lambda: pd.Timestamp(np.datetime64("2020-01-01", "s")),
    "zoned timestamp": lambda: pd.Timestamp(np.datetime64("2020-01-01", "ns")).tz_localize(datetime.UTC),
    "timedelta": lambda: pd.Timedelta(np.timedelta64(5, "ns")),
    "period": lambda: pd.Period("2020-01", "M"),
    "interval": lambda: pd.Interval(0, 1, closed="both"),
    "NA": lambda: pd.NA,
    "NaT": lambda: pd.NaT,
    "offset": lambda: pd.offsets.BusinessDay(2),
    "week": lambda: pd.offsets.Week(weekday=1),
    "category dtype": lambda: pd.CategoricalDtype(pd.Index([3], dtype="int64"), ordered=True),
    "zone dtype": lambda: pd.DatetimeTZDtype("ns", datetime.UTC),
    "period dtype": lambda: pd.PeriodDtype("M"),
    "masked dtype": lambda: pd.Int64Dtype(),
    "sparse dtype": lambda: pd.SparseDtype("float64", 0.0),
    "interval dtype": lambda: pd.IntervalDtype("int64", "left"),
    "string dtype": lambda: pd.StringDtype("python"),
    "arrow dtype": lambda: pd.ArrowDtype(pa.int32()),
}


def _named(value: Any, **attrs: Any) -> Any:
    value.attrs.update(attrs)
    return value


ARROW_ARRAYS: dict[str, tuple[list[Any], Any]] = {
    "int32": ([1, None, 3], pa.int32()),
    "int64": ([1, None, 3], pa.int64()),
    "full": ([1, 2, 3], pa.int64()),
    "bool": ([True, None, False], pa.bool_()),
    "double": ([1.5, None, -0.0], pa.float64()),
    "string": (["a", None, "ccé"], pa.string()),
    "large_string": (["a", None, "ccé"], pa.large_string()),
    "binary": ([b"a", None, b"cc"], pa.binary()),
    "fixed": ([b"ab", None, b"cc"], pa.binary(2)),
    "list": ([[1], None, [2, None, 3]], pa.list_(pa.int64())),
    "large_list": ([[1], None, [2, None, 3]], pa.large_list(pa.int64())),
    "pairs": ([[1, 2], None, [2, None]], pa.list_(pa.int64(), 2)),
    "struct": ([{"a": 1, "b": "x"}, None, {"a": 2, "b": None}], pa.struct([("a", pa.int8()), ("b", pa.string())])),
    "map": ([[("k", 1)], None, [("l", 2), ("m", None)]], pa.map_(pa.string(), pa.int64())),
    "dictionary": (["u", None, "v"], pa.dictionary(pa.int8(), pa.string())),
    "null": ([None, None, None], pa.null()),
    "decimal": ([decimal.Decimal("1.50"), None, decimal.Decimal(2)], pa.decimal128(5, 2)),
    "timestamp": ([1, None, 3], pa.timestamp("us", "UTC")),
    "local timestamp": ([1, None, 3], pa.timestamp("us")),
    "date": ([1, None, 3], pa.date32()),
    "duration": ([1, None, 3], pa.duration("s")),
    "nested": ([[{"a": [1]}], [None], None], pa.list_(pa.struct([("a", pa.list_(pa.int8()))]))),
}
ARROW: Makers = {
    **{name: lambda v=values, t=kind: pa.array(v, t) for name, (values, kind) in ARROW_ARRAYS.items()},  # type: ignore[misc]
    "chunked": lambda: pa.chunked_array([[1], [2, None]]),
    "table": lambda: pa.table({"a": [1, 2], "b": ["x", None]}),
    "table with metadata": lambda: pa.table({"a": [1, 2]}).replace_schema_metadata({"k": "v"}),
    "batch": lambda: pa.RecordBatch.from_pydict({"a": [1, 2]}),
    "scalar": lambda: pa.scalar(1, pa.int8()),
    "null scalar": lambda: pa.scalar(None, pa.int8()),
    "schema": lambda: pa.schema([pa.field("a", pa.int8(), nullable=False)]),
    "field": lambda: pa.field("a", pa.list_(pa.int8())),
    "type": lambda: pa.map_(pa.string(), pa.int8()),
    "buffer": lambda: pa.py_buffer(b"abc"),
}

_M = np.array([[1.0, 0.0], [0.0, 2.0]])
SPARSE: Makers = {
    f"{name}_{kind}": lambda n=name, k=kind: getattr(sparse, f"{n}_{k}")(_M)  # type: ignore[misc]
    for name in ("csr", "csc", "bsr", "coo", "dia", "lil", "dok")
    for kind in ("array", "matrix")
}

ALL: dict[str, Makers] = {"python": STANDARD, "numpy": NUMPY, "pandas": PANDAS, "arrow": ARROW, "scipy": SPARSE}
