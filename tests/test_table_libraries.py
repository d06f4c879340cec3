"""pyarrow, polars, scipy and xarray as results."""

from __future__ import annotations

import datetime
import decimal
import math
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal
from scipy import sparse

from resultstore import CacheWarning
from resultstore.formats import adapters
from resultstore.formats.base import is_for_the_user
from resultstore.testing import assert_same
from resultstore.testing._tables import assert_same_pandas, is_same_arrow
from tests.tables import ARROW_ARRAYS, ARROW_TABLES, REFUSED_BY_ARROW, through_bytes
from tests.test_tables import compare, hits

# -- pyarrow -----------------------------------------------------------------------------------

ARROW_VALUES = [
    *ARROW_TABLES, *ARROW_ARRAYS, *(array.slice(1) for array in ARROW_ARRAYS), *(array.slice(0, 0) for array in ARROW_ARRAYS),
    ARROW_TABLES[0].to_batches()[0], ARROW_TABLES[0].to_batches()[0].slice(1), pa.RecordBatch.from_pydict({"a": pa.array([], pa.int8())}),
    pa.chunked_array([[1], [2, 3]]), pa.chunked_array([], pa.int8()), pa.chunked_array([["a"], [None]]),
]  # fmt: skip


def test_arrow_values_come_back(folder):
    """pyarrow's tables, batches and arrays come back with types, names, flags and metadata, without pickle."""

    def check(one, other):
        assert is_same_arrow(one, other)

    compare(ARROW_VALUES, hits(folder, ARROW_VALUES), check)


def test_arrow_tables_are_leaves(folder, sql):
    """A pyarrow table is a result of one leaf, as an array is."""
    hits(folder, [ARROW_TABLES[0]])
    assert sql("SELECT kind FROM call") == [("leaf",)]


@pytest.mark.parametrize("number", range(1, len(REFUSED_BY_ARROW)))
def test_arrow_tables_of_other_types_go_by_pickle(folder, number):
    """Unions, run ends, dictionaries that differ from chunk to chunk, and what looks like an extension go by pickle."""
    (back,) = hits(folder, [REFUSED_BY_ARROW[number]], pickled=True)
    assert back.equals(REFUSED_BY_ARROW[number])


# -- polars ------------------------------------------------------------------------------------

POLARS_SERIES = [
    pl.Series("i", [1, None, 3]), pl.Series("f", [1.5, math.nan, None, -0.0]), pl.Series("s", ["a", None, "naïve" * 9]), pl.Series("b", [True, None]),
    pl.Series("bin", [b"a", None, b""]), pl.Series("d", [datetime.date(1, 1, 1), None]), pl.Series("t", [datetime.time(1, 2), None]),
    *(pl.Series("dt", [datetime.datetime(2020, 1, 1), None], dtype=pl.Datetime(unit, zone)) for unit in ("ms", "us", "ns") for zone in (None, "Europe/Berlin")),
    *(pl.Series("td", [datetime.timedelta(1), None], dtype=pl.Duration(unit)) for unit in ("ms", "us", "ns")), pl.Series("n", [None, None]),
    pl.Series("l", [[1], None, []]), pl.Series("st", [{"a": 1}, {"a": None}, None]), pl.Series("arr", [[1, 2], None], dtype=pl.Array(pl.Int8, 2)),
    pl.Series("dec", [decimal.Decimal("1.1"), None], dtype=pl.Decimal(9, 2)), pl.Series("c", ["b", "a", None], dtype=pl.Categorical), pl.Series("", [1], dtype=pl.UInt8),
    pl.Series("e", ["a", "b", None], dtype=pl.Enum(["b", "a", "z"])), pl.Series("le", [["a"], None], dtype=pl.List(pl.Enum(["a"]))),
]  # fmt: skip


def check_polars(one: Any, other: Any) -> None:
    """Check two polars values, with the order of categories and the categories of an Enum."""
    if isinstance(one, pl.DataFrame):
        assert_frame_equal(one, other, check_exact=True, categorical_as_str=True)
        assert repr(one.schema) == repr(other.schema)
    else:
        assert_series_equal(one, other, check_exact=True, categorical_as_str=True)
        assert (one.name, repr(one.dtype)) == (other.name, repr(other.dtype))
        if one.dtype == pl.Categorical:
            assert one.sort().to_list() == other.sort().to_list()


def test_polars_values_come_back(folder):
    """polars frames and series of every dtype that Arrow knows come back, empty ones too, without pickle."""
    frame = pl.DataFrame(
        [series.slice(0, 2).alias(str(i)) for i, series in enumerate(POLARS_SERIES) if len(series) > 1]
    )
    values = [
        *POLARS_SERIES,
        *(s.slice(0, 0) for s in POLARS_SERIES),
        frame,
        frame.slice(0, 0),
        pl.DataFrame(),
        pl.concat([frame, frame]),
    ]
    compare(values, hits(folder, values), check_polars)


@pytest.mark.parametrize("value", [pl.Series([1, None], dtype=pl.Int128), pl.DataFrame({"a": [1]}).lazy()], ids=str)
def test_polars_values_that_arrow_does_not_know_go_by_pickle(folder, value):
    """What pyarrow has no type for, and queries that have not run, go by pickle."""
    (back,) = hits(folder, [value], pickled=True)
    assert type(back) is type(value)


# -- scipy -------------------------------------------------------------------------------------


def _sparse() -> list[Any]:
    base = sparse.random(20, 30, 0.1, format="csr", random_state=0)
    kinds = ("csr", "csc", "coo", "bsr", "dia")
    values = [getattr(sparse, f"{kind}_{face}")(base) for kind in kinds for face in ("matrix", "array")]
    wide = base.copy()
    wide.indices, wide.indptr = wide.indices.astype("i8"), wide.indptr.astype("i8")
    values += [
        wide, sparse.csr_array((np.ones(3), [2, 1, 1], [0, 3]), shape=(1, 30)), sparse.csr_matrix((0, 5)), base.astype("c8"),
        sparse.coo_matrix((np.ones(3, "i2"), ([0, 0, 0], [1, 1, 2])), shape=(1, 30)), sparse.bsr_matrix(np.kron(np.eye(3), np.ones((2, 5))), blocksize=(2, 5)),
    ]  # fmt: skip
    return values


def check_sparse(one: Any, other: Any) -> None:
    """Check two sparse matrices by their arrays."""
    assert type(one) is type(other)
    assert one.shape == other.shape
    assert one.dtype == other.dtype
    for name in (
        "data",
        "indices",
        "indptr",
        "row",
        "col",
        "offsets",
        "blocksize",
        "has_sorted_indices",
        "has_canonical_format",
    ):
        if hasattr(one, name):
            assert_same(getattr(one, name), getattr(other, name))
    assert_same((one @ np.ones(one.shape[1])).tobytes(), (other @ np.ones(one.shape[1])).tobytes())


def test_sparse_matrices_come_back(folder):
    """Sparse matrices and arrays come back with kind, shape, integers, order and flags, without pickle."""
    values = _sparse()
    compare(values, hits(folder, values), check_sparse)


@pytest.mark.parametrize("kind", ["lil", "dok"])
def test_sparse_matrices_of_lists_and_dicts_go_by_pickle(folder, kind):
    """Kinds that are made of Python objects go by pickle."""
    value = _sparse()[0].asformat(kind)
    (back,) = hits(folder, [value], pickled=True)
    assert (back.toarray() == value.toarray()).all()


# -- xarray ------------------------------------------------------------------------------------


def _labelled() -> xr.DataArray:
    coords = {
        "time": pd.date_range("2020", periods=3, freq="D"),
        "x": list("abcd"),
        "label": ("x", [1, 2, 3, 4]),
        "scalar": 5,
    }
    array = xr.DataArray(
        np.arange(12.0).reshape(3, 4), dims=("time", "x"), coords=coords, name="n", attrs={"unit": "m"}
    )
    array.encoding = {"scale_factor": 2.0}
    return array


def _dataset() -> xr.Dataset:
    array = _labelled()
    return xr.Dataset({"a": array, "b": ("y", np.arange(3)), "c": ("x", np.array(["q"] * 4))}, attrs={"title": "t"})


LABELLED = [
    _labelled(), xr.DataArray(np.arange(3)), xr.DataArray(5.0), xr.DataArray(np.array(["a", None], dtype=object), dims="z"), _dataset(),
    _dataset().transpose("x", "time", "y"), xr.Dataset(), xr.Dataset({"z": ("q", [1, 2])}, coords={"q": [3.0, 4.0]}),
]  # fmt: skip


def check_labelled(one: Any, other: Any) -> None:
    """Check two xarray values, with orders, encodings and indexes."""
    assert type(one) is type(other)
    assert one.identical(other)
    assert one.encoding == other.encoding
    assert list(one.sizes.items()) == list(other.sizes.items())
    assert list(one.coords) == list(other.coords)
    assert list(getattr(one, "variables", ())) == list(getattr(other, "variables", ()))
    for name in one.coords:
        assert one[name].dtype == other[name].dtype
        assert one[name].encoding == other[name].encoding
    for name, index in one.indexes.items():
        assert_same_pandas(index, other.indexes[name])


def test_labelled_arrays_come_back(folder):
    """xarray's arrays and datasets come back with dims, coordinates, indexes, attrs, encodings and orders, without pickle."""
    compare(LABELLED, hits(folder, LABELLED), check_labelled)


@pytest.mark.parametrize(
    "change",
    [lambda a: a.stack({"s": ("time", "x")}), lambda a: a.drop_indexes("x")],  # noqa: PD013
    ids=["stacked", "no index"],
)
def test_labelled_arrays_with_other_indexes_go_by_pickle(folder, change):
    """An index that is not the plain one of its dimension goes by pickle."""
    value = change(_labelled())
    (back,) = hits(folder, [value], pickled=True)
    assert back.identical(value)


# -- sharing -----------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0, 1, 2, 3]), min_size=1, max_size=6))
def test_sharing_of_tables_survives(places):
    """Whatever table lies at several places of a result, the same places hold one object again."""
    pool = [pd.Series([1, 2]), pa.table({"a": [1]}), pl.Series([1]), sparse.csr_array(np.eye(2))]
    kind, back = through_bytes([pool[i] for i in places])
    assert kind == "tree"
    assert [[a is b for b in back] for a in back] == [[a == b for b in places] for a in places]


def test_storing_a_sparse_matrix_leaves_it_as_it_was(store):
    """A matrix learns nothing of itself by being stored, so changes in place do what they would have done."""

    def make():
        return sparse.csr_matrix((np.array([1.0, 2, 3]), np.array([2, 1, 0]), np.array([0, 3])), shape=(1, 3))

    f = store.cache(make)
    for _ in range(2):
        matrix = f()
        assert vars(matrix).keys() == vars(make()).keys()
        matrix.indices[:] = [2, 1, 0]
        matrix.sort_indices()
        assert matrix.indices.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["csr_matrix", "coo_array"])
def test_indices_beyond_a_sparse_matrix_are_damage(kind):
    """A tampered shape is refused before scipy writes out of bounds."""
    node = adapters.take(getattr(sparse, kind)(np.eye(5)))
    with pytest.raises(Exception, match=r"coordinates|ind"):
        adapters.build(node.tag, [(2, 2), *list(node.parts)[1:]])


@pytest.mark.parametrize("make", [
    lambda: pl.DataFrame({"a\0b": [1]}),
    lambda: pa.RecordBatch.from_pandas(pd.DataFrame(index=range(3)), preserve_index=False),
])  # fmt: skip
def test_what_a_library_panics_at_is_returned_all_the_same(store, make, capfd):
    """What an adapter cannot keep whole, be it by a panic that is no Exception, reaches the caller, and hits if it can."""
    f = store.cache(make)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        value = f()
    assert type(value) is type(make())
    assert store.verify() == []
    if f.check_call_in_cache():
        assert type(f()) is type(value)


def test_only_panics_are_stopped():
    """Interrupts and exits go through wherever a library's failure is stopped."""
    assert is_for_the_user(KeyboardInterrupt())
    assert is_for_the_user(SystemExit())
    assert not is_for_the_user(ValueError())
    assert not is_for_the_user(type("PanicException", (BaseException,), {})())


def test_spare_room_of_a_sparse_matrix(store):
    """A matrix with more room than it uses goes by pickle, which keeps that too; one without goes as arrays."""

    def make():
        matrix = sparse.csr_matrix(np.eye(3))
        matrix.data = np.append(matrix.data, [9.0, 9.0])
        matrix.indices = np.append(matrix.indices, [0, 0]).astype(matrix.indices.dtype)
        return matrix

    f = store.cache(make)
    f()
    assert len(f().data) == 5
    assert (f().toarray() == np.eye(3)).all()
