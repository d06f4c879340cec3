"""One call of a cached function, asked for in other ways than by calling it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Generic, ParamSpec, TypeVar, overload

from resultstore._computing import Keyed, Outcome
from resultstore._index.index import CallRow
from resultstore._settings import CallOptions
from resultstore._shelf import HeldReference, Reference, missing
from resultstore._vault import MISS, Vault
from resultstore.errors import MissingError
from resultstore.formats.raised import Raised

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
S = TypeVar("S")
Awaited = Coroutine[Any, Any, S]
"""What a function returns that is an ``async def``: type checkers know it by that. No result is one."""


class OneCall(Generic[P, R_co]):
    """The half of `CachedFunction` that asks for one call."""

    __slots__ = ()

    _once: Callable[..., Outcome]
    _is_outdated: Callable[[Vault, CallRow], bool]
    _judges: bool
    _keyed: Callable[[Any, Any], Keyed | None]
    _options: CallOptions
    _run: Callable[[Any, Any], Outcome]
    _stored_elsewhere: Callable[[Vault, Keyed], Iterator[tuple[bytes, CallRow]]]
    _strictly_keyed: Callable[[Any, Any], Keyed]
    _vault: Vault | None
    store: Any

    @property
    def name(self) -> str:
        """The name under which the store knows the function."""
        raise NotImplementedError

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        raise NotImplementedError

    @overload
    def call(  # type: ignore[overload-overlap]
        self: OneCall[P, Awaited[S]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaited[tuple[S, dict[str, Any]]]: ...
    @overload
    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> tuple[R_co, dict[str, Any]]: ...
    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the function, whatever is stored, keep the result, and return it with its metadata.

        Returns
        -------
        value
            What the function returned.
        metadata : dict
            ``duration`` in seconds, ``time`` in seconds since the epoch, ``input_args`` as short
            texts by name. Empty when the call could not be keyed, and with ``Store(None)``.

        Examples
        --------
        >>> value, metadata = square.call(3)
        computing
        >>> value, metadata["input_args"]
        (9, {'x': '3'})
        """
        outcome = self._run(args, kwargs)
        return outcome.value, outcome.metadata

    def refresh(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        """Run the function, whatever is stored, and let the new result take the old one's place.

        If the function raises, the old result stays. If the new one cannot be stored, it goes all the same:
        it is no longer what the function returns.

        Examples
        --------
        >>> square.refresh(3)
        computing
        9
        """
        return self._run(args, kwargs).value  # type: ignore[no-any-return]

    @overload
    def get(self: OneCall[P, Awaited[S]], /, *args: P.args, **kwargs: P.kwargs) -> S: ...
    @overload
    def get(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def get(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Return a call's stored result; never compute.

        Raises
        ------
        MissingError
            If it is not stored, or no longer counts by ``ttl`` or ``cache_validation_callback``;
            also a ``KeyError``.
        DigestError, TypeError
            As `key` does.

        Examples
        --------
        >>> square.get(3)
        9
        """
        from resultstore._checking import counts

        call, vault = self._strictly_keyed(args, kwargs), self._vault
        if vault is None:
            raise MissingError(f"the result of {self.name} is not stored: storing is switched off")
        key = call[4]
        row = vault.look(key, self.name)
        outdated = row is not None and self._judges and self._is_outdated(vault, row)
        rows = [] if row is None or outdated else [(key, row)]
        for other, found in itertools.chain(rows, self._stored_elsewhere(vault, call)):
            value: Any = vault.take(other, found, self.name, self._options.mmap_mode)
            if value is MISS or not counts(value, self._options):
                continue
            if type(value) is Raised:
                raise value.error
            return value
        if outdated:
            raise MissingError(f"the result of {self.name} that is stored no longer counts; call it to compute it anew")
        raise missing(vault, key, self.name)

    @overload
    def call_and_shelve(  # type: ignore[overload-overlap]
        self: OneCall[P, Awaited[S]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaited[Reference]: ...
    @overload
    def call_and_shelve(self, /, *args: P.args, **kwargs: P.kwargs) -> Reference: ...
    def call_and_shelve(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Return a `Reference` to a call's result. It is computed if it is not stored, and not loaded if it is.

        A result that cannot be stored is held in memory by its reference.

        Examples
        --------
        >>> reference = square.call_and_shelve(3)
        >>> reference.get()
        9
        """
        vault, call = self._vault, self._shelvable(args, kwargs)
        if vault is None or call is None:
            return HeldReference(self.store, self._run(args, kwargs).value)
        row, standing = self._standing(vault, call)
        if standing is None:
            outcome = self._once(vault, call, args, kwargs, row)
            if not outcome.stored:
                return HeldReference(self.store, outcome.value)
        elif standing[1].kind == "error":
            self(*args, **kwargs)  # raises, as it did at the miss
        return self._reference(vault, call[4] if standing is None else standing[0])

    def _shelvable(self, args: Any, kwargs: Any) -> Keyed | None:
        """Return a call with its key, or None where there is none: the call itself will tell."""
        if self._vault is not None:
            with contextlib.suppress(Exception):
                return self._keyed(args, kwargs)
        return None

    def _standing(self, vault: Vault, call: Keyed) -> tuple[CallRow | None, tuple[bytes, CallRow] | None]:
        """Return the call's row, and key and row of what counts for it and has its payloads in place."""
        row = vault.look(call[4], self.name)
        if row is not None and not (self._judges and self._is_outdated(vault, row)) and vault.stands(call[4], row):
            return row, (call[4], row)
        elsewhere = ((key, other) for key, other in self._stored_elsewhere(vault, call) if vault.stands(key, other))
        return row, next(elsewhere, None)

    def _reference(self, vault: Vault, key: bytes) -> Reference:
        mode = self._options.mmap_mode
        return Reference(self.store, key, False if mode == vault.settings.defaults.mmap_mode else mode)

    def check_call_in_cache(self, /, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Say whether a call would be a hit; nothing is computed or loaded.

        A call that cannot be keyed, which runs uncached, is none: `explain` says why.

        Raises
        ------
        TypeError
            If the function cannot be called so.

        Examples
        --------
        >>> square.check_call_in_cache(3), square.check_call_in_cache(4)
        (True, False)
        """
        vault = self._vault
        if vault is None:
            return False
        try:
            call = self._keyed(args, kwargs)
        except Exception:  # a value's own code may run while it is looked at
            return False
        if call is None:
            call = self._strictly_keyed(args, kwargs)  # raises in the function's own words
        row = vault.find(call[4])
        if (
            row is not None
            and not (self._judges and self._is_outdated(vault, row))
            and self._counts(vault, call[4], row)
        ):
            return True
        return any(self._counts(vault, key, row) for key, row in self._stored_elsewhere(vault, call))

    def _counts(self, vault: Vault, key: bytes, row: CallRow) -> bool:
        """Say whether a row's payloads are in place, and an exception is one of those that are results."""
        from resultstore._checking import counts

        return vault.stands(key, row) and (row.kind != "error" or counts(vault.load(key), self._options))
