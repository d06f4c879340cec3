"""One column of a pandas table: its way into a column of an Arrow table, and back without a copy.

What Arrow would have to convert is not converted: the column's own memory becomes the Arrow buffer. So
the bits of NaN stay, and under a null lies what pandas had there: NaT, the code -1, a masked value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from resultstore.errors import DamagedError
from resultstore.formats.arrow import is_faithful_type
from resultstore.formats.atoms import is_unicode

Array = np.ndarray[Any, Any]
_ARROW_DTYPE, _OBJECT, _OBJECT_NAN = "arrow", "object", "object nan"
_NAN_BITS = np.array(math.nan).view(np.uint64)
_NUMBERS = {
    name: pa.from_numpy_dtype(np.dtype(name))
    for name in "int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64".split()
}
_MASKED = {
    "boolean": pa.bool_(),
    **{name.replace("i", "I").replace("u", "U").replace("f", "F"): kind for name, kind in _NUMBERS.items()},
}
_WORTH_A_DICTIONARY = 1000  # categories from here on are not written a second time for readers without us


def to_arrow(array: Any) -> tuple[Any, pa.Array] | None:
    """Return how a column is known in the skeleton, and its Arrow array; None if Arrow does not keep it whole.

    Parameters
    ----------
    array : numpy.ndarray or pandas.api.extensions.ExtensionArray
        One column, with one dimension.
    """
    dtype = array.dtype
    if isinstance(dtype, np.dtype):
        return _numpy_to_arrow(array)
    kind = type(dtype)
    if type(array) in (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray):
        return _masked_to_arrow(array)
    if kind is pd.StringDtype:
        return _strings_to_arrow(array)
    if kind is pd.ArrowDtype and type(array) is pd.arrays.ArrowExtensionArray:
        column = _one_chunk(array.__arrow_array__())
        return (_ARROW_DTYPE, column) if is_faithful_type(column.type) else None
    if kind is pd.CategoricalDtype and type(array) is pd.Categorical:
        return dtype, _categorical_to_arrow(array)
    if kind is pd.DatetimeTZDtype and type(array) is pd.arrays.DatetimeArray:
        numbers = array.asi8
        return dtype, _over(pa.timestamp(dtype.unit, "UTC"), numbers, np.asarray(array.isna()))
    if kind is pd.PeriodDtype and type(array) is pd.arrays.PeriodArray:
        return dtype, _over(pa.int64(), array.asi8, np.asarray(array.isna()))
    return None


def from_arrow(how: Any, column: pa.ChunkedArray) -> Any:
    """Return the column, over the memory of its Arrow array wherever the two lie alike."""
    array = _one_chunk(column)
    if isinstance(how, str):
        if how in _NUMBERS:
            return _values(array, np.dtype(how))
        if how == "bool":
            return _bits(array, 1)
        if how.startswith(("datetime64[", "timedelta64[")):
            return _values(array, np.dtype(how))
        if how in _MASKED:
            return _masked_from_arrow(how, array)
        if how in (_OBJECT, _OBJECT_NAN):
            return _objects_from_arrow(how, array)
        if how == _ARROW_DTYPE:
            return pd.arrays.ArrowExtensionArray(array)
        return _strings_from_arrow(how, array)
    if type(how) is pd.CategoricalDtype:
        indices = array.indices if pa.types.is_dictionary(array.type) else array
        codes = _values(indices, np.dtype(f"int{indices.type.bit_width}"))
        if indices is not array and array.null_count:
            codes = np.where(_bits(array, 0), codes, np.array(-1, codes.dtype))
        return pd.Categorical.from_codes(codes, dtype=how)
    if type(how) is pd.DatetimeTZDtype:
        return pd.array(_values(array, np.dtype("int64")), dtype=how, copy=False)
    if type(how) is pd.PeriodDtype:
        return pd.arrays.PeriodArray(_values(array, np.dtype("int64")), dtype=how, copy=False)
    raise DamagedError(f"no column is known as {how!r}")


def short_texts(array: Any, limit: int) -> tuple[str, list[Any]] | None:
    """Return how a short string array is known in the skeleton, and its texts with None for what is missing."""
    if len(array) > limit or type(array.dtype) is not pd.StringDtype:
        return None
    how = _string_how(array.dtype)
    if how is None:
        return None
    texts = [None if missing else text for text, missing in zip(array, array.isna(), strict=True)]
    if any(text is not None and (type(text) is not str or not is_unicode(text)) for text in texts):
        return None
    return how, texts


def from_texts(how: str, texts: list[Any]) -> Any:
    """Return the string array of some texts."""
    return _strings_from_arrow(how, pa.array(texts, pa.large_string()))


# -- buffers -----------------------------------------------------------------------------------


def _one_chunk(column: Any) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return pa.nulls(0, column.type)
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # a text too long for one array
        raise DamagedError("a column of more than 2 GB in short offsets")
    return whole


def _over(kind: pa.DataType, values: Array, missing: Array | None = None) -> pa.Array:
    """Return an Arrow array over an array's own memory, null where it says missing."""
    validity, nulls = None, 0
    if missing is not None and (nulls := int(missing.sum())):
        validity = pa.py_buffer(np.packbits(~missing, bitorder="little"))
    data = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(data.view(np.uint8))], nulls)


def _memory(buffer: pa.Buffer) -> Array:
    """Return a buffer's bytes, writeable where the memory that it is a part of is: Arrow says so of the whole only."""
    root = buffer
    while root.parent is not None:
        root = root.parent
    start = buffer.address - root.address
    return np.frombuffer(root, np.uint8)[start : start + buffer.size]


def _values(array: pa.Array, dtype: np.dtype[Any]) -> Array:
    """Return the numbers of an array, those under its nulls too."""
    if array.type.bit_width != 8 * dtype.itemsize:
        raise DamagedError(f"a column of {array.type} instead of {dtype}")
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return np.empty(0, dtype)
    start = array.offset * dtype.itemsize
    return _memory(buffer)[start : start + len(array) * dtype.itemsize].view(dtype)


def _bits(array: pa.Array, which: int) -> Array:
    """Return the booleans of an array, or with 0 those of its validity."""
    buffer = array.buffers()[which]
    if buffer is None:
        return np.ones(len(array), bool) if which == 0 else np.empty(0, bool)
    packed = np.frombuffer(buffer, np.uint8)[array.offset // 8 :]
    return np.unpackbits(packed, count=array.offset % 8 + len(array), bitorder="little")[array.offset % 8 :].view(bool)


# -- kinds of columns --------------------------------------------------------------------------


def _numpy_to_arrow(array: Array) -> tuple[str, pa.Array] | None:
    dtype = array.dtype
    if dtype.metadata is not None or not dtype.isnative:
        return None
    if dtype.name in _NUMBERS:
        return dtype.name, _over(_NUMBERS[dtype.name], array)
    if dtype.kind == "b":
        return "bool", _over(pa.bool_(), array)
    if dtype.kind in "mM" and np.datetime_data(dtype) in [(unit, 1) for unit in ("s", "ms", "us", "ns")]:
        kind = (pa.timestamp if dtype.kind == "M" else pa.duration)(np.datetime_data(dtype)[0])
        return dtype.name, _over(kind, array, np.isnat(array))
    return _objects_to_arrow(array) if dtype.kind == "O" else None


def _objects_to_arrow(array: Array) -> tuple[str, pa.Array] | None:
    """Take an object column of texts, in which all that is missing is None, or all of it the usual NaN."""
    kinds = set(map(type, array.tolist()))
    if kinds in ({str}, {str, type(None)}):
        return _texts(_OBJECT, array)
    if kinds == {str, float}:
        missing = pd.isna(array)
        floats = array[missing].astype(np.float64)
        if set(map(type, array[~missing].tolist())) <= {str} and (floats.view(np.uint64) == _NAN_BITS).all():
            return _texts(_OBJECT_NAN, array)
    return None


def _texts(how: str, array: Array) -> tuple[str, pa.Array] | None:
    try:
        return how, pa.array(array, pa.large_string(), from_pandas=True)
    except (UnicodeEncodeError, pa.ArrowException):  # lone surrogates
        return None


def _objects_from_arrow(how: str, array: pa.Array) -> Array:
    objects = array.to_numpy(zero_copy_only=False)
    if objects.dtype != object:  # nothing in it
        objects = objects.astype(object)
    if how == _OBJECT_NAN:
        objects[~_bits(array, 0)] = np.nan
    return objects  # type: ignore[no-any-return]


def _masked_to_arrow(array: Any) -> tuple[str, pa.Array] | None:
    name = str(array.dtype)
    if name not in _MASKED or type(array.dtype).__module__.partition(".")[0] != "pandas":
        return None
    # Not by __arrow_array__: that one makes the NaN of a Float64 column a null.
    return name, _over(_MASKED[name], array._data, array._mask)


def _masked_from_arrow(how: str, array: pa.Array) -> Any:
    missing = ~_bits(array, 0)
    if how == "boolean":
        return pd.arrays.BooleanArray(_bits(array, 1), missing)
    kind = pd.arrays.FloatingArray if how.startswith("F") else pd.arrays.IntegerArray
    return kind(_values(array, np.dtype(how.lower())), missing)


def _string_how(dtype: Any) -> str | None:
    """Return a string dtype as text, ``"str[pyarrow]"``, if that text gives the same dtype back."""
    storage = dtype.storage.removesuffix("_numpy")
    how = f"{'string' if dtype.na_value is pd.NA else 'str'}[{storage}]"
    try:
        back = _string_dtype(how)
    except DamagedError:
        return None
    return how if back == dtype and back.na_value is dtype.na_value else None


def _string_dtype(how: str) -> Any:
    kind, _, storage = how.rstrip("]").partition("[")
    if kind == "string":
        return pd.StringDtype(storage)
    if kind != "str":
        raise DamagedError(f"no column is known as {how!r}")
    try:
        return pd.StringDtype(storage, na_value=np.nan)
    except TypeError:  # before pandas 2.3 the one such dtype had a name of its own
        return pd.StringDtype(f"{storage}_numpy")


def _strings_to_arrow(array: Any) -> tuple[str, pa.Array] | None:
    how = _string_how(array.dtype)
    if how is None:
        return None
    if array.dtype.storage == "python":
        # Python storage is taken by value, for it may hold subclasses of str.
        objects = np.asarray(array, dtype=object)
        if any(kind is not str for kind in set(map(type, objects[~pd.isna(objects)].tolist()))):
            return None
        return _texts(how, objects)
    column = _one_chunk(array.__arrow_array__())
    return how, column if column.type == pa.large_string() else column.cast(pa.large_string())


def _strings_from_arrow(how: str, array: pa.Array) -> Any:
    dtype = _string_dtype(how)
    if dtype.storage == "python":  # not by __from_arrow__, which in pandas 2.3 makes another class of it
        return pd.array(array.to_numpy(zero_copy_only=False).astype(object), dtype=dtype)
    return dtype.__from_arrow__(array)


def _categorical_to_arrow(array: Any) -> pa.Array:
    """Return codes, with a dictionary where it is short, for those who read the file without us."""
    codes = np.ascontiguousarray(array.codes)
    kind = _NUMBERS[codes.dtype.name]
    indices = _over(kind, codes, codes == -1)
    categories = array.categories
    if len(categories) < _WORTH_A_DICTIONARY and categories.inferred_type == "string":
        texts = _texts(_OBJECT, np.asarray(categories, dtype=object))
        if texts is not None:
            # Some readers look at the codes of a dictionary under nulls too.
            indices = _over(kind, np.maximum(codes, 0), codes == -1)
            return pa.DictionaryArray.from_arrays(indices, texts[1], ordered=bool(array.ordered))
    return indices
