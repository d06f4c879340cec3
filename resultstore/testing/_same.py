"""Whether two values can be told apart: the comparison that a stored and loaded result must stand."""

from __future__ import annotations

import collections
import copyreg
import struct
import sys
import uuid
from collections.abc import Iterator
from typing import Any

from resultstore._loaded import loaded

_SPARSE_FLAGS = ("_has_sorted_indices", "_has_canonical_format", "has_canonical_format")


def same(one: Any, other: Any) -> bool:
    """Say whether two values cannot be told apart; see `assert_same`.

    Examples
    --------
    >>> from resultstore.testing import same
    >>> same([1, 2.0], [1, 2.0]), same([1, 2.0], [1, 2])
    (True, False)
    """
    try:
        assert_same(one, other)
    except AssertionError:
        return False
    return True


def assert_same(one: Any, other: Any) -> None:
    """Check that two values cannot be told apart, and that no two parts are one object in only one of them.

    Compared are types, the sign of zero, the bits of a NaN, the order of dicts, time zones and folds; of
    arrays dtype, shape, memory order, writeability and the bytes; of sharing that of parts which can be
    changed. Cycles and any depth are fine. An object of another type is what pickle would restore it from;
    if that cannot be told, ``==`` says.

    Raises
    ------
    AssertionError
        That says where the values differ, and how.

    Examples
    --------
    >>> from resultstore.testing import assert_same
    >>> assert_same([0.0, {"k": (1,)}], [0.0, {"k": (1,)}])
    >>> assert_same([0.0, {"k": (1,)}], [0.0, {"k": (True,)}])
    Traceback (most recent call last):
    ...
    AssertionError: value[1]['k'][0]: type <class 'int'> is not <class 'bool'>
    """
    twins: dict[int, Any] = {}
    back: dict[int, Any] = {}
    keep: list[Any] = []  # an id stays taken only while its object lives
    waiting: list[tuple[str, Any, Any]] = [("value", one, other)]
    while waiting:
        where, a, b = waiting.pop()
        _expect(where, "type", type(a), type(b))
        if isinstance(a, (list, dict, set, bytearray)) or _is_array(a):
            known = id(a) in twins
            if known or id(b) in back:
                assert known, f"{where}: a part of its own became one with another"
                assert twins[id(a)] is b, f"{where}: a shared part became two"
                continue
            twins[id(a)], back[id(b)] = b, a
        elif isinstance(a, (tuple, frozenset)):
            if twins.get(id(a)) is b:
                continue  # else a heavily shared tuple takes exponential time
            twins[id(a)] = b
        elif type(a).__module__ != "builtins":
            if twins.get(id(a)) is b:
                continue
            twins[id(a)] = b
        keep += a, b
        waiting.extend(reversed([*_parts(where, a, b), *_attributes(where, a, b)]))


def _expect(where: str, what: str, one: Any, other: Any) -> None:
    if one != other:
        raise AssertionError(f"{where}: {what} {one!r} is not {other!r}")


def _is_array(value: Any) -> bool:
    numpy = loaded("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _parts(where: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Compare two values of one type but for their parts, and yield those."""
    root = type(one).__module__.partition(".")[0]
    if one is other:  # some singletons refuse to be compared
        return
    if isinstance(one, (list, tuple)):
        _expect(where, "length", len(one), len(other))
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield f"{where}[{i}]", a, b
    elif isinstance(one, dict):
        _expect(where, "length", len(one), len(other))
        for (key, a), (other_key, b) in zip(one.items(), other.items(), strict=True):
            yield f"a key of {where}", key, other_key
            yield f"{where}[{repr(key)[:40] if type(key) is str else type(key).__name__}]", a, b
    elif isinstance(one, (set, frozenset)):
        _match(where, list(one), list(other))
    elif isinstance(one, (slice, range)):
        for name in ("start", "stop", "step"):
            yield f"{where}.{name}", getattr(one, name), getattr(other, name)
    elif type(one) is float:
        _expect(where, "float", struct.pack(">d", one).hex(), struct.pack(">d", other).hex())
    elif type(one) is complex:
        yield f"{where}.real", one.real, other.real
        yield f"{where}.imag", one.imag, other.imag
    elif _is_array(one):
        yield from _array_parts(where, one, other)
    elif root == "numpy" and isinstance(one, sys.modules["numpy"].generic):
        _expect(where, "dtype", one.dtype, other.dtype)
        if one.dtype.hasobject:
            yield f"{where}.item()", one.item(), other.item()
        elif _is_extended(one.dtype):
            _expect(where, "scalar", repr(one), repr(other))
        else:
            _expect(where, "scalar", one.tobytes().hex(), other.tobytes().hex())
    elif root in ("pandas", "pyarrow"):
        _match_tables(where, root, one, other)
    elif root in ("datetime", "decimal", "fractions", "pathlib", "uuid", "zoneinfo"):
        # Equal instants in two zones, 1.1 and 1.10, and a NaN show only in how they are written.
        _expect(where, "value", repr(one), repr(other))
        _expect(where, "fold", getattr(one, "fold", None), getattr(other, "fold", None))
        if isinstance(one, uuid.UUID):
            _expect(where, "safety", one.is_safe, other.is_safe)
    else:
        yield from _parts_of_others(where, root, one, other)


def _parts_of_others(where: str, root: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Compare two values of libraries, or of classes that are not known here."""
    if root == "scipy" and hasattr(one, "tocoo"):
        _expect(where, "shape", one.shape, other.shape)
        for name in ("data", "indices", "indptr", "offsets", "row", "col", "coords", *_SPARSE_FLAGS):
            yield f"{where}.{name}", vars(one).get(name), vars(other).get(name)
    elif root == "polars" and hasattr(one, "equals"):
        for name in ("schema", "name", "dtype"):
            _expect(where, name, repr(getattr(one, name, None)), repr(getattr(other, name, None)))
        _expect(where, "rows", one.to_arrow().to_pylist().__repr__(), other.to_arrow().to_pylist().__repr__())
    elif root == "xarray" and hasattr(one, "identical"):
        assert one.identical(other), f"{where}: {one!r:.200} is not {other!r:.200}"
    else:
        made_of, other_made_of = _made_of(one), _made_of(other)
        if made_of is not None and other_made_of is not None:
            yield f"{where}, restored from", made_of, other_made_of
            return
        try:
            equal = bool(one == other)
        except Exception as error:  # an array says so of its truth, and more
            raise AssertionError(f"{where}: a {type(one).__name__} cannot be compared ({error})") from error
        assert equal, f"{where}: {one!r:.200} is not {other!r:.200}"


def _made_of(value: Any) -> list[Any] | None:
    """Return what pickle would restore an object from, or None if that cannot be told."""
    if type(value).__module__ == "builtins" and not isinstance(value, BaseException):
        return None
    try:
        reduce: Any = copyreg.dispatch_table.get(type(value), lambda v: v.__reduce_ex__(4))
        made_of = reduce(value)
    except Exception:
        return None
    if not isinstance(made_of, tuple):
        return None
    made_of = [list(part) if i in (3, 4) and part is not None else part for i, part in enumerate(made_of)]
    made_of += [None] * (6 - len(made_of))
    made_of[2] = made_of[2] or None  # an exception has an empty __dict__ once somebody has looked for one
    if isinstance(value, BaseException):
        made_of += [value.__cause__, value.__context__, value.__suppress_context__]
    return made_of


def _attributes(where: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield what a subclass of a container or an array has beside its parts."""
    if type(one).__module__ == "builtins" or not isinstance(one, (list, tuple, dict, set, frozenset, str, int, float)):
        numpy: Any = loaded("numpy")
        if not _is_array(one) or type(one) in (numpy.ndarray, numpy.memmap) or isinstance(one, numpy.ma.MaskedArray):
            return
    for name in {*getattr(one, "__dict__", ()), *getattr(other, "__dict__", ())}:
        yield f"{where}.{name}", vars(one).get(name), vars(other).get(name)
    if isinstance(one, collections.defaultdict):
        yield f"{where}.default_factory", one.default_factory, other.default_factory


def _match(where: str, ones: list[Any], others: list[Any]) -> None:
    """Check that two sets pair up; parts of a set can be no part of a cycle, and cannot be changed."""
    _expect(where, "length", len(ones), len(others))
    for one in ones:
        twin = next((i for i, other in enumerate(others) if same(one, other)), None)
        assert twin is not None, f"{where}: {one!r:.200} is missing"
        del others[twin]


def _array_parts(where: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    import numpy

    _expect(where, "dtype", one.dtype, other.dtype)
    # Titles and alignment are no part of a dtype's equality, nor is metadata of its text.
    _expect(where, "dtype", repr(one.dtype), repr(other.dtype))
    _expect(where, "aligned", one.dtype.isalignedstruct, other.dtype.isalignedstruct)
    _expect(where, "metadata", dict(one.dtype.metadata or {}), dict(other.dtype.metadata or {}))
    _expect(where, "shape", one.shape, other.shape)
    for flag in ("writeable", "f_contiguous", "c_contiguous"):
        _expect(where, flag, getattr(one.flags, flag), getattr(other.flags, flag))
    if isinstance(one, numpy.ma.MaskedArray):
        yield f"{where}.mask", numpy.array(one.mask), numpy.array(other.mask)
        yield f"{where}.fill_value", one.fill_value, other.fill_value
        yield f"{where}.hardmask", one.hardmask, other.hardmask
        one, other = one.data, other.data
    if one.dtype.hasobject:
        for i, (a, b) in enumerate(zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)):
            yield f"{where}.flat[{i}]", a, b
    elif (data := numpy.asarray(one).tobytes("A")) != numpy.asarray(other).tobytes("A"):
        if _is_extended(one.dtype):
            yield f"{where}, in words", list(map(repr, one.ravel())), list(map(repr, other.ravel()))
            return
        if one.dtype.names is not None:  # what lies in gaps between fields is no part of them
            yield from ((f"{where}[{name!r}]", one[name], other[name]) for name in one.dtype.names)
            return
        raise AssertionError(f"{where}: the {len(data)} bytes of {one!r:.200} are not those of {other!r:.200}")


def _is_extended(dtype: Any) -> bool:
    """Say whether numbers have bytes that mean nothing and are never set, as long doubles have."""
    return dtype.kind in "fc" and dtype.itemsize // (2 if dtype.kind == "c" else 1) > 8


def _match_tables(where: str, root: str, one: Any, other: Any) -> None:
    """Check tables bit for bit: libraries' own comparisons take None for NaN, and 0.0 for -0.0."""
    from resultstore.testing import _tables

    if root == "pyarrow":
        assert _tables.is_same_arrow(one, other), f"{where}: {one!r:.200} is not {other!r:.200}"
        return
    try:
        _tables.assert_same_pandas(one, other)
    except AssertionError as error:
        raise AssertionError(f"{where}: {error or 'two tables are not the same'}") from error
