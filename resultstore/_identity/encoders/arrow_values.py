"""Encoders for pyarrow: a column is its type and what a reader sees, not chunks, offsets or what lies under nulls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import refused

_WIDE_TEXT = {pa.string(): pa.large_string(), pa.binary(): pa.large_binary()}
for _view, _wide in (("string_view", pa.large_string), ("binary_view", pa.large_binary)):
    if hasattr(pa, _view):
        _WIDE_TEXT[getattr(pa, _view)()] = _wide()


# -- types


def type_parts(kind: pa.DataType) -> tuple[Any, ...]:
    """Return plain values that make a type up."""
    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return ("extension", kind.extension_name, type_parts(kind.storage_type), kind.__arrow_ext_serialize__())
    if t.is_dictionary(kind):
        return ("dictionary", type_parts(kind.index_type), type_parts(kind.value_type), kind.ordered)
    if t.is_map(kind):
        return ("map", field_parts(kind.key_field), field_parts(kind.item_field), kind.keys_sorted)
    if t.is_fixed_size_list(kind):
        return ("fixed_size_list", field_parts(kind.value_field), kind.list_size)
    if hasattr(kind, "value_field"):  # lists of all kinds
        return (type(kind).__name__, field_parts(kind.value_field))
    if t.is_run_end_encoded(kind):
        return ("run_end_encoded", type_parts(kind.run_end_type), type_parts(kind.value_type))
    if t.is_struct(kind) or t.is_union(kind):
        codes = tuple(kind.type_codes) if t.is_union(kind) else ()
        return (
            "struct" if t.is_struct(kind) else f"{kind.mode}_union",
            tuple(field_parts(kind.field(i)) for i in range(kind.num_fields)),
            *codes,
        )
    return (str(kind),)


def field_parts(field: pa.Field) -> tuple[Any, ...]:
    """Return plain values that make a field up."""
    return (field.name, type_parts(field.type), field.nullable, _metadata(field.metadata))


def _metadata(given: Any) -> dict[bytes, bytes] | None:
    return dict(given) if given else None


def schema_parts(schema: pa.Schema) -> tuple[Any, ...]:
    """Return plain values that make a schema up."""
    return (*(field_parts(field) for field in schema), _metadata(schema.metadata))


# -- content


class Content:
    """What a reader sees in an array, its type apart."""

    __slots__ = ("array",)

    def __init__(self, array: Any) -> None:
        self.array = array


def one_array(column: Any) -> pa.Array:
    """Return a column in one piece."""
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    elif column.type in _WIDE_TEXT:  # else 2 GB of text in one piece are too much
        column = column.cast(_WIDE_TEXT[column.type])
    return pa.concat_arrays(column.chunks)


def _content(content: Content) -> Node:
    array = content.array
    kind = array.type
    t = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _content(Content(array.storage))
    if t.is_run_end_encoded(kind):
        return _content(Content(pc.run_end_decode(array)))
    if t.is_union(kind):
        return _union(array)
    missing = None if not array.null_count else _bools(array.is_null())
    head = (len(array), missing)
    if t.is_null(kind):
        return named("pyarrow.content", head)
    if t.is_dictionary(kind):
        # An index under a null is nobody's; what the dictionary holds shows even if nothing points there.
        return named("pyarrow.content", (*head, Content(array.indices), Content(array.dictionary)))
    if t.is_struct(kind):
        return named("pyarrow.content", (*head, *(Content(part) for part in array.flatten())))
    if t.is_fixed_size_list(kind):
        return named("pyarrow.content", (*head, Content(array.flatten())))
    if t.is_map(kind):
        array, kind = array.cast(pa.list_(pa.struct([kind.key_field, kind.item_field]))), None
    if kind is None or hasattr(kind, "value_field"):
        lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
        return named("pyarrow.content", (*head, Content(lengths), Content(array.flatten())))
    if t.is_boolean(kind):
        return named("pyarrow.content", (*head, _bools(pc.fill_null(array, False))))
    if kind in _WIDE_TEXT or kind in _WIDE_TEXT.values():
        return named("pyarrow.content", (*head, *_text(array)))
    return named("pyarrow.content", (*head, _fixed(array, missing)))


def _bools(array: pa.Array) -> Any:
    return array.to_numpy(zero_copy_only=False).astype(bool, copy=False)


def _bytes_of(buffer: Any) -> Any:
    return np.empty(0, np.uint8) if buffer is None else np.frombuffer(buffer, np.uint8)


def _text(array: pa.Array) -> tuple[Any, Any]:
    """Return where each text ends, counted from the first one, and the bytes of all of them."""
    wide = array.cast(_WIDE_TEXT[array.type]) if array.type in _WIDE_TEXT else array
    if wide.null_count:
        wide = pc.fill_null(wide, "" if pa.types.is_large_string(wide.type) else b"")
    if not len(wide):
        return np.empty(0, "<i8"), np.empty(0, np.uint8)
    _, offsets, data = wide.buffers()
    ends = np.frombuffer(offsets, "<i8")[wide.offset : wide.offset + len(wide) + 1]
    return ends[1:] - ends[0], _bytes_of(data)[ends[0] : ends[-1]]


def _fixed(array: pa.Array, missing: Any) -> Any:
    """Return the bytes of values of one width, nulls zeroed."""
    width, rest = divmod(array.type.bit_width, 8)
    if rest:
        raise refused(array)
    if not width or not len(array):
        return np.empty(0, np.uint8)
    octets = _bytes_of(array.buffers()[1])[array.offset * width : (array.offset + len(array)) * width]
    if missing is None:
        return octets
    rows = octets.reshape(-1, width).copy()
    rows[missing] = 0
    return rows.reshape(-1)


def _union(array: Any) -> Node:
    codes = _of_slice(array, 1, "i1")  # pyarrow's own ``type_codes`` and ``offsets`` begin at the whole array's start
    parts = []
    for number, code in enumerate(array.type.type_codes):
        chosen = np.flatnonzero(codes == code)
        if array.type.mode == "dense":
            chosen = _of_slice(array, 2, "<i4")[chosen]
        parts.append(Content(array.field(number).take(pa.array(chosen, pa.int64()))))
    return named("pyarrow.content", (len(array), codes, *parts))


def _of_slice(array: Any, number: int, dtype: str) -> Any:
    return np.frombuffer(array.buffers()[number], dtype)[array.offset : array.offset + len(array)]


def _table(table: Any) -> Node:
    columns = (Content(one_array(column)) for column in table.columns)
    return named(f"pyarrow.{type(table).__name__}", (schema_parts(table.schema), table.num_rows, *columns))


def _scalar(scalar: Any) -> Node:
    array = pa.repeat(scalar, 1) if scalar.is_valid else pa.nulls(1, scalar.type)
    return named("pyarrow.Scalar", (type_parts(scalar.type), Content(array)))


def _array(array: Any) -> Node:
    name = "ChunkedArray" if isinstance(array, pa.ChunkedArray) else "Array"
    return named(f"pyarrow.{name}", (type_parts(array.type), Content(one_array(array))))


_KINDS: tuple[tuple[type, Callable[[Any], Node]], ...] = (
    (pa.Array, _array),
    (pa.ChunkedArray, _array),
    (pa.Table, _table),
    (pa.RecordBatch, _table),
    (pa.Scalar, _scalar),
    (pa.DataType, lambda v: named("pyarrow.DataType", type_parts(v))),
    (pa.Field, lambda v: named("pyarrow.Field", field_parts(v))),
    (pa.Schema, lambda v: named("pyarrow.Schema", schema_parts(v))),
    (pa.Buffer, lambda v: named("pyarrow.Buffer", (v.to_pybytes(),))),
)


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoder of a pyarrow type."""
    nodes[Content] = _content
    for base, maker in _KINDS:
        if issubclass(kind, base):
            nodes[kind] = maker
            return
