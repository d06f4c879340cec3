"""The canonical encoding of values, version 1, and the digest made of it.

The encoding is published in ``docs/format/digest.md`` and held by golden vectors: what is accepted
here keeps its bytes for ever. It is type-tagged and length-prefixed, so no two values that can be
told apart share an encoding, and nothing of a process (addresses, hash seeds, memory layout)
enters it.

Two values are the same when they have the same type and equal content, recursively. Treated as the
same although they can be told apart, and nothing else: the insertion order of dicts, the order of
sets, the bits of a scalar NaN, shared against copied sub-objects, and a view, a strided array or a
memory map against a contiguous copy.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from struct import Struct
from typing import Any

from blake3 import blake3

from resultstore.errors import DigestError

TOKEN_LIMIT = 32
"""Encodings shorter than this stand for themselves; longer ones are replaced by their digest."""

Node = Generator[Any, bytes, bytes]
"""A container's encoder: yields children, is sent their short forms, returns its own encoding."""

_DIGEST_HEAD = b"resultstore digest 1\0"
_pack_double = Struct(">d").pack
_NAN = bytes.fromhex("7ff8000000000000")


def length(n: int) -> bytes:
    """Encode a count: 7 bits a byte, low bits first, the high bit set on all but the last byte."""
    if n < 128:
        return bytes((n,))
    out = bytearray()
    while n >= 128:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


_INT, _STR = ([tag + length(n) for n in range(128)] for tag in (b"i", b"s"))


class Known(bytes):
    """Stands for the encoding of a value of which only the digest is at hand: these are its 32 bytes."""

    __slots__ = ()


def digest_of(encoding: bytes) -> bytes:
    """Return the digest, 32 bytes, of the value with this encoding."""
    if type(encoding) is Known:
        return bytes(encoding)
    return blake3(_DIGEST_HEAD + encoding).digest()


def token_of(encoding: bytes) -> bytes:
    """Return the shortest exact name of a value: a short encoding itself, else its digest."""
    return encoding if len(encoding) < TOKEN_LIMIT else digest_of(encoding)


def short(encoding: bytes) -> bytes:
    """Return the form in which a value stands inside a container's encoding."""
    return encoding if len(encoding) < TOKEN_LIMIT else b"D" + digest_of(encoding)


# -- leaves: values without parts --------------------------------------------------------------


def _int(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return (_INT[size] if size < 128 else b"i" + length(size)) + value.to_bytes(size, "big", signed=True)


def double(value: float) -> bytes:
    """Return eight big-endian bytes, every NaN being the same one."""
    return _pack_double(value) if value == value else _NAN


def _str(value: str) -> bytes:
    body = value.encode("utf-8", "surrogatepass")
    return (_STR[len(body)] if len(body) < 128 else b"s" + length(len(body))) + body


def _bytes(value: bytes) -> bytes:
    return b"b" + length(len(value)) + value


def _bytearray(value: bytearray) -> bytes:
    return b"y" + length(len(value)) + bytes(value)


LEAVES: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"N",
    bool: lambda value: b"T" if value else b"F",
    int: _int,
    float: lambda value: b"f" + double(value),
    complex: lambda value: b"c" + double(value.real) + double(value.imag),
    str: _str,
    bytes: _bytes,
    bytearray: _bytearray,
    type(Ellipsis): lambda value: b"E",
}


# -- nodes: values with parts ------------------------------------------------------------------


def sequence(tag: bytes, values: Iterable[Any], count: int) -> Node:
    """Encode parts in their order under a tag."""
    parts = [tag, length(count)]
    leaves = LEAVES
    for value in values:
        leaf = leaves.get(type(value))
        parts.append((yield value) if leaf is None else short(leaf(value)))
    return b"".join(parts)


def _list(value: list[Any]) -> Node:
    return sequence(b"l", value, len(value))


def _tuple(value: tuple[Any, ...]) -> Node:
    return sequence(b"t", value, len(value))


def _first(pair: tuple[bytes, Any]) -> bytes:
    return pair[0]


class _Keys(threading.local):
    known: dict[int, tuple[bytes, Any]] | None = None


_keys = _Keys()


def _short_key(key: Any) -> bytes:
    """Return the short form of a key; keys within keys are encoded once, or shared ones would take exponential time."""
    leaf = LEAVES.get(type(key))
    if leaf is not None:
        return short(leaf(key))
    known = _keys.known
    if known is None:
        _keys.known = {}
        try:
            return short(encode(key))
        finally:
            _keys.known = None
    found = known.get(id(key))
    if found is None:
        found = known[id(key)] = short(encode(key)), key  # an id stays taken only while its object lives
    return found[0]


def _dict(value: dict[Any, Any]) -> Node:
    # Keys are encoded on their own, before the values: they say in which order the values are
    # visited, and being hashable they cannot be part of a cycle.
    keyed = sorted([(_short_key(key), key) for key in value], key=_first)
    parts = [b"d", length(len(keyed))]
    for encoded, key in keyed:
        parts.append(encoded)
        parts.append((yield value[key]))
    return b"".join(parts)


def _ordered_dict(value: OrderedDict[Any, Any]) -> Node:
    if type(value) is OrderedDict and value.__dict__:
        return named("with attributes", (OrderedDict(value), value.__dict__))
    flat = [part for key in OrderedDict.__iter__(value) for part in (key, dict.__getitem__(value, key))]
    return sequence(b"o", flat, len(flat))


def _unordered(tag: bytes) -> Callable[[Any], Node]:
    def node(value: Any) -> Node:
        parts = []
        for part in value:
            parts.append((yield part))  # noqa: PERF401 -- a comprehension cannot yield
        return b"".join([tag, length(len(value)), *sorted(parts)])

    return node


def named(name: str, parts: tuple[Any, ...]) -> Node:
    """Encode a value of a named type by the plain values that make it up."""
    return sequence(b"O" + _str(name), parts, len(parts))


NODES: dict[type, Callable[[Any], Node]] = {
    list: _list,
    tuple: _tuple,
    dict: _dict,
    OrderedDict: _ordered_dict,
    set: _unordered(b"S"),
    frozenset: _unordered(b"Z"),
    range: lambda value: named("range", (value.start, value.stop, value.step)),
    slice: lambda value: named("slice", (value.start, value.stop, value.step)),
}

RECOGNISERS: dict[Callable[[Any], Node], Callable[[Any, list[Any]], bytes | None]] = {}
"""By the encoder of a type: what tells a value's digest without reading it, and notes on whose word."""

REGISTERED: dict[type, Callable[[Any], Node]] = {}
"""Types whose values a user says how to identify; they go before ours."""

_LATE = {
    "array": "builtins_values",
    "collections": "builtins_values",
    "functools": "builtins_values",
    "numpy": "numpy_values",
    "pandas": "pandas_values",
    "polars": "polars_values",
    "pyarrow": "arrow_values",
    "re": "builtins_values",
    "_struct": "builtins_values",
    "scipy": "scipy_values",
    "sklearn": "sklearn_values",
    "torch": "torch_values",
    "xarray": "xarray_values",
}
_STANDARD = frozenset({"datetime", "decimal", "fractions", "pathlib", "uuid", "zoneinfo"})


def load_encoders(kind: type) -> bool:
    """Import the encoders for a type of a module that we do not import ourselves; say whether it is known now."""
    root = str(kind.__module__).partition(".")[0]
    if root in _STANDARD:
        late = "resultstore._identity.standard"
    elif root in _LATE:
        late = f"resultstore._identity.encoders.{_LATE[root]}"
    else:
        return False
    __import__(late)
    sys.modules[late].register(kind, LEAVES, NODES)
    for registered, maker in REGISTERED.items():
        NODES[registered] = maker
        LEAVES.pop(registered, None)
    return kind in LEAVES or kind in NODES


def _node(value: Any) -> Node:
    kind = type(value)
    maker = NODES.get(kind)
    if maker is None:
        if load_encoders(kind) and kind in NODES:
            return NODES[kind](value)
        from resultstore._identity.instances import node_of

        return node_of(value)
    return maker(value)


def encode(value: Any, leaning: list[Any] | None = None) -> bytes:
    """Return the canonical encoding of a value.

    With ``leaning``, what need not be read is taken at the word of those who know its digest, who are added to
    that list; and in place of a whole value's encoding its digest may be returned, as `Known`.

    Raises
    ------
    DigestError
        If the value, or something in it, is of a type that has no digest.
    """
    leaf = LEAVES.get(type(value))
    if leaf is not None:
        return leaf(value)
    if type(value) not in NODES and load_encoders(type(value)) and type(value) in LEAVES:
        return LEAVES[type(value)](value)
    known = None if leaning is None else _recognised(value, leaning)
    if known is not None:
        return Known(known)
    try:
        try:
            return _encode_tree(value, leaning)
        except _CycleFound:
            return _encode_graph(value)
    except (RecursionError, _CycleFound) as error:
        kind = type(value)
        raise DigestError(
            f"a {kind.__module__}.{kind.__qualname__} has no digest that could be trusted: it contains itself "
            "by way of a key of a dict, or of a set"
        ) from error


class _CycleFound(Exception):
    """A value contains itself."""


def _recognised(value: Any, leaning: list[Any]) -> bytes | None:
    maker = NODES.get(type(value))  # not by type: a user may have said how its values are identified
    recogniser = None if maker is None else RECOGNISERS.get(maker)
    return None if recogniser is None else recogniser(value, leaning)


def _encode_tree(root: Any, leaning: list[Any] | None = None) -> bytes:
    """Encode a value that does not contain itself; equal parts are encoded once."""
    known: dict[int, bytes] = {}  # id of a finished part -> its short form
    keep: list[Any] = []  # ids stay taken only while their objects live
    open_ids = {id(root)}
    stack: list[tuple[Node, Any]] = [(_node(root), root)]
    answer: bytes | None = None
    while True:
        node, owner = stack[-1]
        try:
            child = node.send(answer)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as done:
            encoding: bytes = done.value
            stack.pop()
            if not stack:
                return encoding
            open_ids.discard(id(owner))
            answer = known[id(owner)] = short(encoding)
            keep.append(owner)
            continue
        answer = _leaf(child)
        if answer is None:
            answer = known.get(id(child))
        if answer is None and leaning is not None:
            recognised = _recognised(child, leaning)
            if recognised is not None:
                answer = known[id(child)] = b"D" + recognised
                keep.append(child)
        if answer is None:
            if id(child) in open_ids:
                raise _CycleFound
            open_ids.add(id(child))
            stack.append((_node(child), child))


def _encode_graph(root: Any) -> bytes:
    """Encode a value that contains itself: parts are numbered as first met, and met again by number.

    Inside such a value sharing is visible. The alternative, unfolding it up to the repetition, keeps
    sharing invisible but takes exponential time on a dense graph.
    """
    numbers: dict[int, int] = {id(root): 0}
    keep: list[Any] = [root]
    stack: list[Node] = [_node(root)]
    answer: bytes | None = None
    while True:
        try:
            child = stack[-1].send(answer)  # type: ignore[arg-type]
        except StopIteration as done:
            stack.pop()
            # Not shortened: a part's encoding holds numbers that mean something only in the whole.
            answer = b"(" + length(len(done.value)) + done.value
            if not stack:
                return b"g" + answer
            continue
        answer = _leaf(child)
        if answer is None and type(child) in (set, frozenset):
            # Visited in no order of its own, it must not number parts; it cannot be in a cycle.
            answer = short(_encode_tree(child))
        if answer is None and id(child) in numbers:
            answer = b"r" + length(numbers[id(child)])
        if answer is None:
            numbers[id(child)] = len(numbers)
            keep.append(child)
            stack.append(_node(child))


def _leaf(value: Any) -> bytes | None:
    leaf = LEAVES.get(type(value))
    if leaf is None and type(value) not in NODES and load_encoders(type(value)):
        leaf = LEAVES.get(type(value))
    return None if leaf is None else short(leaf(value))


def digest(value: Any) -> bytes:
    """Return the content digest of a value: the same in every process, on every machine.

    Parameters
    ----------
    value
        None, numbers, strings, bytes, ``list``, ``tuple``, ``dict``, ``set``, ``frozenset`` (also
        nested, shared, cyclic), numpy arrays and scalars, and the standard library's dates, times,
        decimals, fractions, paths and UUIDs.

    Returns
    -------
    bytes
        32 bytes: BLAKE3 of the canonical encoding, version 1.

    Raises
    ------
    DigestError
        If the value, or something in it, has no stable content.

    Examples
    --------
    >>> from resultstore import digest
    >>> digest([1, 2.5, "three"]).hex()[:16]
    '49941164bc5b71b3'
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    >>> digest(1) == digest(1.0)
    False
    """
    return digest_of(encode(value))
