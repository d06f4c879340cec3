"""pandas' frames and series as nodes; its indexes, arrays and scalars are in modules of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node, pandas_arrays, pandas_indexes, pandas_scalars
from resultstore.formats.adapters.pandas_arrays import array_of, loaded, part_of
from resultstore.formats.adapters.pandas_columns import from_arrow, to_arrow
from resultstore.formats.atoms import is_unicode

_WIDE = 64
"""With more numpy columns a loaded frame is put into few blocks: pandas is slow with many, and warns of them."""


def take(value: Any) -> Node | None:
    """Return the node of a value of exactly a known type."""
    taker = _TAKE.get(type(value))
    return None if taker is None else taker(value)


def _take_frame(frame: pd.DataFrame) -> Node | None:
    common = (frame.columns, frame.index, dict(frame.attrs), frame.flags.allows_duplicate_labels)
    labels = (".columns", ".index", ".attrs", "")
    dtypes = list(frame.dtypes)
    if dtypes and _is_one_block(dtypes):
        return Node("pandas.Block", (*common, frame.to_numpy().view()), (*labels, ".values"))
    ways: list[Any] = []
    columns: dict[int, pa.Array] = {}
    for i in range(len(dtypes)):
        array = array_of(frame.iloc[:, i])
        way = to_arrow(array)
        if way is None:
            ways.append(part_of(array))
        else:
            ways.append(way[0])
            columns[i] = way[1]
    names = _names(frame.columns)
    table = pa.Table.from_arrays(list(columns.values()), names=[names[i] for i in columns]) if columns else None
    steps = (f".iloc[:, {i}]" for i in range(len(ways)))
    return Node("pandas.DataFrame", (*common, table, *ways), (*labels, "", *steps))


def _is_one_block(dtypes: list[Any]) -> bool:
    """Say whether the columns are one array to pandas: then they are stored as it, and come back as it."""
    first = dtypes[0]
    return isinstance(first, np.dtype) and first.kind in "biufcmM" and all(dtype == first for dtype in dtypes)


def _names(columns: pd.Index) -> list[str]:
    """Return the names of an Arrow table's columns: the frame's own where they are texts, for other readers."""
    names: list[Any] = columns.tolist()
    if all(type(name) is str and is_unicode(name) for name in names) and len(set(names)) == len(names):
        return names
    return [str(i) for i in range(len(names))]


def _is_in_table(way: Any) -> bool:
    return type(way) is str or isinstance(way, pd.api.extensions.ExtensionDtype)


def _build_frame(columns: pd.Index, index: pd.Index, attrs: Any, unique: bool, table: Any, *ways: Any) -> Any:
    arrows = iter(table.columns if table is not None else ())
    arrays = [from_arrow(way, next(arrows)) if _is_in_table(way) else loaded(way) for way in ways]
    if next(arrows, None) is not None or any(len(array) != len(index) for array in arrays):
        raise DamagedError("a frame's table is not that of its columns")
    is_wide = sum(isinstance(array, np.ndarray) for array in arrays) > _WIDE
    # Objects as series: pandas would look at bare ones, and make dates or texts of them.
    held = [_series(array, index) if array.dtype == object else array for array in arrays]
    frame = pd.DataFrame(dict(enumerate(held)), index=index, copy=is_wide)
    frame.columns = columns
    return _finish(frame, attrs, unique)


def _build_block(columns: pd.Index, index: pd.Index, attrs: Any, unique: bool, values: Any) -> Any:
    return _finish(pd.DataFrame(loaded(values), index=index, columns=columns, copy=False), attrs, unique)


def _finish(value: Any, attrs: Any, unique: bool) -> Any:
    if attrs:
        value.attrs = attrs
    if not unique:
        value.flags.allows_duplicate_labels = False
    return value


def _take_series(series: pd.Series) -> Node | None:
    hash(series.name)  # one that pandas itself would not take again
    parts = (
        series.index,
        part_of(array_of(series)),
        series.name,
        dict(series.attrs),
        series.flags.allows_duplicate_labels,
    )
    return Node("pandas.Series", parts, (".index", ".values", ".name", ".attrs"))


def _series(array: Any, index: pd.Index, name: Any = None) -> pd.Series:
    return pd.Series(array, index=index, dtype=array.dtype, name=name, copy=False)


def _build_series(index: pd.Index, array: Any, name: Any, attrs: Any, unique: bool) -> Any:
    return _finish(_series(loaded(array), index, name), attrs, unique)


_TAKE: dict[type, Callable[[Any], Node | None]] = {
    pd.DataFrame: _take_frame,
    pd.Series: _take_series,
    **pandas_arrays.TAKE,
    **pandas_indexes.TAKE,
    **pandas_scalars.TAKE,
}
BUILD: dict[str, Callable[..., Any]] = {
    "pandas.DataFrame": _build_frame,
    "pandas.Block": _build_block,
    "pandas.Series": _build_series,
    **pandas_arrays.BUILD,
    **pandas_indexes.BUILD,
    **pandas_scalars.BUILD,
}
