"""The key of a call: H(name, fingerprint, canonical arguments), and the facts of its arguments."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from blake3 import blake3

from resultstore._facts import ArgumentFacts, FunctionFacts, plain_text
from resultstore._identity import maps
from resultstore._identity.behaviour import behaviour_of
from resultstore._identity.binding import Binder, make_binder
from resultstore._identity.encoding import LEAVES, TOKEN_LIMIT, encode, length, short, token_of
from resultstore._identity.fingerprint import SCHEME, Fingerprint, dependencies_of, portable_of
from resultstore._identity.kinds import defaults_of
from resultstore._identity.names import innermost, name_of, place_of
from resultstore._identity.watch import before_change
from resultstore._settings import KeyOptions
from resultstore.errors import DigestError, OptionError

_HEAD = b"resultstore call 1\0"
_TEXT_LIMIT = 1000
"""Longer texts are found by their digest only."""
_EXACT = 2**53
_DEFAULT = b"O" + encode("the default") + length(0)
"""Stands for a bare object that is its parameter's default: the idiom of ``missing = object()``."""
STAND_IN = "its function in key="


_STATELESS = frozenset((int, float, complex, str, bytes, bool, type(None)))


class Described(tuple[ArgumentFacts, ...]):  # noqa: SLOT001 -- a tuple has no room for slots
    """What the arguments of a call were before the function ran."""

    holders: frozenset[int]
    """Places of those that hold a random generator."""


class Leaning(list[bytes]):
    """Encodings for which bytes were taken at the index's word; they are verified before a function sees them."""

    __slots__ = ("maps",)

    def __init__(self, encodings: list[bytes], leaning: list[maps.Handed]) -> None:
        super().__init__(encodings)
        self.maps = leaning


class Form:
    """How a function's calls are spelled and keyed, as long as its signature stands. Never changed."""

    __slots__ = (
        "_count", "_head", "_memos", "_order", "_parameters", "_signature", "_stand_ins", "bind", "binder", "name",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        binder: Binder,
        signature: tuple[Any, ...],
        stand_ins: dict[str, Callable[[Any], Any]] | None = None,
        inner: Any = None,
    ) -> None:
        self.name = name
        self.binder = binder
        self.bind = binder.bind
        self._signature = signature
        self._stand_ins = stand_ins or {}
        if stand_ins:
            for parameter in stand_ins:
                check_stand_in(parameter, binder)
            self.bind = self._bind_identified
        counted = [(i, short(encode(n))) for i, n in enumerate(binder.names) if n not in binder.ignored]
        self._order = tuple(sorted(counted, key=lambda pair: pair[1]))
        self._parameters = tuple(parameter for _, parameter in self._order)
        self._head = (b"", b"")
        self._count = b"A" + length(len(counted))
        defaults = dict(defaults_of(inner)) if signature else {}
        self._memos = {
            i: (inner, defaults[n]) for i, n in enumerate(binder.names) if type(defaults.get(n)) in (dict, list, set)
        }

    def stands(self, inner: Any) -> bool:
        """Say whether this is still the function's signature; a reloader changes it in place."""
        signature = self._signature
        return not signature or (
            inner.__code__ is signature[0]
            and inner.__defaults__ is signature[1]
            and inner.__kwdefaults__ is signature[2]
        )

    def encode(self, values: tuple[Any, ...]) -> list[bytes]:
        """Return the encodings of the arguments that count, in the order of the key.

        Arrays that a store has handed out mapped are taken at the digest that the index knows: see `Leaning`.
        """
        encodings: list[bytes] = []
        leaning: list[maps.Handed] | None = [] if maps.any_handed() else None
        if self._memos:
            values = self._before_runs(values)
        leaves = LEAVES
        for i, _ in self._order:
            try:
                leaf = leaves.get(type(values[i]))
                encodings.append(encode(values[i], leaning) if leaf is None else leaf(values[i]))
            except DigestError as error:
                if self._is_sentinel(i, values[i]):
                    encodings.append(_DEFAULT)
                else:
                    raise error.at(error.where or f"argument {self.binder.names[i]!r}") from None
        return Leaning(encodings, leaning) if leaning else encodings

    def drawn_from(
        self, values: tuple[Any, ...], encodings: list[bytes], described: tuple[ArgumentFacts, ...]
    ) -> list[str]:
        """Return the parameters whose random generators a call has advanced since they were encoded."""
        if type(described) is not Described:
            return []
        return [
            self.binder.names[i]
            for (i, _), before in zip(self._order, encodings, strict=True)
            if i in described.holders and self._is_another(values[i], before)
        ]

    def _holders(self, values: tuple[Any, ...]) -> frozenset[int]:
        """Return the places of arguments that hold a random generator before the function runs.

        One that the function puts there, as a model does that is fitted, is part of what it gives.
        """
        places = []
        for i, _ in self._order:
            if type(values[i]) not in _STATELESS:
                places.append(i)  # no comprehension: each miss would pay for its frame
        if not places:
            return frozenset()
        from resultstore._identity.drawing import holds_generator  # only a miss asks, and not of plain arguments

        return frozenset(i for i in places if holds_generator(values[i]))

    @staticmethod
    def _is_another(value: Any, before: bytes) -> bool:
        try:
            return short(encode(value)) != short(before)
        except DigestError:
            return True

    def _before_runs(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the values, a default that the function fills itself as it was before: ``def f(x, _memo={})``."""
        present = list(values)
        for i, (inner, default) in self._memos.items():
            if values[i] is default:
                present[i] = before_change(inner, f"default {self.binder.names[i]}", default)
        return tuple(present)

    def _is_sentinel(self, i: int, value: Any) -> bool:
        """Say whether a value is its parameter's own default, and that one is a bare object: it means "not given"."""
        if type(value) is not object or not self._signature:
            return False
        code, defaults, by_name = self._signature
        name = self.binder.names[i]
        positional = code.co_varnames[code.co_argcount - len(defaults or ()) : code.co_argcount]
        own = dict(zip(positional, defaults or (), strict=True)) | (by_name or {})
        return own.get(name) is value

    def identified(self, name: str, value: Any) -> Any:
        """Return what stands in for a parameter's value, by the function's ``key=``."""
        stand_in = self._stand_ins.get(name)
        if stand_in is None:
            return value
        try:
            return stand_in(value)
        except Exception as error:  # it is anyone's code
            problem = f"{STAND_IN} raised {type(error).__name__}: {error}"
            raise DigestError(problem, f"argument {name!r}") from error

    def _bind_identified(self, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        values = self.binder.bind(*args, **kwargs)
        return tuple(map(self.identified, self.binder.names, values))

    def counted(self) -> list[str]:
        """Return the names of the arguments that count, in the order of the key."""
        return [self.binder.names[i] for i, _ in self._order]

    def key(self, fingerprint: bytes, encodings: list[bytes], name: str | None = None) -> bytes:
        """Return the key of the call, 32 bytes: H(name, fingerprint, arguments by name).

        With ``name``, an earlier name of the function, the key that the call had under that.
        """
        known, head = self._head
        if known != fingerprint or name is not None:
            head = b"".join((_HEAD, encode(self.name if name is None else name), fingerprint, self._count))
            if name is None:
                self._head = (fingerprint, head)
        parts = [head]
        for parameter, encoding in zip(self._parameters, encodings, strict=True):
            parts.append(parameter)
            parts.append(encoding if len(encoding) < TOKEN_LIMIT else short(encoding))
        if self._stand_ins:
            parts.append(self._stand_in_digests())
        return blake3(b"".join(parts)).digest()

    def _stand_in_digests(self) -> bytes:
        """Return what the functions of ``key=`` do: after an edit, values that stood for others stand for these."""
        digests = []
        for name, function in sorted(self._stand_ins.items()):
            try:
                digests.append(encode(name) + behaviour_of(function))
            except DigestError as error:
                raise error.at(f"key={{{name!r}: ...}}") from None
        return b"K" + length(len(digests)) + b"".join(digests)

    def argument_facts(self, values: tuple[Any, ...], encodings: list[bytes]) -> tuple[ArgumentFacts, ...]:
        """Describe the arguments, before the function gets a chance to change them."""
        tokens = {i: token_of(encoding) for (i, _), encoding in zip(self._order, encodings, strict=True)}
        facts: list[ArgumentFacts] = []
        binder = self.binder
        for i, name in enumerate(binder.names):
            value = values[i]
            if name == binder.double_star:
                for extra in sorted(value):
                    extra_token = token(value[extra]) if i in tokens else None
                    facts.append(_describe(len(facts), extra, value[extra], extra_token))
            elif name != binder.star or value:
                facts.append(_describe(len(facts), name, value, tokens.get(i)))
        holders = self._holders(values)
        if not holders:
            return tuple(facts)
        described = Described(facts)
        described.holders = holders
        return described


class Identity:
    """One function's name, fingerprint and binding: who was called with what."""

    def __init__(self, func: Callable[..., Any], options: KeyOptions = KeyOptions()) -> None:  # noqa: B008 -- frozen
        self.name = name_of(func)
        self.place = plain_text(place_of(func))
        self.options = options
        self._func = func
        self._inner: Any = innermost(func)
        self._form = self._make_form()
        self._fingerprint = Fingerprint(func, self._form.binder.ignored, options)

    def _make_form(self) -> Form:
        inner = self._inner
        is_python = isinstance(inner, types.FunctionType)
        signature = (inner.__code__, inner.__defaults__, inner.__kwdefaults__) if is_python else ()
        return Form(self.name, make_binder(self._func, self.options.ignore), signature, self.options.key, inner)

    def form(self) -> Form:
        """Return how calls are keyed now. A call uses one form throughout, for another thread may renew it."""
        form = self._form
        if not form.stands(self._inner):
            form = self._form = self._make_form()
        return form

    def check_parameters(self, given: Iterable[str]) -> None:
        """Raise OptionError for a name that no call of this function can be found by."""
        binder = self.form().binder
        for name in given:
            if name in binder.ignored:
                raise OptionError("find", name, "this parameter is ignored, so its values are not in the index")
            if name not in binder.names and binder.double_star is None:
                known = ", ".join(n for n in binder.names if n not in binder.ignored) or "none"
                raise OptionError("find", name, f"{self.name} has no parameter of this name; it has {known}")

    def fingerprint(self) -> bytes:
        """Return the function's fingerprint as it is now."""
        return self._fingerprint.value()

    def code(self, fingerprint: bytes) -> bytes:
        """Return the fingerprint of the real code, which a label may stand in for."""
        state = self._fingerprint.state()
        return state.code if state is not None and state.value == fingerprint else fingerprint

    def has_moved(self, fingerprint: bytes) -> bool:
        """Say whether something that the function depends on has changed while it ran, by other hands than its own."""
        try:
            return self._fingerprint.value() != fingerprint
        except Exception:  # it has lost its digest
            return True

    def moved(self, before: FunctionFacts) -> list[str]:
        """Return the names of what a function depends on and is not as it was, as far as that can be told."""
        state = self._fingerprint.state()
        then = {(fact.kind, fact.name): fact.digest for fact in before.dependencies}
        try:
            present = () if state is None else dependencies_of(state)
        except Exception:  # it has changed once more: the warning does without names
            return []
        now = {(fact.kind, fact.name): fact.digest for fact in present}
        return sorted({name for kind, name in then.keys() | now if then.get((kind, name)) != now.get((kind, name))})

    def running(self) -> AbstractContextManager[None]:
        """Return a context to run the function in: what it changes itself is no change."""
        return self._fingerprint.running()

    def source(self) -> str | None:
        """Return the function's text, as far as its file still shows the code that runs."""
        return _source(self._inner)

    def function_facts(self, fingerprint: bytes) -> FunctionFacts:
        """Return the facts of the function as it is now."""
        import platform

        state = self._fingerprint.state()
        known = state is not None and state.value == fingerprint
        return FunctionFacts(
            name=self.name,
            fingerprint=fingerprint,
            scheme=SCHEME,
            place=self.place,
            source=_source(self._inner),
            signature=_signature(self._inner),
            python=platform.python_version(),
            code=self.code(fingerprint),
            label=None if self.options.version is None else plain_text(self.options.version),
            portable=portable_of(state) if state is not None and known else None,
            dependencies=dependencies_of(state) if state is not None and known else (),
        )


def check_stand_in(parameter: str, binder: Binder) -> None:
    """Raise OptionError for a parameter that cannot have something stand in for it."""
    if parameter not in binder.names:
        known = ", ".join(binder.names) or "none"
        problem = f"{parameter!r} is not a parameter of this function; its parameters: {known}"
    elif parameter in binder.ignored:
        problem = f"{parameter!r} is ignored, so nothing stands in for it"
    elif parameter in (binder.star, binder.double_star):
        problem = f"{parameter!r} takes any number of arguments: name a parameter that takes one"
    else:
        return
    raise OptionError("key", parameter, problem)


def token(value: Any) -> bytes:
    """Return the token that the index knows a value by."""
    return token_of(encode(value))


def _describe(position: int, name: str, value: Any, value_token: bytes | None) -> ArgumentFacts:
    from resultstore._identity.summary import summarise  # which no hit needs

    kind = type(value)
    number: float | None = None
    text: str | None = None
    if kind is bool or kind is float or (kind is int and abs(value) <= _EXACT):
        number = float(value)
        number = None if number != number else number  # SQL has no NaN: kind says float, number is empty
        if number == 0 and kind is float and str(value) == "-0.0":
            text = "-0.0"  # SQLite drops the sign
    elif kind is int:
        number, text = _as_double(value), str(value) if value.bit_length() < 2000 else None
    elif kind.__module__ == "numpy" and getattr(value, "shape", None) == () and value.dtype.kind in "biuf":
        number = float(value)  # to be found by a range
        number = None if number != number else number
    elif kind is str and len(value) <= _TEXT_LIMIT and plain_text(value) == value:
        text = value
    return ArgumentFacts(position, plain_text(name), kind.__name__, number, text, value_token, summarise(value))


def _as_double(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _source(func: Any) -> str | None:
    """Return the text of a function, as far as the file still shows the code that runs."""
    from resultstore._identity.sources import source_of

    code = getattr(func, "__code__", None)
    source = None if code is None else source_of(code)
    return None if source is None else source.text


def _signature(func: Any) -> str | None:
    import inspect

    try:
        return plain_text(str(inspect.signature(func, follow_wrapped=False)))
    except Exception:  # it prints defaults and annotations, which are the user's own
        return None
