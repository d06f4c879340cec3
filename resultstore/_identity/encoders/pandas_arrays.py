"""Encoders for one column of a pandas table, and for pandas' arrays."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from resultstore._identity.encoding import Node, named


class Objects:
    """An object column, which mostly holds texts."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array


class Times:
    """An array of dates, times or periods in a table, whose frequency is the index's to tell."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array


def column(array: Any) -> Any:
    """Return what stands for a column: an array of numpy's, an object column, or pandas' own array."""
    if not isinstance(array.dtype, np.dtype):
        return Times(array) if type(array) in _FREQUENT else array
    plain = np.asarray(array)
    return Objects(plain) if plain.dtype == object and plain.ndim == 1 else plain


def values_of(holder: Any) -> Any:
    """Return what stands for the values of a series or an index."""
    return column(holder.to_numpy() if isinstance(holder.dtype, np.dtype) else holder.array)


def _objects(column: Objects) -> Node:
    array = column.array
    items = array.tolist()
    kinds = set(map(type, items))
    if kinds == {str}:
        return _texts("", items)
    if kinds == {str, type(None)}:
        return _texts("None", items)
    if kinds == {str, float} and all(item != item for item in items if type(item) is float):  # NaN, whatever its bits
        return _texts("nan", items)
    return _as_they_are(array)


def _as_they_are(array: Any) -> Node:
    return (yield array)


def _texts(missing: str, items: list[Any]) -> Node:
    """Encode texts by their lengths and all of them in one; a length of -1 is what is missing."""
    if missing:
        lengths = np.array([len(item) if type(item) is str else -1 for item in items], "<i8")
        items = [item for item in items if type(item) is str]
    else:
        lengths = np.fromiter(map(len, items), "<i8", len(items))
    return named("texts", (missing, lengths, "".join(items)))


def _masked(array: Any) -> Node:
    data = array._data
    if array._mask.any():  # nobody sees what lies under it
        data = np.where(array._mask, np.zeros((), data.dtype), data)
    return named("pandas.masked", (array.dtype, data, array._mask))


def _strings(array: Any) -> Node:
    if array.dtype.storage.startswith("pyarrow"):
        return named("pandas.strings", (array.dtype, array.__arrow_array__()))
    objects = np.asarray(array, dtype=object)
    missing = pd.isna(objects)
    items = [None if is_missing else item for item, is_missing in zip(objects.tolist(), missing.tolist(), strict=True)]
    plain = np.empty(len(items), object)
    plain[:] = items
    return named("pandas.strings", (array.dtype, Objects(plain)))


def _times(array: Any) -> Node:
    return named("pandas.times", (type(array).__name__, array.dtype, array.asi8))


def _times_alone(array: Any) -> Node:
    freq = getattr(array, "freq", None)  # before pandas 3; a period's is its dtype's
    if freq is None or type(array) not in _FREQUENT:
        return _times(array)
    return named("pandas.times", (type(array).__name__, array.dtype, array.asi8, freq))


_FREQUENT = (pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray)


def _sparse(array: Any) -> Node:
    index = array.sp_index.to_int_index().indices
    return named("pandas.SparseArray", (array.dtype, len(array), array.kind, array.sp_values, index))


def _string_arrays() -> set[type]:
    """Return the classes of string arrays, some of which have no public name."""
    found = set()
    for options in (("python",), ("pyarrow",), ("python", np.nan), ("pyarrow", np.nan)):
        with contextlib.suppress(Exception):  # before pandas 2.3 there is no way to ask for what is missing
            found.add(type(pd.array(["a"], dtype=pd.StringDtype(*options))))
    if len(found) < 3:
        with contextlib.suppress(Exception):
            found.add(type(pd.array(["a"], dtype=pd.StringDtype("pyarrow_numpy"))))
    return found


MAKERS: dict[type, Callable[[Any], Node]] = {
    Objects: _objects,
    **dict.fromkeys((pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray), _masked),
    pd.Categorical: lambda v: named("pandas.Categorical", (v.dtype, np.asarray(v.codes))),
    Times: lambda v: _times(v.array),
    **dict.fromkeys((*_FREQUENT, pd.arrays.PeriodArray), _times_alone),
    pd.arrays.IntervalArray: lambda v: named("pandas.IntervalArray", (values_of(v.left), values_of(v.right), v.closed)),
    pd.arrays.SparseArray: _sparse,
    pd.arrays.ArrowExtensionArray: lambda v: named("pandas.ArrowExtensionArray", (v.__arrow_array__(),)),
    pd.arrays.NumpyExtensionArray: lambda v: named("pandas.NumpyExtensionArray", (v.to_numpy(),)),
    **dict.fromkeys(_string_arrays(), _strings),
}
