"""Whose a function, a class or an object is, as far as a name can vouch for it."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any, Final

from resultstore._identity.names import owner_of
from resultstore._identity.origins import STANDARD, Owner, owner_of_file, owner_of_module


class _Missing:
    """Stands for what a name is not bound to."""


MISSING: Final = _Missing()

DESCRIPTORS = (
    types.GetSetDescriptorType, types.MemberDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)  # fmt: skip


def owner_of_function(func: types.FunctionType) -> Owner | None:
    """Return whose the code of a function is."""
    file = func.__code__.co_filename
    if file.startswith("<") and not file.startswith("<frozen"):  # made at run time: whoever's namespace it lives in
        name = func.__globals__.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        return owner_of_module(str(name)) if module is not None and vars(module) is func.__globals__ else None
    return owner_of_file(file)


def owner_of_class(kind: type) -> Owner | None:
    """Return whose a class is; None also for one of a library's that was patched."""
    owner = owner_of_module(str(kind.__module__))
    if owner is None:
        return None
    if not kind.__flags__ & 1 << 9:  # written in C: nobody can patch it
        return owner
    from resultstore._identity.vouching import vouched

    return owner if vouched(kind) is not None else None


def is_users_own(value: Any) -> bool:
    """Say whether a function or class that was found in a library is not the library's."""
    if type(value) is types.FunctionType:
        return owner_of_function(value) is None
    if type(value) in (functools.partial, types.MethodType):
        return is_users_own(value.func if isinstance(value, functools.partial) else value.__func__)
    if not isinstance(value, (type, types.ModuleType)) and _is_of_a_users_class(value):
        return True
    return isinstance(value, type) and value.__flags__ & 1 << 9 != 0 and owner_of_module(value.__module__) is None


def _is_of_a_users_class(value: Any) -> bool:
    name = str(type(value).__module__)
    # Types that Cython makes lie in a module without a file.
    has_file = getattr(sys.modules.get(name), "__file__", None) is not None or name in ("__main__", "__mp_main__")
    return has_file and owner_of_module(name) is None


def is_builtin(value: Any) -> bool:
    """Say whether a value that was found among the builtins is Python's own, not added by hand."""
    if isinstance(value, (types.BuiltinFunctionType, type)):
        return value.__module__ == "builtins" or owner_of_module(str(value.__module__)) is STANDARD  # open is of _io
    return type(value).__module__ == "_sitebuiltins" or value is NotImplemented or value is ...


def is_its_own(func: types.FunctionType) -> bool:
    """Say whether a library's function was defined in the library, not made around something at run time."""
    top = str(func.__globals__.get("__name__")).partition(".")[0]
    found: Any = sys.modules.get(func.__module__ or "")
    for part in func.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is func and func.__module__.partition(".")[0] == top


def plain_module(name: str, owner: Owner) -> str:
    """Return a module's name as it enters digests; the standard library's parts move between versions."""
    if owner is not STANDARD:
        return name
    first, *rest = name.split(".")  # pathlib._local was pathlib, and _pickle is pickle's
    return ".".join([first.lstrip("_"), *(part for part in rest if not part.startswith("_"))])


def foreign_name(value: Any) -> tuple[str, str, Owner] | None:
    """Return module, name and owner of a function without Python code that its module vouches for."""
    if isinstance(value, DESCRIPTORS):
        home = value.__objclass__ if hasattr(value, "__objclass__") else type(value)
        owner = owner_of_module(home.__module__)
        return (home.__module__, value.__qualname__, owner) if owner is not None else None
    found = owner_of(value)
    if found is not None:
        module, name, version = found
        return module, name, owner_of_module(module) or Owner(module.partition(".")[0], version)
    if type(value).__module__ in ("typing", "types") and not isinstance(
        value, (types.SimpleNamespace, types.MappingProxyType)
    ):
        return "typing", getattr(value, "_name", None) or type(value).__name__, STANDARD  # such as Any
    return None


def global_of_a_library(value: Any, name: str) -> tuple[str, str, Owner] | None:
    """Return module, name and owner of an object that an installed module has under a name: scipy.stats.norm."""
    if _is_of_a_users_class(value):
        return None  # nothing is asked of what may have an answer of its own
    name = name.rpartition(".")[2]
    homes = (value, type(value), type(getattr(value, "__self__", None)))
    for home in dict.fromkeys(str(getattr(home, "__module__", None)) for home in homes):
        module = sys.modules.get(home)
        owner = owner_of_module(home) if module is not None else None
        if owner is not None:
            for known in (name, getattr(value, "__name__", None)):
                if isinstance(known, str) and vars(module).get(known, MISSING) is value:
                    return home, known, owner
            packages = [home.rpartition(".")[0], home.partition(".")[0]]
            for package in packages:
                if package in sys.modules and vars(sys.modules[package]).get(name, MISSING) is value:
                    return package, name, owner
    return None
