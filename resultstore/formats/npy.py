"""Arrays as plain ``.npy`` files, the format of `numpy.lib.format`, readable by ``np.load``."""

from __future__ import annotations

import ast
import functools
import io
import math
import mmap
import struct
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from resultstore._facts import PayloadFacts
from resultstore._identity.arrays import (
    buffer_of,
    encode_dtype,
    encode_facts,
    has_free_bits,
    is_plain,
    known_hash,
    order_of,
)
from resultstore._identity.encoding import digest, digest_of
from resultstore._identity.maps import Whole
from resultstore.errors import DamagedError
from resultstore.formats.base import Encoded, shape_of, shape_text

Array = np.ndarray[Any, Any]
_MAGIC = b"\x93NUMPY"


class Npy:
    """Exact numpy arrays of every dtype that the format keeps whole."""

    name = "npy"
    suffix = ".npy"
    runs_code = False
    maps = True

    def accepts(self, value: Any) -> bool:
        """Say whether this is an array, or a memory map taken as one, of a dtype that survives."""
        return type(value) in (np.ndarray, np.memmap) and is_faithful(value.dtype)

    def encode(self, value: Array) -> Encoded:
        """Return header and buffer; the buffer is the array's own where it is contiguous."""
        array = np.asarray(value)
        if not (array.flags.c_contiguous or array.flags.f_contiguous):
            array = array.copy(order="C")
        order, dtype, shape = order_of(array), array.dtype, array.shape
        return Encoded(
            self.name,
            self.suffix,
            _header(dtype, shape, order),
            (buffer_of(array),),
            functools.partial(self.digest, array),
            dtype_text(dtype),
            shape_text(shape),
            order,
            dtype.itemsize,
            known_hash(array),
        )

    def digest(self, holder: Array, body_hash: bytes) -> bytes:
        """Return the digest of the array, from the hash of its buffer where that says all."""
        dtype = holder.dtype
        if is_plain(dtype) and not has_free_bits(dtype):
            return digest_of(encode_facts(dtype, holder.shape, order_of(holder), body_hash))
        return digest(holder)  # padding bytes lie in the buffer but are no part of the value

    def room(self, facts: PayloadFacts) -> tuple[Array, memoryview]:
        """Return an empty array of the dtype, shape and order in the facts, and its buffer."""
        dtype, shape = _frame(facts)
        array = np.empty(shape, dtype, order="F" if facts.order == "F" else "C")
        return array, buffer_of(array)

    def value(self, holder: Array, facts: PayloadFacts) -> Array:
        """Return the array, which owns its memory."""
        return holder

    def follows_bytes(self, value: Array) -> bool:
        """Say no: an array's bytes are numbers."""
        return False

    def examine(self, value: Array) -> None:
        """Do nothing: numbers lead nowhere."""

    def over(self, data: bytes, facts: PayloadFacts) -> Array | None:
        """Return the array over the bytes; None for records, whose dtype can be changed in place."""
        dtype, shape = _frame(facts)
        if dtype.names is not None:
            return None
        return np.ndarray(shape, dtype, data, facts.head_nbytes, order="F" if facts.order == "F" else "C")

    def map(
        self, mapping: mmap.mmap, facts: PayloadFacts, path: str, mode: str, beginning: bytes
    ) -> np.memmap[Any, Any]:
        """Return a ``np.memmap`` over the file, like ``np.load(path, mmap_mode=mode)``."""
        dtype, shape = _frame(facts)
        if not beginning.startswith(_MAGIC):
            raise DamagedError("it does not begin as a .npy file does")
        # np.memmap's own constructor opens and maps the file again: 50 us instead of 10.
        array: Any = np.ndarray.__new__(
            np.memmap, shape, dtype, mapping, facts.head_nbytes, order="F" if facts.order == "F" else "C"
        )
        array._mmap, array.filename, array.offset, array.mode = mapping, path, facts.head_nbytes, mode
        return array  # type: ignore[no-any-return]

    def whole(self, value: Array, facts: PayloadFacts) -> Whole | None:
        """Return what the index says of the array; None for records, which are not told by their buffer alone."""
        dtype = value.dtype
        if dtype.names is not None:
            return None
        return Whole(facts.digest, encode_dtype(dtype), value.shape, value.strides)


def _frame(facts: PayloadFacts) -> tuple[np.dtype[Any], tuple[int, ...]]:
    try:
        dtype, shape, nbytes = _plan(facts.dtype, facts.shape)
    except Exception as error:  # whatever a tampered text makes numpy raise
        raise DamagedError(f"the index names no dtype and shape: {facts.dtype!r}, {facts.shape!r}") from error
    if min(shape, default=0) < 0 or nbytes != facts.raw_nbytes:
        raise DamagedError(f"the size {facts.raw_nbytes} is not that of {facts.dtype} {facts.shape}")
    if dtype is None:  # records: their dtype can be changed in place, so each array has its own
        dtype = dtype_from_text(facts.dtype or "")
    return dtype, shape


@functools.lru_cache(maxsize=1024)
def _plan(dtype_said: str | None, shape_said: str | None) -> tuple[np.dtype[Any] | None, tuple[int, ...], int]:
    """Return what is the same at every load of such arrays: dtype unless it is one of records, shape, size."""
    dtype = dtype_from_text(dtype_said or "")
    shape = shape_of(shape_said)
    return dtype if dtype.names is None else None, shape, math.prod(shape) * dtype.itemsize


def is_faithful(dtype: np.dtype[Any]) -> bool:
    """Say whether a dtype comes back from a ``.npy`` header as it was.

    Not remembered by dtype: two that differ in metadata, titles or alignment are equal to Python.
    """
    if dtype.names is None and dtype.kind in "biufcmM" and type(dtype).__module__ == "numpy.dtypes":
        return not dtype.metadata
    if dtype.hasobject or dtype.itemsize == 0 or dtype.kind not in "biufcmMSUV" or _has_metadata(dtype):
        return False
    if type(dtype).__module__.partition(".")[0] != "numpy":
        return False
    try:
        back = dtype_from_text(dtype_text(dtype))
        _header(dtype, (1,), "C")
    except Exception:  # numpy refuses what its format cannot say with errors of several kinds
        return False
    return back == dtype and repr(back) == repr(dtype)


def _has_metadata(dtype: np.dtype[Any]) -> bool:
    parts = [dtype.subdtype[0]] if dtype.subdtype else [dtype[name] for name in dtype.names or ()]
    return bool(dtype.metadata) or any(map(_has_metadata, parts))


def _header(dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> bytes:
    if dtype.names is None:  # then the text says all: metadata and subarrays do not come here
        return _plain_header(dtype.str, shape, order)
    return _make_header(npy_format.dtype_to_descr(dtype), shape, order)


@functools.lru_cache(maxsize=256)
def _plain_header(text: str, shape: tuple[int, ...], order: str) -> bytes:
    return _make_header(text, shape, order)


def _make_header(descr: Any, shape: tuple[int, ...], order: str) -> bytes:
    facts = {"descr": descr, "fortran_order": order == "F", "shape": shape}
    out = io.BytesIO()
    try:
        npy_format.write_array_header_1_0(out, facts)
    except UnicodeEncodeError:  # field names outside Latin 1; numpy writes version 3 only with the data
        text = repr(facts).encode()
        text += b" " * (-(12 + len(text) + 1) % 64) + b"\n"
        return npy_format.magic(3, 0) + struct.pack("<I", len(text)) + text
    except ValueError:  # a header over 64 KiB
        npy_format.write_array_header_2_0(out, facts)
    return out.getvalue()


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return a dtype as text: ``<f8``, or a list of fields as a Python literal."""
    descr: Any = npy_format.dtype_to_descr(dtype)
    return descr if isinstance(descr, str) else repr(descr)


def dtype_from_text(text: str) -> np.dtype[Any]:
    """Return the dtype that `dtype_text` described; nothing in the text is evaluated."""
    descr: Any = ast.literal_eval(text) if text.startswith(("[", "(")) else text
    dtype = npy_format.descr_to_dtype(descr)
    if dtype.hasobject:
        raise ValueError("a .npy payload holds no objects")
    return dtype
