"""Loading results: rows and bytes back to values, every byte verified before anything interprets it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from blake3 import blake3

from resultstore._facts import LeafFacts, PayloadFacts
from resultstore._index.index import CallRow, Index
from resultstore.blobs.base import Blobs
from resultstore.errors import DamagedError
from resultstore.formats.base import checksum, hash_of
from resultstore.formats.raised import put_raised_together
from resultstore.formats.registry import format_named
from resultstore.formats.tree import put_together

_CHANGED = "its bytes are not those that were written"
_SCALARS = frozenset({"none", "bool", "int", "float", "str"})


class TornError(DamagedError):
    """A call's row and leaves do not belong together."""


class PickleRefusedError(DamagedError):
    """A payload would run code, which the store does not allow."""


class Loader:
    """Reads the results of one store, and remembers which files it has verified and which payloads are damaged."""

    def __init__(self, place: str, index: Index, blobs: Blobs, *, allow_pickle: bool) -> None:
        self._place = place
        self._index = index
        self._blobs = blobs
        self._allow_pickle = allow_pickle
        self._checked: dict[str, tuple[int, int, int]] = {}
        self._damaged: set[int] = set()

    def load(self, key: bytes, row: CallRow, mmap_mode: str | None = None) -> Any:
        """Return a call's result. With ``mmap_mode``, arrays and tables that lie plain in a file are mapped.

        Of a mapped file only size and head are looked at: reading it all would cost what mapping saves. But
        where using it could crash the process, as with the offsets of texts, it is verified once.
        """
        kind = row.kind or ""
        leaves = row.verified
        if leaves is None:
            leaves = self._index.leaves(row.id) if row.leaf_count else ()
            if row.checksum != row_checksum(key, row, leaves):
                raise TornError(f"the index row {row.id} in {self._index.connections.path} is not as it was written")
            row.verify(leaves)
        if kind in _SCALARS:
            return _scalar(row)
        if not self._allow_pickle and any(format_named(leaf.payload.format).runs_code for leaf in leaves):
            raise PickleRefusedError(f"it is a pickle, and the store {self._place} does not allow pickle")
        values = [self._load_leaf(leaf, mmap_mode) for leaf in leaves]
        skeleton = row.text if kind in ("tree", "leaf") else values.pop()
        if kind == "error":
            return put_raised_together(skeleton, values)
        return put_together("tree" if kind == "json" else kind, skeleton, values)

    def _load_leaf(self, leaf: LeafFacts, mmap_mode: str | None) -> Any:
        facts = leaf.payload
        payload_format = format_named(facts.format)
        try:
            value = None
            if mmap_mode is not None and payload_format.maps and facts.file is not None and facts.codec is None:
                value = self._map(facts, mmap_mode)
            if value is None:
                holder = self._read_inline(facts) if facts.inline is not None else self._read_file(facts)
                value = payload_format.value(holder, facts)
                if mmap_mode == "r" and hasattr(value, "flags"):  # an array that is not mapped behaves as one that is
                    value.flags.writeable = False
        except DamagedError as error:
            self._put_aside(facts)
            raise DamagedError(f"payload {facts.file or facts.id} in {self._place}: {error}") from error
        if not leaf.writeable and mmap_mode != "c":
            value.flags.writeable = False
        return value

    def _read_inline(self, facts: PayloadFacts) -> Any:
        data = memoryview(facts.inline or b"")
        _check_size(facts, len(data))
        holder, view = format_named(facts.format).room(facts)
        if facts.codec is None:
            view[:] = data[facts.head_nbytes :]
            _verify(facts, data[: facts.head_nbytes], holder, view)
        else:
            _verify_frame(facts, data)
            from resultstore.formats.compression import decompress

            decompress(data, facts, view)
            _verify_value(facts, holder, view)
        return holder

    def _read_file(self, facts: PayloadFacts) -> Any:
        """Read a payload file; its checksum is verified at the first read, and again when it changed."""
        name = facts.file or ""
        signature = self._blobs.state(name).signature
        _check_size(facts, signature[1])
        is_checked = self._checked.get(name) == signature
        holder, view = format_named(facts.format).room(facts)
        with self._blobs.open(name) as file:
            if facts.codec is None:
                head = file.read(facts.head_nbytes)
                _fill(file, view)
                if not is_checked:
                    _verify(facts, head, holder, view)
            else:
                frame = bytearray(facts.nbytes)
                _fill(file, memoryview(frame))
                if not is_checked:
                    _verify_frame(facts, frame)
                from resultstore.formats.compression import decompress

                decompress(frame, facts, view)
                if not is_checked:
                    _verify_value(facts, holder, view)
        self._checked[name] = signature
        return holder

    def _map(self, facts: PayloadFacts, mmap_mode: str) -> Any:
        """Return a leaf over its mapped file, or None where files cannot be mapped."""
        mapped = self._blobs.map(facts.file or "", copy_on_write=mmap_mode == "c")
        if mapped is None:
            return None
        mapping, path = mapped
        _check_size(facts, len(mapping))
        payload_format = format_named(facts.format)
        value = payload_format.map(mapping, facts, path, mmap_mode)
        name = facts.file or ""
        if payload_format.follows_bytes(value) and self._checked.get(name) != (
            state := self._blobs.state(name).signature
        ):
            data = memoryview(mapping)
            if checksum(data[: facts.head_nbytes], hash_of(data[facts.head_nbytes :])) != facts.checksum:
                raise DamagedError(_CHANGED)
            self._checked[name] = state
        return value

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
                self._blobs.quarantine(facts.file)

    def written(self, name: str, signature: tuple[int, int, int]) -> None:
        """Take a file that this process has just written as verified."""
        self._checked[name] = signature

    def dropped(self, name: str) -> None:
        """Forget a file that is gone."""
        self._checked.pop(name, None)

    def stands_all(self, row: CallRow) -> bool:
        """Say whether all payloads of a call stand, and none is a pickle that may not be read."""
        leaves = self._index.leaves(row.id) if row.leaf_count else ()
        may_read = self._allow_pickle or not any(format_named(leaf.payload.format).runs_code for leaf in leaves)
        return may_read and len(leaves) == row.leaf_count and all(self.stands(leaf.payload) for leaf in leaves)

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


def row_checksum(key: bytes, row: CallRow, leaves: Iterable[LeafFacts]) -> bytes:
    """Return the checksum, 16 bytes, that binds a call's result columns and leaves to its key."""
    text = f"{row.kind}|{row.integer}|{row.number!r}|{row.leaf_count}|{row.text}"
    parts = [key, text.encode("utf-8", "surrogatepass")]
    for leaf in leaves:
        p = leaf.payload
        facts = f"|{p.format}|{p.dtype}|{p.shape}|{p.order}|{leaf.writeable:d}|"
        parts += (facts.encode("utf-8", "surrogatepass"), p.digest)
    return blake3(b"".join(parts)).digest(16)


def _check_size(facts: PayloadFacts, nbytes: int) -> None:
    if nbytes != facts.nbytes:
        raise DamagedError(f"it has {nbytes} bytes instead of {facts.nbytes}")
    if facts.codec is None and facts.head_nbytes + facts.raw_nbytes != nbytes:
        raise DamagedError(f"the index says {facts.head_nbytes} + {facts.raw_nbytes} bytes of {nbytes}")


def _verify(facts: PayloadFacts, head: bytes | memoryview, holder: Any, view: memoryview) -> None:
    """Raise DamagedError unless bytes are those that were written, and those of the value that the row names."""
    body_hash = hash_of(view)
    if checksum(head, body_hash) != facts.checksum:
        raise DamagedError(_CHANGED)
    _verify_value(facts, holder, view, body_hash)


def _verify_frame(facts: PayloadFacts, frame: bytes | bytearray | memoryview) -> None:
    if checksum(b"", hash_of(frame)) != facts.checksum:
        raise DamagedError(_CHANGED)


def _verify_value(facts: PayloadFacts, holder: Any, view: memoryview, body_hash: bytes | None = None) -> None:
    if format_named(facts.format).digest(holder, body_hash or hash_of(view)) != facts.digest:
        raise DamagedError("its bytes are whole, but of another value")


def _fill(file: Any, view: memoryview) -> None:
    done = 0
    while done < len(view):
        count = file.readinto(view[done:])
        if not count:
            raise DamagedError(f"it ends after {done} of {len(view)} bytes")
        done += count
