"""Values of classes that no table knows: their class, by what it does, and what they hold.

Loaded when a value of an unknown type is met. Three rules, in this order: a subclass of a type that has an
encoder is that type's content, its own class, and its attributes; an instance of a class that an installed
distribution or the standard library vouches for is what pickle would restore it from; an instance of any other
class is its attributes, with what ``__getstate__`` or ``__reduce__`` of its own tell, and what they leave out.
What would be used up, or means something in this process only, has no digest.
"""

from __future__ import annotations

import copyreg
import sys
import threading
import types
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from resultstore._identity.encoding import LEAVES, NODES, Node, digest_of, encode, load_encoders, named
from resultstore._identity.names import owner_of, version_of
from resultstore._identity.vouching import vouched
from resultstore.errors import DigestError

WITH_SUBCLASSES: dict[type, Callable[[Any], Node]] = {}
"""Registered types whose subclasses are identified in the same way."""

HOOK = "__resultstore_digest__"
_OWN_WAYS = ("__getstate__", "__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__")


def refused(value: Any, why: str = "") -> DigestError:
    """Return the error that names the type of a value without a digest."""
    kind = type(value)
    return DigestError(f"a {kind.__module__}.{kind.__qualname__} has no digest that could be trusted{why}")


# -- what code does, inside a value


class _Walk(threading.local):
    entered: tuple[Any, ...] = ()
    inside: tuple[Any, ...] = ()


_walk = _Walk()


def behaviour(thing: Any) -> Any:
    """Return a plain value for what a function or class does: its digest, or a number where it is being looked at."""
    for number, other in enumerate(_walk.entered):
        if other is thing:
            return ("again", number)
    from resultstore._identity.behaviour import behaviour_of

    before = _walk.entered
    _walk.entered = (*before, thing)
    try:
        return behaviour_of(thing)
    finally:
        _walk.entered = before


def class_entry(kind: type) -> tuple[Any, ...]:
    """Return plain values for the class of an instance: by name and version, or by name and what it does."""
    found = vouched(kind)
    if found is not None:
        return ("class", *found)
    return ("body", _module_of(kind), kind.__qualname__, behaviour(kind))


def _module_of(thing: Any) -> str:
    module = str(thing.__module__)
    return "__main__" if module == "__mp_main__" else module  # a spawned worker's name for the same script


# -- values


class Part:
    """A value seen as one of a base class, so that it is encoded as that class's own."""

    __slots__ = ("base", "value")

    def __init__(self, base: type, value: Any) -> None:
        self.base = base
        self.value = value


def _part(part: Part) -> Node:
    leaf = LEAVES.get(part.base)
    value = _PLAIN[part.base](part.value) if part.base in _PLAIN else part.value
    if leaf is not None:
        return leaf(value)
    return (yield from NODES[part.base](value))


# A subclass may redefine how it is read; these read it as its base does.
_PLAIN: dict[type, Callable[[Any], Any]] = {
    bool: bool,
    int: int.__int__,
    float: float.__float__,
    complex: complex.__complex__,
    str: str.__str__,
    bytes: lambda v: bytes.__getitem__(v, slice(None)),
    bytearray: lambda v: bytearray.__getitem__(v, slice(None)),
    list: lambda v: list.__getitem__(v, slice(None)),
    tuple: lambda v: tuple.__getitem__(v, slice(None)),
    dict: lambda v: {k: dict.__getitem__(v, k) for k in dict.__iter__(v)},
    set: lambda v: set().union(v),
    frozenset: lambda v: frozenset().union(v),
}
NODES[Part] = _part


class _Bare:
    """A value without the attributes that it was given."""

    __slots__ = ("maker", "value")

    def __init__(self, maker: Callable[[Any], Node], value: Any) -> None:
        self.maker = maker
        self.value = value


NODES[_Bare] = lambda bare: bare.maker(bare.value)


def with_attributes(maker: Callable[[Any], Node], own: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Node]:
    """Return an encoder that also tells the attributes which a value of a library's type was given, if any."""

    def node(value: Any) -> Node:
        attributes = own(value)
        return named("with attributes", (_Bare(maker, value), attributes)) if attributes else maker(value)

    return node


def node_of(value: Any) -> Node:
    """Return the encoder of a value that no table knows.

    Raises
    ------
    DigestError
        If the value is of a type that has no digest.
    """
    kind = type(value)
    if issubclass(kind, type):
        return _class(value)
    maker = _CODE.get(kind)
    if maker is not None:
        return maker(value)
    if hasattr(kind, HOOK):
        return _hooked(value, kind)
    for base in kind.__mro__ if WITH_SUBCLASSES else ():
        if base in WITH_SUBCLASSES:
            return WITH_SUBCLASSES[base](value)
    if kind is object or any(hasattr(kind, name) for name in ("__next__", "__anext__", "__await__")):
        raise refused(value)
    if issubclass(kind, Enum):
        return _member_of_enum(value, kind)
    if issubclass(kind, BaseException):
        return _exception(value, kind)
    owner = owner_of(value)
    if owner is not None:
        return named("function", owner)
    return _instance(value, kind)


def _hooked(value: Any, kind: type) -> Node:
    try:
        told = getattr(value, HOOK)()
    except Exception as error:  # it is anyone's code
        raise refused(value, f": its {HOOK} raised {type(error).__name__}: {error}") from error
    if told is value:  # its parts would not be looked at: all instances would be one
        raise refused(value, f": its {HOOK} returned the object itself")
    return named("hook", (class_entry(kind), told))


def _instance(value: Any, kind: type) -> Node:
    entry, found = class_entry(kind), vouched(kind)
    base = known_base(kind)
    if base is not object and not (found and base.__module__ == "builtins" and base is not dict):
        # Of what a distribution makes of Python's own types only pickle knows what counts; but not of a
        # dictionary, whose order it would tell, nor of an array or a table, whose layout.
        if not _has_hidden_state(kind, base):
            return named("subclass", (entry, Part(base, value), raw_state(value, kind, base)))
    elif found is None and not _has_hidden_state(kind, object):
        if _says(kind, "__reduce__", "__reduce_ex__"):
            return _restored(value, entry, (raw_state(value, kind, object),))
        return named("instance", (entry, (), raw_state(value, kind, object), (), ()))
    for owner in kind.__mro__[:-1]:
        if any(name in vars(owner) for name in _OWN_WAYS) and vouched(owner) is None:
            raise refused(value, f": {owner.__qualname__} says for itself what of it is kept, which may not be all")
    return _restored(value, entry, () if found else (raw_state(value, kind, object),))


def known_base(kind: type) -> type:
    """Return the nearest base of a class that has an encoder, or object."""
    return next((b for b in kind.__mro__[1:-1] if b in LEAVES or b in NODES or load_encoders(b)), object)


def _has_hidden_state(kind: type, base: type) -> bool:
    """Say whether instances hold more than their base and attributes: what a class written in C keeps to itself.

    The rule is that of Python's own ``object.__reduce_ex__``.
    """
    known = base.__basicsize__
    flags = kind.__flags__
    if kind.__dictoffset__ and not base.__dictoffset__ and not flags & 1 << 4:  # Py_TPFLAGS_MANAGED_DICT
        known += 8
    if kind.__weakrefoffset__ and not base.__weakrefoffset__ and not flags & 1 << 3:  # Py_TPFLAGS_MANAGED_WEAKREF
        known += 8
    known += 8 * (len(copyreg._slotnames(kind)) - len(copyreg._slotnames(base)))  # type: ignore[attr-defined]
    return kind.__itemsize__ != base.__itemsize__ or kind.__basicsize__ > known


STATES: dict[type, Callable[[Any], Any]] = {}
"""Bases whose instances have attributes that are not the subclass's own, and how to read those that are."""


def _says(kind: type, *names: str) -> bool:
    """Say whether one of these methods, by which pickle asks, is of a class that nobody vouches for."""
    owners = (next(owner for owner in kind.__mro__ if name in vars(owner)) for name in names)
    return any(owner is not object and vouched(owner) is None for owner in owners)


def raw_state(value: Any, kind: type, base: type) -> Any:
    """Return the attributes of an instance beyond its base's, whatever its class says for itself.

    What a class of its own way leaves out counts too, if it has a digest: a factor does, a lock does not.
    """
    if base in STATES:
        return STATES[base](value)
    state: Any = object.__getstate__(value)
    if type(state) is tuple:
        inherited = copyreg._slotnames(base)  # type: ignore[attr-defined]
        state = state[0], {name: part for name, part in state[1].items() if name not in inherited}
    says_state = _says(kind, "__getstate__")
    if not says_state and not _says(kind, "__reduce__", "__reduce_ex__"):
        return state
    try:
        told = value.__getstate__() if says_state else None
    except Exception as error:  # it is anyone's code
        raise refused(value, f": its __getstate__ raised {type(error).__name__}: {error}") from error
    attributes, slots = state if type(state) is tuple else (state, None)
    return told, _digests(value, {**(attributes or {}), **(slots or {})})


def _digests(value: Any, attributes: dict[str, Any]) -> dict[str, bytes]:
    """Return the digests of those attributes that have one."""
    if any(value is other for other in _walk.inside):
        return {}  # one of them leads back here
    before = _walk.inside
    _walk.inside = (*before, value)
    found = {}
    try:
        for name, part in attributes.items():
            with suppress(DigestError):
                found[name] = digest_of(encode(part))
    finally:
        _walk.inside = before
    return found


def _restored(value: Any, entry: tuple[Any, ...], more: tuple[Any, ...]) -> Node:
    """Encode what pickle restores an instance from: arguments, state, items and pairs."""
    kind = type(value)
    try:
        way = copyreg.dispatch_table.get(kind)
        reduced: Any = value.__reduce_ex__(4) if way is None else way(value)
    except Exception as error:  # it is anyone's code
        raise refused(value, f" ({error})") from error
    if isinstance(reduced, str):
        return _global(value, kind, reduced)
    function, args, state, items, pairs = (*reduced, None, None, None)[:5]
    held: tuple[Any, ...] = (state, tuple(items or ()), tuple(pairs or ()), *more)
    if function is copyreg.__newobj__ and args[0] is kind:  # type: ignore[attr-defined]
        return named("instance", (entry, args[1:], *held))
    return named("restored", (entry, function, args, *held))


def _global(value: Any, kind: type, name: str) -> Node:
    """Encode what pickle knows as the one object that a module has under a name."""
    module = getattr(value, "__module__", None) or kind.__module__
    version = version_of(str(module).partition(".")[0])
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not value or version is None:
        raise refused(value)
    return named("global", (module, name, version))


def _member_of_enum(value: Any, kind: type) -> Node:
    told = (value._name_,) if type(value._value_) is object else (value._name_, value._value_)
    entry = class_entry(kind)
    own = {} if entry[0] == "class" else {n: part for n, part in vars(value).items() if n[:1] != "_" or n[-1:] != "_"}
    return named("enum", (entry, *told)) if not own else named("member with attributes", (entry, *told, own))


def _exception(value: Any, kind: type) -> Node:
    compiled: Any = next(base for base in kind.__mro__ if base.__module__ == "builtins" and vouched(base) is not None)
    _, args, *state = compiled.__reduce__(value)
    return named(
        "exception", (class_entry(kind), args, *state[:1], raw_state(value, kind, BaseException), value.__cause__)
    )


# -- code as a value


def _class(value: Any) -> Node:
    found = vouched(value)
    return named("class", found or (_module_of(value), value.__qualname__, "", behaviour(value)))


def _function(value: Any) -> Node:
    return named("function", vouched(value) or (value.__name__, behaviour(value)))


def _builtin(value: Any) -> Node:
    bound_to: Any = value.__self__
    if bound_to is None or isinstance(bound_to, types.ModuleType):
        owner = owner_of(value)
        if owner is None:
            raise refused(value)
        return named("function", owner)
    return named("method", (bound_to, value.__name__))


def _module(value: Any) -> Node:
    version = version_of(value.__name__.partition(".")[0])
    found: Any = sys.modules.get(value.__name__)
    if version is None or found is not value:
        raise refused(value)
    return named("module", (value.__name__, version))


def _descriptor(value: Any) -> Node:
    return named("method", (value.__objclass__, value.__name__))


_CODE: dict[type, Callable[[Any], Node]] = {
    types.FunctionType: _function,
    types.BuiltinFunctionType: _builtin,
    types.MethodWrapperType: lambda v: named("bound wrapper", (v.__self__, v.__name__)),
    types.MethodType: lambda v: named("bound method", (v.__func__, v.__self__)),
    types.ModuleType: _module,
    types.MethodDescriptorType: _descriptor,
    types.WrapperDescriptorType: _descriptor,
    types.ClassMethodDescriptorType: lambda v: named("class method", (v.__objclass__, v.__name__)),
    types.GetSetDescriptorType: _descriptor,
    types.MemberDescriptorType: _descriptor,
    property: lambda v: named("property", (v.fget, v.fset, v.fdel)),
    staticmethod: lambda v: named("staticmethod", (v.__func__,)),
    classmethod: lambda v: named("classmethod", (v.__func__,)),
    types.MappingProxyType: lambda v: named("mappingproxy", (dict(v),)),
    memoryview: lambda v: named("memoryview", (v.format, v.shape, v.readonly, v.tobytes())),
    type(NotImplemented): lambda v: named("NotImplemented", ()),
}
