"""Accesses on their way to the index: noted in memory at every hit, written many at a time."""

from __future__ import annotations

from collections.abc import Sequence

from resultstore import _clock
from resultstore._index.index import Index

_FLUSH_S, _FLUSH_COUNT = 5.0, 20_000
_LOOK_S = 0.5
_NONE = 0, 0.0


class Accesses:
    """What one process has hit and not yet written. Writing needs the write gate, which the caller holds."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._written_at = self._looked_at = _clock.now()
        self._waiting: dict[int, tuple[int, float]] = {}
        self._placed: dict[int, tuple[int, float, int]] = {}

    def note(self, call_id: int) -> bool:
        """Note an access; say whether it is time to look what has become of the index, and perhaps to write."""
        now = _clock.now()
        entry = 1 + self._waiting.pop(call_id, _NONE)[0], now
        if self._waiting.setdefault(call_id, entry) is not entry:  # another thread's, in between
            self._add(call_id, *entry)
        return abs(now - self._looked_at) > _LOOK_S or len(self._waiting) > _FLUSH_COUNT

    def _add(self, call_id: int, count: int, at: float) -> None:
        """Count accesses, at the end: the order is that of the last one. No lock: others' are taken out and added."""
        while self._waiting.setdefault(call_id, entry := (count, at)) is not entry:
            count += self._waiting.pop(call_id, _NONE)[0]

    def are_due(self) -> bool:
        """Say whether it is time to write."""
        self._looked_at = now = _clock.now()
        return abs(now - self._written_at) > _FLUSH_S or len(self._waiting) > _FLUSH_COUNT

    def any(self) -> bool:
        """Say whether accesses wait; if not, the next time to write is counted from now."""
        self._written_at = _clock.now()
        return bool(self._waiting or self._placed)

    def place(self, first: int, moments: Sequence[float]) -> list[int]:
        """Return the places of results that are written now, in the sequence of all accesses, from ``first`` on.

        Accesses that were noted before such a moment get their places before it, though they are written later: so
        the order of eviction is that in which things happened in this process, and no miss pays for earlier hits.
        """
        noted, self._waiting = self._waiting, {}  # in one step: what others note from now on goes into the new one
        waiting = list(noted.items())
        places, done = [], 0
        for moment in moments:
            while done < len(waiting) and waiting[done][1][1] <= moment:
                call_id, (count, at) = waiting[done]
                self._placed[call_id] = (count + self._placed.get(call_id, (0,))[0], at, first)
                first, done = first + 1, done + 1
            places.append(first)
            first += 1
        if done < len(waiting):
            newer, self._waiting = self._waiting, dict(waiting[done:])
            for call_id, (count, at) in newer.items():
                self._add(call_id, count, at)
        return places

    def write(self) -> None:
        """Write the accesses that wait; where that fails they are lost, for they are only counts."""
        placed, self._placed = self._placed, {}
        waiting, self._waiting = self._waiting, {}
        if placed or waiting:
            self._index.touch([
                *((call_id, *known) for call_id, known in placed.items()),
                *((call_id, count, at, None) for call_id, (count, at) in waiting.items()),
            ])  # fmt: skip

    def forget(self, call_id: int | None = None) -> None:
        """Drop the accesses of a call, or all of them."""
        if call_id is None:
            self._waiting, self._placed = {}, {}
        else:
            self._waiting.pop(call_id, None)
            self._placed.pop(call_id, None)
