"""Estimators, and what they are made of, as values: their class and what pickle would restore them from.

Loaded when a value of an unknown type is met. Accepted are estimators (instances whose class has
``get_params``, scikit-learn's protocol), dictionaries of an installed distribution's own class, and,
inside or beside them, classes and functions that an installed distribution or the standard library
vouches for by name and version. Everything else keeps having no digest: two bare objects that pickle
alike may still not be the same.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import types
from collections.abc import Iterator
from typing import Any

from resultstore._identity.code import code_parts
from resultstore._identity.encoding import Node, encode, named
from resultstore._identity.names import is_reachable, origin_of, owner_of, version_of
from resultstore.errors import DigestError

_NOT_BEHAVIOUR = frozenset(
    "__abstractmethods__ __annotate__ __annotate_func__ __annotations__ __annotations_cache__ "
    "__conditional_annotations__ __dict__ __doc__ __firstlineno__ __module__ __orig_bases__ __parameters__ "
    "__qualname__ __slotnames__ __static_attributes__ __weakref__ _abc_impl".split()
)
_COMPILED = frozenset(
    {types.BuiltinFunctionType, types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
     types.MethodDescriptorType, types.MethodWrapperType, types.WrapperDescriptorType}
)  # fmt: skip
_OWN_WAYS = frozenset("__getstate__ __reduce__ __reduce_ex__ __getnewargs__ __getnewargs_ex__".split())


def node_of(value: Any) -> Node:
    """Return the encoder of a value that no table knows.

    Raises
    ------
    DigestError
        If the value is of a type that has no digest.
    """
    kind = type(value)
    if isinstance(value, type):
        found = _vouched(value)
        if found is not None:
            return named("class", found)
    elif kind is types.FunctionType:
        found = _vouched(value)
        if found is not None:
            return named("function", found)
    elif callable(getattr(kind, "get_params", None)) or (issubclass(kind, dict) and _vouched(kind) is not None):
        try:
            parts = class_parts(kind)
        except RecursionError as error:
            raise DigestError(f"class {kind.__qualname__} has a method that closes over itself") from error
        return named("instance", (parts, *_restored_from(value)))
    else:
        owner = owner_of(value)
        if owner is not None:
            return named("function", owner)
    raise DigestError(f"a {kind.__module__}.{kind.__qualname__} has no digest that could be trusted")


def _restored_from(value: Any) -> tuple[Any, ...]:
    """Return what pickle restores an instance from: arguments, state, items and pairs."""
    kind = type(value)
    for base in kind.__mro__[:-1]:
        if not _OWN_WAYS.isdisjoint(vars(base)) and _vouched(base) is None:
            raise DigestError(
                f"a {kind.__qualname__} says for itself what of it is kept, which may not be all that counts"
            )
    try:
        reduced = value.__reduce_ex__(4)
    except Exception as error:  # it is anyone's code
        raise DigestError(f"a {kind.__qualname__} does not say what it is made of ({error})") from error
    if type(reduced) is not tuple or reduced[0] is not copyreg.__newobj__ or reduced[1][0] is not kind:  # type: ignore[attr-defined]
        raise DigestError(f"a {kind.__module__}.{kind.__qualname__} is restored in a way of its own")
    _, args, state, items, pairs = (*reduced, None, None, None)[:5]
    return args[1:], state, tuple(items or ()), tuple(pairs or ())


def class_parts(kind: type) -> tuple[Any, ...]:
    """Return plain values for what a class does: names and versions, or the code of bodies nobody vouches for."""
    parts = []
    for base in kind.__mro__[:-1]:
        if type(base) is not type and _vouched(type(base)) is None:
            raise DigestError(f"class {base.__module__}.{base.__qualname__} is made by a metaclass of one's own")
        found = _vouched(base)
        parts.append(("class", *found) if found is not None else ("body", base.__qualname__, _body(base)))
    return tuple(parts)


def _body(kind: type) -> tuple[Any, ...]:
    where = f"class {kind.__module__}.{kind.__qualname__}"
    return tuple(
        (name, _member(member, f"{where}, {name}", kind))
        for name, member in sorted(vars(kind).items())
        if name not in _NOT_BEHAVIOUR
    )


def _member(member: Any, where: str, owner: type) -> Any:
    kind = type(member)
    if kind is types.FunctionType:
        return _function(member, where, owner)
    if kind in (staticmethod, classmethod):
        return (kind.__name__, _member(member.__func__, where, owner))
    if kind is property:
        return ("property", *(_member(part, where, owner) for part in (member.fget, member.fset, member.fdel)))
    if kind in (types.MemberDescriptorType, types.GetSetDescriptorType):
        return ("slot",)
    try:
        # What a distribution's own machinery left in the class, such as scikit-learn's requests.
        found = _vouched(kind) if kind.__module__ != "builtins" and type(kind) is type else None
        if found is not None:
            return ("made", *found, encode(_restored_from(member)))
    except DigestError:
        pass
    try:
        return ("value", encode(member))
    except DigestError as error:
        raise error.at(where) from None


def _function(func: Any, where: str, owner: type) -> tuple[Any, ...]:
    """Return plain values for a method: its code, defaults and cells, the class itself apart."""
    cells = []
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
        try:
            if name == "__class__" and cell.cell_contents is owner:  # super() holds the class that is being described
                continue
            cells.append((name, _member(cell.cell_contents, where, owner)))
        except ValueError:
            cells.append((name, ("empty",)))
    defaults = tuple(_member(value, where, owner) for value in func.__defaults__ or ())
    by_name = tuple((name, _member(value, where, owner)) for name, value in sorted((func.__kwdefaults__ or {}).items()))
    attributes = [(name, value) for name, value in sorted(vars(func).items()) if name != "__wrapped__"]
    held = tuple((name, _member(value, where, owner)) for name, value in attributes)
    return ("function", code_parts(func.__code__), defaults, by_name, tuple(cells), held)


def _vouched(thing: Any) -> tuple[str, str, str] | None:
    """Return module, name and version of what an installed distribution or the standard library has under its name.

    None for what was patched: a function, or a method of a class, whose code lies elsewhere.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if not is_reachable(thing):
        return None
    if isinstance(thing, type):
        is_whole = all(_is_installed(m, thing) and _belongs(n, m, thing) for n, m in vars(thing).items())
    else:
        is_whole = _is_installed(thing, thing)
    if not is_whole:
        return None  # patched
    version = version_of(module.partition(".")[0])
    return None if version is None else (module, name, version)


def _is_installed(member: Any, owner: Any, inside: tuple[Any, ...] = ()) -> bool:
    """Say whether a function, or what hangs on a class, is a distribution's or the standard library's own.

    ``owner`` is the class or function that is to be vouched for.
    """
    kind = type(member)
    if any(member is outer for outer in inside):
        return True  # a function that closes over itself
    inside = (*inside, member)
    if kind is types.FunctionType:
        return _lies_installed(member, owner) and all(
            _is_installed(inner, owner, inside) for inner in _callables_in(member)
        )
    if kind in (staticmethod, classmethod):
        return _is_installed(member.__func__, owner, inside)
    if kind is property:
        parts = (member.fget, member.fset, member.fdel)
        return all(part is None or _is_installed(part, owner, inside) for part in parts)
    if isinstance(member, type):
        return version_of(member.__module__.partition(".")[0]) is not None
    if kind in _COMPILED or not (callable(member) or hasattr(kind, "__get__")):
        return True
    if kind is functools.cached_property:
        return _is_installed(member.func, owner, inside)
    # A descriptor or callable of the distribution's own making; of any other, such as a partialmethod or a
    # mock, nobody knows what it holds.
    top = owner.__module__.partition(".")[0]
    return kind.__module__.partition(".")[0] == top and version_of(top) is not None


def _lies_installed(func: types.FunctionType, owner: Any) -> bool:
    file = func.__code__.co_filename
    if file.startswith("<"):  # made by a library at run time, such as a dataclass's __init__
        return version_of(str(func.__globals__.get("__name__")).partition(".")[0]) is not None
    # The standard library's in another class is a wrapper of functools, say, around whatever its registry holds.
    origins = ("installed", "standard") if version_of(owner.__module__.partition(".")[0]) == "" else ("installed",)
    return origin_of(file) in origins


def _callables_in(func: types.FunctionType) -> Iterator[Any]:
    """Yield what a wrapper closes over and may call: the code that it runs in the end."""
    for cell in func.__closure__ or ():
        with contextlib.suppress(ValueError):  # an empty cell
            if callable(cell.cell_contents):
                yield cell.cell_contents


def _belongs(name: str, member: Any, kind: type) -> bool:
    """Say whether a method was defined in this class, not put there from another."""
    func = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
    if not isinstance(func, types.FunctionType):
        return True
    outer, _, last = func.__qualname__.rpartition(".")
    return last != name or outer == kind.__qualname__ or not outer or outer.endswith("<locals>")
