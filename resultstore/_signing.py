"""Signing: a key that says which rows of an index were written by somebody who may be trusted.

A MAC (BLAKE3 with a key) over all that a hit's value rests on lies beside the row's checksum. The key itself is
never stored, shown or pickled: a store that is sent carries only its name, by which the process that gets it finds
the key among those it has used, or in the environment. Only what `multiprocessing` starts a process with, which
goes to that process and nowhere else, carries the key.
"""

from __future__ import annotations

import os
from typing import Any

from blake3 import blake3

from resultstore._loaded import loaded
from resultstore.errors import OptionError

VARIABLE = "RESULTSTORE_SIGNING_KEY"
LEAST_NBYTES = 16
MAC_NBYTES = 16
_CONTEXT = "resultstore 2026-11 signing key"
_known: dict[bytes, Signer] = {}


class Signer:
    """Signs, and says whether something was signed, with one key."""

    __slots__ = ("_key", "name")

    def __init__(self, derived: bytes | None, name: bytes = b"") -> None:
        self._key = derived
        self.name = name if derived is None else blake3(b"name", key=derived).digest(8)
        """Tells keys apart, and tells nothing of the key."""

    @property
    def is_known(self) -> bool:
        """Whether this process has the key, and not its name alone."""
        return self._key is not None

    def sign(self, kind: bytes, *parts: bytes) -> bytes:
        """Return the MAC, 16 bytes, of a statement of some kind, whose parts cannot be shifted into each other."""
        assert self._key is not None
        text = b"".join(len(part).to_bytes(8, "big") + part for part in (kind, *parts))
        return blake3(text, key=self._key).digest(MAC_NBYTES)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signer) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<signing key {self.name.hex()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return signer_named, (self.name, self._key if _is_starting_a_process() else None)


def find_signer(key: object) -> Signer | None:
    """Return the signer of a key, of the environment's without one, or None."""
    if isinstance(key, Signer):
        return key
    option = "signing_key" if key is not None else VARIABLE
    given = os.environ.get(VARIABLE) or None if key is None else key
    if given is None:
        return None
    data = given.encode("utf-8", "surrogateescape") if isinstance(given, str) else given
    # What is refused is never shown: messages end up in logs.
    if not isinstance(data, bytes):
        raise OptionError(option, type(given), "write bytes or text, such as secrets.token_hex() gives")
    if len(data) < LEAST_NBYTES:
        raise OptionError(option, "...", f"a key has at least {LEAST_NBYTES} bytes, such as secrets.token_hex() gives")
    signer = Signer(blake3(data, derive_key_context=_CONTEXT).digest())
    return _known.setdefault(signer.name, signer)


def signer_named(name: bytes, derived: bytes | None = None) -> Signer:
    """Return the signer with a name; of a key that this process does not know, it can only say so."""
    if derived is not None:
        return _known.setdefault(name, Signer(derived))
    if name not in _known:
        find_signer(None)
    return _known.get(name) or Signer(None, name)


def _is_starting_a_process() -> bool:
    """Say whether what is pickled now goes straight to a process that `multiprocessing` starts."""
    context = loaded("multiprocessing.context")
    return context is not None and context.get_spawning_popen() is not None
