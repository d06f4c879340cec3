"""What a cached function can say of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resultstore import _explaining, _versions
from resultstore._aliases import Aliases
from resultstore._facts import FunctionFacts
from resultstore._identity.key import Identity
from resultstore._index.index import CallRow
from resultstore._settings import CallOptions
from resultstore._vault import Vault
from resultstore._versions import Present
from resultstore.explain import Explanation
from resultstore.version import Versions


class Told:
    """The half of `CachedFunction` that answers questions about it."""

    __slots__ = ()

    _aliases: Aliases
    _function_facts: Callable[[bytes], FunctionFacts]
    _identity: Identity
    _judges: bool
    _options: CallOptions
    _vault: Vault | None
    store: Any

    def _is_outdated(self, vault: Vault, row: CallRow) -> bool:
        raise NotImplementedError

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

    def explain(self, *args: Any, **kwargs: Any) -> Explanation:
        """Say whether a call would be a hit, and if not why; nothing is computed, loaded or written.

        Returns
        -------
        Explanation
            Printed, it fits on a screen.

        Raises
        ------
        TypeError
            If the function cannot be called so.
        StoreError
            If the index cannot be read.

        Examples
        --------
        >>> square.explain(3)
        hit: computed ... UTC in ..., 8 B, 0 hits, by version 1
        >>> square.explain(4)
        miss: argument x is another one than in the nearest call
          x: 3 -> 4
        nearest call: ...
        """
        return _explaining.explain_call(self, self.store._load, args, kwargs)

    def _present(self, *, strict: bool = False) -> Present:
        """Return the function as it is now; without facts, or strictly an error, if something has no digest."""
        facts: FunctionFacts | None = None
        try:
            facts = self._function_facts(self._identity.fingerprint())
        except Exception:  # a value's own code may run while it is looked at
            if strict:
                raise
        return Present(self._aliases.names, self._identity.place, facts)
