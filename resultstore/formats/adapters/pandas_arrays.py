"""pandas' arrays, those of a series or an index too, as parts of a skeleton."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node
from resultstore.formats.adapters.pandas_columns import from_arrow, from_texts, short_texts, to_arrow

_SHORT_ROWS = 100
"""Texts up to this number lie in the skeleton: a leaf costs more."""


def array_of(value: Any) -> Any:
    """Return the array below a series or an index: numpy's where pandas adds nothing to it."""
    return value.to_numpy() if isinstance(value.dtype, np.dtype) else value.array


def part_of(array: Any) -> Any:
    """Return what stands for an array that belongs to one holder alone.

    A view, for the very array may be held elsewhere in the result, and two pandas objects over one
    loaded array would not know of each other's changes.
    """
    if type(array) is not np.ndarray:
        return array.view()
    texts = to_arrow(array) if array.dtype == object and len(array) > _SHORT_ROWS else None
    return array.view() if texts is None else one_column(*texts)


def loaded(array: Any) -> Any:
    """Return a loaded array as pandas holds it: exactly numpy's type, and writeable if its memory is.

    pandas 3 shows its own arrays read-only, so that what was stored says nothing of that.
    """
    if not isinstance(array, np.ndarray):
        return array
    plain: Any = array if type(array) is np.ndarray else array.view(np.ndarray)  # a map of a file
    if not plain.flags.writeable:
        with contextlib.suppress(ValueError):
            plain.flags.writeable = True
    return plain


def take_array(array: Any) -> Node | None:
    """Return the node of an extension array."""
    short = short_texts(array, _SHORT_ROWS)
    if short is not None:
        return Node("pandas.array", short)
    if type(array) is pd.arrays.IntervalArray:
        return Node("pandas.IntervalArray", (array.left, array.right, array.closed), (".left", ".right"))
    if isinstance(array.dtype, np.dtype):
        return None  # pandas' own array of numpy's dates, which would come back as numpy's
    if type(array) is pd.arrays.DatetimeArray and getattr(array, "freq", None) is not None:
        return None  # before pandas 3 the array has it, not its index
    way = to_arrow(array)
    return None if way is None else one_column(*way)


def one_column(how: Any, array: pa.Array) -> Node:
    """Return the node of an array that Arrow keeps."""
    return Node("pandas.array", (how, pa.Table.from_arrays([array], names=["values"])))


def _build_array(how: Any, data: Any) -> Any:
    if isinstance(data, list):
        return from_texts(how, data)
    if data.num_columns != 1:
        raise DamagedError("an array's table has one column")
    return from_arrow(how, data.column(0))


def _string_arrays() -> set[type]:
    """Return the classes of string arrays, some of which have no public name."""
    found = set()
    for storage, missing in (("python", pd.NA), ("pyarrow", pd.NA), ("python", np.nan), ("pyarrow", np.nan)):
        with contextlib.suppress(Exception):  # before pandas 2.3 there are but three, and no way to ask for one
            found.add(pd.StringDtype(storage, missing).construct_array_type())
    if not found:
        storages = ("python", "pyarrow", "pyarrow_numpy")
        found.update(pd.StringDtype(storage).construct_array_type() for storage in storages)
    return found


_STRINGS = _string_arrays()
TAKE = dict.fromkeys(
    (
        pd.arrays.ArrowExtensionArray, pd.arrays.BooleanArray, pd.Categorical,
        pd.arrays.DatetimeArray, pd.arrays.FloatingArray, pd.arrays.IntegerArray, pd.arrays.IntervalArray,
        pd.arrays.PeriodArray, *_STRINGS,
    ),
    take_array,
)  # fmt: skip
BUILD = {"pandas.array": _build_array, "pandas.IntervalArray": pd.arrays.IntervalArray.from_arrays}
