"""What a cached function can say of itself."""

from __future__ import annotations

from collections.abc import Callable

from resultstore import _versions
from resultstore._aliases import Aliases
from resultstore._facts import FunctionFacts
from resultstore._identity.key import Identity
from resultstore._vault import Vault
from resultstore._versions import Present
from resultstore.version import Versions


class Told:
    """The half of `CachedFunction` that answers questions about it."""

    __slots__ = ()

    _aliases: Aliases
    _function_facts: Callable[[bytes], FunctionFacts]
    _identity: Identity
    _vault: Vault | None

    def source(self) -> str | None:
        """Return the text of the function that runs, or None where its file is not at hand or was edited.

        Examples
        --------
        >>> print(square.source())
        def doctest_square(x):
        ...
            return x * x
        """
        return self._identity.source()

    def versions(self) -> Versions:
        """Return the versions of the function that the store knows, under its earlier names too, newest first.

        Examples
        --------
        >>> square.versions()
        function   version  standing  python  created (UTC)  last used (UTC)  calls  stored  size  seconds
        ...square  1        present   3...                                    1      1       8 B   ...
        """
        return Versions(()) if self._vault is None else _versions.versions(self._vault, self._present())

    def _present(self, *, strict: bool = False) -> Present:
        """Return the function as it is now; without facts, or strictly an error, if something has no digest."""
        facts: FunctionFacts | None = None
        try:
            facts = self._function_facts(self._identity.fingerprint())
        except Exception:  # a value's own code may run while it is looked at
            if strict:
                raise
        return Present(self._aliases.names, self._identity.place, facts)
