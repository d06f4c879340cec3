"""Exceptions as results: what pickle keeps of them, and those that they come from.

The skeleton is a list with an entry for each exception, the one that was raised first. Those of Python itself
with plain arguments are entries ``[name, arguments, state, cause, context, suppress]`` and need no pickle; else
all of them are entries ``[exception, cause, context, suppress]``. Cause and context are numbers of entries.
"""

from __future__ import annotations

import builtins
from typing import Any

from resultstore.errors import DamagedError, UnstorableError
from resultstore.formats.tree import Tree, put_together, take_apart


class Raised:
    """An exception that a function raised, where a result could be."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        try:
            return f"raised {type(self.error).__name__}: {self.error}"
        except Exception:  # its words are the user's code
            return f"raised {type(self.error).__name__}"

    __repr__ = __str__


def take_raised_apart(raised: Raised, *, allow_pickle: bool = True) -> Tree:
    """Return an exception as a skeleton and its leaves.

    Raises
    ------
    UnstorableError
        If a hit could not raise the same exception again, or it needs pickle and that is not allowed.
    """
    family = _family(raised.error)
    try:
        tree = take_apart([_plain(error, family) for error in family], allow_pickle=False)
    except UnstorableError:
        tree = take_apart([[error, *_links(error, family)] for error in family], allow_pickle=allow_pickle)
    tree.kind = "error"
    try:
        again = put_raised_together(tree.value, [leaf.value for leaf in tree.leaves]).error
        is_kept = _alike(again, raised.error)
    except DamagedError:
        is_kept = False
    if not is_kept:
        raise UnstorableError(
            "pickle does not give it back as it was; let its __init__ pass all arguments on to that of its base"
        )
    return tree


def put_raised_together(skeleton: Any, leaves: Any) -> Raised:
    """Return the exception of a skeleton (JSON text or a pickle's bytes), without traceback."""
    kind = "pickle" if isinstance(skeleton, (bytes, bytearray)) else "tree"
    entries = put_together(kind, skeleton, leaves)
    family = [entry[0] if isinstance(entry[0], BaseException) else _build(*entry[:3]) for entry in entries]
    for error, (*_, cause, context, suppress) in zip(family, entries, strict=True):
        error.__cause__ = None if cause is None else family[cause]
        error.__context__ = None if context is None else family[context]
        error.__suppress_context__ = suppress
    if not isinstance(family[0], Exception):  # an exit or an interrupt is never a result
        raise DamagedError(f"a {type(family[0]).__name__} is no result")
    return Raised(family[0])


def _family(error: BaseException) -> list[BaseException]:
    """Return an exception and those that it comes from."""
    family = [error]
    for member in family:
        for other in (member.__cause__, member.__context__):
            if other is not None and not any(other is known for known in family):
                family.append(other)
    return family


def _links(error: BaseException, family: list[BaseException]) -> list[Any]:
    numbers = {id(member): i for i, member in enumerate(family)}
    links = [None if e is None else numbers[id(e)] for e in (error.__cause__, error.__context__)]
    return [*links, error.__suppress_context__]


def _plain(error: BaseException, family: list[BaseException]) -> list[Any]:
    kind = type(error)
    if getattr(builtins, kind.__name__, None) is not kind:
        raise UnstorableError(f"a {kind.__module__}.{kind.__qualname__} needs pickle")
    made_of: Any = error.__reduce_ex__(4)
    return [kind.__name__, made_of[1], made_of[2] if len(made_of) > 2 else None, *_links(error, family)]


def _build(name: str, arguments: tuple[Any, ...], state: dict[str, Any] | None) -> BaseException:
    kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise DamagedError(f"no exception of Python is called {name!r}")
    error = kind(*arguments)
    if state:
        error.__setstate__(state)
    return error


def _alike(one: BaseException, other: BaseException) -> bool:
    """Say whether an exception came back: type, words, and how many arguments of which types."""
    return (
        type(one) is type(other)
        and str(one) == str(other)
        and [type(a) for a in one.args] == [type(a) for a in other.args]
        and vars(one).keys() == vars(other).keys()
    )
