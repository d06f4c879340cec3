"""Strategies for functions and for the ways in which they are called."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from typing import Any, NamedTuple

import hypothesis.strategies as st

from resultstore.testing._values import arguments

Strategy = st.SearchStrategy[Any]
Spelling = tuple[tuple[Any, ...], dict[str, Any]]
"""The positional and the keyword arguments of a call."""

_KINDS = list(inspect._ParameterKind)
_STARS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_OMITTED: Any = object()


class SameCall(NamedTuple):
    """A function, and two spellings of one call of it.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(database=None, deadline=None)
    ... @given(calls())
    ... def check(call):
    ...     assert isinstance(call, SameCall)
    ...     args, kwargs = call.one
    ...     call.func(*args, **kwargs)
    >>> check()
    """

    func: Callable[..., dict[str, Any]]
    """Returns what its parameters received, by name."""
    one: Spelling
    other: Spelling


@st.composite
def signatures(draw: st.DrawFn, defaults: Strategy | None = None) -> inspect.Signature:
    """Return a strategy for signatures with parameters of every kind, each kind there or not.

    Parameters
    ----------
    defaults
        What defaults are taken from; small integers by default.

    Examples
    --------
    >>> import inspect
    >>> from hypothesis import given
    >>> @given(signatures())
    ... def check(signature):
    ...     assert inspect.signature(make_function(signature)) == signature
    >>> check()
    """
    defaults = st.integers(0, 3) if defaults is None else defaults
    names = draw(st.lists(st.sampled_from("pqrstuvw"), unique=True, max_size=6))
    kinds = draw(st.lists(st.sampled_from(_KINDS), min_size=len(names), max_size=len(names)))
    parameters: list[inspect.Parameter] = []
    for name, kind in zip(names, sorted(kinds), strict=True):
        last = parameters[-1] if parameters else None
        if kind in _STARS:
            if last is None or last.kind is not kind:
                parameters.append(inspect.Parameter(name, kind))
            continue
        # After a default no parameter that takes positional arguments may be without one.
        forced = kind is not _KEYWORD and last is not None and last.default is not last.empty
        default = draw(defaults) if forced or draw(st.booleans()) else inspect.Parameter.empty
        parameters.append(inspect.Parameter(name, kind, default=default))
    return inspect.Signature(parameters)


def make_function(signature: inspect.Signature) -> Callable[..., dict[str, Any]]:
    """Return a function of a signature that returns what its parameters received, by name.

    Examples
    --------
    >>> import inspect
    >>> f = make_function(inspect.signature(lambda a, /, b=2, *args, c, **kw: None))
    >>> f(1, c=3, a=4)
    {'a': 1, 'b': 2, 'c': 3, 'args': (), 'kw': {'a': 4}}
    """
    given = [p for p in signature.parameters.values() if p.default is not p.empty]
    # Defaults are any objects, which no text can stand for: they are set afterwards.
    text = signature.replace(
        parameters=[p if p.default is p.empty else p.replace(default=None) for p in signature.parameters.values()]
    )
    namespace: dict[str, Any] = {}
    exec(f"def f{text}:\n    return locals()", namespace)  # noqa: S102 -- names of parameters are identifiers
    func: types.FunctionType = namespace["f"]
    func.__defaults__ = tuple(p.default for p in given if p.kind is not _KEYWORD)
    func.__kwdefaults__ = {p.name: p.default for p in given if p.kind is _KEYWORD}
    return func


@st.composite
def calls(draw: st.DrawFn, values: Strategy | None = None) -> SameCall:
    """Return a strategy for functions with two equivalent spellings of a call.

    The spellings differ in what is positional and what has its name, in the order of names, and in whether a
    default is written out.

    Parameters
    ----------
    values
        What arguments and defaults are taken from; all of `arguments` by default.

    Examples
    --------
    >>> from hypothesis import given
    >>> import hypothesis.strategies as st
    >>> @given(calls(st.integers()))
    ... def check(call):
    ...     (args, kwargs), (other_args, other_kwargs) = call.one, call.other
    ...     assert call.func(*args, **kwargs) == call.func(*other_args, **other_kwargs)
    >>> check()
    """
    values = arguments() if values is None else values
    signature = draw(signatures(values))
    parameters = list(signature.parameters.values())
    plain = [p for p in parameters if p.kind not in _STARS]
    meant = {p.name: draw(values) if p.default is p.empty or draw(st.booleans()) else _OMITTED for p in plain}
    stars = {p.kind for p in parameters} & set(_STARS)
    further = draw(st.lists(values, max_size=2)) if inspect.Parameter.VAR_POSITIONAL in stars else []
    free = ["x", "y", "z", *(p.name for p in plain if p.kind is inspect.Parameter.POSITIONAL_ONLY)]
    named = draw(st.dictionaries(st.sampled_from(free), values, max_size=2)) if _STARS[1] in stars else {}
    spellings = _spellings(plain, meant, further, named)
    return SameCall(make_function(signature), draw(spellings), draw(spellings))


@st.composite
def _spellings(
    draw: st.DrawFn,
    plain: list[inspect.Parameter],
    meant: dict[str, Any],
    further: list[Any],
    named: dict[str, Any],
) -> Spelling:
    positional = [p for p in plain if p.kind is not _KEYWORD]
    must = [i for i, p in enumerate(positional) if p.kind is p.POSITIONAL_ONLY and meant[p.name] is not _OMITTED]
    least = len(positional) if further else max(must, default=-1) + 1
    count = draw(st.integers(least, len(positional)))
    args = [p.default if meant[p.name] is _OMITTED else meant[p.name] for p in positional[:count]]
    kwargs = dict(named)
    for p in positional[count:] + plain[len(positional) :]:
        if meant[p.name] is not _OMITTED:
            kwargs[p.name] = meant[p.name]
        elif p.kind is not p.POSITIONAL_ONLY and draw(st.booleans()):
            kwargs[p.name] = p.default
    return (*args, *further), dict(draw(st.permutations(list(kwargs.items()))))
