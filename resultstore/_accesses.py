"""Accesses on their way to the index: noted in memory at every hit, written many at a time."""

from __future__ import annotations

from resultstore import _clock
from resultstore._index.index import Index

_FLUSH_S, _FLUSH_COUNT = 5.0, 20_000


class Accesses:
    """What one process has hit and not yet written. Writing needs the write gate, which the caller holds."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._waiting: dict[int, tuple[int, float]] = {}
        self._written_at = _clock.now()

    def note(self, call_id: int) -> bool:
        """Note an access; say whether it is time to write."""
        now = _clock.now()
        count = self._waiting.pop(call_id, (0, 0.0))[0]
        self._waiting[call_id] = (count + 1, now)  # at the end: the order is that of the last access
        return abs(now - self._written_at) > _FLUSH_S or len(self._waiting) > _FLUSH_COUNT

    def any(self) -> bool:
        """Say whether accesses wait; if not, the next time to write is counted from now."""
        self._written_at = _clock.now()
        return bool(self._waiting)

    def write(self) -> None:
        """Write the accesses that wait; where that fails they are lost, for they are only counts."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self._index.touch([(call_id, count, at) for call_id, (count, at) in waiting.items()])

    def forget(self, call_id: int | None = None) -> None:
        """Drop the accesses of a call, or all of them."""
        if call_id is None:
            self._waiting = {}
        else:
            self._waiting.pop(call_id, None)
