"""Whether the system has been up ever since a file was written: a mark in the fraction of a second of its time.

A file that was not synced may lose pages when the power is cut, and keep its size. What is read is verified anyway;
what is mapped is not, for that would cost as much as reading. So each file is given a time whose fraction, a
millionth, says in which boot of the system it was written, or found whole: exact whatever a clock says, and found
in what every hit looks at already. A file with any other time is verified before it is mapped, and marked.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time

_SECOND_NS, _MICROSECOND_NS = 10**9, 10**3


@functools.cache
def _mark() -> int | None:
    """Return the fraction of this boot, in ns; None where the system does not tell its boots apart."""
    import binascii  # what a hit in memory needs not

    from resultstore._environment import boot_id

    boot = boot_id()
    return _MICROSECOND_NS * (1 + binascii.crc32(boot.encode()) % 999_999) if boot else None


def mark(file: int | str | os.PathLike[str]) -> None:
    """Give a file, by descriptor or path, the mark of this boot; where that cannot be done, it is verified again."""
    fraction = _mark()
    if fraction is not None:
        moment = time.time_ns() // _SECOND_NS * _SECOND_NS + fraction
        with contextlib.suppress(OSError):
            os.utime(file, ns=(moment, moment))


def is_marked(modified_ns: int) -> bool:
    """Say whether a file of this time has the mark of this boot; where there are no marks, all have."""
    fraction = _mark()
    return fraction is None or modified_ns % _SECOND_NS == fraction
