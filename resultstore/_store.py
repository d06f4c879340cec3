"""The store: what people hold. Each verb is a few lines that hand the work on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, ParamSpec, TypeVar, overload

from resultstore._asking import Asking
from resultstore._decorate import decorate
from resultstore._function import CachedFunction
from resultstore._housekeeping import Housekeeping
from resultstore._identity import encoding
from resultstore._settings import (
    CallOptions,
    KeyOptions,
    is_disabled,
    make_call_options,
    make_key_options,
    make_settings,
    parse_on_mutable,
)
from resultstore._trust import knows_key
from resultstore._vault import Vault
from resultstore.eviction import Policy

P = ParamSpec("P")
R = TypeVar("R")


class Store(Asking, Housekeeping):
    """A directory of results, with an index that can be asked what is in it.

    Parameters
    ----------
    location : str, path or None
        The directory. It is made at the first write. None stores nothing: functions run as if they
        were not decorated, as they do with the environment variable ``RESULTSTORE_DISABLE=1``.
    size_limit : int or str, optional
        Bytes that the store may take on the disk, such as ``"200 MB"`` (10^6) or ``"2 GiB"`` (2^30);
        at least 1 MB. Results are evicted to keep it, by ``policy``; their records stay. By default
        there is no limit and nothing is ever evicted.
    policy : {"lru", "lfu", "fifo", "largest", "cost"} or Policy, default "lru"
        Which results go first: least recently used, least frequently used, first computed, largest,
        or those that save the least compute time for their bytes; or `resultstore.eviction.Policy`.
    min_seconds : float, timedelta or str, default 0.0
        Results that were computed faster are returned and not stored, and leave no record.
    max_result_size : int or str, optional
        Results of which more bytes would be stored are returned and not stored; the record says why.
    allow_pickle : bool, optional
        Whether results that are neither plain values, arrays nor tables may be pickled, and pickles
        read. By default yes, unless others can write to the directory and nothing is signed.
    strict : bool, default False
        Raise `DigestError` where a call would otherwise run uncached with a warning.
    mmap_mode : {"r", "c"}, optional
        How arrays and tables of results come: ``"r"`` as read-only maps of their files, ``"c"`` as
        copy-on-write maps, by default in memory. Maps cost the same at every size and read only what
        is used; the first call gives a map too.
    compression : str or tuple, optional
        ``"zstd"``, or ``("zstd", level)`` with a level from 1 (the default) to 22: payloads that it
        makes smaller are kept compressed, with a checksum. ``"auto"``, or ``("auto", level)``: only
        those of which a sample promises a fifth less, numbers with their bytes shuffled where that is
        smaller still. By default nothing is compressed.
    verbose : int, default 0
        What is printed: nothing at 0; each computation from 1; each hit from 2, with its duration
        from 5 and the place from 10. The words are joblib's.
    on_mutable : {"warn", "strict", "allow"}, default "warn"
        What becomes of calls when something that the function depends on has no digest: they run
        uncached with one warning, raise `DigestError`, or are cached without looking at it, on record.
    check_hits : float, default 0.0
        The share of hits, from 0 to 1, that are computed again and compared. A difference is told,
        and the new result takes the old one's place.
    check_arguments : bool, default False
        Whether a call that changes its arguments is told: a hit would not change them.
    durability : {"normal", "full"}, default "normal"
        What survives a power cut: with ``"normal"`` all but the last results, with ``"full"`` every
        result from the moment on that its call returns. A kill of the process costs nothing either way.
    single_flight : bool, default True
        Whether a call that another thread, task or process is computing at this moment is waited for
        and taken from there, so that each is computed once.
    signing_key : bytes or str, optional
        A secret of 16 bytes or more. Results are signed with it, and those that are not count for
        nothing. It is never stored, shown or pickled. By default that of the environment variable
        ``RESULTSTORE_SIGNING_KEY``, else nothing is signed.
    shared : {"group"}, optional
        Make directories and files for the group of the directory (modes 2770 and 660), whatever the
        umask; everybody who uses the store goes on so. By default they are yours alone (700 and 600).
    verify_maps : bool, default False
        Whether every byte of a file is verified when a process maps it first, not only its size and head.

    Raises
    ------
    OptionError
        If an option has a value that it cannot have, or ``mmap_mode`` and ``compression`` are both
        given: what is compressed cannot be mapped.
    LocationError
        If the location is a file.
    SchemaError
        If the index there was written by a newer resultstore, or by another program.

    Notes
    -----
    ``min_seconds``, ``max_result_size`` and the options from ``mmap_mode`` on are taken over by functions
    that do not say otherwise. No option enters a key: what was stored one way is found and read under another.

    Examples
    --------
    >>> from resultstore import Store
    >>> store = Store("results", size_limit="200 MB")
    >>> @store.cache
    ... def square(x):
    ...     print("computing")
    ...     return x * x
    >>> square(3)
    computing
    9
    >>> square(x=3)
    9
    >>> store.find(square, x=3).first().arguments
    {'x': 3}
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | None,
        *,
        size_limit: int | str | None = None,
        policy: str | Policy = "lru",
        min_seconds: timedelta | float | str = 0.0,
        max_result_size: int | str | None = None,
        allow_pickle: bool | None = None,
        strict: bool = False,
        mmap_mode: str | None = None,
        compression: str | tuple[str, int] | None = None,
        verbose: int = 0,
        on_mutable: str = "warn",
        check_hits: float = 0.0,
        check_arguments: bool = False,
        durability: str = "normal",
        single_flight: bool = True,
        signing_key: bytes | str | None = None,
        shared: str | None = None,
        verify_maps: bool = False,
    ) -> None:
        self._location = location
        self._options = {
            "size_limit": size_limit,
            "policy": policy,
            "min_seconds": min_seconds,
            "max_result_size": max_result_size,
            "allow_pickle": allow_pickle,
            "strict": strict,
            "mmap_mode": mmap_mode,
            "compression": compression,
            "verbose": verbose,
            "on_mutable": on_mutable,
            "check_hits": check_hits,
            "check_arguments": check_arguments,
            "durability": durability,
            "verify_maps": verify_maps,
            "single_flight": single_flight,
            "shared": shared,
        }
        defaults = make_call_options(
            CallOptions(), mmap_mode, compression, verbose, check_hits=check_hits, check_arguments=check_arguments,
            min_seconds=min_seconds, max_result_size=max_result_size, single_flight=single_flight,
        )  # fmt: skip
        self._on_mutable = parse_on_mutable(on_mutable, "warn")
        place = os.sep if location is None else location
        settings = make_settings(
            place, size_limit, allow_pickle, strict, defaults, policy, durability, signing_key, shared, verify_maps
        )
        self._settings = settings if location is not None else None
        self._defaults = defaults
        is_on = location is not None and not is_disabled() and knows_key(settings)
        self._vault: Vault | None = Vault(settings) if is_on else None

    @property
    def location(self) -> str | os.PathLike[str] | None:
        """The location as it was given.

        Examples
        --------
        >>> Store("results").location
        'results'
        """
        return self._location

    @property
    def strict(self) -> bool:
        """Whether a call that cannot be cached raises.

        Examples
        --------
        >>> strict = Store("results", strict=True)
        >>> strict.cache(len)(iter([]))
        Traceback (most recent call last):
        ...
        resultstore.errors.DigestError: argument ...
        """
        return bool(self._options["strict"])

    # -- caching

    @overload
    def cache(
        self,
        func: Callable[P, R],
        ignore: Iterable[str] | None = None,
        verbose: int | None = None,
        mmap_mode: str | bool | None = False,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        *,
        ttl: timedelta | float | str | None = None,
        compression: str | tuple[str, int] | bool | None = False,
        key: dict[str, Callable[[Any], Any]] | None = None,
        version: str | int | None = None,
        was: str | Iterable[str] | None = None,
        on_mutable: str | None = None,
        ignore_globals: str | Iterable[str] | None = None,
        cache_errors: type[Exception] | tuple[type[Exception], ...] | None = None,
        iterators: str | None = None,
        size_limit: int | str | None = None,
        min_seconds: timedelta | float | str | None = None,
        max_result_size: int | str | bool | None = False,
        single_flight: bool | None = None,
    ) -> CachedFunction[P, R]: ...
    @overload
    def cache(
        self,
        func: None = None,
        ignore: Iterable[str] | None = None,
        verbose: int | None = None,
        mmap_mode: str | bool | None = False,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        *,
        ttl: timedelta | float | str | None = None,
        compression: str | tuple[str, int] | bool | None = False,
        key: dict[str, Callable[[Any], Any]] | None = None,
        version: str | int | None = None,
        was: str | Iterable[str] | None = None,
        on_mutable: str | None = None,
        ignore_globals: str | Iterable[str] | None = None,
        cache_errors: type[Exception] | tuple[type[Exception], ...] | None = None,
        iterators: str | None = None,
        size_limit: int | str | None = None,
        min_seconds: timedelta | float | str | None = None,
        max_result_size: int | str | bool | None = False,
        single_flight: bool | None = None,
    ) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...
    def cache(
        self,
        func: Callable[P, R] | None = None,
        ignore: Iterable[str] | None = None,
        verbose: int | None = None,
        mmap_mode: str | bool | None = False,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        *,
        ttl: timedelta | float | str | None = None,
        compression: str | tuple[str, int] | bool | None = False,
        key: dict[str, Callable[[Any], Any]] | None = None,
        version: str | int | None = None,
        was: str | Iterable[str] | None = None,
        on_mutable: str | None = None,
        ignore_globals: str | Iterable[str] | None = None,
        cache_errors: type[Exception] | tuple[type[Exception], ...] | None = None,
        iterators: str | None = None,
        size_limit: int | str | None = None,
        min_seconds: timedelta | float | str | None = None,
        max_result_size: int | str | bool | None = False,
        single_flight: bool | None = None,
    ) -> CachedFunction[P, R] | Callable[[Callable[P, R]], CachedFunction[P, R]]:
        """Decorate a function, so that its results persist.

        Parameters
        ----------
        func : callable
            A function, lambda, partial, method, callable object, builtin or ufunc; a cached function
            is taken for the function that it wraps. Without it, a decorator is returned.
        ignore : list of str, optional
            Parameters that do not enter the key: calls that differ only there are one call.
        verbose : int, optional
            What is printed, as for `Store`; None takes over the store's.
        mmap_mode : {"r", "c", None, False}, default False
            How arrays come, as for `Store`; None in memory, False as the store says.
        cache_validation_callback : callable, optional
            Called with a stored call's metadata (``duration`` in seconds, ``time`` since the epoch,
            ``input_args`` as texts by name); the result counts only if it returns something true.
            What it raises reaches the caller.
        ttl : timedelta, float or str, optional
            How long a result counts, in seconds unless it says otherwise (``"1 d"``). It is judged
            when a result is asked for, by the function as it is decorated now.
        compression : str, tuple, None or False, default False
            As for `Store`; None for none, False as the store says.
        key : dict, optional
            For some parameters, a function of the value whose result enters the key in its place:
            ``{"self": lambda self: self.params}``.
        version : str or int, optional
            A label that stands in for the code: as long as it stays, edits change no key. Closure
            values and arguments still count.
        was : str or list of str, optional
            Earlier full names of the function, ``"old.module.f"``, whose results still count.
        on_mutable : {"warn", "strict", "allow"}, optional
            As for `Store`.
        ignore_globals : str or list of str, optional
            Names of globals, ``"table"`` or ``"module.table"``, that are not looked at, such as large
            tables that never change.
        cache_errors : type or tuple of types, optional
            Exceptions that are stored like results and raised again by hits. By default none is.
        iterators : {"list"}, optional
            Turn a returned iterator into a list, which is stored. By default iterators are returned
            as they are and not stored, with one warning.
        size_limit : int or str, optional
            Bytes that all stored results of this function may take together, such as ``"1 GB"``: its
            own results are evicted to keep it. By default the limit of the store is the only one.
        min_seconds : float, timedelta or str, optional
            As for `Store`; None takes over the store's.
        max_result_size : int, str, None or False, default False
            As for `Store`; None for no limit, False as the store says.
        single_flight : bool, optional
            As for `Store`; None takes over the store's.

        Returns
        -------
        CachedFunction
            The function, with the same signature; of an ``async def`` an `AsyncCachedFunction`.

        Raises
        ------
        FunctionError
            If a function of this kind cannot be cached: a class, a property, an ``async`` generator.
        OptionError
            If an option has a value that it cannot have, or ``ignore`` names something that is not a
            parameter.

        Examples
        --------
        >>> @store.cache(ignore=["debug"], ttl="30 d")
        ... def scale(x, factor=2, debug=False):
        ...     return x * factor
        >>> scale(4), scale(x=4, factor=2, debug=True)
        (8, 8)
        >>> len(store.find(scale))
        1
        """
        options = make_call_options(
            self._defaults,
            mmap_mode,
            compression,
            verbose,
            ttl,
            cache_validation_callback,
            cache_errors,
            iterators,
            min_seconds=min_seconds,
            max_result_size=max_result_size,
            size_limit=size_limit,
            single_flight=single_flight,
        )
        keyed = make_key_options(ignore, key, version, was, on_mutable, ignore_globals, self._on_mutable)
        if func is None:
            return lambda f: self._decorate(f, keyed, options)
        return self._decorate(func, keyed, options)

    def _decorate(self, func: Callable[P, R], keyed: KeyOptions, options: CallOptions) -> CachedFunction[P, R]:
        cached: CachedFunction[P, R] = decorate(func, self, keyed, options)
        return cached

    def eval(self, func: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function as if it were decorated: ``store.cache(func)(*args, **kwargs)``.

        Examples
        --------
        >>> store.eval(pow, 2, 10)
        1024
        """
        return self.cache(func)(*args, **kwargs)

    # -- being an object: a store is its place and its options

    def __bool__(self) -> bool:
        return True  # also when empty, so that ``if not memory:`` never switches caching off

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and self._settings == other._settings

    def __hash__(self) -> int:
        return hash(self._settings)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._given_options().items())
        return f"Store({self._location if self._location is None else os.fspath(self._location)!r}{options})"

    def _given_options(self) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if value is not _DEFAULTS[name]}

    def __copy__(self) -> Store:
        # scikit-learn copies a store with each estimator that holds one: copies share connections and warnings.
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Store:
        return self.__copy__()

    def __reduce__(self) -> tuple[Any, ...]:
        if self._vault is not None:
            self._vault.write_waiting()  # whoever gets this store is to find what was computed before
        settings = self._settings
        place, signer = (None, None) if settings is None else (settings.place, settings.signer)
        return _reopen, (place, self._location, self._given_options(), signer)


_DEFAULTS: dict[str, Any] = {
    "size_limit": None,
    "policy": "lru",
    "min_seconds": 0.0,
    "max_result_size": None,
    "allow_pickle": None,
    "strict": False,
    "mmap_mode": None,
    "compression": None,
    "verbose": 0,
    "on_mutable": "warn",
    "check_hits": 0.0,
    "check_arguments": False,
    "durability": "normal",
    "verify_maps": False,
    "single_flight": True,
    "shared": None,
}


def _reopen(place: str | None, location: Any, options: dict[str, Any], signer: Any) -> Store:
    """Make a store at the place it had, whatever the working directory is now."""
    store = Store(place, **options, signing_key=signer)
    store._location = location
    return store


encoding.LEAVES[Store] = lambda store: encoding.encode(("resultstore.Store",))
