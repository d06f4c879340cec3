"""Eviction as data: the limits, what they ask to be freed, and which results go first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from resultstore._data import Data

_RECORD_SHARE = 10
_RECORD_FLOOR_NBYTES = 512_000
_RECORD_FLOOR_SHARE = 4


class Budget(Data):
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


class Limits(Data):
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


class Use(Data):
    """What a policy may judge a stored result by. The fields are columns of the index's table ``call``."""

    id: int
    """The call's number."""
    access_sequence: int
    """The place of the last access, or of the computation, among all accesses of the store."""
    access_count: int
    """Hits."""
    created_at: float
    """When it was computed, in seconds since the epoch."""
    duration: float
    """How long that took, in seconds."""
    nbytes: int
    """Stored bytes; 0 for None."""


class Policy(Data):
    """Which results go first, said twice: to the index, and in Python, where it can be read and tested.

    That both say the same is for `resultstore.testing.PolicyContract` to show.

    Parameters
    ----------
    name
        What people call it.
    order
        The terms of an SQL ``ORDER BY`` over the fields of `Use`, without the tie-break.
    rank
        The same for one result: the lowest goes first.

    Examples
    --------
    >>> from resultstore.eviction import LRU, Use
    >>> old, hit = Use(1, 5, 0, 0.0, 0.1, 800), Use(2, 9, 3, 0.0, 0.1, 800)
    >>> [use.id for use in LRU.queue([hit, old])]
    [1, 2]
    """

    name: str
    order: str
    rank: Callable[[Use], tuple[float, ...]]

    def queue(self, uses: Iterable[Use]) -> list[Use]:
        """Return results in the order in which they go; of equals the one whose call came first goes first."""
        return sorted(uses, key=lambda use: (self.rank(use), use.id))


LRU = Policy("lru", "access_sequence", lambda use: (use.access_sequence,))
"""Least recently used first."""

POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in (LRU,)}
"""The policies that ship, by name."""
