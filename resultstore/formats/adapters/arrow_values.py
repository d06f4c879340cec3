"""What pyarrow has beside tables, as nodes around a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from resultstore.errors import DamagedError
from resultstore.formats.adapters import Node

_ARRAYS = tuple(kind for kind in vars(pa.lib).values() if isinstance(kind, type) and issubclass(kind, pa.Array))


def take(value: Any) -> Node | None:
    """Return the node of a record batch or an array; a table of types that survive is a leaf already."""
    kind = type(value)
    if kind is pa.RecordBatch and value.num_columns:  # without columns it would lose its number of rows
        return Node("pyarrow.RecordBatch", (pa.Table.from_batches([value]),))
    if kind is pa.ChunkedArray:
        return Node("pyarrow.ChunkedArray", (pa.Table.from_arrays([value], names=["values"]),))
    if kind in _ARRAYS:
        return Node("pyarrow.Array", (pa.Table.from_arrays([value], names=["values"]),))
    return None


def _build_batch(table: pa.Table) -> pa.RecordBatch:
    if not table.num_columns:
        raise DamagedError("a batch without columns")
    return pa.RecordBatch.from_arrays([_one(column) for column in table.columns], schema=table.schema)


def _one(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = pa.nulls(0, column.type) if column.num_chunks == 0 else column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        raise DamagedError("an array in several chunks")
    return whole


BUILD: dict[str, Callable[..., Any]] = {
    "pyarrow.RecordBatch": _build_batch,
    "pyarrow.ChunkedArray": lambda table: table.column(0),
    "pyarrow.Array": lambda table: _one(table.column(0)),
}
