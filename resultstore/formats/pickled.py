"""Everything else: pickle protocol 5, marked as such, large arrays left out as leaves of their own.

Only the standard library's pickle: what it refuses is not stored. An array that is left out goes by
a persistent id, its leaf's number, so that aliasing inside the result holds across the two.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from resultstore._facts import PayloadFacts
from resultstore._loaded import loaded
from resultstore.errors import DamagedError, UnstorableError
from resultstore.formats.base import Encoded, RawBody, is_for_the_user, opaque_digest
from resultstore.formats.iterators import is_iterator, what_to_do

OUT_OF_BAND_NBYTES = 1 << 16
"""Arrays from this size on become leaves; smaller ones would cost more in the index than they save."""


class Pickle(RawBody):
    """A pickled skeleton."""

    name = "pickle"
    suffix = ".pkl"
    runs_code = True

    def accepts(self, value: Any) -> bool:
        """Say whether this is the bytes of a pickle."""
        return type(value) is bytes

    def encode(self, value: bytes) -> Encoded:
        """Return the pickle's bytes as the body."""
        return Encoded(self.name, self.suffix, b"", (value,), opaque_digest(self.name))

    def value(self, holder: bytearray, facts: PayloadFacts) -> bytearray:
        """Return the pickle's bytes, not yet loaded."""
        return holder


def dump(value: Any, is_leaf: Callable[[Any], bool]) -> tuple[bytes, list[Any]]:
    """Return a pickle of a value and the arrays left out of it.

    Raises
    ------
    UnstorableError
        If pickle refuses the value, or something in it.
    """
    numpy = loaded("numpy")
    arrays = () if numpy is None else (numpy.ndarray,)
    plain = () if numpy is None else (numpy.ndarray, numpy.memmap)
    reduced = () if numpy is None else (numpy.ndarray, numpy.generic)
    leaves: list[Any] = []
    numbers: dict[int, int] = {}
    frozen: dict[int, Any] = {}
    met: set[type] = set()
    """Kinds that are neither arrays nor iterators: pickle asks of each part."""

    class Pickler(pickle.Pickler):
        def persistent_id(self, part: Any) -> int | None:
            kind = type(part)
            if kind in met:
                return None
            if not issubclass(kind, arrays):
                if is_iterator(kind):  # pickle would write some kinds, at the place where they are
                    raise UnstorableError(what_to_do(kind))
                met.add(kind)
                return None
            if kind not in plain or not is_leaf(part):
                if not part.flags.writeable:
                    frozen[id(part)] = part
                return None
            # Pickle itself loses the flag, and the byte order of dates and of texts in pieces.
            whole = part.flags.writeable and part.dtype.isnative and kind in arrays
            if whole and part.nbytes < OUT_OF_BAND_NBYTES:
                return None
            if id(part) not in numbers:
                numbers[id(part)] = len(leaves)
                leaves.append(part)  # also keeps the id taken
            return numbers[id(part)]

        def reducer_override(self, part: Any) -> Any:
            if not issubclass(type(part), reduced):
                return NotImplemented
            from resultstore.formats.adapters import numpy_values

            return numpy_values.reduce(part)

    out = io.BytesIO()
    try:
        pickler = Pickler(out, protocol=5)
        pickler.dump(value)
        if frozen:  # a second pickle, by the first one's memo: the arrays whose flag pickle loses
            pickler.dump(list(frozen.values()))
    except BaseException as error:  # __reduce__ is anyone's code
        if is_for_the_user(error) or isinstance(error, UnstorableError):
            raise
        raise UnstorableError(f"pickle refuses it ({type(error).__name__}: {error})") from error
    return out.getvalue(), leaves


def load(data: bytes | bytearray, leaves: Sequence[Any]) -> Any:
    """Return the value of a pickle made by `dump`. Runs the code that the pickle names."""

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, number: int) -> Any:
            return leaves[number]

    try:
        unpickler = Unpickler(io.BytesIO(data))
        value = unpickler.load()
        with contextlib.suppress(EOFError):
            for array in unpickler.load():
                array.flags.writeable = False
    except BaseException as error:
        if is_for_the_user(error):
            raise
        raise DamagedError(f"it cannot be unpickled here ({type(error).__name__}: {error})") from error
    return value
