"""Results: what a hit returns equals what the first call returned, in all that can be told."""

from __future__ import annotations

import datetime
import decimal
import fractions
import math
import pathlib
import struct
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given

from resultstore import CacheWarning, Store, digest
from resultstore.formats.tree import put_together, take_apart
from resultstore.testing import assert_same
from resultstore.testing.strategies import values

Point = namedtuple("Point", "x y")


@dataclass
class Model:
    """Something of the user's own, with an array in it."""

    weights: Any
    name: str = "model"


UTC = datetime.UTC
SCALARS = [
    None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**63, -(2**64), 1 << 20_000, 0.0, -0.0, 1.5, 5e-324, math.inf, -math.inf,
    math.nan, struct.unpack(">d", bytes.fromhex("7ff8000000000001"))[0], complex(1, -0.0), complex(math.nan, math.inf),
    "", "text", "naïve \U0001f600", "nul\0inside", "\ud800 lone", "\ud83d\ude00", "x" * 100_000, b"", b"\0\xff", b"y" * 500,
    b"z" * 50_000, bytearray(b"abc"), ..., range(1, 10, 3), slice(1, None, 2),
    datetime.date(2020, 2, 29), datetime.datetime(2020, 1, 1, 1, 2, 3, 4, tzinfo=UTC), datetime.datetime(2020, 1, 1, fold=1),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1, seconds=1), "odd")),
    datetime.time(1, 2, fold=1), datetime.timedelta(-1, 5, 7), decimal.Decimal("1.10"), decimal.Decimal("-0"),
    fractions.Fraction(-1, 3), uuid.UUID(int=9), pathlib.PurePosixPath("a/b"), pathlib.Path("x"),
    np.float32(1.5), np.float64(math.nan), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), np.str_("é"), np.str_(""),
    np.bytes_(b"ab"), np.datetime64("2020-01-01T00:00:00.123456789"), np.timedelta64("NaT", "s"), np.complex64(1 + 2j),
    np.float16(0.1), np.longdouble(1) / 3,
]  # fmt: skip

ARRAYS = [
    np.arange(6), np.arange(6, dtype=">i4"), np.zeros(0), np.zeros((0, 3), "f4"), np.array(5), np.array(1 + 2j, "c8"),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(24).reshape(2, 3, 4)[:, ::2], np.arange(10)[::-1],
    np.broadcast_to(np.float32(2), (3, 4)), np.array(["a", "bcd"]), np.array([b"a", b"bc"]), np.array(["ab"], ">U5"),
    np.array(["2020-01-01", "NaT"], "M8[ns]"), np.array([1, 2], "m8[us]"), np.array([True, False]), np.arange(3, dtype="f2"),
    np.array([math.nan, -0.0, math.inf]), np.arange(3, dtype=np.longdouble) / 3, np.array([b"abc"], "V3"),
    np.array([(1, 2.5, b"x")], [("a", "i4"), ("b", ">f8"), ("c", "S3")]), np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    np.zeros(3, [("m", "f4", (2, 2)), ("n", [("p", "i2"), ("q", "U3")])]),
    np.zeros(2, np.dtype({"names": ["a", "b"], "formats": ["i2", "i4"], "offsets": [8, 0], "itemsize": 16})),
    np.zeros(2, [(("title", "name"), "i4")]), np.zeros(2, [("ünïcode", "i4")]), np.zeros(3, "S0"), np.zeros(3, "V0"),
    np.array([1, "a", None, [1, 2], math.nan, 2**100], dtype=object), np.array([[1, "a"], [None, ()]], dtype=object, order="F"),
    np.array(None, dtype=object), np.zeros((0,), dtype=object), np.random.default_rng(0).normal(size=(300, 70)),
    np.zeros(2, np.dtype("f8", metadata={"unit": "m"})), np.array(["a", "b" * 100], dtype=np.dtypes.StringDType() if hasattr(np.dtypes, "StringDType") else "U100"),
    np.ma.masked_array([1.0, 2.0], [True, False]), np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
]  # fmt: skip
for _frozen in (np.arange(5), np.arange(40_000.0)):
    _frozen.flags.writeable = False
    ARRAYS.append(_frozen)

CONTAINERS = [
    [], (), {}, set(), frozenset(), [1, [2, (3, {4: [5]})]], {"b": 1, "a": 2}, {1: "int", 1.5: "float", "s": None, (1, 2): "tuple"},
    OrderedDict([("z", 1), ("a", [2])]), {3, "a", (1, 2)}, frozenset([frozenset([1]), 2]), {"deep": {"deeper": [np.arange(3), (np.float32(1), b"x")]}},
    [np.arange(3), np.arange(3)], (np.zeros(10_000), "label", {"k": np.ones((2, 2), order="F")}), [math.nan, math.inf, -0.0, 1e308],
    ["\ud800", "\ud83d\ude00", 2**5000, 1j, ..., range(2)], Point(1, np.arange(20_000)), [Point(1, 2)], {"model": [b"q" * 5000, "t" * 20_000]},
]  # fmt: skip

TABLES = [
    pd.DataFrame(
        {"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}, index=pd.Index(["r", "s"], name="i")
    ),
    pd.DataFrame(np.arange(40_000.0).reshape(-1, 4), columns=list("wxyz")),
    pd.Series([1.5, None], name="s", dtype="Float64"),
    pd.DataFrame({"t": pd.date_range("2020-01-01", periods=3, tz="Europe/Berlin")}),
]


_box: list[Any] = []
_ran: list[int] = []


def produce(number):
    """Return what lies in the box: a global that is not looked at."""
    _ran.append(number)
    return _box[number]


def round_trip(store: Store, value: Any) -> tuple[Any, Any]:
    """Return what a newly opened store loads for a result, twice."""
    _box[:], _ran[:] = [value], []
    assert store.cache(produce, ignore_globals=["_box", "_ran"])(0) is value
    store.close()
    with Store(store.location) as again:
        cached = again.cache(produce, ignore_globals=["_box", "_ran"])
        loaded = cached(0), cached(0)
        assert again.verify() == []
    assert _ran == [0]
    return loaded


@pytest.mark.parametrize(
    "value",
    SCALARS,
    ids=lambda v: (
        f"{type(v).__name__}-{str(v)[:20]!a}" if not isinstance(v, int) or v.bit_length() < 100 else "long-int"
    ),
)
def test_scalars_come_back(folder, value):
    """Every plain value comes back with its type, its sign of zero and its bits of NaN."""
    first, _ = round_trip(Store(folder), value)
    assert_same(first, value)


@pytest.mark.parametrize("number", range(len(ARRAYS)))
def test_arrays_come_back(folder, number):
    """Arrays of every dtype and layout come back with dtype, byte order, shape, order and writeability."""
    value = ARRAYS[number]
    first, second = round_trip(Store(folder), value)
    expected = value
    if not (value.flags.c_contiguous or value.flags.f_contiguous):
        expected = value.copy()  # a strided view comes back as the array that it shows
        expected.flags.writeable = value.flags.writeable
    assert_same(first, expected)
    assert first is not second
    assert not np.shares_memory(first, second)


@pytest.mark.parametrize("number", range(len(CONTAINERS)))
def test_containers_come_back(folder, number):
    """Nested containers with arrays in them come back, dict order and all."""
    first, second = round_trip(Store(folder), CONTAINERS[number])
    assert_same(first, CONTAINERS[number])
    if isinstance(first, (list, dict, set)):
        assert first is not second


@pytest.mark.parametrize("number", range(len(TABLES)))
def test_tables_come_back(folder, number):
    """pandas tables come back."""
    first, _ = round_trip(Store(folder), TABLES[number])
    assert_same(first, TABLES[number])


def test_arrow_tables_come_back(folder):
    """pyarrow tables come back."""
    table = pa.table({"a": [1, None, 3], "b": ["x", "y", None]})
    first, _ = round_trip(Store(folder), table)
    assert first.equals(table)


def test_own_objects_come_back_with_their_arrays(folder, sql):
    """An object of the user's own goes by marked pickle, its large arrays as .npy files."""
    weights = np.arange(50_000.0)
    first, second = round_trip(Store(folder), [Model(weights), weights])
    assert_same(first[0].weights, weights)
    assert first[0].weights is first[1]
    assert first[0] is not second[0]
    assert sorted(row[0] for row in sql("SELECT format FROM payload")) == ["npy", "pickle"]


def _has_gaps(dtype):
    return dtype.names is not None and sum(dtype[name].itemsize for name in dtype.names) != dtype.itemsize


def test_no_pickle_for_plain_results(store, sql):
    """Arrays, plain values and containers of them leave no pickle byte on the disk."""
    plain = [value for value in CONTAINERS if not isinstance(value, Point) and value != [Point(1, 2)]]
    # Records with gaps, and dtypes that .npy cannot say, are the arrays that need pickle.
    _box[:] = SCALARS + plain + [array for array in ARRAYS[:25] if not _has_gaps(array.dtype)]
    f = store.cache(produce, ignore_globals=["_box", "_ran"])
    for i in range(len(_box)):
        f(i)
    assert {row[0] for row in sql("SELECT format FROM payload")} == {"npy", "bytes", "json"}
    assert {row[0] for row in sql("SELECT kind FROM call")} == {
        "none", "bool", "int", "float", "str", "leaf", "tree", "json"
    }  # fmt: skip


def test_aliasing_inside_a_result_survives(folder):
    """Two places of a result that held one object hold one object again."""
    array, part = np.arange(5), [1]
    value: Any = {"a": array, "b": [array, part], "c": part, "d": (part, array)}
    first, _ = round_trip(Store(folder), value)
    assert first["a"] is first["b"][0] is first["d"][1]
    assert first["b"][1] is first["c"] is first["d"][0]


def test_equal_but_distinct_parts_stay_distinct(folder, sql):
    """Equal arrays in one result are stored once and come back as two objects."""
    value = [np.arange(30_000.0), np.arange(30_000.0)]
    first, _ = round_trip(Store(folder), value)
    assert first[0] is not first[1]
    first[0][0] = 99
    assert first[1][0] == 0
    assert sql("SELECT count(*) FROM payload") == [(1,)]
    assert len(list((folder / "payloads").rglob("*.npy"))) == 1


def test_cycles_come_back(folder):
    """Results that contain themselves come back, through lists, dicts, object arrays and tuples."""
    ring: list[Any] = [1]
    ring.append({"ring": ring})
    objects = np.empty(2, dtype=object)
    objects[0] = objects
    inside: tuple[list[Any]] = ([],)
    inside[0].append(inside)
    first, _ = round_trip(Store(folder), [ring, objects, inside])
    assert first[0][1]["ring"] is first[0]
    assert first[1][0] is first[1]
    assert first[2][0][0] is first[2]


def test_deep_results_come_back(folder):
    """A result nested 10,000 deep is stored and loaded without recursion."""
    value: Any = []
    for _ in range(10_000):
        value = [value]
    first, _ = round_trip(Store(folder), value)
    depth = 0
    while first:
        first, depth = first[0], depth + 1
    assert depth == 10_000


def test_every_hit_is_a_fresh_object(store):
    """Changing what a call returned changes no later hit."""
    f = store.cache(lambda n: {"list": [n], "array": np.zeros(n)})
    f(3)
    hit = f(3)
    hit["list"].append("changed")
    hit["array"][:] = 7
    assert f(3)["list"] == [3]
    assert (f(3)["array"] == 0).all()


def test_changing_the_first_result_changes_nothing_stored(store):
    """The object that the first call returned is the function's own and not shared with the store."""
    f = store.cache(lambda n: np.zeros(n))
    f(4)[:] = 1
    assert (f(4) == 0).all()


def test_memory_maps_come_back_as_arrays(store, tmp_path):
    """A result that is a memory map is stored as the array that it shows."""
    np.save(tmp_path / "a.npy", np.arange(10.0))
    f = store.cache(lambda path: np.load(path, mmap_mode="r"))
    assert isinstance(f(str(tmp_path / "a.npy")), np.memmap)
    hit = f(str(tmp_path / "a.npy"))
    assert type(hit) is np.ndarray
    assert (hit == np.arange(10.0)).all()
    assert not hit.flags.writeable


def open_file(x):
    """Return an open file."""
    return open(__file__)


def make_function(x):
    """Return a function that no name leads to."""
    return lambda: x


@pytest.mark.parametrize("func", [open_file, make_function])
def test_what_cannot_be_stored_is_returned(store, func):
    """A result that pickle refuses is returned, warned of once, and not stored."""
    f = store.cache(func)
    with pytest.warns(CacheWarning, match="is not stored: pickle refuses it") as caught:
        first = f(3)
    second = f(3)
    assert len(caught) == 1
    assert type(first) is type(second)
    assert not f.check_call_in_cache(3)
    record = store.find(f).first()
    assert record.state == "not stored"
    assert "pickle refuses it" in record.note
    if func is open_file:
        first.close()
        second.close()


def test_exceptions_are_not_stored(store):
    """An exception reaches the caller, and the call runs again."""
    runs = store.cache(fail_for_zero)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            runs(0)
    assert len(store.find()) == 0
    assert runs(2) == 0.5


def fail_for_zero(x):
    """Fail for zero."""
    return 1 / x


def test_none_is_a_result(store):
    """None is stored like any other result."""
    _box[:], _ran[:] = [None], []
    f = store.cache(produce, ignore_globals=["_box", "_ran"])
    assert f(0) is None
    assert f(0) is None
    assert _ran == [0]


def _fixed():
    return np.arange(60_000.0).reshape(200, 300)


def test_payloads_are_readable_without_us(store, folder):
    """An array result is a plain .npy file."""
    store.cache(_fixed)()
    (file,) = (folder / "payloads").rglob("*.npy")
    assert (np.load(file) == _fixed()).all()


@given(values())
def test_taking_apart_and_putting_together(value):
    """Skeleton and leaves give back the value, sharing and all, without pickle."""
    tree = take_apart(value)
    assert tree.kind != "pickle"
    if tree.kind in ("none", "bool", "int", "float", "str"):
        assert_same(tree.value, value)
    else:
        assert_same(put_together(tree.kind, tree.value, [leaf.value for leaf in tree.leaves]), value)


def test_every_plain_value_comes_back(folder):
    """Whatever needs no pickle comes back from the disk with the digest that it had."""
    with Store(folder, allow_pickle=False) as store:
        f = store.cache(produce, ignore_globals=["_box", "_ran"])

        @given(values())
        def check(value):
            f.forget(0)
            _box[:], _ran[:] = [value], []
            expected = digest(value)
            assert f(0) is value
            assert digest(f(0)) == expected
            assert _ran == [0]

        check()
        assert store.verify() == []


def test_byte_order_inside_a_pickle(store):
    """A strided array of texts in the other byte order, inside a pickled result, keeps its byte order."""
    array = np.array(["ab", "c", "d", "ef"], dtype=">U2")[::2]
    f = store.cache(lambda: (Model(1, "x"), array))
    f()
    assert f()[1].dtype == np.dtype(">U2")
    assert_same(f()[1], array.copy())
