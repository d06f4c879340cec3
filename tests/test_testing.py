"""What ships for tests: sameness told from likeness, and strategies that yield what they promise."""

from __future__ import annotations

import copy
import inspect
import math
import pickle
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, seed, settings
from scipy import sparse

from resultstore import digest
from resultstore.formats.tree import take_apart
from resultstore.testing import assert_same, same
from resultstore.testing.strategies import SameCall, arguments, arrays, calls, scalars, signatures, values
from tests.test_encoding import DIFFERENT
from tests.test_results import ARRAYS, CONTAINERS, SCALARS, TABLES

# The same examples every time: what they lack is not a matter of luck.
fixed = settings(max_examples=200, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


def test_no_two_different_values_are_the_same():
    """Of the values that have different digests no two are the same."""
    for i, one in enumerate(DIFFERENT):
        for j, other in enumerate(DIFFERENT):
            assert same(one, other) == (i == j), (one, other)


@pytest.mark.parametrize("value", SCALARS + ARRAYS + CONTAINERS + TABLES, ids=lambda value: type(value).__name__)
def test_a_copy_is_the_same(value):
    """Every value is the same as its pickled copy, if only that has the layout and the flags."""
    other = pickle.loads(pickle.dumps(value, 5))
    if isinstance(value, np.ndarray):
        if not (value.flags.c_contiguous or value.flags.f_contiguous):
            value = value.copy()
        other.flags.writeable = value.flags.writeable
    assert_same(other, value)


def _frozen():
    array = np.arange(3)
    array.flags.writeable = False
    return array


def _shared(twice):
    part = [1]
    return [part, part if twice else [1]]


def _nan(bits):
    return np.array([bits], "u8").view("f8")


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "a key of value: 'a' is not 'b'"),
        (_frozen(), np.arange(3), "value: writeable False is not True"),
        (np.arange(6)[::2], np.array([0, 2, 4]), "value: f_contiguous False is not True"),
        (_shared(twice=True), _shared(twice=False), r"value\[1\]: a shared part became two"),
        (_shared(twice=False), _shared(twice=True), r"value\[1\]: a part of its own became one with another"),
        (float(_nan(0x7FF8000000000000)[0]), float(_nan(0x7FF8000000000001)[0]), "value: float '7ff8"),
        (_nan(0x7FF8000000000000), _nan(0x7FF8000000000001), "value: the 8 bytes of"),
        ({(1, "a"), 2}, {(1, "a"), 2.0}, "value: 2 is missing"),
        ([(1, {"k": np.float32(1)})], [(1, {"k": np.float64(1)})], r"value\[0\]\[1\]\['k'\]: type"),
        (np.array([1, 2.0], object), np.array([1, 2], object), r"value.flat\[1\]: type"),
        (np.zeros(1, np.dtype("f8", metadata={"unit": "m"})), np.zeros(1), "value: metadata"),
        (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[True, False]), "value.mask: the 2 bytes"),
        ([1, 2], [1], "value: length 2 is not 1"),
    ],
)  # fmt: skip
def test_where_values_differ_is_told(one, other, message):
    """The message names the part and what is different about it; digests do not see all of that."""
    with pytest.raises(AssertionError, match=message):
        assert_same(one, other)
    assert not same(one, other)


def test_cycles_and_depths_are_compared():
    """Values that contain themselves, and such as are 10,000 deep, are compared like any others."""

    def ring(n: int) -> Any:
        nodes: list[Any] = [[] for _ in range(n)]
        for i, node in enumerate(nodes):
            node.append(nodes[(i + 1) % n])
        return nodes[0]

    assert same(ring(3), ring(3))
    assert not same(ring(3), ring(4))
    deep: Any = ()
    for _ in range(10_000):
        deep = (deep,)
    assert same(deep, copy.copy(deep))
    wide: Any = (1,)
    for _ in range(200):
        wide = (wide, wide)  # unfolded it has 2**200 parts
    assert same([wide], [wide])


def _features(value: Any) -> set[str]:
    """Return in words what is remarkable about a value and its parts."""
    found: set[str] = set()
    seen: set[int] = set()
    waiting: list[tuple[int, Any]] = [(0, value)]
    while waiting:
        depth, part = waiting.pop()
        if isinstance(part, (list, dict, set, np.ndarray)):
            if id(part) in seen:
                found.add("shared")
                continue
            seen.add(id(part))
        found |= {type(part).__name__, f"depth {depth}"}
        if isinstance(part, np.ndarray):
            found |= _array_features(part)
        if isinstance(part, np.ndarray) and part.dtype.hasobject:
            waiting += [(depth + 1, item) for item in part.ravel().tolist()]
        elif isinstance(part, dict):
            waiting += [(depth + 1, item) for pair in part.items() for item in pair]
        elif isinstance(part, (list, tuple, set, frozenset)):
            waiting += [(depth + 1, item) for item in part]
        elif isinstance(part, np.dtype):
            found.add("a dtype")
        elif isinstance(part, np.generic):
            found.add(f"numpy {part.dtype.kind}")
        elif type(part) is float and (part != part or part == 0):
            found.add("NaN" if part != part else "minus zero" if math.copysign(1, part) < 0 else "zero")
        elif type(part) is int and part.bit_length() >= 63:
            found.add("long int" if part.bit_length() >= 2000 else "int of no column")
        elif type(part) is str:
            found |= {"surrogate" for c in part if "\ud800" <= c <= "\udfff"} | {"NUL" for c in part if c == "\0"}
        elif type(part) is bytes and len(part) >= 1024:
            found.add("long bytes")
    if take_apart([value]).kind == "pickle":
        found.add("needs pickle")
    return found


def _array_features(array: Any) -> set[str]:
    flags = array.flags
    layout = "strided" if not flags.forc else "C" if flags.c_contiguous else "F"
    found = {f"array {layout}", f"{array.ndim}-d", f"kind {array.dtype.kind}"}
    found |= {"structured"} if array.dtype.names else {f"order {array.dtype.byteorder}"}
    return found | ({"empty"} if not array.size else set()) | (set() if flags.writeable else {"read-only"})


def yielded(strategy: Any, features: Callable[[Any], Iterable[Any]], wanted: set[Any]) -> set[Any]:
    """Return the features of what a strategy yields, from seed after seed until all that are wanted were seen."""
    found: set[Any] = set()

    def look(value: Any) -> None:
        found.update(features(value))

    for number in range(40):
        seed(number)(fixed(given(strategy)(look)))()
        if found >= wanted:
            break
    return found


ARRAY_FEATURES = {
    "array C", "array F", "array strided", "0-d", "1-d", "2-d", "3-d", "empty", "read-only", "structured",
    "order >", "order =", *(f"kind {kind}" for kind in "biufcmMSUV"),
}  # fmt: skip
SCALAR_FEATURES = {
    "NoneType", "bool", "int", "float", "complex", "str", "bytes", "bytearray", "ellipsis", "range", "slice", "date",
    "datetime", "time", "timedelta", "timezone", "Decimal", "Fraction", "UUID", "PurePosixPath", "PureWindowsPath",
    *(f"numpy {kind}" for kind in "biufcmMSU"), "NaN", "minus zero", "long int", "int of no column", "surrogate", "NUL", "long bytes",
}  # fmt: skip
CONTAINER_FEATURES = {
    "list", "tuple", "dict", "OrderedDict", "set", "frozenset", "slice", "kind O", "shared", "depth 3", "ndarray", "str", "int",
}  # fmt: skip


def test_scalars_are_of_every_kind():
    """The strategy yields every type that has no parts, and the odd ones among their values."""
    assert yielded(scalars(), _features, SCALAR_FEATURES) >= SCALAR_FEATURES


def test_arrays_are_of_every_kind():
    """The strategy yields every plain dtype, order and layout, empty arrays, and those without dimensions."""
    assert yielded(arrays(), _features, ARRAY_FEATURES) >= ARRAY_FEATURES


def test_values_are_nested_and_shared():
    """The strategy yields every kind of container, nested and with shared parts, and nothing that needs pickle."""
    found = yielded(values(), _features, CONTAINER_FEATURES)
    assert found >= CONTAINER_FEATURES
    assert "needs pickle" not in found


def test_arguments_are_more_than_values():
    """The strategy yields all that values may be, and what has a digest although it needs pickle."""
    wanted = CONTAINER_FEATURES | {"needs pickle", "a dtype"}
    assert yielded(arguments(), _features, wanted) >= wanted


def test_signatures_have_every_kind_of_parameter():
    """The strategy yields parameters of each kind, with defaults and without, alone and with all others."""

    def features(signature: inspect.Signature) -> Iterator[Any]:
        parameters = signature.parameters.values()
        yield from ((p.kind.name, p.default is not p.empty) for p in parameters)
        yield len({p.kind for p in parameters})

    plain = {"POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY"}
    stars = {("VAR_POSITIONAL", False), ("VAR_KEYWORD", False)}
    wanted = {(name, given) for name in plain for given in (True, False)} | stars | {0, 1, 2, 3, 4, 5}
    assert yielded(signatures(), features, wanted) == wanted


def test_calls_are_spelled_in_every_way():
    """The two spellings differ in what is positional, in the order of names, and in defaults written out."""

    def features(call: SameCall) -> Iterator[str]:
        (args, kwargs), (other_args, other_kwargs) = call.one, call.other
        received = call.func(*args, **kwargs)
        assert digest(received) == digest(call.func(*other_args, **other_kwargs))
        if len(args) != len(other_args):
            yield "positional or by name"
        if list(kwargs) != list(other_kwargs) and set(kwargs) == set(other_kwargs):
            yield "order of names"
        if len(args) + len(kwargs) != len(other_args) + len(other_kwargs):
            yield "defaults written out"
        if any(isinstance(value, dict) and value.keys() & received.keys() for value in received.values()):
            yield "one name twice"

    wanted = {"positional or by name", "order of names", "defaults written out", "one name twice"}
    assert yielded(calls(scalars()), features, wanted) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pd.Series([None, "a"], dtype=object), pd.Series([np.nan, "a"], dtype=object)),
        (pd.Series([0.0]), pd.Series([-0.0])),
        (pd.Series([1, True], dtype=object), pd.Series([True, 1], dtype=object)),
        (pd.date_range("2026", periods=3), pd.DatetimeIndex(["2026-01-01", "2026-01-02", "2026-01-03"])),
        (pd.Timestamp("2026").as_unit("s"), pd.Timestamp("2026").as_unit("ns")),
        (pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}), pa.table({"a": [1]})),
        (sparse.csr_array((2, 2)), sparse.csr_array((2, 3))),
        (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1.0]})),
        (xr.Dataset({"a": 1}), xr.Dataset({"a": 1}, attrs={"b": 2})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_tables_that_can_be_told_apart_are_told_apart(one, other):
    """What libraries' own comparisons pass over, kinds of missing values, signs, units, metadata, is a difference here."""
    assert not same(one, other)
    assert same(one, copy.deepcopy(one))
    assert same({"k": [one]}, {"k": [copy.deepcopy(one)]})
