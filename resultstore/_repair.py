"""Bringing back what a lost index knew: from what can be read of it, then from the journals, in small transactions.

It may be killed at any point and run again: a call that is back is passed over, and what is read is put away
only when all of it was.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from resultstore._bounds import row_nbytes
from resultstore._data import replace
from resultstore._facts import EVICTED, STORED, CallFacts
from resultstore._index import restore
from resultstore._index.connect import told
from resultstore._index.findings import Found, FoundIndex, from_journal
from resultstore._index.recent import CallRow
from resultstore._index.salvage import Salvage
from resultstore._journal import lines_that_count, records_at
from resultstore._upkeep import fault_of, put_sums_right
from resultstore._vault import Vault
from resultstore._verifying import CHECKSUM_NBYTES, row_checksum

T = TypeVar("T")
_BATCH, _BATCH_NBYTES = 50, 1_000_000
_LINES = 200
_WAIT_S = 60.0
_UNTRUE = (sqlite3.IntegrityError, sqlite3.InterfaceError, LookupError, OverflowError, TypeError, ValueError)
"""What writing raises for facts that no call ever had."""
_MOST_VERIFIED = 100_000


@dataclass(frozen=True, slots=True)
class Repair:
    """What `Store.repair` has brought back, from where, and what not.

    Attributes
    ----------
    results : int
        Calls whose results are back.
    records : int
        Calls that are on record again without a result, which was evicted before, is damaged, or is gone.
    known : int
        Calls that were found and passed over, for the store has them already, computed then or later.
    unreadable : int
        Places that were damaged: pages of an index, lines of a journal, and calls that are not as they were
        written. What stood there has not come back.
    files : tuple of str
        What was read, and lies in ``quarantine/`` now.

    Examples
    --------
    >>> import numpy, os
    >>> _ = store.cache(numpy.negative)(numpy.ones(100_000))
    >>> store.close()
    >>> os.unlink(os.path.join(store.location, "index.sqlite"))
    >>> repair = store.repair()
    >>> repair.results, repair.records, repair.unreadable
    (1, 0, 0)
    >>> repair.files
    ('journal-...jsonl',)
    >>> len(store.find())
    1
    """

    results: int = 0
    records: int = 0
    known: int = 0
    unreadable: int = 0
    files: tuple[str, ...] = ()


def repair(vault: Vault) -> Repair:
    """Set the index aside if it is damaged, and bring back what can be read of all that was set aside."""
    vault.flush()
    connections = vault.index.connections
    with told(connections.path):
        fault = connections.look()
        if fault is not None:
            with vault.gate.held(_WAIT_S):
                if connections.look() is not None:  # another process may have done it meanwhile
                    connections.put_aside()
        if not vault.remains.is_any():
            return Repair()
        with vault.changing():
            vault.index.begin()
        done = Repair()
        with vault.repairing():
            for path in filter(_is_file, reversed(vault.remains.indexes())):
                done = _plus(done, _Bringing(vault, path).from_index())
            for path in filter(_is_file, reversed(vault.remains.journals())):
                done = _plus(done, _Bringing(vault, path).from_journal())
            # A log without its index, which nobody can read.
            done = _plus(done, Repair(files=vault.put_away(vault.remains.files())))
        put_sums_right(vault)
    return done


def _is_file(path: str) -> bool:
    """Say whether there is something to read: no link that leads elsewhere, and no FIFO that blocks for ever."""
    with contextlib.suppress(OSError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


def _plus(one: Repair, other: Repair) -> Repair:
    return Repair(*(getattr(one, field.name) + getattr(other, field.name) for field in fields(Repair)))


class _Bringing:
    """Brings back the calls of one file that was set aside."""

    def __init__(self, vault: Vault, path: str) -> None:
        self._vault = vault
        self._path = path
        self._name = os.path.basename(path)
        self._counts = dict.fromkeys(("results", "records", "known", "unreadable"), 0)
        self._waiting: list[Found] = []
        self._nbytes = 0
        self._faults: dict[str, str | None] = {}
        self._superseded: list[str] = []
        """Payload files of calls that the store has anew."""

    def from_index(self) -> Repair:
        salvage = Salvage(self._path, self._vault.blobs.scratch())
        try:
            found = FoundIndex(salvage)
            versions = [found.versions[number] for number in sorted(found.versions)]
            self._write(versions, restore.add_versions)
            for number in found.numbers():
                call = found.call(number)
                if call is None:
                    self._counts["unreadable"] += 1
                else:
                    self._take(call)
            self._admit()
            self._write(found.acceptances(), _each(restore.add_acceptance))
            self._write(found.statements(), _each(restore.add_statement))
            self._write(found.computations(), _each(restore.add_computation))
            self._write(found.nestings(), _each(restore.add_nesting))
            with self._vault.changing(), self._vault.index.connections.transaction() as connection:
                if _is_file(
                    self._path
                ):  # else another process, which repairs as well, has counted them and put it away
                    restore.add_counters(connection, self._name, list(found.counters()))
        finally:
            salvage.close()
        self._counts["unreadable"] += salvage.unreadable
        return self._done()

    def from_journal(self) -> Repair:
        places = sorted(lines_that_count(self._path).values(), reverse=True)
        for start in range(0, len(places), _LINES):
            for record in records_at(self._path, places[start : start + _LINES]):
                call = from_journal(record)
                if call is None:
                    self._counts["unreadable"] += 1
                else:
                    self._take(call)
        self._admit()
        return self._done()

    def _done(self) -> Repair:
        from resultstore._index.damage import SIDES

        files = self._vault.put_away([self._path, *(self._path + side for side in SIDES)])
        with self._vault.changing(), self._vault.index.connections.transaction() as connection:
            restore.forget_source(connection, self._name)
        self._delete_superseded()
        return Repair(**self._counts, files=files)

    def _delete_superseded(self) -> None:
        """Delete files that no row names and none will: from now on nothing counts them any more."""
        for start in range(0, len(self._superseded), _LINES):
            with self._vault.changing():
                for name in self._superseded[start : start + _LINES]:
                    with contextlib.suppress(OSError):
                        if not self._vault.index.has_file(name):
                            self._vault.blobs.delete(name)

    def _write(self, rows: Iterable[T], write: Callable[[Any, list[T]], None]) -> None:
        """Write rows some at a time; they are read outside the gate."""
        iterator = iter(rows)
        while some := list(itertools.islice(iterator, _BATCH)):
            with self._vault.changing(), self._vault.index.connections.transaction() as connection:
                write(connection, some)

    # -- calls

    def _take(self, found: Found) -> None:
        """Let a call be admitted, if it is not known, as what can be believed of it."""
        if restore.is_known(self._vault.index.present(found.call.key), found):
            self._counts["known"] += 1
            leaves = found.call.result.leaves if found.call.result is not None else ()
            self._superseded += [leaf.payload.file for leaf in leaves if leaf.payload.file is not None]
            return
        call = found.call
        if call.state == STORED:
            if not _is_as_written(call):
                self._counts["unreadable"] += 1
                return
            fault = self._fault(call)
            if fault is not None:
                call = replace(call, state=EVICTED, result=None, checksum=b"", note=f"its payload was {fault}")
        self._waiting.append(replace(found, call=call))
        self._nbytes += row_nbytes(call)
        if len(self._waiting) >= _BATCH or self._nbytes >= _BATCH_NBYTES:
            self._admit()

    def _fault(self, call: CallFacts) -> str | None:
        """Say what is wrong with a call's payloads, or None if they are whole; every byte is read."""
        for leaf in call.result.leaves if call.result is not None else ():
            name = leaf.payload.file
            if name is not None and name in self._faults:
                fault = self._faults[name]
            else:
                error = fault_of(self._vault, leaf.payload)
                fault = None if error is None else "missing" if isinstance(error, FileNotFoundError) else "damaged"
                if name is not None and len(self._faults) < _MOST_VERIFIED:
                    self._faults[name] = fault
            if fault is not None:
                return fault
        return None

    def _admit(self) -> None:
        """Write the calls that wait, in one transaction; one by one where one of them cannot be written."""
        waiting, self._waiting = self._waiting, []
        nbytes, self._nbytes = self._nbytes, 0
        if not waiting:
            return
        try:
            self._restore(waiting, nbytes)
        except _UNTRUE:
            for found in waiting:
                try:
                    self._restore([found], row_nbytes(found.call))
                except _UNTRUE:
                    self._counts["unreadable"] += 1

    def _restore(self, waiting: list[Found], nbytes: int) -> None:
        restored = self._vault.restore(waiting, nbytes)
        for found in restored:
            self._counts["results" if found.call.state == STORED else "records"] += 1
        self._counts["known"] += len(waiting) - len(restored)


def _each(write: Callable[..., None]) -> Callable[[Any, Iterable[tuple[Any, ...]]], None]:
    def write_all(connection: Any, rows: Iterable[tuple[Any, ...]]) -> None:
        for row in rows:
            write(connection, *row)

    return write_all


def _is_as_written(call: CallFacts) -> bool:
    """Say whether the columns of a result and its leaves are those that were written for this key."""
    result = call.result
    if result is None or not call.checksum:
        return False
    row = CallRow(
        0, STORED, result.kind, result.integer, result.number, result.text, len(result.leaves), None, call.created_at
    )
    with contextlib.suppress(Exception):  # columns of other types than were written
        # In a signed store too: a call without its signature is back, and counts for nothing.
        return row_checksum(call.key, row, result.leaves) == call.checksum[:CHECKSUM_NBYTES]
    return False
