"""Random generators among arguments: a call draws from them, and a hit would not."""

from __future__ import annotations

import types
from typing import Any

_GENERATORS = frozenset(
    (
        "random.Random",
        "numpy.random._generator.Generator",
        "numpy.random.mtrand.RandomState",
        "numpy.random.bit_generator.BitGenerator",
        "torch._C.Generator",
    )
)
_PLAIN = frozenset((int, float, complex, str, bytes, bool, type(None)))
_NO_STATE = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
_DEPTH, _MOST = 4, 500


def holds_generator(value: Any) -> bool:
    """Say whether a value is a random generator, or holds one: in containers and attributes, not very deep."""
    waiting, looked = [(value, _DEPTH)], 0
    while waiting and looked < _MOST:
        part, depth = waiting.pop()
        kind = type(part)
        if kind in _PLAIN or isinstance(part, _NO_STATE):
            continue
        looked += 1
        if any(f"{base.__module__}.{base.__name__}" in _GENERATORS for base in kind.__mro__):
            return True
        if depth:
            waiting += [(inner, depth - 1) for inner in _parts(part)]
    return False


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())[:_MOST]
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)[:_MOST]
    try:
        return list(vars(value).values())[:_MOST]
    except Exception:  # no attributes, or an answer of the value's own
        return []
