"""Exceptions as results: stored on request, raised again by hits."""

from __future__ import annotations

import traceback

import numpy as np
import pytest

from resultstore import CacheWarning, DamagedError, MissingError, Store
from resultstore.formats.raised import Raised, put_raised_together, take_raised_apart
from resultstore.testing import assert_same

_ran: list[object] = []
_outcome: list[object] = []


def draw():
    """Return what lies in the list, or raise it."""
    if isinstance(_outcome[0], Exception):
        raise _outcome[0]
    return _outcome[0]


class Told(ValueError):
    """An exception with data, as people write them."""

    def __init__(self, code, data=None):
        super().__init__(code, data)
        self.code = code
        self.data = data


class Lossy(ValueError):
    """An exception that pickle cannot restore: its arguments are not those of its base."""

    def __init__(self, code, place):
        super().__init__(f"{code} at {place}")


class Changed(ValueError):
    """An exception that pickle restores as another one."""

    def __init__(self, code):
        super().__init__(f"code {code}")


def fail(kind):
    """Raise an exception of a kind."""
    _ran.append(kind)
    if kind == "builtin":
        raise ValueError("bad", 3, None)
    if kind == "key":
        raise KeyError("k")
    if kind == "file":
        raise FileNotFoundError(2, "No such file", "/nowhere")
    if kind == "noted":
        error = TypeError("noted")
        error.add_note("a note")
        error.extra = [1]
        raise error
    if kind == "own":
        raise Told(7, {"a": np.arange(3)})
    if kind == "decode":
        b"\xff".decode()
    if kind == "group":
        raise ExceptionGroup("some", [ValueError(1), KeyError("x")])
    if kind == "from":
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise Told(1) from error
    if kind == "during":
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("outer") from None
    if kind == "zero":
        return 1 // 0
    return kind


KINDS = ("builtin", "key", "file", "noted", "own", "decode", "group", "from", "during", "zero")


def caught(call, *args):
    """Return what a call raises."""
    with pytest.raises(Exception) as info:
        call(*args)
    return info.value


def failing(store, **options):
    return store.cache(fail, cache_errors=Exception, ignore_globals=["_ran"], **options)


@pytest.mark.parametrize("kind", KINDS)
def test_exceptions_come_back(folder, kind):
    """A hit raises the same exception: type, arguments, attributes, notes, and those that it comes from; a fresh one."""
    with Store(folder) as store:
        _ran.clear()
        first = caught(failing(store), kind)
        assert failing(store).check_call_in_cache(kind)
    with Store(folder) as store:
        f = failing(store)
        hit, again = caught(f, kind), caught(f, kind)
        assert_same(hit, first)
        assert hit is not first
        assert hit is not again
        assert str(hit) == str(first)
        assert getattr(hit, "filename", None) == getattr(first, "filename", None)
        assert _ran == [kind]
        assert store.find(f).first().state == "stored"
        assert store.find(f).first().access_count == 2
        assert store.verify() == []


def test_the_record_of_an_exception(store):
    """A record says what was raised, and load raises it; so do get, a reference, and call_and_shelve."""
    f = failing(store)
    caught(f, "key")
    record = store.find(f).first()
    assert record.note == "raised KeyError: 'k'"
    for ask in (record.load, lambda: f.get("key"), lambda: f("key"), lambda: f.call_and_shelve("key")):
        assert repr(caught(ask)) == "KeyError('k')"


def test_others_propagate(store):
    """An exception of another type reaches the caller, and nothing is stored; a subclass counts."""
    _ran.clear()
    f = store.cache(fail, cache_errors=(ValueError, OSError), ignore_globals=["_ran"])
    for kind in ("key", "key", "own", "own", "file", "file"):
        caught(f, kind)
    assert _ran == ["key", "key", "own", "file"]
    assert [record.arguments["kind"] for record in store.find(f)] == ["file", "own"]
    assert f("fine") == f("fine") == "fine"


def test_exceptions_count_only_where_they_are_asked_for(store):
    """For a function decorated without it, or with other types, a stored exception is no result."""
    caught(failing(store), "key")
    for options in ({}, {"cache_errors": OSError}):
        f = store.cache(fail, ignore_globals=["_ran"], **options)
        assert not f.check_call_in_cache("key")
        with pytest.raises(MissingError):
            f.get("key")
        _ran.clear()
        caught(f, "key")
        assert _ran == ["key"]


def test_refresh_replaces_both_ways(store):
    """A new exception takes the old result's place, and a new result the exception's."""
    _outcome[:] = [KeyError("k")]
    f = store.cache(draw, cache_errors=KeyError, ignore_globals=["_outcome"])
    caught(f)
    _outcome[:] = [5]
    caught(f)
    assert f.refresh() == 5
    assert f() == 5
    _outcome[:] = [KeyError("again")]
    assert repr(caught(f.refresh)) == "KeyError('again')"
    assert repr(caught(f)) == "KeyError('again')"


@pytest.mark.parametrize("kind", [lambda: Lossy(1, "x"), lambda: Changed(3), lambda: ValueError(lambda: 1)])
def test_what_does_not_survive_is_not_stored(store, kind):
    """An exception that pickle does not give back as it was is raised, told once, and not stored."""
    _outcome[:] = [kind()]
    cached = store.cache(draw, cache_errors=ValueError, ignore_globals=["_outcome"])
    with pytest.warns(CacheWarning, match="an exception of type .* is not stored") as told:
        caught(cached)
    caught(cached)
    assert len(told) == 1
    assert not cached.check_call_in_cache()


def test_exceptions_without_pickle(open_store, sql):
    """Where pickle is not allowed, Python's own exceptions with plain arguments are stored, others are not."""
    f = failing(open_store(allow_pickle=False))
    for kind in ("builtin", "file", "noted", "decode", "zero"):
        caught(f, kind)
        assert f.check_call_in_cache(kind)
    with pytest.warns(CacheWarning, match="needs pickle"):
        caught(f, "own")
    assert {row[0] for row in sql("SELECT format FROM payload")} == {"json"}
    assert {row[0] for row in sql("SELECT kind FROM call WHERE state = 'stored'")} == {"error"}


@pytest.mark.parametrize("options", [{"mmap_mode": "r"}, {"mmap_mode": "c"}, {"compression": "zstd"}], ids=str)
def test_exceptions_under_storage_options(open_store, options):
    """Maps and compression change nothing about exceptions."""
    f = failing(open_store(**options))
    first = caught(f, "own")
    assert caught(f, "own").data["a"].tolist() == first.data["a"].tolist()


def test_a_traceback_begins_at_the_call(store):
    """The exception of a hit has the traceback of its own raising, without frames of the function."""
    f = failing(store)
    assert "in fail" in "".join(traceback.format_exception(caught(f, "zero")))
    assert "in fail" not in "".join(traceback.format_exception(caught(f, "zero")))


def test_a_tampered_name_is_no_exception():
    """Only exceptions of Python itself are built by name."""
    skeleton = take_raised_apart(Raised(ValueError("x"))).value
    with pytest.raises(DamagedError, match="no exception of Python is called 'eval'"):
        put_raised_together(skeleton.replace("ValueError", "eval"), [])
