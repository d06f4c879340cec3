"""Blobs in a dict, for tests and for stores that need not outlive their process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Collection, Iterator, Sequence
from typing import Self

from resultstore.blobs.base import BlobState, Buffer, Mapped, is_name
from resultstore.errors import DamagedError


class MemoryBlobs:
    """Blobs that live as long as this object."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._staged: dict[str, bytes] = {}
        self._blobs: dict[str, tuple[int, bytes]] = {}
        self._quarantined: dict[str, bytes] = {}
        self._numbers = itertools.count(1)

    def reserve(self, nbytes: int) -> str:
        """Keep as many zeros under a ticket."""
        ticket = str(next(self._numbers))
        self._staged[ticket] = bytes(nbytes)
        return ticket

    def stage(self, parts: Sequence[Buffer], ticket: str | None = None) -> str:
        """Keep the bytes under a ticket."""
        ticket = ticket or str(next(self._numbers))
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

    def open(self, name: str) -> MemoryBlob:
        """Return the bytes, to be read."""
        return MemoryBlob(*self._get(name))

    def map(self, name: str, *, copy_on_write: bool) -> Mapped | None:
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

    def settle(self, name: str, mapped: Mapped) -> Mapped:
        """Return the map: memory that is there is whole."""
        return mapped

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

    def staged_nbytes(self, besides: Collection[str] = ()) -> int:
        """Return the bytes under tickets."""
        return sum(len(data) for ticket, data in list(self._staged.items()) if ticket not in besides)

    def extra_nbytes(self) -> int:
        """Return the bytes staged and quarantined."""
        return sum(map(len, self._staged.values())) + sum(map(len, self._quarantined.values()))

    def _get(self, name: str) -> tuple[int, bytes]:
        try:
            return self._blobs[name]
        except KeyError:
            raise FileNotFoundError(name) from None


class MemoryBlob:
    """A blob that is open for reading."""

    def __init__(self, number: int, data: bytes) -> None:
        self._data = data
        self.nbytes = len(data)
        self.signature = (number, len(data), 0)

    def fill(self, *parts: memoryview) -> None:
        """Copy the bytes."""
        done = 0
        for part in parts:
            if done + len(part) > len(self._data):
                raise DamagedError(f"it ends before its {done + len(part)} bytes")
            part[:] = self._data[done : done + len(part)]
            done += len(part)

    def read(self) -> bytes:
        """Return the bytes."""
        return self._data

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Do nothing."""
