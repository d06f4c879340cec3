"""Eviction as data: the limits, and what they ask to be freed. Least recently used goes first."""

from __future__ import annotations

from dataclasses import dataclass

_RECORD_SHARE = 10
_RECORD_FLOOR_NBYTES = 512_000
_RECORD_FLOOR_SHARE = 4


@dataclass(frozen=True, slots=True)
class Budget:
    """What a store may take on the disk."""

    limit: int

    @property
    def slack(self) -> int:
        """How far below the limit eviction goes: room for the log, and for other processes' results."""
        return min(max(2_500_000, self.limit // 100), self.limit // 8)

    def excess(self, used: int, incoming: int) -> int:
        """Return how many bytes must go before so many more can come; 0 if they fit."""
        if used + incoming <= self.limit - self.slack // 2:
            return 0
        return used + incoming - (self.limit - self.slack)

    @property
    def largest(self) -> int:
        """The size of the largest single result that is kept."""
        return self.limit - self.slack - self._record_floor // 2

    @property
    def _record_floor(self) -> int:
        return min(_RECORD_FLOOR_NBYTES, self.limit // _RECORD_FLOOR_SHARE)

    def record_excess(self, record_nbytes: int) -> int:
        """Return by how much the records themselves, without payloads, exceed their share of a tenth."""
        return max(0, record_nbytes - max(self.limit // _RECORD_SHARE, self._record_floor))


@dataclass(frozen=True, slots=True)
class Limits:
    """What `Store.reduce_size` was asked for; None is no limit."""

    nbytes: int | None = None
    """Stored bytes of results."""
    items: int | None = None
    """Stored results."""
    age_s: float | None = None
    """Seconds since the last access."""

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return (self.nbytes, self.items, self.age_s) != (None, None, None)
