"""polars' frames and series as nodes around an Arrow table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa

from resultstore.formats.adapters import Node


def take(value: Any) -> Node | None:
    """Return the node of a frame or series whose dtypes come back from Arrow as they were."""
    if type(value) is pl.DataFrame:
        table = _table(value)
        return None if table is None else Node("polars.DataFrame", (table,))
    if type(value) is pl.Series:
        table = _table(value.to_frame())
        return None if table is None else Node("polars.Series", (table,))
    return None


def _table(frame: pl.DataFrame) -> pa.Table | None:
    if not frame.width and frame.height:
        return None
    table = frame.rechunk().to_arrow()
    # A row is looked at where there is one: the dtypes of some Arrow types depend on their dictionaries.
    back = _build_frame(table.slice(0, 1))
    return table if repr(back.schema) == repr(frame.schema) and back.schema == frame.schema else None


def _build_frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.DataFrame(pl.from_arrow(table, rechunk=False))
    frame.columns = table.column_names  # one without a name is given another one
    return frame


BUILD: dict[str, Callable[..., Any]] = {
    "polars.DataFrame": _build_frame,
    "polars.Series": lambda table: _build_frame(table).to_series(0),
}
