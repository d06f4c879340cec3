"""Encoders for scipy's sparse arrays and matrices: the arrays that make them up, as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy import sparse

from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import STATES, with_attributes

_ARRAYS = {
    "csr": ("data", "indices", "indptr"),
    "csc": ("data", "indices", "indptr"),
    "bsr": ("data", "indices", "indptr"),
    "dia": ("data", "offsets"),
    "lil": ("rows", "data"),
}
_KNOWN = frozenset(
    "_shape data indices indptr offsets row col coords rows _dict dtype maxprint _maxprint has_canonical_format "
    "_has_canonical_format _has_sorted_indices".split()
)


def _maker(name: str) -> Callable[[Any], Node]:
    def node(value: Any) -> Node:
        shape = tuple(map(int, value.shape))
        parts: tuple[Any, ...]
        if name.startswith("coo"):
            parts = (value.data, *(value.coords if hasattr(value, "coords") else (value.row, value.col)))
        elif name.startswith("dok"):
            parts = (value.dtype, {key: value[key] for key in value.keys()})  # noqa: SIM118 -- it is no plain dict
        else:
            parts = tuple(getattr(value, part) for part in _ARRAYS[name[:3]])
        # Not what scipy found out about the order of the indices, or how much it prints.
        return named(f"scipy.sparse.{name}", (shape, *parts))

    return node


def _own_state(value: Any) -> dict[str, Any]:
    return {name: part for name, part in vars(value).items() if name not in _KNOWN}


_MAKERS: dict[type, Callable[[Any], Node]] = {
    getattr(sparse, f"{name}_{kind}"): with_attributes(
        _maker(f"{name}_{kind}"), lambda v: _own_state(v) if type(v) in STATES else {}
    )
    for name in (*_ARRAYS, "coo", "dok")
    for kind in ("array", "matrix")
}
STATES.update(dict.fromkeys(_MAKERS, _own_state))


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of sparse arrays and matrices."""
    nodes.update(_MAKERS)
