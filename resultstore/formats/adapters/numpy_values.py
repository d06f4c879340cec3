"""numpy's masked arrays as nodes, and what pickle alone would not keep of numpy's values.

numpy's own pickle of a masked array loses its byte order, a hard mask, and whether there is a mask at all.
"""

from __future__ import annotations

import copyreg
from collections.abc import Callable
from typing import Any

import numpy as np

from resultstore.formats.adapters import Node

_LABELS = (".data", ".mask", ".fill_value")
_OWN = ("_mask", "_fill_value", "_hardmask", "_sharedmask")
_DERIVED = ("_isfield", "_baseclass", "_optinfo", "_basedict")


def take(value: Any) -> Node | None:
    """Return the node of an exact masked array over plain memory."""
    if type(value) is not np.ma.MaskedArray:
        return None
    facts = vars(value)
    if facts.get("_baseclass") is not np.ndarray or facts.get("_optinfo"):
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
    kind: Any = type(value)
    if isinstance(value, np.generic):
        return _reduce_scalar(value, kind)
    if kind is np.ma.MaskedArray and take(value) is not None:
        return masked, _parts(value)
    own = kind.__reduce__ is not np.ndarray.__reduce__ or kind.__setstate__ is not np.ndarray.__setstate__
    if kind is np.ndarray or own or issubclass(kind, np.recarray):
        return NotImplemented
    attributes = getattr(value, "__dict__", None)
    if not attributes and value.dtype.isnative:
        return NotImplemented
    # By numpy's pickle a subclass loses its attributes, and the other byte order.
    return viewed, (kind, value.view(np.ndarray)), attributes, None, None, restore


def _reduce_scalar(value: Any, kind: Any) -> Any:
    """Return how to write a scalar of which numpy's pickle loses the class, NULs at the end, or which of two types."""
    attributes = getattr(value, "__dict__", None)
    if isinstance(value, (np.str_, np.bytes_)):
        plain: Any = str.__str__(value) if isinstance(value, np.str_) else bytes(value)
    elif kind is not value.dtype.type:
        plain = np.asarray(value)[()]
    elif value.dtype.kind in "iu" and np.dtype(value.dtype.str).type is not kind:
        plain = int(value)
    else:
        return NotImplemented
    return copyreg.__newobj__, (kind, plain), attributes or None, None, None, restore  # type: ignore[attr-defined]


def viewed(kind: type, data: Any) -> Any:
    """Return an array as one of a subclass; pickles call it by this name."""
    return data.view(kind)


def restore(value: Any, attributes: dict[str, Any]) -> None:
    """Give an array or a scalar its attributes back; pickles call it by this name."""
    vars(value).clear()
    vars(value).update(attributes)


BUILD: dict[str, Callable[..., Any]] = {"numpy.MaskedArray": masked}
