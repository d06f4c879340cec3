"""The decorated function: the way of a call, and nothing else."""

from __future__ import annotations

import functools
import sys
import time
import types
from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from resultstore import _clock, _lineage
from resultstore._facts import Computed, FunctionFacts
from resultstore._identity import closures, names
from resultstore._identity.key import Identity
from resultstore._report import Reporter, logger
from resultstore._vault import MISS, Vault
from resultstore.errors import DigestError

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


class Owner(Protocol):
    """What a cached function needs of its store."""

    @property
    def strict(self) -> bool:
        """Whether a call that cannot be cached raises."""

    def cache(self, func: Any, ignore: Any = None) -> Any:
        """Decorate a function."""

    def clear_function(self, name: str, place: str, fingerprint: bytes | None) -> int:
        """Remove a function's calls."""


class CachedFunction(Generic[P, R_co]):
    """A function whose results persist. Made by `Store.cache`; called like the function itself.

    Attributes
    ----------
    func : callable
        The function itself, uncached; also ``__wrapped__``.
    ignore : tuple of str
        The parameters that do not enter the key.
    store : Store
        Where the results lie.
    """

    __qualname__: str

    def __init__(self, func: Callable[P, R_co], store: Owner, vault: Vault | None, ignore: Iterable[str] = ()) -> None:
        names.check_kind(func)
        # Before our own attributes, and without the function's: those of a wrapper around another
        # cached function would be that one's, down to its store.
        functools.update_wrapper(self, func, updated=())
        self._identity = Identity(func, ignore)
        self.func = func
        self.ignore: tuple[str, ...] = self._identity.ignore
        self.store = store
        self._vault = vault
        self._facts: FunctionFacts | None = None

    @property
    def name(self) -> str:
        """The name under which the store knows the function: ``"package.module.f"``."""
        return self._identity.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:
        vault = self._vault
        if vault is None:
            return self.func(*args, **kwargs)
        identity = self._identity
        values = None
        try:
            form = identity.form()
            try:
                values = form.bind(*args, **kwargs)
            except TypeError as error:
                if isinstance(error, DigestError):
                    raise
        except Exception as error:
            return self._call_uncached(vault.reporter, error, args, kwargs)
        if values is None:
            return self.func(*args, **kwargs)  # a wrong call: the function says so in its own words
        try:
            fingerprint = identity.fingerprint()
            encodings = form.encode(values)
            key = form.key(fingerprint, encodings)
        except Exception as error:  # a value's own code may run while it is looked at
            return self._call_uncached(vault.reporter, error, args, kwargs)
        value = vault.fetch(key, identity.name)
        if value is not MISS:
            logger.debug("hit %s", identity.name)
            return value  # type: ignore[no-any-return]
        logger.debug("miss %s", identity.name)
        try:
            facts = self._function_facts(fingerprint)
            arguments = form.argument_facts(values, encodings)  # before the function can change them
        except Exception as error:
            return self._call_uncached(vault.reporter, error, args, kwargs)
        with _lineage.running() as children:
            started = time.perf_counter()
            result = self.func(*args, **kwargs)
            duration = time.perf_counter() - started
        vault.keep(Computed(key, facts, arguments, _clock.now(), duration, tuple(children)), result)
        return result

    def _call_uncached(self, reporter: Reporter, error: Exception, args: Any, kwargs: Any) -> R_co:
        """Call the function, and say once why nothing is stored."""
        if not isinstance(error, DigestError):
            error = DigestError(f"the call cannot be keyed ({type(error).__name__}: {error})")
        if self.store.strict:
            raise error
        remedy = ""
        if error.where.startswith("argument"):
            remedy = ". Pass plain values or arrays, or name it in ignore=[...] if it does not change the result"
        reporter.warn(self.name, "key", f"a call runs uncached: {error}{remedy}")
        return self.func(*args, **kwargs)

    def _function_facts(self, fingerprint: bytes) -> FunctionFacts:
        facts = self._facts
        if facts is None or facts.fingerprint != fingerprint:
            facts = self._facts = self._identity.function_facts(fingerprint)
        return facts

    def key(self, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Return the key, 32 bytes, under which a call's result is or would be stored.

        Raises
        ------
        DigestError
            If an argument, or something that the function closes over, cannot be keyed.
        TypeError
            If the function cannot be called so.
        """
        form = self._identity.form()
        values = form.bind(*args, **kwargs)
        return form.key(self._identity.fingerprint(), form.encode(values))

    def fingerprint(self) -> bytes:
        """Return the fingerprint, 32 bytes, of the function as it is now."""
        return self._identity.fingerprint()

    def check_parameters(self, names: Iterable[str]) -> None:
        """Raise `OptionError` for a name that this function's calls cannot be found by."""
        self._identity.check_parameters(names)

    def check_call_in_cache(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Say whether a call's result is stored; nothing is computed or loaded."""
        return self._vault is not None and self._vault.has(self.key(*args, **kwargs))

    def forget(self, *args: P.args, **kwargs: P.kwargs) -> int:
        """Remove a call, its result and its record; return how many calls went, 0 or 1."""
        if self._vault is None:
            return 0
        return self._vault.forget(self.key(*args, **kwargs))

    def clear(self, warn: bool = True) -> int:
        """Remove all calls of this function, in all its versions; return how many went.

        Of a ``__main__`` function only the versions of this script or notebook, and the present one,
        are removed: another's ``__main__.f`` keeps its results.

        Parameters
        ----------
        warn : bool, default True
            Accepted for joblib's sake; the removal is logged, not warned of.
        """
        return self.store.clear_function(self.name, self._identity.place, self._present_fingerprint())

    def _present_fingerprint(self) -> bytes | None:
        try:
            return self.fingerprint()
        except DigestError:
            return None

    def __repr__(self) -> str:
        return f"<cached {self.name} in {self.store!r}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        if not names.is_reachable(self):
            return _rebuild, (self.store, self.func, self.ignore)
        if self.__module__ not in ("__main__", "__mp_main__"):
            return str(self.__qualname__)
        # A script's function: pickle sends it by name, cloudpickle (loky, dask, ray) by value. The portable
        # twin lets each of them do as it does with a plain function.
        return _find, (self.__module__, self.__qualname__), (self._portable, self.store, self.ignore)

    @functools.cached_property
    def _portable(self) -> Callable[..., Any]:
        """A twin of the function that can be found again under its qualified name, as pickle demands."""
        func: Any = self.func
        if type(func) is not types.FunctionType:
            return self.func
        twin = types.FunctionType(func.__code__, func.__globals__, func.__name__, func.__defaults__, func.__closure__)
        twin.__kwdefaults__, twin.__doc__, twin.__module__ = func.__kwdefaults__, func.__doc__, func.__module__
        twin.__qualname__ = f"{self.__qualname__}._portable"
        return twin

    def __setstate__(self, state: tuple[Callable[P, R_co], Any, tuple[str, ...]]) -> None:
        if "func" in self.__dict__:  # found by name: it is what it is in this process
            return
        func, store, ignore = state
        if func.__qualname__.endswith("._portable"):
            func.__qualname__ = func.__qualname__.removesuffix("._portable")
        self.__dict__.update(store.cache(func, ignore=ignore).__dict__)


def _rebuild(store: Owner, func: Callable[..., Any], ignore: tuple[str, ...]) -> CachedFunction[..., Any]:
    cached: CachedFunction[..., Any] = store.cache(func, ignore=ignore)
    return cached


def _find(module: str, qualname: str) -> CachedFunction[..., Any]:
    """Return a script's cached function by its name, or an empty one that its state will fill."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, CachedFunction) else object.__new__(CachedFunction)


closures.TRANSPARENT[CachedFunction] = lambda cached: cached.func
