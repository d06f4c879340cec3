"""Tables as plain Arrow IPC files, readable by ``pyarrow.ipc.open_file``, polars, DuckDB and R.

The payload is the file as it is: nothing in it is compressed, and reading copies nothing.
"""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
import pyarrow as pa

from resultstore._facts import PayloadFacts
from resultstore.errors import DamagedError
from resultstore.formats.base import Encoded, opaque_digest, shape_of, shape_text

_MAGIC = b"ARROW1"
_FOOTER_END = -len(_MAGIC)  # before it stands how long the footer is, 4 bytes
_EXTENSION = b"ARROW:extension:name"
_ALIGNMENT = 64  # what Arrow recommends for its buffers
_SHORT_CHUNK_ROWS = 1 << 16
_SHORT_TEXT = 200
_SHORT_PIECE = 1 << 14
_COMMON_ITEMSIZE = 8  # of numbers, times and offsets; every buffer begins at a multiple of it


class Arrow:
    """Exact ``pyarrow.Table`` objects of the types that the file format keeps whole."""

    name = "arrow"
    suffix = ".arrow"
    runs_code = False
    maps = True

    def accepts(self, value: Any) -> bool:
        """Say whether this is a table of types that survive, whose dictionaries a file can hold."""
        if type(value) is not pa.Table or not is_faithful_schema(value.schema):
            return False
        return all(map(_has_one_dictionary, value.itercolumns()))

    def encode(self, value: pa.Table) -> Encoded:
        """Return the bytes of the file."""
        table = _in_long_chunks(value)
        sink = _Pieces()
        _write(pa.PythonFile(sink, mode="w"), table)
        types = ", ".join(dict.fromkeys(str(field.type) for field in table.schema))
        return Encoded(
            self.name,
            self.suffix,
            b"",
            sink.joined(),
            opaque_digest(self.name),
            types if len(types) <= _SHORT_TEXT and types.isprintable() else "mixed",
            shape_text(table.shape),
            itemsize=_COMMON_ITEMSIZE,
        )

    def room(self, facts: PayloadFacts) -> tuple[Any, memoryview]:
        """Return an aligned, empty buffer of the body's size."""
        if facts.head_nbytes or facts.raw_nbytes < len(_MAGIC):
            raise DamagedError("an Arrow file is all body")
        # Not a bytearray: that one fills its memory with zeros first.
        room = np.empty(facts.raw_nbytes + _ALIGNMENT, np.uint8)
        start = -room.ctypes.data % _ALIGNMENT
        holder: Any = room[start : start + facts.raw_nbytes]
        return holder, memoryview(holder)

    def digest(self, holder: Any, body_hash: bytes) -> bytes:
        """Return the digest of the format's name and the bytes."""
        return opaque_digest(self.name)(body_hash)

    def value(self, holder: Any, facts: PayloadFacts) -> pa.Table:
        """Return the table, whose buffers are the holder's."""
        return _read(holder, facts)

    def follows_bytes(self, value: pa.Table) -> bool:
        """Say whether a column has offsets or codes: Arrow trusts them."""
        return any(_has_places(field.type) for field in value.schema)

    def examine(self, value: pa.Table) -> None:
        """Look at every offset, code and text: Arrow itself trusts them."""
        try:
            value.validate(full=True)
        except Exception as error:  # of several kinds, by its version
            raise DamagedError(f"it cannot be read as an Arrow file ({type(error).__name__}: {error})") from error

    def over(self, data: bytes, facts: PayloadFacts) -> None:
        """Return None: a table over memory of its own is not copied any faster."""

    def map(self, mapping: mmap.mmap, facts: PayloadFacts, path: str, mode: str, beginning: bytes) -> pa.Table:
        """Return the table, whose buffers are the mapping's; only its schema and the places of its chunks are read."""
        if not beginning.startswith(_MAGIC):
            raise DamagedError("it does not begin as an Arrow file does")
        return _read(mapping, facts)

    def whole(self, value: pa.Table, facts: PayloadFacts) -> None:
        """Return None: a payload is known by its bytes, a table by its columns."""


class _Pieces:
    """Takes what Arrow writes as it is: columns stay where they lie, and nothing is copied but the words between."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[Any] = []
        self._nbytes = 0

    def write(self, piece: Any) -> int:
        self._pieces.append(piece)
        self._nbytes += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._nbytes

    def flush(self) -> None:
        """Do nothing."""

    def joined(self) -> tuple[memoryview, ...]:
        """Return the pieces in their order, short ones joined with their neighbours."""
        pieces: list[memoryview] = []
        short: list[Any] = []
        for piece in self._pieces:
            if len(piece) < _SHORT_PIECE:
                short.append(piece)
                continue
            pieces += (memoryview(b"".join(short)), memoryview(piece).cast("B"))
            short.clear()
        return *filter(len, pieces), memoryview(b"".join(short))


def _write(sink: Any, table: pa.Table) -> None:
    options = pa.ipc.IpcWriteOptions(use_threads=False, allow_64bit=True)
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        if table.num_rows:
            writer.write_table(table)
        elif table.num_columns:  # an empty batch all the same: dictionaries come with batches
            empty = [next(column.iterchunks(), pa.nulls(0, column.type)) for column in table.itercolumns()]
            writer.write_batch(pa.RecordBatch.from_arrays(empty, schema=table.schema))


def _read(data: Any, facts: PayloadFacts) -> pa.Table:
    try:
        _refuse_extensions(memoryview(data))
        # No threads: there is nothing to unpack, and a forked child would wait for the parent's.
        options = pa.ipc.IpcReadOptions(use_threads=False)
        table = pa.ipc.open_file(pa.py_buffer(data), options=options).read_all()
        table.validate()
        shape = shape_of(facts.shape)
    except Exception as error:  # whatever tampered bytes make Arrow raise
        raise DamagedError(f"it cannot be read as an Arrow file ({type(error).__name__}: {error})") from error
    if table.shape != shape:
        raise DamagedError(f"it holds {list(table.shape)} instead of {facts.shape}")
    return table


def _refuse_extensions(data: memoryview) -> None:
    """Raise ValueError for a file whose types name a class: Arrow would run the code that this process has for it."""
    footer = int.from_bytes(data[_FOOTER_END - 4 : _FOOTER_END], "little")
    if _EXTENSION in bytes(data[max(len(data) + _FOOTER_END - 4 - footer, 0) :]):
        raise ValueError("a column is of an extension type")


def _in_long_chunks(table: pa.Table) -> pa.Table:
    """Return a table without the many short chunks that appending leaves: each costs 1 KB and slows every reader."""
    chunks = max((column.num_chunks for column in table.itercolumns()), default=0)
    return table.combine_chunks() if chunks > 1 + table.num_rows // _SHORT_CHUNK_ROWS else table


def _has_places(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return True
    if kind.num_fields:
        return any(_has_places(kind.field(i).type) for i in range(kind.num_fields))
    return not (pa.types.is_primitive(kind) or pa.types.is_fixed_size_binary(kind) or pa.types.is_null(kind))


def _has_one_dictionary(column: pa.ChunkedArray) -> bool:
    """Say whether a column's chunks share one dictionary: a file has no room for several."""
    if column.num_chunks < 2 or not _has_dictionary(column.type):
        return True
    if not pa.types.is_dictionary(column.type):
        return False  # somewhere inside: nobody looks there
    first = column.chunk(0).dictionary
    return all(chunk.dictionary.equals(first) for chunk in column.iterchunks())


def _has_dictionary(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) or any(_has_dictionary(kind.field(i).type) for i in range(kind.num_fields))


def is_faithful_schema(schema: pa.Schema) -> bool:
    """Say whether a schema comes back from a file as it was: types, flags and metadata."""
    if not all(map(_is_faithful_field, schema)):
        return False
    try:
        data = schema.serialize()
        # Wherever the words stand: a reader that does not trust the file looks for nothing else.
        return _EXTENSION not in bytes(data) and bool(pa.ipc.read_schema(data).equals(schema, check_metadata=True))
    except Exception:  # Arrow refuses names that are no Unicode, and more
        return False


def _is_faithful_field(field: pa.Field) -> bool:
    if field.metadata is not None and b"ARROW:extension:name" in field.metadata:
        return False  # the reader would make an extension type of it, or not, as its process has registered
    return is_faithful_type(field.type)


def is_faithful_type(kind: pa.DataType) -> bool:
    """Say whether a type and its parts are among those that every Arrow we support reads back."""
    if isinstance(kind, pa.BaseExtensionType):
        return False
    if pa.types.is_dictionary(kind):
        return is_faithful_type(kind.value_type) and is_faithful_type(kind.index_type)
    if kind.num_fields:
        nested = ("is_list", "is_large_list", "is_fixed_size_list", "is_struct", "is_map")
        is_known = any(getattr(pa.types, name)(kind) for name in nested)
        return is_known and all(_is_faithful_field(kind.field(i)) for i in range(kind.num_fields))
    return kind.id in _PLAIN_IDS or pa.types.is_struct(kind)


_PLAIN_IDS = {
    kind.id
    for kind in (
        pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(),
        pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(1), pa.decimal256(1), pa.string(),
        pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(1), pa.date32(), pa.date64(), pa.time32("s"),
        pa.time64("us"), pa.timestamp("s"), pa.duration("s"), pa.month_day_nano_interval(),
    )
}  # fmt: skip
_PLAIN_IDS |= {getattr(pa, name)().id for name in ("string_view", "binary_view") if hasattr(pa, name)}
