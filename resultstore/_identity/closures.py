"""The fingerprint of a function, scheme 1: its code, its defaults and what it closes over.

Scheme 1 does not follow helpers and globals. A better scheme gets another number, and results kept
under this one then miss; they are never taken for its results.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from operator import is_
from typing import Any, NamedTuple

from resultstore._identity.code import code_parts
from resultstore._identity.encoding import digest_of, encode
from resultstore._identity.names import innermost, is_compiled, owner_of
from resultstore.errors import DigestError

SCHEME = 1

TRANSPARENT: dict[type, Callable[[Any], Any]] = {}
"""Types that stand for a function they hold: `CachedFunction` is one."""

_FIXED = (type(None), bool, int, float, complex, str, bytes, types.ModuleType)


def _is_fixed(value: Any) -> bool:
    return type(value) in _FIXED or (type(value) is tuple and all(map(_is_fixed, value)))


class _State(NamedTuple):
    """A fingerprint and what it was made of; replaced as a whole, for threads look at it at any moment."""

    value: bytes
    seen: tuple[tuple[Any, ...], ...]
    can_change_in_place: bool


class Fingerprint:
    """The digest of all that a function's behaviour depends on, looked at again at every call.

    As long as every function reached is the same object with the same code, defaults and cell
    contents, and these hold nothing that can change in place, the last answer stands. Defaults of
    ignored parameters do not count.
    """

    def __init__(self, func: Callable[..., Any], ignored: frozenset[str] = frozenset()) -> None:
        self._func = innermost(func)
        self._ignored = ignored
        self._state: _State | None = None

    def value(self) -> bytes:
        """Return the fingerprint, 32 bytes.

        Raises
        ------
        DigestError
            If a default or a closed-over value has no digest.
        """
        state = self._state
        if state is None or state.can_change_in_place or not all(map(_stands, state.seen)):
            look = _Look(self._ignored)
            parts = ("resultstore fingerprint", SCHEME, look.function_parts(self._func))
            state = self._state = _State(digest_of(encode(parts)), tuple(look.seen), look.can_change_in_place)
        return state.value


def _stands(seen: tuple[Any, ...]) -> bool:
    """Say whether a function is as it was when it was looked at."""
    func, code, defaults, kwdefaults, cells, contents = seen
    if func.__code__ is not code or func.__defaults__ is not defaults:
        return False
    if (kwdefaults or func.__kwdefaults__) and not _same(func.__kwdefaults__, kwdefaults):
        return False
    return not cells or all(map(is_, map(_content, cells), contents))


class _Look:
    """One walk over a function and what it reaches."""

    def __init__(self, ignored: frozenset[str]) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.can_change_in_place = False
        self._ignored = ignored
        self._numbers: dict[int, int] = {}

    def function_parts(self, func: Any) -> tuple[Any, ...]:
        """Return plain values that make a function up; one met again goes by its number."""
        owner = owner_of(func)
        if owner is not None:
            return ("compiled", *owner)
        if id(func) in self._numbers:
            return ("again", self._numbers[id(func)])
        ignored = frozenset() if self._numbers else self._ignored
        self._numbers[id(func)] = len(self._numbers)
        code, defaults, kwdefaults = func.__code__, func.__defaults__ or (), func.__kwdefaults__ or {}
        cells = func.__closure__ or ()
        contents = tuple(map(_content, cells))
        self.seen.append((func, code, func.__defaults__, dict(kwdefaults), cells, contents))
        name = func.__qualname__
        positional = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
        by_name = (*zip(positional, defaults, strict=True), *sorted(kwdefaults.items()))
        return (
            "function",
            code_parts(code),
            tuple((k, self._value_parts(v, f"default {k!r} of {name}")) for k, v in by_name if k not in ignored),
            tuple(
                self._value_parts(v, f"closure variable {variable!r} of {name}")
                for variable, v in zip(code.co_freevars, contents, strict=True)
            ),
        )

    def _value_parts(self, value: Any, where: str) -> Any:
        kind = type(value)
        while kind in TRANSPARENT:
            value = TRANSPARENT[kind](value)
            kind = type(value)
        if kind is types.FunctionType or is_compiled(value):
            return self.function_parts(value)
        if kind is functools.partial:
            self.can_change_in_place = True  # its keywords are a dict
            keywords = tuple((k, self._value_parts(v, where)) for k, v in sorted(value.keywords.items()))
            return (
                "partial",
                self._value_parts(value.func, where),
                tuple(self._value_parts(v, where) for v in value.args),
                keywords,
            )
        if kind is types.ModuleType:
            return ("module", value.__name__)
        if value is _EMPTY:
            return ("empty cell",)
        if kind is type and value.__module__ == "builtins":
            return ("builtin class", value.__qualname__)
        if not _is_fixed(value):
            self.can_change_in_place = True
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
