"""The half of the vault that changes what is kept: row first, then file, under the write gate."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from resultstore import _clock
from resultstore._accesses import Accesses
from resultstore._facts import FunctionFacts
from resultstore._index.connect import told
from resultstore._index.index import Dropped, Index
from resultstore._index.opened import ERRORS
from resultstore._keeping import Keeper
from resultstore._remains import Remains
from resultstore._room import Room
from resultstore._writing import Writing
from resultstore.errors import BusyError, MissingError
from resultstore.eviction import Use

if TYPE_CHECKING:
    from resultstore._index.findings import Found


class Dropping:
    """What a vault does to calls that it has."""

    _accesses: Accesses
    _keeper: Keeper
    _room: Room
    _writing: Writing
    functions: weakref.WeakSet[Any]
    index: Index
    remains: Remains

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the write gate, with all results written that wait."""
        with self._writing():
            self._keeper.write_waiting()
            yield

    def accept(self, facts: FunctionFacts, accepted: Iterable[int], reason: str) -> None:
        """Note on record that a version takes over the results of others."""
        with told(self.index.connections.path), self.changing():
            self.index.accept(facts, accepted, reason, _clock.now())

    def drop(self, call_ids: Iterable[int], *, keep_record: str | None = None) -> Dropped:
        """Drop calls, row first, then file. With ``keep_record``, a reason, only their payloads go."""
        call_ids = list(call_ids)
        try:
            return self._drop(call_ids, keep_record)
        except BusyError:
            raise
        except (OSError, *ERRORS):
            with self._writing():
                if not self._room.make_on_a_full_disk(call_ids):
                    raise
        return self._drop(call_ids, keep_record)

    def _drop(self, call_ids: list[int], keep_record: str | None) -> Dropped:
        with self.changing():
            dropped = self.index.drop(call_ids, keep_record=keep_record)
            self._room.settle(dropped)
            return dropped

    def evict(self, choose: Callable[[], list[Use]], reason: str) -> int:
        """Drop the results that are chosen, which nobody pins or hits meanwhile; return how many went."""
        chosen: list[Use] | None = None
        try:
            with self.choosing():
                chosen = choose()
                return self._evict(chosen, reason)
        except BusyError:
            raise
        except (OSError, *ERRORS):
            with self._writing():
                chosen = choose() if chosen is None else chosen
                if not self._room.make_on_a_full_disk(use.id for use in chosen):
                    raise
        with self.changing():
            return self._evict(chosen, reason)

    def _evict(self, chosen: list[Use], reason: str) -> int:
        dropped = self.index.evict(chosen, reason) if chosen else Dropped([])
        self._room.settle(dropped)
        return dropped.calls

    @contextlib.contextmanager
    def choosing(self) -> Iterator[None]:
        """Let results be chosen in the order of the policy while nobody writes."""
        with self.changing():
            self._room.order()
            yield

    def pin(self, key: bytes, pinned: bool) -> None:
        """Keep a call from being evicted, or let it go again; raise MissingError if there is none."""
        with told(self.index.connections.path), self.changing():
            if not self.index.connections.exists() or not self.index.pin(key, pinned=pinned):
                raise MissingError(f"no call with the key {key.hex()} is on record")

    def forget(self, key: bytes) -> int:
        """Drop the call with this key and its record; return 0 or 1."""
        with told(self.index.connections.path):
            row = self.index.fetch(key)
            if row is None:
                return 0
            self._accesses.forget(row.id)
            return self.drop([row.id]).calls

    def has_index(self) -> bool:
        """Say whether there is an index; raise StoreError if that cannot be told."""
        with told(self.index.connections.path):
            return self.index.connections.exists()

    def disk_nbytes(self) -> int:
        """Return what the store takes on the disk; its payloads are looked at only where no index knows of them."""
        if self.index.connections.exists():
            return self._room.disk_nbytes()
        return self._room.disk_nbytes() + self.remains.payload_nbytes() if self.remains.is_place() else 0

    def forget_unused_versions(self) -> None:
        """Forget versions without calls, which no other one leans on."""
        with told(self.index.connections.path), self.changing():
            self.index.drop_unused_versions()

    def present_functions(self) -> list[Any]:
        """Return the cached functions of this store in this process."""
        while True:
            with contextlib.suppress(RuntimeError):  # another thread decorates one at this moment
                return list(self.functions)

    def sweep(self) -> None:
        """Remove the temporary files of processes that were killed; the caller holds the write gate."""
        self._room.sweep()

    @contextlib.contextmanager
    def repairing(self) -> Iterator[None]:
        """Keep what a lost index has left while it is read, also where room is wanting."""
        self._room.is_repairing = True
        try:
            yield
        finally:
            self._room.is_repairing = False

    def restore(self, found: list[Found], nbytes: int) -> list[Found]:
        """Write calls that were lost, file first, then row; return those that were not there."""
        with self.changing():
            self._room.make(nbytes)
            return self._keeper.restore(found)

    def put_away(self, paths: Iterable[str]) -> tuple[str, ...]:
        """Move files to ``quarantine/`` that were read; return their names, side files left out."""
        with self.changing():
            moved = self.remains.put_away(paths)
        return tuple(name for name in moved if name.endswith((".sqlite", ".jsonl")))

    def forget_remains(self) -> None:
        """Delete what a lost index has left: all calls are removed."""
        with told(self.index.connections.path), self.changing():
            self.remains.clear()

    def tidy(self) -> None:
        """Give back what dropping has set free."""
        with self.changing():
            self.index.shrink()
            self._room.compact_journal()
