"""What to look for: a query as plain data, without SQL."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from resultstore._data import Data
from resultstore.errors import OptionError

_INCLUSIVE = ("both", "left", "right", "neither")


class Range(Data):
    """Numbers from ``low`` to ``high``, both included. Made by `resultstore.between`.

    Examples
    --------
    >>> from resultstore import between
    >>> between(1, 4)
    Range(low=1.0, high=4.0)
    """

    low: float = -math.inf
    """The least number."""
    high: float = math.inf
    """The largest number."""


class Query(Data):
    """Which calls to find: all conditions must hold."""

    functions: tuple[str, ...] = ()
    """The function's full name, and earlier ones; none for calls of all functions."""
    arguments: Mapping[str, bytes | Range] = MappingProxyType({})
    """For each of these arguments, the token of its value, or a range of numbers."""
    key: bytes | None = None
    """The key of a single call."""


def between(low: float | None = None, high: float | None = None, inclusive: str = "both") -> Range:
    """Return what `Store.find` takes in place of a value: any number of a range.

    Arguments match that are of type bool, int or float, also numpy's; they are compared as doubles, so
    integers beyond 2^53 by their 53 leading bits. A NaN is in no range.

    Parameters
    ----------
    low, high : float, optional
        The ends of the range; None for an open end.
    inclusive : {"both", "left", "right", "neither"}, default "both"
        Which of the two ends belong to the range, as pandas has it.

    Raises
    ------
    OptionError
        If an end is no number, or ``inclusive`` is none of these.

    Examples
    --------
    >>> from resultstore import between
    >>> len(store.find(square, x=between(2, 5)))
    1
    >>> len(store.find(square, x=between(3, inclusive="neither")))
    0
    """
    if inclusive not in _INCLUSIVE:
        raise OptionError("inclusive", inclusive, f"write one of {', '.join(map(repr, _INCLUSIVE))}")
    least, largest = _end("low", low, -math.inf), _end("high", high, math.inf)
    if low is not None and inclusive in ("right", "neither"):
        least = math.nextafter(least, math.inf)
    if high is not None and inclusive in ("left", "neither"):
        largest = math.nextafter(largest, -math.inf)
    return Range(least, largest)


def _end(name: str, value: object, default: float) -> float:
    if value is None:
        return default
    try:
        number = math.nan if isinstance(value, (str, bytes)) else float(value)  # type: ignore[arg-type]
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise OptionError(name, value, "write a number, or None for an open end")
    return number
