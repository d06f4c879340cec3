"""Strategies for what is stored and for what is keyed.

The public ones are composite: their repr, which hypothesis prints with a failure, is a short name. What they
draw from is made once: to build a strategy takes longer than to draw from it.
"""

from __future__ import annotations

import datetime
import decimal
import functools
import math
import pathlib
from collections import OrderedDict
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp

Strategy = st.SearchStrategy[Any]


def _evenly(*strategies: Strategy) -> Strategy:
    """Return a strategy that draws from each as often; ``|`` would draw from each of their alternatives as often."""
    return st.one_of([_drawn_from(strategy) for strategy in strategies])


@st.composite
def _drawn_from(draw: st.DrawFn, strategy: Strategy) -> Any:
    return draw(strategy)


def texts(max_size: int | None = None) -> st.SearchStrategy[str]:
    """Return a strategy for texts of all code points: with NULs, and with lone surrogates.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(texts(max_size=3))
    ... def check(text):
    ...     assert len(text) <= 3
    >>> check()
    """
    odd = st.just("\0") | st.characters(categories=["Cs"])
    return st.text(_evenly(st.characters(), st.characters(max_codepoint=127), odd), max_size=max_size)


def _bytes() -> st.SearchStrategy[bytes]:
    """Return also such as lie in payloads of their own."""
    return st.binary() | st.binary(min_size=1, max_size=4).map(lambda data: data * 1024)


def _integers() -> st.SearchStrategy[int]:
    """Return all sizes: of a column, of 64 bits and one more, and such as Python hardly prints."""
    edges = st.sampled_from([2**63 - 1, 2**63, 2**64, 2**2000, 2**5000])
    return st.integers() | edges | edges.map(lambda n: -n - 1)


@functools.cache
def _zones() -> st.SearchStrategy[datetime.tzinfo | None]:
    offsets = st.timedeltas(datetime.timedelta(hours=-23), datetime.timedelta(hours=23))
    named = st.builds(datetime.timezone, offsets, st.text(st.characters(codec="utf-8"), max_size=3))
    return st.none() | st.builds(datetime.timezone, offsets) | named


def _paths() -> st.SearchStrategy[pathlib.PurePath]:
    parts = st.lists(st.text("ab.é ", min_size=1, max_size=3), max_size=3).map("/".join)
    return st.builds(pathlib.PurePosixPath, parts) | st.builds(pathlib.PureWindowsPath, parts)


def _numpy_scalars() -> Strategy:
    return hnp.arrays(_element_dtypes(), ()).map(lambda array: array[()])


def _numbers() -> Strategy:
    floats = st.floats() | st.sampled_from([0.0, -0.0, math.nan])
    return _integers() | floats | st.complex_numbers()


def _standard_values() -> Strategy:
    times = st.dates() | st.datetimes(timezones=_zones()) | st.times(timezones=_zones()) | st.timedeltas()
    exact = st.decimals(allow_nan=False) | st.fractions() | st.uuids()
    ranges = st.builds(range, st.integers(), st.integers(), st.integers().filter(bool))
    return times | exact | ranges | _zones() | _paths()


@functools.cache
def _hashable_scalars() -> Strategy:
    constants = st.sampled_from([None, False, True, ...])
    return _evenly(constants, _numbers(), texts(), _bytes(), _standard_values(), _numpy_scalars())


@st.composite
def scalars(draw: st.DrawFn) -> Any:
    """Return a strategy for values without parts.

    None, booleans, integers of any length, floats and complex numbers with every NaN, texts, bytes and
    bytearrays, Ellipsis, ranges, slices, dates, times, time zones by their offset, decimals, fractions, UUIDs, pure
    paths, and numpy scalars.

    Examples
    --------
    >>> from hypothesis import given
    >>> from resultstore import digest
    >>> @given(scalars())
    ... def check(value):
    ...     assert len(digest(value)) == 32
    >>> check()
    """
    return draw(_scalars())


@functools.cache
def _scalars() -> Strategy:
    ends = st.none() | st.integers()
    unhashable = (
        _bytes().map(bytearray)
        | st.builds(slice, ends, ends, ends)
        | st.sampled_from(["NaN", "-NaN123", "sNaN"]).map(decimal.Decimal)
    )
    return _evenly(_hashable_scalars(), _hashable_scalars(), unhashable)


@functools.cache
def _element_dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    long = st.sampled_from([np.dtype(np.longdouble), np.dtype(np.clongdouble)])
    return hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes() | long


@st.composite
def dtypes(draw: st.DrawFn) -> np.dtype[Any]:
    """Return a strategy for numpy's dtypes that ``.npy`` files keep: of both byte orders, and structured.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(dtypes())
    ... def check(dtype):
    ...     assert dtype.itemsize and not dtype.hasobject
    >>> check()
    """
    return draw(_dtypes())


@functools.cache
def _dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    return _element_dtypes() | hnp.array_dtypes(_element_dtypes(), max_size=3, allow_subarrays=True)


@st.composite
def arrays(draw: st.DrawFn, dtype: st.SearchStrategy[np.dtype[Any]] | None = None, max_side: int = 4) -> Any:
    """Return a strategy for arrays: of every layout, empty and without dimensions, read-only ones too.

    Parameters
    ----------
    dtype
        The dtypes of the arrays; all of `dtypes` by default.
    max_side
        The largest extent of a dimension.

    Examples
    --------
    >>> from hypothesis import given
    >>> import numpy as np
    >>> @given(arrays())
    ... def check(array):
    ...     assert type(array) is np.ndarray and array.ndim <= 3
    >>> check()
    """
    return draw(_arrays(_dtypes() if dtype is None else dtype, max_side))


@functools.cache
def _arrays(dtype: st.SearchStrategy[np.dtype[Any]], max_side: int) -> Strategy:
    plain = hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=max_side))
    return st.builds(_laid_out, plain, st.sampled_from(["C", "F", "strided", "reversed"]), st.booleans())


def _laid_out(array: Any, layout: str, writeable: bool) -> Any:
    """Return an array of the same elements that lie otherwise in memory."""
    if layout == "F":
        array = np.array(array, order="F")
    elif layout == "strided":
        room = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
        view = room[_every(2, array.ndim)]
        view[...] = array
        array = view
    elif layout == "reversed":
        array = array[_every(-1, array.ndim)]
    array.flags.writeable = writeable
    return array


def _every(step: int, ndim: int) -> Any:
    return (*[slice(None, None, step)] * ndim, ...)  # the dots: an element without them would be a scalar


@st.composite
def keys(draw: st.DrawFn) -> Any:
    """Return a strategy for what a dict takes as a key and a set as a member: scalars, tuples, frozensets.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(keys())
    ... def check(key):
    ...     hash(key)
    >>> check()
    """
    return draw(_keys())


@functools.cache
def _keys() -> Strategy:
    scalar = _hashable_scalars()
    few = st.lists(scalar, max_size=2)
    return scalar | few.map(tuple) | few.map(frozenset) | st.tuples(scalar, few.map(tuple))


@st.composite
def values(draw: st.DrawFn) -> Any:
    """Return a strategy for what the store keeps without pickle, and gives back the same.

    Scalars, arrays, and containers of both: lists, tuples, dicts, ordered dicts, sets, slices and arrays of
    objects, nested and with shared parts, but without cycles.

    Examples
    --------
    >>> from hypothesis import given
    >>> from resultstore.formats.tree import put_together, take_apart
    >>> from resultstore.testing import assert_same
    >>> @given(values())
    ... def check(value):
    ...     tree = take_apart([value, value], allow_pickle=False)
    ...     back = put_together(tree.kind, tree.value, [leaf.value for leaf in tree.leaves])
    ...     assert_same(back, [value, value])
    >>> check()
    """
    return draw(_values())


@functools.cache
def _values() -> Strategy:
    parts = _evenly(scalars(), arrays())
    return _evenly(parts, _containers(parts))


@st.composite
def arguments(draw: st.DrawFn) -> Any:
    """Return a strategy for what a call is keyed by: all of `values`, and what has a digest but needs pickle.

    The latter are dtypes, structured arrays with gaps between their fields, and paths and ranges that
    no text or number of the skeleton holds.

    Examples
    --------
    >>> from hypothesis import given
    >>> from resultstore import digest
    >>> @given(arguments())
    ... def check(value):
    ...     assert len(digest([value])) == 32
    >>> check()
    """
    return draw(_arguments())


@functools.cache
def _arguments() -> Strategy:
    aligned = st.sampled_from(
        [
            np.dtype([("a", "i1"), ("b", "<f8")], align=True),
            np.dtype({"names": ["a", "b"], "formats": ["i2", ">i4"], "offsets": [8, 0], "itemsize": 16}),
        ]
    )
    paths = texts(max_size=3).filter(lambda text: "\0" not in text).map(pathlib.PurePosixPath)
    pickled = dtypes() | aligned | arrays(aligned) | _integers().map(range) | paths
    parts = _evenly(scalars(), arrays(), pickled)
    return _evenly(parts, _containers(parts))


@st.composite
def _containers(draw: st.DrawFn, leaves: Strategy) -> Any:
    """Build containers one after the other from all that is there by then: so some parts are shared."""
    pool = draw(st.lists(leaves, max_size=4))
    for _ in range(draw(st.integers(1, 4))):
        parts = draw(st.lists(st.sampled_from(pool), max_size=3)) if pool else []
        maker = draw(st.sampled_from([list, tuple, dict, OrderedDict, set, frozenset, slice, np.ndarray]))
        made: Any
        if maker in (dict, OrderedDict):
            names = draw(st.lists(keys(), min_size=len(parts), max_size=len(parts)))
            made = maker(zip(names, parts, strict=True))
        elif maker in (set, frozenset):
            made = maker(draw(st.lists(keys(), max_size=3)))
        elif maker is slice:
            made = slice(*(*parts, None, None)[:3])
        elif maker is np.ndarray:
            made = _object_array(parts, draw(st.sampled_from(["0-d", "1-d", "C", "F"])), draw(st.booleans()))
        else:
            made = maker(parts)
        # Not always the last in the pool's order, so that what is built is not a mere chain.
        pool.insert(draw(st.integers(0, len(pool))), made)
    return draw(st.lists(st.sampled_from(pool), min_size=1, max_size=4)) if draw(st.booleans()) else pool[-1]


def _object_array(parts: list[Any], layout: str, writeable: bool) -> Any:
    if layout == "0-d" and parts:
        array = np.empty((), object)
        array[()] = parts[0]
    else:
        # Filled one by one: numpy would take parts that are sequences apart.
        shape = (len(parts),) if layout in ("0-d", "1-d") else (2, len(parts))
        array = np.empty(shape, object, order="F" if layout == "F" else "C")
        for index in np.ndindex(shape):
            array[index] = parts[index[-1]]
    array.flags.writeable = writeable
    return array
