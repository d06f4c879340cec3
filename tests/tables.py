"""Tables to try things on, and comparisons stricter than any library's own."""

from __future__ import annotations

import datetime
import decimal
import math
import zoneinfo
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from resultstore.formats.prepare import prepare
from resultstore.formats.registry import format_named
from resultstore.formats.tree import put_together, take_apart


def through_bytes(value: Any) -> tuple[str, Any]:
    """Return the kind of a result, and what its bytes give back."""
    tree = take_apart(value)
    parts, result = prepare(tree)
    leaves = []
    for part in parts:
        fmt = format_named(part.facts.format)
        holder, view = fmt.room(part.facts)
        view[:] = part.encoded.body
        leaves.append(fmt.value(holder, part.facts))
        if not part.leaf.writeable:
            leaves[-1].flags.writeable = False
    skeleton = leaves.pop() if result.kind in ("json", "pickle") else tree.value
    return result.kind, put_together("tree" if result.kind == "json" else result.kind, skeleton, leaves)


_ODD_NAN = np.array([0x7FF8000000000123, 0xFFF8000000000000, 0x8000000000000000], "u8").view("f8")
_DAYS = pd.date_range("2020-03-28", periods=4, freq="D")
_BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def _strings() -> list[Any]:
    dtypes: list[Any] = ["string[python]", "string[pyarrow]", pd.Series(["a"]).dtype]
    dtypes.append(pd.StringDtype("pyarrow_numpy") if pd.__version__ < "2.3" else pd.StringDtype("pyarrow", np.nan))
    if pd.__version__ >= "2.3":
        dtypes.append(pd.StringDtype("python", np.nan))
    return [pd.Series(["x", None, "naïve", ""], dtype=dtype) for dtype in dtypes]


COLUMNS: list[pd.Series] = [
    *(pd.Series(np.array([0, 1, 100, 5]), dtype=f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)),
    *(pd.Series([1.5, np.nan, -0.0, np.inf], dtype=f"float{bits}") for bits in (16, 32, 64)),
    pd.Series([*_ODD_NAN, 1.0]),
    pd.Series([1 + 2j, np.nan, -0.0, 1j]), pd.Series([1 + 2j, 0, 0, 1j], dtype="complex64"),
    pd.Series([True, False, True, True]),
    pd.Series(np.arange(4, dtype=">i4"), dtype=">i4"), pd.Series(np.arange(4, dtype=np.longdouble)),
    *(pd.Series(np.array(["2020-01-01", "NaT", "1600-01-01", "2200-02-02"], f"M8[{unit}]")) for unit in ("s", "ms", "us", "ns")),
    *(pd.Series(np.array([1, "NaT", -5, 0], f"m8[{unit}]")) for unit in ("s", "ms", "us", "ns")),
    *(pd.Series([1, None, 3, 100], dtype=f"{kind}{bits}") for kind in ("Int", "UInt") for bits in (8, 16, 32, 64)),
    pd.Series([1.5, None, -0.0, 2], dtype="Float32"),
    pd.Series(pd.arrays.FloatingArray(np.array([1.0, np.nan, np.nan, -0.0]), np.array([False, True, False, False]))),
    pd.Series([True, None, False, True], dtype="boolean"),
    *_strings(),
    pd.Series(["a", None, "", "x" * 50], dtype=object), pd.Series(["a", np.nan, "b", "c"], dtype=object),
    pd.Series(["a", np.nan, None, "c"], dtype=object), pd.Series(["a", pd.NA, pd.NaT, "c"], dtype=object),
    pd.Series([None, None, None, None], dtype=object), pd.Series([np.nan] * 4, dtype=object),
    pd.Series([1, 2.5, "a", (1, [2])], dtype=object), pd.Series([True, None, False, True], dtype=object),
    pd.Series([b"a", bytearray(b"b"), b"", None], dtype=object), pd.Series(["\ud800", "a", "b", "c"], dtype=object),
    pd.Series([decimal.Decimal("1.10"), datetime.date(2020, 1, 1), np.float32(1), 2**100], dtype=object),
    pd.Series([pd.Timestamp("2020-01-01"), pd.Timedelta("1s"), pd.Period("2020", "Y"), pd.Interval(0, 1)], dtype=object),
    pd.Series([pd.Timestamp(1603585800, unit="s", tz=_BERLIN), pd.Timestamp(1603589400, unit="s", tz=_BERLIN), 1, None], dtype=object),
    pd.Series([[1, 2], np.arange(3), {"a": 1}, None], dtype=object), pd.Series([np.str_("a"), "b", "c", "d"], dtype=object),
    pd.Series(pd.Categorical(["b", "a", None, "b"], categories=["c", "b", "a"])),
    pd.Series(pd.Categorical([3, 1, None, 3], categories=[3, 2, 1], ordered=True)),
    pd.Series(pd.Categorical(_DAYS[[0, 1, 1, 0]])), pd.Series(pd.Categorical([1.5, None, 2.5, 1.5])),
    pd.Series(pd.Categorical([None] * 4)), pd.Series(pd.Categorical([1, "a", None, (1, 2)])),
    pd.Series(pd.Categorical.from_codes([0, 1, 2, -1], pd.Index(["u", "v", "w"], name="letters"))),
    pd.Series(pd.Categorical(pd.cut(np.arange(4), 2))), pd.Series(pd.Categorical([str(i) for i in range(4)], [str(i) for i in range(3000)])),
    *(pd.Series(_DAYS).dt.tz_localize(zone) for zone in (_BERLIN, datetime.UTC, "UTC", datetime.timezone(datetime.timedelta(hours=-3)))),
    pd.Series([pd.NaT, *_DAYS[1:]]).dt.tz_localize("Asia/Tokyo").astype("datetime64[s, Asia/Tokyo]"),
    pd.Series(pd.period_range("2020-01", periods=4, freq="M")), pd.Series(pd.PeriodIndex(["2020Q1", None, "2021Q3", "2020Q2"], freq="Q-NOV")),
    pd.Series(pd.interval_range(0, 4)), pd.Series(pd.arrays.IntervalArray.from_tuples([(0.0, 1.5), None, (1, 2), (2, 3)], closed="left")),
    pd.Series(pd.arrays.IntervalArray.from_breaks(pd.date_range("2020", periods=5, tz="Europe/Berlin"))),
    *(
        pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))
        for values, kind in (
            ([1, None, 3, 4], pa.int64()), ([1.5, None, np.nan, 0], pa.float32()), (["a", None, "b", ""], pa.string()),
            (["a", None, "b", ""], pa.large_string()), ([True, None, False, True], pa.bool_()),
            ([datetime.date(2020, 1, 1), None, datetime.date(1, 1, 1), None], pa.date32()),
            ([datetime.datetime(2020, 1, 1), None, None, None], pa.timestamp("us", "Europe/Berlin")),
            ([decimal.Decimal("1.10"), None, decimal.Decimal(2), None], pa.decimal128(5, 2)),
            ([[1, 2], None, [], [None]], pa.list_(pa.int8())), ([{"a": 1}, None, {"a": None}, {"a": 2}], pa.struct([("a", pa.int64())])),
            ([b"a", None, b"", b"\0"], pa.binary()), ([datetime.time(1, 2), None, None, None], pa.time64("us")),
            ([datetime.timedelta(1), None, None, None], pa.duration("ns")), ([None] * 4, pa.null()),
            (["u", None, "v", "u"], pa.dictionary(pa.int8(), pa.string())),
        )
    ),
]  # fmt: skip

INDEXES: list[pd.Index] = [
    pd.RangeIndex(4), pd.RangeIndex(10, 2, -2, name="down"), pd.RangeIndex(0), pd.Index([3, 1, 2]), pd.Index([1.5, np.nan]),
    pd.Index(np.arange(3, dtype="u1")), pd.Index(["a", "b"]), pd.Index(["a", None], dtype=object), pd.Index(["a", "a", np.nan]),
    pd.Index([str(i) for i in range(500)]), pd.Index([1, "a", None, (1, 2)], dtype=object), pd.Index([(1, 2), (3, 4)], tupleize_cols=False),
    pd.Index([], dtype=object), pd.Index([]), pd.Index([True, False]), pd.Index([1, None], dtype="Int64"), pd.Index(["x"], dtype="string"),
    pd.Index(["a", "b"], name=("tuple", 1)), pd.Index([1], name=np.nan), pd.Index([1], name=pd.Timestamp("2020")), pd.Index([1], name=np.int64(3)),
    pd.Index([pd.Timestamp("2020"), None], dtype=object), pd.Index([1 + 2j]), pd.Index([1, 2], dtype="int64[pyarrow]"),
    _DAYS, pd.date_range("2020", periods=3, freq="2h", tz="Europe/Berlin", name="t"), pd.date_range("2020", periods=5, freq="B"),
    pd.date_range("2020-01-31", periods=3, freq="ME"), pd.DatetimeIndex(["2020-01-05", None, "2020-01-01"]), _DAYS.as_unit("s"),
    pd.date_range("2020", periods=0, freq="D"), pd.date_range("2020", periods=3, freq="W-WED"), _DAYS[::-1], pd.DatetimeIndex([], tz="UTC"),
    pd.timedelta_range("1h", periods=3, freq="90min"), pd.TimedeltaIndex(["1s", None]), pd.timedelta_range("1D", periods=3).as_unit("ms"),
    pd.period_range("2020", periods=3, freq="Q"), pd.PeriodIndex(["2020-01-01", None], freq="D", name="p"),
    pd.CategoricalIndex(["a", "b", None], ["b", "a", "z"], ordered=True, name="c"), pd.interval_range(0.0, 3.0, closed="both", name="i"),
    pd.IntervalIndex.from_tuples([(0, 1), (5, 7)]), pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]], names=["x", None]),
    pd.MultiIndex.from_product([["a", "b"], [1, 2, 3]])[1:3], pd.MultiIndex.from_arrays([[1, None, 2], pd.Categorical(["u", None, "v"])]),
    pd.MultiIndex.from_arrays([pd.date_range("2020", periods=150, tz="UTC"), np.arange(150.0)], names=[("a", 1), 2]),
    pd.MultiIndex.from_tuples([], names=["a", "b"]), pd.MultiIndex.from_arrays([[3, 3, 1]], names=["one"]),
]  # fmt: skip


def _flagged() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}).set_flags(allows_duplicate_labels=False)
    frame.attrs = {"unit": "m", "nested": {"a": [1, (2, None)]}}
    return frame


def _duplicates() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5], "c": ["x", "y"]})
    frame.columns = pd.Index(["a", "a", "a"])
    return frame


FRAMES: list[pd.DataFrame] = [
    pd.DataFrame(), pd.DataFrame(index=[1, 2, 3]), pd.DataFrame(columns=["a", "b"]), pd.DataFrame({"a": [], "b": pd.Series([], dtype="str")}),
    pd.DataFrame(np.arange(12.0).reshape(6, 2)), pd.DataFrame(np.asfortranarray(np.arange(12).reshape(6, 2)), columns=["x", "y"]),
    pd.DataFrame(np.arange(12, dtype="c8").reshape(6, 2)), pd.DataFrame(np.zeros((3, 2), "M8[s]")), pd.DataFrame(np.ones((2, 3), bool)),
    pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": ["x", None], "d": [True, False]}, index=pd.Index(["r", "s"], name="i")),
    pd.DataFrame({1: [1, 2], "b": [1.5, np.nan], (1, 2): ["x", None], None: [[1], {}]}),
    pd.DataFrame([[1, "x"], [2, "y"]], columns=pd.Index(["a", "\ud800"], dtype=object)), pd.DataFrame(np.arange(24.0).reshape(6, 4)).iloc[::2, 1:3], _flagged(), _duplicates(),
    pd.DataFrame({("a", 1): [1, 2], ("a", "z"): ["x", "y"], ("b", 1): [None, 2.5]}),
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, columns=pd.Index(["a", "b"], name="names")),
    pd.DataFrame({f"column {i}": np.arange(3) * i if i % 3 else np.arange(3.0) for i in range(150)}),
    pd.DataFrame({0: ["x", "y"], 1: [1, 2]}, columns=pd.date_range("2020", periods=2).map({pd.Timestamp("2020-01-01"): 0, pd.Timestamp("2020-01-02"): 1})),
    pd.DataFrame({f"c{i}": column for i, column in enumerate(COLUMNS)}),
    pd.concat([column.rename(str(i)) for i, column in enumerate(COLUMNS)] * 2, axis=1),
    pd.DataFrame({"s": ["text"] * 5000, "n": np.arange(5000.0), "o": pd.Series([f"t{i % 7}" for i in range(5000)], dtype=object)}),
    pd.DataFrame({"n": np.arange(50_000), "f": np.random.default_rng(0).normal(size=50_000)}),
]  # fmt: skip


def _arrays() -> list[pa.Array]:
    arrays = [
        pa.array([1, None, 3], kind)
        for kind in (pa.int8(), pa.uint64(), pa.float32(), pa.date64(), pa.time32("ms"), pa.duration("us"))
    ]
    arrays += [
        pa.array([1.5, math.nan, None]), pa.array(np.array([1, 2, 3], "f2")), pa.array([True, None, False]), pa.nulls(3),
        pa.array(["x", None, "naïve"]), pa.array(["x", None, ""], pa.large_string()), pa.array([b"x", None, b""], pa.large_binary()),
        pa.array([b"ab", None, b"cd"], pa.binary(2)), pa.array(["u", None, "u"]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array([0, None, 1], pa.int8()), ["b", "a"], ordered=True),
        pa.array([[1], None, []], pa.list_(pa.int8())), pa.array([[1], None, []], pa.large_list(pa.field("item", pa.int8(), nullable=True))),
        pa.array([[1, 2], None, [3, None]], pa.list_(pa.int8(), 2)), pa.array([{"a": 1}, None, {"a": None}]),
        pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())), pa.array([decimal.Decimal("1.10"), None, None], pa.decimal128(5, 2)),
        pa.array([decimal.Decimal("1.10"), None, None], pa.decimal256(50, 2)), pa.array([0, None, 10**9], pa.timestamp("s", "Europe/Berlin")),
        pa.array([(1, 2, 3), None, (0, 0, 0)], pa.month_day_nano_interval()),
        pa.array([["u"], None, ["u", None]], pa.list_(pa.dictionary(pa.int8(), pa.string()))),
    ]  # fmt: skip
    return arrays


ARROW_ARRAYS = _arrays()
_FIELDS = pa.schema(
    [pa.field("a", pa.int8(), nullable=False, metadata={"unit": "m"})], metadata={"k": "v", "pandas": "no"}
)
ARROW_TABLES = [
    pa.Table.from_arrays(ARROW_ARRAYS, names=[str(i) for i in range(len(ARROW_ARRAYS))]),
    pa.Table.from_arrays(ARROW_ARRAYS, names=[str(i) for i in range(len(ARROW_ARRAYS))]).slice(1, 1),
    pa.Table.from_arrays(ARROW_ARRAYS, names=["same"] * len(ARROW_ARRAYS)).slice(0, 0),
    pa.Table.from_arrays([pa.array([1], pa.int8())], schema=_FIELDS), pa.table({}), pa.table({"": [1], "ünï": ["x"]}),
    pa.concat_tables([pa.table({"a": [i], "b": [str(i)]}) for i in range(300)]),
    pa.table({"a": np.arange(200_000), "b": pa.chunked_array([np.arange(150_000), np.arange(50_000)])}),
    pa.table({"d": pa.chunked_array([pa.array(["u", "v"]).dictionary_encode()] * 2)}),
]  # fmt: skip


class Money(pa.ExtensionType):  # type: ignore[misc]
    """A type of the user's own."""

    def __init__(self) -> None:
        super().__init__(pa.int64(), "tests.money")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> Any:
        return cls()


REFUSED_BY_ARROW = [
    pa.table({"a": pa.ExtensionArray.from_storage(Money(), pa.array([1]))}),
    pa.table(
        {"a": [1]}, schema=pa.schema([pa.field("a", pa.int64(), metadata={"ARROW:extension:name": "tests.money"})])
    ),
    pa.table({"a": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])}),
    pa.table({"a": pa.RunEndEncodedArray.from_arrays([2, 3], [1, 2])}),
    pa.table({"a": pa.chunked_array([pa.array(["u"]).dictionary_encode(), pa.array(["v"]).dictionary_encode()])}),
]
