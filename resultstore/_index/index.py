"""The index as the vault sees it: rows in, facts out."""

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from resultstore._facts import STORED, CallFacts, FunctionFacts, LeafFacts, PayloadFacts, RunFacts
from resultstore._index import changes, hot, making
from resultstore._index.changes import Dropped, PayloadGone, Total
from resultstore._index.connect import Connections
from resultstore._index.inspecting import Inspecting, payload_of
from resultstore._index.log import Log
from resultstore._index.recent import CallRow, Recent
from resultstore.eviction import LRU, Policy, Use

if TYPE_CHECKING:
    from resultstore._index.findings import Found
    from resultstore._index.queue import Queue
    from resultstore._index.signed import Signed
    from resultstore._signing import Signer

__all__ = ["CallRow", "Dropped", "Index", "PayloadGone", "Total"]

_CHECKPOINT_PAGES, _CHECKPOINT_PAGES_AT_LEAST = 256, 32
_VACUUM_PAGES = 128


class Index(Inspecting):
    """One store's index. Methods that change it need the write gate, which the caller holds.

    Raises sqlite3.Error as it comes: only the vault, which knows the call, can say what it means.
    """

    def __init__(
        self,
        folder: str,
        size_limit: int | None,
        meta: dict[str, str],
        policy: Policy = LRU,
        *,
        is_durable: bool = False,
        signer: Signer | None = None,
    ) -> None:
        pages = _CHECKPOINT_PAGES
        if size_limit is not None:  # the log counts in the budget
            pages = max(min(pages, size_limit // 100 // 4096), _CHECKPOINT_PAGES_AT_LEAST)
        self.connections = Connections(folder, meta, checkpoint_pages=pages, is_durable=is_durable)
        self._policy = policy
        self._signed: Signed | None = None
        if signer is not None:
            from resultstore._index.signed import Signed

            self._signed = Signed(self.connections, signer)
        self._run_id: int | None = None
        self._run: tuple[float, int] | None = None
        self._run_generation = 0
        self.backups = making.Backups(self.connections.path)
        self._log = Log(self.connections, pages)
        self._recent = Recent(self.connections.pulse)
        self.connections.before_close = self._recent.drop
        self._waiting: Container[object] = ()
        self.place: changes.Place = _one_after_another
        """Gives calls that are written their places among the accesses that this process has noted."""

    @functools.cached_property
    def queue(self) -> Queue:
        """The stored calls in the order in which they go."""
        from resultstore._index.queue import Queue  # a script that only hits evicts nothing

        return Queue(self.connections, self._policy)

    def follow(self, waiting: Container[object], write: Callable[[], None]) -> None:
        """Have the calls that wait written before anything is asked that they would be an answer to."""
        self._waiting = waiting
        self.connections.before_query = write

    @property
    def is_unsettled(self) -> bool:
        """Whether `settle` has something to do."""
        return self.connections.is_older or self.connections.is_misplaced

    def settle(self) -> None:
        """Bring an index of an older schema to ours, after a backup; and one to the journal that suits its place."""
        connections = self.connections
        if connections.check_version():  # another process may have done it while we waited for the gate
            from resultstore._index.upgrade import upgrade

            upgrade(connections.path)
            self.backups.forget()
        connections.is_older = False
        if connections.is_misplaced:
            connections.close()  # our own readers would be in the way
            making.give_up_log(connections.path)
            connections.check_version()

    # -- reading

    def fetch(self, key: bytes) -> CallRow | None:
        """Return the call with this key, by one SELECT, or by none if it was read and nobody has committed since."""
        if key in self._waiting:
            self.connections.before_query()
        recent = self._recent
        row = recent.get(key)
        if row is None:
            page = recent.page()
            rows = self.connections.rows(hot.FETCH, {"key": key})
            if rows:
                row = CallRow(*rows[0])
                if page is not None:
                    recent.put(page, key, row)
            elif page is not None:
                recent.miss(page, key)
        return row

    def lacks(self, key: bytes) -> bool:
        """Say whether a call that was just looked for is still not here; False where that is unknown."""
        return key not in self._waiting and self._recent.lacks(key)

    def describe(self, call_id: int) -> tuple[float, dict[str, str]]:
        """Return how long a call took, in seconds, and its arguments in short."""
        rows = self.connections.query(hot.DURATION, {"id": call_id})
        arguments = self.connections.query(hot.ARGUMENTS, {"call_id": call_id})
        return float(rows[0][0]) if rows else 0.0, dict(arguments)

    def aliases(
        self, names: Iterable[str], fingerprint: bytes, portable: bytes | None
    ) -> tuple[tuple[str, bytes], ...]:
        """Return name and fingerprint of the versions that stand in for one, the latest first."""
        if self._signed is not None:
            return self._signed.aliases(tuple(names), fingerprint, portable)
        found: dict[tuple[str, bytes], None] = {}
        own = None
        for name in names:
            own = own or (name, fingerprint)
            rows = self.connections.query(
                hot.STANDING_IN, {"name": name, "fingerprint": fingerprint, "portable": portable}
            )
            found.update(dict.fromkeys((row[0], row[1]) for row in rows))
        return tuple(alias for alias in found if alias != own)

    def why(self, key: bytes) -> str:
        """Return in words why a call has no result."""
        rows = self.connections.query(hot.WHY, {"key": key})
        if not rows:
            return "no such call is known here: it was never made, or it was forgotten"
        state, note = rows[0]
        return str(note or ("its payload is damaged or gone" if state == STORED else state))

    def leaves(self, call_id: int) -> tuple[LeafFacts, ...]:
        """Return the leaves of a call's result, in their order."""
        # What waits to be written has no number yet.
        return tuple(map(_leaf, self.connections.rows(hot.LEAVES, {"call_id": call_id})))

    def equal_payloads(self, digest: bytes, format_name: str) -> list[PayloadFacts]:
        """Return the stored payloads of a value."""
        rows = self.connections.query(hot.EQUAL_PAYLOADS, {"digest": digest, "format": format_name})
        return [
            PayloadFacts(digest, checksum, name, nbytes, 0, 0, codec=codec, file=file, disk_nbytes=disk, id=number)
            for number, checksum, name, nbytes, file, disk, codec in rows
        ]

    def total(self) -> Total:
        """Return the sums."""
        rows = self.connections.query(hot.TOTAL, {})
        return Total(*rows[0]) if rows else Total(1, 0, 0, 0, 0, 0, 0, 0, 0.0, None)

    def journal(self) -> str:
        """Return which journal SQLite keeps, in its own words; nothing while there is no index."""
        rows = self.connections.query("PRAGMA journal_mode", {})
        return str(rows[0][0]) if rows else ""

    def disk_nbytes(self) -> int:
        """Return what the index file and its side files take on the disk."""
        path = self.connections.path
        return self.backups.nbytes() + sum(making.blocks(path + end) for end in ("", "-wal", "-shm", "-journal"))

    # -- writing

    def begin(self) -> None:
        """Make the index, if there is none."""
        self.connections.writer()

    def add(
        self,
        calls: Sequence[CallFacts],
        run: Callable[[], RunFacts],
        stands: Callable[[PayloadFacts], bool],
        *,
        journalled: bool,
        give_way: bool = False,
    ) -> Dropped:
        """Write calls in one transaction; return what they made superfluous.

        Calls that give way leave what is stored meanwhile as it is.

        Raises
        ------
        PayloadGone
            If a call leans on an equal payload that no longer stands.
        """
        with self.connections.undisturbed():
            self._log.keep_short()
        self.connections.writer()
        if self._run_generation != self.connections.generation and not self._is_known():
            self._run_id = None  # another index than the one that knows this process
        run_id = self._run_id
        page = self._recent.current
        with self.connections.transaction() as connection:
            if run_id is None:
                facts = run()
                self._run = facts.started_at, facts.process
                run_id = changes.add_run(connection, facts)
            additions = changes.Additions(connection, run_id, stands)
            additions.place(self.place, calls)
            for call in calls:
                additions.add(call, journalled=journalled, gives_way=give_way)
            if self._signed is not None:
                self._signed.sign_versions(connection, [call.function for call in calls])
            additions.finish()
        self._recent.turn(page, [call.key for call in calls])
        self._run_id, self._run_generation = run_id, self.connections.generation
        return additions.dropped

    def restore(self, found: Iterable[Found], stands: Callable[[PayloadFacts], bool]) -> tuple[list[Found], Dropped]:
        """Write calls again that were lost, in one transaction; return those that were not there."""
        from resultstore._index.restore import Restoring

        with self.connections.transaction() as connection:
            restoring = Restoring(connection, stands)
            for one in found:
                restoring.restore(one)
            restoring.finish()
        return restoring.restored, restoring.dropped

    def present(self, key: bytes) -> tuple[float, str] | None:
        """Return when a call was computed, and its state, or None if it is not known."""
        rows = self.connections.query("SELECT created_at, state FROM call WHERE key = :key", {"key": key})
        return (rows[0][0], rows[0][1]) if rows else None

    def _is_known(self) -> bool:
        found = self.connections.writer().execute(hot.FIND_RUN, {"id": self._run_id}).fetchone()
        return found is not None and found == self._run

    def accept(self, facts: FunctionFacts, accepted: Iterable[int], reason: str, created_at: float) -> None:
        """Note that a version takes over the results of others."""
        with self.connections.transaction() as connection:
            changes.accept_versions(connection, facts, accepted, reason, created_at)
            if self._signed is not None:
                self._signed.sign_acceptances(connection, facts, accepted)

    def touch(self, touches: Iterable[changes.Touch]) -> None:
        """Write accesses, in the order of the last ones."""
        page = self._recent.current
        with self.connections.transaction() as connection:
            changes.touch_calls(connection, touches)
        self._recent.turn(page, ())

    def drop(self, call_ids: Iterable[int], *, keep_record: str | None = None, counted: bool = False) -> Dropped:
        """Drop payloads, and records unless ``keep_record`` says why they stay, in one transaction."""
        with self.connections.transaction() as connection:
            return changes.drop_calls(connection, call_ids, keep_record=keep_record, counted=counted)

    def evict(self, uses: Iterable[Use], reason: str | None) -> Dropped:
        """Drop what the policy chose, in one transaction; records stay if there is a reason."""
        uses = list(uses)
        with self.connections.transaction() as connection:
            age = self._policy.aged(uses)
            if age:
                connection.execute(hot.AGE, {"age": age})
            return changes.drop_calls(connection, [use.id for use in uses], keep_record=reason, counted=True)

    def pin(self, key: bytes, *, pinned: bool) -> bool:
        """Pin a call, or let it go again; say whether there is such a call."""
        with self.connections.transaction() as connection:
            return connection.execute(hot.PIN, {"key": key, "pinned": pinned}).rowcount > 0

    def set_journal_lines(self, lines: int) -> None:
        """Note how many lines the journal has after a compaction."""
        with self.connections.transaction() as connection:
            connection.execute(hot.SET_JOURNAL_LINES, {"journal_lines": lines})

    def file_keys(self) -> set[bytes]:
        """Return the keys of the calls that have a payload in a file."""
        return {row[0] for row in self.connections.query(hot.FILE_KEYS, {})}

    def shrink(self) -> None:
        """Give freed pages back to the file system, some at a time, and copy the log back."""
        connection = self.connections.writer()
        for _ in range(-(-self._pragma("freelist_count") // _VACUUM_PAGES)):
            with self.connections.undisturbed():
                # executescript steps the pragma to its end; execute would free a single page.
                connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
        with self.connections.undisturbed():
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def used_nbytes(self) -> int:
        """Return the bytes of the pages that hold rows, committed but not yet copied back ones included."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * 4096

    def _pragma(self, name: str) -> int:
        return int(self.connections.writer().execute(f"PRAGMA {name}").fetchone()[0])

    def drop_unused_versions(self) -> None:
        """Forget function versions that have no call left, and texts that no version has."""
        with self.connections.transaction() as connection:
            if connection.execute(hot.DROP_UNUSED_VERSIONS).rowcount:
                connection.execute(hot.DROP_UNUSED_SOURCES)

    # -- the end

    def forget_run(self) -> None:
        """Introduce this process again at its next write: it is a forked child."""
        self._run_id = None
        self._recent.forget()

    def close(self, *, writer: bool = True) -> None:
        """Close the connections; the writing one only for a caller that is alone with it."""
        self.connections.close(writer=writer)


def _one_after_another(first: int, moments: Sequence[float]) -> Sequence[int]:
    return range(first, first + len(moments))


def _leaf(row: tuple[Any, ...]) -> LeafFacts:
    return LeafFacts(row[0], row[1], payload_of(row[3:]), bool(row[2]))
