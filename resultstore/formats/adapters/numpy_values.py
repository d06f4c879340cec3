"""numpy's masked arrays as nodes, and what pickle alone would not keep of numpy's values.

numpy's own pickle of a masked array loses its byte order, a hard mask, and whether there is a mask at all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from resultstore.formats.adapters import Node

_LABELS = (".data", ".mask", ".fill_value")
_OWN = ("_mask", "_fill_value", "_hardmask", "_sharedmask")
_DERIVED = ("_isfield", "_baseclass", "_optinfo", "_basedict")


def take(value: Any) -> Node | None:
    """Return the node of an exact masked array over plain memory."""
    if type(value) is not np.ma.MaskedArray or value._baseclass is not np.ndarray or value._optinfo:
        return None
    return Node("numpy.MaskedArray", _parts(value), _LABELS)


def _parts(value: Any) -> tuple[Any, ...]:
    facts = vars(value)
    mask, fill, hard, shared = (facts.get(name) for name in _OWN)
    others = {name: part for name, part in facts.items() if name not in _OWN + _DERIVED}
    return value.view(np.ndarray), None if mask is np.ma.nomask else mask, fill, bool(hard), bool(shared), others


def masked(data: Any, mask: Any, fill: Any, hard: bool, shared: bool, others: dict[str, Any]) -> Any:
    """Return the masked array over some data; pickles call it by this name."""
    result = data.view(np.ma.MaskedArray)
    mask = np.ma.nomask if mask is None else mask
    vars(result).update(zip(_OWN, (mask, fill, hard, shared), strict=True), **others)
    return result


def reduce(value: Any) -> Any:
    """Return how pickle is to write one of numpy's values, or NotImplemented for as numpy says."""
    kind = type(value)
    if kind is np.str_ or kind is np.bytes_:  # numpy cuts NULs off at the end
        return kind, ((str.__str__ if kind is np.str_ else bytes)(value),)
    if kind is np.ma.MaskedArray and take(value) is not None:
        return masked, _parts(value)
    own = kind.__reduce__ is not np.ndarray.__reduce__ or kind.__setstate__ is not np.ndarray.__setstate__
    if kind is np.ndarray or not issubclass(kind, np.ndarray) or own or issubclass(kind, np.recarray):
        return NotImplemented
    attributes = getattr(value, "__dict__", None)
    if not attributes and value.dtype.isnative:
        return NotImplemented
    # By numpy's pickle a subclass loses its attributes, and the other byte order.
    return viewed, (kind, value.view(np.ndarray)), attributes, None, None, restore


def viewed(kind: type, data: Any) -> Any:
    """Return an array as one of a subclass; pickles call it by this name."""
    return data.view(kind)


def restore(array: Any, attributes: dict[str, Any]) -> None:
    """Give an array its attributes back; pickles call it by this name."""
    vars(array).clear()
    vars(array).update(attributes)


BUILD: dict[str, Callable[..., Any]] = {"numpy.MaskedArray": masked}
