"""pandas' scalars, and the dtypes that are more than a name, as nodes."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from resultstore._loaded import loaded
from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node

_MICROSECOND = datetime.timedelta(microseconds=1)


def _zone_parts(zone: Any) -> tuple[Any, ...] | None:
    """Return what makes a time zone up; only zones that their parts give back as the same type and rules."""
    if zone is None:
        return ()
    if type(zone) is datetime.timezone:
        return ("timezone", zone.utcoffset(None) // _MICROSECOND, zone.tzname(None))
    zoneinfo, pytz = loaded("zoneinfo"), loaded("pytz")
    if zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo:
        return ("zoneinfo", zone.key) if zone.key and zoneinfo.ZoneInfo(zone.key) is zone else None
    name = getattr(zone, "zone", None)
    # pytz has a class for each zone, and an object for each of its offsets; the caller looks whether it gets it back.
    if pytz is not None and isinstance(name, str) and type(pytz.timezone(name)) is type(zone):
        return ("pytz", name)
    return None


def _zone(kind: str | None = None, *parts: Any) -> Any:
    if kind == "timezone":
        plain = datetime.timezone(parts[0] * _MICROSECOND)
        if parts[0] == 0 and parts[1] == "UTC":
            return datetime.UTC
        return plain if plain.tzname(None) == parts[1] else datetime.timezone(parts[0] * _MICROSECOND, parts[1])
    if kind == "zoneinfo":
        import zoneinfo

        return zoneinfo.ZoneInfo(parts[0])
    if kind == "pytz":
        import pytz

        return pytz.timezone(parts[0])
    if kind is not None:
        raise DamagedError(f"no kind of time zone is called {kind!r}")
    return None


def _is_zone(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other and str(one) == str(other)


def _take_timestamp(value: Any) -> Node | None:
    zone = _zone_parts(value.tz)
    if zone is None:
        return None
    parts = (int(value.asm8.view("i8")), value.unit, *zone)
    back = _build_timestamp(*parts)
    same = back == value and back.unit == value.unit and back.fold == value.fold and _is_zone(back.tz, value.tz)
    return Node("pandas.Timestamp", parts) if same else None


def _build_timestamp(number: int, unit: Any, *zone: Any) -> Any:
    moment = pd.Timestamp(np.datetime64(number, unit))
    return moment.tz_localize("UTC").tz_convert(_zone(*zone)) if zone else moment


def _take_timedelta(value: Any) -> Node | None:
    parts = (int(value.asm8.view("i8")), value.unit)
    back = _build_timedelta(*parts)
    return Node("pandas.Timedelta", parts) if back == value and back.unit == value.unit else None


def _build_timedelta(number: int, unit: Any) -> Any:
    return pd.Timedelta(np.timedelta64(number, unit))


def _take_period(value: Any) -> Node | None:
    parts = (value.ordinal, value.freqstr)
    back = _build_period(*parts)
    return Node("pandas.Period", parts) if back == value and back.freq == value.freq else None


def _build_period(ordinal: int, freq: str) -> Any:
    return pd.Period(ordinal=ordinal, freq=freq)


def _take_interval(value: Any) -> Node | None:
    return Node("pandas.Interval", (value.left, value.right, value.closed))


def _take_categories(dtype: pd.CategoricalDtype) -> Node | None:
    return Node("pandas.CategoricalDtype", (dtype.categories, dtype.ordered), (".categories",))


def _take_zoned(dtype: pd.DatetimeTZDtype) -> Node | None:
    zone = _zone_parts(dtype.tz)
    if not zone:
        return None
    back = pd.DatetimeTZDtype(dtype.unit, _zone(*zone))
    same = back == dtype and _is_zone(back.tz, dtype.tz)
    return Node("pandas.DatetimeTZDtype", (dtype.unit, *zone)) if same else None


def _take_periods(dtype: pd.PeriodDtype) -> Node | None:
    freq = str(dtype).removeprefix("period[").removesuffix("]")  # not as offsets of dates are called
    return Node("pandas.PeriodDtype", (freq,)) if pd.PeriodDtype(freq) == dtype else None


TAKE: dict[type, Callable[[Any], Node | None]] = {
    type(pd.NA): lambda value: Node("pandas.NA", ()),
    type(pd.NaT): lambda value: Node("pandas.NaT", ()),
    pd.Timestamp: _take_timestamp,
    pd.Timedelta: _take_timedelta,
    pd.Period: _take_period,
    pd.Interval: _take_interval,
    pd.CategoricalDtype: _take_categories,
    pd.DatetimeTZDtype: _take_zoned,
    pd.PeriodDtype: _take_periods,
}
BUILD: dict[str, Callable[..., Any]] = {
    "pandas.NA": lambda: pd.NA,
    "pandas.NaT": lambda: pd.NaT,
    "pandas.Timestamp": _build_timestamp,
    "pandas.Timedelta": _build_timedelta,
    "pandas.Period": _build_period,
    "pandas.Interval": pd.Interval,
    "pandas.CategoricalDtype": pd.CategoricalDtype,
    "pandas.DatetimeTZDtype": lambda unit, *zone: pd.DatetimeTZDtype(unit, _zone(*zone)),
    "pandas.PeriodDtype": pd.PeriodDtype,
}
