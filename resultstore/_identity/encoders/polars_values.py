"""Encoders for polars: a column is its dtype and its values, whatever its chunks and how its texts are numbered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa

from resultstore._identity.encoders.arrow_values import Content, one_array
from resultstore._identity.encoding import NODES, Node, named
from resultstore._identity.instances import node_of, refused


def dtype_parts(dtype: Any) -> tuple[Any, ...]:
    """Return plain values that make a dtype up."""
    kind = dtype if isinstance(dtype, type) else type(dtype)
    parts: tuple[Any, ...] = (kind.__name__,)
    if isinstance(dtype, type):
        return parts
    if isinstance(dtype, pl.Struct):
        return (*parts, *((field.name, dtype_parts(field.dtype)) for field in dtype.fields))
    if isinstance(dtype, pl.Enum):
        return (*parts, *dtype.categories.to_list())
    if isinstance(dtype, (pl.List, pl.Array)):
        return (*parts, dtype_parts(dtype.inner), *(dtype.shape if isinstance(dtype, pl.Array) else ()))
    if isinstance(dtype, pl.Categorical):
        return (*parts, *_categories(dtype))
    return (
        *parts,
        *(getattr(dtype, n, None) for n in ("time_unit", "time_zone", "precision", "scale") if hasattr(dtype, n)),
    )


def _categories(dtype: Any) -> tuple[Any, ...]:
    """Return what tells a categorical dtype from the usual one: by name its categories, in older versions its order."""
    named_ones = getattr(dtype, "categories", None)
    if named_ones is None:
        order = getattr(dtype, "ordering", None)
        return () if order in (None, pl.Categorical().ordering) else (order,)
    if named_ones == pl.Categorical().categories:
        return ()
    return (named_ones.name(), named_ones.namespace(), dtype_parts(named_ones.physical()))


def _column(series: pl.Series) -> Content:
    if _holds(series.dtype, pl.Object):
        raise refused(series, " where it holds Python objects")
    if series.dtype == pl.Categorical:  # its numbers are those of the process
        series = series.cast(pl.String)
    try:
        return Content(_decoded(one_array(series.rechunk().to_arrow())))
    except pa.ArrowException as error:  # 128 bits, say
        raise refused(series, f" where it holds {series.dtype} ({error})") from error


def _holds(dtype: Any, kind: Any) -> bool:
    if isinstance(dtype, pl.Struct):
        return any(_holds(field.dtype, kind) for field in dtype.fields)
    return dtype == kind or (isinstance(dtype, (pl.List, pl.Array)) and _holds(dtype.inner, kind))


def _decoded(array: Any) -> Any:
    """Return an array without dictionaries at its top, whose numbering is polars' own affair."""
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _frame(frame: pl.DataFrame) -> Node:
    schema = tuple((name, dtype_parts(dtype)) for name, dtype in frame.schema.items())
    return named("polars.DataFrame", (schema, frame.height, *map(_column, frame.get_columns())))


def _series(series: pl.Series) -> Node:
    return named("polars.Series", (series.name, dtype_parts(series.dtype), _column(series)))


def _lazy(frame: Any) -> Node:
    raise refused(frame, ": what it will hold is not known before it is collected")


_PICKLED = (b"PLPY", b"\x80\x05\x95", b"\x80\x04\x95")
"""What stands before a Python function in the bytes of an expression, which may hold its name and not its code."""


def _expression(expression: Any) -> Node:
    try:
        told = expression.__getstate__()
    except Exception as error:  # older versions refuse some functions themselves
        raise refused(expression, " where it holds a Python function") from error
    if not isinstance(told, bytes) or any(mark in told for mark in _PICKLED):
        raise refused(expression, " where it holds a Python function")
    return node_of(expression)


_MAKERS: dict[type, Callable[[Any], Node]] = {
    pl.DataFrame: _frame,
    pl.Series: _series,
    pl.LazyFrame: _lazy,
    pl.Expr: _expression,
}


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of polars' types."""
    from resultstore._identity.encoders.arrow_values import register as register_arrow

    register_arrow(pa.Array, leaves, NODES)
    nodes.update(_MAKERS)
    if issubclass(kind, pl.DataType):
        nodes[kind] = lambda dtype: named("polars.DataType", dtype_parts(dtype))
