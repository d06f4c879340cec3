"""Which version stands in for which, where whoever can write to the index is not believed.

That a version has a portable fingerprint, and that one was accepted in another's place, decides which results answer
a call. In a signed store both are statements with a MAC, kept in ``meta``; what has none does not count.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from resultstore._facts import FunctionFacts
from resultstore._index import hot
from resultstore._index.connect import Connections
from resultstore._signing import Signer

_VERSION, _ACCEPTANCE = "version", "acceptance"
_Row = tuple[str, bytes, int, bytes | None]
_Own = tuple[str, bytes, bytes | None]
"""Name, fingerprint and portable fingerprint of the present version, as the function itself says."""


class Signed:
    """The signed statements of one index."""

    def __init__(self, connections: Connections, signer: Signer) -> None:
        self._connections = connections
        self._signer = signer

    def _name(self, kind: str, *parts: str | bytes | None) -> str:
        return f"signed {self._signer.sign(kind.encode(), *(repr(part).encode() for part in parts)).hex()}"

    def _sign(self, connection: sqlite3.Connection, kind: str, *parts: str | bytes | None) -> None:
        connection.execute(hot.SIGN, {"name": self._name(kind, *parts), "value": kind})

    def _is_signed(self, kind: str, *parts: str | bytes | None) -> bool:
        return bool(self._connections.query(hot.SIGNED, {"name": self._name(kind, *parts)}))

    def _is_signed_version(self, row: _Row) -> bool:
        return row[3] is not None and self._is_signed(_VERSION, row[0], row[1], row[3])

    def sign_versions(self, connection: sqlite3.Connection, versions: Iterable[FunctionFacts]) -> None:
        """Sign which portable fingerprints versions have."""
        for name, fingerprint, portable in {(v.name, v.fingerprint, v.portable) for v in versions}:
            if portable is not None:
                self._sign(connection, _VERSION, name, fingerprint, portable)

    def sign_acceptances(self, connection: sqlite3.Connection, facts: FunctionFacts, accepted: Iterable[int]) -> None:
        """Sign that a version takes over the results of others."""
        self.sign_versions(connection, [facts])
        for number in accepted:
            row = connection.execute(hot.WHICH_VERSION, {"id": number}).fetchone()
            if row is not None:
                self._sign(connection, _ACCEPTANCE, facts.name, facts.fingerprint, row[0], row[1])

    def aliases(
        self, names: tuple[str, ...], fingerprint: bytes, portable: bytes | None
    ) -> tuple[tuple[str, bytes], ...]:
        """Return name and fingerprint of the versions that stand in for one by statements that are signed."""
        rows: dict[int, _Row] = {}
        for name in names:
            asked = {"name": name, "fingerprint": fingerprint, "portable": portable}
            rows.update((row[2], row) for row in self._connections.query(hot.STANDING_IN_WHOLE, asked))
        own = names[0], fingerprint, portable
        # What the caller says of the present version needs no signature, nor do its earlier names.
        waiting = [
            row[2]
            for row in rows.values()
            if row[0] in names and (row[1] == fingerprint or (row[3] == portable and self._is_signed_version(row)))
        ]
        reached = set(waiting)
        while waiting:
            found = set(self._next(rows, rows[waiting.pop()], own)) - reached
            reached |= found
            waiting += found
        versions = dict.fromkeys(rows[number][:2] for number in sorted(reached, reverse=True))
        return tuple(version for version in versions if version != own[:2])

    def _next(self, rows: dict[int, _Row], row: _Row, own: _Own) -> Iterator[int]:
        """Yield the versions that a trusted one leads to: equal ones under its name, and those that it accepted."""
        is_own = (row[0], row[1], row[3]) == own
        if row[3] is not None and (is_own or self._is_signed_version(row)):
            for other in rows.values():
                if other[0] == row[0] and other[3] == row[3] and self._is_signed_version(other):
                    yield other[2]
        for (number,) in self._connections.query(hot.ACCEPTED, {"version_id": row[2]}):
            accepted = rows.get(number)
            if accepted is not None and self._is_signed(_ACCEPTANCE, row[0], row[1], accepted[0], accepted[1]):
                yield number
