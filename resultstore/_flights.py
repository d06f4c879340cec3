"""Single flight: one computation of a call at a time, across threads, tasks and processes.

Whoever misses takes a turn at the key. Within a process a table knows who has it; across processes a lock on one byte
of an empty file says so (2 us; the kernel frees it 1 to 2 ms after its owner is killed). Nothing is written, no
clock is asked, nothing is left to sweep, and a computation that lives is never taken over, however long it is.

Whoever comes second waits, by short naps that a signal or a cancellation ends, and then looks into the store. Nobody
waits where that could last for ever: for a turn that waits for one's own, for a process that one descends from, or
more than twice for computations that stored nothing. Then the call is computed as well: double work, and no harm.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Generator, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from resultstore import _lifetime
from resultstore._loaded import loaded
from resultstore._locks import KeyLocks
from resultstore._waiting import Waiting

_FRUITLESS = 2
"""After so many computations that stored nothing a caller no longer waits: each waiter's turn would come last."""
_SHORTEST_S, _LONGEST_S, _SHARE = 0.001, 0.05, 0.1
_STUCK_S = 5.0
"""How long the owner of a turn must have been waiting itself before one that is waited for, too, goes on alone."""
_THREADS_S, _FAMILY_S = 1.0, 1.0

_turns: ContextVar[tuple[Turn, ...]] = ContextVar("resultstore_turns", default=())
"""The turns that the present context is inside of; tasks inherit them, which is what tells a task of one's own."""


class Flights:
    """The computations of one place that are under way."""

    def __init__(self, place: str, waiting: Waiting) -> None:
        self.locks = KeyLocks(place)
        self._waiting = waiting
        waiting.landed = self._landed
        self.renew()

    def renew(self) -> None:
        """Begin anew in a forked child: turns are the parent's, and so are their locks."""
        self.locks.renew()
        self.running: dict[bytes, Turn] = {}
        self._landing: set[bytes] = set()
        self.overdue: set[bytes] = set()
        """Keys that are free but for their locks: at the recursion limit nothing can be called."""

    def turn(self, key: bytes) -> Turn:
        """Return a turn at a key, which `Turn.begin` may get."""
        return Turn(self, key)

    def release(self, key: bytes) -> None:
        """Free a key's lock; that of a result that waits to be written is freed when it is."""
        if key in self._waiting:
            self._landing.add(key)
            if key in self._waiting:
                self.overdue.discard(key)
                return
            self._landing.discard(key)
        for late in tuple(self.overdue):
            if late == key or late not in self.running:
                self.locks.unlock(late)
            self.overdue.discard(late)

    def _landed(self, keys: Iterable[bytes]) -> None:
        for key in self._landing.intersection(keys):
            self._landing.discard(key)
            if key not in self.running:
                self.locks.unlock(key)

    def close(self) -> None:
        """Close the file of the locks, unless one is held."""
        if not self.running and not self._landing:
            self.locks.close()


class Turn:
    """One caller's turn at computing a key."""

    __slots__ = (
        "_alone", "_before", "_blocked_on", "_flights", "_fruitless", "_has_marked", "_is_locked", "_key", "_other",
        "_thread", "_waiters", "has_waited", "is_over", "loop", "stored",
    )  # fmt: skip

    def __init__(self, flights: Flights, key: bytes) -> None:
        self._flights = flights
        self._key = key
        self._thread = threading.get_ident()
        self._before: tuple[Turn, ...] | None = None
        self._other: Turn | None = None
        self._blocked_on: dict[Turn, None] = {}
        self._waiters: list[threading.Event] = []
        self._alone = self._is_locked = self._has_marked = False
        self._fruitless = 0
        self.has_waited = False
        self.loop: Any = None
        """The event loop that a coroutine has its turn in."""
        self.is_over = False
        self.stored: bool | None = None
        """Whether a result came of it that others find; None while that is not known."""

    def begin(self) -> bool:
        """Try to get the turn; say whether the caller is to compute, which it is also where it must not wait."""
        around = tuple(turn for turn in _turns.get() if not turn.is_over)
        is_within = any(turn._key == self._key and turn._flights is self._flights for turn in around)
        if not (is_within or self._alone or self._fruitless >= _FRUITLESS):
            other = self._flights.running.setdefault(self._key, self)
            if other is not self:
                self._other = other
                return False
            self._other = None
            self._is_locked = True  # an interrupt, before the answer is known, must not leave it locked
            locked = self._flights.locks.try_lock(self._key)
            self._is_locked = locked is True
            if locked is False:
                return False
        self._before = around
        _turns.set((*around, self))
        return True

    def wait(self) -> None:
        """Wait until the one that has the turn is done, or need not be waited for."""
        event = threading.Event()
        with contextlib.closing(self.naps(event)) as naps:
            for nap_s in naps:
                event.wait(nap_s)

    def naps(self, event: threading.Event | None = None) -> Generator[float, None, None]:
        """Yield how long to sleep, in seconds, until there is nothing more to wait for.

        With an event the whole thread sleeps; it is set when another thread is done. Without one, a task does.
        """
        other = self._other
        around = tuple(turn for turn in _turns.get() if not turn.is_over)
        if other is not None and event is not None:
            other._waiters.append(event)
        waited_for = _Waited(self, around, as_thread=event is not None)
        began = time.monotonic()
        self.has_waited = True
        try:
            for turn in around:
                turn._block(other)
            while not (other.is_over if other is not None else self._flights.locks.is_free(self._key)):
                waited_s = time.monotonic() - began
                if waited_for.may_last_for_ever(waited_s):
                    self._alone = True
                    return
                yield min(max(waited_s * _SHARE, _SHORTEST_S), _LONGEST_S)
        finally:
            for turn in around:
                turn._unblock(other)
        self._fruitless += 1
        self._alone = other is not None and other.stored is False

    def _block(self, other: Turn | None) -> None:
        if not self._blocked_on and self._is_locked:
            self._has_marked = True
            self._flights.locks.mark(self._key)
        self._blocked_on[other or self] = None

    def _unblock(self, other: Turn | None) -> None:
        self._blocked_on.pop(other or self, None)
        if not self._blocked_on and self._is_locked:
            self._flights.locks.unmark(self._key)

    def ahead(self) -> set[Turn]:
        """Return the turn itself and those that it waits for, directly or through others."""
        seen: set[Turn] = set()
        ahead = [self]
        while ahead:
            turn = ahead.pop()
            if turn not in seen:
                seen.add(turn)
                ahead += list(turn._blocked_on)
        return seen

    def end(self) -> None:
        """Let others have the turn, whatever has become of it. After an interrupt it is to be called again."""
        # As few calls as can be: the recursion limit may be near.
        flights, key = self._flights, self._key
        # Another context is left as it is: the collector closes a coroutine wherever it happens to run.
        if self._before is not None and _turns.get()[-1:] == (self,):
            _turns.set(self._before)
        try:
            if flights.running.get(key) is self:
                if self._is_locked and not self.is_over:
                    flights.overdue.add(key)
                    flights.release(key)
                    if self._has_marked:  # an interrupted wait may have left it
                        flights.locks.unmark(key)
                self.is_over = True
                flights.running.pop(key, None)
            self.is_over = True
            for event in self._waiters:
                event.set()
        except RecursionError:  # who waits finds out at the next nap, and a turn further up frees the lock
            self.is_over = True
            if flights.running.get(key) is self:
                flights.running.pop(key, None)


class _Waited:
    """Judges of one wait whether it may last for ever."""

    def __init__(self, turn: Turn, around: tuple[Turn, ...], *, as_thread: bool) -> None:
        self._turn = turn
        self._around = around
        self._as_thread = as_thread
        self._may_be_joined = as_thread and (
            _runs_a_loop() or threading.current_thread() is not threading.main_thread()
        )
        self._looked_s = -_FAMILY_S
        self._peeked_s = 0.0
        self._stuck_since: float | None = None

    def may_last_for_ever(self, waited_s: float) -> bool:
        """Say whether what is waited for may be waiting for the caller itself."""
        other, around = self._turn._other, self._around
        if other is None:
            return self._waits_for_family(waited_s) or self._is_stuck(waited_s)
        ahead = other.ahead()
        if not ahead.isdisjoint(around):
            return True
        if other._thread == threading.get_ident():
            return self._as_thread or _stands_still(other)  # it cannot go on meanwhile
        if waited_s - self._peeked_s < _THREADS_S:
            return False
        self._peeked_s = waited_s
        if any(map(_stands_still, ahead)):
            return True
        from resultstore import _standing  # hardly anybody waits for so long

        threads = {turn._thread for turn in ahead if not turn._blocked_on}
        return any(
            (self._may_be_joined and _standing.waits_for_threads(thread)) or _standing.needs_lock_of_ours(thread)
            for thread in threads
        )

    def _waits_for_family(self, waited_s: float) -> bool:
        """Say whether the process that computes is one that this one descends from, and works for perhaps."""
        if waited_s - self._looked_s < _FAMILY_S:
            return False
        self._looked_s = waited_s
        owner = self._turn._flights.locks.owner(self._turn._key)
        return owner is not None and owner in _ancestors()

    def _is_stuck(self, waited_s: float) -> bool:
        """Say whether caller and owner have both been waiting for others for long: maybe for each other."""
        if not self._around or not self._turn._flights.locks.is_marked(self._turn._key):
            self._stuck_since = None
            return False
        if self._stuck_since is None:
            self._stuck_since = waited_s
        return waited_s - self._stuck_since > _STUCK_S


def _stands_still(turn: Turn) -> bool:
    """Say whether a coroutine's loop was stopped or closed before it was done: it may never go on."""
    return turn.loop is not None and not turn.loop.is_running()


def _runs_a_loop() -> bool:
    events = loaded("asyncio.events")
    return events is not None and events._get_running_loop() is not None


def _ancestors() -> Iterator[int]:
    """Yield the processes that this one descends from, the nearest first; only that where the system tells no more."""
    process = os.getppid()
    while process > 1:
        yield process
        try:
            with open(f"/proc/{process}/stat", "rb") as file:
                process = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return


_at: weakref.WeakValueDictionary[str, Flights] = weakref.WeakValueDictionary()


def flights_at(place: str, waiting: Waiting) -> Flights:
    """Return the computations of a place, the same for all stores of this process."""
    real = os.path.realpath(place)
    with _lifetime.opening:
        flights = _at.get(real)
        if flights is None:
            flights = _at[real] = Flights(place, waiting)
        return flights
