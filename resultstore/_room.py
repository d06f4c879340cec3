"""Room under the limit: what the store takes, and what goes so that more can come."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from resultstore._bounds import filled_by_pins
from resultstore._index.index import Dropped, Index
from resultstore._journal import Journal
from resultstore._place import sweep_unfinished
from resultstore._remains import Remains
from resultstore._report import logger
from resultstore._sizes import format_size
from resultstore._writing import Writing
from resultstore.blobs.base import Blobs
from resultstore.errors import BusyError
from resultstore.eviction import LRU, RECORD_BATCH, RECORD_NBYTES, Budget, Policy, Use

STALE_S = 60.0
"""Temporary files younger than this are never swept."""
_DEAD_S = 1.0
"""Those of processes that are gone are swept so soon where they are in the way."""
_ROOM_WAIT_S, _ROOM_PAUSE_S, _CROWDED_S = 5.0, 0.005, 30.0
_BACKUP_S = 7 * 86400.0
"""Copies that upgrades have made stay for so long, whatever room they take."""
_SWEEP_EVERY_S = 3600.0
_FOLDERS_NBYTES = 20 * 4096
_NEEDED_NBYTES = 1_000_000
"""On a disk with less than this SQLite may have no room for its log."""


class Room:
    """The budget of one store at work. What evicts needs the write gate, which the caller holds."""

    def __init__(
        self,
        place: str,
        limit: int | None,
        index: Index,
        blobs: Blobs,
        journal: Journal,
        write_accesses: Callable[[], None],
        forget_file: Callable[[str], None],
        remains: Remains,
    ) -> None:
        self._place = place
        self._limit = limit
        self._index = index
        self._blobs = blobs
        self._journal = journal
        self._write_accesses = write_accesses
        self._forget_file = forget_file
        self._crowded_until = 0.0
        self._sweep_at = 0.0
        self.remains = remains
        self.is_repairing = False
        """Whether what a lost index has left is just being read, and must stay."""

    def disk_nbytes(self) -> int:
        """Return what the store takes on the disk, without a scan of its payloads."""
        files = self._index.disk_nbytes() + self._index.total().file_nbytes + self._journal.nbytes()
        return files + self._blobs.extra_nbytes() + self.remains.nbytes() + _FOLDERS_NBYTES

    def has(self, incoming: int) -> bool:
        """Say whether so many more bytes fit without anything being evicted."""
        limit = self._limit
        return limit is None or not Budget(limit).excess(self.disk_nbytes(), incoming + 4 * RECORD_NBYTES)

    def holds(self, incoming: int) -> bool:
        """Say whether so many more bytes would keep the limit itself."""
        return self._limit is None or self.disk_nbytes() + incoming <= self._limit

    def is_crowded(self, besides: Collection[str] = ()) -> bool:
        """Say whether somebody is writing another result at this moment, which can go as soon as it is there."""
        self._blobs.sweep(_DEAD_S)
        return self._blobs.staged_nbytes(besides) > 0

    def demand(self, incoming: int, nbytes: int, besides: Collection[str] = ()) -> None:
        """Make room for a result of so many bytes; raise TooLargeError if what is pinned leaves none.

        What others are writing at this moment is no reason: it can go as soon as it is there. The gate is held.
        """
        if not self.make(incoming) and not self.is_crowded(besides):
            raise filled_by_pins(nbytes)

    def reserve(self, coming: Mapping[int, int], tickets: dict[int, str], writing: Writing) -> None:
        """Make room for files before their bytes lie there, and have others count them from now on."""
        nbytes = sum(coming.values())
        until = time.monotonic() + (_ROOM_WAIT_S if time.monotonic() >= self._crowded_until else 0)
        while True:
            with writing():
                leaves_room = self.make(nbytes)
                if self.holds(nbytes) or not self.is_crowded():
                    if not leaves_room:
                        raise filled_by_pins(nbytes)
                    tickets.update((i, self._blobs.reserve(coming[i])) for i in coming)
                    return
            if time.monotonic() >= until:
                self._crowded_until = time.monotonic() + _CROWDED_S
                raise BusyError("results that others are writing at this moment fill the store")
            time.sleep(_ROOM_PAUSE_S)

    def make(self, incoming: int) -> bool:
        """Evict, in the order of the policy, until so many more bytes fit; say whether they do. The gate is held."""
        if time.monotonic() >= self._sweep_at:
            self.sweep()  # what killed processes left, at this one's first write, and now and then
        limit = self._limit
        if limit is None or not self._index.connections.exists():
            return True
        budget = Budget(limit)
        self._make_order(budget)
        excess = budget.excess(self.disk_nbytes(), incoming + 4 * RECORD_NBYTES)
        if not excess:
            return True
        self._write_accesses()
        self._index.queue.adopt()
        excess -= self._sweep()
        if excess > 0 and not self.is_repairing:
            excess -= self.remains.give_up(excess)
        while excess > 0:
            freed = self._forget_records(budget, excess) or self._evict(excess) or self._evict_whole(excess)
            if not freed:
                break
            excess -= freed
        self._index.drop_unused_versions()
        self._index.shrink()
        self.compact_journal()
        return excess <= 0 or self.disk_nbytes() + incoming <= limit or not self._index.queue.any_pinned()

    def make_for(self, function: str, limit: int, incoming: int) -> None:
        """Evict a function's own results until so many more bytes fit into its budget. The gate is held."""
        queue = self._index.queue
        over = queue.nbytes_of(function) + incoming - limit
        if over <= 0:
            return
        self._write_accesses()
        queue.make(by_version=True)
        queue.adopt()
        while over > 0:
            chosen = _until(over, queue.victims_of(function))
            if not chosen:
                return
            self._drop(chosen, "evicted to keep the size limit of its function")
            over = queue.nbytes_of(function) + incoming - limit

    def order(self) -> None:
        """See to it that results can be chosen in the order of the policy. The gate is held."""
        self._make_order(None if self._limit is None else Budget(self._limit))
        self._index.queue.adopt()

    def _make_order(self, budget: Budget | None) -> None:
        """Make the indexes of the policy, which take room as well: until they stand, the oldest go."""
        if self._index.queue.is_made():
            return
        excess = 0 if budget is None else budget.excess(self.disk_nbytes(), self._index.queue.nbytes_to_make())
        while excess > 0:
            freed = self._evict(excess, LRU)
            if not freed:
                break
            excess -= freed
        self._index.queue.make()
        self._index.shrink()

    def _forget_records(self, budget: Budget, excess: int) -> int:
        """Forget the oldest records of evicted results, as far as records take more than their share."""
        over = budget.record_excess(self._index.used_nbytes() - self._index.total().inline_nbytes)
        return self._forget_oldest(min(over, excess))

    def _forget_oldest(self, nbytes: int) -> int:
        count = min(-(-nbytes // RECORD_NBYTES), RECORD_BATCH)
        oldest = self._index.queue.dropped(count) if count else []
        if not oldest:
            return 0
        dropped = self._index.drop(oldest)
        self.settle(dropped)
        return dropped.calls * RECORD_NBYTES

    def _evict(self, excess: int, policy: Policy | None = None) -> int:
        """Drop payloads of the results that go first and have any; their records stay."""
        chosen = _until(excess, self._index.queue.victims_with_payload(policy))
        if not chosen:
            return 0
        dropped = self._drop(chosen, "evicted to keep the size limit", policy)
        return dropped.nbytes or 1  # shared payloads free nothing until their last result goes

    def _drop(self, chosen: list[Use], reason: str, policy: Policy | None = None) -> Dropped:
        if policy is None:
            dropped = self._index.evict(chosen, reason)
        else:  # another policy's choice says nothing of what ours thinks worth keeping
            dropped = self._index.drop([use.id for use in chosen], keep_record=reason, counted=True)
        self.settle(dropped)
        logger.info("evicted %d results (%s)", dropped.calls, format_size(dropped.nbytes))
        return dropped

    def _evict_whole(self, excess: int) -> int:
        """Drop records when nothing else is left: first of evicted results, then those that hold their result.

        None go where all of them would not be enough, because what is pinned fills the store.
        """
        if excess > self._index.used_nbytes() and self._index.queue.any_pinned():
            return 0
        freed = self._forget_oldest(excess)
        if freed:
            return freed
        victims = self._index.queue.victims(min(-(-excess // RECORD_NBYTES), RECORD_BATCH))
        if not victims:
            return 0
        dropped = self._index.evict(victims, None)
        self.settle(dropped)
        logger.info("evicted %d results with their records", dropped.calls)
        return dropped.calls * RECORD_NBYTES

    def settle(self, dropped: Dropped) -> None:
        """Delete files that no row names any more, and see to it that no repair brings back what was dropped."""
        if dropped.keys:
            with contextlib.suppress(OSError):
                self._journal.strike(dropped.keys)
        self._delete(dropped.files)

    def make_on_a_full_disk(self, call_ids: Iterable[int]) -> bool:
        """Delete the files of results that are to go, before their rows; say whether that can have helped.

        SQLite needs some 128 KiB for its log before it can drop a row. A crash in between leaves rows without files,
        which are misses; a disk that nothing can be removed from would be worse.
        """
        try:
            found = os.statvfs(self._place)
            if found.f_bavail * found.f_frsize >= _NEEDED_NBYTES:
                return False
        except (AttributeError, OSError):  # Windows does not tell
            return False
        files = self._index.queue.files_of(call_ids)
        self._delete(files)
        return bool(files)

    def _delete(self, files: Iterable[str]) -> None:
        for name in files:
            self._forget_file(name)
            with contextlib.suppress(OSError):  # what stays is an orphan, which verify finds
                self._blobs.delete(name)

    def sweep(self) -> None:
        """Remove the temporary files of processes that were killed. The gate is held."""
        self._sweep_at = time.monotonic() + _SWEEP_EVERY_S
        with contextlib.suppress(OSError):
            self._blobs.sweep(STALE_S)
            sweep_unfinished(self._place, STALE_S)

    def _sweep(self) -> int:
        before = self._blobs.extra_nbytes()
        self.sweep()
        return before - self._blobs.extra_nbytes() + self._index.backups.drop(_BACKUP_S)

    def compact_journal(self) -> None:
        """Rewrite the journal when more than half of its lines are of calls that are gone."""
        total = self._index.total()
        if total.journal_lines > 2 * total.file_calls + 100:
            self._index.set_journal_lines(self._journal.compact(self._index.file_keys()))


def _until(nbytes: int, uses: Iterable[Use]) -> list[Use]:
    """Return the first results that are so many bytes together."""
    chosen = []
    for use in uses:
        chosen.append(use)
        nbytes -= use.nbytes
        if nbytes <= 0:
            break
    return chosen
