"""Encoders for pandas' scalars, offsets and dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from resultstore._identity.encoding import Node, named
from resultstore._identity.standard import zone_value


def _zone(zone: Any) -> Any:
    name = getattr(zone, "zone", None)  # of the objects that pytz has for one zone, pandas makes no difference
    return ("pytz", name) if isinstance(name, str) else zone_value(zone)


def _timestamp(value: Any) -> Node:
    number = int(value.asm8.view("i8"))
    return named("pandas.Timestamp", (number, value.unit, _zone(value.tz), value.fold))


def offset(value: Any) -> Node:
    """Encode a frequency by its name, its count, and what else it was made with."""
    return named("pandas.offset", (type(value).__name__, value.n, value.normalize, dict(value.kwds)))


def _missing_name(dtype: Any) -> str:
    return "NA" if getattr(dtype, "na_value", pd.NA) is pd.NA else "nan"


def _string_dtype(dtype: Any) -> Node:
    return named("pandas.StringDtype", (dtype.storage.removesuffix("_numpy"), _missing_name(dtype)))


_MASKED = (
    pd.BooleanDtype, pd.Int8Dtype, pd.Int16Dtype, pd.Int32Dtype, pd.Int64Dtype, pd.UInt8Dtype, pd.UInt16Dtype,
    pd.UInt32Dtype, pd.UInt64Dtype, pd.Float32Dtype, pd.Float64Dtype,
)  # fmt: skip
MAKERS: dict[type, Callable[[Any], Node]] = {
    type(pd.NA): lambda v: named("pandas.NA", ()),
    type(pd.NaT): lambda v: named("pandas.NaT", ()),
    pd.Timestamp: _timestamp,
    pd.Timedelta: lambda v: named("pandas.Timedelta", (int(v.asm8.view("i8")), v.unit)),
    pd.Period: lambda v: named("pandas.Period", (v.ordinal, v.freq)),
    pd.Interval: lambda v: named("pandas.Interval", (v.left, v.right, v.closed)),
    pd.CategoricalDtype: lambda v: named("pandas.CategoricalDtype", (v.categories, v.ordered)),
    pd.DatetimeTZDtype: lambda v: named("pandas.DatetimeTZDtype", (v.unit, _zone(v.tz))),
    pd.PeriodDtype: lambda v: named("pandas.PeriodDtype", (v.freq,)),
    pd.IntervalDtype: lambda v: named("pandas.IntervalDtype", (v.subtype, v.closed)),
    pd.SparseDtype: lambda v: named("pandas.SparseDtype", (v.subtype, v.fill_value)),
    pd.ArrowDtype: lambda v: named("pandas.ArrowDtype", (v.pyarrow_dtype,)),
    pd.StringDtype: _string_dtype,
    **dict.fromkeys(_MASKED, lambda v: named("pandas.dtype", (str(v),))),
}
