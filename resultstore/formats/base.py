"""What a format is: the way of one leaf to bytes and back.

Writing gives a *head* and a *body*; the body is a buffer that is hashed and written without being
copied. Reading is in two steps, so that the bytes are verified before anything interprets them:
`room` makes a place of the right size, the vault fills and checks it, `value` turns it into the leaf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from blake3 import blake3

from resultstore._data import Data
from resultstore._facts import PayloadFacts
from resultstore.errors import DamagedError

if TYPE_CHECKING:
    import mmap

    from resultstore._identity.maps import Whole

Buffer = bytes | bytearray | memoryview
WORTH_NBYTES = 512
"""Smaller payloads are not compressed."""


class Encoded(Data):
    """A leaf ready to be written."""

    format: str
    suffix: str
    """The file name's ending, with its dot."""
    head: bytes
    pieces: tuple[Buffer, ...]
    """The body, in one piece or several that lie where they are."""
    digest: Callable[[bytes], bytes]
    """Takes the BLAKE3 hash of the body, returns the leaf's value digest."""
    dtype: str | None = None
    shape: str | None = None
    order: str | None = None
    itemsize: int = 1
    """Bytes of the items of the body, for compression: those of the same place in every item may be alike."""

    body_hash: bytes | None = None
    """The BLAKE3 hash of the body, where it is known already."""
    _joined: Buffer | None = None

    @property
    def body(self) -> Buffer:
        """The body in one piece."""
        if len(self.pieces) == 1:
            return self.pieces[0]
        if self._joined is None:
            vars(self)["_joined"] = b"".join(self.pieces)
        return self._joined  # type: ignore[return-value]

    @property
    def body_nbytes(self) -> int:
        """The size of the body."""
        return sum(map(len, self.pieces))

    @property
    def nbytes(self) -> int:
        """The size of the whole payload."""
        return len(self.head) + self.body_nbytes


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as the index keeps it: a JSON list."""
    return str([int(n) for n in shape])


def shape_of(text: str | None) -> tuple[int, ...]:
    """Return the shape that the index keeps, or raise ValueError. Without `json`, whose import takes 2 ms."""
    if text is None or text[:1] != "[" or text[-1:] != "]":
        raise ValueError(text)
    return tuple(map(int, text[1:-1].split(","))) if len(text) > 2 else ()


class Format(Protocol):
    """One format. Implementations keep no state; `resultstore.testing.FormatContract` tests them."""

    name: str
    suffix: str
    runs_code: bool
    """Whether reading can run code that the payload names, as pickle does."""
    maps: bool
    """Whether `map` can give a value over a mapped file."""

    def accepts(self, value: Any) -> bool:
        """Say whether a hit would give back this very value: type, content, dtype, order."""

    def encode(self, value: Any) -> Encoded:
        """Return the bytes of an accepted value."""

    def room(self, facts: PayloadFacts) -> tuple[Any, memoryview]:
        """Return a holder and its writable bytes, as many as the body has.

        Raises DamagedError if the facts contradict each other, before memory is taken.
        """

    def digest(self, holder: Any, body_hash: bytes) -> bytes:
        """Return the value digest of a filled holder: the same that `Encoded.digest` gave when it was written."""

    def value(self, holder: Any, facts: PayloadFacts) -> Any:
        """Return the leaf from a holder whose bytes are filled and verified."""

    def follows_bytes(self, value: Any) -> bool:
        """Say whether using a mapped leaf follows places written in its bytes, so that wrong ones could crash."""

    def examine(self, value: Any) -> None:
        """Raise DamagedError if a leaf that follows places in its bytes would be led out of bounds.

        Called where others could have written the bytes, before anybody uses the leaf.
        """

    def over(self, data: bytes, facts: PayloadFacts) -> Any:
        """Return the leaf over a whole payload's verified bytes, of which ``copy()`` makes a fresh one; or None."""

    def map(self, mapping: mmap.mmap, facts: PayloadFacts, path: str, mode: str, beginning: bytes) -> Any:
        """Return the leaf over a mapping of its whole file, reading as little of it as can be.

        ``mode`` is ``"r"`` for a read-only mapping and ``"c"`` for a copy-on-write one, ``beginning`` holds
        the file's first 8 bytes. Raises DamagedError if the file does not begin as its format does.
        """

    def whole(self, value: Any, facts: PayloadFacts) -> Whole | None:
        """Return how a mapped leaf is recognised as an argument; None if the payload's digest is not the value's."""


def checksum(head: Buffer, body_hash: bytes) -> bytes:
    """Return the checksum of stored bytes: BLAKE3 of the head followed by the BLAKE3 hash of the body.

    A hash of a hash, so that one pass over the body gives both this and the digest of an array.
    """
    return blake3(bytes(head) + body_hash).digest()


def opaque_digest(format_name: str) -> Callable[[bytes], bytes]:
    """Return the digest of leaves that are known by their stored bytes alone."""
    prefix = b"resultstore leaf 1\0" + format_name.encode() + b"\0"
    return lambda body_hash: blake3(prefix + body_hash).digest()


def is_for_the_user(error: BaseException) -> bool:
    """Say whether an exception is an interrupt, an exit or the like, which nobody but the user may stop.

    A panic in a library written in Rust, such as polars, is none, although it is no ``Exception``.
    """
    return not isinstance(error, Exception) and type(error).__name__ != "PanicException"


class RawBody:
    """The reading half of formats whose body is simply held in memory."""

    name: str
    maps = False

    def room(self, facts: PayloadFacts) -> tuple[Any, memoryview]:
        """Return a bytearray of the body's size."""
        holder = bytearray(facts.raw_nbytes)
        return holder, memoryview(holder)

    def follows_bytes(self, value: Any) -> bool:
        """Say no: it cannot be mapped at all."""
        return False

    def examine(self, value: Any) -> None:
        """Do nothing: bytes lead nowhere."""

    def over(self, data: bytes, facts: PayloadFacts) -> Any:
        """Return None: there is nothing that could be copied."""

    def map(self, mapping: mmap.mmap, facts: PayloadFacts, path: str, mode: str, beginning: bytes) -> Any:
        """Refuse: what is not an array or a table gains nothing by a map."""
        raise DamagedError(f"the format {self.name!r} cannot be mapped")

    def whole(self, value: Any, facts: PayloadFacts) -> None:
        """Return None: it is never mapped."""

    def digest(self, holder: Any, body_hash: bytes) -> bytes:
        """Return the digest of the format's name and the bytes."""
        return opaque_digest(self.name)(body_hash)
