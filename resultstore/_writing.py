"""What comes before every write: the place is there, the gate is held, the index is as this version needs it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from resultstore._index.index import Index
from resultstore._locks import Gate
from resultstore._place import make_place
from resultstore.errors import BusyError, SchemaError

GATE_WAIT_S = 10.0
_UPGRADE_WAIT_S, _PAUSE_S = 600.0, 30.0


class Writing:
    """Holds the write gate of a place, which is made if it is not there."""

    def __init__(self, place: str, gate: Gate, index: Index, warn: Callable[[str, str, str], None]) -> None:
        self._place = place
        self._gate = gate
        self._index = index
        self.warn = warn
        self._busy_until = 0.0
        self._settle_from, self._unsettled = 0.0, ""
        self.heal: Callable[[BaseException], bool] = _never
        """Sets a damaged index aside; says whether to try again."""

    @contextlib.contextmanager
    def __call__(self, most_s: float | None = None) -> Iterator[None]:
        make_place(self._place)
        # One wait is enough: while a stuck process holds the gate, later calls do not wait for it as well.
        wait_s = GATE_WAIT_S if time.monotonic() >= self._busy_until else 0
        try:
            with self._gate.held(wait_s if most_s is None else min(wait_s, most_s)):
                self._busy_until = 0.0
                if self._index.is_unsettled:
                    self._settle()
                yield
        except BusyError:
            if most_s is None and not self._index.connections.is_writing_here():
                self._busy_until = time.monotonic() + _PAUSE_S
            raise
        if self._index.connections.notice:
            self.warn("", "journal", self._index.connections.notice)
            self._index.connections.notice = ""

    def settle(self) -> None:
        """Bring an index of an older version to ours when it is opened; tell it where that cannot be done."""
        if self._index.is_unsettled:
            try:
                with self._gate.held(_UPGRADE_WAIT_S):
                    self._settle()
            except Exception as error:
                self.tell_unsettled(error)

    def _settle(self) -> None:
        """Try to, unless that failed just now; raise SchemaError where the index stays as it is."""
        if time.monotonic() >= self._settle_from:
            try:
                self._index.settle()
            except Exception as error:  # whatever SQLite, Alembic or the system raise
                self.heal(error)
                self._unsettled = str(error)
                self._settle_from = time.monotonic() + _PAUSE_S
        if self._index.is_unsettled:
            raise SchemaError(self._unsettled)

    def tell_unsettled(self, error: Exception) -> bool:
        """Tell that the index cannot be used, if that is why something has failed; say whether it is."""
        if not self._index.is_unsettled:
            return False
        self.warn(
            "",
            "upgrade",
            f"the index of {self._place} cannot be used as it is, and could not be brought to this version ({error}); "
            "computing instead",
        )
        return True


def _never(error: BaseException) -> bool:
    return False
