"""scipy's sparse arrays and matrices as nodes of plain arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node

_COMPRESSED = ("csr", "csc", "bsr")
_KINDS: dict[type, str] = {
    getattr(sparse, f"{name}_{kind}"): f"{name}_{kind}"
    for name in (*_COMPRESSED, "coo", "dia")
    for kind in ("array", "matrix")
}
_FLAGS = ("has_sorted_indices", "has_canonical_format")
_KNOWN = frozenset(
    "_shape data indices indptr offsets row col coords maxprint _maxprint has_canonical_format".split()
) | {f"_{flag}" for flag in _FLAGS}


def take(value: Any) -> Node | None:
    """Return the node of a matrix that holds nothing but plain arrays."""
    name = _KINDS.get(type(value))
    if name is None or not set(vars(value)) <= _KNOWN or _prints(value) != _prints(type(value)((1, 1))):
        return None
    shape, arrays = tuple(map(int, value.shape)), _arrays(value, name)
    if any(type(array) is not np.ndarray for array in arrays):
        return None
    if value.data.dtype.kind == "O" or (name[:3] in _COMPRESSED and not _is_full(value)):
        return None
    # What the matrix knows of itself already: asking it would make it look, and remember.
    known = vars(value)
    flags = tuple(known.get(f"_{flag}", known.get(flag)) for flag in _flags(name))
    return Node(f"scipy.{name}", (shape, flags, *arrays), ("", "", ".data"))


def _flags(name: str) -> tuple[str, ...]:
    if name[:3] == "dia":
        return ()
    return _FLAGS if name[:3] in _COMPRESSED else _FLAGS[1:]


def _prints(value: Any) -> Any:
    return vars(value).get("maxprint", vars(value).get("_maxprint"))


def _arrays(value: Any, name: str) -> tuple[Any, ...]:
    if name[:3] in _COMPRESSED:
        return (value.data, value.indices, value.indptr)
    if name[:3] == "dia":
        return (value.data, value.offsets)
    return (value.data, *(value.coords if hasattr(value, "coords") else (value.row, value.col)))


def _is_full(value: Any) -> bool:
    """Say whether a compressed matrix has no spare room, which pickle keeps."""
    return bool(len(value.data) == len(value.indices) == value.indptr[-1])


def _check_compressed(value: Any, name: str) -> None:
    """Raise DamagedError for indices that would lead scipy out of bounds.

    Not by ``check_format``: it also cuts spare room off, and changes integer types.
    """
    rows, columns = value.shape if len(value.shape) == 2 else (1, *value.shape)
    if name.startswith("bsr"):
        rows, columns = rows // value.data.shape[1], columns // value.data.shape[2]
    major, minor = (columns, rows) if name.startswith("csc") else (rows, columns)
    indices, places = value.indices, value.indptr
    if (
        len(places) != major + 1
        or places[0] != 0
        or not _is_full(value)
        or (np.diff(places) < 0).any()
        or (len(indices) and not 0 <= indices.min() <= indices.max() < minor)
    ):
        raise DamagedError("a sparse matrix's indices are not those of its shape")


def _build(kind: Any, name: str) -> Callable[..., Any]:
    def build(shape: tuple[int, ...], flags: tuple[bool, ...], data: Any, *arrays: Any) -> Any:
        # Arrays are set, not handed to the constructor: that one may copy them, or narrow their integers.
        options = {"blocksize": data.shape[1:]} if name.startswith("bsr") else {}
        if name.startswith("coo"):
            value = kind((data[:0], tuple(array[:0] for array in arrays)), shape=shape)
        else:
            value = kind(shape, dtype=data.dtype, **options)
        value.data = data
        if name[:3] in _COMPRESSED:
            value.indices, value.indptr = arrays
            _check_compressed(value, name)
        elif name.startswith("dia"):
            (value.offsets,) = arrays
        elif hasattr(value, "coords"):
            value.coords = arrays
        else:
            value.row, value.col = arrays
        if name.startswith("coo") and any(
            len(array) != len(data) or (len(array) and not 0 <= array.min() <= array.max() < size)
            for array, size in zip(arrays, shape, strict=True)
        ):
            raise DamagedError("a sparse array's coordinates are not those of its data")
        for flag, is_set in zip(_flags(name), flags, strict=True):
            if is_set is not None:
                setattr(value, flag, is_set)
        return value

    return build


BUILD: dict[str, Callable[..., Any]] = {f"scipy.{name}": _build(kind, name) for kind, name in _KINDS.items()}
