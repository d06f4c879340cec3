"""Encoders for the standard library's containers and small objects that hold values, beside those of plain values."""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections import defaultdict, deque
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from resultstore._identity.encoding import Node, named


def _array(value: array[Any]) -> Node:
    little = value
    if sys.byteorder == "big":
        little = array(value.typecode, value)
        little.byteswap()
    return named("array.array", (value.typecode, value.itemsize, array.tobytes(little)))


# Each read as its base does it: a subclass may have ways of its own.
_MAKERS: dict[type, Callable[[Any], Node]] = {
    array: _array,
    defaultdict: lambda v: named(
        "collections.defaultdict", (v.default_factory, {k: dict.__getitem__(v, k) for k in dict.__iter__(v)})
    ),
    deque: lambda v: named("collections.deque", (v.maxlen, list(deque.__iter__(v)))),
    partial: lambda v: named("functools.partial", (v.func, v.args, v.keywords, vars(v))),
    type(lru_cache(len)): lambda v: named("functools.lru_cache", (v.__wrapped__, v.cache_parameters())),
    re.Pattern: lambda v: named("re.Pattern", (v.pattern, v.flags)),
    struct.Struct: lambda v: named("struct.Struct", (v.format,)),
}


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of this module."""
    nodes.update(_MAKERS)
