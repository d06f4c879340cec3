"""Results of short calls on their way to the index: in a burst of them, many are written in one transaction.

A commit costs as much for one call as for twenty: some ten pages of the log, two system calls each. So when short
calls come thick and fast, their results wait in memory, for 20 ms at most, and are written together. What asks the
index for more than one call's row writes them first, as do closing, forking, sending a store and the end of the
process; only a process that is killed loses what was waiting, which took it 20 ms to compute.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence

from resultstore import _lifetime
from resultstore._facts import CallFacts
from resultstore._loaded import loaded

LONGEST_S = 0.002
"""A call that took longer is written at once: there, a transaction of its own does not count."""
MOST_S = 0.02
"""How long results wait at most, while the process runs."""
_BURST_CALLS, _BURST_GAP_S = 32, 0.2
"""A burst is this many calls in a row, each so soon after the one before."""
_IDLE_S = 0.2


class Waiting:
    """The results of one place that wait in this process, whichever of its stores computed them."""

    def __init__(self) -> None:
        self.landed: Callable[[Sequence[bytes]], None] = _do_nothing
        """Called with the keys of results that no longer wait."""
        self.budgets: set[object] = set()
        """The limits of the stores that share this: with unlike ones nothing waits, for any of them may write it."""
        self._writers: list[weakref.WeakMethod[Callable[[], None]]] = []
        self.renew()

    def join(self, write: Callable[[], None]) -> None:
        """Let a store write what waits; it is not kept alive by that."""
        self._writers.append(weakref.WeakMethod(write))

    def leave(self, write: Callable[[], None]) -> bool:
        """Let a store write no more; say whether another one will."""
        self._writers = [ref for ref in self._writers if ref() not in (None, write)]
        return bool(self._writers)

    def renew(self) -> None:
        """Begin anew in a forked child: what waits is the parent's to write, and its thread is not here."""
        # One that a thread may take twice: the collector may drop a store, which writes, wherever memory is asked for.
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._calls: dict[bytes, CallFacts] = {}
        self._earlier: list[CallFacts] = []
        self._writing: dict[bytes, CallFacts] = {}
        self.taken: Sequence[CallFacts] = ()
        """What was taken to be written, until it is: an interrupt may keep `take` from returning it."""
        self._nbytes = 0
        self._since = self._last = 0.0
        self._run = 0
        self._is_daemon = False
        self._thread: threading.Thread | None = None
        self._stopped = False

    def __bool__(self) -> bool:
        return bool(self._calls or self._writing)

    def __contains__(self, key: object) -> bool:
        return key in self._calls or key in self._writing

    def is_burst(self) -> bool:
        """Count a result that is about to be kept; say whether it is one of many in short time."""
        self._run = self._run + 1 if time.monotonic() - self._last < _BURST_GAP_S else 0
        if self._run == _BURST_CALLS:
            self._is_daemon = _is_daemon()
        return self._run >= _BURST_CALLS and not self._is_daemon

    def kept(self) -> None:
        """Note when a result was kept: what keeping takes, on a busy machine, is no pause between two calls."""
        self._last = time.monotonic()

    def add(self, call: CallFacts, nbytes: int, most_nbytes: int) -> bool:
        """Let a result wait; say whether it is time to write."""
        now = time.monotonic()
        with self._lock:
            is_due = False
            if not self._calls:
                self._since = now
                is_due = self._watch()
            earlier = self._calls.pop(call.key, None)
            if earlier is not None:  # threads have computed it at once: each counts
                self._earlier.append(earlier)
            self._calls[call.key] = call
            self._nbytes += nbytes
            return is_due or now - self._since >= MOST_S or self._nbytes >= most_nbytes

    def take(self, wait_s: float = -1) -> Sequence[CallFacts]:
        """Return what waits, oldest first, to be written now by the caller, who calls `written` in the end.

        Nothing is returned if others keep the lock for longer than ``wait_s``.
        """
        none: tuple[dict[bytes, CallFacts], list[CallFacts]] = {}, []
        was_ours = self._lock._is_owned()  # type: ignore[attr-defined]
        try:
            if not was_ours and not self._lock.acquire(timeout=wait_s):
                return ()
            calls, earlier = self._calls, self._earlier
            self.taken = [*earlier, *calls.values()]
            self._calls, self._earlier = none
            self._nbytes = 0
            self._writing |= calls
        finally:  # whether it was taken is not remembered: an interrupt may come before that
            if not was_ours:
                try:  # noqa: SIM105 -- nor may one come before this
                    self._lock.release()
                except RuntimeError:
                    pass
        return self.taken

    def put_back(self, calls: Sequence[CallFacts]) -> None:
        """Let calls wait on that were taken: somebody interrupted their being written."""
        with self._lock:
            self._earlier += [call for call in calls if call.key in self._calls]
            self._calls = {call.key: call for call in calls} | self._calls
            self._watch()

    def written(self, calls: Sequence[CallFacts]) -> None:
        """Say that calls are in the index now, or lost."""
        self.taken = ()
        for call in calls:
            self._writing.pop(call.key, None)
        if calls:
            self.landed([call.key for call in calls])

    # -- the thread that writes what is left when a burst is over

    def _watch(self) -> bool:
        """See to it that what waits is written in the end; say whether that cannot be."""
        if self._thread is not None:
            self._changed.notify()
        elif not self._stopped:  # else `resume` does it
            thread = threading.Thread(target=self._run_thread, name="resultstore-writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # this process may have no more threads, or is about to end
                return True
            self._thread = thread
        return False

    def _run_thread(self) -> None:
        try:
            self._write_when_due()
        finally:  # a warning may be an error
            with self._lock:
                if self._thread is threading.current_thread():
                    self._thread = None

    def _write_when_due(self) -> None:
        while True:
            with self._lock:
                idle = not self._calls and not self._changed.wait(_IDLE_S) and not self._calls
                if idle or self._stopped:  # whoever stops it writes what waits
                    self._thread = None
                    return
                # Twice the time, so that it finds nothing to do as long as the burst goes on.
                wait_s = self._since + 2 * MOST_S - time.monotonic()
                if wait_s > 0:
                    self._changed.wait(wait_s)
                due = bool(self._calls) and time.monotonic() - self._since >= 2 * MOST_S
                write = next((write for ref in self._writers if (write := ref()) is not None), None)
                if due and write is None:  # the store is gone
                    self._thread = None
                    return
            if due and write is not None:
                write()
            write = None

    def stop(self) -> None:
        """End the thread: a fork is coming, which should find none."""
        with self._lock:
            self._stopped = True
            thread = self._thread
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def resume(self) -> None:
        """Allow a thread again."""
        with self._lock:
            self._stopped = False
            if self._calls:
                self._watch()


def _do_nothing(keys: Sequence[bytes]) -> None:
    pass


def _is_daemon() -> bool:
    """Say whether this is a process that another one will kill when it is done: ``with multiprocessing.Pool()``."""
    process = loaded("multiprocessing.process")
    return process is not None and bool(process.current_process().daemon)


_at: weakref.WeakValueDictionary[str, Waiting] = weakref.WeakValueDictionary()


def waiting_at(place: str) -> Waiting:
    """Return what waits for a place, the same for all stores of this process."""
    real = os.path.realpath(place)
    with _lifetime.opening:
        waiting = _at.get(real)
        if waiting is None:
            waiting = _at[real] = Waiting()
        return waiting
