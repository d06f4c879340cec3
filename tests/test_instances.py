"""Instances, enums, functions and subclasses as values: class by what it does, and what they hold."""

from __future__ import annotations

import collections
import copy
import dataclasses
import datetime
import decimal
import enum
import functools
import io
import pathlib
import pickle
import random
import socket
import sys
import threading
import typing
import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultstore import CacheWarning, DigestError, OptionError, Store, digest, register_digest, unregister_digest
from resultstore.testing import same
from resultstore.testing.strategies import values


@dataclasses.dataclass
class Point:
    """A dataclass."""

    x: typing.Any
    y: typing.Any = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Vector:
    """Another one of the same fields."""

    x: typing.Any
    y: typing.Any = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    """One with slots."""

    x: int


class Color(enum.Enum):
    """An enumeration."""

    RED = 1
    GREEN = 2


class Level(enum.IntEnum):
    """One of numbers."""

    LOW = 1


class Access(enum.Flag):
    """One of flags."""

    READ = 1
    WRITE = 2


class Pair(typing.NamedTuple):
    """A named tuple."""

    a: int
    b: str = "x"


Triple = collections.namedtuple("Triple", "a b c")


class Slotted:
    """Slots, one of them empty."""

    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Plain:
    """An object with attributes."""

    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class OwnState(Plain):
    """It says for itself what pickle keeps."""

    def __getstate__(self):
        return {"a": self.a}

    def __setstate__(self, state):
        self.__dict__.update(state)


class OwnReduce(Plain):
    """It says for itself how pickle makes it."""

    def __reduce__(self):
        return OwnReduce, ()


class Numbers(list):  # type: ignore[type-arg]
    """A list that reads oddly."""

    def __iter__(self):
        return iter(())


class Table(dict):  # type: ignore[type-arg]
    """A dict."""


class Day(datetime.date):
    """A date."""


class Amount(decimal.Decimal):
    """A decimal."""


class Folder(pathlib.PurePosixPath):
    """A path."""


class Dice(random.Random):
    """A generator of random numbers."""


class Wrong(ValueError):
    """An exception."""


class Zone(datetime.tzinfo):
    """A time zone."""

    def utcoffset(self, when):
        return datetime.timedelta(hours=1)

    def dst(self, when):
        return datetime.timedelta(0)

    def tzname(self, when):
        return "one"


class Sized(Plain):
    """It says what identifies it."""

    def __resultstore_digest__(self):
        return self.a


def double(x):
    """Return twice a number."""
    return 2 * x


def _family():
    parent, child = Plain(name="p"), Plain(name="c")
    parent.children, child.parent = [child], parent
    return parent


MAKERS = [
    lambda: Point(1), lambda: Point(1, [2]), lambda: Point(2), lambda: Vector(1), lambda: Point(Point(1)),
    lambda: Frozen(1), lambda: Frozen(2), lambda: Color.RED, lambda: Color.GREEN, lambda: Level.LOW, lambda: 1,
    lambda: Access.READ, lambda: Access.READ | Access.WRITE, lambda: Pair(1), lambda: Pair(1, "y"), lambda: (1, "x"),
    lambda: Triple(1, 2, 3), lambda: (1, 2, 3), lambda: Slotted(1), lambda: Slotted(2), lambda: Plain(), Plain,
    lambda: Plain(a=1), lambda: Plain(a=1, b=2), lambda: OwnState(a=1), lambda: OwnState(a=1, b=2), lambda: Plain,
    lambda: Numbers([1]), lambda: Numbers([2]), lambda: [1], lambda: Table(a=1), lambda: {"a": 1},
    lambda: Day(2020, 1, 1), lambda: datetime.date(2020, 1, 1), lambda: Amount("1.0"), lambda: Amount("1.00"),
    lambda: Folder("a"), lambda: pathlib.PurePosixPath("a"), lambda: Dice(1), lambda: Dice(2), lambda: random.Random(1),
    lambda: Wrong("a"), lambda: Wrong("b"), lambda: ValueError("a"), lambda: Sized(a=1), lambda: Sized(a=2),
    lambda: datetime.datetime(2020, 1, 1, tzinfo=Zone()), lambda: double, lambda: lambda x: 3 * x, lambda: Color,
    lambda: functools.partial(double, 1), lambda: functools.partial(double, 2), lambda: Point(1).__eq__, _family,
    lambda: Slotted, lambda: np.float64(1),
]  # fmt: skip
_MAKERS = [make for make in MAKERS if make is not Plain]


def test_no_two_of_these_are_the_same():
    """Class, fields, members, names, code and state tell values apart."""
    made = [make() for make in _MAKERS]
    assert len({digest(value) for value in made}) == len(made)


_COPIED = [make for make in _MAKERS if type(make()) not in (OwnState, Numbers)]
"""Of these, a copy is the same value: they say nothing odd of themselves."""


@pytest.mark.parametrize("make", _MAKERS)
def test_made_twice_they_are_the_same(make):
    """Equal values have one digest, whichever object they are."""
    assert digest(make()) == digest(make())


@pytest.mark.parametrize("make", _COPIED)
def test_copies_are_the_same(make):
    """A deep copy and a pickled copy have the digest of the original, shared or not where nothing is in a ring."""
    value = make()
    assert digest(copy.deepcopy(value)) == digest(value)
    if make is not _family:
        assert digest([value, value]) == digest([value, copy.deepcopy(value)])
    if type(value).__name__ != "function":
        assert digest(pickle.loads(pickle.dumps(value))) == digest(value)


def test_the_order_of_attributes_is_not_seen():
    """Attributes are a dict; so are the entries of dict subclasses, but not those of an OrderedDict's."""
    assert digest(Plain(a=1, b=2)) == digest(Plain(b=2, a=1))
    assert digest(collections.Counter("ab")) == digest(collections.Counter("ba"))
    assert digest(Table(a=1, b=2)) == digest(Table(b=2, a=1))


def test_what_a_state_leaves_out_counts_if_it_has_a_digest():
    """An attribute that pickle would lose is part of the value; what has no digest, and would be lost, is not."""
    with_lock = OwnState(a=1, b=2, lock=threading.Lock(), file=sys.stdout, mark=object())
    with_lock.ring = with_lock
    assert digest(with_lock) == digest(with_lock)
    del with_lock.ring
    assert digest(with_lock) == digest(OwnState(a=1, b=2)) != digest(OwnState(a=1, b=3))
    assert digest(OwnReduce(a=1, mark=object())) == digest(OwnReduce(a=1)) != digest(OwnReduce(a=2))
    with pytest.raises(DigestError):
        digest(Plain(a=1, lock=threading.Lock()))


def test_chains_and_rings_of_objects():
    """Linked objects may be 10,000 deep, and may lead back to themselves."""
    chain = None
    for i in range(10_000):
        chain = Plain(next=chain, number=i)
    assert len(digest(chain)) == 32
    assert digest(_family()) != digest(_family().children[0])
    assert digest(pickle.loads(pickle.dumps(_family()))) == digest(_family())


def test_a_ring_through_a_key_is_refused():
    """An object that holds itself as a key of a dict has no digest, and no recursion is let out."""
    holder = Plain()
    holder.known = {holder: 1}
    with pytest.raises(DigestError, match="by way of a key"):
        digest(holder)
    holder.known = {holder}
    with pytest.raises(DigestError):
        digest(holder)


@pytest.mark.parametrize(
    "make",
    [object, lambda: iter([1]), lambda: map(abs, [1]), lambda: enumerate([1]), lambda: (i for i in ()), threading.Lock,
     io.StringIO, lambda: sys.stdout, socket.socket, lambda: weakref.ref(Plain), threading.Thread, lambda: sys._getframe(),
     lambda: {}.keys(), lambda: random.SystemRandom(), lambda: np.nditer([1]), lambda: sys.modules[__name__]],
)  # fmt: skip
def test_what_is_used_up_or_of_this_process_is_refused(make, store):
    """Such a value has no digest, alone or inside others; a call with it runs uncached, named in one warning."""
    value = make()
    for wrapped in (value, [value], Plain(a=value)):
        with pytest.raises(DigestError, match="no digest that could be trusted"):
            digest(wrapped)
    f = store.cache(lambda thing: 1)
    with pytest.warns(CacheWarning, match="argument 'thing': a .* has no digest"):
        f(value)
    with pytest.raises(DigestError, match="argument 'thing'"):
        Store(store.location, strict=True).cache(lambda thing: 1)(value)
    if isinstance(value, socket.socket):
        value.close()


def test_iterators_are_left_whole(store):
    """Nothing is taken from an iterator, wherever it lies."""
    numbers = iter([1, 2])
    with pytest.warns(CacheWarning):
        assert store.cache(lambda x: list(x["k"].it))({"k": Plain(it=numbers)}) == [1, 2]


# -- what identifies a value, said by its class or its user


class Handle:
    """It has no digest of its own."""

    def __init__(self, number):
        self.number, self.lock = number, threading.Lock()


class Lower(Handle):
    """A subclass."""


def test_a_registered_type_is_what_its_function_says():
    """Name and what the function returns are the digest; subclasses count only when asked, each under its name."""
    try:
        register_digest(Handle, lambda handle: handle.number)
        assert digest(Handle(1)) == digest(Handle(1)) != digest(Handle(2))
        assert digest([Handle(1)]) != digest([1])
        with pytest.raises(DigestError):
            digest(Lower(1))

        @register_digest(Handle, subclasses=True)
        def number(handle):
            return handle.number

        assert digest(Lower(1)) == digest(Lower(1)) != digest(Handle(1))
        register_digest(Handle, lambda handle: handle.nothing)
        with pytest.raises(DigestError, match="raised AttributeError"):
            digest(Handle(1))
    finally:
        unregister_digest(Handle)
    with pytest.raises(DigestError):
        digest(Handle(1))


def test_a_type_of_a_library_can_be_registered():
    """What is registered goes before our own encoder, which comes back afterwards."""
    before = digest(np.float64(1))
    try:
        register_digest(np.float64, lambda number: "any")
        assert digest(np.float64(1)) == digest(np.float64(2)) != before
    finally:
        unregister_digest(np.float64)
    assert digest(np.float64(1)) == before


@pytest.mark.parametrize("kind", [int, dict, list, str, object, 3])
def test_plain_types_cannot_be_registered(kind):
    """Every store relies on the digests of plain values."""
    with pytest.raises(OptionError):
        register_digest(kind, repr)


def test_a_class_says_what_identifies_its_instances():
    """What __resultstore_digest__ returns counts, and what the class does; nothing else."""
    one = Sized(a=1)
    one.lock = threading.Lock()
    assert digest(one) == digest(Sized(a=1))
    with pytest.raises(DigestError, match="raised AttributeError"):
        digest(Sized())


# -- properties


@given(values())
def test_an_object_is_told_by_what_it_holds(value):
    """The digest of an object goes with that of what it holds."""
    try:
        inside = digest(value)
    except DigestError:
        with pytest.raises(DigestError):
            digest(Plain(a=value))
        return
    twin = copy.deepcopy(value)
    assert (digest(Plain(a=twin)) == digest(Plain(a=value))) == (digest(twin) == inside)
    assert digest(Plain(a=value)) != digest(Plain(b=value))


@given(values(), values())
def test_what_differs_has_another_digest(one, other):
    """Values that a strict comparison tells apart have different digests, but for what is published as the same."""
    try:
        equal = digest(one) == digest(other)
    except DigestError:
        return
    if equal:
        assert type(one) is type(other)
    elif type(one) in (int, str, bytes, bool, float, complex):
        assert not same(one, other)


@given(st.lists(st.tuples(st.text(max_size=3), st.integers() | st.none()), max_size=6))
def test_attributes_in_any_order(pairs):
    """Objects with the same attributes are the same, in whichever order these were set."""
    attributes = dict(pairs)
    backwards = dict(reversed(attributes.items()))
    assert digest(Plain(**{f"a{k}": v for k, v in attributes.items()})) == digest(
        Plain(**{f"a{k}": v for k, v in backwards.items()})
    )
