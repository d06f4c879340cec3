"""Binding: every equivalent spelling is one call, and different calls never meet."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultstore import OptionError, Store, digest
from resultstore._identity.binding import make_binder
from resultstore.testing.strategies import arguments, calls, make_function, signatures
from tests import science


def test_every_spelling_is_one_call(store):
    """Positional, keyword, default, keyword-only and extra arguments: equivalent spellings run once."""
    f = store.cache(science.spelled)
    spellings = [
        lambda: f(1, c=3),
        lambda: f(1, 2, c=3),
        lambda: f(1, b=2, c=3),
        lambda: f(1, c=3, d=4, b=2),
        lambda: f(1, 2, *(), c=3, d=4),
    ]
    science.runs.clear()
    assert [spell() for spell in spellings] == [[1, 2, (), 3, 4, {}]] * len(spellings)
    assert len(science.runs) == 1
    assert f(1, 2, 5, 6, c=3, z=1, y=2) == f(1, 2, 5, 6, y=2, z=1, c=3)
    assert len(science.runs) == 2


def test_different_calls_never_meet(store):
    """Calls that the function can tell apart have different keys."""
    f = store.cache(science.spelled)
    keys = {
        f.key(1, c=3), f.key(2, c=3), f.key(1, 3, c=2), f.key(1, c=3, d=5), f.key(1, c=3, e=5), f.key(1, 2, 3, c=3),
        f.key(1, 2, (3,), c=3), f.key(1, c=3, a=1), f.key(1, c=3, args=()), f.key(1, c=3, kw={}), f.key(1.0, c=3),
        f.key(True, c=3), f.key([1], c=3), f.key((1,), c=3),
    }  # fmt: skip
    assert len(keys) == 14


def test_a_wrong_call_fails_as_the_function_does(store):
    """A call that the function does not take raises the function's own TypeError, and stores nothing."""
    f = store.cache(science.square)
    for args, kwargs in [((), {}), ((1, 2), {}), ((1,), {"x": 1}), ((1,), {"q": 1})]:
        with pytest.raises(TypeError) as own:
            science.square(*args, **kwargs)
        with pytest.raises(TypeError) as ours:
            f(*args, **kwargs)
        assert str(ours.value) == str(own.value)
        with pytest.raises(TypeError, match="square"):
            f.key(*args, **kwargs)
    assert len(store.find()) == 0


@given(signatures(), st.data())
def test_the_compiled_binder_equals_the_call_itself(signature, data):
    """For any signature and any call, binding gives the values that the function would see, or both refuse."""
    f = make_function(signature)
    binder = make_binder(f)
    args = data.draw(st.lists(st.integers(0, 3), max_size=4))
    kwargs = data.draw(st.dictionaries(st.sampled_from("pqrstuvwxyz"), st.integers(0, 3), max_size=4))
    try:  # not inspect's Signature.bind, which refuses f(q=1) of "def f(q=0, /, **kwargs)" before Python 3.13
        seen = f(*args, **kwargs)
    except TypeError:
        with pytest.raises(TypeError):
            binder.bind(*args, **kwargs)
        return
    assert dict(zip(binder.names, binder.bind(*args, **kwargs), strict=True)) == seen


@given(calls())
def test_equivalent_spellings_have_one_key(call):
    """For any function, two spellings of a call bind the same and have one key."""
    (args, kwargs), (other_args, other_kwargs) = call.one, call.other
    f = Store(None).cache(call.func)
    assert f.key(*args, **kwargs) == f.key(*other_args, **other_kwargs)
    assert digest(call.func(*args, **kwargs)) == digest(call.func(*other_args, **other_kwargs))


@given(calls(), arguments())
def test_another_argument_is_another_key(call, value):
    """For any function, replacing one argument by another value gives another key."""
    args, kwargs = call.one
    f = Store(None).cache(call.func)
    for i, arg in enumerate(args):
        changed = f.key(*args[:i], value, *args[i + 1 :], **kwargs)
        assert (changed == f.key(*args, **kwargs)) == (digest(value) == digest(arg))
    for name, arg in kwargs.items():
        changed = f.key(*args, **{**kwargs, name: value})
        assert (changed == f.key(*args, **kwargs)) == (digest(value) == digest(arg))


def test_ignored_parameters_do_not_count(store):
    """Calls that differ only in ignored parameters are one call, which records what it was given."""
    runs = []

    def f(x, debug=False, *args, **kw):
        runs.append(x)
        return x

    g = Store(None).cache(f)  # the list must not enter the closure's fingerprint twice
    assert g(1) == 1
    h = store.cache(science.table, ignore=["seed"])
    science.runs.clear()
    assert (h(3, 1) == h(3, seed=2)).all()
    assert len(science.runs) == 1
    assert store.find(h).first().arguments == {"n": 3, "seed": 1, "scale": 1.0}
    star = store.cache(science.spelled, ignore=["*", "**"])
    assert star.key(1, 2, 3, c=1, z=2) == star.key(1, 2, c=1)


@pytest.mark.parametrize("ignore", ["x", ["nope"], ["x", "nope"], [1]])
def test_ignoring_what_is_no_parameter_is_an_error(ignore):
    """A wrong ignore= is told at decoration, with the parameters that there are."""
    with pytest.raises(OptionError, match="ignore"):
        Store(None).cache(ignore=ignore)(science.square)


def test_a_partial_is_a_spelling_of_its_function(store):
    """A partial's call is the call of its function, nested partials included."""
    f = store.cache(science.table)
    half = store.cache(functools.partial(science.table, scale=0.5))
    nested = store.cache(functools.partial(functools.partial(science.table, 4), scale=0.5))
    science.runs.clear()
    expected = f(4, 1, scale=0.5)
    assert (half(4, seed=1) == expected).all()
    assert (nested(seed=1) == expected).all()
    assert (half(4, 1, scale=2.0) == f(4, 1, scale=2.0)).all()
    assert len(science.runs) == 2
    assert half.name == "tests.science.table"
    assert len(store.find(half, scale=0.5)) == 1


def test_ufuncs_and_builtins(store):
    """Functions without Python code are cached by name, arguments and the version of their module."""
    import math

    add, sqrt = store.cache(np.add), store.cache(math.sqrt)
    array = np.arange(3.0)
    assert (add(array, 1) == array + 1).all()
    assert (add(array, 1) == array + 1).all()
    assert add.check_call_in_cache(array, 1)
    assert not add.check_call_in_cache(array, 2)
    assert sqrt(4.0) == sqrt(4.0) == 2.0
    assert store.find("math.sqrt").first().access_count == 1
    assert len(store.find(np.add)) == 1


def test_a_ufunc_that_writes_into_out_is_not_answered(store):
    """A call with out= has an effect that a hit could not repeat: it runs each time."""
    add = store.cache(np.add)
    out = np.zeros(3)
    with pytest.warns(match="out="):
        assert add(np.ones(3), 1, out=out) is out
    out[:] = 0
    add(np.ones(3), 1, out)
    assert (out == 2).all()
    assert len(store.find()) == 0


def test_wrappers_are_bound_as_they_are_called(store):
    """A wrapper's own signature counts, not the one it borrows: its defaults may differ."""

    def inner(x, n=1):
        return x * n

    @functools.wraps(inner)
    def wrapper(*args, **kwargs):
        kwargs.setdefault("n", 5)
        return inner(*args, **kwargs)

    f = store.cache(wrapper)
    assert f(2) == 10
    assert f(2, n=1) == 2
    assert f(2, n=5) == 10


def test_defaults_changed_at_run_time_count(store):
    """A default that is replaced while the process lives is used from the next call on."""

    def f(x, n=1, *, m=1):
        return x * n * m

    g = store.cache(f)
    assert g(2) == 2
    f.__defaults__ = (3,)
    assert g(2) == 6
    f.__kwdefaults__ = {"m": 5}
    assert g(2) == 30
    f.__kwdefaults__["m"] = 7
    assert g(2) == 42


def test_keys_are_taken_before_the_function_runs(store):
    """A function that changes its argument is keyed by what it was given."""

    def drain(items):
        total = sum(items)
        items.clear()
        return total

    f = store.cache(drain)
    assert f([1, 2, 3]) == 6
    assert f([1, 2, 3]) == 6
    assert f([]) == 0
    assert store.find(f, items=[1, 2, 3]).first().access_count == 1
    assert store.find(f)[1].arguments["items"].text == "[1, 2, 3]"
