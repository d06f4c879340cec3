"""The fingerprint of a function, scheme 1: its code, its defaults and what it closes over.

Scheme 1 does not follow helpers and globals. A better scheme gets another number, and results kept
under this one then miss; they are never taken for its results.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from resultstore._identity.code import code_parts
from resultstore._identity.encoding import digest_of, encode
from resultstore._identity.names import innermost, is_compiled
from resultstore.errors import DigestError

SCHEME = 1

TRANSPARENT: dict[type, Callable[[Any], Any]] = {}
"""Types that stand for a function they hold: `CachedFunction` is one."""

_FIXED = (type(None), bool, int, float, complex, str, bytes, types.ModuleType)


class Fingerprint:
    """The digest of all that a function's behaviour depends on, looked at again at every call.

    As long as every function reached is the same object with the same code, defaults and cell
    contents, and these hold nothing that can change in place, the last answer stands.
    """

    def __init__(self, func: Callable[..., Any]) -> None:
        self._func = innermost(func)
        self._value: bytes | None = None
        self._seen: list[tuple[Any, ...]] = []
        self._can_change_in_place = False

    def value(self) -> bytes:
        """Return the fingerprint, 32 bytes.

        Raises
        ------
        DigestError
            If a default or a closed-over value has no digest.
        """
        value = self._value
        if value is None or self._can_change_in_place or not self._stands():
            value = self._look()
        return value

    def _stands(self) -> bool:
        for func, code, defaults, kwdefaults, cells, contents in self._seen:
            if func.__code__ is not code or func.__defaults__ is not defaults:
                return False
            if (kwdefaults or func.__kwdefaults__) and not _same(func.__kwdefaults__, kwdefaults):
                return False
            for cell, content in zip(cells, contents, strict=True):
                try:
                    if cell.cell_contents is not content:
                        return False
                except ValueError:  # emptied, or empty as before
                    if content is not _EMPTY:
                        return False
        return True

    def _look(self) -> bytes:
        self._value, self._seen, self._can_change_in_place = None, [], False
        parts = ("resultstore fingerprint", SCHEME, self._parts(self._func, {}))
        self._value = value = digest_of(encode(parts))
        return value

    def _parts(self, func: Any, numbers: dict[int, int]) -> tuple[Any, ...]:
        """Return plain values that make a function up; one met again goes by its number."""
        if is_compiled(func):
            return _compiled_parts(func)
        if id(func) in numbers:
            return ("again", numbers[id(func)])
        numbers[id(func)] = len(numbers)
        code, defaults, kwdefaults = func.__code__, func.__defaults__, func.__kwdefaults__
        cells = func.__closure__ or ()
        contents = tuple(map(_content, cells))
        self._seen.append((func, code, defaults, dict(kwdefaults or {}), cells, contents))
        name = func.__qualname__
        return (
            "function",
            code_parts(code),
            tuple(self._value_parts(v, f"a default of {name}", numbers) for v in defaults or ()),
            {k: self._value_parts(v, f"default {k!r} of {name}", numbers) for k, v in (kwdefaults or {}).items()},
            tuple(
                self._value_parts(v, f"closure variable {variable!r} of {name}", numbers)
                for variable, v in zip(code.co_freevars, contents, strict=True)
            ),
        )

    def _value_parts(self, value: Any, where: str, numbers: dict[int, int]) -> Any:
        kind = type(value)
        while kind in TRANSPARENT:
            value = TRANSPARENT[kind](value)
            kind = type(value)
        if kind is types.FunctionType or is_compiled(value):
            return self._parts(value, numbers)
        if kind is types.ModuleType:
            return ("module", value.__name__)
        if value is _EMPTY:
            return ("empty cell",)
        if kind is type and value.__module__ == "builtins":
            return ("builtin class", value.__qualname__)
        if kind not in _FIXED:
            self._can_change_in_place = True
        try:
            return ("value", encode(value))
        except DigestError as error:
            raise error.at(where) from None


def _same(present: dict[str, Any] | None, past: dict[str, Any]) -> bool:
    present = present or {}
    return present.keys() == past.keys() and all(present[name] is value for name, value in past.items())


class _Empty:
    """A cell without contents: a name that its function has not bound yet."""


_EMPTY = _Empty()


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


def _compiled_parts(func: Any) -> tuple[Any, ...]:
    """Name a function without Python code, and the version of the module that ships it."""
    module = getattr(func, "__module__", None) or "numpy"  # a ufunc made by numpy itself names none
    top = sys.modules.get(module.partition(".")[0])
    return ("compiled", module, getattr(func, "__qualname__", func.__name__), str(getattr(top, "__version__", "")))
