"""Files that this process has mapped read-only: shared while somebody uses them, and recognised as arguments."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from resultstore._identity.maps import Handed, Whole, address_of, hand_out
from resultstore.blobs.base import Blobs, Mapped, Signature

_MANY = 1000


class Maps:
    """The read-only maps of one store."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._known: dict[str, tuple[weakref.ref[Any], str, Signature, bytes]] = {}
        self._last: Any = None  # one is kept, so that a call repeated in a loop does not map each time anew

    def again(self, name: str) -> Mapped | None:
        """Return the mapping of a file that is still as it was mapped, or None.

        Two results over it share memory, which nobody can write to.
        """
        known = self._known.get(name)
        if known is None:
            return None
        mapping = known[0]()
        if mapping is None or mapping.closed or not self._stands(name, known[2]):
            self.drop(name)
            return None
        self._last = mapping
        return Mapped(mapping, *known[1:])

    def hand_out(
        self,
        name: str,
        mapped: Mapped,
        body: int,
        whole: Whole | None,
        body_hash: bytes | None,
        prove: Callable[[Mapped], bytes],
    ) -> None:
        """Share a mapping, and recognise from now on what lies in it.

        Parameters
        ----------
        name
            The payload file.
        mapped
            The mapping.
        body
            Where in the file the payload's body begins.
        whole
            What the index says of an array that is the whole body.
        body_hash
            The body's hash, if the file was written or verified by this process.
        prove
            Verifies the payload; returns the hash of its body, or raises DamagedError.
        """
        mapping = mapped.mapping
        if len(self._known) >= _MANY:
            self._known = {n: known for n, known in self._known.items() if known[0]() is not None}
        rest = mapped.path, mapped.signature, mapped.beginning  # without the mapping, which must not be kept alive
        self._known[name] = weakref.ref(mapping), *rest
        self._last = mapping
        stands = functools.partial(self._stands, name, mapped.signature)
        handed = Handed(mapping, address_of(mapping), body, whole, stands, lambda m: prove(Mapped(m, *rest)))
        if body_hash is not None:
            handed.learn(handed.body, handed.stop - handed.body, body_hash)
        hand_out(handed)

    def _stands(self, name: str, signature: Signature) -> bool:
        try:
            return self._blobs.state(name).signature == signature
        except OSError:
            return False

    def drop(self, name: str) -> None:
        """Share a mapping no more: its file is gone, or another one."""
        known = self._known.pop(name, None)
        if known is not None and known[0]() is self._last:
            self._last = None

    def let_go(self) -> None:
        """Keep no mapping alive that nobody uses."""
        self._last = None
