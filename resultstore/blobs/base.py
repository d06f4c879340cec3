"""What a blob store is: named bytes that are written once, read, and deleted."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, Self

from resultstore._data import Data

if TYPE_CHECKING:
    import mmap

Buffer = bytes | bytearray | memoryview
Signature = tuple[int, int, int]
"""Changes when a blob's bytes are written again: (inode, size, mtime in ns)."""

_NAME = r"[0-9a-f]/[0-9a-f]{32}-[0-9a-f]{12}(\.[a-z0-9]{1,8}){1,3}"


class BlobState(Data):
    """What a blob store knows of a blob without reading it."""

    nbytes: int
    disk_nbytes: int
    """What it takes on the disk, in whole blocks."""
    signature: Signature


class Mapped(Data):
    """A whole blob, mapped into memory."""

    mapping: mmap.mmap
    path: str
    """The file that is mapped."""
    signature: Signature
    beginning: bytes
    """The first bytes, at most `BEGINNING`, read without touching a page of the mapping."""
    is_settled: bool = True
    """Whether no power cut can have taken some of the bytes, as far as the place can tell."""


BEGINNING = 8


class Opened(Protocol):
    """A blob that is open for reading: what is done with it is done to the same bytes, whatever becomes of the name."""

    nbytes: int
    signature: Signature

    def fill(self, *parts: memoryview) -> None:
        """Fill writable bytes with those of the blob, from its beginning on. Raises DamagedError if it ends early."""

    def read(self) -> bytes:
        """Return all bytes."""

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc_info: object) -> None: ...


class Blobs(Protocol):
    """One place for blobs. `resultstore.testing.BlobsContract` tests an implementation.

    Every method may be called from several threads and processes at once, and may raise OSError.
    A blob appears under its name whole or not at all, and never changes afterwards.
    """

    def reserve(self, nbytes: int) -> str:
        """Begin to stage so many bytes, which count in `extra_nbytes` from now on; return the ticket."""

    def stage(self, parts: Sequence[Buffer], ticket: str | None = None) -> str:
        """Write bytes where nobody reads them; return a ticket for `publish` or `discard`.

        With the ticket of `reserve`, which it returns, room was reserved for them; it is discarded if that fails.
        """

    def publish(self, ticket: str, name: str) -> BlobState:
        """Let staged bytes appear under a new name."""

    def discard(self, ticket: str) -> None:
        """Throw staged bytes away."""

    def open(self, name: str) -> Opened:
        """Open a blob for reading. Raises FileNotFoundError for a name without one."""

    def map(self, name: str, *, copy_on_write: bool) -> Mapped | None:
        """Map a whole blob into memory; return None where there is nothing to map.

        Raises FileNotFoundError for a name without one.
        """

    def settle(self, name: str, mapped: Mapped) -> Mapped:
        """Note that a mapped blob was found whole, so that its next map is settled; return the map as it is now."""

    def state(self, name: str) -> BlobState:
        """Return what is known of a blob. Raises FileNotFoundError for a name without one."""

    def delete(self, name: str) -> bool:
        """Remove a blob; say whether it was there."""

    def quarantine(self, name: str) -> bool:
        """Take a damaged blob out of the way, to be looked at; say whether it was there."""

    def names(self) -> Iterator[str]:
        """Yield the names of all blobs."""

    def sweep(self, older_than_s: float) -> int:
        """Remove staged bytes at least so old whose writer is known, or by their age held, to be gone."""

    def staged_nbytes(self, besides: Collection[str] = ()) -> int:
        """Return how many bytes are staged, by whomever, under other tickets than these."""

    def extra_nbytes(self) -> int:
        """Return what lies in the place beside the blobs: staged and quarantined bytes."""


def new_name(digest: bytes, suffix: str) -> str:
    """Return a fresh name for bytes with this digest: unique per write, so no two writes can meet."""
    text = digest.hex()
    # Sixteen folders: more would cost a small store more blocks than its payloads.
    return f"{text[0]}/{text[:32]}-{os.urandom(6).hex()}{suffix}"


@functools.cache
def _name_pattern() -> re.Pattern[str]:
    return re.compile(_NAME)  # at the first file, not at every start


def is_name(name: object) -> bool:
    """Say whether this can be a blob's name: a tampered index may say ``../../etc/passwd``."""
    return isinstance(name, str) and _name_pattern().fullmatch(name) is not None
