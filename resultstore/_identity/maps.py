"""Read-only maps of payload files that stores of this process have handed out.

Nobody can write to such memory: numpy refuses it for the array and all its views, and the system refuses it
for the pages. So as long as the file is as it was mapped, an array that lies there needs not be hashed again:
neither one that was hashed before, nor one that is the whole of a payload, whose digest the index knows.

An array that merely says ``writeable=False`` is no such thing, for its owner can set that back.
"""

from __future__ import annotations

import bisect
import sys
import weakref
from collections.abc import Callable
from typing import Any

WORTH_NBYTES = 1 << 15
"""Smaller arrays are hashed as fast as they are recognised."""
_HASHES = 256


class Whole:
    """An array that is the whole body of a payload, as the index knows it."""

    __slots__ = ("digest", "dtype", "shape", "strides")

    def __init__(self, digest: bytes, dtype: bytes, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.digest = digest
        self.dtype = dtype
        """Encoded, for dtypes that differ may be equal to Python."""
        self.shape = shape
        self.strides = strides


class Handed:
    """One mapping of a payload file, as long as anything uses it."""

    __slots__ = ("__weakref__", "_hashes", "_prove", "_ref", "_stands", "body", "start", "stop", "whole")

    def __init__(
        self,
        mapping: Any,
        start: int,
        body: int,
        whole: Whole | None,
        stands: Callable[[], bool],
        prove: Callable[[Any], bytes],
    ) -> None:
        self._ref = weakref.ref(mapping, lambda _: _forget(self))
        self._stands = stands
        self._prove = prove
        self._hashes: dict[tuple[int, int], bytes] = {}
        self.start = start
        self.stop = start + len(mapping)
        self.body = start + body
        """Where the payload's body begins, as an address."""
        self.whole = whole

    def mapping(self) -> Any:
        """Return the mapping, or None if it is gone or closed: then something else may lie at its addresses."""
        mapping = self._ref()
        return None if mapping is None or mapping.closed else mapping

    def stands(self) -> bool:
        """Say whether the file is as it was when it was mapped; if not, nothing in it is recognised any more."""
        if self._stands():
            return True
        _forget(self)
        return False

    def prove(self) -> None:
        """Verify the payload, once. Raises DamagedError; then nothing in it is recognised any more."""
        nbytes, mapping = self.stop - self.body, self.mapping()
        if mapping is None or self.known(self.body, nbytes) is not None:
            return
        try:
            self.learn(self.body, nbytes, self._prove(mapping))
        except BaseException:
            _forget(self)
            raise

    def known(self, address: int, nbytes: int) -> bytes | None:
        """Return the BLAKE3 hash of some of its bytes, if they have been hashed."""
        return self._hashes.get((address, nbytes))

    def learn(self, address: int, nbytes: int, hashed: bytes) -> None:
        """Remember the BLAKE3 hash of some of its bytes."""
        if len(self._hashes) >= _HASHES:
            self._hashes.clear()
        self._hashes[address, nbytes] = hashed


_by_start: dict[int, Handed] = {}
_starts: list[int] = []


def hand_out(handed: Handed) -> None:
    """Recognise from now on what lies in a mapping."""
    start = handed.start
    if start not in _by_start:
        bisect.insort(_starts, start)
    _by_start[start] = handed


def any_handed() -> bool:
    """Say whether anything could be recognised."""
    return bool(_starts)


def _forget(handed: Handed) -> None:
    # Called when a mapping dies, at any moment and in any thread. Where two meet here, an entry may stay or be
    # lost; both are harmless, for an entry counts only while its mapping lives, and without one arrays are hashed.
    if _by_start.get(handed.start) is handed:
        del _by_start[handed.start]
        i = bisect.bisect_left(_starts, handed.start)
        if i < len(_starts) and _starts[i] == handed.start:
            del _starts[i]


def address_of(buffer: Any) -> int:
    """Return where a buffer lies in memory."""
    numpy: Any = sys.modules["numpy"]
    return int(numpy.frombuffer(buffer, numpy.uint8).__array_interface__["data"][0])


def around(array: Any) -> tuple[Handed, int] | None:
    """Return the mapping in which an array lies, and its address; None if it lies elsewhere or could be written to.

    Addresses tell: while a mapping lives, nothing else can lie there, however the array was made.
    """
    flags = array.flags
    if not _starts or flags.writeable or array.nbytes < WORTH_NBYTES or not (flags.c_contiguous or flags.f_contiguous):
        return None
    address: int = array.__array_interface__["data"][0]
    i = bisect.bisect_right(_starts, address) - 1
    try:
        handed = _by_start[_starts[i]] if i >= 0 else None
    except (IndexError, KeyError):  # another thread has just dropped one
        return None
    if handed is None or address + array.nbytes > handed.stop or handed.mapping() is None:
        return None
    return handed, address
