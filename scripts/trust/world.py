"""What the expressions of arguments and results may use: classes of one's own, and short ways to make values."""

from __future__ import annotations

import array
import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import math
import operator
import os
import pathlib
import queue
import random
import re
import socket
import struct
import sys
import tempfile
import threading
import types
import typing
import uuid
import weakref
import zoneinfo
from collections import ChainMap, Counter, OrderedDict, UserDict, UserList, UserString, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from datetime import UTC, date, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import xarray as xr
from scipy import sparse
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

try:
    import attrs
except ImportError:
    attrs = None  # type: ignore[assignment]


class Plain:
    """An object that only has attributes."""

    def __init__(self, **members: Any) -> None:
        self.__dict__.update(members)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(vars(self)) == repr(vars(other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"

    def method(self, x: int) -> int:
        """Return something of the state."""
        return x + len(vars(self))


class Heir(Plain):
    """The same by another name."""


class Slotted:
    """An object without a dict."""

    __slots__ = ("a", "b")

    def __init__(self, a: Any, b: Any = None) -> None:
        self.a = a
        self.b = b

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Slotted) and (self.a, self.b) == (other.a, other.b)

    __hash__ = None  # type: ignore[assignment]


class Reduced:
    """An object that says by itself how it is restored."""

    def __init__(self, n: Any) -> None:
        self.n = n

    def __reduce__(self) -> Any:
        return Reduced, (self.n,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reduced) and self.n == other.n

    __hash__ = None  # type: ignore[assignment]


class Stated:
    """An object with a state of its own making: what it derives is no part of it."""

    def __init__(self, n: Any) -> None:
        self.n = n
        self.derived = [n, n]

    def __getstate__(self) -> Any:
        return {"n": self.n}

    def __setstate__(self, state: Any) -> None:
        self.__init__(state["n"])  # type: ignore[misc]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stated) and self.n == other.n

    __hash__ = None  # type: ignore[assignment]


class Callable:
    """An object that can be called."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, x: int) -> int:
        """Return a sum."""
        return x + self.n


@dataclass
class Point:
    """A dataclass."""

    x: Any
    y: Any = 0


@dataclass(frozen=True)
class Frozen:
    """A frozen dataclass."""

    x: Any
    y: Any = 0


@dataclass(slots=True)
class Tight:
    """A dataclass with slots."""

    x: Any
    y: Any = 0


@dataclass
class Noted:
    """A dataclass with a field that does not count in comparisons."""

    x: Any
    note: str = field(default="", compare=False)


class Pair(NamedTuple):
    """A named tuple."""

    a: Any
    b: Any


Couple = namedtuple("Couple", "a b")  # noqa: PYI024 -- as people write them


class Color(enum.Enum):
    """An enum."""

    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    """An enum of numbers."""

    LOW = 1
    HIGH = 2


class Mode(enum.Flag):
    """Flags."""

    R = 1
    W = 2


class Name(enum.StrEnum):
    """An enum of texts."""

    A = "a"


class MyInt(int):
    """A subclass of int."""


class MyFloat(float):
    """A subclass of float."""


class MyStr(str):
    """A subclass of str."""

    __slots__ = ()


class MyList(list):  # type: ignore[type-arg]
    """A subclass of list."""


class MyDict(dict):  # type: ignore[type-arg]
    """A subclass of dict."""


class MyTuple(tuple):  # type: ignore[type-arg]
    """A subclass of tuple."""

    __slots__ = ()


class MyArray(np.ndarray):  # type: ignore[type-arg]
    """A subclass of ndarray."""


if attrs is not None:

    @attrs.define
    class Attrs:
        """A class by attrs."""

        x: Any
        y: Any = 0

    @attrs.frozen
    class FrozenAttrs:
        """A frozen class by attrs."""

        x: Any
        y: Any = 0


def twice(part: Any) -> list[Any]:
    """Return one object in two places."""
    return [part, part]


def cyclic(*parts: Any) -> list[Any]:
    """Return a list that contains itself."""
    result: list[Any] = [*parts]
    result.append(result)
    return result


def deep(depth: int, leaf: Any = 0) -> Any:
    """Return lists in lists."""
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


def then(value: Any, *steps: Any) -> Any:
    """Return a value after something was done with it."""
    for step in steps:
        step(value)
    return value


def readonly(value: Any) -> Any:
    """Return an array, not writeable."""
    value.flags.writeable = False
    return value


def mapped(value: Any) -> Any:
    """Return a memory map of an array."""
    with tempfile.NamedTemporaryFile(suffix=".npy", delete=False) as file:
        np.save(file, value)
    return np.load(file.name, mmap_mode="r")


def objects(*parts: Any) -> Any:
    """Return an array of objects."""
    result = np.empty(len(parts), object)
    result[:] = parts
    return result


def frame(**options: Any) -> pd.DataFrame:
    """Return a frame of several dtypes."""
    return pd.DataFrame({"i": [1, 2, 3], "x": [0.5, float("nan"), -0.0], "s": ["a", None, "c"]}, **options)


def with_attrs(value: Any, **attributes: Any) -> Any:
    """Return a table with attrs."""
    value.attrs.update(attributes)
    return value


def with_name(value: Any, name: Any) -> Any:
    """Return something with a name."""
    value.name = name
    return value


def fitted(kind: Any, *data: Any) -> Any:
    """Return an estimator after fitting."""
    return kind.fit(*data)


def rng(seed: int, *, draws: int = 0, kind: Any = None) -> Any:
    """Return a generator of numpy's after some draws."""
    result = np.random.default_rng(seed) if kind is None else np.random.Generator(kind(seed))
    result.random(draws)
    return result


def add_one(x: Any) -> Any:
    """Return one more."""
    return x + 1


def add_two(x: Any) -> Any:
    """Return two more."""
    return x + 2


def adder(n: Any) -> Any:
    """Return a closure."""
    return lambda x: x + n


X = np.arange(6.0).reshape(3, 2)
NAN = struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
