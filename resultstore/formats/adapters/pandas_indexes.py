"""pandas' indexes as nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node
from resultstore.formats.adapters.pandas_arrays import array_of, loaded, one_column, part_of
from resultstore.formats.adapters.pandas_columns import to_arrow

_SHORT_CODES = 100


def _take_plain(index: pd.Index) -> Node | None:
    return Node(f"pandas.{type(index).__name__}", (part_of(array_of(index)), index.name), (".values", ".name"))


def _build_plain(array: Any, name: Any) -> pd.Index:
    array = loaded(array)
    index = pd.Index(array, dtype=array.dtype, name=name, copy=False, tupleize_cols=False)
    if type(index) is not pd.Index or index.dtype != array.dtype:
        raise DamagedError(f"an index of {array.dtype} becomes a {type(index).__name__} of {index.dtype}")
    return index


def _take_range(index: pd.RangeIndex) -> Node | None:
    return Node("pandas.RangeIndex", (index.start, index.stop, index.step, index.name))


def _build_range(start: int, stop: int, step: int, name: Any) -> pd.RangeIndex:
    return pd.RangeIndex(start, stop, step, name=name)


def freq_text(freq: Any) -> str | None:
    """Return a frequency as text, if that text gives the same frequency back."""
    text = str(freq.freqstr)
    back = to_offset(text)
    return text if type(back) is type(freq) and back == freq and back.normalize == freq.normalize else None


def _take_times(index: Any) -> Node | None:
    array = array_of(index)
    freq = None if index.freq is None else freq_text(index.freq)
    if index.freq is not None and freq is None:
        return None
    if type(array) is np.ndarray:
        part = part_of(array)
    else:  # past the array's own rule: it has the frequency too, before pandas 3
        way = to_arrow(array)
        if way is None:
            return None
        part = one_column(*way)
    return Node(f"pandas.{type(index).__name__}", (part, index.name, freq), (".values", ".name"))


def _build_times(kind: Any) -> Callable[..., Any]:
    def build(array: Any, name: Any, freq: str | None) -> Any:
        array = loaded(array)
        index = kind(array, name=name, copy=False)
        if freq is None:
            return index
        # The public way makes all the dates anew and compares them: 5 times as long as the whole frame takes.
        (index if hasattr(index, "_freq") else index._data)._freq = to_offset(freq)
        return index if index.freq == to_offset(freq) else kind(array, name=name, freq=freq, copy=False)

    return build


def _take_multi(index: pd.MultiIndex) -> Node | None:
    codes = [code.tolist() if len(code) <= _SHORT_CODES else np.asarray(code).view() for code in index.codes]
    parts = (index.sortorder, *index.levels, *codes, *index.names)
    levels = (f".levels[{i}]" for i in range(index.nlevels))
    return Node("pandas.MultiIndex", parts, ("", *levels, *(f".codes[{i}]" for i in range(index.nlevels))))


def _build_multi(sortorder: int | None, *parts: Any) -> pd.MultiIndex:
    count = len(parts) // 3
    levels, names = parts[:count], parts[2 * count :]
    codes = [np.asarray(loaded(code)) for code in parts[count : 2 * count]]
    for level, code in zip(levels, codes, strict=True):
        # pandas' own check also asks whether levels are unique, which takes longer than all the rest.
        if len(code) != len(codes[0]) or (len(code) and (code.min() < -1 or code.max() >= len(level))):
            raise DamagedError("an index's codes are not those of its levels")
    return pd.MultiIndex(levels, codes, sortorder=sortorder, names=names, verify_integrity=False)


def _build_with(kind: Any) -> Callable[..., Any]:
    return lambda array, name: kind(array, name=name, copy=False)


TAKE: dict[type, Callable[[Any], Node | None]] = {
    pd.Index: _take_plain,
    pd.RangeIndex: _take_range,
    pd.DatetimeIndex: _take_times,
    pd.TimedeltaIndex: _take_times,
    pd.PeriodIndex: _take_plain,
    pd.CategoricalIndex: _take_plain,
    pd.IntervalIndex: _take_plain,
    pd.MultiIndex: _take_multi,
}
BUILD: dict[str, Callable[..., Any]] = {
    "pandas.Index": _build_plain,
    "pandas.RangeIndex": _build_range,
    "pandas.DatetimeIndex": _build_times(pd.DatetimeIndex),
    "pandas.TimedeltaIndex": _build_times(pd.TimedeltaIndex),
    "pandas.PeriodIndex": _build_with(pd.PeriodIndex),
    "pandas.CategoricalIndex": _build_with(pd.CategoricalIndex),
    "pandas.IntervalIndex": _build_with(pd.IntervalIndex),
    "pandas.MultiIndex": _build_multi,
}
