"""Twins: functions of a script that can be found again under another name, on their way to other processes."""

from __future__ import annotations

import types
from typing import Any

_PARTS = ("__code__", "__defaults__", "__kwdefaults__")


def twin_of(func: types.FunctionType, known: Any, module: str, qualname: str) -> types.FunctionType:
    """Return a function that does what ``func`` does and has this qualified name.

    ``known``, the twin made before or None, is returned again as long as the function has not changed in
    place: pickle demands that a name leads to the very object.
    """
    if known is not None and all(getattr(known, part) is getattr(func, part) for part in _PARTS):
        return known  # type: ignore[no-any-return]
    twin = types.FunctionType(func.__code__, func.__globals__, func.__name__, func.__defaults__, func.__closure__)
    twin.__kwdefaults__, twin.__doc__ = func.__kwdefaults__, func.__doc__
    twin.__module__, twin.__qualname__ = module, qualname
    return twin
