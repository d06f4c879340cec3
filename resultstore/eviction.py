"""Eviction as data: the limits, what they ask to be freed, and which results go first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from resultstore._data import Data

BATCH = 1000
"""Calls that are evicted by one transaction: it takes some 20 ms."""
RECORD_BATCH = 300
"""Calls that are dropped with their records by one transaction: some 40 ms, for their rows lie all over the index."""
RECORD_NBYTES = 500
"""What the record of a call takes, about."""
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
    """Hits over the life of the record, those before an eviction included."""
    created_at: float
    """When it was computed, in seconds since the epoch."""
    duration: float
    """How long that took, in seconds."""
    nbytes: int
    """Stored bytes; 0 for None."""
    age: float = 0.0
    """The store's age at the last access, which is what the last evicted result was worth to a policy that ages."""


class Policy(Data):
    """Which results go first, said twice: to the index, and in Python, where it can be read and tested.

    That both say the same is for `resultstore.testing.PolicyContract` to show.

    Parameters
    ----------
    name
        What people call it.
    order
        The terms of an SQL ``ORDER BY`` over the fields of `Use`, without the tie-break. The index is
        sorted by it, so it may have no functions but deterministic ones that SQLite brings.
    rank
        The same for one result: the lowest goes first. A store that is sent to another process takes
        it along, so let it be a function of a module.
    ages : bool
        Whether the first term of both is a worth that counts from `Use.age`. The worth of what is
        evicted then becomes the store's age: what is asked for later starts from there, and what is
        never asked for again is overtaken.

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
    ages: bool = False

    def queue(self, uses: Iterable[Use]) -> list[Use]:
        """Return results in the order in which they go; of equals the one whose call came first goes first."""
        return sorted(uses, key=lambda use: (self.rank(use), use.id))

    def aged(self, uses: Iterable[Use]) -> float:
        """Return what a store's age becomes, at least, by the eviction of some results; 0 for a policy without ages."""
        return max((self.rank(use)[0] for use in uses), default=0.0) if self.ages else 0.0


def _by_access(use: Use) -> tuple[float, ...]:
    return (use.access_sequence,)


def _by_computation(use: Use) -> tuple[float, ...]:
    return (use.created_at,)


def _by_size(use: Use) -> tuple[float, ...]:
    return (-use.nbytes, use.access_sequence)


def _by_frequency(use: Use) -> tuple[float, ...]:
    return (use.age + use.access_count + 1, use.access_sequence)


def _by_worth(use: Use) -> tuple[float, ...]:
    return (use.age + (use.access_count + 1) * use.duration / (use.nbytes + RECORD_NBYTES), use.access_sequence)


LRU = Policy("lru", "access_sequence", _by_access)
"""Least recently used first."""

FIFO = Policy("fifo", "created_at", _by_computation)
"""First computed, first out, however often it was hit."""

LARGEST = Policy("largest", "nbytes DESC, access_sequence", _by_size)
"""Largest first; of equal ones the least recently used."""

LFU = Policy("lfu", "age + access_count + 1, access_sequence", _by_frequency, ages=True)
"""Least frequently used first, with ageing; of equals the least recently used.

A result is worth its uses and the age of the store at the last one. Without that, what was popular once
would stay for ever, and what is new would go at once. This is LFU with dynamic ageing of M. Arlitt,
L. Cherkasova, J. Dilley, R. Friedrich, T. Jin, *Evaluating content management techniques for web proxy
caches*, ACM SIGMETRICS Performance Evaluation Review 27(4), 2000.
"""

COST = Policy(
    "cost", f"age + (access_count + 1) * duration / (nbytes + {RECORD_NBYTES}), access_sequence", _by_worth, ages=True
)
"""First what saves the least compute time for the room it takes.

A result is worth its uses times the seconds that one of them saves, divided by its bytes (those of its
record are taken for 500), and the age of the store at the last use. This is Greedy-Dual-Size-Frequency of
L. Cherkasova, *Improving WWW proxies performance with Greedy-Dual-Size-Frequency caching policy*, HP
Laboratories report HPL-98-69R1, 1998, with compute time as the cost of a miss. Uses are counted over the
life of the record, so that what was evicted too early comes back with what it had earned.
"""

POLICIES: Mapping[str, Policy] = {policy.name: policy for policy in (LRU, LFU, FIFO, LARGEST, COST)}
"""The policies that ship, by name."""
