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
import sys
import types
from collections.abc import Iterator
from typing import Any

from resultstore._identity.code import code_parts
from resultstore._identity.encoding import Node, encode, named
from resultstore._identity.names import is_installed_file, owner_of, version_of
from resultstore.errors import DigestError

_NOT_BEHAVIOUR = frozenset(
    "__abstractmethods__ __annotate__ __annotate_func__ __annotations__ __annotations_cache__ "
    "__conditional_annotations__ __dict__ __doc__ __firstlineno__ __module__ __orig_bases__ __parameters__ "
    "__qualname__ __slotnames__ __static_attributes__ __weakref__ _abc_impl".split()
)


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
        return named("instance", (class_parts(kind), *_restored_from(value)))
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
        (name, _member(member, f"{where}, {name}"))
        for name, member in sorted(vars(kind).items())
        if name not in _NOT_BEHAVIOUR
    )


def _member(member: Any, where: str) -> Any:
    kind = type(member)
    if kind is types.FunctionType:
        return _function(member, where)
    if kind in (staticmethod, classmethod):
        return (kind.__name__, _member(member.__func__, where))
    if kind is property:
        return ("property", *(_member(part, where) for part in (member.fget, member.fset, member.fdel)))
    if kind in (types.MemberDescriptorType, types.GetSetDescriptorType):
        return ("slot",)
    try:
        # What a distribution's own machinery left in the class, such as scikit-learn's requests.
        if _vouched(kind) is not None and kind.__module__ != "builtins" and type(kind) is type:
            return ("made", *_vouched_or_empty(kind), encode(_restored_from(member)))
    except DigestError:
        pass
    try:
        return ("value", encode(member))
    except DigestError as error:
        raise error.at(where) from None


def _function(func: Any, where: str) -> tuple[Any, ...]:
    """Return plain values for a method: its code, defaults and cells, the class itself apart."""
    cells = []
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
        if name == "__class__":  # super() holds the class that is being described
            continue
        try:
            cells.append((name, _member(cell.cell_contents, where)))
        except ValueError:
            cells.append((name, ("empty",)))
    defaults = tuple(_member(value, where) for value in func.__defaults__ or ())
    by_name = tuple((name, _member(value, where)) for name, value in sorted((func.__kwdefaults__ or {}).items()))
    attributes = [(name, value) for name, value in sorted(vars(func).items()) if name != "__wrapped__"]
    held = tuple((name, _member(value, where)) for name, value in attributes)
    return ("function", code_parts(func.__code__), defaults, by_name, tuple(cells), held)


def _vouched_or_empty(named_thing: Any) -> tuple[str, ...]:
    return _vouched(named_thing) or ()


def _vouched(thing: Any) -> tuple[str, str, str] | None:
    """Return module, name and version of what an installed distribution or the standard library has under its name.

    None for what was patched: a function, or a method of a class, whose code lies elsewhere.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not thing:
        return None
    members = vars(thing).values() if isinstance(thing, type) else (thing,)
    if not all(map(_is_installed, members)):
        return None  # patched
    version = version_of(module.partition(".")[0])
    return None if version is None else (module, name, version)


def _is_installed(member: Any, inside: tuple[Any, ...] = ()) -> bool:
    """Say whether what hangs on a class, or a function, is a distribution's or the standard library's own."""
    kind = type(member)
    if any(member is outer for outer in inside):
        return True  # a function that closes over itself
    inside = (*inside, member)
    if kind is types.FunctionType:
        file = member.__code__.co_filename
        if file.startswith("<"):  # made by a library at run time, such as a dataclass's __init__
            top = str(member.__globals__.get("__name__")).partition(".")[0]
            known = version_of(top) is not None
        else:
            known = is_installed_file(file)
        return known and all(_is_installed(inner, inside) for inner in _functions_in(member))
    if kind is property:
        return all(_is_installed(part, inside) for part in (member.fget, member.fset, member.fdel))
    if isinstance(member, type) or not (callable(member) or hasattr(kind, "__get__")):
        return True  # data
    # A callable object or a descriptor is behaviour of its type, and of the function that it holds.
    top = "" if kind.__module__ == "unittest.mock" else kind.__module__.partition(".")[0]
    inner = getattr(member, "__func__", None) or getattr(member, "func", None)
    return version_of(top) is not None and (inner is None or _is_installed(inner, inside))


def _functions_in(func: types.FunctionType) -> Iterator[Any]:
    """Yield the functions that a wrapper closes over: the code that it runs in the end."""
    for cell in func.__closure__ or ():
        with contextlib.suppress(ValueError):  # an empty cell
            if isinstance(cell.cell_contents, types.FunctionType):
                yield cell.cell_contents
