"""Queries as SQL: a `Query` becomes a Core select, compiled here and run on the store's own connections.

SQLAlchemy compiles and SQLite's connection runs: one pool, one way to open a store, and the first
call of a process pays nothing for it. With `versions` and `nearest` this is the only module of the package's run-time
that imports SQLAlchemy, at the first `find`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.dialects import sqlite

from resultstore._clock import to_datetime
from resultstore._index.connect import Connections, told
from resultstore._index.schema import argument, call, function, function_version
from resultstore.query import Query
from resultstore.record import Record, Summary

_DIALECT = sqlite.dialect(paramstyle="named")
_CHUNK = 500


def run(connections: Connections, statement: Select[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a Core select."""
    # Lists of values are spelled out, so that the text is whole.
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    with told(connections.path):
        return connections.query(str(compiled), dict(compiled.params))


_RECORD = (
    call.c.id,
    function.c.name,
    function_version.c.label,
    function_version.c.number,
    function_version.c.fingerprint,
    call.c.created_at,
    call.c.accessed_at,
    call.c.access_count,
    call.c.duration,
    call.c.nbytes,
    call.c.state,
    call.c.key,
    call.c.note,
    call.c.pinned,
)


class CallSelect:
    """The calls that a query matches, newest first; the source behind `Records`."""

    def __init__(self, connections: Connections, query: Query, load: Any = None, pin: Any = None) -> None:
        self._connections = connections
        self._query = query
        self._load = load
        self._pin = pin

    def count(self) -> int:
        """Return how many calls match."""
        statement = self._from(select(func.count()))
        rows = run(self._connections, statement)
        return int(rows[0][0]) if rows else 0

    def page(self, offset: int, limit: int) -> list[Record]:
        """Return some of the records."""
        statement = self._from(select(*_RECORD)).order_by(call.c.created_at.desc(), call.c.id.desc())
        return self._records(run(self._connections, statement.limit(limit).offset(offset)))

    def _records(self, rows: list[tuple[Any, ...]]) -> list[Record]:
        arguments = self._arguments([row[0] for row in rows])
        return [self._record(row, arguments.get(row[0], {})) for row in rows]

    def _from(self, statement: Select[Any]) -> Select[Any]:
        query = self._query
        statement = statement.select_from(
            call.join(function_version, function_version.c.id == call.c.version_id).join(
                function, function.c.id == function_version.c.function_id
            )
        )
        if query.functions:
            statement = statement.where(function.c.name.in_(query.functions))
        if query.key is not None:
            statement = statement.where(call.c.key == query.key)
        for name, token in query.arguments.items():
            statement = statement.where(_has_argument(name, token))
        return statement

    def _arguments(self, ids: list[int]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        columns = (argument.c[n] for n in ("call_id", "name", "kind", "number", "text", "token", "summary"))
        statement = select(*columns).order_by(argument.c.call_id, argument.c.position)
        for start in range(0, len(ids), _CHUNK):
            some = ids[start : start + _CHUNK]
            for number, name, *facts in run(self._connections, statement.where(argument.c.call_id.in_(some))):
                found.setdefault(number, {})[name] = _argument_value(*facts)
        return found

    def _record(self, row: tuple[Any, ...], arguments: Mapping[str, Any]) -> Record:
        _, name, label, number, fingerprint, created, accessed, count, duration, nbytes, state, key, note, pinned = row
        return Record(
            function=name,
            version=number if label is None else label,
            fingerprint=fingerprint,
            arguments=dict(arguments),
            created_at=to_datetime(created),
            accessed_at=to_datetime(accessed),
            access_count=count,
            duration=duration,
            nbytes=nbytes,
            state=state,
            key=key,
            note=note,
            pinned=bool(pinned),
            _load=self._load,
            _pin=self._pin,
        )


class ListedCalls(CallSelect):
    """Calls by their numbers in the index, in the order of the list."""

    def __init__(self, connections: Connections, ids: Sequence[int], load: Any, pin: Any) -> None:
        super().__init__(connections, Query(), load, pin)
        self._ids = ids

    def count(self) -> int:
        """Return how many calls there were when the list was made."""
        return len(self._ids)

    def page(self, offset: int, limit: int) -> list[Record]:
        """Return some of the records; those that are forgotten since are left out."""
        ids = self._ids[offset : offset + limit]
        rows = run(self._connections, self._from(select(*_RECORD)).where(call.c.id.in_(ids)))
        places = {number: i for i, number in enumerate(ids)}
        return self._records(sorted(rows, key=lambda row: places[row[0]]))


def _has_argument(name: str, token: bytes) -> ColumnElement[bool]:
    """Say in SQL that a call has an argument of this name and value.

    IN, not EXISTS: SQLite then starts from the few arguments with this value, not from all calls of the
    function, and a question costs the same in a store of a million calls (5.9 ms against 244 at 100,000).
    """
    return call.c.id.in_(select(argument.c.call_id).where(argument.c.name == name, argument.c.token == token))


def _argument_value(kind: str, number: float | None, text: str | None, token: bytes | None, summary: str) -> Any:
    """Return an argument as itself where the index holds it, else a summary."""
    if kind == "NoneType":
        return None
    if kind == "str" and text is not None:
        return text
    if kind in ("int", "float") and text is not None:
        return int(text) if kind == "int" else float(text)
    if number is not None and kind in ("bool", "int", "float"):
        return {"bool": bool, "int": int, "float": float}[kind](number)
    if kind == "float":
        return float("nan")
    return Summary(kind, summary, token)


def function_totals(connections: Connections) -> list[tuple[Any, ...]]:
    """Return for each function: name, hits, misses, seconds saved, evictions, stored calls, stored bytes."""
    columns = "name hits misses seconds_saved evictions stored nbytes".split()
    return run(connections, select(*(function.c[name] for name in columns)).order_by(function.c.name))


def version_ids(connections: Connections, name: str, place: str, fingerprint: bytes | None) -> list[int]:
    """Return a function's versions: those of its place, and the present one wherever it stands."""
    mine = function_version.c.place == place
    if fingerprint is not None:
        mine = mine | (function_version.c.fingerprint == fingerprint)
    statement = (
        select(function_version.c.id)
        .join(function, function.c.id == function_version.c.function_id)
        .where(function.c.name == name, mine)
    )
    return [row[0] for row in run(connections, statement)]
