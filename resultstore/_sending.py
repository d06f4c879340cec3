"""Cached functions on their way to other processes."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from resultstore._data import replace
from resultstore._identity import names
from resultstore._identity.key import Identity
from resultstore._settings import CallOptions, KeyOptions
from resultstore._vault import Vault


class Sending:
    """The half of `CachedFunction` that pickles."""

    __slots__ = ()

    _func: Callable[..., Any]
    _given: tuple[Any, ...]
    _identity: Identity
    _options: CallOptions
    _origin: Any
    _twins: dict[str, Any]
    _vault: Vault | None
    store: Any
    __name__: str
    __qualname__: str

    def __reduce__(self) -> str | tuple[Any, ...]:
        if self._vault is not None:
            self._vault.write_waiting()  # as a store that is sent does
        if self._given:
            found = getattr(self._given[0], self.__name__, None)
            if isinstance(found, type(self)) and found._origin is self._origin:
                return getattr, (*self._given, self.__name__)
            return _bind, (self._origin, *self._given)
        if not names.is_reachable(self):
            return _rebuild, (type(self), self._func, self.store, self._identity.options, self._options)
        if self.__module__ not in ("__main__", "__mp_main__"):
            return str(self.__qualname__)
        # A script's function: pickle sends it by name, cloudpickle (loky, dask, ray) by value. Portable twins
        # let each of them do as it does with plain functions.
        options = replace(self._options, validate=self._portable_callback)
        return (
            _find,
            (type(self), self.__module__, self.__qualname__),
            (self._portable, self.store, self._identity.options, options),
        )

    @property
    def _portable(self) -> Any:
        """A twin of the function that can be found again under its qualified name, as pickle demands."""
        return self._twin("_portable", self._func)

    @property
    def _portable_callback(self) -> Any:
        """The same of the validation callback."""
        return self._twin("_portable_callback", self._options.validate)

    def _twin(self, name: str, func: Any) -> Any:
        if type(func) is not types.FunctionType:
            return func
        from resultstore._travel import twin_of

        twin = twin_of(func, self._twins.get(name), self.__module__, f"{self.__qualname__}.{name}")
        self._twins[name] = twin
        return twin

    def __setstate__(self, state: tuple[Callable[..., Any], Any, KeyOptions, CallOptions]) -> None:
        if hasattr(self, "_func"):  # found by name: it is what it is in this process
            return
        func = state[0]
        if func.__qualname__.endswith("._portable"):
            func.__qualname__ = func.__qualname__.removesuffix("._portable")
        self.__init__(*state)  # type: ignore[misc]


def _bind(cached: Any, to: Any) -> Any:
    return cached._bound(to)


def _rebuild(kind: type, *state: Any) -> Any:
    return kind(*state)


def _find(kind: type, module: str, qualname: str) -> Any:
    """Return a script's cached function by its name, or an empty one that its state will fill."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, kind) else object.__new__(kind)
