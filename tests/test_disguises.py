"""Values that look like others: a subclass with ways of its own, attributes that were added, slices."""

from __future__ import annotations

import collections
import decimal
import enum
import importlib.resources
import pathlib
import zoneinfo
from array import array
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from resultstore import DigestError, Store, digest, register_digest, unregister_digest


class Amount(decimal.Decimal):
    """A number that prints itself rounded."""

    def __str__(self) -> str:
        return f"{self:.2f}"


class Hidden(type(pathlib.Path())):  # type: ignore[misc]  # the platform's own kind of path
    """A path that does not print itself."""

    def __str__(self) -> str:
        return "hidden"


class Ring(collections.deque[Any]):
    """A deque that gives nothing away."""

    def __iter__(self) -> Any:
        return iter(())


class Counts(collections.defaultdict[Any, Any]):
    """A dictionary that gives nothing away."""

    def __iter__(self) -> Any:
        return iter(())

    def keys(self) -> Any:
        """Return no keys."""
        return [].__iter__()


class Samples(array):  # type: ignore[type-arg]
    """An array that gives nothing away."""

    def tobytes(self) -> bytes:
        """Return no bytes."""
        return b""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Amount("1.001"), Amount("1.002")),
        (Hidden("/a"), Hidden("/b")),
        (Ring([1]), Ring([2])),
        (Counts(int, {1: 1}), Counts(int, {1: 2})),
        (Samples("i", [1]), Samples("i", [2])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_is_read_as_its_base_reads_it(one, other):
    """What a subclass prints, or gives when it is gone through, does not hide what it holds."""
    assert digest(one) != digest(other)


class Run(pd.DataFrame):  # type: ignore[misc]
    """A table of the user's own kind."""


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame({"x": [1]}),
        lambda: Run({"x": [1]}),
        lambda: pd.Series([1]),
        lambda: pd.Index([1]),
        lambda: pd.MultiIndex.from_product([[1], [2]]),
        lambda: pd.date_range("2020", periods=2),
        lambda: np.ma.array([1]),
        lambda: sparse.csr_array([[1]]),
        lambda: sparse.coo_matrix([[1]]),
    ],
)
def test_attributes_that_a_table_was_given_count(make):
    """A function may read what somebody has noted on a table or a matrix; without a note nothing changes."""
    one, other, plain = make(), make(), make()
    one.gain, other.gain = 1, 2
    assert len({digest(one), digest(other), digest(plain)}) == 3
    other.gain = 1
    assert digest(one) == digest(other)
    assert digest(plain) == digest(make())


def unions(mode: str) -> Any:
    """Return a union of numbers and texts of each mode."""
    codes = pa.array([0, 0, 1, 1, 0, 1], pa.int8())
    if mode == "sparse":
        children = [pa.array(range(6)), pa.array(list("abcdef"))]
        return pa.UnionArray.from_sparse(codes, children)
    return pa.UnionArray.from_dense(
        codes, pa.array([0, 1, 0, 1, 2, 2], pa.int32()), [pa.array([0, 1, 4]), pa.array(list("cdf"))]
    )


@pytest.mark.parametrize("mode", ["sparse", "dense"])
def test_slices_of_unions_are_what_they_show(mode):
    """Two slices of a union are one value if a reader sees the same in both."""
    whole = unions(mode)
    slices = [whole.slice(start, 2) for start in range(5)]
    assert len({digest(part) for part in slices}) == len({repr(part.to_pylist()) for part in slices}) == 5
    assert digest(whole.slice(2)) == digest(pa.concat_arrays([whole.slice(2)]))
    assert digest(whole.slice(1, 4).slice(1, 2)) == digest(slices[2])


def test_categories_of_another_name_are_another_dtype():
    """polars does not join columns of unlike categories, so these are two values."""
    if not hasattr(pl, "Categories"):
        pytest.skip("this polars has one kind of categories only")
    columns = [pl.Series(["a"], dtype=pl.Categorical(pl.Categories(name))) for name in ("x", "y")]
    assert digest(columns[0]) != digest(columns[1])
    assert digest(pl.Categorical(pl.Categories("x"))) != digest(pl.Categorical())


def test_expressions_with_functions_have_no_digest():
    """What polars writes of a function may be its name only, which stays when the code changes."""
    for expression in (pl.col("a").map_elements(abs), pl.col("a").map_batches(len), pl.col("a").name.map(str.upper)):
        with pytest.raises(DigestError, match="Python function"):
            digest(expression)
    assert digest(pl.col("a") + 1) == digest(pl.col("a") + 1) != digest(pl.col("a") + 640)


def test_a_zone_from_a_file_is_not_known_by_its_key():
    """Anything can stand in a file, under any key."""
    named = importlib.resources.files("tzdata.zoneinfo") / "UTC" if _has_tzdata() else pathlib.Path(zoneinfo.TZPATH[0])
    if not _has_tzdata():
        named = named / "UTC"
    with named.open("rb") as file:
        zone = zoneinfo.ZoneInfo.from_file(file, key="Europe/Berlin")
    with pytest.raises(DigestError):
        digest(zone)


def _has_tzdata() -> bool:
    return not any((pathlib.Path(place) / "UTC").exists() for place in zoneinfo.TZPATH)


class Own:
    """Says itself what identifies it, to no avail."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __resultstore_digest__(self) -> Any:
        return self


class Mesh:
    """A class to register."""


def test_nothing_is_identified_by_itself():
    """A hook or a registered function that returns the object itself would make one of all."""
    with pytest.raises(DigestError, match="the object itself"):
        digest(Own(1))
    register_digest(Mesh, lambda mesh: mesh)
    try:
        with pytest.raises(DigestError, match="the object itself"):
            digest(Mesh())
    finally:
        unregister_digest(Mesh)


class Step(enum.Enum):
    """Members with a state."""

    FIRST = 1

    def __init__(self, number: int) -> None:
        self.seen = [number]


def test_what_a_member_of_an_enumeration_holds_counts():
    """Attributes of a member can change, unlike its value."""
    before = digest(Step.FIRST)
    Step.FIRST.seen.append(2)
    try:
        assert digest(Step.FIRST) != before
    finally:
        Step.FIRST.seen.pop()
    assert digest(Step.FIRST) == before


def test_methods_of_a_class_and_of_its_instances_differ():
    """A method that is bound to a class is not the one that waits for an instance."""
    assert digest(dict.fromkeys) != digest(vars(dict)["fromkeys"])
    assert digest(int.__repr__) != digest(type.__repr__.__get__(int))


class Key:
    """A key of a dictionary that holds a dictionary."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def test_shared_keys_are_encoded_once():
    """Keys that lie in keys several times do not take exponential time."""
    key: Any = Key(None)
    for _ in range(40):
        key = Key({key: 1, (key,): 2})
    assert len(digest(key)) == 32


def test_frequency_of_an_array_counts_but_not_twice():
    """An array of dates alone is known by its frequency too, where it has one; within an index that one says it."""
    index = pd.date_range("2020", periods=3, tz="UTC")
    loose = pd.DatetimeIndex(index.tolist())
    has_freq = getattr(index.array, "freq", None) is not None
    assert (digest(index.array) != digest(loose.array)) == has_freq
    assert digest(index) != digest(loose)


def test_explaining_a_call_whose_stand_in_fails(store: Store):
    """A function in ``key=`` that raises makes the call run uncached, and that is what is told."""

    @store.cache(key={"x": lambda x: 1 / x})
    def double(x: float) -> float:
        return 2 * x

    told = double.explain(0)
    assert (told.outcome, told.reason) == ("miss", "unkeyed")
    assert "ZeroDivisionError" in told.text


def test_a_reference_is_not_its_result(store: Store):
    """A function is given the reference itself, so what it makes of that is no answer for the result."""

    @store.cache
    def one() -> int:
        return 1

    @store.cache
    def kind(value: Any) -> str:
        return type(value).__name__

    assert kind(one.call_and_shelve()) == "Reference"
    assert kind(1) == "int"
    assert digest(one.call_and_shelve()) == digest(one.call_and_shelve())
