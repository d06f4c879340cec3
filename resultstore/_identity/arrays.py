"""Encoders for numpy: an array is its type, dtype, shape, order and the BLAKE3 hash of its buffer.

Loaded when a numpy value is first met, so that numpy is never imported for our sake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from blake3 import blake3

from resultstore._identity import maps
from resultstore._identity.encoding import RECOGNISERS, Node, length, named, sequence, short
from resultstore._identity.encoding import encode as encode_value
from resultstore.errors import DigestError

BLOCK_NBYTES = 1 << 24
"""How much of an array that is not contiguous is copied at a time."""


def order_of(array: np.ndarray[Any, Any]) -> str:
    """Return ``"F"`` for an array that is only Fortran-contiguous, else ``"C"``."""
    flags = array.flags
    return "F" if flags.f_contiguous and not flags.c_contiguous else "C"


def buffer_of(array: np.ndarray[Any, Any]) -> memoryview:
    """Return the bytes of a contiguous array in memory order, without copying them."""
    flat = array.reshape(-1, order="F" if order_of(array) == "F" else "C")
    # A view as bytes: not every dtype (datetime64, void) speaks the buffer protocol itself.
    return memoryview(flat.view(np.uint8).data) if array.size and array.itemsize else memoryview(bytearray())


def hash_buffer(array: np.ndarray[Any, Any]) -> bytes:
    """Return BLAKE3 of the array's elements in its own order, copying at most a block at a time.

    What lies in a read-only map of a store's is hashed once, as long as its file stays as it is.
    """
    found = None if has_free_bits(array.dtype) else maps.around(array)
    if found is None or not found[0].stands():
        return _hash_buffer(array)
    handed, address = found
    known = handed.known(address, array.nbytes)
    if known is None:
        known = _hash_buffer(array)
        if handed.stands():
            handed.learn(address, array.nbytes, known)
    return known


def known_hash(array: np.ndarray[Any, Any]) -> bytes | None:
    """Return the BLAKE3 hash of an array's buffer if it lies in a map of a store's and has been hashed, else None."""
    found = maps.around(array)
    if found is None:
        return None
    handed, address = found
    known = handed.known(address, array.nbytes)
    return known if known is not None and handed.stands() else None


def has_free_bits(dtype: np.dtype[Any]) -> bool:
    """Say whether numbers of this dtype have bytes that mean nothing."""
    return dtype.kind in "fc" and dtype.itemsize // (2 if dtype.kind == "c" else 1) > 8


def _hash_buffer(array: np.ndarray[Any, Any]) -> bytes:
    hasher = blake3()
    for block in _blocks(array):
        hasher.update(buffer_of(_without_padding(block)))
    return hasher.digest()


def _blocks(array: np.ndarray[Any, Any]) -> Iterator[np.ndarray[Any, Any]]:
    if array.flags.c_contiguous or array.flags.f_contiguous:
        yield np.asarray(array)
    elif array.nbytes <= BLOCK_NBYTES or len(array) <= 1:
        yield np.ascontiguousarray(array)
    else:
        rows = max(1, BLOCK_NBYTES // max(1, array.nbytes // len(array)))
        for start in range(0, len(array), rows):
            yield from _blocks(np.ascontiguousarray(array[start : start + rows]))


def _without_padding(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Zero the bytes of extended-precision numbers that mean nothing and are never set."""
    if array.dtype.kind not in "fc" or array.dtype.itemsize not in (12, 16, 24, 32):
        return array
    if array.dtype.kind == "c" and array.dtype.itemsize == 16:
        return array
    width = array.dtype.itemsize // (2 if array.dtype.kind == "c" else 1)
    if np.finfo(array.dtype.newbyteorder("=")).nmant != 63:  # quad or double-double: every byte counts
        return array
    clean = array.copy(order="K")
    octets = clean.reshape(-1, order="A").view(np.uint8).reshape(-1, width)
    unused = slice(10, None) if array.dtype.isnative else slice(0, width - 10)
    octets[:, unused] = 0
    return clean


def _dtype_parts(dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Return plain values that make a dtype up, byte order always named."""
    if dtype.metadata:  # numpy 1 leaves an empty mapping on every pickled datetime64
        return ("metadata", _bare_parts(dtype), dict(dtype.metadata))
    return _bare_parts(dtype)


def _bare_parts(dtype: np.dtype[Any]) -> tuple[Any, ...]:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return ("subarray", _dtype_parts(base), shape)
    if dtype.names is not None and dtype.type in (np.void, np.record):
        assert dtype.fields is not None
        fields = []
        for name in dtype.names:
            field = dtype.fields[name]
            title = field[2] if len(field) > 2 else None
            fields.append((name, title, _dtype_parts(field[0]), field[1]))
        kind = "struct" if dtype.type is np.void else "record"
        return (kind, tuple(fields), dtype.itemsize, dtype.isalignedstruct)
    if dtype.kind == "T":  # texts of any length, numpy 2
        missing: Any = dtype
        return ("text", missing.coerce, *((missing.na_object,) if hasattr(missing, "na_object") else ()))
    if (
        dtype.names is not None
        or dtype.kind not in "biufcmMSUVO"
        or type(dtype).__module__.partition(".")[0] != "numpy"
    ):
        raise DigestError(f"an array of dtype {dtype} has no digest that could be trusted")
    return (dtype.str,)  # '<f8', '>i4', '<M8[ns]', '<U7', '|O'


def encode_dtype(dtype: np.dtype[Any]) -> bytes:
    # Remembered by text, and for numpy's own simple types only: dtypes that differ in metadata, titles
    # or alignment are equal to Python, and types of others may share a text with numpy's.
    if (
        dtype.names is None
        and not dtype.metadata
        and dtype.subdtype is None
        and type(dtype).__module__ == "numpy.dtypes"
    ):
        known = _known_dtypes.get(dtype.str)
        if known is None:
            known = _known_dtypes[dtype.str] = short(encode_value(_dtype_parts(dtype)))
            if len(_known_dtypes) > 1000:  # strings of every length are types of their own
                _known_dtypes.clear()
        return known
    return short(encode_value(_dtype_parts(dtype)))


_known_dtypes: dict[str, bytes] = {}


def _needs_walk(dtype: np.dtype[Any]) -> bool:
    """Say whether a structured dtype's buffer holds more or less than its fields' values."""
    if dtype.subdtype is not None:
        return _needs_walk(dtype.subdtype[0])
    if dtype.names is None:
        return dtype.hasobject or has_free_bits(dtype)
    assert dtype.fields is not None
    end = 0
    for name in dtype.names:
        kind, offset = dtype.fields[name][:2]
        if offset != end or _needs_walk(kind):
            return True
        end = offset + kind.itemsize
    return end != dtype.itemsize


def encode_facts(dtype: np.dtype[Any], shape: tuple[int, ...], order: str, buffer_hash: bytes) -> bytes:
    """Return the encoding of an array from its facts and the hash of its buffer."""
    dims = b"".join(map(length, shape))
    return b"a" + encode_dtype(dtype) + length(len(shape)) + dims + order.encode() + buffer_hash


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Say whether an array of this dtype is wholly described by its buffer."""
    return not (dtype.hasobject or (dtype.names is not None and _needs_walk(dtype)))


def _recognise(array: np.ndarray[Any, Any], leaning: list[maps.Handed]) -> bytes | None:
    """Return the digest of an array that is the whole of a mapped payload, which the index knows; note the map.

    None also where the bytes have been hashed in this process: then nothing needs to be taken at its word.
    """
    found = maps.around(array)
    if found is None:
        return None
    handed, address = found
    whole = handed.whole
    if (
        whole is None
        or address != handed.body
        or array.shape != whole.shape
        or array.strides != whole.strides
        or encode_dtype(array.dtype) != whole.dtype
        or handed.known(address, array.nbytes) is not None
        or not handed.stands()
    ):
        return None
    leaning.append(handed)
    return whole.digest


def _array(array: np.ndarray[Any, Any]) -> Node:
    array = np.asarray(array)  # also of a subclass: what it has beside its elements is told elsewhere
    order = order_of(array)
    dtype = array.dtype
    if is_plain(dtype):
        return encode_facts(dtype, array.shape, order, hash_buffer(array))
    head = encode_dtype(dtype)
    dims = length(array.ndim) + b"".join(length(n) for n in array.shape)
    parts: list[Any]
    if dtype.names is not None:
        tag, parts = b"u", [array[name] for name in dtype.names]
    else:
        tag, parts = b"p", array.ravel(order="F" if order == "F" else "C").tolist()
    return (yield from sequence(tag + head + dims + order.encode(), parts, len(parts)))


def _scalar(value: np.generic) -> bytes:
    dtype = value.dtype
    if dtype.names is not None or dtype.hasobject:
        body = encode_value(np.asarray(value))  # what a record holds is kept as an array keeps it
        return b"n" + encode_dtype(dtype) + length(len(body)) + body
    cell = np.array(value).reshape(1)
    if dtype.kind in "fc":
        for part in (cell.real, cell.imag) if dtype.kind == "c" else (cell,):
            part[np.isnan(part)] = np.nan  # every scalar NaN is the same one
    body = bytes(buffer_of(_without_padding(cell)))
    return b"n" + encode_dtype(dtype) + length(len(body)) + body


def register(kind: type, leaves: dict[type, Callable[[Any], bytes]], nodes: dict[type, Callable[[Any], Node]]) -> None:
    """Add the encoders of this module, and of this type of scalar or dtype."""
    nodes[np.ndarray] = nodes[np.memmap] = _array
    RECOGNISERS[_array] = _recognise
    if issubclass(kind, np.generic) and kind.__module__ == "numpy":
        leaves[kind] = _scalar
    elif issubclass(kind, np.dtype):
        nodes[kind] = lambda dtype: named("numpy.dtype", _dtype_parts(dtype))
