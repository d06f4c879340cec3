"""What is compared before stored bytes are believed: checksums of rows and payloads, and the sizes that they name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from resultstore._facts import LeafFacts, PayloadFacts
from resultstore._index.index import CallRow
from resultstore.blobs.base import Buffer, Mapped
from resultstore.errors import DamagedError
from resultstore.formats.base import checksum
from resultstore.formats.hashing import hash_of
from resultstore.formats.registry import format_named

if TYPE_CHECKING:
    from resultstore._signing import Signer

_CHANGED = "its bytes are not those that were written"
_ANOTHER = "its bytes are whole, but of another value"
CHECKSUM_NBYTES = 16
"""Of a row; its signature follows it."""
_LARGE = 1 << 30
_MOST_RATIO = 1 << 15
"""Of zstd: a block of 128 KiB takes four bytes at least."""


def row_checksum(key: bytes, row: CallRow, leaves: Iterable[LeafFacts], signer: Signer | None = None) -> bytes:
    """Return the checksum, 16 bytes, that binds a call's result columns and leaves to its key.

    With a signer its MAC, 16 bytes more, of all that a hit rests on: these, and when the call was computed. How the
    bytes of a leaf are stored is not part of that: they are what the leaf's digest says, or they are not used.
    """
    text = f"{row.kind}|{row.integer}|{row.number!r}|{row.leaf_count}|{row.text}"
    parts = [key, text.encode("utf-8", "surrogatepass")]
    for leaf in leaves:
        p = leaf.payload
        facts = f"|{p.format}|{p.dtype}|{p.shape}|{p.order}|{leaf.writeable:d}|"
        parts += (facts.encode("utf-8", "surrogatepass"), p.digest)
    checksum = blake3(b"".join(parts)).digest(CHECKSUM_NBYTES)
    if signer is None:
        return checksum
    columns = (row.state, row.kind, row.integer, row.number, row.leaf_count, row.text, float(row.created_at))
    return checksum + signer.sign(b"call", key, *(repr(c).encode() for c in columns), *parts[2:])


def check_size(facts: PayloadFacts, nbytes: int) -> None:
    if nbytes != facts.nbytes:
        raise DamagedError(f"it has {nbytes} bytes instead of {facts.nbytes}")
    if facts.head_nbytes < 0 or facts.raw_nbytes < 0:
        raise DamagedError(f"the index says {facts.head_nbytes} + {facts.raw_nbytes} bytes")
    if facts.codec is not None and facts.raw_nbytes > _MOST_RATIO * nbytes:
        raise DamagedError(f"its {nbytes} bytes cannot unpack to {facts.raw_nbytes}")
    if facts.codec is None and facts.head_nbytes + facts.raw_nbytes != nbytes:
        raise DamagedError(f"the index says {facts.head_nbytes} + {facts.raw_nbytes} bytes of {nbytes}")


def check_memory(facts: PayloadFacts) -> None:
    """Raise MemoryError for what this machine cannot hold: asked for all the same, the system would kill us later."""
    nbytes = facts.raw_nbytes
    if nbytes <= _LARGE:
        return
    with contextlib.suppress(AttributeError, OSError, ValueError):  # a system that does not say
        most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if nbytes > most > 0:
            raise MemoryError(f"{nbytes} bytes are more than the {most} of this machine's memory")


def verify(facts: PayloadFacts, head: Buffer, holder: Any, view: memoryview) -> bytes:
    """Raise DamagedError unless bytes are those that were written, and those of the value that the row names.

    Return the hash of the body.
    """
    body_hash = hash_of(view)
    if checksum(head, body_hash) != facts.checksum:
        raise DamagedError(_CHANGED)
    verify_value(facts, holder, view, body_hash)
    return body_hash


def verify_mapped(facts: PayloadFacts, mapped: Mapped) -> bytes:
    """Raise DamagedError unless a mapped file holds what was written; return the hash of its body."""
    payload_format = format_named(facts.format)
    with memoryview(mapped.mapping) as data:
        body_hash = hash_of(data[facts.head_nbytes :])
        if checksum(data[: facts.head_nbytes], body_hash) != facts.checksum:
            raise DamagedError(_CHANGED)
    holder = payload_format.map(mapped.mapping, facts, mapped.path, "r", mapped.beginning)
    if payload_format.digest(holder, body_hash) != facts.digest:
        raise DamagedError(_ANOTHER)
    return body_hash


def verify_frame(facts: PayloadFacts, frame: bytes | bytearray | memoryview) -> None:
    if checksum(b"", hash_of(frame)) != facts.checksum:
        raise DamagedError(_CHANGED)


def verify_value(facts: PayloadFacts, holder: Any, view: memoryview, body_hash: bytes | None = None) -> None:
    if format_named(facts.format).digest(holder, body_hash or hash_of(view)) != facts.digest:
        raise DamagedError(_ANOTHER)
