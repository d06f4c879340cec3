"""The guard: hits that are computed again, arguments that a call changes, and what callers change afterwards."""

from __future__ import annotations

import collections
import contextlib
import random
import warnings

import numpy as np
import pandas as pd
import pytest

from resultstore import CacheWarning
from resultstore._checking import difference
from tests.outcomes import LOST, SCENARIOS, Plain

_box: list[object] = []
_runs: list[object] = []


def give():
    """Return what lies in the box; an error of arithmetic or an interrupt is raised."""
    if isinstance(_box[0], (ArithmeticError, KeyboardInterrupt)):
        raise _box[0]
    return _box[0]


def note(x):
    """Return the argument, and note that it ran."""
    _runs.append(x)
    return x


def following():
    """Return another number at each call."""
    _runs.append(None)
    return len(_runs)


def fibonacci(n):
    """Return a number by calls of the cached function, which the box holds."""
    _runs.append(n)
    return n if n < 2 else _box[0](n - 1) + _box[0](n - 2)


def giving(store, *results, **options):
    """Return a cached function that was called with the first result in the box, and would now give the second."""
    f = store.cache(give, ignore_globals=["_box"], **options)
    _box[:] = results[:1]
    with contextlib.suppress(ArithmeticError):
        f()
    _box[:] = results[1:]
    return f


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (1, 2, "the result was 1 and is 2"),
        (1, 1.0, "the result was 1 and is 1.0"),
        ("a", None, "the result was 'a' and is None"),
        ([1, {"k": (1, 2)}], [1, {"k": (1, 3)}], "the result[1]['k'][1] was 2 and is 3"),
        ([1], [1, 2], "the result had 1 items and has 2"),
        ({"a": 1}, {"a": 1, "b": 2}, "the result has now the keys 'b'"),
        ({"a": 1}, {}, "the result has no more the keys 'a'"),
        ({1, 2}, {1, 3}, "the result had 2 and has 3"),
        (np.arange(5.0), np.array([0.0, 1.0, 3.0, 3.0, 6.0]), "2 of the 5 elements of the result differ; [2] was 2.0 and is 3.0"),
        (np.arange(5), np.arange(6), "the result had the shape (5,) and has (6,)"),
        (np.arange(5), np.arange(5.0), "the result had the dtype int64 and has float64"),
        ([np.array(["a"], object)], [np.array(["b"], object)], "the result[0].flat[0] was 'a' and is 'b'"),
        (np.ma.array([1, 2], mask=[False, True]), np.ma.array([1, 2], mask=[False, False]), "elements of the result.mask differ"),
        (Plain(a=[1]), Plain(a=[2]), "['a'][0] was 1 and is 2"),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]}), "the result was DataFrame 1x1 and is DataFrame 1x1"),
        (ArithmeticError(1), ArithmeticError(2), "arguments[0] was 1 and is 2"),
        (ArithmeticError(1), 5, "the result was raised ArithmeticError: 1 and is 5"),
        (5, (i for i in "ab"), "cannot be stored"),
    ],
)  # fmt: skip
def test_a_difference_is_told(open_store, old, new, told):
    """A hit that gives something else when it is computed again is told, and the new result takes the old one's place."""
    f = giving(open_store(check_hits=1.0), old, new, cache_errors=ArithmeticError)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if isinstance(new, Exception):
            with pytest.raises(ArithmeticError, match="2"):
                f()
        else:
            assert f() is new
    message = str(caught[-1].message)
    assert told in message
    assert "give: a hit () was computed again and gave something else" in message
    assert "Nothing that the function is known to depend on has changed" in message
    assert "has taken the old one's place" in message
    if not isinstance(new, Exception):
        assert f.check_call_in_cache() == (type(new).__name__ != "generator")


@pytest.mark.parametrize("name", SCENARIOS)
def test_equal_results_are_not_told(open_store, name):
    """No result that is made anew in the same way differs from the stored one, whatever it is."""
    f = giving(open_store(check_hits=1.0), SCENARIOS[name](), SCENARIOS[name]())
    f()
    assert len(open_store().find()) == 1
    assert open_store().stats().misses == 1


@pytest.mark.parametrize("name", LOST)
def test_the_form_alone_is_no_difference(open_store, name):
    """What comes back in another form is compared as it comes back."""
    f = giving(open_store(check_hits=1.0), LOST[name][0](), LOST[name][0]())
    f()
    assert open_store().stats().misses == 1


@pytest.mark.parametrize("options", [{"mmap_mode": "r"}, {"mmap_mode": "c"}, {"compression": "zstd"}], ids=str)
def test_checks_under_storage_options(open_store, options):
    """Mapped and compressed results are compared like others."""
    f = giving(open_store(check_hits=1.0, **options), {"a": np.arange(30_000)}, {"a": np.arange(30_000)})
    f()
    _box[0] = {"a": np.arange(30_000) + 1}
    with pytest.warns(CacheWarning, match="30000 of the 30000 elements"):
        assert f()["a"][0] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0.0, float("nan")], [-0.0, float("nan")]),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (np.array([0.0, np.nan]), np.array([-0.0, -np.nan])),
        (set(range(100)), set(range(99, -1, -1))),
        ({(1, float("nan"))}, {(1, float("nan"))}),
        ({float("nan"): 1}, {float("nan"): 1}),
        ({Plain(a=1)}, {Plain(a=1)}),
        (object(), object()),
        (Plain(a=Plain(b=1)), Plain(a=Plain(b=1))),
        (collections.deque([1]), collections.deque([1])),
        (["aa", "aa"], ["aa", "a" * 2]),
    ],
)
def test_equal_values_do_not_differ(one, other):
    """Values that are equal, or of which it cannot be told, are no difference."""
    assert difference(one, other) is None


def test_cycles_and_depth_are_compared():
    """Values that contain themselves, and deep ones, are compared without recursion."""

    def make(last):
        ring = [last]
        ring.append(ring)
        for _ in range(10_000):
            ring = [ring]
        return ring

    assert difference(make(1), make(1)) is None
    assert difference(make(1), make(2)).endswith("[0] was 1 and is 2")


def test_a_check_that_raises(open_store):
    """When the computation of a check raises, that is told, and the hit gives what is stored."""
    f = giving(open_store(check_hits=1.0), [1], ArithmeticError("now"))
    with pytest.warns(CacheWarning, match=r"it raised ArithmeticError\('now'\) where it had returned a result"):
        assert f() == [1]
    assert f() == [1]
    _box[:] = [KeyboardInterrupt()]
    assert f.get() == [1]


def test_all_hits_or_none(open_store):
    """A share of 1 checks each hit, a share of 0 none."""
    _runs.clear()
    always, never = (open_store(check_hits=share).cache(note, ignore_globals=["_runs"]) for share in (1.0, 0.0))
    for _ in range(4):
        always(1)
    assert len(_runs) == 4
    for _ in range(4):
        never(1)
    assert len(_runs) == 4


def test_a_share_of_hits(open_store):
    """A share between 0 and 1 checks some hits; the random numbers of others are left alone."""
    _runs.clear()
    cached = open_store(check_hits=0.5).cache(note, ignore_globals=["_runs"])
    random.seed(1)
    state = random.getstate()
    for _ in range(200):
        cached(1)
    assert 20 < len(_runs) < 180
    assert random.getstate() == state


def test_a_recursive_function_is_checked_once(open_store):
    """Inside a check hits are not checked: a recursive function would compute everything that its hits save."""
    _runs.clear()
    f = open_store(check_hits=1.0).cache(fibonacci, ignore_globals=["_runs", "_box"])
    _box[:] = [f]
    assert f(30) == f(30) == 832040
    assert len(_runs) < 200


def test_a_warning_is_told_once(open_store):
    """A function that differs at each call is told once, and each call gives the new result."""
    _runs.clear()
    f = open_store(check_hits=1.0).cache(following, ignore_globals=["_runs"])
    with pytest.warns(CacheWarning, match="gave something else") as caught:
        assert [f() for _ in range(4)] == [1, 2, 3, 4]
    assert len(caught) == 1


# -- arguments


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda f: f([1], b=2), "argument 'a'"),
        (lambda f: f({"k": 1}, b=[2]), "argument 'a', argument 'b'"),
        (lambda f: f(np.zeros(3), b=2), "argument 'a'"),
    ],
)
def test_changed_arguments_are_told(open_store, call, told):
    """A call that changes its arguments is told once, by name, and stored for what was passed."""

    def change(a, b):
        for part in (a, b):
            if isinstance(part, list):
                part.append(1)
            elif isinstance(part, dict):
                part["new"] = 1
            elif isinstance(part, np.ndarray):
                part[:] = 1
        return a

    f = open_store(check_arguments=True).cache(change)
    with pytest.warns(CacheWarning, match=f"a call has changed {told}, which a hit will not do") as caught:
        call(f)
    call(f)
    assert len(caught) == 1
    assert f.store.stats().hits == 1


def test_an_argument_without_digest_afterwards(open_store):
    """An argument that has no digest any more is a changed one; one that is ignored is not looked at."""
    f = open_store(check_arguments=True).cache(lambda a, b: a.append(object()) or b.append(1), ignore=["b"])
    with pytest.warns(CacheWarning, match="a call has changed argument 'a',"):
        f([1], [1])


def test_unchanged_arguments_are_not_told(open_store):
    """A call that leaves its arguments alone is not told, nor are changes where it is not asked for."""
    f = open_store(check_arguments=True).cache(lambda a, *args, **kwargs: [a, args, kwargs])
    f([1], 2, k=[3])
    g = open_store().cache(lambda a: a.append(1))
    g([1])


# -- what callers change afterwards


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"mmap_mode": "c"}], ids=str)
@pytest.mark.parametrize("size", [3, 30_000])
def test_changing_a_result_changes_nothing_stored(open_store, options, size):
    """What the caller does to the first return or to a hit is seen by no later hit, in files and in the index."""
    f = open_store(**options).cache(lambda n: {"a": np.zeros(n), "l": [0], "f": pd.DataFrame({"x": np.zeros(n)})})
    for _ in range(3):
        result = f(size)
        assert result["a"].sum() == 0
        assert result["l"] == [0]
        assert result["f"]["x"].sum() == 0
        result["a"][:] = 1
        result["l"].append(1)
        result["f"].loc[0, "x"] = 5
        result["new"] = 1
    open_store().close()
    assert open_store().verify() == []


def test_changing_an_argument_that_is_the_result(store):
    """A result that is an argument, or shares its memory, is stored as it was when the call returned."""
    argument, array = [1], np.zeros(30_000)
    f = store.cache(lambda a, b: [a, b, b[:10]])
    f(argument, array)
    argument.append(2)
    array[:] = 1
    hit = f([1], np.zeros(30_000))
    assert hit[0] == [1]
    assert hit[1].sum() == hit[2].sum() == 0


def test_changing_an_argument_in_the_call(store):
    """The key is that of the arguments as they were passed, whatever the function does to them."""
    f = store.cache(lambda a: a.append(1) or list(a))
    assert f([0]) == [0, 1]
    assert f([0]) == [0, 1]
    assert store.stats().hits == 1
    assert store.find(f, a=[0]).first() is not None


def test_a_result_that_is_a_global(store):
    """A hit of a function that returns a global is a copy of it."""
    _box[:] = [[1]]
    f = store.cache(give, ignore_globals=["_box"])
    assert f() is _box[0]
    f().append(2)
    assert f() == [1]
    assert _box == [[1]]


def test_flags_of_a_hit_are_its_own(store):
    """Making a read-only hit writeable, where numpy allows it, changes no other hit."""
    f = store.cache(lambda: np.broadcast_to(np.zeros(1), (3,)))
    f()
    hit = f()
    assert not hit.flags.writeable
    hit.flags.writeable = True
    hit[:] = 7
    assert f().tolist() == [0, 0, 0]
    assert not f().flags.writeable


# -- random generators among arguments


class Sampler:
    """A user's object that holds a generator."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def draw(self, n):
        """Return numbers."""
        _runs.append(n)
        return self.rng.normal(size=n)


def drawn(rng, n=2):
    """Return numbers of whatever generator this is."""
    _runs.append(n)
    while not hasattr(rng, "random"):
        rng = rng.rng if hasattr(rng, "rng") else rng["rng"] if isinstance(rng, dict) else rng[0]
    return [float(rng.random()) for _ in range(n)]


GENERATORS = {
    "numpy's": lambda: np.random.default_rng(3),
    "numpy's old one": lambda: np.random.RandomState(3),
    "Python's": lambda: random.Random(3),
    "in a list": lambda: [np.random.default_rng(3)],
    "in a dict": lambda: {"rng": (random.Random(3),)},
    "in an object": lambda: Sampler(3),
}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_program_draws_the_same_numbers_with_a_store_as_without(open_store, name):
    """A call that draws from a generator it was given runs each time, for whoever draws next goes by what it left; told once."""
    plain = GENERATORS[name]()
    expected = [drawn(plain), drawn(plain, 1), drawn(plain)]
    for _ in range(2):
        store = open_store()
        f, rng = store.cache(drawn), GENERATORS[name]()
        with pytest.warns(CacheWarning, match="drawn from the random generator in argument 'rng'") as told:
            assert [f(rng), f(rng, 1), f(rng)] == expected
        assert len(told) == 1
        assert {record.state for record in store.find(f)} == {"not stored"}
        store.close()


def test_a_method_that_draws_runs_each_time(store):
    """The generator may lie in the object that a method is called on."""
    draw = store.cache(Sampler.draw)
    one, other = Sampler(1), Sampler(1)
    with pytest.warns(CacheWarning, match="argument 'self'"):
        assert [*draw(one, 2), *draw(one, 2)] == [*other.draw(2), *other.draw(2)]


def test_a_generator_that_nobody_draws_from_is_an_argument_like_others(store):
    """What is only looked at, or stands aside by ``ignore=`` or ``key=``, is stored."""
    _runs.clear()
    looked = store.cache(note)
    looked(np.random.default_rng(1)), looked(np.random.default_rng(1))
    assert len(_runs) == 1
    aside, keyed = (
        store.cache(drawn, ignore=["rng"]),
        store.cache(drawn, key={"rng": lambda rng: str(rng.bit_generator.state)}),
    )
    for f in (aside, keyed):
        assert f(np.random.default_rng(5)) == f(np.random.default_rng(5))
    assert len(_runs) == 3


def test_drawing_is_told_for_awaited_calls_and_for_references(store):
    """Whatever way the call is made, its result is there, and not stored."""
    import asyncio

    async def awaited(rng):
        return float(rng.random())

    with pytest.warns(CacheWarning, match="drawn from"):
        assert asyncio.run(store.cache(awaited)(random.Random(2))) == random.Random(2).random()
    with pytest.warns(CacheWarning, match="drawn from"):
        assert store.cache(drawn).call_and_shelve(random.Random(2), 1).get() == [random.Random(2).random()]
