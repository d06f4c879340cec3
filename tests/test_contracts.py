"""The shipped contracts, applied to everything that we ship."""

from __future__ import annotations

import fcntl
import os

import numpy as np
import pytest

from resultstore.blobs.local import LocalBlobs
from resultstore.blobs.memory import MemoryBlobs
from resultstore.formats.arrow import Arrow
from resultstore.formats.npy import Npy
from resultstore.formats.pickled import Pickle
from resultstore.formats.plain import Bytes, Json
from resultstore.testing import BlobsContract, FormatContract
from tests.tables import ARROW_TABLES, REFUSED_BY_ARROW, is_same_arrow
from tests.test_results import ARRAYS, assert_same


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

    def same(self, one, other):
        assert_same(one, other)
        return True

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
