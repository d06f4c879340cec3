"""SQLite's write-ahead log, which must not grow: it counts in the budget.

SQLite begins it anew with a write that finds all copied back and no reader in it. Where somebody always reads,
that moment never comes by itself.
"""

from __future__ import annotations

import os
import time

from resultstore._index.connect import Connections
from resultstore.errors import BusyError

_BLOCKED = 8  # times the size at which the log is copied back
_LONG, _LONG_TRIES, _LONG_S, _READERS_S = 4, 6, 1.0, 0.01
_BLOCKED_TRIES, _BLOCKED_PAUSE_S, _BLOCKED_S = 20, 0.02, 30.0


class Log:
    """The log of one index. The caller holds the write gate."""

    def __init__(self, connections: Connections, pages: int) -> None:
        self._connections = connections
        self._blocked_nbytes = _BLOCKED * pages * 4096
        self._impatient_until = [0.0, 0.0]
        """Until when nobody waits any more for readers of a long log, and of one that is too long."""

    def keep_short(self) -> None:
        """Let short readers leave a log that is long; raise BusyError for one that a long reader keeps too long."""
        nbytes = self._nbytes()
        if nbytes <= self._blocked_nbytes // _LONG:
            return
        is_blocked = nbytes > self._blocked_nbytes
        # One that blocks is waited for once, not at every call.
        is_patient = time.monotonic() >= self._impatient_until[is_blocked]
        for _ in range((_BLOCKED_TRIES if is_blocked else _LONG_TRIES) if is_patient else 1):
            _, frames, copied = self._connections.writer().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if frames == copied:
                # Who begins to read from now on needs no log. When those that still read it are gone, the next
                # write begins it anew.
                time.sleep(_READERS_S)
                self._impatient_until = [0.0, 0.0]
                return
            time.sleep(_BLOCKED_PAUSE_S if is_blocked else _READERS_S)
        self._impatient_until[is_blocked] = time.monotonic() + (_BLOCKED_S if is_blocked else _LONG_S)
        if is_blocked:
            raise BusyError(
                f"another program has been reading {self._connections.path} for so long that its write-ahead log "
                "cannot be reused; close that program's transaction"
            )

    def _nbytes(self) -> int:
        try:
            return os.stat(self._connections.path + "-wal").st_size
        except OSError:
            return 0
