"""Who answers for a class or a function: an installed distribution, or the standard library, by name and version."""

from __future__ import annotations

import contextlib
import enum
import functools
import types
from collections.abc import Iterator
from typing import Any

from resultstore._identity.names import is_reachable, version_of
from resultstore._identity.origins import STANDARD, owner_of_file, owner_of_module

COMPILED = frozenset(
    {types.BuiltinFunctionType, types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
     types.MethodDescriptorType, types.MethodWrapperType, types.WrapperDescriptorType}
)  # fmt: skip
_CACHE = type(functools.lru_cache(len))
_IMMUTABLE = 1 << 8  # Py_TPFLAGS_IMMUTABLETYPE
_HEAP = 1 << 9  # Py_TPFLAGS_HEAPTYPE: not set for types that are compiled into Python itself


def vouched(thing: Any) -> tuple[str, str, str] | None:
    """Return module, name and version of what an installed distribution or the standard library has under its name.

    None for what was patched: a function, or a method of a class, whose code lies elsewhere.
    """
    module, name = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if module == "builtins" and isinstance(thing, type) and not thing.__flags__ & _HEAP:
        return module, name, ""  # compiled into Python, such as NoneType, which no module shows
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


def vouched_compiled(kind: type) -> tuple[str, str, str] | None:
    """Return module, name and version of a class that Cython has compiled, or that derives from one, unpatched.

    `vouched` says no to these, for what they say for pickle is believed only of those that somebody has looked at.
    """
    top = kind.__module__.partition(".")[0]
    version = version_of(top)
    # Nobody can put anything into a class that is immutable: a forest holds hundreds of trees.
    is_whole = _whole(kind) if all(base.__flags__ & _IMMUTABLE for base in kind.__mro__) else _looked_at(kind)
    return (kind.__module__, kind.__qualname__, version) if version and is_whole and is_reachable(kind) else None


def _looked_at(kind: type) -> bool:
    top = kind.__module__.partition(".")[0]
    return all(
        _is_cython(getattr(member, "__func__", member), top) or _is_installed(member, base)
        for base in kind.__mro__[:-1]
        for member in vars(base).values()
    )


_whole = functools.cache(_looked_at)


def _is_cython(member: Any, top: str) -> bool:
    """Say whether a function was compiled by Cython in a package."""
    if type(member).__name__ not in ("cython_function_or_method", "fused_cython_function"):
        return False
    return str(member.__globals__.get("__name__")).partition(".")[0] == top


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
    if kind is enum.property:
        return True
    if kind is types.MethodType and member.__self__ is owner:
        return _is_installed(member.__func__, owner, inside)
    if kind in COMPILED or not (callable(member) or hasattr(kind, "__get__")):
        return True
    if kind is functools.cached_property:
        return _is_installed(member.func, owner, inside)
    if kind is _CACHE:
        return _is_installed(member.__wrapped__, owner, inside)
    # A descriptor or callable of the distribution's own making; of any other, such as a partialmethod or a
    # mock, nobody knows what it holds.
    top = owner.__module__.partition(".")[0]
    return kind.__module__.partition(".")[0] == top and version_of(top) is not None


def _lies_installed(func: types.FunctionType, owner: Any) -> bool:
    file = func.__code__.co_filename
    if file.startswith("<"):  # made by a library at run time, such as a dataclass's __init__
        if file.startswith("<attrs generated"):  # in a namespace without a name
            return version_of(owner.__module__.partition(".")[0]) is not None
        return version_of(str(func.__globals__.get("__name__")).partition(".")[0]) is not None
    owner_of_code = owner_of_file(file)
    # The standard library's in another class is a wrapper of functools, say, around whatever its registry holds.
    is_standard = version_of(owner.__module__.partition(".")[0]) == ""
    return owner_of_code is not None and (is_standard or owner_of_code is not STANDARD)


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
    if isinstance(kind, enum.EnumMeta) and func.__code__.co_filename == enum.__file__:
        return True  # an enum is given some by its making
    outer, _, last = func.__qualname__.rpartition(".")
    if last != name or outer == kind.__qualname__ or not outer or outer.endswith("<locals>"):
        return True
    return owner_of_file(func.__code__.co_filename) == owner_of_module(kind.__module__)  # from a class beside it
