"""Adapters: how values of other libraries become nodes of a skeleton, and are built from them again.

An adapter is a module with two functions. ``take(value)`` returns a `Node`, whose parts are visited like
a container's, or None for what it does not know or cannot keep whole. ``build`` maps each tag to a
function of the built parts. A library is found by the name of a type's or tag's top-level module, so
that nothing is imported for a value that cannot be there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from resultstore._data import Data
from resultstore._report import logger
from resultstore.errors import DamagedError
from resultstore.formats.base import is_for_the_user

_ADAPTERS = {
    "numpy": "numpy_values",
    "pandas": "pandas_values",
    "pyarrow": "arrow_values",
    "polars": "polars_values",
    "scipy": "scipy_values",
    "xarray": "xarray_values",
}


class Node(Data):
    """A value taken apart: its tag, the parts that make it up, and how their places are called in a leaf's path."""

    tag: str
    parts: Iterable[Any]
    labels: Iterable[str] = ()


def take(value: Any) -> Node | None:
    """Return a value's node, or None if no adapter keeps it whole."""
    library = type(value).__module__.partition(".")[0]
    if library not in _ADAPTERS:
        return None
    try:
        node: Node | None = _adapter(library).take(value)
    except BaseException as error:  # a library of another version, or a value's own code: in doubt it is not kept whole
        if is_for_the_user(error):
            raise
        logger.debug("a %s is not taken apart: %r", type(value).__qualname__, error)
        return None
    return node


def build(tag: str, parts: list[Any]) -> Any:
    """Return the value of a node whose parts are built."""
    library = tag.partition(".")[0]
    if library not in _ADAPTERS:
        raise DamagedError(f"no tag is called {tag!r}: it may come from a newer resultstore")
    try:
        return _adapter(library).BUILD[tag](*parts)
    except BaseException as error:
        if isinstance(error, Exception) or is_for_the_user(error):
            raise
        raise DamagedError(f"a {tag} cannot be built ({error})") from error


def _adapter(library: str) -> Any:
    from importlib import import_module

    return import_module(f"{__name__}.{_ADAPTERS[library]}")
