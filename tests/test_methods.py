"""Cached methods, callable objects, and what stands in for a parameter."""

from __future__ import annotations

import functools
import inspect
import pickle
import threading
import warnings

import cloudpickle
import numpy as np
import pytest

from resultstore import CachedFunction, CacheWarning, DigestError, FunctionError, OptionError, Store, digest

ran: list[str] = []
UNCACHED = Store(None)


class Model:
    """What has methods to cache; the store is put in by the test."""

    def __init__(self, factor):
        self.factor = factor

    def scale(self, x, offset=0):
        """Return a number."""
        ran.append("scale")
        return self.factor * x + offset

    def __call__(self, x):
        """Return a number."""
        ran.append("call")
        return self.factor - x


@pytest.fixture(autouse=True)
def _nothing_ran():
    ran.clear()


@pytest.fixture
def kind(store):
    """Return a class with cached methods of every kind, and a subclass of it."""

    class Cached(Model):
        scale = store.cache(Model.scale)

        @store.cache
        def total(self, x):
            """Return a sum."""
            ran.append("total")
            return self.factor + x

        @store.cache(key={"self": lambda self: self.factor})
        def by_factor(self, x):
            """Return a product."""
            ran.append("by_factor")
            return self.factor * x

        @staticmethod
        @store.cache
        def inside(x):
            """Return the number."""
            ran.append("inside")
            return x

        @store.cache
        @staticmethod
        def outside(x):
            """Return the number."""
            ran.append("outside")
            return x

        @store.cache
        @classmethod
        def make(cls, x):
            """Return the class's name, too."""
            ran.append("make")
            return cls.__name__, x

        @classmethod
        @store.cache
        def made(cls, x):
            """Return the class's name, too."""
            ran.append("made")
            return cls.__name__, x

        @property
        @store.cache
        def size(self):
            """Return the factor."""
            ran.append("size")
            return self.factor

    return Cached


def test_a_method_is_keyed_by_its_object(kind):
    """Equal objects share results, others do not; every spelling of a call is one call."""
    assert kind(2).total(3) == kind(2).total(x=3) == kind.total(kind(2), 3) == 5
    assert ran == ["total"]
    assert kind(4).total(3) == 7
    changed = kind(2)
    changed.factor = 9
    assert changed.total(3) == 12
    assert ran == ["total"] * 3


def test_an_object_of_a_subclass_is_another_one(kind):
    """What a subclass redefines may change what the inherited method returns."""
    kind(2).total(3)

    class Lower(kind):
        factor = property(lambda self: 1, lambda self, value: None)

    assert Lower(2).total(3) == 4
    assert ran == ["total", "total"]


@pytest.mark.parametrize("name", ["inside", "outside"])
def test_static_methods(kind, name):
    """Under or above @staticmethod, a cached function takes no object."""
    assert getattr(kind, name)(1) == getattr(kind(3), name)(1) == 1
    assert ran == [name]


@pytest.mark.parametrize("name", ["make", "made"])
def test_class_methods(kind, name):
    """Under or above @classmethod, a cached function is keyed by the class."""

    class Lower(kind):
        pass

    assert getattr(kind, name)(1) == getattr(kind(3), name)(1) == ("Cached", 1)
    assert ran == [name]
    assert getattr(Lower, name)(1) == ("Lower", 1)


def test_properties(kind):
    """A cached function can be a property's getter."""
    assert kind(2).size == kind(2).size == 2
    assert ran == ["size"]


def test_a_bound_method_has_all_that_a_cached_function_has(kind, store):
    """Keys, references, records and removal speak of the call with the object that the method is bound to."""
    model = kind(2)
    method = model.total
    assert isinstance(method, CachedFunction)
    assert method(3) == 5
    assert method.key(3) == kind.total.key(model, 3)
    assert method.get(3) == method.call_and_shelve(3).get() == method.func(3) == 5
    assert method.check_call_in_cache(3)
    assert not kind(7).total.check_call_in_cache(3)
    assert list(inspect.signature(method).parameters) == ["x"]
    assert len(store.find(method, x=3)) == len(store.find(kind.total, self=model)) == len(store.find(model.total)) == 1
    assert len(store.find(kind(7).total)) == 0
    assert method.forget(3) == 1
    assert method.refresh(3) == 5


def test_methods_of_objects_and_callable_objects(store):
    """A bound method, a callable object, or a partial of them is cached with the object as an argument."""
    assert store.cache(Model(2).scale)(3) == store.cache(Model(2).scale)(3, offset=0) == 6
    assert store.cache(functools.partial(Model(2).scale, 3))() == 6
    assert ran == ["scale"]
    assert store.cache(Model(3).scale)(3) == 9
    model = Model(5)
    called = store.cache(model)
    assert called(1) == store.cache(Model(5))(1) == 4
    model.factor = 6  # looked at at each call
    assert called(1) == 5
    assert ran == ["scale", "scale", "call", "call"]


def test_what_has_no_python_code_to_call_is_refused():
    """Classes, properties and compiled callables are refused with the reason."""
    for func in (Model, property(Model.scale), functools.lru_cache(Model.scale)):
        with pytest.raises(FunctionError):
            UNCACHED.cache(func)


class Travelling(Model):
    """An object whose cached method travels with it."""

    scale = UNCACHED.cache(Model.scale)
    again = UNCACHED.cache(lambda self, x: self.factor * x)


def test_objects_with_cached_methods_travel():
    """Objects, and methods bound to them, pickle as they do without a cache."""
    for tool in (pickle, cloudpickle):
        assert tool.loads(tool.dumps(Travelling(2))).scale(3) == 6
        assert tool.loads(tool.dumps(Travelling(2).scale))(3) == 6
    assert cloudpickle.loads(cloudpickle.dumps(Travelling(2).again))(3) == 6


# -- key=


def test_a_stand_in_is_what_counts(kind, store):
    """Objects that key= takes for the same are one; it is what the index knows, and find takes the object itself."""
    one, other = kind(2), kind(2)
    other.lock = threading.Lock()  # no digest, and no matter
    assert one.by_factor(3) == other.by_factor(3) == 6
    assert ran == ["by_factor"]
    assert store.find(kind.by_factor).first().arguments == {"self": 2, "x": 3}
    assert len(store.find(kind.by_factor, self=other)) == 1
    assert len(store.find(kind.by_factor, self=kind(3))) == 0


def test_another_stand_in_is_another_key(store):
    """After an edit of the function in key=, what it gives stands for something else."""
    first = store.cache(_first, key={"x": lambda x: x[0]})
    last = store.cache(_first, key={"x": lambda x: x[-1]})
    assert first([1, 2]) == 1
    assert last([2, 1]) == 2
    assert first.key([1, 5]) == first.key([1, 6]) != last.key([5, 1])


def _first(x):
    return x[0]


@pytest.mark.parametrize(
    ("key", "why"), [({"z": len}, "not a parameter"), ({"args": len}, "any number"), ({"y": len}, "is ignored")]
)
def test_stand_ins_for_what_is_no_parameter_are_refused(key, why):
    """Names in key= are checked when the function is decorated."""
    with pytest.raises(OptionError, match=why):
        UNCACHED.cache(lambda x, y, *args: x, key=key, ignore=["y"])


def test_a_stand_in_that_raises_costs_the_caching_only(store):
    """What key= raises becomes one warning; the function still returns."""
    f = store.cache(_first, key={"x": lambda x: x.name})
    with pytest.warns(
        CacheWarning, match=r"argument 'x': its function in key= raised AttributeError: .*\. Let it return what"
    ):
        assert f([1]) == 1
    with pytest.raises(DigestError):
        f.key([1])


# -- defaults and references


MISSING = object()


def test_a_sentinel_that_is_not_passed_is_a_default(store):
    """A bare object that is its parameter's default means "not given"; any other one has no digest."""

    @store.cache
    def f(x=MISSING):
        ran.append("f")
        return 1 if x is MISSING else 2

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (f(), f(), f(MISSING), f(None)) == (1, 1, 1, 2)
    assert ran == ["f", "f"]
    with pytest.warns(CacheWarning, match="argument 'x'"):
        assert f(object()) == 2


def test_a_reference_is_known_by_the_result_that_it_stands_for(store):
    """References to equal results are one argument, but none with the result: the function is given the reference."""
    array = store.cache(np.ones)
    table = store.cache(lambda n: {"n": [n]})

    @store.cache
    def g(x):
        """Return nothing."""

    reference, key = array.call_and_shelve(10_000), g.key(array.call_and_shelve(10_000))
    assert g.key(reference) == key != g.key(np.ones(10_000))
    other = store.cache(np.zeros).call_and_shelve(10_000)
    assert len({key, g.key(other), g.key([reference]), g.key(table.call_and_shelve(1))}) == 4
    other.clear()
    payloads = list(
        (store._vault.place and __import__("pathlib").Path(store._vault.place) / "payloads").glob("*/*.npy")
    )
    for file in payloads:
        file.write_bytes(b"")  # it is not read
    assert g.key(reference) == key
    reference.clear()
    with pytest.raises(DigestError, match="argument 'x'"):
        g.key(reference)


def test_a_cached_function_counts_as_its_function():
    """Passed as an argument, a function and its cached form are the same."""
    assert digest(UNCACHED.cache(_first)) == digest(_first) != digest(Model.scale)


def test_an_argument_without_a_digest_is_told_with_what_to_do(store):
    """The warning names the ways out: another value, what stands in for it by key=, register_digest, ignore=."""
    f = store.cache(lambda model: 1)
    with pytest.warns(
        CacheWarning, match=r"say what identifies it \(key=\{'model': \.\.\.\}, or register_digest\), or name"
    ):
        assert f(iter([])) == 1


def test_a_global_generator_is_named(store):
    """A function that moves a global generator on is told which global it is, and stores nothing."""
    f = store.cache(draw)
    with pytest.warns(CacheWarning, match=r"depends on, tests\.test_methods\.RNG, was changed while it ran"):
        f(2)
    assert store.find(f).first().state == "not stored"


RNG = np.random.default_rng(0)


def draw(n):
    """Return random numbers of a global generator."""
    return RNG.normal(size=n)
