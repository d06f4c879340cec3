"""What a function or a class does, as one digest: its code and all that its behaviour depends on."""

from __future__ import annotations

import functools
import threading
import weakref
from typing import Any

from resultstore._identity.fingerprint import Fingerprint
from resultstore._identity.kinds import full_name
from resultstore.errors import DigestError

_known: dict[int, tuple[weakref.ref[Any], Fingerprint]] = {}
_inside = threading.local()


def behaviour_of(thing: Any) -> bytes:
    """Return the digest, 32 bytes, of what a function, class, partial or bound method does.

    Raises
    ------
    DigestError
        If something that it depends on has no digest.
    """
    open_ids: set[int] = _inside.__dict__.setdefault("ids", set())
    if id(thing) in open_ids:
        raise DigestError(f"{full_name(thing)} depends on a value that holds itself")
    # Inside of another look, what leads back to that has a number for a digest: not to be remembered for others.
    fingerprint = Fingerprint(thing) if open_ids else _fingerprint(thing)
    open_ids.add(id(thing))
    try:
        return fingerprint.value()
    finally:
        open_ids.discard(id(thing))


def _forget(known: dict[int, Any], number: int, _: Any) -> None:
    known.pop(number, None)  # given with it, for at the end of all the module is empty


def _fingerprint(thing: Any) -> Fingerprint:
    """Return the thing's fingerprint, remembered as long as it lives."""
    number = id(thing)
    known = _known.get(number)
    if known is not None and known[0]() is thing:
        return known[1]
    fingerprint = Fingerprint(thing)
    try:
        reference = weakref.ref(thing, functools.partial(_forget, _known, number))
    except TypeError:  # a partial lives for one call, most often
        return fingerprint
    _known[number] = (reference, fingerprint)
    return fingerprint
