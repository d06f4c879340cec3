"""Results to store, each made anew by a function: what a hit must not be told apart from."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import math
import operator
import pathlib
import random
import re
import struct
import types
import uuid
import warnings
import zoneinfo
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import xarray as xr
from scipy import sparse
from sklearn.linear_model import LinearRegression

Point = collections.namedtuple("Point", "x y")
ALIGNED = np.dtype([("a", "i1"), ("b", ">f8")], align=True)


class Color(enum.Enum):
    RED = (1, 2)
    BLUE = 2


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Model:
    weights: Any
    name: Any = "m"


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    part: Any


class Slots:
    __slots__ = ("a", "unset")

    def __init__(self) -> None:
        self.a = [1]


class Plain:
    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)


class Text(str):  # noqa: SLOT000 -- it has a __dict__ on purpose
    pass


class Whole(int):
    pass


class Items(list):  # type: ignore[type-arg]
    pass


class Pair(tuple):  # type: ignore[type-arg]  # noqa: SLOT001
    pass


class Names(dict):  # type: ignore[type-arg]
    pass


class Metres(np.float64):
    pass


class Image(np.ndarray):  # type: ignore[type-arg]
    pass


class Told(Exception):
    def __init__(self, code: int, parts: list[int]) -> None:
        super().__init__(code, parts)
        self.code = code


class UnitFrame(pd.DataFrame):  # type: ignore[misc]
    _metadata = ["unit"]  # noqa: RUF012 -- as pandas' own guide says

    @property
    def _constructor(self) -> type:
        return UnitFrame


def having(value: Any, **attributes: Any) -> Any:
    """Return a value with attributes of one's own."""
    for name, part in attributes.items():
        setattr(value, name, part)
    return value


def fixed(value: Any) -> Any:
    """Return an array, read-only."""
    value.flags.writeable = False
    return value


def twice(part: Any) -> list[Any]:
    """Return one object in two places."""
    return [part, part]


def matrix(**options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.matrix([[1, 2]], **options)


def using(part: Any, make: Callable[[Any], Any]) -> Any:
    """Return a result that is made around a part."""
    return make(part)


def nested(depth: int, wrap: Callable[[Any, int], Any]) -> Any:
    value: Any = ()
    for i in range(depth):
        value = wrap(value, i)
    return value


def ring() -> Any:
    model = Model([1])
    model.weights.append(model)
    return model


def objects(*items: Any) -> Any:
    result = np.empty(len(items), dtype=object)
    result[:] = items
    return result


def self_holding() -> Any:
    result = np.empty(2, dtype=object)
    result[0] = result
    return result


def bits(text: str) -> float:
    return float(struct.unpack(">d", bytes.fromhex(text))[0])


def strings(*items: Any, **options: Any) -> Any:
    """Return an array of numpy's own texts of any length, where numpy has them."""
    kind = getattr(np.dtypes, "StringDType", None)
    return np.array(items, "U60") if kind is None else np.array(items, kind(**options))


def masked(*args: Any, **options: Any) -> Any:
    return np.ma.array(*args, **options)


def one_mask() -> Any:
    mask = np.array([True, False])
    return [np.ma.array([1, 2], mask=mask, copy=False), np.ma.array([3.0, 4.0], mask=mask, copy=False)]


def position() -> Any:
    result = io.BytesIO(b"abcdef")
    result.seek(2)
    return result


def attrs(value: Any, **parts: Any) -> Any:
    value.attrs.update(parts)
    return value


SCENARIOS: dict[str, Callable[[], Any]] = {
    # plain values
    "none": lambda: None,
    "bools and ones": lambda: [1, True, 1.0, np.int64(1), np.True_],
    "huge ints": lambda: [10**5000, -(2**63), 2**64],
    "minus zero": lambda: -0.0,
    "infinities": lambda: [math.inf, -math.inf, 5e-324],
    "nan": lambda: math.nan,
    "nan with bits": lambda: [bits("7ff8000000000123"), bits("fff8000000000009")],
    "complex": lambda: [complex(math.nan, -0.0), 1j],
    "lone surrogates": lambda: ["\ud800", "\ud83d\ude00", "nul\0inside"],
    "long text": lambda: "x" * 100_000,
    "bytes": lambda: [b"", b"\0\xff" * 3000, bytearray(b"abc")],
    "ellipsis and the like": lambda: [..., NotImplemented, range(10**30), slice([1], None, "a")],
    # standard library
    "decimals": lambda: [decimal.Decimal(t) for t in ("1.10", "-0", "sNaN123", "-Infinity", "1E+5")],
    "fraction": lambda: fractions.Fraction(-1, 3),
    "dates": lambda: [datetime.datetime(9999, 12, 31), datetime.date.min, datetime.timedelta.max, datetime.time(1, fold=1)],
    "zones": lambda: [
        datetime.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "odd")),
        datetime.time(1, tzinfo=datetime.UTC),
    ],
    "paths": lambda: [pathlib.Path("a/\udcff"), pathlib.PureWindowsPath("c:/a")],
    "uuid": lambda: uuid.UUID(int=3, is_safe=uuid.SafeUUID.safe),
    "addresses": lambda: ipaddress.ip_address("::1"),
    "pattern": lambda: re.compile("a.c", re.IGNORECASE),
    "array module": lambda: array.array("d", [1, math.nan]),
    "files in memory": lambda: [position(), io.StringIO("a\nb")],
    "namespace": lambda: types.SimpleNamespace(a=[1], b=None),
    "partial and getter": lambda: [functools.partial(pow, 2), operator.itemgetter(1)],
    "random generators": lambda: [random.Random(1), np.random.default_rng(1), np.random.RandomState(1)],
    "enums": lambda: [Color.RED, Access.READ | Access.WRITE, Level.HIGH, {Color.BLUE: 1}],
    "functions and classes": lambda: [position, Model, len, np.add, int, list[int]],
    "exception": lambda: having(Told(3, [1]), note="x"),
    # containers
    "dict order": lambda: {"b": 1, "a": {"z": 1, "y": 2}},
    "keys of all kinds": lambda: {True: 1, "1": 2, (1,): 3, None: 4, 1.5: 5, b"x": 6, frozenset({1}): 7, -0.0: 8},
    "nan keys": lambda: [{math.nan: 1, "b": 2}, {math.nan, 1.0}],
    "ordered dict": lambda: collections.OrderedDict([("z", 1), ("a", [2])]),
    "ordered dict with attributes": lambda: having(collections.OrderedDict(a=1), z=[1]),
    "counter": lambda: collections.Counter("abca"),
    "defaultdict": lambda: collections.defaultdict(list, {1: [2]}),
    "deque": lambda: collections.deque([1, [2]], maxlen=3),
    "chain map": lambda: collections.ChainMap({1: 2}, {3: 4}),
    "sets": lambda: [{3, "a", (1, 2)}, frozenset([frozenset([1]), 2])],
    "namedtuple": lambda: Point(1, [Point(2, "y")]),
    "subclasses of builtins": lambda: [
        having(part, z=[1]) for part in (Text("a"), Whole(3), Items([1]), Pair((1, 2)), Names({1: 2}))
    ],
    "deep lists": lambda: nested(10_000, lambda value, i: [value]),
    "deep dicts and tuples": lambda: nested(10_000, lambda value, i: {"k": value} if i % 2 else (value,)),
    # objects
    "dataclass": lambda: Model(np.arange(3)),
    "dataclass, frozen": lambda: Frozen([1, Frozen(None)]),
    "slots": Slots,
    "object": lambda: Plain(a=np.arange(20_000.0), b={"c": Plain()}),
    "object in a cycle": ring,
    "estimator": lambda: LinearRegression().fit([[1], [2]], [1, 2]),
    # sharing
    "one list twice": lambda: twice([1]),
    "one array twice": lambda: twice(np.arange(5)),
    "one large array twice, in an object": lambda: Model(np.ones(20_000), twice(np.arange(3))),
    "one array in and beside an object": lambda: using(np.ones(20_000), lambda a: [Model(a), a]),
    "one tuple twice": lambda: twice(([1],)),
    "one set twice": lambda: twice({1}),
    "one bytearray twice": lambda: twice(bytearray(b"x")),
    "one object twice": lambda: twice(Plain(a=1)),
    "equal lists": lambda: [[1], [1]],
    "equal arrays": lambda: [np.arange(30_000.0), np.arange(30_000.0)],
    "list in itself": lambda: using([1], lambda r: (r.append(r), r)[1]),
    "array in itself": self_holding,
    "tuple in its list": lambda: using(([],), lambda t: (t[0].append(t), t)[1]),
    # arrays
    "small array": lambda: np.arange(6),
    "large array": lambda: np.arange(100_000.0).reshape(100, 1000),
    "empty arrays": lambda: [np.zeros((0, 3), "f4"), np.zeros((0, 5), order="F"), np.zeros(3, "S0"), np.zeros(3, "V0")],
    "no dimensions": lambda: [np.array(1.5), np.array(None, dtype=object), np.float64(1.5), np.array("x")],
    "fortran order": lambda: [np.asfortranarray(np.ones((2, 3))), np.asfortranarray(np.ones((200, 300)))],
    "byte orders": lambda: [np.arange(3, dtype=">i4"), np.array(["ab"], ">U5"), np.array([1], ">M8[s]")],
    "read-only": lambda: fixed(np.arange(40_000.0)),
    "read-only, small": lambda: [fixed(np.arange(3)), fixed(np.array([1, None], dtype=object))],
    "half, long and complex": lambda: [np.arange(3, dtype="f2"), np.arange(3, dtype=np.longdouble) / 3, np.ones(2, "c8")],
    "nan bits in arrays": lambda: np.array([0x7FF8000000000123, 1 << 63], "u8").view("f8"),
    "dates of all units": lambda: [np.array([1, "NaT"], f"M8[{unit}]") for unit in ("Y", "D", "h", "25s", "ns", "as")],
    "durations": lambda: [np.array([1, "NaT"], "m8[us]"), np.array([1], "m8[D]")],
    "texts and bytes": lambda: [np.array(["a", "b\0c", ""]), np.array([b"a", b"bc"]), np.array([b"abc"], "V3")],
    "records": lambda: np.array([(1, 2.5, b"x")], [("a", "i4"), ("b", ">f8"), ("c", "S3")]),
    "records, aligned": lambda: np.ones(2, ALIGNED),
    "records, aligned, read-only": lambda: fixed(np.ones(2, ALIGNED)),
    "records, aligned, fortran": lambda: np.asfortranarray(np.ones((2, 3), ALIGNED)),
    "records with titles": lambda: np.zeros(2, [(("title", "name"), "i4")]),
    "records with offsets": lambda: np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i2", "i4"], "offsets": [8, 0], "itemsize": 16})),
    "records of arrays": lambda: np.zeros(3, [("m", "f4", (2, 2)), ("n", [("p", "i2"), ("q", "U3")])]),
    "records with objects": lambda: np.array([(1, "x"), (2, [3])], dtype=[("a", ">i4"), ("o", "O")]),
    "dtype with metadata": lambda: fixed(np.zeros(2, np.dtype("f8", metadata={"unit": "m"}))),
    "object arrays": lambda: np.array([[1, "a"], [None, ()], [2**100, math.nan]], dtype=object, order="F"),
    "arrays in an object array": lambda: using(np.arange(3), lambda a: objects(a, a, np.arange(3), None)),
    "numpy texts": lambda: strings("a", "b" * 50),
    "numpy texts, missing": lambda: fixed(strings("a", "", "c")) if not hasattr(np.dtypes, "StringDType") else fixed(strings("a", None, na_object=None)),
    "array subclass": lambda: having(np.arange(3.0).view(Image), unit="m", steps=[1]),
    "array subclass, shared": lambda: twice(having(np.arange(3.0).view(Image), unit="m")),
    "array subclass, read-only, fortran": lambda: fixed(np.asfortranarray(np.ones((2, 3))).view(Image)),
    "array subclass, other byte order": lambda: [np.arange(3, dtype=">i4").view(Image), np.array(["ab"], ">U2").view(Image), np.array([1], ">M8[s]").view(Image)],
    "matrix": lambda: [matrix(), matrix(dtype=">i4"), fixed(matrix())],
    "record array": lambda: fixed(np.rec.array([(1, 2.0)], dtype=[("a", ">i4"), ("b", "f8")])),
    "polynomials": lambda: [np.poly1d([1, 2]), np.polynomial.Polynomial([1, 2])],
    "dtypes": lambda: [np.dtype("f8"), np.dtype(">i2"), ALIGNED, np.float64],
    # masked arrays
    "masked": lambda: masked([1.0, 2.0], mask=[True, False]),
    "masked nowhere": lambda: [masked([1.0, 2.0]), masked([1.0, 2.0], mask=[False, False])],
    "masked, hard, filled": lambda: masked([1, 2], mask=[0, 1], hard_mask=True, fill_value=7),
    "masked, other byte order, fortran": lambda: masked(np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)), mask=True),
    "masked, read-only": lambda: fixed(masked([1, 2], mask=[0, 1])),
    "masked records": lambda: masked([(1, 2.0)], mask=[(0, 1)], dtype=[("a", int), ("b", float)]),
    "masked objects": lambda: masked(np.array([1, None], dtype=object), mask=[0, 1]),
    "masked with attributes": lambda: having(masked([1, 2]), unit="m"),
    "masked, shared": lambda: twice(masked([1, 2], mask=[0, 1])),
    "one mask for two": one_mask,
    "masked, no dimensions": lambda: [masked(3, mask=True), np.ma.masked],
    "masked in an object": lambda: Model(masked(np.arange(3, dtype=">i2"), mask=[0, 1, 0], hard_mask=True)),
    "masked matrix": lambda: masked(matrix(), mask=[[0, 1]]),
    # numpy's scalars
    "numbers": lambda: [np.float32(1.5), np.int8(-3), np.uint64(2**64 - 1), np.complex64(1 + 2j), np.intc(3)],
    "long long": lambda: [np.longlong(3), np.ulonglong(3)],
    "long long in an object": lambda: Point(np.longlong(3), np.ulonglong(3)),
    "extended precision": lambda: [np.longdouble(1) / 3, np.clongdouble(1 + 2j) / 3, np.float16("nan")],
    "times": lambda: [np.datetime64("2020-01-01T00:00:00.123456789"), np.timedelta64("NaT", "s"), np.array([1], "M8[25s]")[0]],
    "texts with nul": lambda: [np.str_("a\0"), np.bytes_(b"\0\0"), np.str_(""), np.str_("\ud800")],
    "texts with nul in an object": lambda: Point(np.str_("a\0"), np.bytes_(b"\0\0")),
    "record and void": lambda: [np.zeros(1, ALIGNED)[0], np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])[0], np.void(b"abc")],
    "scalar of a subclass": lambda: [Metres(1.5), having(Metres(2.5), unit="m")],
    # tables
    "frame": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"], ["v", "u", "w"], ordered=True)}),
    "frame of one dtype": lambda: pd.DataFrame(np.arange(40_000.0).reshape(-1, 4), columns=list("wxyz")),
    "frame with attrs": lambda: attrs(pd.DataFrame({"a": [1]}), unit=["m"]).set_flags(allows_duplicate_labels=False),
    "frame, labels twice": lambda: pd.DataFrame([[1, 2.5]], index=["r"], columns=["a", "a"]),
    "frame, two levels": lambda: pd.DataFrame({"a": [1, 2, 3]}, pd.MultiIndex.from_product([["a"], [1, 2, 3]], names=["k", 1])),
    "frame, empty": lambda: [pd.DataFrame(), pd.DataFrame({"a": []}), pd.Series(dtype="f4")],
    "frame, shared": lambda: twice(pd.DataFrame({"a": [1]})),
    "frame of a subclass": lambda: having(UnitFrame({"a": [1]}), unit="m"),
    "series with a zone": lambda: pd.Series(range(3), pd.date_range("2026-01-01", periods=3, freq="h", tz="Europe/Berlin"), name=("a", 1)),
    "series of objects": lambda: pd.Series([[1], {2: 3}, None]),
    "series, Float64": lambda: pd.Series(pd.arrays.FloatingArray(np.array([1, np.nan, 2]), np.array([False, False, True]))),
    "series, Arrow": lambda: pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "series, sparse": lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1])),
    "intervals and periods": lambda: [pd.interval_range(0, 2), pd.period_range("2026-01", periods=2, freq="M")],
    "scalars of pandas": lambda: [pd.NA, pd.NaT, pd.Timestamp("2020", tz="UTC"), pd.Timedelta(1), pd.Period("2020", "D"), pd.Interval(0, 1)],
    "offset": lambda: pd.offsets.MonthEnd(2),
    "arrow table": lambda: pa.table({"a": [1, None], "b": [["x"], None]}).replace_schema_metadata({"k": "v"}),
    "arrow, sliced": lambda: pa.table({"a": list(range(10))}).slice(3, 2),
    "arrow, others": lambda: [pa.chunked_array([[1], [2, 3]]), pa.array(["a", None])],
    "polars": lambda: pl.DataFrame({"a": [[1], None], "c": pl.Series(["x", "y"], dtype=pl.Categorical)}),
    "sparse": lambda: [sparse.csr_array(np.eye(3)), sparse.coo_matrix(np.eye(3)), sparse.lil_array(np.eye(3))],
    "xarray": lambda: xr.Dataset({"t": (("x",), np.arange(3.0), {"unit": "K"})}, {"x": [10, 20, 30]}, {"title": "run"}),
    "everything at once": lambda: {"frame": pd.DataFrame({"a": [1]}), "array": twice(np.arange(20_000)), "object": Plain(a=Point(1, fixed(np.ones(3))))},
}  # fmt: skip


LOST: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "strided": (lambda: np.arange(10.0)[::2], lambda: np.arange(10.0)[::2].copy()),
    "backwards": (lambda: np.arange(5)[::-1], lambda: np.arange(5)[::-1].copy()),
    "axes in another order": (lambda: np.ones((2, 3, 4)).transpose(1, 0, 2), lambda: np.ones((3, 2, 4))),
    "broadcast": (lambda: np.broadcast_to(np.float32(2), (3, 4)), lambda: fixed(np.full((3, 4), 2, "f4"))),
    "long long array": (lambda: np.arange(3, dtype=np.longlong), lambda: np.arange(3)),
    "views of one array": (lambda: using(np.arange(4), lambda a: [a, a[:2]]), lambda: [np.arange(4), np.arange(2)]),
}
"""What a hit gives in another form, by design; the page on skeletons lists it."""
