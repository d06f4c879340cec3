"""Rows of calls that were read, for as long as nobody commits: a hit that is repeated needs no SELECT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from resultstore._facts import STORED, LeafFacts

if TYPE_CHECKING:
    from resultstore._index.pulse import Pulse, State

_MOST = 4096
_LONGEST = 4096
_BEGIN_AT = 4
"""Fetches without a memo before one is begun: a process that asks once or twice gains nothing."""
_AGAIN_AT = -16


class CallRow:
    """What a hit reads of a call. Threads share it; it is never changed, but for what is found out about it."""

    __slots__ = (
        "checksum", "created_at", "id", "integer", "kind", "leaf_count", "number", "state", "text", "verified",
    )  # fmt: skip

    def __init__(
        self,
        id: int,  # noqa: A002 -- the column's name
        state: str,
        kind: str | None,
        integer: int | None,
        number: float | None,
        text: str | None,
        leaf_count: int,
        checksum: bytes | None,
        created_at: float,
    ) -> None:
        self.id = id
        self.state = state
        self.kind = kind
        self.integer = integer
        self.number = number
        self.text = text
        self.leaf_count = leaf_count
        self.checksum = checksum
        self.created_at = created_at
        self.verified: tuple[LeafFacts, ...] | None = None
        """The leaves, once all of it was found to be as it was written."""

    def verify(self, leaves: tuple[LeafFacts, ...]) -> None:
        """Note that row and leaves are as they were written; large ones are looked up again each time."""
        if sum(len(leaf.payload.inline or b"") for leaf in leaves) <= _LONGEST:
            self.verified = leaves


if TYPE_CHECKING:
    Page = tuple[Pulse, State, dict[bytes, CallRow]]
    """Rows by key, as they stand while the index is in this state."""


class Recent:
    """The rows that one process has read of one index."""

    def __init__(self, open_pulse: Callable[[], Pulse | None]) -> None:
        self._open_pulse = open_pulse
        self.forget()

    def forget(self) -> None:
        """Begin anew, also in a forked child, which has no connection that the pulse could go by."""
        self._lock = threading.Lock()
        self.current: Page | None = None
        """What was read lately."""
        self._fetches = 0
        self._missed: dict[bytes, Page] = {}

    def drop(self) -> None:
        """Forget all that was read: the next connection may be to another file."""
        self.current = None

    def get(self, key: bytes) -> CallRow | None:
        """Return a row, if it was read and nothing was committed since."""
        page = self.current
        if page is None:
            return None
        pulse, state, rows = page
        if pulse.is_at(state):
            return rows.get(key)
        self._begin(pulse)
        return None

    def page(self) -> Page | None:
        """Return where a row belongs that is read from now on; None where nothing can be remembered."""
        if self.current is None:
            self._fetches += 1
            if self._fetches >= _BEGIN_AT:
                pulse = self._open_pulse()
                if pulse is None:
                    self._fetches = _AGAIN_AT
                else:
                    self._begin(pulse)
        return self.current

    def _begin(self, pulse: Pulse) -> None:
        state = pulse.now()
        if state is None:
            self._fetches = 0
        self.current = None if state is None else (pulse, state, {})

    def put(self, page: Page, key: bytes, row: CallRow) -> None:
        """Remember a row that was read after its page was asked for, unless there was a commit meanwhile.

        That a call has no result is not remembered: a result that waits to be written may be on its way.
        """
        if row.state != STORED or (row.text is not None and len(row.text) > _LONGEST):
            return
        pulse, state, rows = page
        # Never waited for: who has it may be this very thread, which a signal or the collector has interrupted.
        if self._lock.acquire(blocking=False):
            try:
                if self.current is page and pulse.is_at(state):
                    if len(rows) >= _MOST:
                        rows.clear()
                    rows[key] = row
            finally:
                self._lock.release()

    def miss(self, page: Page, key: bytes) -> None:
        """Note that no row was found for a key, after its page was asked for."""
        if len(self._missed) >= _MOST:
            self._missed.clear()
        self._missed[key] = page

    def lacks(self, key: bytes) -> bool:
        """Say whether nothing was committed since a key was noted as missed; it is asked once."""
        page = self._missed.pop(key, None)
        return page is not None and page is self.current and page[0].is_at(page[1])

    def turn(self, page: Page | None, altered: Iterable[bytes]) -> None:
        """Go on with a page after a commit of our own that altered no other rows than these.

        The page is that from before the commit. If others have committed as well, all is forgotten.
        """
        if page is None:
            return
        from resultstore._index.pulse import follows

        pulse, before, rows = page
        after = pulse.now()
        if after is None or not follows(after, before):
            return
        if not self._lock.acquire(blocking=False):
            self.current = None  # a row may just be put there that this commit has altered
            return
        try:
            if self.current is page:
                for key in altered:
                    rows.pop(key, None)
                self.current = (pulse, after, rows)
        finally:
            self._lock.release()
