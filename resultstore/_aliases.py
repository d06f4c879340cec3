"""Aliases: the versions of a function whose results count for the one that runs now.

Which they are is looked up at the first miss of a fingerprint, and remembered for a second: versions with the same
portable fingerprint (another Python compiled the same source), those under earlier names of the function, and
those that somebody accepted. A hit under the call's own key pays nothing for them, and of many fast misses few do;
yet what another process has just computed under an equal version is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from resultstore._facts import FunctionFacts, plain_text
from resultstore._identity.key import Form
from resultstore._report import logger
from resultstore._vault import Vault

_FRESH_S = 1.0
_MOST = 64
_changes = 0


def forget_all() -> None:
    """Look all aliases up again, for a version was accepted."""
    global _changes  # noqa: PLW0603 -- one process may hold several stores of one place
    _changes += 1


class Aliases:
    """The aliases of one function, by the fingerprint that it has."""

    __slots__ = ("_asked", "_known", "names")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = tuple(map(plain_text, names))
        """The function's name, and its earlier ones."""
        self._known: dict[bytes, tuple[float, tuple[tuple[str, bytes], ...]]] = {}
        self._asked = _changes

    def of(
        self, vault: Vault, fingerprint: bytes, describe: Callable[[bytes], FunctionFacts]
    ) -> tuple[tuple[str, bytes], ...]:
        """Return name and fingerprint of each version that stands in for the one with this fingerprint."""
        if self._asked != _changes or len(self._known) >= _MOST:
            self._asked, self._known = _changes, {}
        known, now = self._known.get(fingerprint), time.monotonic()
        if known is not None and now - known[0] < _FRESH_S:
            return known[1]
        try:
            found = vault.aliases(self.names, fingerprint, describe(fingerprint).portable)
        except Exception as error:  # the call is computed, and says what is wrong there
            logger.debug("the aliases of %s cannot be looked up: %s", self.names[0], error)
            return ()
        self._known[fingerprint] = (now, found)
        return found

    def keys(
        self, vault: Vault, form: Form, fingerprint: bytes, encodings: list[bytes],
        describe: Callable[[bytes], FunctionFacts],
    ) -> list[bytes]:  # fmt: skip
        """Return the other keys under which a call may be stored, of the latest version first."""
        return [form.key(other, encodings, name) for name, other in self.of(vault, fingerprint, describe)]
