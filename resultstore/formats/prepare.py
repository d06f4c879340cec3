"""A result taken apart, made ready for the disk: bytes, hashes and facts of every leaf."""

from __future__ import annotations

from collections.abc import Callable

from resultstore._data import Data, replace
from resultstore._facts import PayloadFacts, ResultFacts
from resultstore._settings import Compression
from resultstore.formats.base import Buffer, Encoded, checksum
from resultstore.formats.hashing import BESIDE_NBYTES, HashBeside, hash_of, idle_cores
from resultstore.formats.registry import format_named
from resultstore.formats.tree import Leaf, Tree

INLINE_NBYTES = 16_384
"""Payloads up to this size lie in the index: writing a file costs more below 16 to 64 KB."""


class Part(Data):
    """A leaf with its bytes, on its way to the disk."""

    leaf: Leaf
    encoded: Encoded
    facts: PayloadFacts
    body_hash: bytes
    ticket: str | None = None
    """Under this its bytes are staged already."""


class Packed(Data):
    """A payload as it will lie in the store."""

    buffers: tuple[Buffer, ...]
    """The bytes of its file; empty when it lies inline, or leans on an equal payload."""
    suffix: str
    facts: PayloadFacts
    body_hash: bytes | None = None
    """The hash of the body, of a file that holds it as it is."""
    ticket: str | None = None
    equal: PayloadFacts | None = None
    """The stored payload that it leans on."""


def pack(part: Part, compression: Compression | None, *, inline: bool) -> Packed:
    """Return a payload, compressed where that is asked for and pays; inline if it is small and may be."""
    encoded, facts, suffix = part.encoded, part.facts, part.encoded.suffix
    buffers: tuple[Buffer, ...] = (encoded.head, *encoded.pieces)
    body_hash: bytes | None = part.body_hash
    if compression is not None:
        from resultstore.formats.compression import SUFFIXES, compress

        compressed = compress(encoded, compression)
        if compressed is not None:
            codec, frame = compressed
            buffers, suffix, body_hash = (frame,), suffix + SUFFIXES[codec], None
            facts = replace(facts, nbytes=len(frame), checksum=checksum(b"", hash_of(frame)), codec=codec)
    if inline and facts.nbytes <= INLINE_NBYTES:
        return Packed((), suffix, replace(facts, inline=b"".join(buffers)))
    return Packed(buffers, suffix, facts, body_hash, part.ticket)


def prepare(tree: Tree, stage: Callable[[Encoded], str | None] | None = None) -> tuple[list[Part], ResultFacts]:
    """Return the leaves with their bytes and hashes, and the result's own columns.

    With ``stage``, which writes a leaf's bytes somewhere and returns a ticket or None, large leaves are hashed in
    a thread beside that, as long as there is a core to spare.
    """
    leaves, kind, text = list(tree.leaves), tree.kind, None
    if kind == "tree" and len(tree.value) <= INLINE_NBYTES:
        text = tree.value
    elif kind in ("tree", "pickle", "error"):
        kind = "json" if kind == "tree" else kind
        leaves.append(Leaf(tree.value, "json" if type(tree.value) is str else "pickle", "<skeleton>"))
    parts = []
    for leaf in leaves:
        encoded = format_named(leaf.format).encode(leaf.value)
        body_hash, ticket = _hash(encoded, stage)
        facts = PayloadFacts(
            digest=encoded.digest(body_hash),
            checksum=checksum(encoded.head, body_hash),
            format=encoded.format,
            nbytes=encoded.nbytes,
            raw_nbytes=encoded.body_nbytes,
            head_nbytes=len(encoded.head),
            dtype=encoded.dtype,
            shape=encoded.shape,
            order=encoded.order,
        )
        parts.append(Part(leaf, encoded, facts, body_hash, ticket))
    if kind in ("bool", "int"):
        return parts, ResultFacts(kind, integer=int(tree.value))
    if kind == "float":
        return parts, ResultFacts(kind, number=tree.value if tree.value == tree.value else None)
    return parts, ResultFacts(kind, text=tree.value if kind == "str" else text)


def _hash(encoded: Encoded, stage: Callable[[Encoded], str | None] | None) -> tuple[bytes, str | None]:
    if encoded.body_hash is not None:
        return encoded.body_hash, None
    if stage is None or encoded.body_nbytes < BESIDE_NBYTES or not idle_cores():
        return hash_of(*encoded.pieces), None
    hashing = HashBeside(*encoded.pieces)
    try:
        ticket = stage(encoded)
    finally:
        body_hash = hashing.result()
    return body_hash, ticket
