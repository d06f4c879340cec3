"""The guard: hits that are computed again and compared, and arguments that a call has changed."""

from __future__ import annotations

import contextlib
import copyreg
import functools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from resultstore._facts import STORED, ArgumentFacts, Computed, LeafFacts
from resultstore._identity.encoding import short
from resultstore._identity.key import Form
from resultstore._identity.maps import Handed
from resultstore._identity.summary import summarise
from resultstore._index.index import CallRow
from resultstore._loaded import loaded
from resultstore._report import logger
from resultstore._settings import CallOptions
from resultstore._vault import MISS, Vault
from resultstore._verifying import CHECKSUM_NBYTES, row_checksum
from resultstore.errors import DamagedError
from resultstore.formats.prepare import Part, prepare
from resultstore.formats.raised import Raised, take_raised_apart
from resultstore.formats.registry import format_named
from resultstore.formats.tree import put_together, take_apart

_checking: ContextVar[bool] = ContextVar("resultstore_checking", default=False)
_TABLES = {"pandas": "equals", "pyarrow": "equals", "polars": "equals", "xarray": "identical"}
_Pairs = list[tuple[str, Any, Any]]


@functools.cache
def _random() -> Callable[[], float]:
    """Return numbers from 0 to 1, of a generator that nobody else uses."""
    import random

    return random.Random(os.urandom(16)).random  # noqa: S311 -- which hits are checked is no secret


def prove(vault: Vault, maps: Iterable[Handed], function: str) -> bool:
    """Verify mapped payloads that a function is about to be given; tell of those that are damaged."""
    proven = True
    for handed in maps:
        try:
            handed.prove()
        except DamagedError as error:
            proven = False
            message = f"a mapped argument is not what was stored, and is taken as it is: {error}"
            vault.reporter.warn(function, "damaged", message)
    return proven


def counts(value: Any, options: CallOptions) -> bool:
    """Say whether a stored result is no exception, or one of those that are results."""
    return type(value) is not Raised or isinstance(value.error, options.cache_errors)


def settled(function: str, options: CallOptions, value: Any) -> Any:
    """Return what a hit gives: a value, or MISS; raise what it is if it is an exception."""
    if value is MISS or not counts(value, options):
        return MISS
    if type(value) is Raised:
        logger.debug("hit %s, which %s", function, value)
        raise value.error
    return value


def is_drawn(options: CallOptions) -> bool:
    """Say whether a hit is one of those that are computed again and compared.

    Inside a check none is: a recursive function would compute all that its hits save.
    """
    return bool(options.check_hits) and not _checking.get() and _random()() < options.check_hits


@contextlib.contextmanager
def checking() -> Iterator[None]:
    """Compute a hit again inside."""
    token = _checking.set(True)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # a coroutine that nobody awaits is closed in whatever context
            _checking.reset(token)


def tell_raised(vault: Vault, function: str, arguments: tuple[ArgumentFacts, ...], error: Exception) -> None:
    """Tell that a hit, computed again, raised: without the check nobody had met it."""
    _tell_differs(vault, function, arguments, f"it raised {error!r:.200} where it had returned a result", "")


def compared(
    vault: Vault,
    function: str,
    options: CallOptions,
    call: tuple[Any, ...],
    row: CallRow,
    stored: Any,
    computed: Computed,
    result: Any,
) -> Any:
    """Return a hit's stored result, or, if what was computed again differs, that: it takes the other's place."""
    try:
        differs = unlike(call[4], row, stored, result, allow_pickle=vault.may_pickle())
    except Exception as error:  # comparing runs the values' own code
        logger.debug("a hit of %s could not be compared: %r", function, error)
        return stored
    if differs is None:
        return stored
    result, _ = vault.keep(computed, result, options, at_once=True)
    _tell_differs(vault, function, computed.arguments, differs, "; the new result has taken the old one's place")
    return result


def _tell_differs(
    vault: Vault, function: str, arguments: tuple[ArgumentFacts, ...], differs: str, outcome: str
) -> None:
    call = ", ".join(f"{argument.name}={argument.summary}" for argument in arguments)[:200]
    vault.reporter.warn(
        function,
        "nondeterministic",
        f"a hit ({call}) was computed again and gave something else: {differs}. Nothing that the function is known to "
        "depend on has changed, so it depends on something unseen, such as randomness, time or a file. Make that an "
        f"argument, or do not cache the function{outcome}",
    )


def tell_changed(vault: Vault, function: str, form: Form, values: tuple[Any, ...], before: list[bytes]) -> None:
    """Say once if a call has changed its arguments since they were encoded."""
    try:
        after = form.encode(values)
    except Exception as error:  # what it has become has no digest
        changed = str(getattr(error, "where", "")) or "an argument"
    else:
        pairs = zip(form.counted(), before, after, strict=True)
        changed = ", ".join(f"argument {name!r}" for name, was, is_now in pairs if short(was) != short(is_now))
    if changed:
        vault.reporter.warn(
            function,
            "mutated",
            f"a call has changed {changed}, which a hit will not do; its result is stored for what was passed. Let the "
            "function change a copy, and return that",
        )


def unlike(key: bytes, row: CallRow, stored: Any, result: Any, *, allow_pickle: bool) -> str | None:
    """Return in words how a new result differs from the stored one, or None if it does not.

    What would be stored is compared first, then the values: equal ones may have unequal bytes, as sets have.
    """
    try:
        tree = (take_raised_apart if type(result) is Raised else take_apart)(result, allow_pickle=allow_pickle)
        parts, facts = prepare(tree)
    except Exception as error:
        return f"the result was {summarise(stored)}, and what is returned now cannot be stored ({error})"
    leaves = tuple(LeafFacts(i, p.leaf.path, p.facts, p.leaf.writeable) for i, p in enumerate(parts))
    made = CallRow(0, STORED, facts.kind, facts.integer, facts.number, facts.text, len(leaves), None, 0.0)
    if row_checksum(key, made, leaves) == (row.checksum or b"")[:CHECKSUM_NBYTES]:
        return None
    if tree.kind in ("tree", "pickle", "leaf"):
        result = put_together(tree.kind, tree.value, [_as_loaded(part) for part in parts[: len(tree.leaves)]])
    return difference(stored, result)


def _as_loaded(part: Part) -> Any:
    """Return a leaf as a hit would give it."""
    payload_format = format_named(part.facts.format)
    holder, view = payload_format.room(part.facts)
    view[:] = part.encoded.body
    return payload_format.value(holder, part.facts)


# -- what differs ------------------------------------------------------------------------------


def difference(stored: Any, computed: Any) -> str | None:
    """Return where two results differ, and how; None if they are equal, or if that cannot be told."""
    waiting: _Pairs = [("the result", stored, computed)]
    met: set[tuple[int, int]] = set()
    keep: list[Any] = []  # ids stay taken only while their objects live
    while waiting:
        where, one, other = waiting.pop()
        if one is other or (id(one), id(other)) in met:
            continue
        met.add((id(one), id(other)))
        keep += one, other
        found = _compare(where, one, other)
        if isinstance(found, str):
            return found
        waiting.extend(reversed(found))
    return None


def _compare(where: str, one: Any, other: Any) -> str | _Pairs:
    """Return how two values differ by themselves, or the parts in which they may differ."""
    kind, told = type(one), f"{where} was {summarise(one)} and is {summarise(other)}"
    if _is_array(one) and _is_array(other):
        return _compare_arrays(where, one, other)
    if kind is not type(other):
        return told
    if issubclass(kind, Raised):
        return [(f"{where}'s exception", one.error, other.error)]
    if issubclass(kind, BaseException):
        facts = [("type", type(one), type(other)), ("arguments", one.args, other.args)]
        return [(f"{where}'s {name}", a, b) for name, a, b in facts]
    if issubclass(kind, (list, tuple, deque)):
        if len(one) != len(other):
            return f"{where} had {len(one)} items and has {len(other)}"
        return [(f"{where}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=True))]
    if issubclass(kind, dict):
        return _compare_dicts(where, one, other)
    if issubclass(kind, (set, frozenset)):
        gone, new = [_plainly(a - b) for a, b in ((one, other), (other, one))]
        return f"{where} had {gone} and has {new}" if gone or new else []
    if _equal(one, other):
        return []
    if kind is object:
        return []  # it cannot be told
    if kind.__module__ in ("builtins", "numpy"):
        return [] if one != one and other != other else told  # NaN
    library = kind.__module__.partition(".")[0]
    if library in _TABLES:
        same = getattr(one, _TABLES[library], None)
        return told if same is not None and not same(other) else []
    made_of, other_made_of = _made_of(one), _made_of(other)
    if made_of is None or other_made_of is None:
        return []
    return [(f"{where}, in what it is restored from", made_of, other_made_of)]


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except Exception:  # tables say so of their truth, and more
        return False


def _is_array(value: Any) -> bool:
    numpy = loaded("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _compare_arrays(where: str, one: Any, other: Any) -> str | _Pairs:
    import numpy

    for name in ("dtype", "shape"):
        before, now = getattr(one, name), getattr(other, name)
        if before != now:
            return f"{where} had the {name} {before} and has {now}"
    pairs: _Pairs = []
    if isinstance(one, numpy.ma.MaskedArray) and isinstance(other, numpy.ma.MaskedArray):
        pairs = [(f"{where}.mask", numpy.ma.getmaskarray(one), numpy.ma.getmaskarray(other))]
    one, other = numpy.asarray(one), numpy.asarray(other)
    if one.dtype.hasobject:
        flat = zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
        return pairs + [(f"{where}.flat[{i}]", a, b) for i, (a, b) in enumerate(flat)]
    if one.tobytes() == other.tobytes():
        return pairs
    if one.dtype.names is not None:
        return pairs + [(f"{where}[{name!r}]", one[name], other[name]) for name in one.dtype.names]
    unequal = one != other
    if one.dtype.kind in "fcmM":
        unequal &= ~(numpy.isnan(one) & numpy.isnan(other)) if one.dtype.kind in "fc" else True
        if one.dtype.kind in "mM":
            unequal &= ~(numpy.isnat(one) & numpy.isnat(other))
    count = int(numpy.count_nonzero(unequal))
    if not count:
        return pairs
    at = tuple(int(i[0]) for i in numpy.nonzero(numpy.atleast_1d(unequal)))
    first = f"[{', '.join(map(str, at))}]" if one.ndim else ""
    before, now = numpy.atleast_1d(one)[at], numpy.atleast_1d(other)[at]
    return f"{count} of the {one.size} elements of {where} differ; {first or 'it'} was {before} and is {now}"


def _compare_dicts(where: str, one: dict[Any, Any], other: dict[Any, Any]) -> str | _Pairs:
    gone, new = [key for key in one if key not in other], [key for key in other if key not in one]
    if len(gone) != len(new):
        keys = [summarise(key) for key in (gone or new)[:3]]
        return f"{where} {'has no more' if gone else 'has now'} the keys {', '.join(keys)}"
    pairs = [(f"{where}[{summarise(key)}]", one[key], other[key]) for key in one if key in other]
    for before, now in zip(gone, new, strict=True):  # NaN, or objects that are equal to themselves only
        pairs += (f"a key of {where}", before, now), (f"{where}[{summarise(before)}]", one[before], other[now])
    return pairs


def _plainly(items: set[Any]) -> str:
    """Return those of a set's items in words that are surely not among another's."""
    plain = [item for item in items if type(item) in (bool, int, float, str, bytes) and item == item]
    return ", ".join(sorted(map(summarise, plain))[:3])


def _made_of(value: Any) -> list[Any] | None:
    """Return what pickle would restore an object from, without the type; None if that cannot be told."""
    try:
        reduce: Any = copyreg.dispatch_table.get(type(value), lambda v: v.__reduce_ex__(4))
        made_of = reduce(value)
    except Exception:
        return None
    if not isinstance(made_of, tuple):
        return None
    return [list(part) if isinstance(part, Iterator) else part for part in made_of[1:5]]
