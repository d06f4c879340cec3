"""The past call that is nearest to one that is not known: found by its arguments, at a bounded cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import select

from resultstore._index.connect import Connections
from resultstore._index.schema import argument, call, function, function_version, nesting
from resultstore._index.select import run

_VERSIONS, _OF_PRESENT, _OF_OTHERS, _OF_ARGUMENT = 50, 1000, 200, 300
_CHUNK = 500
_SHOWN = 5


class Nearest(NamedTuple):
    """A past call beside a new one."""

    id: int
    key: bytes
    version_id: int
    equal: int
    """How many arguments are the same."""
    arguments: dict[str, tuple[str, bytes, str]]
    """Kind, token and summary of its arguments that count."""


def nearest(
    connections: Connections, names: Iterable[str], tokens: Mapping[str, bytes], fingerprint: bytes
) -> Nearest | None:
    """Return the call of these functions with most equal arguments; of several the present version's, the newest.

    Looked at are the newest calls of the newest versions, and for each argument the newest calls that had it.
    """
    versions = _versions(connections, names)
    of_call: dict[int, int] = {}
    for number, its_fingerprint in versions.items():
        most = _OF_PRESENT if its_fingerprint == fingerprint else _OF_OTHERS
        of_version = select(call.c.id).where(call.c.version_id == number).order_by(call.c.id.desc()).limit(most)
        of_call.update((row[0], number) for row in run(connections, of_version))
    for name, token in tokens.items():
        of_call.update(_with_argument(connections, names, name, token))
    counted = _arguments(connections, list(of_call))
    best, best_rank = None, (-1, 0, False, 0)
    for call_id, version_id in of_call.items():
        arguments = counted.get(call_id, {})
        equal = sum(name in arguments and arguments[name][1] == token for name, token in tokens.items())
        others = len(tokens.keys() ^ arguments.keys())
        rank = (equal, -others, versions.get(version_id) == fingerprint, call_id)
        if rank > best_rank:
            best, best_rank = call_id, rank
    if best is None:
        return None
    ((key, version_id),) = run(connections, select(call.c.key, call.c.version_id).where(call.c.id == best)) or [
        (b"", 0)
    ]
    return Nearest(best, key, version_id, best_rank[0], counted.get(best, {}))


def _versions(connections: Connections, names: Iterable[str]) -> dict[int, bytes]:
    statement = (
        select(function_version.c.id, function_version.c.fingerprint)
        .join(function, function.c.id == function_version.c.function_id)
        .where(function.c.name.in_(list(names)))
        .order_by(function_version.c.id.desc())
        .limit(_VERSIONS)
    )
    return {row[0]: row[1] for row in run(connections, statement)}


def _with_argument(connections: Connections, names: Iterable[str], name: str, token: bytes) -> list[tuple[int, int]]:
    """Return the newest calls with an argument: (call, version). Only so many are looked at, of any function."""
    newest = (
        select(argument.c.call_id)
        .where(argument.c.name == name, argument.c.token == token)
        .order_by(argument.c.call_id.desc())
        .limit(_OF_ARGUMENT)
        .subquery()
    )
    statement = (
        select(call.c.id, call.c.version_id)
        .join(newest, newest.c.call_id == call.c.id)
        .join(function_version, function_version.c.id == call.c.version_id)
        .join(function, function.c.id == function_version.c.function_id)
        .where(function.c.name.in_(list(names)))
    )
    return [(row[0], row[1]) for row in run(connections, statement)]


def _arguments(connections: Connections, ids: list[int]) -> dict[int, dict[str, tuple[str, bytes, str]]]:
    found: dict[int, dict[str, tuple[str, bytes, str]]] = defaultdict(dict)
    columns = (argument.c[n] for n in ("call_id", "name", "kind", "token", "summary"))
    statement = select(*columns).where(argument.c.token.is_not(None))
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        for call_id, name, kind, token, summary in run(connections, statement.where(argument.c.call_id.in_(some))):
            found[call_id][name] = (kind, token, summary)
    return found


def arguments_of(connections: Connections, key: bytes) -> dict[str, tuple[str, bytes, str]]:
    """Return kind, token and summary of the arguments of one call."""
    ids = [row[0] for row in run(connections, select(call.c.id).where(call.c.key == key))]
    return dict(_arguments(connections, ids).get(ids[0], {})) if ids else {}


def relatives(connections: Connections, key: bytes) -> tuple[list[bytes], list[bytes]]:
    """Return the keys of the calls that made one, and of those that it made: some of each."""
    own = select(call.c.id).where(call.c.key == key).scalar_subquery()

    def ask(mine: Any, other: Any) -> list[bytes]:
        statement = select(call.c.key).join(nesting, other == call.c.id).where(mine == own).order_by(call.c.id)
        return [row[0] for row in run(connections, statement.limit(_SHOWN))]

    return ask(nesting.c.child_id, nesting.c.parent_id), ask(nesting.c.parent_id, nesting.c.child_id)
