"""The store: what people hold. Each verb is a few lines that hand the work on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

from resultstore import _settings, _upkeep
from resultstore._function import CachedFunction
from resultstore._identity import encoding, names
from resultstore._identity.key import token
from resultstore._report import logger
from resultstore._sizes import parse_age, parse_size
from resultstore._upkeep import Problem, Stats
from resultstore._vault import MISS, Vault
from resultstore.errors import DigestError, MissingError, OptionError, StoreError
from resultstore.eviction import Limits
from resultstore.query import Query
from resultstore.record import Record, Records

P = ParamSpec("P")
R = TypeVar("R")


class Store:
    """A directory of results, with an index that can be asked what is in it.

    Parameters
    ----------
    location : str, path or None
        The directory. It is made at the first write. None stores nothing: functions run as if they
        were not decorated, as they do with the environment variable ``RESULTSTORE_DISABLE=1``.
    size_limit : int or str, optional
        Bytes that the store may take on the disk, such as ``"200 MB"`` (10^6) or ``"2 GiB"`` (2^30);
        at least 1 MB. The least recently used results are evicted to keep it; their records stay.
        By default there is no limit and nothing is ever evicted.
    allow_pickle : bool, optional
        Whether results that are neither plain values nor arrays may be pickled, and pickles read.
        By default yes, unless others can write to the directory.
    strict : bool, default False
        Raise `DigestError` where a call would otherwise run uncached with a warning.

    Raises
    ------
    OptionError
        If an option has a value that it cannot have.
    LocationError
        If the location is a file.
    SchemaError
        If the index there was written by a newer resultstore, or by another program.

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
        allow_pickle: bool | None = None,
        strict: bool = False,
    ) -> None:
        self._location = location
        self._options = {"size_limit": size_limit, "allow_pickle": allow_pickle, "strict": strict}
        settings = _settings.make_settings(
            "." if location is None else location, size_limit, allow_pickle, strict, _settings.CallOptions()
        )
        self._settings = settings if location is not None else None
        self._vault = Vault(settings) if location is not None and not _settings.is_disabled() else None

    @property
    def location(self) -> str | os.PathLike[str] | None:
        """The location as it was given."""
        return self._location

    @property
    def strict(self) -> bool:
        """Whether a call that cannot be cached raises."""
        return bool(self._options["strict"])

    # -- caching

    @overload
    def cache(self, func: Callable[P, R], ignore: Iterable[str] | None = None) -> CachedFunction[P, R]: ...
    @overload
    def cache(
        self, func: None = None, ignore: Iterable[str] | None = None
    ) -> Callable[[Callable[P, R]], CachedFunction[P, R]]: ...
    def cache(
        self, func: Callable[P, R] | None = None, ignore: Iterable[str] | None = None
    ) -> CachedFunction[P, R] | Callable[[Callable[P, R]], CachedFunction[P, R]]:
        """Decorate a function, so that its results persist.

        Parameters
        ----------
        func : callable
            A function, lambda, partial, builtin or ufunc. Without it, a decorator is returned.
        ignore : list of str, optional
            Parameters that do not enter the key: calls that differ only there are one call.

        Returns
        -------
        CachedFunction
            The function, with the same signature.

        Raises
        ------
        FunctionError
            If a function of this kind cannot be cached: a method, an ``async def``, a generator
            function, a class, a callable object.
        OptionError
            If ``ignore`` names something that is not a parameter.

        Examples
        --------
        >>> @store.cache(ignore=["debug"])
        ... def scale(x, factor=2, debug=False):
        ...     return x * factor
        >>> scale(4), scale(x=4, factor=2, debug=True)
        (8, 8)
        >>> len(store.find(scale))
        1
        """
        if func is None:
            return lambda f: self.cache(f, ignore=ignore)
        if isinstance(func, CachedFunction):
            func = func.func
        return CachedFunction(func, self, self._vault, ignore or ())

    # -- asking

    def find(self, function: str | Callable[..., Any] | None = None, /, **arguments: Any) -> Records:
        """Find past calls, of all versions and in all states, newest first.

        Parameters
        ----------
        function : callable or str, optional
            A function, cached or not, or its full name ``"package.module.f"``, which needs no import.
            Without it, calls of all functions.
        **arguments
            Only calls in which these arguments had these values: the same type and content, so that
            ``x=1`` does not find ``x=1.0``.

        Returns
        -------
        Records
            A lazy sequence of `Record`.

        Raises
        ------
        OptionError
            If the function has no such parameter, or ignores it.
        DigestError
            If a value has no digest to look for.

        Examples
        --------
        >>> records = store.find(square, x=3)
        >>> records.first().load()
        9
        """
        if isinstance(function, CachedFunction):
            function.check_parameters(arguments)
            name: str | None = function.name
        else:
            if not (function is None or isinstance(function, str) or callable(function)):
                raise OptionError("function", function, "find takes a function, its name 'module.f', or nothing")
            name = names.name_of(function) if callable(function) else function
        tokens = {}
        for argument, value in arguments.items():
            try:
                tokens[argument] = token(value)
            except DigestError as error:
                raise error.at(f"argument {argument!r}") from None
        query = Query(name, tokens)
        if self._vault is None:
            return Records(_Nothing())
        from resultstore._index.select import CallSelect

        self._vault.flush()
        return Records(CallSelect(self._vault.index.connections, query, self._load))

    def _load(self, record: Record) -> Any:
        assert self._vault is not None
        try:
            value = self._vault.load(record.key)
        except (StoreError, OSError, sqlite3.Error) as error:
            raise MissingError(
                f"the result of {record.function} cannot be loaded ({error}). Call the function again to compute it."
            ) from error
        if value is MISS:
            raise MissingError(
                f"the result of {record.function}, key {record.key_hex}, is not stored: "
                f"{self._vault.index.why(record.key)}. Call the function again to compute it."
            )
        return value

    def stats(self) -> Stats:
        """Return hits, misses, seconds saved, evictions and bytes, in all and by function.

        Counted over the store's life and all its processes; hits of other processes as of their
        last flush.
        """
        return Stats() if self._vault is None else _upkeep.stats(self._vault)

    # -- keeping house

    def clear(self, warn: bool = True) -> int:
        """Remove all calls of all functions; return how many went. Other files are not touched.

        Parameters
        ----------
        warn : bool, default True
            Accepted for joblib's sake; the removal is logged, not warned of.
        """
        if self._vault is None:
            return 0
        return self._drop(Query())

    def clear_function(self, name: str, place: str = "", fingerprint: bytes | None = None) -> int:
        """Remove all calls of a function by its name; return how many went.

        Parameters
        ----------
        name : str
            The full name, ``"package.module.f"``.
        place : str, default ""
            The script or notebook of a ``__main__`` function.
        fingerprint : bytes, optional
            Also the version with this fingerprint, wherever it was defined.
        """
        if self._vault is None:
            return 0
        from resultstore._index.select import version_call_ids

        self._vault.flush()
        ids = version_call_ids(self._vault.index.connections, name, place, fingerprint)
        logger.info("clearing %d calls of %s", len(ids), name)
        return _upkeep.drop_in_batches(self._vault, ids)

    def _drop(self, query: Query) -> int:
        assert self._vault is not None
        from resultstore._index.select import CallSelect

        self._vault.flush()
        ids = CallSelect(self._vault.index.connections, query, self._load).ids()
        logger.info("clearing %d calls", len(ids))
        return _upkeep.drop_in_batches(self._vault, ids)

    def reduce_size(
        self,
        bytes_limit: int | str | None = None,
        items_limit: int | None = None,
        age_limit: timedelta | float | str | None = None,
    ) -> int:
        """Evict least recently used results until all given limits hold. Records stay.

        Parameters
        ----------
        bytes_limit : int or str, optional
            Stored bytes of results to keep; ``"1M"`` is 2^20 as in joblib, ``"1 MB"`` is 10^6.
        items_limit : int, optional
            Number of results to keep.
        age_limit : timedelta, float or str, optional
            Time since the last access, in seconds unless it says otherwise (``"30 d"``), beyond which
            results go.

        Returns
        -------
        int
            How many results were evicted.

        Raises
        ------
        OptionError
            If a limit is negative or cannot be understood.
        """
        limits = Limits(
            None if bytes_limit is None else parse_size(bytes_limit, "bytes_limit", bare_is_binary=True),
            _check_items(items_limit),
            None if age_limit is None else parse_age(age_limit, "age_limit"),
        )
        return 0 if self._vault is None else _upkeep.reduce_size(self._vault, limits)

    def verify(self, fix: bool = False) -> list[Problem]:
        """Compare index and payloads both ways, read everything once, and count the sums again.

        Parameters
        ----------
        fix : bool, default False
            Also mend: results whose payload is damaged or gone become ``evicted`` and will be computed
            again, damaged files go to quarantine, files that no row names are removed.

        Returns
        -------
        list of Problem
            What was found; empty when all is well.
        """
        return [] if self._vault is None else _upkeep.verify(self._vault, fix=fix)

    def close(self) -> None:
        """Write the access counts that wait and close all files. The next use opens them again."""
        if self._vault is not None:
            self._vault.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- being an object: a store is its place and its options

    def __bool__(self) -> bool:
        return True  # also when empty, so that ``if not memory:`` never switches caching off

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Store) and self._settings == other._settings

    def __hash__(self) -> int:
        return hash(self._settings)

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self._options.items() if value not in (None, False))
        return f"Store({self._location if self._location is None else os.fspath(self._location)!r}{options})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (None if self._settings is None else self._settings.place, self._location, self._options)


def _reopen(place: str | None, location: Any, options: dict[str, Any]) -> Store:
    """Make a store at the place it had, whatever the working directory is now."""
    store = Store(place, **options)
    store._location = location
    return store


def _check_items(items_limit: object) -> int | None:
    if items_limit is None:
        return None
    if isinstance(items_limit, bool) or not isinstance(items_limit, int) or items_limit < 0:
        raise OptionError("items_limit", items_limit, "write how many results to keep, 0 or more")
    return items_limit


class _Nothing:
    """The records of a store that stores nothing."""

    def count(self) -> int:
        return 0

    def page(self, offset: int, limit: int) -> list[Record]:
        return []


encoding.LEAVES[Store] = lambda store: encoding.encode(("resultstore.Store",))
