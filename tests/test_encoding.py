"""The canonical encoding: what is the same has the same digest, in every process and for ever."""

from __future__ import annotations

import copy
import datetime
import decimal
import fractions
import io
import math
import os
import pathlib
import pickle
import subprocess
import sys
import threading
import uuid
import weakref
import zoneinfo
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from resultstore import DigestError, Store, digest
from resultstore._identity.encoding import TOKEN_LIMIT, encode, length, token_of
from resultstore.testing.strategies import arguments, arrays

UTC = datetime.UTC

_cycle: list[Any] = [1]
_cycle.append(_cycle)

# The digests of encoding version 1. A change here breaks every store there is.
GOLDEN: list[tuple[str, Any, str]] = [
    ("none", None, "f515c1083301b12d4caba17cd7b3f135"),
    ("int", 12345678901234567890, "3572e26f7e0641e4be5e3ee19475ad4e"),
    ("float", -1.5, "79faf3afb654b81aacd1287f93dfedfd"),
    ("complex", complex(1, -2), "31180d6d7149ceb7659b167fc24f395e"),
    ("text", "naïve \U0001f600", "6594c859fc856727b9c1a766ef36fbf9"),
    ("bytes", b"\x00\xff", "ac1d1395e61362fe52c967d84b365ffd"),
    ("list", [1, 2.5, "three", None, True], "65b13dd3880c4d47d6cce1a617b5d316"),
    ("tuple", (1, (2, (3,))), "9de809e49c3af11ffbd4ba3113754818"),
    ("dict", {"b": [1], "a": {"nested": b"x"}}, "5fda4b37c591f443e47c5037ce9d2fe2"),
    ("set", {1, "a", (2, 3)}, "502699782dd59fa2d65b5e8d68cdf9c0"),
    ("ordered", OrderedDict([("b", 1), ("a", 2)]), "8b11681a357dd4a21ba1a25a60be0a50"),
    ("long list", list(range(1000)), "1c5d4e310f77127a7cce2637bdd00201"),
    ("cycle", _cycle, "b7e7f2e74ede61fe2a758b3c844a503b"),
    ("date", datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "143f75b51154b1b3d18cd0f26e7e86df"),
    (
        "zone",
        datetime.datetime(2026, 6, 2, fold=1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        "bdadd729e6a708bd7958fec9f263d6c4",
    ),
    ("decimal", decimal.Decimal("1.10"), "e630b79234793587dde395a1de0d0043"),
    ("fraction", fractions.Fraction(1, 3), "4266376428395a9fd1c4c65088f90eed"),
    ("uuid", uuid.UUID(int=7), "554e2521bc3e783bdbc509cbcc917e86"),
    ("path", pathlib.PurePosixPath("a/b"), "51972530003d55a34452f5216457e83e"),
    ("range", range(1, 10, 2), "53806cd3a84d7e2d83b0c185f7bd6bbe"),
    ("slice", slice(None, 5), "4a650ac493a5213fcc846e72b4c82e02"),
    ("float64 array", np.arange(5.0), "76b795aace701676f2e9e6fbcc43f766"),
    ("big endian", np.arange(5, dtype=">i4"), "0166b3f7c4a73d6fee3e4e42725f2f5e"),
    ("fortran", np.asfortranarray(np.arange(6, dtype="u2").reshape(2, 3)), "1ec6f89d5f042086292e06ac34fb6247"),
    ("empty", np.zeros((0, 3), "f4"), "e98dd4e6450594b2b442dc8f4f6b2edc"),
    ("0-d", np.array(7, "i8"), "39925ed6a22747cdb7e466bc357809be"),
    ("strings", np.array(["a", "bc"]), "67e754602c35a4e6b0a705b6392d95c2"),
    ("dates", np.array(["2026-01-01"], "M8[D]"), "e9c98d5f48ff112a0b50b12007dfb96a"),
    ("structured", np.array([(1, 2.0)], [("a", "<i4"), ("b", "<f8")]), "d5979dd54c9ba5847fc589dfc3906bc9"),
    (
        "aligned",
        np.array([(1, 2.0)], np.dtype([("a", "i1"), ("b", "<f8")], align=True)),
        "b0b4b1cba20303b0ea1d6fd8fdbeb349",
    ),
    ("subarray", np.zeros(2, [("m", "<f4", (2, 2))]), "a2fe11528cd5b9132c5726f730d481ac"),
    ("objects", np.array([1, "a", None, [2]], dtype=object), "cc60646a5f2257adbf94b0e9e189d9ed"),
    ("bool array", np.array([True, False]), "038c7e8c176e3a3c895e2e0e3ebdbc0c"),
    ("numpy scalar", np.float32(1.5), "57803645e6ceeb09c4df82b8fd51b185"),
    ("numpy nan", np.float64("nan"), "17d11f5b3149b920ffad5d41dbc95577"),
    ("numpy text", np.str_("ab"), "c2f55541f536877596e47b41ef28611b"),
    ("dtype", np.dtype("<f8"), "fe75c79ed521f971cfd5db52650cbe80"),
]


@pytest.mark.parametrize(("name", "value", "expected"), GOLDEN, ids=[row[0] for row in GOLDEN])
def test_golden_vectors(name, value, expected):
    """The digest of a value is the same on every Python and numpy that we support."""
    assert digest(value).hex()[:32] == expected


def test_golden_encodings():
    """The bytes of the encoding are those that the published page shows."""
    assert encode(None) == b"N"
    assert encode(True) == b"T"
    assert encode(1) == b"i\x01\x01"
    assert encode(-129) == b"i\x02\xff\x7f"
    assert encode(1.5) == b"f\x3f\xf8" + bytes(6)
    assert encode("hé") == b"s\x03h\xc3\xa9"
    assert encode([1, (2,)]) == b"l\x02i\x01\x01t\x01i\x01\x02"
    assert encode({"b": 1, "a": None}) == b"d\x02s\x01aNs\x01bi\x01\x01"
    assert encode([b"x" * 40]) == b"l\x01D" + digest(b"x" * 40)
    assert length(300) == b"\xac\x02"


def test_golden_vectors_hold_under_any_hash_seed():
    """Digests do not depend on PYTHONHASHSEED, which shuffles sets."""
    code = (
        "from resultstore import digest; "
        "print(digest([frozenset('abcdefgh'), {'x': {1, 'b', (2, 3.5)}, 'y': {'p', 'q', 'r'}}]).hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


DIFFERENT = [
    1, 1.0, True, "1", b"1", bytearray(b"1"), 1 + 0j, 0, 0.0, -0.0, False, None, "", b"", (), [], {}, set(), frozenset(),
    ..., [1], (1,), {1}, frozenset([1]), [1, 2], [2, 1], [[1], 2], [1, [2]], {1: 2}, {2: 1}, {"a": 1}, {"a": 1.0},
    OrderedDict(a=1), OrderedDict(a=1, b=2), OrderedDict(b=2, a=1), "a", "b", "\u00e9", "e\u0301", "\ud800", math.inf,
    -math.inf, math.nan, complex(0, math.nan), 2**63, -(2**63), 2**64, range(3), range(0, 3, 2), slice(1), slice(0, 1),
    slice(1, None, 2), datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, fold=1),
    datetime.datetime(2020, 1, 1, tzinfo=UTC), datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("UTC")),
    datetime.time(1), datetime.timedelta(1), datetime.timedelta(seconds=1), decimal.Decimal(1), decimal.Decimal("1.0"),
    fractions.Fraction(1), uuid.UUID(int=1), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("a"),
    np.float64(1), np.float32(1), np.int64(1), np.int32(1), np.uint8(1), np.bool_(True), np.str_("1"), np.bytes_(b"1"),
    np.datetime64("2020-01-01"), np.datetime64("2020-01-01", "s"), np.timedelta64(1, "D"), np.array(1.0), np.array([1.0]),
    np.array([1]), np.array([1], ">i8"), np.array([1], "i4"), np.array([[1.0]]), np.zeros((2, 3)), np.zeros((3, 2)),
    np.zeros((2, 3), order="F"), np.zeros(0), np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(0, "i4"), np.array(["a"]),
    np.array([b"a"]), np.array(["a"], dtype="U2"), np.array(["a"], dtype=object), np.array([None], dtype=object),
    np.array([1, 2], dtype=object), np.array([[1, 2]], dtype=object), np.zeros(2, [("a", "i4")]),
    np.zeros(2, [("b", "i4")]), np.zeros(2, [("a", "i4"), ("b", "i4")]), np.zeros(2, np.dtype([("a", "i1"), ("b", "i4")], align=True)),
    np.zeros(2, np.dtype([("a", "i1"), ("b", "i4")])), np.array([1], "M8[D]"), np.array([1], "M8[s]"), np.array([1], "m8[s]"),
    np.dtype("f8"), np.dtype("f4"), np.array([math.nan]), np.array([-0.0]), np.array([0.0]), _cycle, [_cycle], [1, [1]],
]  # fmt: skip


def test_what_can_be_told_apart_differs():
    """No two of these values share a digest, an encoding, or a token."""
    assert len({digest(value) for value in DIFFERENT}) == len(DIFFERENT)
    assert len({encode(value) for value in DIFFERENT}) == len(DIFFERENT)
    assert len({token_of(encode(value)) for value in DIFFERENT}) == len(DIFFERENT)


SAME = [
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({3, 1, 2}, {1, 2, 3}),
    (math.nan, -math.nan),
    (np.float32("nan"), np.array([0x7FC00001], "u4").view("f4")[0]),
    (np.arange(6)[::2], np.array([0, 2, 4])),
    (np.arange(6)[::-1], np.arange(6)[::-1].copy()),
    (np.broadcast_to(1.0, (2, 3)), np.ones((2, 3))),
    (np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2), np.arange(24).reshape(2, 3, 4).transpose(1, 0, 2).copy()),
    (np.arange(6).reshape(2, 3).T, np.asfortranarray(np.arange(6).reshape(2, 3).T)),
    (np.array([1.0], order="F"), np.array([1.0])),
    (np.array([1.0], np.dtype("f8", metadata={})), np.array([1.0])),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_is_published_as_the_same(one, other):
    """The closed list of values that are treated as the same although they can be told apart."""
    assert digest(one) == digest(other)
    assert digest([one, {"k": one}]) == digest([other, {"k": other}])


def test_sharing_is_not_seen():
    """A shared part and a copied one are the same, but inside a cycle, where copying has no end."""
    part = [1, 2]
    assert digest([part, part]) == digest([[1, 2], [1, 2]])
    assert digest((part, {"k": part})) == digest(([1, 2], {"k": [1, 2]}))


def test_heavily_shared_values_take_linear_time():
    """A value whose unfolding has 2**300 parts is digested at once."""
    value: Any = [1]
    for _ in range(300):
        value = [value, value]
    assert len(digest(value)) == 32


def test_deep_values_need_no_recursion():
    """Containers nested 10,000 deep are digested, whatever the recursion limit."""
    deep_list: Any = []
    deep_tuple: Any = ()
    deep_dict: Any = {}
    deep_set: Any = frozenset()
    for _ in range(10_000):
        deep_list, deep_tuple, deep_dict = [deep_list], (deep_tuple,), {"k": deep_dict}
        deep_set = frozenset([deep_set])
    assert len({digest(v) for v in (deep_list, deep_tuple, deep_dict, deep_set)}) == 4


def test_cycles_have_digests():
    """Values that contain themselves are digested by their shape, and told from similar ones."""

    def ring(n: int) -> list[Any]:
        nodes: list[Any] = [[i] for i in range(n)]
        for i, node in enumerate(nodes):
            node.append(nodes[(i + 1) % n])
        return nodes[0]

    assert digest(ring(3)) == digest(ring(3))
    assert digest(ring(3)) != digest(ring(4))
    dense: list[Any] = [[] for _ in range(40)]
    for node in dense:
        node.extend(dense)  # a complete graph: its unfolding up to repetition is 40! paths
    assert digest(dense) == digest(pickle.loads(pickle.dumps(dense)))
    with_set: dict[str, Any] = {"s": {1, 2, "c"}, "f": frozenset("abc")}
    with_set["self"] = with_set
    assert digest(with_set) == digest(pickle.loads(pickle.dumps(with_set)))


def test_memory_maps_are_arrays(tmp_path):
    """A memory map has the digest of the array that it shows."""
    array = np.arange(1000.0)
    np.save(tmp_path / "a.npy", array)
    assert digest(np.load(tmp_path / "a.npy", mmap_mode="r")) == digest(array)


def test_padding_is_no_part_of_a_value():
    """Bytes between the fields, and unused bytes of extended precision, do not count."""
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, other = np.frombuffer(bytes(32), dtype).copy(), np.frombuffer(b"\xff" * 32, dtype).copy()
    other["a"], other["b"] = 0, 0
    assert digest(one) == digest(other)
    long = np.ones(2, np.longdouble)
    if long.itemsize == 16 and np.finfo(np.longdouble).nmant == 63:
        dirty = long.copy()
        dirty.view(np.uint8).reshape(2, 16)[:, 10:] = 7
        assert digest(long) == digest(dirty)
        assert digest(long[0]) == digest(dirty[0])


def test_large_strided_arrays_are_read_in_blocks(monkeypatch):
    """Reading a strided array block by block gives the digest of its copy."""
    monkeypatch.setattr("resultstore._identity.arrays.BLOCK_NBYTES", 1000)
    array = np.arange(60_000.0).reshape(100, 20, 30)[::2, ::3, ::2]
    assert digest(array) == digest(array.copy())


class Odd(list):  # type: ignore[type-arg]
    """A subclass, which may behave in any way."""


@pytest.mark.parametrize(
    "value",
    [object(), iter([1]), (i for i in ()), threading.Lock(), weakref.ref(Odd), np.array([object()]),
     map(abs, [1]), sys.stdout, io.BytesIO()],
)  # fmt: skip
def test_what_has_no_stable_content_is_refused(value):
    """What cannot be digested is refused by the name of its type, never guessed; nested as well."""
    for wrapped in (value, [value], {"k": (value,)}):
        with pytest.raises(DigestError, match="no digest that could be trusted"):
            digest(wrapped)


def test_iterators_are_not_eaten():
    """Refusing an iterator leaves it whole."""
    iterator = iter([1, 2, 3])
    with pytest.raises(DigestError):
        digest([iterator])
    assert list(iterator) == [1, 2, 3]


def test_a_store_is_a_constant(tmp_path):
    """A store inside an argument, such as an estimator's memory=, does not tell calls apart."""
    assert digest(Store(tmp_path / "a")) == digest(Store(None))


@given(arguments())
def test_copies_are_the_same(value):
    """A deep copy and a pickled copy have the digest of the original."""
    assert digest(copy.deepcopy(value)) == digest(value)
    pickled = pickle.loads(pickle.dumps(value, 5))
    # Not always a copy: numpy's pickles give strided texts of the other byte order back in the native one.
    assert (digest(pickled) == digest(value)) == (_canonical(pickled) == _canonical(value))


@given(arguments(), arguments())
def test_encodings_are_injective(one, other):
    """Two values have one encoding only if they are the same, by a slow and independent comparison."""
    assert (encode(one) == encode(other)) == (_canonical(one) == _canonical(other))


def _canonical(value: Any) -> Any:
    """Return what tells values apart, by way of repr and sorting instead of bytes."""
    kind = type(value).__qualname__
    if isinstance(value, OrderedDict):
        return kind, [(_canonical(k), _canonical(v)) for k, v in value.items()]
    if isinstance(value, dict):
        return kind, sorted((repr(_canonical(k)), repr(_canonical(v))) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return kind, sorted(repr(_canonical(v)) for v in value)
    if isinstance(value, (list, tuple)):
        return kind, [_canonical(v) for v in value]
    if isinstance(value, (slice, range)):
        return kind, [_canonical(v) for v in (value.start, value.stop, value.step)]
    if isinstance(value, (complex, np.complexfloating)):
        return kind, repr(value.real), repr(value.imag)
    if isinstance(value, np.ndarray):
        fortran = value.flags.f_contiguous and not value.flags.c_contiguous
        return kind, repr(value.dtype), value.dtype.isalignedstruct, value.shape, fortran, _elements(value)
    return kind, repr(value), getattr(value, "fold", None), getattr(value, "dtype", None)


def _elements(array: Any) -> Any:
    """Return what an array holds, without what lies between fields and in the tail of extended precision."""
    if array.dtype.names is not None:
        return [_elements(array[name]) for name in array.dtype.names]
    if array.dtype.hasobject:
        return [_canonical(item) for item in array.ravel().tolist()]
    octets = np.frombuffer(array.tobytes(), np.uint8)
    if array.dtype.char in "gG" and np.finfo(array.dtype).nmant == 63:
        octets = octets.reshape(-1, np.dtype(np.longdouble).itemsize)[:, :10]
    return octets.tobytes()


@given(arrays())
def test_layout_is_not_seen(array):
    """However its bytes lie in memory, an array of one order has one digest."""
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    assert digest(array) == digest(np.array(array, order=order))


@given(arrays(), st.data())
def test_one_changed_element_changes_the_digest(array, data):
    """An array that differs in one element has another digest."""
    if not array.size or array.dtype.names is not None:
        return
    other = array.copy("A")
    index = data.draw(st.integers(0, array.size - 1))
    other.flat[index] = data.draw(hnp.from_dtype(array.dtype))
    if other.tobytes() == array.tobytes():
        assert digest(other) == digest(array)
    elif array.dtype.kind not in "fc" or array.dtype.itemsize <= 8:
        assert digest(other) != digest(array)


def test_tokens_are_exact_names():
    """A token is the encoding itself where that is short, and the digest, longer than any of those, elsewhere."""
    assert token_of(encode(7)) == encode(7)
    assert token_of(encode("x" * 100)) == digest("x" * 100)
    assert len(encode("x" * 29)) == TOKEN_LIMIT - 1
