"""Encoders for scipy's sparse arrays and matrices, by the arrays that make them up, as they are; for k-d trees."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from scipy import sparse

from resultstore._identity.encoders.compiled_values import Told, compiled
from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import STATES, refused, with_attributes
from resultstore._identity.vouching import vouched

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


# -- k-d trees

_POINTERS = ("less", "greater")
_INDICES = ("split_dim", "children", "split", "start_idx", "end_idx", "_less", "_greater")
_NODE = np.dtype([(name, "<f8" if name == "split" else "<i8") for name in (*_INDICES[:5], *_POINTERS, *_INDICES[5:])])
"""A node as it lies in memory: pointers to two others, which differ in each process, and their places in the list."""


def _nodes(state: tuple[Any, ...]) -> Any:
    return state[0].view(_NODE)


@functools.cache
def _is_as_known(kind: Any) -> bool:
    """Say whether nodes lie in memory as above: a tree is made, and what it says of its nodes compared with that."""
    try:
        tree = kind(np.array([[3.0, 1.0], [4.0, 1.5], [9.0, 2.0], [6.0, 5.0], [5.0, 3.5]]), leafsize=1)
        nodes = _nodes(kind.__getstate__(tree))
        stack, seen = [(tree.tree, 0)], 0
        while stack:
            node, place = stack.pop()
            seen += 1
            if any(getattr(node, name) != nodes[name][place] for name in _INDICES[:5]):
                return False
            if node.lesser is not None:
                stack += [(node.lesser, nodes["_less"][place]), (node.greater, nodes["_greater"][place])]
        return bool(seen == tree.size == len(nodes) > 1)
    except Exception:  # it is another scipy: nothing of what is known holds
        return False


def _tree(kind: Any) -> Told:
    def told(tree: Any) -> tuple[Any, ...]:
        compiled_one = kind.__mro__[-2]
        if sys.byteorder != "little" or not _is_as_known(compiled_one):
            raise refused(tree, ": this version of scipy keeps its nodes in another way")
        state = kind.__getstate__(tree)
        nodes = _nodes(state)
        return (*(nodes[name] for name in _INDICES), *state[1:])

    return told


def _given(tree: Any) -> dict[str, Any]:
    # A view of its nodes, made when somebody has looked at them.
    return {name: part for name, part in vars(tree).items() if name != "_tree" or not isinstance(part, tree.node)}


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of sparse arrays and matrices, and of this type, if it is a k-d tree's."""
    nodes.update(_MAKERS)
    # By name: scipy imports these only where they are used.
    module, name = kind.__module__, kind.__qualname__
    if (module, name) == ("scipy.spatial._ckdtree", "cKDTree"):
        nodes[kind] = compiled(kind, _tree(kind))
    elif (module, name) == ("scipy.spatial._kdtree", "KDTree"):
        nodes[kind] = compiled(kind, _tree(kind), _given)
    elif (module, name) == ("scipy.spatial.transform._rotation", "Rotation") and vouched(kind) is None:
        state = cast("Any", kind).__getstate__  # compiled, before scipy 1.17: the quaternions, and whether it is one
        nodes[kind] = compiled(kind, lambda value: (state(value),))
