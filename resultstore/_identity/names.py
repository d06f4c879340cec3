"""What a function is called, and which kinds of callables can be cached."""

from __future__ import annotations

import functools
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from resultstore._facts import plain_text
from resultstore._identity.origins import owner_of_module
from resultstore._loaded import loaded
from resultstore.errors import FunctionError

_COROUTINE, _ASYNC_GENERATOR = 0x80, 0x200  # inspect.CO_*, without its 24 ms import


def innermost(func: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function below any partials."""
    while isinstance(func, functools.partial):
        func = func.func
    return func


def name_of(func: Callable[..., Any]) -> str:
    """Return ``module.qualname``; a partial goes by the name of the function that it calls."""
    func = innermost(func)
    owner = owner_of(func)
    if owner is not None:
        return plain_text(f"{owner[0]}.{owner[1]}")
    module = getattr(func, "__module__", None) or type(func).__module__
    if module == "__mp_main__":  # a spawned worker's name for the same script
        module = "__main__"
    return plain_text(f"{module}.{getattr(func, '__qualname__', None) or getattr(func, '__name__', '<unnamed>')}")


def place_of(func: Callable[..., Any]) -> str:
    """Return the script or notebook of a ``__main__`` function, ``""`` for one of a module.

    Only ``__main__`` needs it: two notebooks may each have their own ``__main__.f``.
    """
    func = innermost(func)
    if getattr(func, "__module__", None) not in ("__main__", "__mp_main__"):
        return ""
    notebook = os.environ.get("JPY_SESSION_NAME")
    if notebook:
        return os.path.abspath(notebook)
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    return os.path.abspath(file) if file else os.getcwd()


def is_reachable(named: Any) -> bool:
    """Say whether an object can be found again by its module and qualified name."""
    found: Any = sys.modules.get(getattr(named, "__module__", None) or "")
    for part in getattr(named, "__qualname__", "<none>").split("."):
        found = getattr(found, part, None)
    return found is named


def version_of(top: str) -> str | None:
    """Return the version of a top-level module's distribution.

    ``""`` for the standard library; None for what is under development, for nobody says when it changes.
    """
    owner = owner_of_module(top) if top in sys.modules else None
    return None if owner is None else owner.version


def is_ufunc(func: object) -> bool:
    """Say whether this is a numpy ufunc, without importing numpy."""
    numpy = loaded("numpy")
    return numpy is not None and isinstance(func, numpy.ufunc)


def owner_of(func: object) -> tuple[str, str, str] | None:
    """Return module, name and version of a function without Python code, or None if nothing vouches for it.

    Such a function is known by name, so it must be the very object that its module has under the name
    (not so what ``np.frompyfunc`` makes), and the module must have a version (not so an extension under
    development): the standard library's is ``""``.
    """
    # np.sum and most of numpy's API: C objects around Python code that belongs to numpy.
    compiled = isinstance(func, types.BuiltinFunctionType) or type(func).__name__ == "_ArrayFunctionDispatcher"
    if not (compiled or is_ufunc(func)):
        return None
    if not isinstance(getattr(func, "__self__", None), (types.ModuleType, type(None))):
        return None  # a method of an object's or a class's, which no module has under its name
    name = str(getattr(func, "__qualname__", None) or getattr(func, "__name__", ""))
    homes = [getattr(func, "__module__", None)]
    if is_ufunc(func):
        homes += ["numpy", "scipy.special"]  # older ones name no module
    for module in homes:
        found: Any = sys.modules.get(module) if isinstance(module, str) else None
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is func and isinstance(module, str):
            version = version_of(module.partition(".")[0])
            return None if version is None else (module, name, version)
    return None


def is_compiled(func: object) -> bool:
    """Say whether this is a function without Python code that its module vouches for."""
    return owner_of(func) is not None


def is_coroutine_function(func: Callable[..., Any]) -> bool:
    """Say whether this is an ``async def``, maybe below partials."""
    inner = innermost(func)
    return isinstance(inner, types.FunctionType) and bool(inner.__code__.co_flags & _COROUTINE)


def check_kind(func: object) -> None:
    """Raise `FunctionError` for what cannot be cached yet, saying why and what to do instead."""
    inner = innermost(func) if callable(func) else func
    name = getattr(inner, "__qualname__", None) or repr(inner)
    if isinstance(inner, property):
        problem = "a property cannot be cached: put @property above @store.cache"
    elif isinstance(inner, type):
        problem = "a class cannot be cached: cache a function that makes the object"
    elif isinstance(inner, types.FunctionType):
        if not inner.__code__.co_flags & _ASYNC_GENERATOR:
            return
        problem = "an async generator cannot be cached: cache an async function that returns a list"
    elif is_compiled(inner):
        return
    elif is_ufunc(inner) or isinstance(inner, types.BuiltinFunctionType):
        problem = "no module with a version has this compiled function under its name: cache a function that calls it"
    elif callable(inner):
        problem = (
            f"a callable object of type {type(inner).__qualname__} has no __call__ of Python code: cache a function"
        )
    else:
        problem = "this is not a function"
    raise FunctionError(f"{name}: {problem}.")
