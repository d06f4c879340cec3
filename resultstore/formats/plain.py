"""Byte strings and skeletons: leaves that are bytes already."""

from __future__ import annotations

from typing import Any

from resultstore._facts import PayloadFacts
from resultstore._identity.encoding import digest
from resultstore.formats.base import Encoded, RawBody, opaque_digest


class Bytes(RawBody):
    """A ``bytes`` object, stored as it is."""

    name = "bytes"
    suffix = ".bin"
    runs_code = False

    def accepts(self, value: Any) -> bool:
        """Say whether this is exactly a ``bytes`` object."""
        return type(value) is bytes

    def encode(self, value: bytes) -> Encoded:
        """Return the bytes as the body."""
        return Encoded(self.name, self.suffix, b"", (value,), lambda body_hash: digest(value))

    def digest(self, holder: Any, body_hash: bytes) -> bytes:
        """Return the digest of the bytes as a value."""
        return digest(bytes(holder))

    def value(self, holder: bytearray, facts: PayloadFacts) -> bytes:
        """Return the bytes."""
        return bytes(holder)


class Json(RawBody):
    """A skeleton too long for the index, as JSON text (see `resultstore.formats.tree`)."""

    name = "json"
    suffix = ".json"
    runs_code = False

    def accepts(self, value: Any) -> bool:
        """Say whether this is a text."""
        return type(value) is str and value.isascii()

    def encode(self, value: str) -> Encoded:
        """Return the text's bytes."""
        return Encoded(self.name, self.suffix, b"", (value.encode("ascii"),), opaque_digest(self.name))

    def value(self, holder: bytearray, facts: PayloadFacts) -> str:
        """Return the text."""
        return holder.decode("ascii")
