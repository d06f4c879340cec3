"""Sameness of tables, stricter than any library's own comparison. Loaded when such a value is compared."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from resultstore.testing._same import assert_same


def assert_same_pandas(one: Any, other: Any) -> None:
    """Check two pandas objects: types, dtypes, bits, kinds of missing values, names, zones, flags, attrs."""
    assert type(one) is type(other)
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(
            one, other, check_exact=True, check_freq=True, check_flags=True, check_names=False
        )
        assert_same_pandas(one.columns, other.columns)
        assert_same_pandas(one.index, other.index)
        for i in range(one.shape[1]):
            assert_same_array(one.iloc[:, i], other.iloc[:, i])
    elif isinstance(one, pd.Series):
        pd.testing.assert_series_equal(
            one, other, check_exact=True, check_freq=True, check_flags=True, check_names=False
        )
        assert_same_pandas(one.index, other.index)
        assert_same(one.name, other.name)
        assert_same_array(one, other)
    elif isinstance(one, pd.MultiIndex):
        pd.testing.assert_index_equal(one, other, exact=True, check_names=False)
        assert len(one.levels) == len(other.levels)
        for a, b in zip(one.levels, other.levels, strict=True):
            assert_same_pandas(a, b)
        assert_same([np.asarray(code) for code in one.codes], [np.asarray(code) for code in other.codes])
        assert_same(list(one.names), list(other.names))
        assert one.sortorder == other.sortorder
    elif isinstance(one, pd.RangeIndex):
        assert (one.start, one.stop, one.step) == (other.start, other.stop, other.step)
        assert_same(one.name, other.name)
    elif isinstance(one, pd.Index):
        # Before pandas' own comparison, which in some versions warns of frequencies that differ.
        assert getattr(one, "freq", None) == getattr(other, "freq", None)
        assert type(getattr(one, "freq", None)) is type(getattr(other, "freq", None))
        pd.testing.assert_index_equal(one, other, exact=True, check_names=False)
        assert_same(one.name, other.name)
        assert_same_array(one, other)
    elif isinstance(one, pd.api.extensions.ExtensionArray):
        assert_same_array(one, other)
    elif isinstance(one, pd.api.extensions.ExtensionDtype):
        assert_same_dtype(one, other)
    else:
        assert repr(one) == repr(other)
        assert getattr(one, "unit", None) == getattr(other, "unit", None)
        assert type(getattr(one, "tz", None)) is type(getattr(other, "tz", None))
    if isinstance(one, (pd.DataFrame, pd.Series)):
        assert_same(one.attrs, other.attrs)


def assert_same_array(one: Any, other: Any) -> None:
    """Check the arrays below two pandas objects, bit for bit."""
    assert type(one) is type(other)
    assert_same_dtype(one.dtype, other.dtype)
    array = one if isinstance(one, pd.api.extensions.ExtensionArray) else one.array
    back = other if isinstance(other, pd.api.extensions.ExtensionArray) else other.array
    assert type(array) is type(back)
    assert len(array) == len(back)
    if isinstance(one.dtype, np.dtype):
        a, b = np.array(one), np.array(other)
        assert_same(a, b) if a.dtype == object else assert_same(a.tobytes(), b.tobytes())
    elif isinstance(array, (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)):
        assert (array._mask == back._mask).all()
        assert array._data[~array._mask].tobytes() == back._data[~back._mask].tobytes()
    elif isinstance(array, pd.Categorical):
        assert_same_pandas(array.categories, back.categories)
        assert_same(np.array(array.codes), np.array(back.codes))
    elif isinstance(array, (pd.arrays.DatetimeArray, pd.arrays.PeriodArray)):
        assert (array.asi8 == back.asi8).all()
    elif isinstance(array, pd.arrays.IntervalArray):
        assert_same_pandas(array.left, back.left)
        assert_same_pandas(array.right, back.right)
        assert array.closed == back.closed
    elif isinstance(array, pd.arrays.ArrowExtensionArray) and not isinstance(one.dtype, pd.StringDtype):
        assert array.__arrow_array__().type == back.__arrow_array__().type
        assert [repr(x) for x in array] == [repr(x) for x in back]
    else:
        assert [(type(x), x if type(x) is str else repr(x)) for x in array] == [
            (type(x), x if type(x) is str else repr(x)) for x in back
        ]


def assert_same_dtype(one: Any, other: Any) -> None:
    """Check two dtypes, with what equality does not look at: a zone's type, the kind of missing value."""
    assert type(one) is type(other)
    assert one == other
    assert repr(one) == repr(other)
    if isinstance(one, pd.DatetimeTZDtype):
        assert type(one.tz) is type(other.tz)
        assert str(one.tz) == str(other.tz)
        then = datetime.datetime(1950, 7, 1)  # noqa: DTZ001 -- zones are asked about a time without one
        assert one.tz.utcoffset(then) == other.tz.utcoffset(then)
    if isinstance(one, pd.StringDtype):
        assert one.storage == other.storage
        assert one.na_value is other.na_value
    if isinstance(one, pd.CategoricalDtype):
        assert one.ordered is other.ordered
        assert_same_pandas(one.categories, other.categories)
    if isinstance(one, pd.ArrowDtype):
        assert one.pyarrow_dtype.equals(other.pyarrow_dtype)


def is_same_arrow(one: Any, other: Any) -> bool:
    """Say whether two Arrow values are equal in type, content, names, flags and metadata; NaN equals NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, (pa.Table, pa.RecordBatch)):
        same = one.schema.equals(other.schema, check_metadata=True) and one.num_rows == other.num_rows
        return bool(same and all(map(is_same_arrow, one.columns, other.columns)))
    if not isinstance(one, (pa.Array, pa.ChunkedArray)):
        return bool(one.equals(other)) if hasattr(one, "equals") else bool(one == other)
    if isinstance(one, pa.DictionaryArray) and not one.dictionary.equals(other.dictionary):
        return False
    return bool(
        # By repr: Arrow's own comparison takes 0.0 for -0.0, and no NaN for another.
        one.type == other.type and one.to_pylist().__repr__() == other.to_pylist().__repr__()
    )
