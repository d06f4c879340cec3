"""What a write transaction does to the index. Every function runs inside one, under the write gate."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from blake3 import blake3

from resultstore._data import Data
from resultstore._facts import (
    CODE_KINDS,
    STORED,
    ArgumentFacts,
    CallFacts,
    FunctionFacts,
    LeafFacts,
    PayloadFacts,
    ResultFacts,
    RunFacts,
    plain_text,
)
from resultstore._index import hot
from resultstore._index.opened import check_sums

NO_CHANGE = dict.fromkeys(
    ("file_nbytes", "inline_nbytes", "payloads", "access_sequence", "evictions", "file_calls", "journal_lines"), 0
)


_NO_RESULT = ResultFacts("none")


class PayloadGone(LookupError):
    """A payload that a call leaned on was dropped before the call was written."""


class Dropped(Data, frozen=False):
    """What dropping calls has set free."""

    files: list[str]
    """Payload files that no row names any more: to be unlinked after the commit."""
    calls: int = 0
    nbytes: int = 0
    """Disk bytes of files and inline payloads."""
    keys: tuple[bytes, ...] = ()
    """Calls whose results are gone, though the files that these lay in stay, as other calls' results."""


class Total(Data):
    """The sums that a budget is judged by."""

    id: int
    file_nbytes: int
    inline_nbytes: int
    payloads: int
    access_sequence: int
    evictions: int
    file_calls: int
    journal_lines: int
    age: float
    aged_by: str | None


Place = Callable[[int, Sequence[float]], Sequence[int]]
"""Gives calls of these moments their places in the sequence of accesses, from a first one on."""
Touch = tuple[int, int, float, int | None]
"""An access: call, how often, when last, and its place among all accesses, if it has one yet."""
_OldPayload = tuple[int, str | None, int, int | None]


class Additions:
    """Calls that are written in one transaction, with their arguments and results.

    Equal payloads that still stand are shared; ``stands`` says whether a payload's file is in place.
    What many calls have in common is looked up, and summed up, once.
    """

    def __init__(self, connection: sqlite3.Connection, run_id: int, stands: Callable[[PayloadFacts], bool]) -> None:
        self.dropped = Dropped([])
        """What the calls have made superfluous."""
        self._connection = connection
        self._run_id = run_id
        self._stands = stands
        self._change = dict(NO_CHANGE)
        self._first, self._age = _present_moment(connection)
        self._places: Iterator[int] = iter(())
        self._versions: dict[tuple[str, bytes, bytes], tuple[int, int]] = {}
        self._gained: dict[int, dict[str, int]] = {}

    def place(self, place: Place, calls: Sequence[CallFacts]) -> None:
        """Give calls that are going to be added their places among all accesses."""
        places = place(self._first, [call.created_at for call in calls])
        self._places = iter(places)
        self._change["access_sequence"] += places[-1] + 1 - self._first

    def add(self, call: CallFacts, *, journalled: bool, gives_way: bool = False) -> None:
        """Write a call; what it has computed before becomes a past computation.

        One that gives way is only counted where a result is stored meanwhile.
        """
        connection, change, facts = self._connection, self._change, call.function
        name = (facts.name, facts.fingerprint, facts.code)
        ids = self._versions.get(name)
        if ids is None:
            ids = self._versions[name] = version_of(connection, facts, call.created_at)
        function_id, version_id = ids
        result = call.result or _NO_RESULT
        stored = call.state == STORED
        row: dict[str, Any] = {
            "key": call.key,
            "state": call.state,
            "kind": result.kind if stored else None,
            "integer": result.integer,
            "number": result.number,
            "text": result.text,
            "leaf_count": len(result.leaves),
            "checksum": call.checksum if stored else None,
            "version_id": version_id,
            "run_id": self._run_id,
            "created_at": call.created_at,
            "duration": call.duration,
            "nbytes": _stored_nbytes(result) if stored else 0,
            "accessed_at": call.created_at,
            "access_count": 0,
            "access_sequence": next(self._places),
            "note": call.note,
            "age": self._age,
        }
        gained = self._gained.get(function_id)
        if gained is None:
            gained = self._gained[function_id] = {"id": function_id, "misses": 0, "stored": 0, "nbytes": 0}
        gained["misses"] += 1
        added = connection.execute(hot.ADD_CALL, row)
        if gives_way and not added.rowcount and self._is_stored(call.key):
            return
        gained["stored"] += stored
        gained["nbytes"] += row["nbytes"]
        change["journal_lines"] += journalled
        old_payloads: list[_OldPayload] = []
        if added.rowcount:
            call_id = added.lastrowid or 0
        else:
            call_id, old_payloads = self._replace(row, gained)
        connection.executemany(hot.ADD_ARGUMENT, [_argument_row(call_id, argument) for argument in call.arguments])
        has_file = False
        for leaf in result.leaves:
            payload_id, in_file = _lean_or_add(connection, leaf, self._stands, change, self.dropped)
            has_file |= in_file
            connection.execute(
                hot.ADD_LEAF,
                {
                    "call_id": call_id,
                    "position": leaf.position,
                    "payload_id": payload_id,
                    "path": leaf.path,
                    "writeable": leaf.writeable,
                },
            )
        change["file_calls"] += has_file
        unused = _drop_payloads(connection, old_payloads, change, self.dropped)
        if not journalled and any(p[1] is not None for p in old_payloads if p not in unused):
            self.dropped.keys += (call.key,)
        for key in call.children:
            if key != call.key:
                connection.execute(hot.ADD_NESTING, {"parent_id": call_id, "child_key": key})

    def _is_stored(self, key: bytes) -> bool:
        return bool(self._connection.execute(hot.FIND_CALL, {"key": key}).fetchone()[2] == STORED)

    def _replace(self, row: dict[str, Any], gained: dict[str, int]) -> tuple[int, list[_OldPayload]]:
        """Change the row of a call that is known already; return its number and the payloads that it had."""
        connection = self._connection
        call_id, row["access_count"], state, nbytes = connection.execute(hot.FIND_CALL, {"key": row["key"]}).fetchone()
        gained["stored"] -= state == STORED
        gained["nbytes"] -= nbytes
        connection.execute(hot.KEEP_COMPUTATION, {"id": call_id})
        connection.execute(hot.CHANGE_CALL, row | {"id": call_id})
        old_payloads = connection.execute(hot.CALL_PAYLOADS, {"call_id": call_id}).fetchall()
        connection.execute(hot.DROP_LEAVES, {"call_id": call_id})
        connection.execute(hot.DROP_ARGUMENTS, {"call_id": call_id})
        self._change["file_calls"] -= any(p[1] is not None for p in old_payloads)
        return call_id, old_payloads

    def finish(self) -> None:
        """Bring the sums up to date."""
        self._connection.executemany(hot.COUNT_MISSES, self._gained.values())
        self._connection.execute(hot.CHANGE_TOTAL, self._change)


def _argument_row(call_id: int, argument: ArgumentFacts) -> dict[str, Any]:
    return {"call_id": call_id, **vars(argument)}


def _stored_nbytes(result: ResultFacts) -> int:
    """Return the bytes that a result takes as stored: payloads, or its own columns."""
    own = 0 if result.kind == "none" else len(result.text) if result.text is not None else 8
    return sum(leaf.payload.nbytes for leaf in result.leaves) + (own if not result.leaves or result.text else 0)


def version_of(connection: sqlite3.Connection, facts: FunctionFacts, created_at: float) -> tuple[int, int]:
    found = connection.execute(hot.FIND_FUNCTION, {"name": facts.name}).fetchone()
    function_id = int(found[0]) if found else connection.execute(hot.ADD_FUNCTION, {"name": facts.name}).lastrowid or 0
    code = facts.code or facts.fingerprint
    ids: dict[str, int | bytes] = {"function_id": function_id, "fingerprint": facts.fingerprint, "code": code}
    found = connection.execute(hot.FIND_VERSION, ids).fetchone()
    return function_id, int(found[0]) if found else _add_version(connection, facts, ids, created_at)


def _add_version(
    connection: sqlite3.Connection, facts: FunctionFacts, ids: dict[str, int | bytes], created_at: float
) -> int:
    """Write a version that is not known yet, with what it depends on; texts that are known already stay."""
    row = {
        **ids,
        "scheme": facts.scheme,
        "label": facts.label,
        "portable": facts.portable,
        "place": facts.place,
        "source_digest": _text(connection, facts.source),
        "signature": facts.signature,
        "python": facts.python,
        "created_at": created_at,
    }
    version_id = connection.execute(hot.ADD_VERSION, row).lastrowid or 0
    for dependency in facts.dependencies:
        is_code = dependency.kind in CODE_KINDS
        row = {
            "version_id": version_id,
            "name": plain_text(dependency.name),
            "kind": dependency.kind,
            "digest": dependency.digest,
            "place": None if dependency.place is None else plain_text(dependency.place),
            "detail": None if is_code or dependency.text is None else plain_text(dependency.text),
            "source_digest": _text(connection, dependency.text) if is_code else None,
        }
        connection.execute(hot.ADD_DEPENDENCY, row)
    return version_id


def _text(connection: sqlite3.Connection, text: str | None) -> bytes | None:
    """Keep a text once, for all versions that have it; return what it is known by."""
    if text is None:
        return None
    text = plain_text(text)
    digest = blake3(text.encode()).digest()
    connection.execute(hot.ADD_SOURCE, {"digest": digest, "text": text})
    return digest


def accept_versions(
    connection: sqlite3.Connection, facts: FunctionFacts, accepted: Iterable[int], reason: str, created_at: float
) -> None:
    """Note that a version takes over the results of others."""
    _, version_id = version_of(connection, facts, created_at)
    for other in accepted:
        if other != version_id:
            row = {"version_id": version_id, "accepted_id": other, "reason": reason, "created_at": created_at}
            connection.execute(hot.ACCEPT, row)


def add_run(connection: sqlite3.Connection, run: RunFacts) -> int:
    """Write the facts of this process; return its number."""
    import json

    row = vars(run) | {"packages": json.dumps(run.packages)}
    return connection.execute(hot.ADD_RUN, row).lastrowid or 0


def _present_moment(connection: sqlite3.Connection) -> tuple[int, float]:
    """Return the next access sequence, and the store's age."""
    total = check_sums(connection.execute(hot.TOTAL).fetchone())
    return total[4] + 1, total[8]


def _lean_or_add(
    connection: sqlite3.Connection,
    leaf: LeafFacts,
    stands: Callable[[PayloadFacts], bool],
    change: dict[str, int],
    dropped: Dropped,
) -> tuple[int, bool]:
    """Return the number of a payload that holds a leaf, an equal one where there is one, and if it is a file."""
    payload = leaf.payload
    equal = {"digest": payload.digest, "format": payload.format}
    for row in connection.execute(hot.EQUAL_PAYLOADS, equal).fetchall():
        other = _equal_payload(payload, row)
        if stands(other):
            if payload.file is not None:
                dropped.files.append(payload.file)
            return other.id, other.file is not None
    if payload.file is None and payload.inline is None:
        raise PayloadGone(payload.digest.hex())
    row = dict(vars(payload))
    row["memory_order"] = row.pop("order")
    del row["id"]
    change["payloads"] += 1
    change["file_nbytes"] += payload.disk_nbytes
    change["inline_nbytes"] += len(payload.inline or b"")
    return connection.execute(hot.ADD_PAYLOAD, row).lastrowid or 0, payload.file is not None


def _equal_payload(
    payload: PayloadFacts, row: tuple[int, bytes, str, int, str | None, int, str | None]
) -> PayloadFacts:
    number, checksum, format_name, nbytes, file, disk_nbytes, codec = row
    return PayloadFacts(
        digest=payload.digest,
        checksum=checksum,
        format=format_name,
        nbytes=nbytes,
        raw_nbytes=payload.raw_nbytes,
        head_nbytes=payload.head_nbytes,
        codec=codec,
        file=file,
        disk_nbytes=disk_nbytes,
        id=number,
    )


def _drop_payloads(
    connection: sqlite3.Connection,
    payloads: Iterable[tuple[int, str | None, int, int | None]],
    change: dict[str, int],
    dropped: Dropped,
) -> list[_OldPayload]:
    """Delete the payloads that no leaf names any more; return them."""
    unused = [row for row in payloads if connection.execute(hot.DROP_PAYLOAD, {"id": row[0]}).rowcount]
    _count_payloads(unused, change, dropped)
    return unused


def _count_payloads(
    payloads: Iterable[tuple[int, str | None, int, int | None]], change: dict[str, int], dropped: Dropped
) -> None:
    """Count payloads that are gone."""
    for _, file, disk_nbytes, inline_nbytes in payloads:
        change["payloads"] -= 1
        change["file_nbytes"] -= disk_nbytes
        change["inline_nbytes"] -= inline_nbytes or 0
        dropped.nbytes += disk_nbytes + (inline_nbytes or 0)
        if file is not None:
            dropped.files.append(file)


def drop_calls(
    connection: sqlite3.Connection, call_ids: Iterable[int], *, keep_record: str | None, counted: bool
) -> Dropped:
    """Drop calls' payloads; with ``keep_record``, a reason, their records stay in state evicted.

    A statement does it for all of them: what a call costs is its rows, not the statements.
    """
    import json

    change = dict(NO_CHANGE)
    dropped = Dropped([])
    ids = {"ids": json.dumps(list(call_ids))}
    functions = connection.execute(hot.COUNT_DROPPED, ids).fetchall()
    if any(leaves for *_, leaves in functions):
        change["file_calls"] -= connection.execute(hot.CALLS_WITH_FILES, ids).fetchone()[0]
        payloads = [row[0] for row in connection.execute(hot.PAYLOADS_OF_CALLS, ids)]
        keys = connection.execute(hot.KEYS_OF_CALLS, ids).fetchall()
        connection.execute(hot.DROP_LEAVES_OF_CALLS, ids)
        unused = connection.execute(hot.UNUSED_AMONG, {"ids": json.dumps(payloads)}).fetchall()
        if len(unused) < len(payloads):
            dropped.keys = tuple(row[0] for row in keys)
        connection.execute(hot.DROP_PAYLOADS, {"ids": json.dumps([row[0] for row in unused])})
        _count_payloads(unused, change, dropped)
    connection.executemany(
        hot.CHANGE_FUNCTION,
        [
            {"id": function_id, "evictions": calls * counted, "stored": stored, "nbytes": nbytes}
            for function_id, calls, stored, nbytes, _ in functions
        ],
    )
    change["evictions"] += counted * sum(calls for _, calls, *_ in functions)
    if keep_record is None:
        connection.execute(hot.DROP_ARGUMENTS_OF_CALLS, ids)
        dropped.calls = connection.execute(hot.FORGET_CALLS, ids).rowcount
    else:
        dropped.calls = connection.execute(hot.EVICT_CALLS, ids | {"note": keep_record}).rowcount
    connection.execute(hot.CHANGE_TOTAL, change)
    return dropped


def touch_calls(connection: sqlite3.Connection, touches: Iterable[Touch]) -> None:
    """Write accesses, oldest first: they give the order of eviction."""
    sequence, age = _present_moment(connection)
    rows = [
        {"id": call_id, "count": times, "accessed_at": at, "access_sequence": place or sequence + i, "age": age}
        for i, (call_id, times, at, place) in enumerate(touches)
    ]
    connection.executemany(hot.TOUCH, rows)
    connection.executemany(hot.COUNT_HITS, rows)
    connection.execute(hot.CHANGE_TOTAL, NO_CHANGE | {"access_sequence": len(rows)})
