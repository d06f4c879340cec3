"""Iterators as results: returned as they are and not stored, or made lists; never half-eaten."""

from __future__ import annotations

import csv
import io
import itertools
import warnings
from collections import namedtuple

import pytest

from resultstore import CacheWarning, Store
from resultstore.errors import FunctionError
from tests import science

Pair = namedtuple("Pair", "a b")


class Countdown:
    """An iterator of the user's own, which pickle would take."""

    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if not self.n:
            raise StopIteration
        self.n -= 1
        return self.n


_result: list[object] = []


def give():
    """Return what lies in the list."""
    return _result[0]


def count(n):
    """Count up: a generator function."""
    yield from range(n)


ITERATORS = {
    "generator": lambda: (i for i in range(3)),
    "list": lambda: iter([0, 1, 2]),
    "dict": lambda: iter({0: 0, 1: 1, 2: 2}),
    "map": lambda: map(int, "012"),
    "zip": lambda: (pair[0] for pair in zip(range(3), "abc", strict=True)),
    "filter": lambda: filter(lambda i: i >= 0, range(3)),
    "enumerate": lambda: map(int, (i for i, _ in enumerate("abc"))),
    "reversed": lambda: reversed([2, 1, 0]),
    "islice": lambda: itertools.islice(itertools.count(), 3),
    "own": lambda: (i for i in (0, 1, 2)),
    "half used": lambda: half_used(),
}


def read():
    """Return an iterator over a file's rows."""
    return csv.reader(["a,b"])


def half_used():
    """Return an iterator of which the function has taken an item."""
    items = iter([9, 0, 1, 2])
    next(items)
    return items


@pytest.mark.parametrize("name", ITERATORS)
def test_iterators_are_returned_whole_and_not_stored(store, name):
    """An iterator comes as the function returned it, at each call, with one warning in all."""
    f = store.cache(lambda: ITERATORS[name](), ignore_globals=["ITERATORS"])
    with pytest.warns(CacheWarning, match="can be read only once: return a list") as caught:
        assert list(f()) == [0, 1, 2]
    assert list(f()) == [0, 1, 2]
    assert len(caught) == 1
    assert not f.check_call_in_cache()
    assert store.find(f).first().state == "not stored"


@pytest.mark.parametrize("wrap", [lambda i: [i], lambda i: {"k": (1, i)}, lambda i: Pair(1, i), lambda i: Pair(i, [i])])
@pytest.mark.parametrize(
    "make", [lambda: iter([0, 1, 2]), lambda: map(int, "012"), lambda: Countdown(3), lambda: count(3)]
)
def test_iterators_inside_a_result_are_not_eaten(store, wrap, make):
    """A container with an iterator in it is returned as it is and not stored, with one warning."""
    iterator = make()
    _result[:] = [wrap(iterator)]
    f = store.cache(give, ignore_globals=["_result"])
    with pytest.warns(CacheWarning, match="can be read only once"):
        assert f() is _result[0]
    assert len(list(iterator)) == 3


def test_generator_functions_run_uncached(store):
    """A generator function can be decorated; each call gives a new generator."""
    f = store.cache(count)
    with pytest.warns(CacheWarning, match='decorate with iterators="list"'):
        first = f(3)
    assert next(first) == 0
    assert list(f(3)) == [0, 1, 2]
    assert list(first) == [1, 2]


def test_async_generators_are_refused(store):
    """What must be awaited cannot be decorated."""

    async def numbers():
        yield 1

    with pytest.raises(FunctionError, match="an async generator"):
        store.cache(numbers)


@pytest.mark.parametrize("name", ITERATORS)
def test_iterators_become_lists_on_request(store, name):
    """With iterators="list" the first call gives a list as well, and hits the same."""
    f = store.cache(lambda: ITERATORS[name](), ignore_globals=["ITERATORS"], iterators="list")
    assert f() == f() == [0, 1, 2]
    assert type(f()) is list
    assert store.find(f).first().access_count == 2


def test_generator_functions_become_lists_on_request(store):
    """The body of a generator function runs within the call: what it calls is its child, what it takes its duration."""
    inner = store.cache(science.square)

    @store.cache(iterators="list")
    def squares(n):
        for i in range(n):
            yield inner(i)

    assert squares(3) == squares(3) == [0, 1, 4]
    assert squares.refresh(2) == [0, 1]
    assert len(store.find()) == 5


def test_lists_do_not_depend_on_the_store():
    """Where nothing is stored, and where a call runs uncached, iterators="list" gives lists all the same."""
    f = Store(None).cache(count, iterators="list")
    assert f(2) == [0, 1]
    assert f.call(2) == ([0, 1], {})


def test_lists_of_uncached_calls(store):
    """A call that cannot be keyed gives a list, too."""
    f = store.cache(lambda items: map(int, items), iterators="list")
    with pytest.warns(CacheWarning, match="runs uncached"):
        assert f(iter("12")) == [1, 2]


def test_only_iterators_become_lists(store):
    """Other iterables, and iterators inside a result, stay what they are."""
    f = store.cache(lambda n: {"a": range(n)}.keys() and {"r": range(n), "s": {n}}, iterators="list")
    assert f(2) == f(2) == {"r": range(2), "s": {2}}
    g = store.cache(lambda: [iter([1])], iterators="list")
    with pytest.warns(CacheWarning, match="can be read only once"):
        assert list(g()[0]) == [1]


def test_an_iterator_that_raises(store):
    """What an iterator raises while it becomes a list reaches the caller, and nothing is stored."""
    f = store.cache(lambda: (1 / i for i in (1, 0)), iterators="list")
    with pytest.raises(ZeroDivisionError):
        f()
    assert len(store.find()) == 0


def test_files_are_no_lists(store, tmp_path):
    """A file stays a file, uncached and unread; one in memory is stored with its position."""
    (tmp_path / "a.txt").write_text("a\nb\n")
    f = store.cache(lambda path: open(path), iterators="list")  # noqa: SIM115
    with pytest.warns(CacheWarning, match="is not stored"), f(str(tmp_path / "a.txt")) as file:
        assert file.read() == "a\nb\n"

    def reader():
        result = io.StringIO("a\nb\n")
        next(result)
        return result

    g = store.cache(reader)
    assert g().read() == g().read() == "b\n"
    h = store.cache(read)
    with pytest.warns(CacheWarning, match="can be read only once"):
        assert list(h()) == [["a", "b"]]


def test_a_reference_to_an_iterator(store):
    """An iterator that cannot be stored is held by its reference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        reference = store.cache(count).call_and_shelve(2)
    assert list(reference.get()) == [0, 1]
