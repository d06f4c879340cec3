"""A result as a tree with leaves: a small skeleton without pickle, and arrays on their own.

The skeleton of a plain result is JSON, a list of nodes ``[tag, child, ...]`` in which parts come
before the wholes that contain them; the last node is the result. A child is a JSON value that stands
for itself, or ``[n]``, the node with number n. Two places that hold one object refer to one node, so
aliasing and cycles survive, and no depth is too deep. The tags are listed in
``docs/format/skeleton.md``.

What is not plain is pickled as a whole, its large arrays left out as leaves: one rule, under which
aliasing between the plain and the pickled part holds too.
"""

from __future__ import annotations

import math
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from resultstore._data import Data
from resultstore.errors import DamagedError, StoreError, UnstorableError
from resultstore.formats import adapters
from resultstore.formats.atoms import ATOMS, BYTES_LEAF_NBYTES, INT_TEXT_BITS, NotPlainError, atom, is_unicode
from resultstore.formats.iterators import is_iterator, what_to_do
from resultstore.formats.registry import format_named


class Leaf(Data):
    """A value to be stored on its own."""

    value: Any
    format: str
    path: str
    writeable: bool = True


class Tree(Data, frozen=False):
    """A result taken apart."""

    kind: str
    """``"none" | "bool" | "int" | "float" | "str"``: the value itself; ``"leaf"``: leaf 0 is the
    result; ``"tree"``: the skeleton is JSON text; ``"pickle"``: the skeleton is a pickle; ``"error"``: it is
    one of both, of an exception that was raised (see `resultstore.formats.raised`)."""
    value: Any = None
    """The scalar, the JSON text, or the pickle's bytes."""
    leaves: Sequence[Leaf] = ()


def take_apart(result: Any, *, allow_pickle: bool = True) -> Tree:
    """Return a result as a skeleton and its leaves.

    Raises
    ------
    UnstorableError
        If the result needs pickle, and that is not allowed or refuses it.
    """
    scalar = _scalar_kind(result)
    if scalar is not None:
        return Tree(scalar, result)
    format_name = _leaf_format(result)
    if format_name is not None:
        return Tree("leaf", None, [Leaf(result, format_name, "", _is_writeable(result))])
    try:
        return _Planter().plant(result)
    except NotPlainError as reason:
        if not allow_pickle:
            raise UnstorableError(f"{reason} needs pickle, which this store does not allow") from None
        from resultstore.formats import pickled

        data, arrays = pickled.dump(result, lambda part: _leaf_format(part) is not None)
        leaves = [Leaf(a, "npy", f"<array {i}>", a.flags.writeable) for i, a in enumerate(arrays)]
        return Tree("pickle", data, leaves)


def put_together(kind: str, skeleton: Any, leaves: Sequence[Any]) -> Any:
    """Return the result of a skeleton (JSON text or a pickle's bytes) and its loaded leaves."""
    if kind == "leaf":
        return leaves[0]
    if kind == "pickle":
        from resultstore.formats import pickled

        return pickled.load(skeleton, leaves)
    import json

    try:
        return _grow(json.loads(skeleton), leaves)
    except StoreError:
        raise
    except Exception as error:  # a tampered skeleton can fail in any way
        raise DamagedError(f"the skeleton cannot be read ({type(error).__name__}: {error})") from error


def _scalar_kind(value: Any) -> str | None:
    kind = type(value)
    if value is None:
        return "none"
    if kind is bool:
        return "bool"
    if kind is int:
        return "int" if -(2**63) <= value < 2**63 else None
    if kind is float:
        # SQLite keeps neither the sign of zero nor, for it has no NaN at all, the bits of one.
        return "float" if value > 0 or value < 0 or struct.pack(">d", value) in _PLAIN_BITS else None
    if kind is str:
        return "str" if len(value) <= 4096 and "\0" not in value and is_unicode(value) else None
    return None


_PLAIN_BITS = (struct.pack(">d", 0.0), struct.pack(">d", math.nan))


def _leaf_format(value: Any) -> str | None:
    """Return the format that keeps a value as a leaf, or None."""
    if type(value) is bytes:
        return "bytes" if len(value) >= BYTES_LEAF_NBYTES else None
    if type(value).__module__ == "numpy" and format_named("npy").accepts(value):
        return "npy"
    if type(value).__module__ == "pyarrow.lib" and format_named("arrow").accepts(value):
        return "arrow"
    return None


def _is_writeable(value: Any) -> bool:
    return type(value).__module__ != "numpy" or bool(value.flags.writeable)


def _ndarray() -> Any:
    return sys.modules["numpy"].ndarray


# -- taking apart ------------------------------------------------------------------------------


class _Frame(Data, frozen=False):
    """A container whose parts are being visited."""

    head: list[Any]
    parts: Iterator[Any]
    reference: list[int | None]
    steps: Iterator[str]
    step: str = ""


class _Planter:
    """Visits a result's parts without recursion, each object once."""

    def __init__(self) -> None:
        self._nodes: list[list[Any]] = []
        self._leaves: list[Leaf] = []
        self._references: dict[int, list[int | None]] = {}
        self._mutable: set[int] = set()
        self._keep: list[Any] = []
        self._stack: list[_Frame] = []

    def plant(self, result: Any) -> Tree:
        import json

        root = self._entry(result)
        while self._stack:
            frame = self._stack[-1]
            for part in frame.parts:
                frame.step = next(frame.steps, "")
                depth = len(self._stack)
                frame.head.append(self._entry(part))
                if len(self._stack) > depth:
                    break  # the part is a container: visit its parts first
            else:
                self._stack.pop()
                self._finish(frame.head, frame.reference)
        if not isinstance(root, list):  # a scalar that no column of the index takes
            self._nodes.append(["is", root])
        if not _can_be_hashed(self._nodes):
            raise NotPlainError("a key or an element of a set that is a tuple in a tuple, very deep or very often,")
        return Tree("tree", json.dumps(self._nodes, separators=(",", ":")), self._leaves)

    def _finish(self, node: list[Any], reference: list[int | None]) -> None:
        reference[0] = len(self._nodes)
        self._nodes.append(node)

    def _entry(self, part: Any) -> Any:
        """Return what stands for a part inside its container; start the visit of a container."""
        kind = type(part)
        if part is None or kind is bool:
            return part
        if kind is int and part.bit_length() < INT_TEXT_BITS:
            return part
        if kind is float and math.isfinite(part):
            return part
        if kind is str and is_unicode(part):
            return part
        known = self._references.get(id(part))
        if known is not None:
            if known[0] is None and id(part) not in self._mutable:
                raise NotPlainError(f"a {kind.__name__} that contains itself")
            return known
        reference: list[int | None] = [None]
        self._references[id(part)] = reference
        self._keep.append(part)
        node = atom(part, kind)
        if node is not None:
            self._finish(node, reference)
            return reference
        format_name = _leaf_format(part)
        if format_name is not None:
            path = "".join(frame.step for frame in self._stack)
            self._finish(["leaf", len(self._leaves)], reference)
            self._leaves.append(Leaf(part, format_name, path, _is_writeable(part)))
            return reference
        self._open(part, kind, reference)
        return reference

    def _open(self, part: Any, kind: type, reference: list[int | None]) -> None:
        if kind in (list, tuple, set, frozenset):
            steps = iter(()) if kind in (set, frozenset) else (f"[{i}]" for i in range(len(part)))
            frame = _Frame([_TAGS[kind]], iter(part), reference, steps)
        elif kind is dict or (kind is OrderedDict and not part.__dict__):
            flat = (x for item in list(part.items()) for x in item)
            labels = (x for key in list(part) for x in ("", _label(key)))
            frame = _Frame([_TAGS[kind]], flat, reference, labels)
        elif kind is slice:
            frame = _Frame(["slice"], iter((part.start, part.stop, part.step)), reference, iter(()))
        elif kind.__module__ == "numpy" and kind is _ndarray() and _is_plain_object(part.dtype):
            order = "F" if part.flags.f_contiguous and not part.flags.c_contiguous else "C"
            items = part.ravel(order=order).tolist()
            head = ["objects", _shape_text(part.shape), order, bool(part.flags.writeable)]
            frame = _Frame(head, iter(items), reference, (f".flat[{i}]" for i in range(len(items))))
        else:
            node = part if kind is adapters.Node else adapters.take(part)
            if node is None and is_iterator(kind):
                raise UnstorableError(what_to_do(kind))
            if node is None:
                raise NotPlainError(f"a {kind.__module__}.{kind.__qualname__}")
            frame = _Frame([node.tag], iter(node.parts), reference, iter(node.labels))
        if kind in (list, dict, OrderedDict, set) or frame.head[0] == "objects":
            self._mutable.add(id(part))
        self._stack.append(frame)


def _shape_text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _label(key: Any) -> str:
    """Return how a dict's item is written in a leaf's path."""
    short = type(key) is str or (type(key) is int and key.bit_length() < INT_TEXT_BITS)
    return f"[{key!r:.40}]".encode("ascii", "backslashreplace").decode() if short else f"[<{type(key).__name__}>]"


def _is_plain_object(dtype: Any) -> bool:
    return dtype.char == "O" and not dtype.metadata


_TAGS: dict[type, str] = {
    list: "list",
    tuple: "tuple",
    dict: "dict",
    OrderedDict: "odict",
    set: "set",
    frozenset: "frozenset",
}


# -- putting together --------------------------------------------------------------------------


class _Hashes:
    """Which tuples would take for ever to be hashed, or exhaust the stack: Python looks at all of them, each time."""

    def __init__(self) -> None:
        self._of: dict[int, tuple[int, int]] = {}
        self.endless: set[int] = set()
        """Numbers of nodes that can be neither keys nor elements of sets."""

    def add(self, number: int, parts: Sequence[Any]) -> None:
        """Count what the hash of a tuple visits, and how deep; what it consists of was added before."""
        below = [self._of[p[0]] for p in parts if type(p) is list and p[0] in self._of]
        size, depth = len(parts) + sum(n for n, _ in below), 1 + max((n for _, n in below), default=0)
        if size > _MOST_HASHED or depth > _DEEPEST_HASHED:
            self.endless.add(number)
        self._of[number] = min(size, _MOST_HASHED + 1), depth  # the number itself grows fast

    def refuse(self, keys: Sequence[Any]) -> bool:
        """Say whether one of some keys is such a tuple."""
        return any(type(p) is list and p[0] in self.endless for p in keys)


def _can_be_hashed(nodes: list[list[Any]]) -> bool:
    """Say whether all keys, and elements of sets, can."""
    hashes = _Hashes()
    for number, (tag, *parts) in enumerate(nodes):
        if tag in _HASHED_ANEW:
            hashes.add(number, parts)
        elif hashes.endless and tag in _KEYED and hashes.refuse(parts[:: _KEYED[tag]]):
            return False
    return True


_MOST_HASHED, _DEEPEST_HASHED = 10_000_000, 1000
_HASHED_ANEW = ("tuple", "slice")
_KEYED = {"dict": 2, "odict": 2, "set": 1, "frozenset": 1}
"""Containers that hash their parts: each, or every second one."""


def _grow(nodes: list[list[Any]], leaves: Sequence[Any]) -> Any:
    hashes: _Hashes | None = None
    built: list[Any] = [_SHELLS[node[0]]() if node[0] in _SHELLS else None for node in nodes]
    for number, (tag, *parts) in enumerate(nodes):
        if tag == "objects":
            built[number] = _object_shell(parts)
    for number, (tag, *parts) in enumerate(nodes):
        if tag in ATOMS:
            built[number] = ATOMS[tag](*parts)
            continue
        if tag == "leaf":
            built[number] = leaves[parts[0]]
            continue
        skip = 3 if tag == "objects" else 0
        values = [built[p[0]] if type(p) is list else p for p in parts[skip:]]
        if hashes is not None and hashes.endless and tag in _KEYED and hashes.refuse(parts[:: _KEYED[tag]]):
            raise DamagedError("a key would take for ever to be hashed")
        if tag in ("dict", "odict"):
            built[number].update(zip(values[::2], values[1::2], strict=True))
        elif tag == "list":
            built[number].extend(values)
        elif tag == "set":
            built[number].update(values)
        elif tag == "objects":
            _fill_objects(built[number], parts, values)
        elif tag in _BUILDERS:
            if tag in _HASHED_ANEW:
                hashes = hashes or _Hashes()
                hashes.add(number, parts)
            built[number] = _BUILDERS[tag](values)
        else:
            built[number] = adapters.build(tag, values)
    return built[-1]


_SHELLS: dict[str, Callable[[], Any]] = {"list": list, "dict": dict, "odict": OrderedDict, "set": set}
_BUILDERS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "frozenset": frozenset,
    "slice": lambda values: slice(*values),
    "is": lambda values: values[0],
}


def _object_shell(parts: list[Any]) -> Any:
    import numpy

    shape = tuple(map(int, parts[0].split("x"))) if parts[0] else ()
    if math.prod(shape) != len(parts) - 3:
        raise DamagedError("an object array's shape is not that of its items")
    return numpy.empty(shape, dtype=object, order=parts[1])


def _fill_objects(array: Any, parts: list[Any], values: list[Any]) -> None:
    flat = array.reshape(-1, order=parts[1])
    for i, value in enumerate(values):
        flat[i] = value
    array.flags.writeable = parts[2]
