"""Keeping results: file first, then row, so that a crash leaves a file that no row names, never a row that lies."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from resultstore import _lifetime
from resultstore._data import replace
from resultstore._facts import NOT_STORED, STORED, CallFacts, Computed, LeafFacts, PayloadFacts, ResultFacts, RunFacts
from resultstore._index.index import CallRow, Index, PayloadGone
from resultstore._journal import Journal
from resultstore._loading import Loader, row_checksum
from resultstore._place import make_place
from resultstore._room import Room
from resultstore._settings import CallOptions
from resultstore._sizes import format_size
from resultstore._waiting import LONGEST_S, waiting_at
from resultstore._writing import Writing
from resultstore.blobs.base import Blobs, new_name
from resultstore.errors import BusyError
from resultstore.eviction import RECORD_NBYTES, Budget
from resultstore.formats.base import WORTH_NBYTES, Encoded
from resultstore.formats.prepare import INLINE_NBYTES, Packed, Part, pack, prepare
from resultstore.formats.registry import format_named
from resultstore.formats.tree import Tree

if TYPE_CHECKING:
    from resultstore._signing import Signer

_WAITING_NBYTES = 1_000_000
_LOCK_WAIT_S = 1.0


class TooLargeError(Exception):
    """A result has no room: the whole store, or its function's part of it, may not be so large."""


class UnwantedError(Exception):
    """A result is larger than its function wants to keep."""


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
            self._index.add([call], _describe_run, self._loader.stands, journalled=False)

    def prepare(self, tree: Tree, options: CallOptions) -> tuple[list[Part], ResultFacts]:
        """Return a result's leaves with their bytes and hashes, large ones staged while they are hashed.

        `keep` takes them over, and throws away what is staged for nothing: of a value that is stored already.
        """
        if options.compression is not None or tree.kind == "error":
            return prepare(tree)
        tickets: list[str] = []

        def stage(encoded: Encoded) -> str | None:
            with contextlib.suppress(TooLargeError, UnwantedError, OSError):  # `keep` meets them again, and tells
                _check_size(encoded.nbytes, self._limit, options)
                if self._room.has(encoded.nbytes):
                    make_place(self._place, is_durable=self._is_durable)
                    tickets.append(self._blobs.stage((encoded.head, *encoded.pieces)))
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
        try:
            try:
                self._keep(computed, parts, result, options, note, lean=True, at_once=at_once)
            except PayloadGone:
                self._discard_staged(parts)  # some may have been published, and deleted again
                parts = [replace(part, ticket=None) for part in parts]
                self._keep(computed, parts, result, options, note, lean=False, at_once=True)
        finally:
            self._discard_staged(parts)
            self.waiting.kept()

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
        stands = _files_only(self._loader.stands) if options.mmap_mode is not None else self._loader.stands
        packed = self._pack_all(parts, options, stands if lean else lambda payload: False)
        nbytes = sum(p.facts.nbytes for p in packed) + len(result.text or "")
        _check_size(nbytes, self._limit, options)
        if (
            self.waiting.is_burst()
            and not at_once
            and not self._is_durable
            and len(self.waiting.budgets) == 1
            and not _lifetime.is_over
            and computed.duration <= LONGEST_S
            and options.size_limit is None
            and all(p.facts.inline is not None for p in packed)
        ):
            self._let_wait(computed, parts, packed, result, note)
            return
        make_place(self._place, is_durable=self._is_durable)
        if self._limit is not None:
            incoming = sum(p.facts.nbytes for p in packed if p.buffers and p.ticket is None)
            if incoming:
                with self._writing():  # before the bytes lie there, not after
                    self._room.make(incoming)
        tickets: dict[int, str] = {}
        published: list[str] = []
        try:
            for i, payload in enumerate(packed):
                if payload.buffers:
                    tickets[i] = payload.ticket or self._blobs.stage(payload.buffers)
            payloads = [payload.facts for payload in packed]
            with self._writing():
                self._make_room(sum(len(p.inline or b"") for p in payloads) + len(result.text or ""), nbytes)
                if options.size_limit is not None:
                    self._room.make_for(computed.function.name, options.size_limit, nbytes)
                for i, ticket in list(tickets.items()):
                    name = new_name(payloads[i].digest, packed[i].suffix)
                    state = self._blobs.publish(ticket, name)
                    del tickets[i]
                    published.append(name)
                    self._loader.written(name, state.signature, packed[i].body_hash)
                    payloads[i] = replace(payloads[i], file=name, disk_nbytes=state.disk_nbytes)
                call = self._stored_call(computed, parts, payloads, result, note)
                in_files = any(p.inline is None for p in payloads)
                if in_files:
                    self._journal.append(call)
                self.write_waiting()
                dropped = self._index.add([call], _describe_run, stands, journalled=in_files)
                published.clear()
                self._room.unlink(dropped.files)
        finally:
            self._discard(tickets.values())
            for name in published:  # a row may name them yet, if a signal struck just after the commit
                with contextlib.suppress(Exception):
                    if not self._index.has_file(name):
                        self._blobs.delete(name)

    def _make_room(self, incoming: int, nbytes: int) -> None:
        if not self._room.make(incoming):
            raise TooLargeError(
                f"a result of {format_size(nbytes)} is not stored: pinned results fill the store; "
                "unpin some, or raise size_limit"
            )

    def _let_wait(
        self, computed: Computed, parts: list[Part], packed: list[Packed], result: ResultFacts, note: str | None
    ) -> None:
        """Keep a small result of a short call in memory until some more have come."""
        call = self._stored_call(computed, parts, [payload.facts for payload in packed], result, note)
        most_nbytes = _WAITING_NBYTES if self._limit is None else min(_WAITING_NBYTES, self._limit // 50)
        if self.waiting.add(call, _row_nbytes(call), most_nbytes):
            self.write_waiting()

    def write_waiting(self) -> None:
        """Write the results that wait, in one transaction; where that cannot be done, tell it once a function."""
        self._write_waiting(None)

    def try_to_write_waiting(self, wait_s: float) -> bool:
        """Do the same, unless others keep the write gate for so long: then they wait on, and False is returned."""
        return self._write_waiting(wait_s)

    def _write_waiting(self, wait_s: float | None) -> bool:
        waiting = self.waiting
        if not waiting or self._is_at_it == threading.get_ident():
            return True
        calls: Sequence[CallFacts] = ()
        try:
            with self._writing(wait_s):
                self._is_at_it = threading.get_ident()
                calls = waiting.take(-1 if wait_s is None else _LOCK_WAIT_S)
                if calls:
                    nbytes = sum(map(_row_nbytes, calls))
                    self._make_room(nbytes, nbytes)
                    dropped = self._index.add(calls, _describe_run, self._loader.stands, journalled=False)
                    self._room.unlink(dropped.files)
        except Exception as error:  # whatever a full disk or a damaged store makes SQLite or the system raise
            if wait_s is not None and not calls and isinstance(error, BusyError):
                return False
            calls = calls or waiting.take()
            for name in {call.function.name for call in calls}:
                self._warn(name, "writing", f"results could not be stored in {self._place}: {error}")
        except BaseException:  # an interrupt, of a process that may go on
            if calls and not self._is_written(calls[-1]):
                waiting.put_back(calls)
            raise
        finally:
            self._is_at_it = 0
            waiting.written(calls)
        return True

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
                    packed.append(Packed((), "", facts if equal is None else replace(facts, nbytes=equal.nbytes)))
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


def _row_nbytes(call: CallFacts) -> int:
    """Return about what a call takes in the index, its record included."""
    result = call.result
    if result is None:
        return RECORD_NBYTES
    return RECORD_NBYTES + len(result.text or "") + sum(len(leaf.payload.inline or b"") for leaf in result.leaves)


def _check_size(nbytes: int, limit: int | None, options: CallOptions) -> None:
    """Raise for a result that the store, its function's budget, or its function's wish leaves out."""
    wanted = options.max_result_nbytes
    if wanted is not None and nbytes > wanted:
        raise UnwantedError(
            f"a result of {format_size(nbytes)} is not stored: max_result_size is {format_size(wanted)}"
        )
    for most, bounds in (
        (options.size_limit, "the size limit of its function is {1}"),
        (None if limit is None else Budget(limit).largest, "a store of {0} takes {1} at most"),
    ):
        if most is not None and nbytes > most:
            told = bounds.format(format_size(limit or 0), format_size(most))
            raise TooLargeError(f"a result of {format_size(nbytes)} is not stored: {told}")


def _describe_run() -> RunFacts:
    from resultstore._environment import describe_run

    return describe_run()


def _untracked(computed: Computed) -> str | None:
    """Return in words what of a function could not be looked at, and was allowed to be."""
    names = [d.name for d in computed.function.dependencies if d.kind == "untracked"]
    return f"not looked at: {', '.join(names)}" if names else None


def _files_only(stands: Callable[[PayloadFacts], bool]) -> Callable[[PayloadFacts], bool]:
    """Return a judge for results that will be mapped: what can be mapped must lie plain in a file."""

    def judge(payload: PayloadFacts) -> bool:
        mappable = payload.file is not None and payload.codec is None
        return (mappable or not format_named(payload.format).maps) and stands(payload)

    return judge


def maps_any(parts: list[Part]) -> bool:
    """Say whether a result has a leaf that can be mapped."""
    return any(format_named(part.facts.format).maps for part in parts)
