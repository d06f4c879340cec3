"""Blobs in a dict, for tests and for stores that need not outlive their process."""

from __future__ import annotations

import io
import itertools
import mmap
import threading
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from resultstore.blobs.base import BlobState, Buffer, is_name


class MemoryBlobs:
    """Blobs that live as long as this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._staged: dict[str, bytes] = {}
        self._blobs: dict[str, tuple[int, bytes]] = {}
        self._quarantined: dict[str, bytes] = {}
        self._numbers = itertools.count(1)

    def stage(self, parts: Sequence[Buffer]) -> str:
        """Keep the bytes under a ticket."""
        ticket = str(next(self._numbers))
        self._staged[ticket] = b"".join(parts)
        return ticket

    def publish(self, ticket: str, name: str) -> BlobState:
        """Move the bytes to their name."""
        if not is_name(name):
            raise OSError(f"{name!r} is no blob name")
        with self._lock:
            self._blobs[name] = (next(self._numbers), self._staged.pop(ticket))
        return self.state(name)

    def discard(self, ticket: str) -> None:
        """Forget the ticket."""
        self._staged.pop(ticket, None)

    def open(self, name: str) -> BinaryIO:
        """Return the bytes as a file."""
        return io.BytesIO(self._get(name)[1])

    def map(self, name: str, *, copy_on_write: bool) -> tuple[mmap.mmap, str] | None:
        """Return None: there are no files here."""
        self._get(name)
        return None

    def state(self, name: str) -> BlobState:
        """Return the size; a blob written again has another number."""
        number, data = self._get(name)
        return BlobState(len(data), len(data), (number, len(data), 0))

    def delete(self, name: str) -> bool:
        """Forget the bytes."""
        return self._blobs.pop(name, None) is not None

    def quarantine(self, name: str) -> bool:
        """Put the bytes aside."""
        found = self._blobs.pop(name, None)
        if found is not None:
            self._quarantined[name] = found[1]
        return found is not None

    def names(self) -> Iterator[str]:
        """Yield the names of the moment."""
        yield from list(self._blobs)

    def sweep(self, older_than_s: float) -> int:
        """Drop staged bytes: they have no age, so only ``sweep(0)`` drops any."""
        if older_than_s > 0:
            return 0
        swept = len(self._staged)
        self._staged.clear()
        return swept

    def extra_nbytes(self) -> int:
        """Return the bytes staged and quarantined."""
        return sum(map(len, self._staged.values())) + sum(map(len, self._quarantined.values()))

    def _get(self, name: str) -> tuple[int, bytes]:
        try:
            return self._blobs[name]
        except KeyError:
            raise FileNotFoundError(name) from None
