"""Versions at work: which there are, which count, and which nobody needs any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from resultstore import _clock, _lifetime
from resultstore._clock import to_datetime
from resultstore._data import Data
from resultstore._facts import FunctionFacts
from resultstore._index.connect import Connections, told
from resultstore._report import logger
from resultstore._upkeep import drop_in_batches
from resultstore._vault import Vault
from resultstore.errors import OptionError
from resultstore.version import Version, Versions

if TYPE_CHECKING:  # it imports SQLAlchemy
    from resultstore._index.versions import VersionRow


class Present(Data):
    """A function as it is now in this process."""

    names: tuple[str, ...]
    """Its name, and earlier ones."""
    place: str
    facts: FunctionFacts | None
    """None where something that it depends on has no digest."""

    def counting(self, vault: Vault) -> set[tuple[str, bytes]]:
        """Return name and fingerprint of all versions whose results count for it, itself included."""
        if self.facts is None:
            return set()
        others = vault.aliases(self.names, self.facts.fingerprint, self.facts.portable)
        return {(self.names[0], self.facts.fingerprint), *others}


def versions(vault: Vault, present: Present) -> Versions:
    """Return the versions of a function, newest first."""
    from resultstore._index.versions import reasons_of, versions_of

    vault.flush()
    connections = vault.index.connections
    with told(connections.path):
        rows = versions_of(connections, present.names)
        counting, reasons = present.counting(vault), reasons_of(connections, present.names)
    made: list[Version] = []
    for i, row in enumerate(rows):
        standing = _standing(row, present, counting)
        made.append(
            Version(
                function=row.function,
                number=row.number,
                label=row.label,
                fingerprint=row.fingerprint,
                code=row.code,
                standing=standing,
                reason=reasons.get(row.id) if standing == "accepted" else None,
                python=row.python,
                place=row.place,
                created_at=to_datetime(row.created_at),
                accessed_at=None if row.accessed_at is None else to_datetime(row.accessed_at),
                calls=row.calls,
                stored=row.stored,
                nbytes=row.nbytes,
                seconds=row.seconds,
                source=row.source,
                _sources=_Sources(connections, row, made, i),
            )
        )
    return Versions(made)


class _Sources(NamedTuple):
    """What a version is made of, read when it is asked for, and those that it was listed with."""

    connections: Connections
    row: VersionRow
    listed: list[Version]
    position: int

    def facts(self) -> FunctionFacts:
        from resultstore._index.versions import facts_of

        return facts_of(self.connections, self.row)

    def older(self) -> Version | None:
        i = self.position + 1
        return self.listed[i] if i < len(self.listed) else None


def _standing(row: VersionRow, present: Present, counting: set[tuple[str, bytes]]) -> str:
    facts = present.facts
    if facts is None or (row.function, row.fingerprint) not in counting:
        return "old"
    if (row.function, row.fingerprint) == (facts.name, facts.fingerprint):
        return "present" if row.code == (facts.code or facts.fingerprint) else "equal"
    same = row.fingerprint == facts.fingerprint or (row.portable is not None and row.portable == facts.portable)
    return "equal" if same else "accepted"


def accept(vault: Vault, present: Present, from_version: object, reason: object) -> int:
    """Let the results of older versions count for the present one; return how many stored calls that brings.

    Raises
    ------
    OptionError
        If there is no such version, or no reason.
    """
    from resultstore._index.versions import versions_of

    assert present.facts is not None
    if not isinstance(reason, str) or not reason.strip():
        raise OptionError("reason", reason, "write why these results still count: it stays on record")
    with told(vault.index.connections.path):
        rows = versions_of(vault.index.connections, present.names)
    chosen = _choose(rows, present.names[0], from_version)
    if all((row.function, row.fingerprint) == (present.names[0], present.facts.fingerprint) for row in chosen):
        raise OptionError("from_version", from_version, f"this is {present.names[0]} as it is now: its results count")
    before = present.counting(vault)
    vault.accept(present.facts, [row.id for row in chosen], reason.strip())
    gained = present.counting(vault) - before
    logger.info("%s takes over the results of %d versions: %s", present.names[0], len(gained), reason)
    return sum(row.stored for row in rows if (row.function, row.fingerprint) in gained)


def _choose(rows: list[VersionRow], name: str, wanted: object) -> list[VersionRow]:
    """Return the versions that a number, a label, a fingerprint or a `Version` means."""
    if isinstance(wanted, Version):
        chosen = [row for row in rows if (row.fingerprint, row.code) == (wanted.fingerprint, wanted.code)]
    elif isinstance(wanted, bytes):
        chosen = [row for row in rows if row.fingerprint == wanted]
    elif isinstance(wanted, str):
        chosen = [row for row in rows if row.label == wanted]
    elif isinstance(wanted, int) and not isinstance(wanted, bool):
        numbered = [row for row in rows if row.number == wanted]
        chosen = [row for row in numbered if row.function == name] or numbered
    else:
        raise OptionError("from_version", wanted, "write a version's number, its label as text, or its fingerprint")
    if not chosen:
        known = ", ".join(str(row.number) if row.label is None else repr(row.label) for row in reversed(rows))
        raise OptionError("from_version", wanted, f"{name} has no such version here; it has {known or 'none'}")
    return chosen


def prune(vault: Vault, present: Iterable[Present], older_s: float | None, *, dry_run: bool) -> int:
    """Remove the calls and records of versions that nobody uses; return how many calls went, or would go."""
    from resultstore._index.versions import calls_of_versions, last_used

    vault.flush()
    connections = vault.index.connections
    with told(connections.path):
        used: set[tuple[str, bytes]] = set()
        decided, undecided = set(), set()
        for function in present:
            decided.add((function.names[0], function.place))
            if function.facts is None:  # what it uses cannot be said, so nothing of it goes
                undecided.add(function.names[0])
            used |= function.counting(vault)
        rows = last_used(connections)
        latest: dict[tuple[str, str], tuple[float, bytes, bytes | None]] = defaultdict(lambda: (-1.0, b"", None))
        for _, name, place, fingerprint, portable, accessed_at in rows:
            if (name, place) not in decided:
                latest[name, place] = max(latest[name, place], (accessed_at or 0.0, fingerprint, portable), key=_age)
        for (name, _), (_, fingerprint, portable) in latest.items():
            used |= {(name, fingerprint), *vault.aliases((name,), fingerprint, portable)}
        old = [
            number
            for number, name, _, fingerprint, _, _ in rows
            if (name, fingerprint) not in used and name not in undecided
        ]
        before = None if older_s is None else _clock.now() - older_s
        calls = calls_of_versions(connections, old, before)
    if dry_run or not vault.has_index():
        return len(calls)
    logger.info("pruning %d calls of %d old versions", len(calls), len(old))
    count = drop_in_batches(vault, calls)
    vault.forget_unused_versions()
    return count


def _age(entry: tuple[float, bytes, bytes | None]) -> float:
    return entry[0]


def functions_at(place: str) -> list[Any]:
    """Return the cached functions of all stores of this process at a place."""
    found: list[Any] = []
    for vault in _lifetime.living():
        if isinstance(vault, Vault) and vault.place == place:
            found += vault.present_functions()
    return found
