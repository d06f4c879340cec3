"""What can be decorated, and which function it is in the end: methods, callable objects, partials."""

from __future__ import annotations

import functools
import types
from typing import Any

from resultstore._function import CachedFunction, Owner
from resultstore._identity import names
from resultstore._settings import CallOptions, KeyOptions


def decorate(func: Any, store: Owner, keyed: KeyOptions, options: CallOptions) -> Any:
    """Return a function cached; of a method, a callable object or a decorated method the function below it.

    What a method is bound to is an argument of its function: it is looked at at each call.
    """
    if isinstance(func, CachedFunction):
        func = func.func
    if isinstance(func, (staticmethod, classmethod)):
        cached = decorate(func.__func__, store, keyed, options)
        cached._binds = "class" if isinstance(func, classmethod) else "nothing"
        return cached
    if isinstance(func, types.MethodType):
        return decorate(func.__func__, store, keyed, options)._bound(func.__self__)
    inner = names.innermost(func) if callable(func) else func
    if isinstance(inner, types.MethodType):  # below partials
        func = functools.partial(inner.__func__, inner.__self__, *func.args, **func.keywords)
    call: Any = getattr(type(func), "__call__", None)  # noqa: B004 -- it is looked at, not asked for
    if isinstance(call, types.FunctionType) and not isinstance(func, type):
        return decorate(call, store, keyed, options)._bound(func)
    if names.is_coroutine_function(func):
        from resultstore._async import AsyncCachedFunction

        return AsyncCachedFunction(func, store, keyed, options)
    return CachedFunction(func, store, keyed, options)
