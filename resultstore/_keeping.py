"""Keeping results: file first, then row, so that a crash leaves a file that no row names, never a row that lies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from resultstore import _lifetime
from resultstore._bounds import TooLargeError, UnwantedError, check_size, row_nbytes
from resultstore._data import replace
from resultstore._facts import NOT_STORED, STORED, CallFacts, Computed, LeafFacts, PayloadFacts, ResultFacts, RunFacts
from resultstore._index.index import CallRow, Index, PayloadGone
from resultstore._journal import Journal
from resultstore._leaning import files_only, named_in_journal
from resultstore._loading import Loader
from resultstore._place import make_place
from resultstore._remains import Heal
from resultstore._report import remedy
from resultstore._room import Room
from resultstore._settings import CallOptions
from resultstore._verifying import row_checksum
from resultstore._waiting import LONGEST_S, waiting_at
from resultstore._writing import Writing
from resultstore.blobs.base import Blobs, new_name
from resultstore.errors import BusyError
from resultstore.formats.base import WORTH_NBYTES, Encoded
from resultstore.formats.prepare import INLINE_NBYTES, Packed, Part, pack, prepare
from resultstore.formats.registry import format_named
from resultstore.formats.tree import Tree

if TYPE_CHECKING:
    from resultstore._index.findings import Found
    from resultstore._signing import Signer

_WAITING_NBYTES = 1_000_000
_LOCK_WAIT_S = 1.0


class Keeper:
    """Writes results into one store."""

    def __init__(
        self,
        place: str,
        limit: int | None,
        index: Index,
        blobs: Blobs,
        journal: Journal,
        room: Room,
        loader: Loader,
        writing: Writing,
        warn: Callable[[str, str, str], None],
        heal: Heal,
        *,
        is_durable: bool,
        signer: Signer | None = None,
    ) -> None:
        self._place = place
        self._limit = limit
        self._index = index
        self._blobs = blobs
        self._journal = journal
        self._room = room
        self._loader = loader
        self._writing = writing
        self._warn = warn
        self._is_durable = is_durable
        self._heal = heal
        self._signer = signer
        self._is_at_it = 0
        self.waiting = waiting_at(place)
        """Results that are not written yet."""
        self.waiting.join(self.write_waiting)
        budget = None if limit is None else (limit, index.queue.policy)
        self.waiting.budgets.add(budget if signer is None else (budget, signer))

    def refuse(self, computed: Computed, note: str) -> None:
        """Record that a call was computed and is not stored."""
        call = self._call_facts(computed, NOT_STORED, None, note)
        with self._writing():
            self._room.make(0)
            self.write_waiting()
            self._room.settle(self._index.add([call], _describe_run, self._loader.stands, journalled=False))

    def prepare(self, tree: Tree, options: CallOptions) -> tuple[list[Part], ResultFacts]:
        """Return a result's leaves with their bytes and hashes, large ones staged while they are hashed.

        `keep` takes them over, and throws away what is staged for nothing: of a value that is stored already.
        """
        if options.compression is not None or tree.kind == "error":
            return prepare(tree)
        tickets: list[str] = []

        def stage(encoded: Encoded) -> str | None:
            with contextlib.suppress(TooLargeError, UnwantedError, OSError):  # `keep` meets them again, and tells
                check_size(encoded.nbytes, self._limit, options)
                make_place(self._place)
                reserved = None
                if self._limit is not None:
                    with self._writing():  # between the look and the reservation nobody else takes the room
                        if not self._room.has(encoded.nbytes):
                            return None
                        reserved = self._blobs.reserve(encoded.nbytes)
                tickets.append(self._blobs.stage((encoded.head, *encoded.pieces), reserved))
                return tickets[-1]
            return None

        try:
            return prepare(tree, stage)
        except BaseException:
            self._discard(tickets)
            raise

    def _discard(self, tickets: Iterable[str]) -> None:
        for ticket in tickets:
            self._blobs.discard(ticket)

    def _discard_staged(self, parts: list[Part]) -> None:
        """Throw away what was staged in advance and is not needed."""
        self._discard(part.ticket for part in parts if part.ticket is not None)

    def keep(
        self,
        computed: Computed,
        parts: list[Part],
        result: ResultFacts,
        options: CallOptions,
        note: str | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        """Store a result, with a note for people; ``at_once`` where it takes the place of one that counts.

        Raises
        ------
        TooLargeError
            If the result does not fit under the size limit.
        UnwantedError
            If it is larger than ``max_result_size``.
        """
        lean, tries_left = True, 2
        try:
            while True:
                try:
                    self._keep(computed, parts, result, options, note, lean=lean, at_once=at_once)
                except Exception as error:
                    tries_left -= 1
                    if not tries_left or not (isinstance(error, PayloadGone) or self._heal(error)):
                        raise
                    self._discard_staged(parts)  # some may have been published, and deleted again
                    parts = [replace(part, ticket=None) for part in parts]
                    lean, at_once = False, True
                else:
                    return
        finally:
            self._discard_staged(parts)
            self.waiting.kept()
            self._heal.tell()

    def _keep(
        self,
        computed: Computed,
        parts: list[Part],
        result: ResultFacts,
        options: CallOptions,
        note: str | None,
        *,
        lean: bool,
        at_once: bool,
    ) -> None:
        stands = files_only(self._loader.stands) if options.mmap_mode is not None else self._loader.stands
        packed = self._pack_all(parts, options, stands if lean else lambda payload: False)
        nbytes = sum(p.facts.nbytes for p in packed) + len(result.text or "")
        check_size(nbytes, self._limit, options)
        is_burst = self.waiting.is_burst() and computed.duration <= LONGEST_S
        if (
            (is_burst or self._index.connections.is_writing_here())  # then it cannot be written before that is over
            and not at_once
            and not self._is_durable
            and len(self.waiting.budgets) == 1
            and not _lifetime.is_over
            and options.size_limit is None
            and all(p.facts.inline is not None for p in packed)
        ):
            self._let_wait(computed, parts, packed, result, note)
            return
        make_place(self._place)
        tickets: dict[int, str] = {}
        published: list[str] = []
        try:
            coming = [i for i, p in enumerate(packed) if p.buffers and p.ticket is None]
            if self._limit is not None and coming:
                self._room.reserve({i: packed[i].facts.nbytes for i in coming}, tickets, self._writing)
            for i, payload in enumerate(packed):
                if payload.buffers:
                    tickets[i] = payload.ticket or self._blobs.stage(payload.buffers, tickets.get(i))
            payloads = [payload.facts for payload in packed]
            with self._writing():
                inline = sum(len(p.inline or b"") for p in payloads) + len(result.text or "")
                self._room.demand(inline, nbytes, besides=tickets.values())
                if options.size_limit is not None:
                    self._room.make_for(computed.function.name, options.size_limit, nbytes)
                in_files = any(p.inline is None for p in payloads)
                if in_files:
                    self._index.begin()  # a new one counts the files that lie there, and begins a new journal
                for i, ticket in list(tickets.items()):
                    name = new_name(payloads[i].digest, packed[i].suffix)
                    state = self._blobs.publish(ticket, name)
                    del tickets[i]
                    published.append(name)
                    self._loader.written(name, state.signature, packed[i].body_hash)
                    payloads[i] = replace(payloads[i], file=name, disk_nbytes=state.disk_nbytes)
                call = self._stored_call(computed, parts, payloads, result, note)
                if in_files:
                    named = named_in_journal(parts, packed, payloads, options)
                    self._journal.append(self._stored_call(computed, parts, named, result, note))
                self.write_waiting()
                dropped = self._index.add([call], _describe_run, stands, journalled=in_files)
                published.clear()
                self._room.settle(dropped)
        finally:
            self._discard(tickets.values())
            for name in published:  # a row may name them yet, if a signal struck just after the commit
                with contextlib.suppress(Exception):
                    if not self._index.has_file(name):
                        self._blobs.delete(name)

    def _let_wait(
        self, computed: Computed, parts: list[Part], packed: list[Packed], result: ResultFacts, note: str | None
    ) -> None:
        """Keep a small result of a short call in memory until some more have come."""
        call = self._stored_call(computed, parts, [payload.facts for payload in packed], result, note)
        most_nbytes = _WAITING_NBYTES if self._limit is None else min(_WAITING_NBYTES, self._limit // 50)
        if self.waiting.add(call, row_nbytes(call), most_nbytes):
            self.write_waiting()

    def write_waiting(self) -> None:
        """Write the results that wait, in one transaction; where that cannot be done, tell it once a function."""
        self._write_waiting(None)

    def try_to_write_waiting(self, wait_s: float) -> bool:
        """Do the same, unless others keep the write gate for so long: then they wait on, and False is returned."""
        return self._write_waiting(wait_s)

    def _write_waiting(self, wait_s: float | None) -> bool:
        waiting, me = self.waiting, threading.get_ident()
        if not waiting or self._is_at_it == me or self._index.connections.is_writing_here():
            return True
        calls: Sequence[CallFacts] = ()
        try:
            with self._writing(wait_s):
                self._is_at_it = me
                calls = waiting.take(-1 if wait_s is None else _LOCK_WAIT_S)
                if calls:
                    try:
                        self._write_all(calls)
                    except Exception as error:
                        if not self._heal(error):
                            raise
                        self._write_all(calls)
        except Exception as error:  # whatever a full disk or a damaged store makes SQLite or the system raise
            if wait_s is not None and not calls and isinstance(error, BusyError):
                return False
            calls = calls or waiting.take()
            what = f"results could not be stored in {self._place}: {error}{remedy(error)}"
            for name in {call.function.name for call in calls}:
                self._warn(name, "writing", what)
        except BaseException:  # an interrupt, of a process that may go on
            calls = calls or waiting.taken
            if calls and not self._is_written(calls[-1]):
                waiting.put_back(calls)
            raise
        finally:
            if self._is_at_it == me:  # who did not get the gate must not say it for who has it
                self._is_at_it = 0  # no call between the two: an interrupt may come after each
            try:  # not inside of `written`, which an interrupt may keep from beginning
                waiting.written(calls)
            except BaseException:
                waiting.written(calls)
                raise
        self._heal.tell()
        return True

    def _write_all(self, calls: Sequence[CallFacts]) -> None:
        nbytes = sum(map(row_nbytes, calls))
        self._room.demand(nbytes, nbytes)
        # While they waited another process may have computed one anew, for good reason: that is the later one.
        dropped = self._index.add(calls, _describe_run, self._loader.stands, journalled=False, give_way=True)
        self._room.settle(dropped)

    def restore(self, found: list[Found]) -> list[Found]:
        """Write calls that were lost, the journal first; return those that were not there. The gate is held."""
        in_files = [f.call for f in found if f.call.result and any(x.payload.file for x in f.call.result.leaves)]
        self._index.begin()
        if in_files:
            self._journal.append(*in_files)
        restored, dropped = self._index.restore(found, self._loader.stands)
        self._room.settle(dropped)
        return restored

    def _is_written(self, call: CallFacts) -> bool:
        row = self._index.fetch(call.key)
        return row is not None and row.created_at == call.created_at

    def _stored_call(
        self,
        computed: Computed,
        parts: list[Part],
        payloads: list[PayloadFacts],
        result: ResultFacts,
        note: str | None,
    ) -> CallFacts:
        if payloads:
            leaves = tuple(
                LeafFacts(i, part.leaf.path, facts, part.leaf.writeable)
                for i, (part, facts) in enumerate(zip(parts, payloads, strict=True))
            )
            result = replace(result, leaves=leaves)
        return self._call_facts(computed, STORED, result, note)

    def _pack_all(
        self, parts: list[Part], options: CallOptions, stands: Callable[[PayloadFacts], bool]
    ) -> list[Packed]:
        packed: list[Packed] = []
        seen: set[tuple[bytes, str]] = set()
        for part in parts:
            facts = part.facts
            in_file = options.mmap_mode is not None and format_named(facts.format).maps
            floor = INLINE_NBYTES if options.compression is None else WORTH_NBYTES
            name = (facts.digest, facts.format)
            if in_file or facts.nbytes > floor:
                # Without bytes it leans on an equal payload: the transaction looks again whether that stands.
                equal = next(filter(stands, self._index.equal_payloads(*name)), None)
                if equal is not None or name in seen:
                    lean = facts if equal is None else replace(facts, nbytes=equal.nbytes)
                    packed.append(Packed((), "", lean, equal=equal))
                    continue
                seen.add(name)
            packed.append(pack(part, options.compression, inline=not in_file))
        return packed

    def _call_facts(self, computed: Computed, state: str, result: ResultFacts | None, note: str | None) -> CallFacts:
        checksum = b""
        if result is not None:
            columns = result.kind, result.integer, result.number, result.text, len(result.leaves)
            row = CallRow(0, state, *columns, None, computed.created_at)
            checksum = row_checksum(computed.key, row, result.leaves, self._signer)
        return CallFacts(
            key=computed.key,
            function=computed.function,
            arguments=computed.arguments,
            created_at=computed.created_at,
            duration=computed.duration,
            state=state,
            note=_untracked(computed) if note is None else note,
            result=result,
            checksum=checksum,
            children=tuple({key for place, key in computed.children if place == self._place}),
        )


def _describe_run() -> RunFacts:
    from resultstore._environment import describe_run

    return describe_run()


def _untracked(computed: Computed) -> str | None:
    """Return in words what of a function could not be looked at, and was allowed to be."""
    names = [d.name for d in computed.function.dependencies if d.kind == "untracked"]
    return f"not looked at: {', '.join(names)}" if names else None
