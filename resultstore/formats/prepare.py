"""A result taken apart, made ready for the disk: bytes, hashes and facts of every leaf."""

from __future__ import annotations

from resultstore._data import Data, replace
from resultstore._facts import PayloadFacts, ResultFacts
from resultstore._settings import Compression
from resultstore.formats.base import Buffer, Encoded, checksum, hash_of
from resultstore.formats.registry import format_named
from resultstore.formats.tree import Leaf, Tree

INLINE_NBYTES = 16_384
"""Payloads up to this size lie in the index: writing a file costs more below 16 to 64 KB."""


class Part(Data):
    """A leaf with its bytes, on its way to the disk."""

    leaf: Leaf
    encoded: Encoded
    facts: PayloadFacts


class Packed(Data):
    """A payload as it will lie in the store."""

    buffers: tuple[Buffer, ...]
    """The bytes of its file; empty when it lies inline, or leans on an equal payload."""
    suffix: str
    facts: PayloadFacts


def pack(part: Part, compression: Compression | None, *, inline: bool) -> Packed:
    """Return a payload, compressed where that is asked for and pays; inline if it is small and may be."""
    encoded, facts, suffix = part.encoded, part.facts, part.encoded.suffix
    buffers: tuple[Buffer, ...] = (encoded.head, encoded.body)
    if compression is not None:
        from resultstore.formats.compression import SUFFIXES, compress

        compressed = compress(encoded, compression)
        if compressed is not None:
            codec, frame = compressed
            buffers, suffix = (frame,), suffix + SUFFIXES[codec]
            facts = replace(facts, nbytes=len(frame), checksum=checksum(b"", hash_of(frame)), codec=codec)
    if inline and facts.nbytes <= INLINE_NBYTES:
        return Packed((), suffix, replace(facts, inline=b"".join(buffers)))
    return Packed(buffers, suffix, facts)


def prepare(tree: Tree) -> tuple[list[Part], ResultFacts]:
    """Return the leaves with their bytes and hashes, and the result's own columns."""
    leaves, kind, text = list(tree.leaves), tree.kind, None
    if kind == "tree" and len(tree.value) <= INLINE_NBYTES:
        text = tree.value
    elif kind in ("tree", "pickle", "error"):
        kind = "json" if kind == "tree" else kind
        leaves.append(Leaf(tree.value, "json" if type(tree.value) is str else "pickle", "<skeleton>"))
    parts = []
    for leaf in leaves:
        encoded = format_named(leaf.format).encode(leaf.value)
        body_hash = hash_of(encoded.body)
        facts = PayloadFacts(
            digest=encoded.digest(body_hash),
            checksum=checksum(encoded.head, body_hash),
            format=encoded.format,
            nbytes=encoded.nbytes,
            raw_nbytes=len(encoded.body),
            head_nbytes=len(encoded.head),
            dtype=encoded.dtype,
            shape=encoded.shape,
            order=encoded.order,
        )
        parts.append(Part(leaf, encoded, facts))
    if kind in ("bool", "int"):
        return parts, ResultFacts(kind, integer=int(tree.value))
    if kind == "float":
        return parts, ResultFacts(kind, number=tree.value if tree.value == tree.value else None)
    return parts, ResultFacts(kind, text=tree.value if kind == "str" else text)
