"""The nodes of a skeleton that have no parts: scalars and small values, both ways."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from typing import Any

from resultstore.errors import DamagedError, StoreError

BYTES_LEAF_NBYTES = 1024
"""Byte strings from this size on are leaves; shorter ones lie in the skeleton."""
INT_TEXT_BITS = 2000
"""Longer integers are written in hex: Python may refuse to print or read them as decimals."""


class NotPlainError(Exception):
    """A part is of a type that the skeleton does not know."""


def is_unicode(text: str) -> bool:
    """Say whether a text has no lone surrogates, which no file and no database takes."""
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _b64(data: bytes | bytearray | memoryview) -> str:
    import binascii  # not base64, which takes a millisecond to import

    return binascii.b2a_base64(data, newline=False).decode()


def _from_b64(text: str) -> bytes:
    import binascii

    return binascii.a2b_base64(text)


def atom(part: Any, kind: type) -> list[Any] | None:
    """Return the node of a value without parts, or None."""
    if kind is float:
        return ["float", struct.pack(">d", part).hex()]
    if kind is complex:
        return ["complex", struct.pack(">dd", part.real, part.imag).hex()]
    if kind is int:
        return ["int", hex(part)]
    if kind is str:
        return ["str", _b64(part.encode("utf-8", "surrogatepass"))]
    if kind is bytes:
        return ["bytes", _b64(part)] if len(part) < BYTES_LEAF_NBYTES else None
    if kind is bytearray:
        return ["bytearray", _b64(part)]
    if part is Ellipsis:
        return ["ellipsis"]
    if kind is range:
        return [
            "range",
            *(n if n.bit_length() < INT_TEXT_BITS else _refuse(kind) for n in (part.start, part.stop, part.step)),
        ]
    if kind.__module__ == "numpy":
        return _numpy_scalar(part, kind)
    return _standard_value(part, kind)


def _refuse(kind: type) -> Any:
    raise NotPlainError(f"a {kind.__name__} of very long integers")


def _numpy_scalar(part: Any, kind: type) -> list[Any] | None:
    numpy = sys.modules["numpy"]
    if not isinstance(part, numpy.generic) or part.dtype.kind not in "biufcmMSU":
        return None
    name = part.dtype.str
    if part.dtype.kind in "iu" and numpy.dtype(name).type is not kind:
        name = part.dtype.char  # of two types of one size, the one that the text does not mean
    return ["numpy", name, _b64(part.tobytes())]


def _standard_value(part: Any, kind: type) -> list[Any] | None:
    if kind.__module__.partition(".")[0] not in ("datetime", "decimal", "fractions", "pathlib", "uuid"):
        return None
    from resultstore._identity.standard import TYPES

    value_type = TYPES.get(kind)
    if value_type is None:
        return None
    try:
        parts = value_type.parts(part)
    except StoreError:
        return None  # a time zone of an unknown kind
    if any(type(p) is int and p.bit_length() >= INT_TEXT_BITS for p in parts):
        return None
    if value_type.name.startswith("pathlib") and not is_unicode(parts[0]):
        return None
    return ["value", value_type.name, _jsonable(parts)]


def _jsonable(parts: Any) -> Any:
    return [_jsonable(p) if isinstance(p, tuple) else p for p in parts]


def _build_numpy(dtype: str, data: str) -> Any:
    import numpy

    kind = numpy.dtype(dtype)
    if kind.hasobject:
        raise DamagedError("a scalar holds no objects")
    raw = _from_b64(data)[: kind.itemsize]
    if kind.kind == "S":  # not as an element of an array, which would lose NULs at the end
        return numpy.bytes_(raw)
    if kind.kind == "U":
        return numpy.str_(raw.decode("utf-32-be" if kind.str[0] == ">" else "utf-32-le", "surrogatepass"))
    return numpy.frombuffer(raw, kind)[0]


def _build_value(name: str, parts: list[Any]) -> Any:
    from resultstore._identity.standard import TYPES

    for value_type in TYPES.values():
        if value_type.name == name:
            return value_type.build(*(tuple(p) if isinstance(p, list) else p for p in parts))
    raise DamagedError(f"no value type is called {name!r}")


ATOMS: dict[str, Callable[..., Any]] = {
    "float": lambda text: struct.unpack(">d", bytes.fromhex(text))[0],
    "complex": lambda text: complex(*struct.unpack(">dd", bytes.fromhex(text))),
    "int": lambda text: int(text, 16),
    "str": lambda text: _from_b64(text).decode("utf-8", "surrogatepass"),
    "bytes": _from_b64,
    "bytearray": lambda text: bytearray(_from_b64(text)),
    "ellipsis": lambda: Ellipsis,
    "range": range,
    "numpy": _build_numpy,
    "value": _build_value,
}
