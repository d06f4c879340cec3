"""The shipped contracts, applied to everything that we ship."""

from __future__ import annotations

import fcntl
import inspect
import math
import os

import numpy as np
import pytest
from hypothesis import Phase, settings

from resultstore.blobs.local import LocalBlobs
from resultstore.blobs.memory import MemoryBlobs
from resultstore.eviction import LRU, POLICIES, Policy
from resultstore.formats.arrow import Arrow
from resultstore.formats.npy import Npy
from resultstore.formats.pickled import Pickle
from resultstore.formats.plain import Bytes, Json
from resultstore.testing import BlobsContract, FormatContract, PolicyContract
from resultstore.testing import eviction as eviction_contract
from resultstore.testing._tables import is_same_arrow
from tests.tables import ARROW_TABLES, REFUSED_BY_ARROW
from tests.test_results import ARRAYS


class TestLocalBlobs(BlobsContract):
    """Files in a directory."""

    @pytest.fixture
    def blobs(self, tmp_path):
        return LocalBlobs(str(tmp_path))

    def leave_behind(self, blobs):
        ticket = blobs.stage([b"left behind"])
        fcntl.flock(blobs._staged[ticket], fcntl.LOCK_UN)  # as the kernel does when the writer dies
        del blobs._staged[ticket]

    def test_a_living_writers_bytes_are_not_swept(self, blobs, tmp_path):
        """Staged bytes whose writer still holds their lock stay, whatever their age, for an hour."""
        ticket = blobs.stage([b"in the middle"])
        assert LocalBlobs(str(tmp_path)).sweep(0) == 0
        assert os.path.exists(ticket)
        blobs.discard(ticket)


class TestMemoryBlobs(BlobsContract):
    """A dict."""

    @pytest.fixture
    def blobs(self):
        return MemoryBlobs()


class TestNpy(FormatContract):
    """Arrays as .npy files."""

    @pytest.fixture
    def fmt(self):
        return Npy()

    @pytest.fixture
    def values(self):
        contiguous = [a for a in ARRAYS if a.flags.c_contiguous or a.flags.f_contiguous]
        return [a for a in contiguous if a.flags.writeable and Npy().accepts(a)]

    @pytest.fixture
    def refused(self):
        objects = np.array([None], dtype=object)
        aligned = np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True))
        return [objects, aligned, np.ma.zeros(2), np.float64(1), [1.0], np.zeros(2, np.dtype("f8", metadata={"a": 1}))]

    def unmapped(self, value):
        return np.array(value, order="K")


class TestArrow(FormatContract):
    """Tables as Arrow files."""

    @pytest.fixture
    def fmt(self):
        return Arrow()

    @pytest.fixture
    def values(self):
        return ARROW_TABLES

    @pytest.fixture
    def refused(self):
        return [*REFUSED_BY_ARROW, ARROW_TABLES[0].to_batches()[0], {"a": [1]}]

    def same(self, one, other):
        return is_same_arrow(one, other)


class TestBytes(FormatContract):
    """Byte strings."""

    @pytest.fixture
    def fmt(self):
        return Bytes()

    @pytest.fixture
    def values(self):
        return [b"", b"\0", b"x" * 100_000]


class TestJson(FormatContract):
    """Long skeletons."""

    @pytest.fixture
    def fmt(self):
        return Json()

    @pytest.fixture
    def values(self):
        return ["[]", '[["list",1]]']

    @pytest.fixture
    def refused(self):
        return ["é", b"[]", None]


class TestPickle(FormatContract):
    """Pickled skeletons, as bytes."""

    @pytest.fixture
    def fmt(self):
        return Pickle()

    @pytest.fixture
    def values(self):
        return [b"\x80\x05N.", b"\x80\x05K\x01."]

    def same(self, one, other):
        return bytes(one) == other


@pytest.mark.versionless
class TestShippedPolicies(PolicyContract):
    """All that a store takes by name."""

    @pytest.fixture(params=POLICIES)
    def policy(self, request):
        return POLICIES[request.param]


@pytest.mark.versionless
class TestExpression(PolicyContract):
    """No policy that ships: that an order by an expression needs nothing but data."""

    @pytest.fixture
    def policy(self):
        return Policy(
            "seconds per byte",
            "duration * (access_count + 1) / (nbytes + 1), access_sequence DESC",
            lambda use: (use.duration * (use.access_count + 1) / (use.nbytes + 1), -use.access_sequence),
        )


WRONG = Policy("wrong", LRU.order, lambda use: (-use.access_sequence,))
UNDEFINED = Policy("undefined", "1.0 / nbytes", lambda use: (1.0 / use.nbytes,))
NO_ORDER = Policy("no order", LRU.order, lambda use: (math.nan,))


@pytest.mark.versionless
@pytest.mark.parametrize(
    ("clause", "policy"),
    [
        ("test_the_order_is_total", UNDEFINED),
        ("test_the_order_is_total", NO_ORDER),
        ("test_the_index_says_the_same", WRONG),
        ("test_victims_are_those_that_the_rank_says", WRONG),
        ("test_a_hit_moves_a_call_to_where_the_policy_says", WRONG),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_the_contract_of_policies_can_fail(clause, policy, tmp_path, monkeypatch):
    """A policy that has no order, or whose rank says another than the index, breaks the clause that is about it."""
    for name in ("_few", "_many"):  # no shrinking: any failure will do
        given = settings(getattr(eviction_contract, name), phases=[Phase.generate], database=None)
        monkeypatch.setattr(eviction_contract, name, given)
    test = getattr(PolicyContract(), clause)
    arguments = {"policy": policy, "tmp_path": tmp_path}
    with pytest.raises(ZeroDivisionError if policy is UNDEFINED else AssertionError):
        test(**{name: arguments[name] for name in inspect.signature(test).parameters})
