"""The table of formats, and which of them takes a leaf."""

from __future__ import annotations

from functools import cache

from resultstore import _lifetime
from resultstore.errors import DamagedError
from resultstore.formats.base import Format


@cache
def format_named(name: str) -> Format:
    """Return a format by the name that the index knows it by; its library is imported only now."""
    # No fork meanwhile: a child of one in the middle of another thread's import would wait for that import for ever.
    with _lifetime.opening:
        return _import(name)


def _import(name: str) -> Format:
    if name == "npy":
        from resultstore.formats.npy import Npy

        return Npy()
    if name == "arrow":
        from resultstore.formats.arrow import Arrow

        return Arrow()
    if name == "pickle":
        from resultstore.formats.pickled import Pickle

        return Pickle()
    if name in ("bytes", "json"):
        from resultstore.formats.plain import Bytes, Json

        return Bytes() if name == "bytes" else Json()
    raise DamagedError(f"no format is called {name!r}: it may come from a newer resultstore")


NAMES = ("npy", "arrow", "bytes", "json", "pickle")
