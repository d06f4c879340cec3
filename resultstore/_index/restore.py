"""Writing calls again that were lost, as they were: in one transaction, under the write gate."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from resultstore._data import replace
from resultstore._facts import STORED, FunctionFacts, LeafFacts, PayloadFacts, RunFacts
from resultstore._index import changes, hot
from resultstore._index.findings import Counters, Found

_PRESENT = "SELECT created_at, state FROM call WHERE key = ?"
_AS_IT_WAS = """
UPDATE call SET accessed_at = :accessed_at, access_count = max(access_count, :access_count),
    access_sequence = :access_sequence, pinned = max(pinned, :pinned) WHERE key = :key"""
_RUN = "SELECT id FROM run WHERE started_at = ? AND process = ? AND host = ?"
_COMPUTATION = """
INSERT INTO computation (call_id, run_id, created_at, duration, checksum, state, note)
SELECT call.id, ?, ?, ?, ?, ?, ? FROM call WHERE call.key = ? AND NOT EXISTS
    (SELECT * FROM computation WHERE computation.call_id = call.id AND computation.created_at = ?)"""
_NESTING = """
INSERT INTO nesting (parent_id, child_id) SELECT parent.id, child.id FROM call AS parent, call AS child
WHERE parent.key = ? AND child.key = ? ON CONFLICT DO NOTHING"""
_COUNTERS = """
UPDATE function SET hits = hits + ?, misses = misses + ?, evictions = evictions + ?, seconds_saved = seconds_saved + ?
WHERE name = ?"""


class Restoring(changes.Additions):
    """Lost calls that are written in one transaction."""

    def __init__(self, connection: sqlite3.Connection, stands: Callable[[PayloadFacts], bool]) -> None:
        super().__init__(connection, 0, stands)
        self.restored: list[Found] = []
        """Those that were not there."""
        self._last = 0

    def restore(self, found: Found) -> None:
        """Write a call, unless one is there that is as new."""
        call = found.call
        if is_known(self._connection.execute(_PRESENT, (call.key,)).fetchone(), found):
            return
        result = call.result
        claimed = 0
        if result is not None:
            leaves = []
            for leaf in result.leaves:
                lean, disk_nbytes = self._lean(leaf)
                leaves.append(lean)
                claimed += disk_nbytes
            call = replace(call, result=replace(result, leaves=tuple(leaves)))
        self._run_id = run_number(self._connection, found.run)  # type: ignore[assignment]
        sequence = int(call.created_at * 1000) if found.access_sequence is None else found.access_sequence
        self._last = max(self._last, sequence)
        self._places = iter((sequence,))
        self.add(call, journalled=any(leaf.payload.file for leaf in result.leaves) if result is not None else False)
        self._change["file_nbytes"] -= claimed  # it was counted as a file that no row names
        for gained in self._gained.values():
            gained["misses"] = 0  # the old index counted it
        values = {"accessed_at": found.accessed_at or call.created_at, "access_sequence": sequence, "key": call.key}
        values |= {"access_count": found.access_count, "pinned": found.pinned}
        self._connection.execute(_AS_IT_WAS, values)
        self.restored.append(found)

    def _lean(self, leaf: LeafFacts) -> tuple[LeafFacts, int]:
        """Let a leaf lean on the row that names its file, if there is one; else return what the file takes."""
        payload = leaf.payload
        if payload.file is None:
            return leaf, 0
        if self._connection.execute(hot.FILE_PAYLOAD, {"file": payload.file}).fetchone():
            # What names it and is no equal payload makes `add` raise PayloadGone: one of the two is not true.
            return replace(leaf, payload=replace(payload, file=None, inline=None)), 0
        return leaf, payload.disk_nbytes

    def finish(self) -> None:
        """Bring the sums up to date."""
        super().finish()
        self.dropped.files.clear()  # other lost calls may have their results there
        self._connection.execute("UPDATE total SET access_sequence = max(access_sequence, ?)", (self._last,))


def is_known(present: tuple[float, str] | None, found: Found) -> bool:
    """Say whether what is in the index stands against what was found: the newer computation counts."""
    if present is None:
        return False
    if present[0] == found.call.created_at:
        return present[1] == STORED or found.call.state != STORED
    return present[0] > found.call.created_at


def run_number(connection: sqlite3.Connection, run: RunFacts | None) -> int | None:
    """Return the number of the process that computed, which is written if it is not known."""
    if run is None:
        return None
    known = connection.execute(_RUN, (run.started_at, run.process, run.host)).fetchone()
    return known[0] if known else changes.add_run(connection, run)


def add_versions(connection: sqlite3.Connection, versions: Sequence[tuple[FunctionFacts, float]]) -> None:
    """Write versions that are not known, also those without calls."""
    for facts, created_at in versions:
        changes.version_of(connection, facts, created_at)


def add_computation(connection: sqlite3.Connection, key: bytes, row: tuple[Any, ...], run: RunFacts | None) -> None:
    """Write a past computation of a call, if both are wanting and there."""
    connection.execute(_COMPUTATION, (run_number(connection, run), *row, key, row[0]))


def add_nesting(connection: sqlite3.Connection, parent: bytes, child: bytes) -> None:
    """Write which call made which."""
    connection.execute(_NESTING, (parent, child))


def add_acceptance(
    connection: sqlite3.Connection, version: FunctionFacts, accepted: FunctionFacts, reason: str, created_at: float
) -> None:
    """Write which version accepted which."""
    _, number = changes.version_of(connection, accepted, created_at)
    changes.accept_versions(connection, version, [number], reason, created_at)


def add_statement(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Write what was signed."""
    connection.execute(hot.SIGN, {"name": name, "value": value})


def add_counters(connection: sqlite3.Connection, source: str, counters: Sequence[Counters]) -> None:
    """Add what functions counted, once for each source, whose name is noted until `forget_source`."""
    mark = f"counted {source}"
    if connection.execute("SELECT 1 FROM meta WHERE name = ?", (mark,)).fetchone():
        return
    for row in counters:
        if not connection.execute(hot.FIND_FUNCTION, {"name": row.name}).fetchone():
            connection.execute(hot.ADD_FUNCTION, {"name": row.name})
        connection.execute(_COUNTERS, (row.hits, row.misses, row.evictions, row.seconds_saved, row.name))
    connection.execute("INSERT INTO meta VALUES (?, ?)", (mark, json.dumps(len(counters))))


def forget_source(connection: sqlite3.Connection, source: str) -> None:
    """Forget that a source was counted: it is put away."""
    connection.execute("DELETE FROM meta WHERE name = ?", (f"counted {source}",))
