"""What a cached function says of itself, and forgets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from resultstore._aliases import Aliases
from resultstore._facts import FunctionFacts
from resultstore._identity.key import Identity
from resultstore._index.index import CallRow
from resultstore._settings import CallOptions
from resultstore._vault import Vault
from resultstore.errors import DigestError

if TYPE_CHECKING:  # a script that only hits needs none of these
    from resultstore._versions import Present
    from resultstore.explain import Explanation
    from resultstore.version import Versions


class Told:
    """The half of `CachedFunction` that answers questions about it, and removes what the store knows of it."""

    __slots__ = ()

    _aliases: Aliases
    _counts: Callable[[Vault, bytes, CallRow], bool]
    _is_outdated: Callable[[Vault, CallRow], bool]
    _function_facts: Callable[[bytes], FunctionFacts]
    _given: tuple[Any, ...]
    _identity: Identity
    _judges: bool
    _options: CallOptions
    _vault: Vault | None
    store: Any

    def _strictly_keyed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
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
        from resultstore import _versions
        from resultstore.version import Versions

        if self._vault is None:
            return Versions(())
        return _versions.versions(self._vault, self._present())

    def explain(self, /, *args: Any, **kwargs: Any) -> Explanation:
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
        from resultstore import _explaining

        return _explaining.explain_call(self, self.store, args, kwargs)

    def _check_parameters(self, names: Iterable[str]) -> None:
        """Raise `OptionError` for a name that this function's calls cannot be found by."""
        self._identity.check_parameters(names)

    def _sought(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return what the index knows some arguments by: what stands in for them, and the object of a method."""
        form = self._identity.form()
        counted = [name for name in form.binder.names if name not in form.binder.ignored]
        bound = dict(zip(form.binder.names, self._given, strict=False))
        given = {name: value for name, value in bound.items() if name in counted} | given
        return {name: form.identified(name, value) for name, value in given.items()}

    # -- forgetting

    def forget(self, /, *args: Any, **kwargs: Any) -> int:
        """Remove a call, its result and its record; return how many calls went, 0 or 1.

        More go if the call is also known under other versions whose results count for this one.

        Examples
        --------
        >>> square.forget(3), square.forget(3)
        (1, 0)
        """
        if self._vault is None:
            return 0
        call = self._strictly_keyed(args, kwargs)
        form, _, encodings, fingerprint, key = call
        others = self._aliases.keys(self._vault, form, fingerprint, encodings, self._function_facts)
        return sum(self._vault.forget(each) for each in (key, *others))

    def clear(self, warn: bool = True) -> int:
        """Remove all calls of this function, in all its versions; return how many went.

        Of a ``__main__`` function only the versions of this script or notebook, and the present one,
        are removed: another's ``__main__.f`` keeps its results.

        Parameters
        ----------
        warn : bool, default True
            Accepted for joblib's sake; the removal is logged, not warned of.

        Examples
        --------
        >>> square.clear()
        1
        """
        place, fingerprint = self._identity.place, self._present_fingerprint()
        return sum(self.store._clear_function(name, place, fingerprint) for name in self._aliases.names)

    def _present_fingerprint(self) -> bytes | None:
        try:
            return self._identity.fingerprint()
        except DigestError:
            return None

    def _present(self, *, strict: bool = False) -> Present:
        """Return the function as it is now; without facts, or strictly an error, if something has no digest."""
        from resultstore._versions import Present

        facts: FunctionFacts | None = None
        try:
            facts = self._function_facts(self._identity.fingerprint())
        except Exception:  # a value's own code may run while it is looked at
            if strict:
                raise
        return Present(self._aliases.names, self._identity.place, facts)
