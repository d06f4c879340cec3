"""Explaining at work: what the index says of a call that is asked about. Computes, loads and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from resultstore import _clock, explain
from resultstore._aliases import Aliases
from resultstore._facts import EVICTED, NOT_STORED, STORED, FunctionFacts
from resultstore._identity.key import Form, Identity
from resultstore._index.connect import told
from resultstore._index.index import CallRow
from resultstore._settings import CallOptions
from resultstore._sizes import format_seconds
from resultstore._vault import Vault
from resultstore._versions import Present, functions_at
from resultstore.change import Change, changes_between
from resultstore.errors import DigestError
from resultstore.explain import Explanation
from resultstore.query import Query
from resultstore.record import Home, Record

_PAYLOAD_GONE = "its payload was "


class Explained(Protocol):
    """What explaining needs of a cached function."""

    _aliases: Aliases
    _function_facts: Callable[[bytes], FunctionFacts]
    _given: tuple[Any, ...]
    _identity: Identity
    _options: CallOptions
    _vault: Vault | None
    _judges: bool

    def _counts(self, vault: Vault, key: bytes, row: CallRow) -> bool: ...
    def _is_outdated(self, vault: Vault, row: CallRow) -> bool: ...
    def _present(self) -> Present: ...


class _Asked(NamedTuple):
    """A call that is asked about, under the key of the present version."""

    form: Form
    values: tuple[Any, ...]
    encodings: list[bytes]
    fingerprint: bytes


def explain_call(function: Explained, home: Home, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Explanation:
    """Say whether a call would hit, and if not why."""
    vault = function._vault
    form = function._identity.form()
    try:
        values = form.bind(*function._given, *args, **kwargs)
    except DigestError as error:  # a function in key= failed
        return _unkeyed(error)
    if vault is None:
        return explain.make("off", "storing is switched off: Store(None), or RESULTSTORE_DISABLE in the environment")
    try:
        fingerprint = function._identity.fingerprint()
        call = _Asked(form, values, form.encode(values), fingerprint)
        facts = function._function_facts(fingerprint)
        arguments = {
            a.name: (a.kind, a.token, a.summary) for a in form.argument_facts(values, call.encodings) if a.token
        }
    except Exception as error:  # a value's own code may run while it is looked at
        return _unkeyed(error)
    with told(vault.index.connections.path):
        known = _known(function, vault, home, call, facts)
        if known is not None:
            return known
        return _from_nearest(function, vault, home, facts, arguments)


def _unkeyed(error: Exception) -> Explanation:
    where, problem = "", f"{type(error).__name__}: {error}"
    if isinstance(error, DigestError):
        where, problem = error.where, error.problem
    change = Change("argument" if where.startswith("argument") else "value", where or "the call", None, None, problem)
    return explain.make("unkeyed", f"the call runs uncached: {where}{': ' * bool(where)}{problem}", (), (change,))


def _known(function: Explained, vault: Vault, home: Home, call: _Asked, facts: FunctionFacts) -> Explanation | None:
    """Explain a call that is on record, under its own key or that of a version that stands in; None if it is not."""
    own = call.form.key(call.fingerprint, call.encodings)
    others = function._aliases.keys(vault, call.form, call.fingerprint, call.encodings, function._function_facts)
    first: Explanation | None = None
    for key in (own, *others):
        record = record_of(vault, key, home)
        if record is None:
            continue
        explanation = _judge(function, vault, record, facts)
        if explanation.outcome == "hit":
            return explanation
        first = first or explanation
    return first


def _judge(function: Explained, vault: Vault, record: Record, facts: FunctionFacts) -> Explanation:
    """Say of a record whether it answers for the present version, as which."""
    broken = _broken(vault, record)
    if broken is not None:
        return broken
    row = vault.find(record.key)
    if row is not None and function._judges and function._is_outdated(vault, row):
        ttl_s, age_s = function._options.ttl_s, _clock.now() - row.created_at
        if ttl_s is not None and age_s >= ttl_s:
            head = f"expired: computed {format_seconds(age_s)} ago, and ttl is {format_seconds(ttl_s)}"
            return explain.make("expired", head, [explain.describe_call(record)], (), record)
        head = "the cache_validation_callback did not take the stored result"
        return explain.make("invalid", head, [explain.describe_call(record)], (), record)
    if row is not None and row.kind == "error" and not function._counts(vault, record.key, row):
        head = "the call raised an exception, which is on record and is not one of the function's cache_errors"
        return explain.make("exception", head, [explain.describe_call(record)], (), record)
    head = explain.describe_hit(record)
    if row is not None and row.kind == "error":
        head = f"raises the exception again that it raised then: {head}"
    if (record.function, record.fingerprint) == (facts.name, facts.fingerprint):
        return explain.make("stored", head, (), (), record)
    reason, how = _alias(vault, record, facts)
    return explain.make(reason, f"{head}, {how}", (), (), record)


def _broken(vault: Vault, record: Record) -> Explanation | None:
    """Say why a record has no result that can be had, or None if it has."""
    line = [explain.describe_call(record)]
    note = record.note or ""
    if record.state == NOT_STORED:
        return explain.make("not stored", f"not stored: {note}", line, (), record)
    if record.state == EVICTED:
        if note.startswith(_PAYLOAD_GONE):
            return explain.make("unreadable", f"unreadable: {note}", line, (), record)
        return explain.make("evicted", note or "evicted", line, (), record)
    row = vault.find(record.key)
    if row is None or not vault.stands(record.key, row, closely=True):
        head = "unreadable: its payload is gone, damaged, unsigned, or a pickle that is not read (store.verify() tells)"
        return explain.make("unreadable", head, line, (), record)
    return None


def _alias(vault: Vault, record: Record, facts: FunctionFacts) -> tuple[str, str]:
    """Say why another version's record counts."""
    from resultstore._index.versions import reasons_of, versions_of

    rows = versions_of(vault.index.connections, [record.function])
    row = next((row for row in rows if row.fingerprint == record.fingerprint), None)
    portable = facts.portable is not None and row is not None and row.portable == facts.portable
    if portable or record.fingerprint == facts.fingerprint:
        if record.function != facts.name:
            return "renamed", f"of {record.function}, as the function was named before"
        return "equal", f"the same source under Python {row.python if row is not None else '?'}"
    why = reasons_of(vault.index.connections, [facts.name, record.function]).get(row.id if row is not None else 0)
    return "accepted", f"accepted{'' if why is None else f': {why}'}"


def _from_nearest(
    function: Explained,
    vault: Vault,
    home: Home,
    facts: FunctionFacts,
    arguments: dict[str, explain.Argument],
) -> Explanation:
    """Explain a call that is not on record by the past call that is nearest to it."""
    from resultstore._index.nearest import nearest

    name, names = function._identity.name, function._aliases.names
    tokens = {argument: token for argument, (_, token, _) in arguments.items()}
    found = nearest(vault.index.connections, names, tokens, facts.fingerprint)
    record = None if found is None else record_of(vault, found.key, home)
    if found is None or record is None:
        return explain.make("never called", f"no call of {name} is on record")
    others = explain.argument_changes(found.arguments, arguments)
    counting = Present(names, facts.place, facts).counting(vault)
    counts = (record.function, record.fingerprint) in counting
    changes = () if counts else _version_changes(vault, record, facts, _place_of(function))
    line = f"nearest call: {explain.describe_call(record)}"
    if not others and changes:
        head, lines = explain.describe_changes(changes)
        lines.append(f"the call was {explain.describe_call(record)}")
        if record.state == STORED:
            how = f'store.accept({_spelled(function)}, from_version={record.version!r}, reason="...")'
            lines.append(f"if the change is harmless: {how}")
        return explain.make(changes[0].kind, head, lines, changes, record)
    rest = [f"and the function is another version since: {'; '.join(map(str, changes[:3]))}"] if changes else []
    head, lines = explain.describe_arguments(others)
    if len(others) > 1 and not found.equal:
        head = f"no call of {name} that is like this one is on record"
        return explain.make("never called", head, [*lines, line, *rest], (*others, *changes), record)
    return explain.make("argument", head, [*lines, line, *rest], (*others, *changes), record)


def _version_changes(vault: Vault, record: Record, facts: FunctionFacts, place: str | None) -> tuple[Change, ...]:
    """Return what differs between the version that computed a record and the present one."""
    from resultstore._index.versions import facts_of, versions_of

    if record.fingerprint == facts.fingerprint:
        return ()
    rows = versions_of(vault.index.connections, [record.function])
    row = next((row for row in rows if row.fingerprint == record.fingerprint), None)
    return () if row is None else changes_between(facts_of(vault.index.connections, row), facts, place)


def record_of(vault: Vault, key: bytes, home: Home) -> Record | None:
    """Return the record with a key, or None."""
    from resultstore._index.select import CallSelect

    page = CallSelect(vault.index.connections, Query(key=key), home).page(0, 1)
    return page[0] if page else None


def _spelled(function: Explained) -> str:
    """Return a function as its caller may write it, such as ``Model.fit``."""
    name = str(getattr(function, "__qualname__", "")).rpartition("<locals>.")[2]
    return name if all(part.isidentifier() for part in name.split(".")) else "f"


def _place_of(function: Explained) -> str | None:
    code = getattr(function._identity._inner, "__code__", None)
    return None if code is None else f"{code.co_filename}:{code.co_firstlineno}"


# -- records


def explain_record(vault: Vault | None, home: Home, key: bytes) -> Explanation:
    """Say whether the call of a record would hit now, and what became of its result."""
    if vault is None:
        return explain.make("off", "storing is switched off: Store(None), or RESULTSTORE_DISABLE in the environment")
    with told(vault.index.connections.path):
        record = record_of(vault, key, home)
        if record is None:
            return explain.make(
                "unknown", f"no call with key {key.hex()} is on record: it was never made, or forgotten"
            )
        made = _explain_record(vault, home, record)
        lines = [made.text, *_lineage(vault, key, home)]
        return Explanation(made.outcome, made.reason, made.changes, made.nearest, "\n".join(lines))


def _explain_record(vault: Vault, home: Home, record: Record) -> Explanation:
    functions = [f for f in functions_at(vault.place) if record.function in f._aliases.names]
    for function in functions:
        present = function._present()
        if (record.function, record.fingerprint) in present.counting(vault):
            return _judge(function, vault, record, present.facts)
    for function in functions:
        facts = function._present().facts
        if facts is not None:
            return _of_present(function, vault, home, record, facts)
    made = _broken(vault, record)
    if made is None:
        made = explain.make("stored", explain.describe_hit(record), (), (), record)
    line = f"{record.function} is not decorated in this process: whether this is still its version is not looked at"
    return Explanation(made.outcome, made.reason, made.changes, made.nearest, f"{made.text}\n{line}")


def _of_present(function: Explained, vault: Vault, home: Home, record: Record, facts: FunctionFacts) -> Explanation:
    """Explain the record of a version that no longer counts: by what the present one has for these arguments."""
    from resultstore._index.nearest import arguments_of, nearest

    connections = vault.index.connections
    arguments = arguments_of(connections, record.key)
    tokens = {name: token for name, (_, token, _) in arguments.items()}
    found = nearest(connections, function._aliases.names, tokens, facts.fingerprint)
    if found is not None and found.equal == len(tokens) == len(found.arguments):
        own = record_of(vault, found.key, home)
        if own is not None and own.fingerprint == facts.fingerprint:
            return _judge(function, vault, own, facts)
    changes = _version_changes(vault, record, facts, _place_of(function))
    if not changes:
        return explain.make(
            "never called", "the present version was never called so", [explain.describe_call(record)], (), record
        )
    head, lines = explain.describe_changes(changes)
    return explain.make(
        changes[0].kind, head, [*lines, f"the call was {explain.describe_call(record)}"], changes, record
    )


def _lineage(vault: Vault, key: bytes, home: Home) -> Iterator[str]:
    from resultstore._index.nearest import relatives

    for title, keys in zip(("made by", "made"), relatives(vault.index.connections, key), strict=True):
        for other in keys:
            record = record_of(vault, other, home)
            if record is not None:
                yield f"{title}: {explain.describe_call(record)}"
