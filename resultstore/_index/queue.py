"""What goes next: the order of eviction, read off indexes.

The schema has the indexes of the standing policy. Those of other policies are made when they are first used, so
that only stores that use them pay for them at each miss, and are dropped when nobody has used them for a day.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress

from blake3 import blake3

from resultstore import _clock
from resultstore._index import hot
from resultstore._index.connect import Connections
from resultstore.eviction import BATCH, LRU, Policy, Use

_OF_FUNCTION = 50
_REJUVENATED = 5000
_UNUSED_S = 86_400.0
_ENTRY_NBYTES = 40
_STORED = "state = 'stored' AND pinned IS 0"


class Queue:
    """The stored calls of an index in the order of a policy. What writes needs the write gate."""

    def __init__(self, connections: Connections, policy: Policy) -> None:
        self._connections = connections
        self.policy = policy
        self._made: set[str] = set()
        self._made_at = 0.0
        self._generation = 0

    # -- reading

    def victims(self, count: int = BATCH, *, skip: int = 0) -> list[Use]:
        """Return the next stored calls, pinned ones left out."""
        sql = hot.VICTIMS.format(order=self.policy.order)
        return self._uses(sql, {"count": count, "skip": skip})

    def victims_with_payload(self, policy: Policy | None = None) -> list[Use]:
        """Return the next stored calls that have a payload: by this policy, or another one."""
        sql = hot.VICTIMS_WITH_PAYLOAD.format(order=(policy or self.policy).order)
        return self._uses(sql, {"count": BATCH})

    def victims_of(self, function: str) -> list[Use]:
        """Return the next stored calls of a function, in all its versions."""
        import heapq

        sql = hot.VICTIMS_OF_VERSION.format(order=self.policy.order)
        versions = self._connections.query(hot.FUNCTION_VERSIONS, {"name": function})
        queues = [self._uses(sql, {"version_id": row[0], "count": _OF_FUNCTION}) for row in versions]
        merged = heapq.merge(*queues, key=lambda use: (self.policy.rank(use), use.id))
        return list(itertools.islice(merged, _OF_FUNCTION))

    def untouched(self, before: float, after: int) -> list[Use]:
        """Return stored calls that nobody has asked for since a time, least recently used first.

        It looks at all of them: processes write their accesses late, so that the order in the index
        is nearly, but not quite, that of time.
        """
        return self._uses(hot.UNTOUCHED, {"before": before, "after": after, "count": BATCH})

    def dropped(self, count: int) -> list[int]:
        """Return calls whose result is gone, least recently used first."""
        return [row[0] for row in self._connections.query(hot.DROPPED, {"count": count})]

    def calls(self, version_id: int | None = None) -> Iterator[int]:
        """Yield the calls that there are now, of all versions or of one, pinned ones too, some at a time."""
        rows = self._connections.query(hot.LAST_CALL, {})
        after, until = 0, rows[0][0] if rows else 0
        sql = hot.CALLS if version_id is None else hot.CALLS_OF_VERSION
        while rows:
            rows = self._connections.query(
                sql, {"version_id": version_id, "after": after, "until": until, "count": BATCH}
            )
            for (number,) in rows:
                yield number
                after = number

    def stored(self) -> tuple[int, int]:
        """Return how many calls are stored, and the bytes of their results; a sum over functions, not calls."""
        rows = self._connections.query(hot.STORED, {})
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    def nbytes_of(self, function: str) -> int:
        """Return the stored bytes of a function's results."""
        rows = self._connections.query(hot.FUNCTION_NBYTES, {"name": function})
        return int(rows[0][0]) if rows else 0

    def wrong_sums(self) -> dict[str, dict[str, int]]:
        """Count again what is stored of each function; return where that differs, and what `set_sums` takes."""
        wrong = {}
        for number, name, stored, nbytes, kept, kept_nbytes in self._connections.query(hot.COUNT_STORED, {}):
            if (stored, nbytes) != (kept, kept_nbytes):
                change = {"evictions": 0, "stored": kept - stored, "nbytes": kept_nbytes - nbytes}
                wrong[name] = {"id": number, **change}
        return wrong

    def set_sums(self, change: dict[str, int]) -> None:
        """Put the sums of a function right."""
        with self._connections.transaction() as connection:
            connection.execute(hot.CHANGE_FUNCTION, change)

    def files_of(self, call_ids: Iterable[int]) -> list[str]:
        """Return the payload files that only these calls have."""
        import json

        return [row[0] for row in self._connections.query(hot.FILES_OF_CALLS, {"ids": json.dumps(list(call_ids))})]

    def freed_by(self, call_ids: list[int]) -> int:
        """Return the disk bytes of the payloads that only these calls have."""
        import json

        return int(self._connections.query(hot.FREED_BY, {"ids": json.dumps(call_ids)})[0][0])

    def any_pinned(self) -> bool:
        """Say whether a call is pinned."""
        return bool(self._connections.query(hot.ANY_PINNED, {}))

    def _uses(self, sql: str, parameters: dict[str, int | float]) -> list[Use]:
        return [Use(*row) for row in self._connections.query(sql, dict(parameters))]

    # -- the indexes

    def is_made(self, *, by_version: bool = False) -> bool:
        """Say whether the order stands in indexes, as far as this process knows."""
        if self._generation != self._connections.generation or abs(_clock.now() - self._made_at) > _UNUSED_S / 2:
            self._made = set()  # another index file, or one that says nothing of us any more
        return self._made >= self._indexes(by_version).keys()

    def nbytes_to_make(self) -> int:
        """Return what the indexes will take, in the log and in the file."""
        return self.stored()[0] * _ENTRY_NBYTES * 4

    def make(self, *, by_version: bool = False) -> None:
        """Make the indexes that the order is read off, and drop those that nobody uses any more."""
        if self.is_made(by_version=by_version):
            return
        indexes = self._indexes(by_version)
        now = _clock.now()
        with self._connections.transaction() as connection:
            for name, text in indexes.items():
                connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON call {text}")
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, str(int(now))))
            used = dict(connection.execute("SELECT name, value FROM meta WHERE name LIKE 'ix_call_order_%'").fetchall())
            for name in _unused(used, now):
                connection.execute(f"DROP INDEX IF EXISTS {name}")
                connection.execute("DELETE FROM meta WHERE name = ?", (name,))
        self._generation = self._connections.generation
        self._made |= indexes.keys()
        self._made_at = now

    def _indexes(self, by_version: bool) -> dict[str, str]:
        order = self.policy.order
        name = f"ix_call_order_{blake3(order.encode()).hexdigest(8)}"
        made = {}
        if order != LRU.order:
            made[name] = f"({order}) WHERE {_STORED}"
            made[name + "_payload"] = f"({order}) WHERE {_STORED} AND leaf_count > 0"
        if by_version:
            made[name + "_version"] = f"(version_id, {order}) WHERE {_STORED}"
        return made

    # -- the age

    def adopt(self) -> None:
        """Make the store's age that of our policy: the worth of one policy means nothing to another."""
        if not self.policy.ages:
            return
        aged_by = self._connections.writer().execute(hot.TOTAL).fetchone()[9]
        if aged_by == self.policy.name:
            return
        with self._connections.transaction() as connection:
            connection.execute(hot.SET_AGE, {"age": 0, "aged_by": None})  # until all are done: it may be interrupted
            last = connection.execute(hot.LAST_CALL).fetchone()[0]
        for after in range(0, last, _REJUVENATED):
            with self._connections.transaction() as connection:
                connection.execute(hot.REJUVENATE, {"after": after, "until": after + _REJUVENATED})
        with self._connections.transaction() as connection:
            connection.execute(hot.SET_AGE, {"age": 0, "aged_by": self.policy.name})


def _unused(used: dict[str, str], now: float) -> Iterable[str]:
    for name, at in used.items():
        with suppress(ValueError):
            if now - int(at) > _UNUSED_S:
                yield name
