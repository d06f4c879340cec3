"""The statements of the call path, in SQLAlchemy Core; ``scripts/compile-sql`` writes `hot.py` from them.

A hit or a miss runs the compiled text on the DBAPI connection: a SELECT by key costs 16 us that way,
105 us through Core on a held connection, and Core's import another 460 ms.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, case, delete, exists, func, insert, literal, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from resultstore._facts import EVICTED, STORED
from resultstore._index.schema import (
    acceptance,
    argument,
    call,
    computation,
    dependency,
    function,
    function_version,
    meta,
    nesting,
    payload,
    result_leaf,
    run,
    source,
    total,
)

p = bindparam
BATCH = 200


def _insert(table: Any, *columns: str) -> Any:
    return insert(table).values({name: p(name) for name in columns})


def _add_if_new(table: Any, *columns: str) -> Any:
    return (
        sqlite_insert(table).values({name: p(name) for name in columns}).on_conflict_do_nothing(index_elements=["key"])
    )


def _few(statement: Any) -> Any:
    return select(func.count()).select_from(statement.limit(p("most")).subquery())


def _columns(table: Any, *names: str) -> list[Any]:
    return [table.c[name] for name in names]


_PAYLOAD = """digest checksum format nbytes raw_nbytes head_nbytes
    dtype shape memory_order codec file inline disk_nbytes""".split()
_RESULT = "state kind integer number text leaf_count checksum version_id run_id created_at duration nbytes".split()
_ACCESS = "accessed_at access_count access_sequence note age".split()
_USE = "id access_sequence access_count created_at duration nbytes age".split()
_SUMS = "file_nbytes inline_nbytes payloads access_sequence evictions file_calls journal_lines".split()

_version_function = (
    select(function_version.c.function_id)
    .join(call, call.c.version_id == function_version.c.id)
    .where(call.c.id == p("id"))
    .scalar_subquery()
)
_may_go = select(*_columns(call, *_USE)).where(call.c.state == STORED, call.c.pinned.is_(False))
# The index fills in the order of its policy: policies are data, and hot.py is whole without them.
_victims = _may_go.order_by(literal_column("{order}"), call.c.id).limit(p("count"))


_calls = select(call.c.id).where(call.c.id > p("after"), call.c.id <= p("until")).order_by(call.c.id).limit(p("count"))


def _among(column: Any) -> Any:
    """Say that a number is one of a list that comes as JSON: one statement for a whole batch."""
    return column.in_(select(func.json_each(p("ids")).table_valued("value").c.value))


_duration = select(call.c.duration).where(call.c.id == p("id")).scalar_subquery()
_next_number = (
    select(func.coalesce(func.max(function_version.c.number), 0) + 1)
    .where(function_version.c.function_id == p("function_id"))
    .scalar_subquery()
)

_version_columns = """function_id fingerprint code scheme label portable place source_digest
    signature python created_at""".split()


def _standing_in(*columns: Any) -> Any:
    """Return the versions that answer for one: equal ones under this name, and what any of them accepted."""
    own, other = function_version.alias("own"), function_version.alias("other")
    equal = (
        select(own.c.id)
        .join(function, function.c.id == own.c.function_id)
        .where(
            function.c.name == p("name"),
            (own.c.fingerprint == p("fingerprint")) | (own.c.portable == p("portable")),
        )
        .cte("equal", recursive=True)
    )
    again = (
        select(other.c.id)
        .select_from(equal)
        .join(own, own.c.id == equal.c.id)
        .join(other, (other.c.portable == own.c.portable) & (other.c.function_id == own.c.function_id))
    )
    accepted = select(acceptance.c.accepted_id).join(equal, acceptance.c.version_id == equal.c.id)
    equal = equal.union(again, accepted)
    return (
        select(function.c.name, function_version.c.fingerprint, *columns)
        .select_from(equal)
        .join(function_version, function_version.c.id == equal.c.id)
        .join(function, function.c.id == function_version.c.function_id)
        .order_by(function_version.c.id.desc())
    )


STATEMENTS: dict[str, Any] = {
    # -- reading
    "FETCH": select(
        *_columns(call, "id", "state", "kind", "integer", "number", "text", "leaf_count", "checksum", "created_at")
    ).where(call.c.key == p("key")),
    "DURATION": select(call.c.duration).where(call.c.id == p("id")),
    "ARGUMENTS": select(*_columns(argument, "name", "summary"))
    .where(argument.c.call_id == p("call_id"))
    .order_by(argument.c.position),
    "STANDING_IN": _standing_in(),
    "STANDING_IN_WHOLE": _standing_in(function_version.c.id, function_version.c.portable),
    "ACCEPTED": select(acceptance.c.accepted_id).where(acceptance.c.version_id == p("version_id")),
    "WHICH_VERSION": select(function.c.name, function_version.c.fingerprint, function_version.c.portable)
    .select_from(function_version.join(function, function.c.id == function_version.c.function_id))
    .where(function_version.c.id == p("id")),
    "SIGNED": select(meta.c.value).where(meta.c.name == p("name")),
    "SIGN": sqlite_insert(meta).values({n: p(n) for n in ("name", "value")}).on_conflict_do_nothing(),
    "WHY": select(*_columns(call, "state", "note")).where(call.c.key == p("key")),
    "LEAVES": select(*_columns(result_leaf, "position", "path", "writeable"), *_columns(payload, "id", *_PAYLOAD))
    .select_from(result_leaf.join(payload, payload.c.id == result_leaf.c.payload_id))
    .where(result_leaf.c.call_id == p("call_id"))
    .order_by(result_leaf.c.position),
    "EQUAL_PAYLOADS": select(
        *_columns(payload, "id", "checksum", "format", "nbytes", "file", "disk_nbytes", "codec")
    ).where(payload.c.digest == p("digest"), payload.c.format == p("format")),
    "TOTAL": select(total),
    # -- keeping
    "ADD_RUN": _insert(run, *(c.name for c in run.c if c.name != "id")),
    "FIND_RUN": select(run.c.started_at, run.c.process).where(run.c.id == p("id")),
    "FIND_FUNCTION": select(function.c.id).where(function.c.name == p("name")),
    "ADD_FUNCTION": _insert(function, "name"),
    "FIND_VERSION": select(function_version.c.id).where(
        function_version.c.function_id == p("function_id"),
        function_version.c.fingerprint == p("fingerprint"),
        function_version.c.code == p("code"),
    ),
    "ADD_VERSION": insert(function_version).values(
        {
            **{n: p(n) for n in _version_columns},
            "number": _next_number,
        }
    ),
    "ADD_SOURCE": sqlite_insert(source).values({n: p(n) for n in ("digest", "text")}).on_conflict_do_nothing(),
    "ADD_DEPENDENCY": _insert(dependency, *(c.name for c in dependency.c if c.name != "id")),
    "ACCEPT": sqlite_insert(acceptance)
    .values({c.name: p(c.name) for c in acceptance.c})
    .on_conflict_do_update(
        index_elements=["version_id", "accepted_id"],
        set_={"reason": p("reason"), "created_at": p("created_at")},
    ),
    "FIND_CALL": select(*_columns(call, "id", "access_count", "state", "nbytes")).where(call.c.key == p("key")),
    "KEEP_COMPUTATION": insert(computation).from_select(
        ["call_id", "run_id", "created_at", "duration", "checksum", "state", "note"],
        select(*_columns(call, "id", "run_id", "created_at", "duration", "checksum", "state", "note")).where(
            call.c.id == p("id")
        ),
    ),
    "ADD_CALL": _add_if_new(call, "key", *_RESULT, *_ACCESS),
    "CHANGE_CALL": update(call).where(call.c.id == p("id")).values({n: p(n) for n in (*_RESULT, *_ACCESS)}),
    "ADD_ARGUMENT": _insert(argument, *(c.name for c in argument.c)),
    "ADD_PAYLOAD": _insert(payload, *_PAYLOAD),
    "ADD_LEAF": _insert(result_leaf, *(c.name for c in result_leaf.c)),
    "ADD_NESTING": sqlite_insert(nesting)
    .from_select(
        ["parent_id", "child_id"],
        select(p("parent_id", type_=call.c.id.type), call.c.id).where(call.c.key == p("child_key")),
    )
    .on_conflict_do_nothing(),
    "COUNT_MISSES": update(function)
    .where(function.c.id == p("id"))
    .values(
        misses=function.c.misses + p("misses"),
        stored=function.c.stored + p("stored"),
        nbytes=function.c.nbytes + p("nbytes"),
    ),
    "CHANGE_TOTAL": update(total).values({name: total.c[name] + p(name) for name in _SUMS}),
    # -- accesses
    "TOUCH": update(call)
    .where(call.c.id == p("id"))
    .values(
        accessed_at=p("accessed_at"),
        access_count=call.c.access_count + p("count"),
        # Another process may have noted a later one meanwhile.
        access_sequence=case(
            (call.c.access_sequence > p("access_sequence"), call.c.access_sequence), else_=p("access_sequence")
        ),
        age=p("age"),
    ),
    "COUNT_HITS": update(function)
    .where(function.c.id == _version_function)
    .values(
        hits=function.c.hits + p("count"),
        seconds_saved=function.c.seconds_saved + p("count") * _duration,
    ),
    # -- dropping
    "VICTIMS": _victims.offset(p("skip")),
    "VICTIMS_WITH_PAYLOAD": _victims.where(call.c.leaf_count > 0),
    "VICTIMS_OF_VERSION": _victims.where(call.c.version_id == p("version_id")),
    "UNTOUCHED": _may_go.where(call.c.access_sequence > p("after"), call.c.accessed_at < p("before"))
    .order_by(call.c.access_sequence)
    .limit(p("count")),
    "DROPPED": select(call.c.id)
    .where(call.c.state != STORED, call.c.pinned.is_(False))
    .order_by(call.c.access_sequence)
    .limit(p("count")),
    # How many there are, as far as it matters.
    "FEW_EQUAL": _few(select(argument.c.call_id).where(argument.c.name == p("name"), argument.c.token == p("token"))),
    "FEW_BETWEEN": _few(
        select(argument.c.call_id).where(
            argument.c.name == p("name"), argument.c.number >= p("low"), argument.c.number <= p("high")
        )
    ),
    "FEW_CALLS": _few(
        select(call.c.id)
        .select_from(function)
        .join(function_version, function_version.c.function_id == function.c.id)
        .join(call, call.c.version_id == function_version.c.id)
        .where(function.c.name == p("name"))
    ),
    "ANY_PINNED": select(call.c.id).where(call.c.pinned.is_(True)).limit(1),
    "PIN": update(call).where(call.c.key == p("key")).values(pinned=p("pinned")),
    "STORED": select(
        func.coalesce(func.sum(function.c.stored), 0),
        func.coalesce(func.sum(function.c.nbytes), 0),
    ),
    "FUNCTION_NBYTES": select(function.c.nbytes).where(function.c.name == p("name")),
    "FUNCTION_VERSIONS": select(function_version.c.id)
    .join(function, function.c.id == function_version.c.function_id)
    .where(function.c.name == p("name")),
    "AGE": update(total).values(age=func.max(total.c.age, p("age"))),
    "SET_AGE": update(total).values(age=p("age"), aged_by=p("aged_by")),
    "REJUVENATE": update(call)
    .where(call.c.id > p("after"), call.c.id <= p("until"), call.c.age != literal(0))
    .values(age=literal(0)),
    "CALLS": _calls,
    "CALLS_OF_VERSION": _calls.where(call.c.version_id == p("version_id")),
    "LAST_CALL": select(func.coalesce(func.max(call.c.id), 0)),
    "CALL_PAYLOADS": select(payload.c.id, payload.c.file, payload.c.disk_nbytes, func.length(payload.c.inline))
    .join(result_leaf, result_leaf.c.payload_id == payload.c.id)
    .where(result_leaf.c.call_id == p("call_id"))
    .distinct(),
    "DROP_LEAVES": delete(result_leaf).where(result_leaf.c.call_id == p("call_id")),
    "DROP_ARGUMENTS": delete(argument).where(argument.c.call_id == p("call_id")),
    "DROP_PAYLOAD": delete(payload).where(
        payload.c.id == p("id"), ~exists().where(result_leaf.c.payload_id == payload.c.id)
    ),
    "COUNT_DROPPED": select(
        function_version.c.function_id,
        func.count(),
        func.count().filter(call.c.state == STORED),
        func.sum(call.c.nbytes),
        func.sum(call.c.leaf_count),
    )
    .join(function_version, function_version.c.id == call.c.version_id)
    .where(_among(call.c.id))
    .group_by(function_version.c.function_id),
    "CALLS_WITH_FILES": select(func.count(result_leaf.c.call_id.distinct()))
    .join(payload, payload.c.id == result_leaf.c.payload_id)
    .where(_among(result_leaf.c.call_id), payload.c.file.is_not(None)),
    "PAYLOADS_OF_CALLS": select(result_leaf.c.payload_id).where(_among(result_leaf.c.call_id)).distinct(),
    "KEYS_OF_CALLS": select(call.c.key).where(_among(call.c.id)),
    "DROP_LEAVES_OF_CALLS": delete(result_leaf).where(_among(result_leaf.c.call_id)),
    "UNUSED_AMONG": select(payload.c.id, payload.c.file, payload.c.disk_nbytes, func.length(payload.c.inline)).where(
        _among(payload.c.id), ~exists().where(result_leaf.c.payload_id == payload.c.id)
    ),
    "FILES_OF_CALLS": select(payload.c.file).where(
        payload.c.file.is_not(None),
        payload.c.id.in_(select(result_leaf.c.payload_id).where(_among(result_leaf.c.call_id))),
        ~exists().where(result_leaf.c.payload_id == payload.c.id, ~_among(result_leaf.c.call_id)),
    ),
    "FREED_BY": select(
        func.coalesce(func.sum(payload.c.disk_nbytes + func.coalesce(func.length(payload.c.inline), literal(0))), 0)
    ).where(
        payload.c.id.in_(select(result_leaf.c.payload_id).where(_among(result_leaf.c.call_id))),
        ~exists().where(result_leaf.c.payload_id == payload.c.id, ~_among(result_leaf.c.call_id)),
    ),
    "DROP_PAYLOADS": delete(payload).where(_among(payload.c.id)),
    "DROP_ARGUMENTS_OF_CALLS": delete(argument).where(_among(argument.c.call_id)),
    "FORGET_CALLS": delete(call).where(_among(call.c.id)),
    "EVICT_CALLS": update(call)
    .where(_among(call.c.id))
    .values(
        state=EVICTED,
        kind=None,
        integer=None,
        number=None,
        text=None,
        leaf_count=0,
        checksum=None,
        nbytes=0,
        note=p("note"),
    ),
    "CHANGE_FUNCTION": update(function)
    .where(function.c.id == p("id"))
    .values(
        evictions=function.c.evictions + p("evictions"),
        stored=function.c.stored - p("stored"),
        nbytes=function.c.nbytes - p("nbytes"),
    ),
    "SET_JOURNAL_LINES": update(total).values(journal_lines=p("journal_lines")),
    "FILE_KEYS": select(call.c.key).where(
        exists()
        .where(
            result_leaf.c.call_id == call.c.id, payload.c.id == result_leaf.c.payload_id, payload.c.file.is_not(None)
        )
        .correlate(call)
    ),
    # -- verifying
    "PAYLOADS": select(*_columns(payload, "id", *_PAYLOAD))
    .where(payload.c.id > p("after"))
    .order_by(payload.c.id)
    .limit(BATCH),
    "PAYLOAD_CALLS": select(result_leaf.c.call_id).where(result_leaf.c.payload_id == p("payload_id")),
    "UNUSED_PAYLOADS": select(payload.c.id).where(~exists().where(result_leaf.c.payload_id == payload.c.id)),
    "COUNT_PAYLOADS": select(
        func.coalesce(func.sum(payload.c.disk_nbytes), 0),
        func.coalesce(func.sum(func.length(payload.c.inline)), 0),
        func.count(),
    ),
    "COUNT_STORED": select(
        function.c.id,
        function.c.name,
        func.count(call.c.id),
        func.coalesce(func.sum(call.c.nbytes), 0),
        function.c.stored,
        function.c.nbytes,
    )
    .select_from(
        function.outerjoin(function_version, function_version.c.function_id == function.c.id).outerjoin(
            call, (call.c.version_id == function_version.c.id) & (call.c.state == STORED)
        )
    )
    .group_by(function.c.id),
    "FILE_PAYLOAD": select(payload.c.id).where(payload.c.file == p("file")),
    "DROP_UNUSED_VERSIONS": delete(function_version).where(
        ~exists().where(call.c.version_id == function_version.c.id),
        ~exists().where(acceptance.c.version_id == function_version.c.id),
    ),
    "DROP_UNUSED_SOURCES": delete(source).where(
        ~exists().where(function_version.c.source_digest == source.c.digest),
        ~exists().where(dependency.c.source_digest == source.c.digest),
    ),
    "SET_TOTAL": update(total).values({c.name: p(c.name) for c in total.c if c.name != "id"}),
}
