"""How large a result is, and whether that is more than somebody wants to keep."""

from __future__ import annotations

from resultstore._facts import CallFacts
from resultstore._settings import CallOptions
from resultstore._sizes import format_size
from resultstore.eviction import RECORD_NBYTES, Budget


class TooLargeError(Exception):
    """A result has no room: the whole store, or its function's part of it, may not be so large."""


class UnwantedError(Exception):
    """A result is larger than its function wants to keep."""


def row_nbytes(call: CallFacts) -> int:
    """Return about what a call takes in the index, its record included."""
    result = call.result
    if result is None:
        return RECORD_NBYTES
    return RECORD_NBYTES + len(result.text or "") + sum(len(leaf.payload.inline or b"") for leaf in result.leaves)


def check_size(nbytes: int, limit: int | None, options: CallOptions) -> None:
    """Raise for a result that the store, its function's budget, or its function's wish leaves out."""
    wanted = options.max_result_nbytes
    if wanted is not None and nbytes > wanted:
        raise UnwantedError(
            f"a result of {format_size(nbytes)} is not stored: max_result_size is {format_size(wanted)}"
        )
    for most, bounds in (
        (options.size_limit, "the size limit of its function is {1}"),
        (None if limit is None else Budget(limit).largest, "a store of {0} takes {1} at most"),
    ):
        if most is not None and nbytes > most:
            told = bounds.format(format_size(limit or 0), format_size(most))
            said = f"a result of {format_size(nbytes)} is not stored: {told}"
            raise TooLargeError(f"{said}. Raise size_limit, or return less")


def filled_by_pins(nbytes: int) -> TooLargeError:
    """Return the error of a store whose results may not be evicted."""
    return TooLargeError(
        f"a result of {format_size(nbytes)} is not stored: pinned results fill the store; "
        "unpin some, or raise size_limit"
    )
