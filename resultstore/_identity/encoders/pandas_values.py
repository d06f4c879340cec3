"""Encoders for pandas: a table is its columns, labels, attributes and flags; never its blocks or caches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from resultstore._identity.encoders import pandas_arrays, pandas_scalars
from resultstore._identity.encoders.pandas_arrays import column, values_of
from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import STATES, with_attributes

_FREQUENT = (pd.DatetimeIndex, pd.TimedeltaIndex)


def _columns(frame: pd.DataFrame) -> Iterator[Any]:
    arrays = getattr(frame, "_iter_column_arrays", None)
    if arrays is not None:  # without a series for each: 20 times as fast on wide frames
        return map(column, arrays())
    return (values_of(frame.iloc[:, i]) for i in range(frame.shape[1]))


def _frame(frame: pd.DataFrame) -> Node:
    told = (frame.columns, frame.index, dict(frame.attrs), frame.flags.allows_duplicate_labels)
    return named("pandas.DataFrame", (*told, *_columns(frame)))


def _series(series: pd.Series) -> Node:
    told = (series.index, series.name, dict(series.attrs), series.flags.allows_duplicate_labels)
    return named("pandas.Series", (*told, values_of(series)))


def _index(index: Any) -> Node:
    kind = type(index).__name__
    freq = (index.freq,) if type(index) in _FREQUENT else ()
    return named(f"pandas.{kind}", (index.name, values_of(index), *freq))


def _range(index: pd.RangeIndex) -> Node:
    return named("pandas.RangeIndex", (index.name, index.start, index.stop, index.step))


def _multi(index: pd.MultiIndex) -> Node:
    codes = tuple(np.asarray(code) for code in index.codes)
    return named("pandas.MultiIndex", (tuple(index.names), tuple(index.levels), codes, index.sortorder))


def _own_state(value: Any) -> dict[str, Any]:
    """Return what a subclass adds: the attributes that it names for pandas to carry along."""
    return {name: getattr(value, name, None) for name in value._metadata if name not in ("_name", "name")}


_INSIDE = frozenset(
    "_mgr _item_cache _attrs _flags _name _index _is_copy _cacher _subtyp _typ _metadata _cache _data _codes _levels "
    "_names _sortorder _engine _id _references _no_setting_name _range _freq _left _right _closed".split()
)


def _given(value: Any) -> dict[str, Any]:
    """Return the attributes that a table was given beside those that its class names: pandas lets anybody set some."""
    known = value._metadata if isinstance(value, (pd.DataFrame, pd.Series)) else ()
    return {n: part for n, part in vars(value).items() if n not in _INSIDE and n not in known}


def _given_index(index: Any) -> dict[str, Any]:
    # pandas' own begin so, and differ from version to version.
    return (
        {n: part for n, part in _given(index).items() if n[0] != "_" and n != "sortorder"}
        if type(index) in _MAKERS
        else {}
    )


_MAKERS: dict[type, Callable[[Any], Node]] = {
    pd.DataFrame: with_attributes(_frame, _given),
    pd.Series: with_attributes(_series, _given),
    pd.RangeIndex: with_attributes(_range, _given_index),
    pd.MultiIndex: with_attributes(_multi, _given_index),
    **dict.fromkeys(
        (pd.Index, pd.DatetimeIndex, pd.TimedeltaIndex, pd.PeriodIndex, pd.CategoricalIndex, pd.IntervalIndex),
        with_attributes(_index, _given_index),
    ),
    **pandas_arrays.MAKERS,
    **pandas_scalars.MAKERS,
}
STATES[pd.DataFrame] = STATES[pd.Series] = _own_state


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of pandas' types."""
    nodes.update(_MAKERS)
    if issubclass(kind, pd.offsets.BaseOffset) and kind.__module__.partition(".")[0] == "pandas":
        nodes[kind] = pandas_scalars.offset
