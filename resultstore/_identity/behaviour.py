"""What a function or a class does, as one digest: its code and all that its behaviour depends on."""

from __future__ import annotations

from typing import Any

from resultstore._identity.closures import Fingerprint
from resultstore._identity.encoding import digest_of, encode


def behaviour_of(thing: Any) -> bytes:
    """Return the digest, 32 bytes, of what a function, class, partial or bound method does.

    Raises
    ------
    DigestError
        If something that it depends on has no digest.
    """
    if isinstance(thing, type):
        from resultstore._identity.instances import class_parts

        return digest_of(encode(("class", class_parts(thing))))
    return Fingerprint(thing).value()
