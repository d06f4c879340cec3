"""The decorated function: the way of a call, and nothing else."""

from __future__ import annotations

import functools
import time
import types
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from resultstore import _clock
from resultstore._aliases import Aliases
from resultstore._computing import Computing, Keyed
from resultstore._facts import FunctionFacts
from resultstore._identity import encoding, names, nodes
from resultstore._identity.key import Identity
from resultstore._index.index import CallRow
from resultstore._one_call import OneCall
from resultstore._progress import Progress
from resultstore._report import logger
from resultstore._sending import Sending
from resultstore._settings import CallOptions, KeyOptions
from resultstore._shelf import Shelf
from resultstore._told import Told
from resultstore._vault import MISS, Vault
from resultstore.errors import DigestError
from resultstore.formats.raised import Raised

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")
R_co = TypeVar("R_co", covariant=True)


class Owner(Shelf, Protocol):
    """What a cached function needs of its store."""

    @property
    def strict(self) -> bool:
        """Whether a call that cannot be cached raises."""

    def cache(self, func: Any, ignore: Any = None) -> Any:
        """Decorate a function."""

    def _clear_function(self, name: str, place: str, fingerprint: bytes | None) -> int:
        """Remove a function's calls."""


class CachedFunction(Told, Sending, Computing, OneCall[P, R_co], Generic[P, R_co]):
    """A function whose results persist. Made by `Store.cache`; called like the function itself.

    Attributes
    ----------
    func : callable
        The function itself, uncached; also ``__wrapped__``.
    ignore : tuple of str
        The parameters that do not enter the key.
    store : Store
        Where the results lie.

    Examples
    --------
    >>> @store.cache(ignore=["verbose"])
    ... def cube(x, verbose=False):
    ...     return x**3
    >>> cube(2), cube(2, verbose=True)
    (8, 8)
    >>> cube.func(2)  # uncached
    8
    >>> cube.ignore
    ('verbose',)
    >>> cube.store is store
    True
    """

    # Our own things apart from __dict__, which functools.wraps copies into a wrapper around this function.
    __slots__ = (
        "__dict__", "__weakref__", "_aliases", "_binds", "_facts", "_func", "_given", "_identity", "_judges",
        "_options", "_origin", "_progress", "_twins", "_vault",
    )  # fmt: skip
    __name__: str
    __qualname__: str

    def __init__(
        self,
        func: Callable[P, R_co],
        store: Owner,
        keyed: KeyOptions = KeyOptions(),  # noqa: B008 -- frozen
        options: CallOptions = CallOptions(),  # noqa: B008 -- frozen
    ) -> None:
        names.check_kind(func)
        # Before our own attributes, and without the function's: those of a wrapper around another
        # cached function would be that one's, down to its store.
        functools.update_wrapper(self, func, updated=())
        self._identity = Identity(func, keyed)
        self._aliases = Aliases((self._identity.name, *keyed.was))
        self._func: Callable[P, R_co] = func
        self.ignore: tuple[str, ...] = keyed.ignore
        self.store: Owner = store
        self._vault = vault = store._vault
        self._options = options
        self._judges = options.ttl_s is not None or options.validate is not None
        self._progress = Progress(options.verbose, self._identity.name, vault.place if vault is not None else "")
        self._facts: FunctionFacts | None = None
        self._twins: dict[str, Any] = {}
        self._given: tuple[Any, ...] = ()  # what a method is bound to
        self._binds = "object"
        self._origin: CachedFunction[..., Any] | None = None
        if vault is not None:
            vault.functions.add(self)

    @property
    def func(self) -> Callable[P, R_co]:
        """The function itself, uncached; read-only, for another one would be stored under this one's key.

        Examples
        --------
        >>> square.func(2)
        computing
        4
        """
        return self._func

    @property
    def name(self) -> str:
        """The name under which the store knows the function, such as ``"package.module.f"``.

        Examples
        --------
        >>> store.cache(abs).name
        'builtins.abs'
        """
        return self._identity.name

    # -- the way of a call

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R_co:
        vault = self._vault
        if vault is None:
            return self._run_plainly(args, kwargs)  # type: ignore[no-any-return]
        level = self._progress.level
        began = time.perf_counter() if level else 0.0
        try:
            call = self._keyed(args, kwargs)
        except Exception as error:  # a value's own code may run while it is looked at
            return self._call_uncached(vault.reporter, error, args, kwargs)  # type: ignore[no-any-return]
        if call is None:
            return self._run_plainly(args, kwargs)  # type: ignore[no-any-return]
        key = call[4]
        row = vault.look(key, self._identity.name)
        value: Any = MISS if row is None else self._taken(vault, call, key, row, args, kwargs)
        if value is MISS:
            for other, found in self._stored_elsewhere(vault, call):
                value = self._taken(vault, call, other, found, args, kwargs)
                if value is not MISS:
                    break
            else:
                logger.debug("miss %s", self._identity.name)
                return self._once(vault, call, args, kwargs, row).value  # type: ignore[no-any-return]
        logger.debug("hit %s", self._identity.name)
        if level:
            self._progress.loading(began)
        return value  # type: ignore[no-any-return]

    def _taken(self, vault: Vault, call: Keyed, key: bytes, row: CallRow, args: Any, kwargs: Any) -> Any:
        """Return the result of a row, looked at as closely as the options say, or MISS."""
        if self._judges and self._is_outdated(vault, row):
            return MISS
        if self._options.check_hits and self._proven(vault, call) is not call:
            return MISS  # an argument is not what its digest says, and the check would run the function on it
        value = vault.take(key, row, self._identity.name, self._options.mmap_mode)
        if type(value) is Raised or self._options.check_hits:
            return self._closer_look(vault, call, row, value, args, kwargs)
        return value

    def _keyed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Keyed | None:
        """Return a call with its key, or None for a wrong call, which the function tells in its own words."""
        identity = self._identity
        form = identity.form()
        if self._given:
            args = (*self._given, *args)
        try:
            values = form.bind(*args, **kwargs)
        except TypeError as error:
            if isinstance(error, DigestError):
                raise
            return None
        fingerprint = identity.fingerprint()
        encodings = form.encode(values)
        return form, values, encodings, fingerprint, form.key(fingerprint, encodings)

    def _stored_elsewhere(self, vault: Vault, call: Keyed) -> Iterator[tuple[bytes, CallRow]]:
        """Yield what counts for a call under versions that stand in for the present one: key and row."""
        form, _, encodings, fingerprint, _ = call
        for key in self._aliases.keys(vault, form, fingerprint, encodings, self._function_facts):
            row = vault.look(key, self.name)
            if row is not None and not (self._judges and self._is_outdated(vault, row)):
                yield key, row

    def _is_outdated(self, vault: Vault, row: CallRow) -> bool:
        """Say whether a stored result no longer counts, by its age or by the callback's word."""
        ttl_s, validate = self._options.ttl_s, self._options.validate
        if ttl_s is not None and _clock.now() - row.created_at >= ttl_s:
            return True
        if validate is None:
            return False
        metadata = vault.metadata(row)
        return metadata is None or not validate(metadata)

    def _function_facts(self, fingerprint: bytes) -> FunctionFacts:
        holder = self._origin or self  # a bound method is made anew at each look
        facts = holder._facts
        if facts is None or facts.fingerprint != fingerprint or facts.code != self._identity.code(fingerprint):
            facts = holder._facts = self._identity.function_facts(fingerprint)
        return facts

    def key(self, /, *args: P.args, **kwargs: P.kwargs) -> bytes:
        """Return the key, 32 bytes, under which a call's result is or would be stored.

        Raises
        ------
        DigestError
            If an argument, or something that the function closes over, cannot be keyed.
        TypeError
            If the function cannot be called so.

        Examples
        --------
        >>> len(square.key(3)), square.key(3) == square.key(x=3)
        (32, True)
        """
        return self._strictly_keyed(args, kwargs)[4]

    def _strictly_keyed(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Keyed:
        """Return a call with its key; a wrong call raises TypeError."""
        form = self._identity.form()
        values = form.bind(*self._given, *args, **kwargs)
        fingerprint = self._identity.fingerprint()
        encodings = form.encode(values)
        return form, values, encodings, fingerprint, form.key(fingerprint, encodings)

    def fingerprint(self) -> bytes:
        """Return the fingerprint, 32 bytes, of the function as it is now.

        Examples
        --------
        >>> store.find(square).first().fingerprint == square.fingerprint()
        True
        """
        return self._identity.fingerprint()

    # -- methods

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> CachedFunction[P, R_co]: ...
    @overload
    def __get__(
        self: CachedFunction[Concatenate[S, Q], R], instance: S, owner: type[Any] | None = None
    ) -> CachedFunction[Q, R]: ...
    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if self._given or self._binds == "nothing":
            return self
        if self._binds == "class":
            return self._bound(type(instance) if owner is None else owner)
        return self if instance is None else self._bound(instance)

    def _bound(self, to: Any) -> CachedFunction[..., Any]:
        """Return this function as a method of an object, which becomes its first argument."""
        twin: CachedFunction[..., Any] = object.__new__(type(self))
        for name in _SHARED:
            setattr(twin, name, getattr(self, name))
        twin._func = types.MethodType(self._func, to)
        twin._given = (to,)
        twin._origin = self
        twin.__dict__ = self.__dict__ | {"__wrapped__": twin._func}
        return twin

    # -- one call

    def __repr__(self) -> str:
        return f"<cached {self.name} in {self.store!r}>"


_SHARED = ("_aliases", "_binds", "_facts", "_identity", "_judges", "_options", "_progress", "_twins", "_vault")
"""What a bound method takes over from its function."""


def _as_argument(cached: CachedFunction[..., Any]) -> encoding.Node:
    """Encode a cached function as the function that it wraps."""
    from resultstore._identity.instances import node_of

    return node_of(cached.func)


nodes.TRANSPARENT[CachedFunction] = lambda cached: cached.func
nodes.PINNED[CachedFunction] = lambda cached: cached._identity.options.version
encoding.NODES[CachedFunction] = _as_argument
