"""Strange names and arguments: stored, or refused by name; paths in the store stay short and plain."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
import types
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resultstore import CacheWarning, LocationError, OptionError, Store, StoreError

PLAIN = re.compile(r"[a-z0-9._/-]{1,80}")
NAMES = [
    "x" * 10_000, "ünïcödé_名前_имя", "\ud800", "a\ud800b.c\udfff", "nul\0inside", "\0", "../../etc/passwd", "/etc/passwd",
    "a/b\\c", "CON", "NUL", "COM1.txt", "aux", "'; DROP TABLE call; --", '"call"', "a%b_c", "%s%n{0}", "`x`", "<lambda>", " ",
    "a b", "\n", "a\r\nb", "\t", "\x1b[31mred", "\u202egnp.exe", "e\u0301", "\xe9", "🎉" * 50, "f(x, y=1)", ".", "..", "-rf", "~root", "$HOME",
    "*", "?", "#", "a:b|c", "None", "self", "\ufeff", "\x7f", "\x85", "\u2028", "x" * 255 + "é",
]  # fmt: skip


runs: list[object] = []


@pytest.fixture(autouse=True)
def _forget_runs():
    runs.clear()


def square(x):
    """Return the square."""
    runs.append(x)
    return x * x


def table(n):
    """Return some numbers."""
    runs.append(n)
    return np.arange(n)


def identity(x):
    """Return the argument."""
    return x


def numbered(x):
    """Return how many runs there have been, as an array."""
    runs.append(0)
    return np.full(3000, len(runs))


def described(x):
    """Return what is to be seen of a value."""
    runs.append(0)
    return repr(x)


def counted(**kw):
    """Return how many keywords there are."""
    runs.append(0)
    return len(kw)


def check_paths(folder):
    """See that all paths in a store are short and plain."""
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        assert name == "CACHEDIR.TAG" or PLAIN.fullmatch(name), name


def named(name: str, module: str = "tests.strange") -> types.FunctionType:
    """Return a function with a name of any kind."""

    def f(x):
        runs.append(x)
        return np.full(3000, x)

    f = types.FunctionType(f.__code__, {"runs": runs, "np": np, "__name__": module})
    f.__name__ = f.__qualname__ = name
    f.__module__ = module
    return f


def test_functions_of_every_name_are_cached(folder, store):
    """Whatever a function or its module is called, it is stored, found by its name, told apart, and removed."""
    functions = [named(name) for name in NAMES] + [named("f", name) for name in NAMES]
    cached = [store.cache(f) for f in functions]
    for i, f in enumerate(cached):
        assert (f(i) == i).all()
    runs.clear()
    for i, f in enumerate(cached):
        assert (f(i) == i).all()
        assert f.explain(i).outcome == "hit"
        record = store.find(f, x=i).first()
        assert (record.load() == i).all()
        assert (store.find(f.name).first().load() == i).all()
        for text in (
            repr(record),
            repr(store.find(f)),
            store.find(f)._repr_html_(),
            repr(f),
            str(store.explain(record.key)),
            repr(f.versions()),
        ):
            assert text
    assert runs == []
    assert len({f.name for f in cached}) == len(cached) == len(store.find())
    assert repr(store.stats())
    check_paths(folder)
    assert cached[0].clear() == 1
    assert store.clear_function(cached[1].name, fingerprint=cached[1].fingerprint()) == 1
    assert len(store.find()) == len(cached) - 2


ARGUMENTS = [
    *NAMES, "x" * 10_000_000, b"\0" * 1_000_000, 10**5000, -(10**5000), float("nan"), float("inf"), -0.0, 1e308, complex("nan"), "",
    [], {}, (), set(), {"": {"": {}}}, ["\ud800"], {"\ud800": "\0"}, np.array(["\ud800", "x\0"]), np.array([b"\0\0"]), range(10**30),
    {None: None, True: 1, "x": [1, (2,)]}, frozenset([frozenset(), ("\ud800",)]),
]  # fmt: skip


def test_arguments_of_every_kind_are_keyed(folder, store):
    """Strange values are arguments like others: a miss, then a hit, found by their value, shown in a record."""
    f = store.cache(numbered)
    keys = {f.key(x) for x in ARGUMENTS}
    assert len(keys) == len(ARGUMENTS)
    for x in ARGUMENTS:
        first = f(x)
        assert (f(x) == first).all()
        assert f.explain(x).outcome == "hit"
        record = store.find(f, x=x).first()
        assert record.key == f.key(x)
        assert len(repr(record)) < 10_000
        for text in (
            repr(record),
            repr(store.find(f, x=x)),
            store.find(f, x=x)._repr_html_(),
            str(store.explain(record.key)),
        ):
            assert text
    assert len(runs) == len(ARGUMENTS)
    check_paths(folder)


def test_results_of_every_kind_come_back(store):
    """The same values as results are given back as they were."""
    f = store.cache(identity)
    for value in ARGUMENTS:
        f(value)
        back = f(value)
        assert type(back) is type(value)
        assert repr_of(back) == repr_of(value)


def repr_of(value):
    """Return a text that tells values apart, NaN included."""
    return hex(value) if type(value) is int else repr(value)


def test_values_that_contain_themselves(store):
    """Lists and dicts that contain themselves are arguments and results, in a cycle of any length."""
    one: list = []
    one.append(one)
    two: dict = {"a": [1]}
    two["a"].append(two)
    three: list = [[[]]]
    three[0][0].append(three)
    f, g = store.cache(described), store.cache(identity)
    for value in (one, two, three):
        assert f(value) == f(value)
        assert store.find(f, x=value).first() is not None
        g(value)
        assert repr(g(value)) == repr(value)
    assert len(runs) == 3
    itself = one[0]
    assert itself is one
    back = g(one)
    assert back[0] is back


def test_ten_thousand_keywords(folder, store):
    """A call with ten thousand keywords, of every name, is a call."""
    f = store.cache(counted)
    many = {f"k{i}": i for i in range(10_000)}
    assert f(**many) == f(**dict(reversed(many.items()))) == 10_000
    strange = dict.fromkeys(NAMES, 1)
    assert f(**strange) == f(**strange) == len(NAMES)
    assert len(runs) == 2
    assert repr(store.find(f))
    record = store.find(f).first()
    assert repr(record)
    check_paths(folder)


@pytest.mark.parametrize("name", NAMES[::3])
def test_options_that_name_something_take_any_text(store, name):
    """Labels, earlier names and names of globals may be any text; a parameter that is not there is refused by name.

    Earlier names are full names, with a module.
    """
    f = store.cache(square, version=name, was=f"lab.{name}", ignore_globals=name)
    assert [f(2), f(2)] == [4, 4]
    assert runs == [2]
    assert all(map(repr, (store.find(f), f.versions(), f.explain(2))))
    with pytest.raises(OptionError, match="ignore"):
        store.cache(square, ignore=[name])(2)
    with contextlib.suppress(OptionError):
        assert len(store.find(f, **{name: 1})) == 0
    assert len(store.find(name)) == 0


PLACES = [
    "a b", "a?b", "a#b", "a%41b", "a&mode=memory", "a\nb", "a'b\"c", "ünï", "x" * 200, "🎉", "-rf", "a\\b", ":memory:", "file:x?mode=ro", "~", "$HOME",
    os.fsdecode(b"raw\xff\xfe"), ".hidden", "a.sqlite", "con",
]  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_directories_of_every_name(tmp_path, name):
    """A store lies where it was told, whatever the directory is called, and nowhere else."""
    place = tmp_path / name
    try:
        place.mkdir()
        place.rmdir()
    except (OSError, ValueError):
        pytest.skip("the file system does not take this name")
    for kind in (place, str(place), os.fsencode(place)):
        with Store(kind) as store:
            f = store.cache(table)
            assert len(f(20_000)) == 20_000
            assert f.check_call_in_cache(20_000)
            assert store.find(f).first().load().shape == (20_000,)
            assert store.verify() == []
            assert repr(store)
    assert len(runs) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with Store(place, mmap_mode="r") as store:
        assert store.cache(table)(20_000).shape == (20_000,)


@pytest.mark.parametrize("location", ["", "a\0b", b"\0", 17, 1.5, [], object()])
def test_a_location_that_cannot_be_one_is_refused(location, tmp_path, monkeypatch):
    """What is no path is refused when the store is made, and nothing is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises((StoreError, TypeError)):
        Store(location)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_too_deep_for_the_system(tmp_path):
    """Where the path is longer than the system takes, functions work, with one warning each."""
    store = Store(tmp_path / ("x" * 300) / "results")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [store.cache(square)(x) for x in (2, 2)] == [4, 4]
    assert {warning.category for warning in caught} == {CacheWarning}
    store.close()


_text = st.text(st.characters(exclude_categories=()), max_size=30)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _text | st.binary(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(name=_text.filter(bool), module=_text, keywords=st.dictionaries(_text, _values, max_size=4), result=_values)
def test_any_name_and_any_value(folder, name, module, keywords, result):
    """Functions of any name with any keywords give any plain result, the second time from the store."""
    with Store(folder, allow_pickle=False) as store:
        namespace = {"__name__": module, "runs": runs, "result": result}
        code = compile("def f(**kw): runs.append(1); return result", "<strange>", "exec")
        exec(code, namespace)
        plain = namespace["f"]
        plain.__qualname__, plain.__module__ = name, module
        f = store.cache(plain)
        f.forget(**keywords)
        runs.clear()
        first, second = f(**keywords), f(**keywords)
        assert len(runs) == 1
        assert repr(first) == repr(second) == repr(result)
        record = store.find(f).first()
        assert all(map(repr, (record, store.find(f))))
        assert f.explain(**keywords).outcome == "hit"
        assert store.record(record.key).function == f.name
    check_paths(folder)


def test_a_surrogate_in_the_environment_of_a_process_is_no_matter(store, monkeypatch):
    """The program's name, the user and the host may be any bytes: they are on record as text."""
    monkeypatch.setattr(sys, "argv", [os.fsdecode(b"prog\xff")])
    monkeypatch.setenv("LOGNAME", os.fsdecode(b"me\xff"))
    assert store.cache(square)(2) == 4
    assert store.cache(square).check_call_in_cache(2)


class BrokenStream(io.StringIO):
    """A stream that nobody can write to."""

    def write(self, text):
        """Refuse it."""
        raise RuntimeError(text)


@pytest.mark.parametrize("stream", [io.StringIO(), BrokenStream(), io.TextIOWrapper(io.BytesIO(), "ascii"), None])
def test_where_nothing_can_be_said_calls_go_on(store, monkeypatch, stream):
    """A warning or a line that a closed or strange stream does not take costs nobody the value."""
    if type(stream) is io.StringIO:
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: stream is None or stream.write(str(message)))

    @functools.partial(store.cache, verbose=11)
    def takes(größe):  # noqa: PLC2401 -- it is to be printed
        return 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert takes(iter([])) == 1
        assert takes("ü") == takes("ü") == 1


def test_without_a_present_directory(tmp_path, monkeypatch):
    """Where the present directory is gone a full path is a store, none is none, and a relative path is told."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert Store(None).cache(abs)(-1) == 1
    assert Store(tmp_path / "results").cache(abs)(-1) == 1
    with pytest.raises(LocationError, match="'results' is relative"):
        Store("results")
