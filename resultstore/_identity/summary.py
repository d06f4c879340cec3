"""Short texts that say what a value is."""

from __future__ import annotations

import reprlib
from typing import Any

from resultstore._facts import plain_text

_EXACT = 2**53
_SHORT, _LONG = 60, 200
_FEW = 10
_brief, _longer = reprlib.Repr(), reprlib.Repr()
_brief.maxstring = _brief.maxother = _SHORT
_brief.maxlevel = 3
_longer.maxstring = _longer.maxother = _LONG


def summarise(value: Any) -> str:
    """Return a short text that says what a value is; never fails, never prints an array."""
    kind = type(value)
    if kind is float or kind is bool or value is None or (kind is int and -_EXACT <= value <= _EXACT):
        return repr(value)
    if kind is str and len(value) < _SHORT and value.isascii():
        text = repr(value)
        if len(text) <= _SHORT:
            return text
    try:
        shaped = _shaped(value)
        if shaped is not None:
            return shaped
        if kind is int and value.bit_length() > 2000:  # str() refuses very long integers
            return f"int of {value.bit_length()} bits"
        own_way: Any = kind.__repr__
        if own_way is object.__repr__:  # it would tell an address
            return f"{kind.__name__} object"
        return _brief.repr(value).encode("ascii", "backslashreplace").decode()[:120].replace("\0", "\\0")
    except Exception:  # a repr is the caller's code: whatever it raises, the call goes on
        return f"{kind.__name__} object"


def describe(value: Any) -> str:
    """Return a text for a value that a function depends on, longer than a summary; never fails."""
    try:
        shaped = _shaped(value)
        if shaped is not None and (len(value.shape) > 1 or value.shape[0] > _FEW):
            return plain_text(shaped)
        text = _longer.repr(value)
        return plain_text(text if shaped is None or "\n" not in text else shaped)
    except Exception:  # a repr is anyone's code
        return f"<{type(value).__name__}>"


def _shaped(value: Any) -> str | None:
    """Return what is said of arrays and tables; None for everything else."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if isinstance(shape, tuple) and shape and dtype is not None:
        return f"{type(value).__name__} {'x'.join(map(str, shape))} {dtype}"[:120]
    if isinstance(shape, tuple) and len(shape) == 2 and hasattr(value, "columns"):
        return f"{type(value).__name__} {shape[0]}x{shape[1]}"
    return None
