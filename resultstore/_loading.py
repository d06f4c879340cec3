"""Loading results: rows and bytes back to values, every byte verified before anything interprets it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from resultstore._facts import LeafFacts, PayloadFacts
from resultstore._index.index import CallRow, Index
from resultstore._mapping import Maps
from resultstore._verifying import (
    CHECKSUM_NBYTES,
    check_memory,
    check_size,
    row_checksum,
    verify,
    verify_frame,
    verify_mapped,
    verify_value,
)
from resultstore.blobs.base import Blobs, Mapped, Signature
from resultstore.errors import DamagedError
from resultstore.formats.base import Format
from resultstore.formats.raised import put_raised_together
from resultstore.formats.registry import format_named
from resultstore.formats.tree import put_together

if TYPE_CHECKING:
    from resultstore._signing import Signer

_NEVER = (0, 0, 0), None
_TEMPLATES = 256
_CLOSELY_NBYTES = 1 << 24
_SCALARS = frozenset({"none", "bool", "int", "float", "str"})


class TornError(DamagedError):
    """A call's row and leaves do not belong together."""


class PickleRefusedError(DamagedError):
    """A payload would run code, which the store does not allow."""


class UnsignedError(DamagedError):
    """A call's row was not written by somebody who has the store's key."""


class Loader:
    """Reads the results of one store, and remembers which files it has verified and which payloads are damaged.

    Parameters
    ----------
    place
        The store's directory.
    index
        The index.
    blobs
        The payload files.
    may_unpickle
        Says whether pickles of this place may be loaded.
    may_crash
        Says whether others could have written what crashes a library that takes bytes at their word.
    signer
        The store's key, without which a row counts for nothing.
    verify_maps
        Whether every byte of a file is verified when it is first mapped.
    """

    def __init__(
        self,
        place: str,
        index: Index,
        blobs: Blobs,
        may_unpickle: Callable[[], bool],
        may_crash: Callable[[], bool],
        signer: Signer | None = None,
        *,
        verify_maps: bool = False,
    ) -> None:
        self._place = place
        self._index = index
        self._blobs = blobs
        self._may_unpickle = may_unpickle
        self._may_crash = may_crash
        self._signer = signer
        self._verify_maps = verify_maps
        self._checked: dict[str, tuple[Signature, bytes | None]] = {}
        self._damaged: set[int] = set()
        self._templates: dict[int, tuple[bytes, Any]] = {}
        self._maps = Maps(blobs)

    def load(self, key: bytes, row: CallRow, mmap_mode: str | None = None) -> Any:
        """Return a call's result. With ``mmap_mode``, arrays and tables that lie plain in a file are mapped.

        Of a mapped file only size and head are looked at, unless somebody asked for more: reading it all would cost
        what mapping saves. But where using it could crash the process, as with offsets of texts, or where a power
        cut may have taken some of it, it is verified once.
        """
        kind = row.kind or ""
        leaves = row.verified
        if leaves is None:
            leaves = self.leaves(key, row)
        if kind in _SCALARS:
            return _scalar(row)
        if kind == "pickle" or (kind == "error" and _is_pickled(leaves)):
            self._refuse_pickle()
        values = [self._load_leaf(leaf, mmap_mode) for leaf in leaves]
        skeleton = row.text if kind in ("tree", "leaf") else values.pop()
        if kind == "error":
            if type(skeleton) is not str:  # whatever its format was called
                self._refuse_pickle()
            return put_raised_together(skeleton, values)
        return put_together("tree" if kind == "json" else kind, skeleton, values)

    def leaves(self, key: bytes, row: CallRow) -> tuple[LeafFacts, ...]:
        """Return the leaves of a call whose row and leaves are as they were written, by whom they may be."""
        if row.verified is not None:
            return row.verified
        leaves = self._index.leaves(row.id) if row.leaf_count else ()
        written = row.checksum
        if written != row_checksum(key, row, leaves, self._signer):
            plain = row_checksum(key, row, leaves)
            if written is None or written[:CHECKSUM_NBYTES] != plain:
                raise TornError(f"the index row {row.id} in {self._index.connections.path} is not as it was written")
            if self._signer is not None:
                raise UnsignedError("it is not signed with the signing_key of this store")
        row.verify(leaves)
        return leaves

    def _refuse_pickle(self) -> None:
        if not self._may_unpickle():
            raise PickleRefusedError(f"it is a pickle, and the store {self._place} does not allow pickle")

    def _load_leaf(self, leaf: LeafFacts, mmap_mode: str | None) -> Any:
        facts = leaf.payload
        try:
            value = self._again(facts)
            if value is None and mmap_mode is not None and facts.file is not None and facts.codec is None:
                value = self._map(facts, mmap_mode)
            if value is None:
                value = self._read(facts)
        except DamagedError as error:
            self._put_aside(facts)
            raise DamagedError(f"payload {facts.file or facts.id} in {self._place}: {error}") from error
        if mmap_mode != "c" and (not leaf.writeable or (mmap_mode == "r" and hasattr(value, "flags"))):
            value.flags.writeable = False  # with "r" an array that is not mapped behaves as one that is
        return value

    def _again(self, facts: PayloadFacts) -> Any:
        """Return a small array once more, from the very bytes that were verified, or None."""
        known = self._templates.get(facts.id)
        if known is None or known[0] is not facts.inline:
            return None
        return known[1].copy("K")

    def _read(self, facts: PayloadFacts) -> Any:
        payload_format = format_named(facts.format)
        if facts.inline is None:
            return self._safe(payload_format, payload_format.value(self._read_file(facts), facts))
        value = self._safe(payload_format, payload_format.value(self._read_inline(facts), facts))
        if facts.codec is None:
            template = payload_format.over(facts.inline, facts)
            if template is not None:
                if len(self._templates) >= _TEMPLATES:
                    self._templates.clear()
                self._templates[facts.id] = facts.inline, template
        return value

    def _safe(self, payload_format: Format, value: Any) -> Any:
        if payload_format.follows_bytes(value) and self._may_crash():
            payload_format.examine(value)
        return value

    def _read_inline(self, facts: PayloadFacts) -> Any:
        data = memoryview(facts.inline or b"")
        check_size(facts, len(data))
        check_memory(facts)
        holder, view = format_named(facts.format).room(facts)
        if facts.codec is None:
            view[:] = data[facts.head_nbytes :]
            verify(facts, data[: facts.head_nbytes], holder, view)
        else:
            verify_frame(facts, data)
            from resultstore.formats.compression import decompress

            decompress(data, facts, view)
            verify_value(facts, holder, view)
        return holder

    def _read_file(self, facts: PayloadFacts) -> Any:
        """Read a payload file; its checksum is verified at the first read, and again when it changed."""
        name = facts.file or ""
        with self._blobs.open(name) as file:
            check_size(facts, file.nbytes)
            check_memory(facts)
            is_checked = self._is_checked(name, file.signature)
            holder, view = format_named(facts.format).room(facts)
            body_hash = None
            if facts.codec is None:
                head = bytearray(facts.head_nbytes)
                file.fill(memoryview(head), view)
                if not is_checked:
                    body_hash = verify(facts, head, holder, view)
            else:
                frame = bytearray(facts.nbytes)
                file.fill(memoryview(frame))
                if not is_checked:
                    verify_frame(facts, frame)
                from resultstore.formats.compression import decompress

                decompress(frame, facts, view)
                if not is_checked:
                    verify_value(facts, holder, view)
            if not is_checked:
                self._checked[name] = file.signature, body_hash
        return holder

    def _is_checked(self, name: str, signature: Signature) -> bool:
        # Whoever may write to a file can also set its time back: signed payloads are verified at every read.
        return self._signer is None and self._checked.get(name, _NEVER)[0] == signature

    def _map(self, facts: PayloadFacts, mmap_mode: str) -> Any:
        """Return a leaf over its mapped file, or None where it cannot be mapped."""
        payload_format = format_named(facts.format)
        if not payload_format.maps:
            return None
        name = facts.file or ""
        shared = mmap_mode == "r"
        again = self._maps.again(name) if shared else None
        mapped = again or self._blobs.map(name, copy_on_write=not shared)
        if mapped is None:
            return None
        check_size(facts, mapped.signature[1])
        value = payload_format.map(mapped.mapping, facts, mapped.path, mmap_mode, mapped.beginning)
        signature, body_hash = self._checked.get(name, _NEVER)
        if signature != mapped.signature:
            body_hash = None
            if (
                self._verify_maps
                or self._signer is not None
                or payload_format.follows_bytes(value)
                or not mapped.is_settled
            ):
                body_hash = verify_mapped(facts, mapped)
                mapped = self._blobs.settle(name, mapped)
                self._checked[name] = mapped.signature, body_hash
                self._safe(payload_format, value)
        if shared and again is None:
            whole = payload_format.whole(value, facts)
            self._maps.hand_out(name, mapped, facts.head_nbytes, whole, body_hash, partial(self._prove, facts))
        return value

    def _prove(self, facts: PayloadFacts, mapped: Mapped) -> bytes:
        """Verify a mapped payload that a function is about to be given; return the hash of its body."""
        try:
            body_hash = verify_mapped(facts, mapped)
        except DamagedError as error:
            self._put_aside(facts)
            raise DamagedError(f"payload {facts.file} in {self._place}: {error}") from error
        self._checked[facts.file or ""] = mapped.signature, body_hash
        return body_hash

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
            self.dropped(facts.file)
            with contextlib.suppress(OSError):
                self._blobs.quarantine(facts.file)

    def written(self, name: str, signature: Signature, body_hash: bytes | None = None) -> None:
        """Take a file that this process has just written as verified."""
        if self._signer is None:
            self._checked[name] = signature, body_hash

    def dropped(self, name: str) -> None:
        """Forget a file that is gone."""
        self._checked.pop(name, None)
        self._maps.drop(name)

    def forget_rows(self) -> None:
        """Forget what is known by the numbers of rows."""
        self._damaged.clear()

    def let_go(self) -> None:
        """Keep no file mapped that nobody uses."""
        self._maps.let_go()

    def stands_all(self, key: bytes, row: CallRow, *, closely: bool = False) -> bool:
        """Say whether all payloads of a call stand, and none is a pickle that may not be read.

        Looked at closely, files that were changed since this process has verified them are read, and others unless
        they are large.

        Raises
        ------
        DamagedError
            If its row is not as it was written, or not by whom it may be.
        """
        leaves = self.leaves(key, row)
        may_read = not _is_pickled(leaves) or self._may_unpickle()
        if not may_read or not all(self.stands(leaf.payload) for leaf in leaves):
            return False
        return not closely or all(self._is_whole(leaf.payload) for leaf in leaves)

    def _is_whole(self, facts: PayloadFacts) -> bool:
        name = facts.file
        if name is not None:
            known = name in self._checked
            if facts.nbytes > _CLOSELY_NBYTES and not known:
                return True
            if known and self._is_checked(name, self._blobs.state(name).signature):
                return True
        try:
            self.check(facts)
        except (DamagedError, OSError):
            return False
        return True

    def stands(self, payload: PayloadFacts) -> bool:
        """Say whether a payload is where the index says, whole as far as its size tells."""
        if payload.id in self._damaged:
            return False
        if payload.file is None:
            return payload.id != 0
        try:
            return self._blobs.state(payload.file).nbytes == payload.nbytes
        except OSError:
            return False


def _scalar(row: CallRow) -> Any:
    if row.kind == "int":
        return row.integer
    if row.kind == "bool":
        return bool(row.integer)
    if row.kind == "float":
        return float("nan") if row.number is None else row.number
    return row.text if row.kind == "str" else None


def _is_pickled(leaves: Iterable[LeafFacts]) -> bool:
    return any(format_named(leaf.payload.format).runs_code for leaf in leaves)
