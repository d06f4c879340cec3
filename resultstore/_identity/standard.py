"""The standard library's value types: the plain values that make each up, and the way back.

Loaded when such a value is first met. Digests use the way in, skeletons of results use both.
"""

from __future__ import annotations

import contextlib
import datetime
import decimal
import fractions
import pathlib
import pickle
import uuid
from collections.abc import Callable
from typing import Any

from resultstore._data import Data
from resultstore._identity.encoding import Node, named
from resultstore._loaded import loaded
from resultstore.errors import DigestError


class ValueType(Data):
    """How a type's values are taken apart and put together again."""

    name: str
    parts: Callable[[Any], tuple[Any, ...]]
    build: Callable[..., Any]


def _zone_parts(zone: Any) -> tuple[Any, ...] | None:
    """Return what makes a time zone up; only zones whose rules are known by value are accepted."""
    if zone is None:
        return None
    if type(zone) is datetime.timezone:
        offset = zone.utcoffset(None)
        return ("timezone", offset // datetime.timedelta(microseconds=1), zone.tzname(None))
    zoneinfo = loaded("zoneinfo")
    if zoneinfo is not None and type(zone) is zoneinfo.ZoneInfo and zone.key is not None:
        with contextlib.suppress(pickle.PicklingError):  # one read from a file, whose key says nothing
            zone.__reduce__()
            return ("zoneinfo", zone.key)
    kind = type(zone)
    raise DigestError(f"a time zone of type {kind.__module__}.{kind.__qualname__} has no digest that could be trusted")


def _build_zone(parts: tuple[Any, ...] | None) -> datetime.tzinfo | None:
    if parts is None:
        return None
    if parts[0] == "zoneinfo":
        import zoneinfo

        return zoneinfo.ZoneInfo(parts[1])
    offset = datetime.timedelta(microseconds=parts[1])
    plain = datetime.timezone(offset)
    return plain if plain.tzname(None) == parts[2] else datetime.timezone(offset, parts[2])


def zone_value(zone: Any) -> Any:
    """Return what stands for a time zone in an encoding: plain values, or the zone itself if it is of another kind."""
    pytz = loaded("pytz")
    if pytz is not None and isinstance(zone, pytz.tzinfo.BaseTzInfo):
        return ("pytz", *zone.__reduce__()[1])  # it has a class for each zone, and an object for each offset
    try:
        return _zone_parts(zone)
    except DigestError:
        return zone


def _datetime_parts(v: datetime.datetime, zone: Callable[[Any], Any] = _zone_parts) -> tuple[Any, ...]:
    return (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, zone(v.tzinfo))


def _build_datetime(
    y: int, mo: int, d: int, h: int, mi: int, s: int, us: int, fold: int, zone: Any
) -> datetime.datetime:
    return datetime.datetime(y, mo, d, h, mi, s, us, _build_zone(zone), fold=fold)


def _time_parts(v: datetime.time, zone: Callable[[Any], Any] = _zone_parts) -> tuple[Any, ...]:
    return (v.hour, v.minute, v.second, v.microsecond, v.fold, zone(v.tzinfo))


def _build_time(h: int, mi: int, s: int, us: int, fold: int, zone: Any) -> datetime.time:
    return datetime.time(h, mi, s, us, _build_zone(zone), fold=fold)


def _uuid_parts(v: uuid.UUID) -> tuple[Any, ...]:
    return (v.hex,) if v.is_safe is uuid.SafeUUID.unknown else (v.hex, v.is_safe.name)


def _build_uuid(text: str, is_safe: str = "unknown") -> uuid.UUID:
    return uuid.UUID(hex=text, is_safe=uuid.SafeUUID[is_safe])


def _build_fraction(numerator: int, denominator: int) -> fractions.Fraction:
    if type(numerator) is not int or type(denominator) is not int:  # a text such as 1e999999999 would be computed
        raise TypeError("a fraction is made of two integers")
    return fractions.Fraction(numerator, denominator)


# A subclass may print itself in its own way, such as an amount with two decimals.
_text_of = decimal.Decimal.__str__
_path_text = pathlib.PurePath.__str__

TYPES: dict[type, ValueType] = {
    datetime.datetime: ValueType("datetime.datetime", _datetime_parts, _build_datetime),
    datetime.date: ValueType("datetime.date", lambda v: (v.year, v.month, v.day), datetime.date),
    datetime.time: ValueType("datetime.time", _time_parts, _build_time),
    datetime.timedelta: ValueType(
        "datetime.timedelta", lambda v: (v.days, v.seconds, v.microseconds), datetime.timedelta
    ),
    datetime.timezone: ValueType("datetime.timezone", lambda v: _zone_parts(v) or (), lambda *v: _build_zone(v)),
    decimal.Decimal: ValueType("decimal.Decimal", lambda v: (_text_of(v),), decimal.Decimal),
    fractions.Fraction: ValueType("fractions.Fraction", lambda v: (v.numerator, v.denominator), _build_fraction),
    uuid.UUID: ValueType("uuid.UUID", _uuid_parts, _build_uuid),
}
for _path in (pathlib.PosixPath, pathlib.WindowsPath, pathlib.PurePosixPath, pathlib.PureWindowsPath):
    # The names are ours: the module that defines these classes moved in Python 3.13.
    TYPES[_path] = ValueType(f"pathlib.{_path.__name__}", lambda v: (_path_text(v),), _path)


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of this module."""
    zoneinfo = loaded("zoneinfo")
    if zoneinfo is not None and zoneinfo.ZoneInfo not in TYPES:
        TYPES[zoneinfo.ZoneInfo] = ValueType(
            "zoneinfo.ZoneInfo", lambda v: _zone_parts(v) or (), lambda *v: _build_zone(v)
        )
    for known, value_type in TYPES.items():
        nodes[known] = _node(value_type)
    nodes[datetime.datetime] = lambda value: named("datetime.datetime", _datetime_parts(value, zone_value))
    nodes[datetime.time] = lambda value: named("datetime.time", _time_parts(value, zone_value))


def _node(value_type: ValueType) -> Callable[[Any], Node]:
    return lambda value: named(value_type.name, value_type.parts(value))
