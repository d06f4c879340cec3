"""Sizes and ages as people write them."""

from __future__ import annotations

import math
import re

from resultstore.errors import OptionError

_DECIMAL = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_BINARY = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
# Compiled when one is met: at every start it would cost half a millisecond.
_SIZE = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([KMGT]?)(i?)(B?)\s*"
_AGE = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(s|min|h|d|w)\s*"
_AGE_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_size(size: int | str, option: str, *, bare_is_binary: bool = False) -> int:
    """Return a size in bytes: ``"200 MB"`` is 200 x 10^6, ``"200 MiB"`` 200 x 2^20.

    A bare suffix (``"1M"``) is decimal, or binary where joblib's own option means it so.
    """
    if isinstance(size, str):
        match = re.fullmatch(_SIZE, size, re.IGNORECASE)
        if match is None:
            raise OptionError(option, size, 'write a number of bytes, or a text such as "200 MB" or "1.5 GiB"')
        number, prefix, binary, unit = match.groups()
        factors = _BINARY if binary or (bare_is_binary and not unit) else _DECIMAL
        return int(float(number) * factors[prefix.upper()])
    if isinstance(size, bool) or not isinstance(size, int):
        if isinstance(size, float) and math.isfinite(size) and size >= 0:
            return int(size)
        raise OptionError(option, size, 'write a number of bytes, or a text such as "200 MB"')
    if size < 0:
        raise OptionError(option, size, "a size cannot be negative")
    return size


def parse_age(age: object, option: str) -> float:
    """Return an age in seconds from a number, a timedelta or a text such as ``"30 d"``."""
    seconds: float
    if isinstance(age, str):
        match = re.fullmatch(_AGE, age)
        if match is None:
            raise OptionError(option, age, 'write seconds, a timedelta, or a text such as "12 h" or "30 d"')
        seconds = float(match[1]) * _AGE_SECONDS[match[2]]
    elif isinstance(age, (int, float)) and not isinstance(age, bool):
        seconds = float(age)
    elif hasattr(age, "total_seconds"):
        seconds = age.total_seconds()
    else:
        raise OptionError(option, age, 'write seconds, a timedelta, or a text such as "30 d"')
    if not seconds >= 0:
        raise OptionError(option, age, "an age has to be positive")
    return seconds


def format_size(nbytes: float) -> str:
    """Return bytes as people read them, in powers of ten: ``"12.3 MB"``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(nbytes) < 999.5:
            return f"{nbytes:.0f} B" if unit == "B" else f"{nbytes:.3g} {unit}"
        nbytes /= 1000
    return f"{nbytes:.3g} TB"


def format_seconds(seconds: float) -> str:
    """Return a duration as people read it: ``"1.25 s"``, ``"3.4 ms"``."""
    if seconds >= 7200:
        return f"{seconds / 3600:.3g} h"
    if seconds >= 120:
        return f"{seconds / 60:.3g} min"
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.2g} µs"
