"""Room under the limit: what the store takes, and what goes so that more can come."""

from __future__ import annotations

from collections.abc import Callable

from resultstore._index.index import Dropped, Index
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
        flush: Callable[[], None],
        unlink: Callable[[Dropped], None],
    ) -> None:
        self._limit = limit
        self._index = index
        self._blobs = blobs
        self._journal = journal
        self._flush = flush
        self._unlink = unlink

    def disk_nbytes(self) -> int:
        """Return what the store takes on the disk, without a scan of its payloads."""
        files = self._index.disk_nbytes() + self._index.total().file_nbytes + self._journal.nbytes()
        return files + self._blobs.extra_nbytes() + _FOLDERS_NBYTES

    def make(self, incoming: int) -> None:
        """Evict, least recently used first, until so many more bytes fit. The gate is held."""
        limit = self._limit
        if limit is None or not self._index.connections.exists():
            return
        budget = Budget(limit)
        excess = budget.excess(self.disk_nbytes(), incoming + 4 * _RECORD_NBYTES)
        if not excess:
            return
        self._flush()
        excess -= self._sweep()
        while excess > 0:
            records_press = self._trim_records(budget)
            excess -= records_press
            if excess <= 0:
                break
            victims = self._index.victims(with_payload=not records_press) or self._index.victims(with_payload=False)
            if not victims:
                break
            chosen, nbytes = [], 0
            for call_id, stored in victims:
                chosen.append(call_id)
                nbytes += stored
                if nbytes >= excess:
                    break
            dropped = self._index.drop(chosen, keep_record="evicted to keep the size limit", counted=True)
            self._unlink(dropped)
            excess -= dropped.nbytes
            logger.info("evicted %d results (%s)", dropped.calls, format_size(dropped.nbytes))
        self._index.shrink()
        self.compact_journal()

    def _sweep(self) -> int:
        before = self._blobs.extra_nbytes()
        self._blobs.sweep(STALE_S)
        return before - self._blobs.extra_nbytes()

    def _trim_records(self, budget: Budget) -> int:
        """Forget the oldest records without payload while records take more than their share."""
        record_nbytes = self._index.used_nbytes() - self._index.total().inline_nbytes
        count = budget.record_excess(record_nbytes) // _RECORD_NBYTES
        oldest = self._index.oldest_dropped()[:count] if count else []
        if not oldest:
            return 0
        gone = self._index.drop(oldest).calls * _RECORD_NBYTES
        self._index.drop_unused_versions()
        return gone

    def compact_journal(self) -> None:
        """Rewrite the journal when more than half of its lines are of calls that are gone."""
        total = self._index.total()
        if total.journal_lines > 2 * total.file_calls + 100:
            self._index.set_journal_lines(self._journal.compact(self._index.file_keys()))
