"""Queries as SQL: a `Query` becomes a Core select, compiled here and run on the store's own connections.

SQLAlchemy compiles and SQLite's connection runs: one pool, one way to open a store, and the first
call of a process pays nothing for it. With `versions` and `nearest` this is the only module of the package's run-time
that imports SQLAlchemy, at the first `find`.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, UnaryExpression, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.operators import custom_op

from resultstore._clock import to_datetime
from resultstore._index import hot
from resultstore._index.connect import Connections, told
from resultstore._index.schema import argument, call, function, function_version
from resultstore.query import Query, Range
from resultstore.record import Home, Record, Summary

_DIALECT = sqlite.dialect(paramstyle="named")
_SHOWN = 3
_FEW = 1000
"""The newest calls that are looked through first."""


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
    function_version.c.place,
)


class CallSelect:
    """The calls that a query matches, newest first; the source behind `Records`."""

    def __init__(self, connections: Connections, query: Query, home: Home) -> None:
        self._connections = connections
        self._query = query
        self._home = home

    def count(self) -> int:
        """Return how many calls match."""
        statement = self._from(select(func.count()))
        rows = run(self._connections, statement)
        return int(rows[0][0]) if rows else 0

    def page(self, offset: int, limit: int) -> list[Record]:
        """Return some of the records."""
        newest = (call.c.created_at.desc(), call.c.id.desc())
        for window in self._windows(offset + limit):
            late = select(call.c.id).order_by(*newest).limit(window).scalar_subquery()
            statement = self._from(select(*_RECORD).where(call.c.id.in_(late)), starts_from_calls=True)
            rows = run(self._connections, statement.order_by(*newest).limit(limit).offset(offset))
            if len(rows) == limit:
                return self._records(rows)
        statement = self._from(select(*_RECORD)).order_by(*newest)
        return self._records(run(self._connections, statement.limit(limit).offset(offset)))

    def hint(self) -> str:
        """Return which functions there are of a name that was asked for, where its module is another one."""
        names = self._query.functions
        if len(names) != 1 or places_of(self._connections, names[0]):
            return ""
        own = names[0].rpartition(".")[2]
        is_like = (function.c.name == own) | function.c.name.endswith(f".{own}", autoescape=True)
        calls = select(call.c.id).join(function_version, function_version.c.id == call.c.version_id)
        has_calls = calls.where(function_version.c.function_id == function.c.id).correlate(function).exists()
        statement = select(function.c.name).where(is_like, has_calls).order_by(function.c.name)
        found = [row[0] for row in run(self._connections, statement.limit(_SHOWN + 1))]
        if not found:
            return ""
        return f"there are calls of {', '.join(found[:_SHOWN])}{', ...' if len(found) > _SHOWN else ''}"

    def _windows(self, wanted: int) -> Iterator[int]:
        """Yield how many of the newest calls to look through, more each time, as long as that is the shorter way.

        The other way is to look up all calls that meet the rarest condition, and to sort them. For neither
        is there an index: the newest of many calls with a value may be the first that was ever made.
        """
        query = self._query
        questions: list[tuple[str, dict[str, Any]]] = []
        for name, sought in query.arguments.items():
            if isinstance(sought, Range):
                questions.append((hot.FEW_BETWEEN, {"name": name, "low": sought.low, "high": sought.high}))
            else:
                questions.append((hot.FEW_EQUAL, {"name": name, "token": sought}))
        questions += [(hot.FEW_CALLS, {"name": name}) for name in query.functions]
        window = max(_FEW, 3 * wanted)
        while (
            questions
            and len(query.functions) < 2
            and query.key is None
            and all(self._has_many(sql, named, window) for sql, named in questions)
        ):
            yield window
            window *= 10

    def _has_many(self, sql: str, named: dict[str, Any], many: int) -> bool:
        with told(self._connections.path):
            rows = self._connections.query(sql, named | {"most": many})
        return bool(rows) and rows[0][0] == many

    def _records(self, rows: list[tuple[Any, ...]]) -> list[Record]:
        arguments = self._arguments([row[0] for row in rows])
        return [self._record(row, arguments.get(row[0], {})) for row in rows]

    def _from(self, statement: Select[Any], *, starts_from_calls: bool = False) -> Select[Any]:
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
        for name, sought in query.arguments.items():
            statement = statement.where(_has_argument(name, sought, starts_from_calls))
        return statement

    def _arguments(self, ids: list[int]) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        with told(self._connections.path):
            rows = self._connections.query(_arguments_of(), {"ids": json.dumps(ids)})
        for number, name, *facts in rows:
            found.setdefault(number, {})[name] = _argument_value(*facts)
        return found

    def _record(self, row: tuple[Any, ...], arguments: Mapping[str, Any]) -> Record:
        _, name, label, number, fingerprint, created, accessed, count, duration, nbytes, state, key, note, *rest = row
        pinned, place = rest
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
            place=place,
            _home=self._home,
        )


class ListedCalls(CallSelect):
    """Calls by their numbers in the index, in the order of the list."""

    def __init__(self, connections: Connections, ids: Sequence[int], home: Home) -> None:
        super().__init__(connections, Query(), home)
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


@functools.cache
def _arguments_of() -> str:
    """Return the statement for the arguments of some calls; compiled once, which takes longer than to run it."""
    columns = (argument.c[n] for n in ("call_id", "name", "kind", "number", "text", "token", "summary"))
    ids = select(func.json_each(bindparam("ids")).table_valued("value").c.value)
    statement = select(*columns).where(argument.c.call_id.in_(ids)).order_by(argument.c.call_id, argument.c.position)
    return str(statement.compile(dialect=_DIALECT))


def _has_argument(name: str, sought: bytes | Range, starts_from_calls: bool) -> ColumnElement[bool]:
    """Say in SQL that a call has an argument of this name and value.

    By IN, SQLite starts from the arguments with this value, and a question for few of them costs the same in a
    store of a million calls; by EXISTS it starts from the calls, and asks of each whether it has the argument.
    """
    column = _unindexed if starts_from_calls else _itself
    if isinstance(sought, Range):
        number = column(argument.c.number)
        is_so: ColumnElement[bool] = (number >= sought.low) & (number <= sought.high)
    else:
        is_so = column(argument.c.token) == sought
    found = select(argument.c.call_id).where(column(argument.c.name) == name, is_so)
    return found.where(argument.c.call_id == call.c.id).exists() if starts_from_calls else call.c.id.in_(found)


def _itself(column: Column[Any]) -> ColumnElement[Any]:
    return column


def _unindexed(column: Column[Any]) -> ColumnElement[Any]:
    """Return a column that SQLite takes no index for (``+column``), but that of the call."""
    return UnaryExpression(column, operator=custom_op("+"))


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


def places_of(connections: Connections, name: str) -> list[str]:
    """Return the scripts and notebooks in which a function has run, those of its newest versions first."""
    statement = (
        select(function_version.c.place)
        .join(function, function.c.id == function_version.c.function_id)
        .where(function.c.name == name, select(call.c.id).where(call.c.version_id == function_version.c.id).exists())
        .order_by(function_version.c.id.desc())
    )
    return list(dict.fromkeys(row[0] for row in run(connections, statement)))


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
