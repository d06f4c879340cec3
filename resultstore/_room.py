"""Room under the limit: what the store takes, and what goes so that more can come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from resultstore._index.index import Index
from resultstore._journal import Journal
from resultstore._report import logger
from resultstore._sizes import format_size
from resultstore.blobs.base import Blobs
from resultstore.eviction import Budget

STALE_S = 60.0
"""Temporary files younger than this are never swept."""
_RECORD_NBYTES = 500
_FOLDERS_NBYTES = 20 * 4096


class Room:
    """The budget of one store at work. What evicts needs the write gate, which the caller holds."""

    def __init__(
        self,
        limit: int | None,
        index: Index,
        blobs: Blobs,
        journal: Journal,
        write_accesses: Callable[[], None],
        forget_file: Callable[[str], None],
    ) -> None:
        self._limit = limit
        self._index = index
        self._blobs = blobs
        self._journal = journal
        self._write_accesses = write_accesses
        self._forget_file = forget_file

    def disk_nbytes(self) -> int:
        """Return what the store takes on the disk, without a scan of its payloads."""
        files = self._index.disk_nbytes() + self._index.total().file_nbytes + self._journal.nbytes()
        return files + self._blobs.extra_nbytes() + _FOLDERS_NBYTES

    def make(self, incoming: int) -> None:
        """Evict, in the order of the policy, until so many more bytes fit. The gate is held."""
        limit = self._limit
        if limit is None or not self._index.connections.exists():
            return
        budget = Budget(limit)
        excess = budget.excess(self.disk_nbytes(), incoming + 4 * _RECORD_NBYTES)
        if not excess:
            return
        self._write_accesses()
        excess -= self._sweep()
        while excess > 0:
            freed = self._forget_records(budget, excess) or self._evict(excess) or self._evict_whole(excess)
            if not freed:
                break
            excess -= freed
        self._index.drop_unused_versions()
        self._index.shrink()
        self.compact_journal()

    def _forget_records(self, budget: Budget, excess: int) -> int:
        """Forget the oldest records of evicted results, as far as records take more than their share."""
        over = budget.record_excess(self._index.used_nbytes() - self._index.total().inline_nbytes)
        return self._forget_oldest(min(over, excess))

    def _forget_oldest(self, nbytes: int) -> int:
        count = -(-nbytes // _RECORD_NBYTES)
        oldest = self._index.oldest_dropped()[:count] if count else []
        return self._index.drop(oldest).calls * _RECORD_NBYTES if oldest else 0

    def _evict(self, excess: int) -> int:
        """Drop payloads of the results that go first and have any; their records stay."""
        chosen, nbytes = [], 0
        for call_id, stored in self._index.victims(with_payload=True):
            chosen.append(call_id)
            nbytes += stored
            if nbytes >= excess:
                break
        if not chosen:
            return 0
        dropped = self._index.drop(chosen, keep_record="evicted to keep the size limit", counted=True)
        self.unlink(dropped.files)
        logger.info("evicted %d results (%s)", dropped.calls, format_size(dropped.nbytes))
        return dropped.nbytes or 1  # shared payloads free nothing until their last result goes

    def _evict_whole(self, excess: int) -> int:
        """Drop records when nothing else is left: first of evicted results, then those that hold their result."""
        freed = self._forget_oldest(excess)
        if freed:
            return freed
        victims = self._index.victims(with_payload=False)[: -(-excess // _RECORD_NBYTES)]
        calls = self._index.drop([call_id for call_id, _ in victims], counted=True).calls if victims else 0
        logger.info("evicted %d results with their records", calls)
        return calls * _RECORD_NBYTES

    def unlink(self, files: Iterable[str]) -> None:
        """Delete files that no row names any more."""
        for name in files:
            self._forget_file(name)
            with contextlib.suppress(OSError):  # what stays is an orphan, which verify finds
                self._blobs.delete(name)

    def _sweep(self) -> int:
        before = self._blobs.extra_nbytes()
        self._blobs.sweep(STALE_S)
        return before - self._blobs.extra_nbytes()

    def compact_journal(self) -> None:
        """Rewrite the journal when more than half of its lines are of calls that are gone."""
        total = self._index.total()
        if total.journal_lines > 2 * total.file_calls + 100:
            self._index.set_journal_lines(self._journal.compact(self._index.file_keys()))
