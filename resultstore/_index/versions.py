"""What the index knows of the versions of functions, as Core selects; like `select`, never on the way of a call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import func, select

from resultstore._facts import DependencyFacts, FunctionFacts
from resultstore._index.connect import Connections
from resultstore._index.schema import acceptance, call, dependency, function, function_version, source
from resultstore._index.select import run

_CHUNK = 500


class VersionRow(NamedTuple):
    """A version and its calls."""

    id: int
    function: str
    number: int
    label: str | None
    fingerprint: bytes
    code: bytes
    scheme: int
    portable: bytes | None
    python: str
    place: str
    signature: str | None
    source: str | None
    created_at: float
    calls: int
    stored: int
    nbytes: int
    seconds: float
    accessed_at: float | None


def versions_of(connections: Connections, names: Iterable[str]) -> list[VersionRow]:
    """Return the versions of functions by name, newest first."""
    stored = call.c.state == "stored"
    statement = (
        select(
            function_version.c.id,
            function.c.name,
            *(function_version.c[n] for n in "number label fingerprint code scheme portable python place".split()),
            function_version.c.signature,
            source.c.text,
            function_version.c.created_at,
            func.count(call.c.id),
            func.count(call.c.id).filter(stored),
            func.coalesce(func.sum(call.c.nbytes), 0),
            func.coalesce(func.sum(call.c.duration), 0.0),
            func.max(call.c.accessed_at),
        )
        .select_from(
            function_version.join(function, function.c.id == function_version.c.function_id)
            .outerjoin(source, source.c.digest == function_version.c.source_digest)
            .outerjoin(call, call.c.version_id == function_version.c.id)
        )
        .where(function.c.name.in_(list(names)))
        .group_by(function_version.c.id)
        .order_by(function_version.c.created_at.desc(), function_version.c.id.desc())
    )
    return [VersionRow(*row) for row in run(connections, statement)]


def facts_of(connections: Connections, row: VersionRow) -> FunctionFacts:
    """Return a version as the call path knows it, with what it depends on."""
    statement = (
        select(*(dependency.c[n] for n in "name kind digest place detail".split()), source.c.text)
        .select_from(dependency.outerjoin(source, source.c.digest == dependency.c.source_digest))
        .where(dependency.c.version_id == row.id)
        .order_by(dependency.c.id)
    )
    return FunctionFacts(
        name=row.function,
        fingerprint=row.fingerprint,
        scheme=row.scheme,
        place=row.place,
        source=row.source,
        signature=row.signature,
        python=row.python,
        code=row.code,
        label=row.label,
        portable=row.portable,
        dependencies=tuple(
            DependencyFacts(name, kind, digest, place, detail if text is None else text)
            for name, kind, digest, place, detail, text in run(connections, statement)
        ),
    )


def reasons_of(connections: Connections, names: Iterable[str]) -> dict[int, str]:
    """Return why versions were accepted by versions of these functions, by their numbers in the index."""
    statement = (
        select(acceptance.c.accepted_id, acceptance.c.reason)
        .join(function_version, function_version.c.id == acceptance.c.version_id)
        .join(function, function.c.id == function_version.c.function_id)
        .where(function.c.name.in_(list(names)))
        .order_by(acceptance.c.created_at)
    )
    return {row[0]: row[1] for row in run(connections, statement)}


def last_used(connections: Connections) -> list[tuple[Any, ...]]:
    """Return all versions: number in the index, function, place, fingerprint, portable one, last access."""
    statement: Any = (
        select(
            function_version.c.id,
            function.c.name,
            function_version.c.place,
            function_version.c.fingerprint,
            function_version.c.portable,
            func.max(call.c.accessed_at),
        )
        .select_from(
            function_version.join(function, function.c.id == function_version.c.function_id).outerjoin(
                call, call.c.version_id == function_version.c.id
            )
        )
        .group_by(function_version.c.id)
    )
    return run(connections, statement)


def calls_of_versions(connections: Connections, ids: list[int], before: float | None) -> list[int]:
    """Return the calls of versions, pinned ones left out; with ``before`` those that nobody has asked for since."""
    found: list[int] = []
    statement = select(call.c.id).where(call.c.pinned.is_(False))
    if before is not None:
        statement = statement.where(call.c.accessed_at < before)
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        found += [row[0] for row in run(connections, statement.where(call.c.version_id.in_(some)))]
    return found
