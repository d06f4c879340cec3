"""What every place for blobs must do."""

from __future__ import annotations

import pytest

from resultstore.blobs.base import Blobs, is_name, new_name
from resultstore.errors import DamagedError

_DIGEST = bytes(range(32))


class BlobsContract:
    """Subclass it, and override the fixture ``blobs``."""

    @pytest.fixture
    def blobs(self) -> Blobs:
        """Return an empty place for blobs."""
        raise NotImplementedError("override this fixture")

    def put(self, blobs: Blobs, data: bytes = b"some bytes", suffix: str = ".bin") -> str:
        """Write a blob the whole way; return its name."""
        name = new_name(_DIGEST, suffix)
        blobs.publish(blobs.stage([data]), name)
        return name

    def leave_behind(self, blobs: Blobs) -> None:
        """Stage bytes as a process does that is killed before it publishes them."""
        blobs.stage([b"left behind"])

    def test_what_was_published_is_read(self, blobs: Blobs) -> None:
        """The parts of a published blob are read back in their order."""
        name = new_name(_DIGEST, ".npy")
        state = blobs.publish(blobs.stage([b"head", memoryview(b"body"), bytearray(b"!")]), name)
        with blobs.open(name) as file:
            assert file.read() == b"headbody!"
            assert file.nbytes == 9
            assert file.signature == state.signature
        assert state.nbytes == 9
        assert state.disk_nbytes >= 9
        assert blobs.state(name) == state

    def test_what_is_reserved_counts_before_it_is_written(self, blobs: Blobs) -> None:
        """Room that was reserved counts as staged until its bytes are published, or thrown away."""
        before = blobs.staged_nbytes(), blobs.extra_nbytes()
        ticket = blobs.reserve(50_000)
        assert blobs.staged_nbytes() >= before[0] + 50_000
        assert blobs.staged_nbytes(besides=[ticket]) == before[0]
        assert blobs.extra_nbytes() >= before[1] + 50_000
        name = new_name(_DIGEST, ".npy")
        assert blobs.stage([b"x" * 30_000, b"y" * 20_000], ticket) == ticket
        assert blobs.publish(ticket, name).nbytes == 50_000
        with blobs.open(name) as file:
            assert file.read() == b"x" * 30_000 + b"y" * 20_000
        blobs.discard(blobs.reserve(10_000))
        assert (blobs.staged_nbytes(), blobs.extra_nbytes()) == before

    @pytest.mark.parametrize("copy_on_write", [False, True])
    def test_a_mapped_blob_is_the_blob(self, blobs: Blobs, copy_on_write: bool) -> None:
        """A mapping, where there are files, has all bytes of the blob; writing to a private one changes nothing."""
        name = self.put(blobs, b"mapped bytes")
        for _ in range(2):
            mapped = blobs.map(name, copy_on_write=copy_on_write)
            if mapped is None:
                pytest.skip("there are no files to map")
            mapping = mapped.mapping
            assert mapping is not None
            assert mapping[:] == b"mapped bytes"
            assert isinstance(mapped.path, str)
            assert mapped.signature == blobs.state(name).signature
            assert mapped.beginning == b"mapped b"
            if copy_on_write:
                mapping[:6] = b"MAPPED"
            else:
                with pytest.raises(TypeError):
                    mapping[:6] = b"MAPPED"

    def test_a_blob_that_was_found_whole_is_settled(self, blobs: Blobs) -> None:
        """Settling changes no byte; the next map is settled, and has the signature that settling gave."""
        name = self.put(blobs, b"found whole")
        mapped = blobs.map(name, copy_on_write=False)
        if mapped is None:
            pytest.skip("there are no files to map")
        settled = blobs.settle(name, mapped)
        assert settled.is_settled
        assert settled.signature == blobs.state(name).signature
        with blobs.open(name) as file:
            assert file.read() == b"found whole"
        again = blobs.map(name, copy_on_write=False)
        assert again is not None
        assert (again.is_settled, again.signature) == (True, settled.signature)

    def test_mapping_nothing(self, blobs: Blobs) -> None:
        """An empty blob has no mapping; one that is not there raises FileNotFoundError."""
        assert blobs.map(self.put(blobs, b""), copy_on_write=False) is None
        with pytest.raises(FileNotFoundError):
            blobs.map(new_name(_DIGEST, ".npy"), copy_on_write=False)

    def test_parts_are_filled_in_their_order(self, blobs: Blobs) -> None:
        """Buffers are filled one after the other, empty ones too; more than the blob has is damage."""
        name = self.put(blobs, b"headbody")
        head, empty, body = bytearray(4), bytearray(), bytearray(4)
        with blobs.open(name) as file:
            file.fill(memoryview(head), memoryview(empty), memoryview(body))
        assert bytes(head + body) == b"headbody"
        with blobs.open(name) as file, pytest.raises(DamagedError):
            file.fill(memoryview(head), memoryview(bytearray(5)))

    def test_an_empty_blob_is_a_blob(self, blobs: Blobs) -> None:
        """A blob without bytes is there all the same."""
        name = self.put(blobs, b"")
        assert blobs.state(name).nbytes == 0

    def test_names_are_fresh_and_valid(self, blobs: Blobs) -> None:
        """Two writes of equal bytes never meet under one name."""
        first, second = self.put(blobs), self.put(blobs)
        assert first != second
        assert is_name(first)
        assert sorted(blobs.names()) == sorted([first, second])

    def test_staged_bytes_are_not_seen(self, blobs: Blobs) -> None:
        """What is staged has no name, counts as extra, and can be thrown away."""
        ticket = blobs.stage([b"x" * 5000])
        assert list(blobs.names()) == []
        assert blobs.extra_nbytes() >= 5000
        blobs.discard(ticket)
        blobs.discard(ticket)
        assert blobs.extra_nbytes() == 0

    def test_sweeping_takes_what_is_old(self, blobs: Blobs) -> None:
        """Staged bytes are swept when they are old enough, not before."""
        self.leave_behind(blobs)
        assert blobs.sweep(3600) == 0
        assert blobs.sweep(0) == 1
        assert blobs.sweep(0) == 0

    def test_a_blob_that_is_not_there(self, blobs: Blobs) -> None:
        """Opening or describing what is not there raises FileNotFoundError; deleting it says so."""
        name = new_name(_DIGEST, ".bin")
        with pytest.raises(FileNotFoundError):
            blobs.open(name)
        with pytest.raises(FileNotFoundError):
            blobs.state(name)
        assert blobs.delete(name) is False
        assert blobs.quarantine(name) is False

    def test_deleted_and_quarantined_blobs_are_gone(self, blobs: Blobs) -> None:
        """After delete or quarantine no reader finds a blob under its name."""
        deleted, damaged = self.put(blobs), self.put(blobs)
        assert blobs.delete(deleted) is True
        assert blobs.quarantine(damaged) is True
        assert list(blobs.names()) == []
        assert blobs.extra_nbytes() > 0

    def test_an_open_blob_outlives_its_deletion(self, blobs: Blobs) -> None:
        """A reader that has a blob open reads it to its end after it was deleted."""
        name = self.put(blobs, b"whole")
        with blobs.open(name) as file:
            blobs.delete(name)
            assert file.read() == b"whole"

    def test_a_blob_written_again_has_another_signature(self, blobs: Blobs) -> None:
        """The signature tells a blob from another that took its place."""
        first, second = self.put(blobs), self.put(blobs)
        assert blobs.state(first).signature != blobs.state(second).signature

    @pytest.mark.parametrize(
        "name", ["../../etc/passwd", "/etc/passwd", "ab/..", "", "ab/" + "0" * 32, "AB/x.bin", "ab\0/c"]
    )
    def test_names_outside_the_scheme_are_refused(self, blobs: Blobs, name: str) -> None:
        """A name that is not of the scheme reaches no file."""
        ticket = blobs.stage([b"x"])
        with pytest.raises(OSError):  # noqa: PT011 -- FileNotFoundError or EINVAL, both say it
            blobs.publish(ticket, name)
        with pytest.raises(OSError):  # noqa: PT011
            blobs.open(name)
        blobs.discard(ticket)
