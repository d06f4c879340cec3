"""What to look for: a query as plain data, without SQL."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from resultstore._data import Data


class Query(Data):
    """Which calls to find: all conditions must hold."""

    functions: tuple[str, ...] = ()
    """The function's full name, and earlier ones; none for calls of all functions."""
    arguments: Mapping[str, bytes] = MappingProxyType({})
    """For each of these arguments, the token of its value."""
    key: bytes | None = None
    """The key of a single call."""
