"""The vault: the only file that sees value, bytes and row together, and that knows their order.

Keeping: file first, then row. Dropping: row first, then file. A crash in between leaves a file that
no row names, never a row that lies. All writing happens under the write gate.

No method used by a decorated call raises for what the disk or the index does: a fault becomes a miss
or a result that is not stored, and one warning.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import stat
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from blake3 import blake3

from resultstore import _clock, _environment, _lineage
from resultstore._facts import (
    NOT_STORED,
    STORED,
    ArgumentFacts,
    CallFacts,
    FunctionFacts,
    LeafFacts,
    PayloadFacts,
    ResultFacts,
)
from resultstore._identity.closures import SCHEME
from resultstore._index.index import CallRow, Dropped, Index, PayloadGone
from resultstore._journal import Journal
from resultstore._locks import Gate
from resultstore._report import Reporter, logger
from resultstore._settings import Settings
from resultstore._sizes import format_size
from resultstore.blobs.base import new_name
from resultstore.blobs.local import LocalBlobs
from resultstore.errors import BusyError, DamagedError, StoreError, UnstorableError
from resultstore.eviction import Budget
from resultstore.formats.base import Encoded, checksum
from resultstore.formats.registry import format_named
from resultstore.formats.tree import Leaf, Tree, put_together, take_apart

MISS: Final = object()
INLINE_NBYTES = 16_384
"""Payloads up to this size lie in the index: writing a file costs more below 16 to 64 KB."""
GATE_WAIT_S = 10.0
_FLUSH_S, _FLUSH_COUNT = 5.0, 20_000
_RECORD_NBYTES = 500
STALE_S = 60.0
"""Temporary files younger than this are never swept."""
_UPGRADE_WAIT_S, _BUSY_PAUSE_S, _FORK_WAIT_S = 600.0, 30.0, 10.0
_FOLDERS_NBYTES = 20 * 4096
_SCALARS = frozenset({"none", "bool", "int", "float", "str"})


class _Torn(DamagedError):
    """A call's row and leaves do not belong together."""


class _PickleRefused(DamagedError):
    """A payload would run code, which the store does not allow."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A call that has just been computed."""

    key: bytes
    function: FunctionFacts
    arguments: tuple[ArgumentFacts, ...]
    created_at: float
    duration: float
    children: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """A leaf with its bytes, on its way to the disk."""

    leaf: Leaf
    encoded: Encoded
    facts: PayloadFacts


class Vault:
    """What one process holds of one store."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.place = settings.place
        self.index = Index(self.place, settings.size_limit, {"encoding": "1", "fingerprint scheme": str(SCHEME)})
        self.blobs = LocalBlobs(self.place)
        self.journal = Journal(self.place)
        self.gate = Gate(self.place)
        self.reporter = Reporter()
        self._checked: dict[str, tuple[int, int, int]] = {}
        self._damaged: set[int] = set()
        self._touches: dict[int, tuple[int, float]] = {}
        self._flushed_at = _clock.now()
        self._armed = False
        self._busy_until = 0.0
        self.allow_pickle = self._judge_pickle()
        if "numpy" in sys.modules:
            # Now, while likely no other thread runs: a child forked in the middle of another thread's
            # import waits for that import for ever.
            format_named("npy")
        _all.add(self)
        if self.index.connections.is_older:
            with self.gate.held(_UPGRADE_WAIT_S):
                self.index.upgrade()

    def _judge_pickle(self) -> bool:
        """Decide on pickle: by the option, else by whether others could plant one."""
        if self.settings.allow_pickle is not None:
            return self.settings.allow_pickle
        if not _others_can_write(self.place):
            return True
        self.reporter.warn(
            "",
            "pickle",
            f"others can write to {self.place}, so pickled results are neither written nor read. "
            "Make the directory yours alone (chmod 700), or pass allow_pickle=True if you trust them.",
        )
        return False

    # -- a hit

    def fetch(self, key: bytes, function: str) -> Any:
        """Return the stored result of a call, or MISS."""
        try:
            row = self.index.fetch(key)
            if row is None or row.state != STORED:
                return MISS
            try:
                value = self._load(key, row)
            except (_Torn, FileNotFoundError):
                # It may have been evicted, or computed anew, between the two looks.
                row = self.index.fetch(key)
                if row is None or row.state != STORED:
                    return MISS
                value = self._load(key, row)
        except _PickleRefused as error:
            self.reporter.warn(function, "pickle", f"a stored result is not used and is computed again: {error}")
            return MISS
        except DamagedError as error:
            self.reporter.warn(function, "damaged", f"a stored result cannot be used and is computed again: {error}")
            return MISS
        except FileNotFoundError as error:
            self.reporter.warn(function, "missing", f"a payload file is gone and its result is computed again: {error}")
            return MISS
        except Exception as error:  # whatever a damaged or tampered store makes a library raise
            self.reporter.warn(
                function, "reading", f"the store {self.place} cannot be read ({error}); computing instead"
            )
            return MISS
        self._touch(row.id)
        return value

    def load(self, key: bytes) -> Any:
        """Return a stored result or MISS; raises what goes wrong, and counts as no hit."""
        row = self.index.fetch(key)
        return MISS if row is None or row.state != STORED else self._load(key, row)

    def has(self, key: bytes) -> bool:
        """Say whether a result is stored, without opening its payloads."""
        row = self.index.fetch(key)
        return row is not None and row.state == STORED

    def _load(self, key: bytes, row: CallRow) -> Any:
        kind = row.kind or ""
        leaves = self.index.leaves(row.id) if row.leaf_count else ()
        if row.checksum != _row_checksum(key, row, leaves):
            raise _Torn(f"the index row {row.id} in {self.index.connections.path} is not as it was written")
        if kind in _SCALARS:
            return _scalar(row)
        if not self.allow_pickle and any(format_named(leaf.payload.format).runs_code for leaf in leaves):
            raise _PickleRefused(f"it is a pickle, and the store {self.place} does not allow pickle")
        values = [self._load_leaf(leaf) for leaf in leaves]
        skeleton = row.text if kind in ("tree", "leaf") else values.pop()
        return put_together("tree" if kind == "json" else kind, skeleton, values)

    def _load_leaf(self, leaf: LeafFacts) -> Any:
        facts = leaf.payload
        payload_format = format_named(facts.format)
        if facts.codec is not None:
            raise DamagedError(f"no codec is called {facts.codec!r}: it may come from a newer resultstore")
        try:
            holder = self._read_inline(facts) if facts.inline is not None else self._read_file(facts)
            value = payload_format.value(holder, facts)
        except DamagedError as error:
            self._put_aside(facts)
            raise DamagedError(f"payload {facts.file or facts.id} in {self.place}: {error}") from error
        if not leaf.writeable:
            value.flags.writeable = False
        return value

    def _read_inline(self, facts: PayloadFacts) -> Any:
        data = memoryview(facts.inline or b"")
        if len(data) != facts.nbytes:
            raise DamagedError(f"it has {len(data)} bytes instead of {facts.nbytes}")
        holder, view = format_named(facts.format).room(facts)
        view[:] = data[facts.head_nbytes :]
        _verify(facts, data[: facts.head_nbytes], holder, view)
        return holder

    def _read_file(self, facts: PayloadFacts) -> Any:
        """Read a payload file; its checksum is verified at the first read, and again when it changed."""
        name = facts.file or ""
        signature = self.blobs.state(name).signature
        if signature[1] != facts.nbytes:
            raise DamagedError(f"it has {signature[1]} bytes instead of {facts.nbytes}")
        with self.blobs.open(name) as file:
            head = file.read(facts.head_nbytes)
            holder, view = format_named(facts.format).room(facts)
            _fill(file, view)
        if self._checked.get(name) != signature:
            _verify(facts, head, holder, view)
            self._checked[name] = signature
        return holder

    def check(self, facts: PayloadFacts) -> None:
        """Read a payload and verify its checksum; raise DamagedError or OSError."""
        if facts.file is None:
            self._read_inline(facts)
        else:
            self._checked.pop(facts.file, None)
            self._read_file(facts)

    def _put_aside(self, facts: PayloadFacts) -> None:
        self._damaged.add(facts.id)
        if facts.file is not None:
            with contextlib.suppress(OSError):
                self.blobs.quarantine(facts.file)

    # -- accesses

    def _touch(self, call_id: int) -> None:
        """Note an access; it is written later, with many others."""
        now = _clock.now()
        count = self._touches.pop(call_id, (0, 0.0))[0]
        self._touches[call_id] = (count + 1, now)  # at the end: the order is that of the last access
        _lineage.note(self.place, call_id)
        if not self._armed:
            self._arm()
        if abs(now - self._flushed_at) > _FLUSH_S or len(self._touches) > _FLUSH_COUNT:
            self.flush(wait_s=0)

    def _arm(self) -> None:
        """See to it that accesses are written when this process ends, also as a pool's worker."""
        self._armed = True
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # a worker ends without atexit
            util.Finalize(None, _close_all, exitpriority=0)

    def flush(self, wait_s: float = GATE_WAIT_S) -> None:
        """Write the accesses that wait; where that cannot be done they are dropped, for they are only counts."""
        touches, self._touches = self._touches, {}
        self._flushed_at = _clock.now()
        if not touches or not self.index.connections.exists():
            return
        try:
            with self.gate.held(wait_s):
                self.index.touch([(call_id, count, at) for call_id, (count, at) in touches.items()])
                self._make_room(0)  # the limit may be a new one, smaller than what lies there
        except BusyError:
            self._touches = touches | self._touches
        except Exception as error:  # an access that is not counted must not cost anybody anything
            logger.debug("accesses were not written: %s", error)

    # -- keeping

    def keep(self, computed: Computed, value: Any) -> None:
        """Store a result, file first, then row; or say once why it cannot be stored."""
        name = computed.function.name
        try:
            tree = take_apart(value, allow_pickle=self.allow_pickle)
            parts, result = self._encode(tree)
        except UnstorableError as error:
            self._refuse(computed, "unstorable", f"a result of type {type(value).__name__} is not stored: {error}")
            return
        except Exception as error:  # the value's own code runs here; it must not cost the caller the value
            self.reporter.warn(name, "unstorable", f"a result of type {type(value).__name__} is not stored: {error!r}")
            return
        nbytes = sum(part.facts.nbytes for part in parts)
        if self.settings.size_limit is not None and not Budget(self.settings.size_limit).admits(nbytes):
            limit = format_size(self.settings.size_limit)
            self._refuse(
                computed, "too large", f"a result of {format_size(nbytes)} is not stored: the store's limit is {limit}"
            )
            return
        try:
            try:
                self._write(computed, parts, result, lean=True)
            except PayloadGone:
                self._write(computed, parts, result, lean=False)
        except Exception as error:  # whatever a full disk or a damaged store makes SQLite or the system raise
            self.reporter.warn(name, "writing", f"a result could not be stored in {self.place}: {error}")

    def _refuse(self, computed: Computed, kind: str, message: str) -> None:
        """Record that a call was computed and not stored, and tell once."""
        call = self._call_facts(computed, NOT_STORED, None, message)
        with contextlib.suppress(Exception), self._writing():
            self._make_room(0)
            self.index.add(call, _environment.describe_run, self._stands, journalled=False)
        self.reporter.warn(computed.function.name, kind, message)

    def _encode(self, tree: Tree) -> tuple[list[_Part], ResultFacts]:
        """Return the leaves with their bytes and hashes, and the result's own columns."""
        leaves, kind, text = list(tree.leaves), tree.kind, None
        if kind == "tree" and len(tree.value) <= INLINE_NBYTES:
            text = tree.value
        elif kind in ("tree", "pickle"):
            kind = "json" if kind == "tree" else "pickle"
            leaves.append(Leaf(tree.value, kind, "<skeleton>"))
        parts = []
        for leaf in leaves:
            encoded = format_named(leaf.format).encode(leaf.value)
            body_hash = blake3(encoded.body, max_threads=_threads(len(encoded.body))).digest()
            facts = PayloadFacts(
                digest=encoded.digest(body_hash),
                checksum=checksum(encoded.head, body_hash),
                format=encoded.format,
                nbytes=encoded.nbytes,
                raw_nbytes=len(encoded.body),
                head_nbytes=len(encoded.head),
                dtype=encoded.dtype,
                shape=encoded.shape,
                order=encoded.order,
            )
            parts.append(_Part(leaf, encoded, facts))
        if kind in ("bool", "int"):
            return parts, ResultFacts(kind, integer=int(tree.value))
        if kind == "float":
            return parts, ResultFacts(kind, number=tree.value if tree.value == tree.value else None)
        return parts, ResultFacts(kind, text=tree.value if kind == "str" else text)

    def _write(self, computed: Computed, parts: list[_Part], result: ResultFacts, *, lean: bool) -> None:
        self._make_place()
        large = sum(part.facts.nbytes for part in parts if part.facts.nbytes > INLINE_NBYTES)
        if large and self.settings.size_limit is not None:
            with self._writing():  # before the bytes lie there, not after
                self._make_room(large)
        tickets: dict[int, str] = {}
        published: list[str] = []
        written: dict[bytes, int] = {}
        try:
            payloads: list[PayloadFacts] = []
            for i, part in enumerate(parts):
                facts = part.facts
                if facts.nbytes <= INLINE_NBYTES:
                    facts = replace(facts, inline=b"".join((part.encoded.head, part.encoded.body)))
                elif facts.digest in written or (
                    lean and any(map(self._stands, self.index.equal_payloads(facts.digest, facts.format)))
                ):
                    pass  # an equal payload is there already: the transaction looks again
                else:
                    tickets[i] = self.blobs.stage([part.encoded.head, part.encoded.body])
                    written[facts.digest] = i
                payloads.append(facts)
            with self._writing():
                self._make_room(sum(len(p.inline or b"") for p in payloads) + len(result.text or ""))
                for i, ticket in list(tickets.items()):
                    name = new_name(payloads[i].digest, parts[i].encoded.suffix)
                    state = self.blobs.publish(ticket, name)
                    del tickets[i]
                    published.append(name)
                    self._checked[name] = state.signature
                    payloads[i] = replace(payloads[i], file=name, disk_nbytes=state.disk_nbytes)
                leaves = tuple(
                    LeafFacts(i, part.leaf.path, facts, part.leaf.writeable)
                    for i, (part, facts) in enumerate(zip(parts, payloads, strict=True))
                )
                call = self._call_facts(computed, STORED, replace(result, leaves=leaves), None)
                in_files = any(p.inline is None for p in payloads)
                if in_files:
                    self.journal.append(call)
                call_id, dropped = self.index.add(call, _environment.describe_run, self._stands, journalled=in_files)
                published.clear()
                self._unlink(dropped)
        finally:
            for ticket in tickets.values():
                self.blobs.discard(ticket)
            for name in published:  # a row may name them yet, if a signal struck just after the commit
                with contextlib.suppress(Exception):
                    if not self.index.has_file(name):
                        self.blobs.delete(name)
        _lineage.note(self.place, call_id)
        logger.info("stored %s (%s)", computed.function.name, format_size(sum(p.nbytes for p in payloads)))

    def _call_facts(self, computed: Computed, state: str, result: ResultFacts | None, note: str | None) -> CallFacts:
        row_checksum = b""
        if result is not None:
            row = CallRow(0, state, result.kind, result.integer, result.number, result.text, len(result.leaves), None)
            row_checksum = _row_checksum(computed.key, row, result.leaves)
        return CallFacts(
            key=computed.key,
            function=computed.function,
            arguments=computed.arguments,
            created_at=computed.created_at,
            duration=computed.duration,
            state=state,
            note=note,
            result=result,
            checksum=row_checksum,
            children=tuple({number for place, number in computed.children if place == self.place}),
        )

    def _stands(self, payload: PayloadFacts) -> bool:
        """Say whether a payload is where the index says, whole as far as its size tells."""
        if payload.id in self._damaged:
            return False
        if payload.file is None:
            return payload.id != 0
        try:
            return self.blobs.state(payload.file).nbytes == payload.nbytes
        except OSError:
            return False

    def _make_place(self) -> None:
        """Make the directory at the first write; an existing one is only added to."""
        if os.path.isdir(self.place):
            return
        os.makedirs(os.path.dirname(self.place), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(self.place, 0o700)
            # Marks for backup programs and git; never put into a directory that was somebody's before.
            _write_mark(
                self.place, "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# made by resultstore\n"
            )
            _write_mark(self.place, ".gitignore", "# made by resultstore\n*\n")

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        self._make_place()
        # One wait is enough: while a stuck process holds the gate, later calls do not wait for it as well.
        wait_s = GATE_WAIT_S if time.monotonic() >= self._busy_until else 0
        try:
            with self.gate.held(wait_s):
                yield
        except BusyError:
            self._busy_until = time.monotonic() + _BUSY_PAUSE_S
            raise

    # -- dropping

    def drop(self, call_ids: Iterable[int], *, keep_record: str | None = None, counted: bool = False) -> Dropped:
        """Drop calls, row first, then file. With ``keep_record``, a reason, only their payloads go."""
        with self._writing():
            dropped = self.index.drop(call_ids, keep_record=keep_record, counted=counted)
            self._unlink(dropped)
            return dropped

    def forget(self, key: bytes) -> int:
        """Drop the call with this key and its record; return 0 or 1."""
        row = self.index.fetch(key)
        if row is None:
            return 0
        self._touches.pop(row.id, None)
        return self.drop([row.id]).calls

    def _unlink(self, dropped: Dropped) -> None:
        for name in dropped.files:
            self._checked.pop(name, None)
            with contextlib.suppress(OSError):  # what stays is an orphan, which verify finds
                self.blobs.delete(name)

    def disk_nbytes(self) -> int:
        """Return what the store takes on the disk, without a scan of its payloads."""
        files = self.index.disk_nbytes() + self.index.total().file_nbytes + self.journal.nbytes()
        return files + self.blobs.extra_nbytes() + _FOLDERS_NBYTES

    def _make_room(self, incoming: int) -> None:
        """Evict, least recently used first, until so many more bytes fit. The gate is held."""
        limit = self.settings.size_limit
        if limit is None or not self.index.connections.exists():
            return
        budget = Budget(limit)
        excess = budget.excess(self.disk_nbytes(), incoming + 4 * _RECORD_NBYTES)
        if not excess:
            return
        self.flush()
        excess -= self._sweep()
        while excess > 0:
            records_press = self._trim_records(budget)
            excess -= records_press
            if excess <= 0:
                break
            victims = self.index.victims(with_payload=not records_press) or self.index.victims(with_payload=False)
            if not victims:
                break
            chosen, nbytes = [], 0
            for call_id, stored in victims:
                chosen.append(call_id)
                nbytes += stored
                if nbytes >= excess:
                    break
            dropped = self.index.drop(chosen, keep_record="evicted to keep the size limit", counted=True)
            self._unlink(dropped)
            excess -= dropped.nbytes
            logger.info("evicted %d results (%s)", dropped.calls, format_size(dropped.nbytes))
        self.index.shrink()
        self._compact_journal()

    def _sweep(self) -> int:
        before = self.blobs.extra_nbytes()
        self.blobs.sweep(STALE_S)
        return before - self.blobs.extra_nbytes()

    def _trim_records(self, budget: Budget) -> int:
        """Forget the oldest records without payload while records take more than their share."""
        record_nbytes = self.index.used_nbytes() - self.index.total().inline_nbytes
        count = budget.record_excess(record_nbytes) // _RECORD_NBYTES
        oldest = self.index.oldest_dropped()[:count] if count else []
        if not oldest:
            return 0
        gone = self.index.drop(oldest).calls * _RECORD_NBYTES
        self.index.drop_unused_versions()
        return gone

    def _compact_journal(self) -> None:
        """Rewrite the journal when more than half of its lines are of calls that are gone."""
        total = self.index.total()
        if total.journal_lines > 2 * total.file_calls + 100:
            self.index.set_journal_lines(self.journal.compact(self.index.file_keys()))

    def tidy(self) -> None:
        """Give back what dropping has set free."""
        with self._writing():
            self.index.shrink()
            self._compact_journal()

    # -- the end

    def close(self) -> None:
        """Write what waits and close all files that no thread is using; the next use opens them again."""
        self.flush()
        self._close_files()

    def _close_files(self) -> None:
        with self.gate.alone(_FLUSH_S) as nobody_writes:
            self.index.close(writer=nobody_writes)
        self.gate.close()

    def abandon(self) -> None:
        """Start anew in a forked child: the parent writes its own accesses."""
        self._touches = {}
        self._armed = False
        self.gate.abandon()
        self.index.connections.abandon()
        self.index.forget_run()

    def __del__(self) -> None:
        if sys is None or sys.is_finalizing():  # type: ignore[redundant-expr]
            return
        with contextlib.suppress(Exception):
            self.flush(wait_s=0)
            self._close_files()


_all: weakref.WeakSet[Vault] = weakref.WeakSet()
_paused: list[Vault] = []


def _before_fork() -> None:
    """Wait until no thread is inside SQLite or holds a gate: the child would find their locks taken for ever."""
    for vault in list(_all):
        if vault.gate.pause(_FORK_WAIT_S):
            _paused.append(vault)
        vault.index.connections.pause(_FORK_WAIT_S)


def _after_fork_in_parent() -> None:
    for vault in list(_all):
        vault.index.connections.resume()
    while _paused:
        _paused.pop().gate.resume()


def _after_fork_in_child() -> None:
    _paused.clear()
    for vault in list(_all):
        vault.abandon()


def _close_all() -> None:
    for vault in list(_all):
        with contextlib.suppress(StoreError, OSError, sqlite3.Error):
            vault.close()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)


def _scalar(row: CallRow) -> Any:
    if row.kind == "int":
        return row.integer
    if row.kind == "bool":
        return bool(row.integer)
    if row.kind == "float":
        return float("nan") if row.number is None else row.number
    return row.text if row.kind == "str" else None


def _row_checksum(key: bytes, row: CallRow, leaves: Iterable[LeafFacts]) -> bytes:
    """Return the checksum, 16 bytes, that binds a call's result columns and leaves to its key."""
    text = f"{row.kind}|{row.integer}|{row.number!r}|{row.leaf_count}|{row.text}"
    parts = [key, text.encode("utf-8", "surrogatepass")]
    for leaf in leaves:
        p = leaf.payload
        facts = f"|{p.format}|{p.dtype}|{p.shape}|{p.order}|{leaf.writeable:d}|"
        parts += (facts.encode("utf-8", "surrogatepass"), p.digest)
    return blake3(b"".join(parts)).digest(16)


def _threads(nbytes: int) -> int:
    return blake3.AUTO if nbytes >= 1 << 24 else 1


def _verify(facts: PayloadFacts, head: bytes | memoryview, holder: Any, view: memoryview) -> None:
    """Raise DamagedError unless bytes are those that were written, and those of the value that the row names."""
    body_hash = blake3(view, max_threads=_threads(len(view))).digest()
    if checksum(head, body_hash) != facts.checksum:
        raise DamagedError("its bytes are not those that were written")
    if format_named(facts.format).digest(holder, body_hash) != facts.digest:
        raise DamagedError("its bytes are whole, but of another value")


def _fill(file: Any, view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])
        if not count:
            raise DamagedError(f"it ends after {done} of {len(view)} bytes")
        done += count


def _others_can_write(place: str) -> bool:
    """Say whether the world, or a group that is not the user's own, can write to a directory."""
    try:
        mode = os.stat(place)
    except OSError:
        return False
    if mode.st_mode & stat.S_IWOTH:
        return True
    return bool(mode.st_mode & stat.S_IWGRP) and hasattr(os, "getgid") and mode.st_gid != os.getgid()


def _write_mark(folder: str, name: str, text: str) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
