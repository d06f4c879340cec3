"""The key of a call: H(name, fingerprint, canonical arguments), and the facts of its arguments."""

from __future__ import annotations

import platform
import reprlib
import types
from collections.abc import Callable, Iterable
from typing import Any

from blake3 import blake3

from resultstore._facts import ArgumentFacts, FunctionFacts
from resultstore._identity.binding import Binder, make_binder
from resultstore._identity.closures import SCHEME, Fingerprint
from resultstore._identity.encoding import encode, length, short, token_of
from resultstore._identity.names import innermost, name_of, place_of
from resultstore.errors import DigestError, OptionError

_HEAD = b"resultstore call 1\0"
_TEXT_LIMIT = 1000
"""Longer texts are found by their digest only."""
_EXACT = 2**53
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 60
_brief.maxlevel = 3


class Identity:
    """One function's name, fingerprint and binding: who was called with what."""

    def __init__(self, func: Callable[..., Any], ignore: Iterable[str] = ()) -> None:
        self.name = name_of(func)
        self.place = place_of(func)
        self._func = func
        self._inner: Any = innermost(func)
        self._fingerprint = Fingerprint(func)
        self.ignore: tuple[str, ...] = ignore if isinstance(ignore, str) else tuple(ignore)  # type: ignore[assignment]
        self._arm()

    def _arm(self) -> None:
        """Make all that depends on the signature, which a reloader may change in place."""
        self.binder: Binder = make_binder(self._func, self.ignore)
        self._defaults = self._signature_objects()
        counted = [(i, encode(name)) for i, name in enumerate(self.binder.names) if name not in self.binder.ignored]
        self._order = sorted(((i, short(name)) for i, name in counted), key=lambda pair: pair[1])
        self._count = b"A" + length(len(counted))
        self._heads: dict[bytes, bytes] = {}

    def _signature_objects(self) -> tuple[Any, ...]:
        inner = self._inner
        if isinstance(inner, types.FunctionType):
            return (inner.__code__, inner.__defaults__, inner.__kwdefaults__)
        return ()

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """Return a value for each parameter; raise TypeError as the call itself would."""
        for now, then in zip(self._signature_objects(), self._defaults, strict=True):
            if now is not then:
                self._arm()
                break
        return self.binder.bind(*args, **kwargs)

    def check_parameters(self, given: Iterable[str]) -> None:
        """Raise OptionError for a name that no call of this function can be found by."""
        for name in given:
            if name in self.binder.ignored:
                raise OptionError("find", name, "this parameter is ignored, so its values are not in the index")
            if name not in self.binder.names and self.binder.double_star is None:
                raise OptionError("find", name, f"{self.name} has no parameter of this name")

    def fingerprint(self) -> bytes:
        """Return the function's fingerprint as it is now."""
        return self._fingerprint.value()

    def encode(self, values: tuple[Any, ...]) -> list[bytes]:
        """Return the encodings of the arguments that count, in the order of the key."""
        encodings = []
        for i, _ in self._order:
            try:
                encodings.append(encode(values[i]))
            except DigestError as error:
                raise error.at(error.where or f"argument {self.binder.names[i]!r}") from None
        return encodings

    def key(self, fingerprint: bytes, encodings: list[bytes]) -> bytes:
        """Return the key of the call, 32 bytes."""
        head = self._heads.get(fingerprint)
        if head is None:
            self._heads = {fingerprint: _HEAD + encode(self.name) + fingerprint + self._count}
            head = self._heads[fingerprint]
        parts = [head]
        for (_, name), encoding in zip(self._order, encodings, strict=True):
            parts.append(name)
            parts.append(short(encoding))
        return blake3(b"".join(parts)).digest()

    def function_facts(self, fingerprint: bytes) -> FunctionFacts:
        """Return the facts of the function as it is now."""
        inner = self._inner
        return FunctionFacts(
            name=self.name,
            fingerprint=fingerprint,
            scheme=SCHEME,
            place=self.place,
            source=_source(inner),
            signature=_signature(inner),
            python=platform.python_version(),
        )

    def argument_facts(self, values: tuple[Any, ...], encodings: list[bytes]) -> tuple[ArgumentFacts, ...]:
        """Describe the arguments, before the function gets a chance to change them."""
        tokens = {i: token_of(encoding) for (i, _), encoding in zip(self._order, encodings, strict=True)}
        facts: list[ArgumentFacts] = []
        binder = self.binder
        for i, name in enumerate(binder.names):
            if name == binder.double_star:
                for extra in sorted(values[i]):
                    counts = i in tokens
                    facts.append(
                        _describe(len(facts), extra, values[i][extra], token(values[i][extra]) if counts else None)
                    )
            elif name != binder.star or values[i]:
                facts.append(_describe(len(facts), name, values[i], tokens.get(i)))
        return tuple(facts)


def token(value: Any) -> bytes:
    """Return the token that the index knows a value by."""
    return token_of(encode(value))


def _describe(position: int, name: str, value: Any, value_token: bytes | None) -> ArgumentFacts:
    kind = type(value)
    number: float | None = None
    text: str | None = None
    if kind is bool or kind is float or (kind is int and abs(value) <= _EXACT):
        number = float(value)
        number = None if number != number else number  # SQL has no NaN: kind says float, number is empty
        if number == 0 and kind is float and str(value) == "-0.0":
            text = "-0.0"  # SQLite drops the sign
    elif kind is int:
        number, text = _as_double(value), str(value) if value.bit_length() < 3000 else None
    elif kind is str and len(value) <= _TEXT_LIMIT and _is_text(value):
        text = value
    return ArgumentFacts(position, name, kind.__name__, number, text, value_token, summarise(value))


def _as_double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _is_text(value: str) -> bool:
    """Say whether every database takes this text: no NUL, no lone surrogate."""
    return "\0" not in value and (value.isascii() or not any("\ud800" <= c <= "\udfff" for c in value))


def summarise(value: Any) -> str:
    """Return a short text that says what a value is; never fails, never prints an array."""
    kind = type(value)
    try:
        shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
        if isinstance(shape, tuple) and shape and dtype is not None:
            return f"{kind.__name__} {'x'.join(map(str, shape))} {dtype}"[:120]
        if isinstance(shape, tuple) and len(shape) == 2 and hasattr(value, "columns"):
            return f"{kind.__name__} {shape[0]}x{shape[1]}"
        if kind is int and value.bit_length() > 3000:  # str() refuses very long integers
            return f"int of {value.bit_length()} bits"
        return _brief.repr(value).encode("ascii", "backslashreplace").decode()[:120].replace("\0", "\\0")
    except Exception:  # a repr is the caller's code: whatever it raises, the call goes on
        return f"<{kind.__name__}>"


def _source(func: Any) -> str | None:
    """Return the text of a function, as far as the file still shows the code that runs."""
    code = getattr(func, "__code__", None)
    if code is None:
        return None
    import linecache

    lines = linecache.getlines(code.co_filename)
    if not lines or code.co_firstlineno > len(lines):
        return None
    import inspect  # 24 ms, once, on a miss

    try:
        return "".join(inspect.getblock(lines[code.co_firstlineno - 1 :]))
    except Exception:  # half-edited files raise tokenizer errors of many kinds
        return None


def _signature(func: Any) -> str | None:
    import inspect

    try:
        return str(inspect.signature(func, follow_wrapped=False))
    except (TypeError, ValueError):
        return None
