"""What a store can be asked: past calls, single records, counters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from resultstore import _aliases
from resultstore._facts import plain_text
from resultstore._function import CachedFunction
from resultstore._identity import names
from resultstore._identity.key import token
from resultstore._settings import CallOptions, parse_mmap_mode
from resultstore._shelf import Reference, missing, parse_key
from resultstore._vault import MISS, Vault
from resultstore.errors import DigestError, MissingError, OptionError
from resultstore.formats.raised import Raised

if TYPE_CHECKING:  # a script that only hits needs none of these, and their classes cost its start
    from resultstore._upkeep import Stats
    from resultstore.explain import Explanation
    from resultstore.record import Record, Records
    from resultstore.version import Version


class Asking:
    """The asking half of `Store`."""

    _vault: Vault | None
    _defaults: CallOptions

    def find(self, function: str | Callable[..., Any] | None = None, /, **arguments: Any) -> Records:
        """Find past calls, of all versions and in all states, newest first.

        Of a function with ``was``, those under its earlier names, too.

        Parameters
        ----------
        function : callable or str, optional
            A function, cached or not, or its full name ``"package.module.f"``, which needs no import.
            Without it, calls of all functions.
        **arguments
            Only calls in which these arguments had these values: the same type and content, so that
            ``x=1`` does not find ``x=1.0``; or numbers of a range, ``x=between(1, 5)``.

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
        from resultstore.query import Query, Range
        from resultstore.record import NoRecords, Records

        ranges = {name: value for name, value in arguments.items() if isinstance(value, Range)}
        if isinstance(function, CachedFunction):
            function._check_parameters(arguments)
            arguments = function._sought({n: value for n, value in arguments.items() if n not in ranges}) | ranges
            sought = function._aliases.names
        else:
            if not (function is None or isinstance(function, str) or callable(function)):
                raise OptionError("function", function, "find takes a function, its name 'module.f', or nothing")
            name = names.name_of(function) if callable(function) else function
            sought = () if name is None else (plain_text(name),)
        tokens: dict[str, bytes | Range] = {}
        for argument, value in arguments.items():
            try:
                tokens[plain_text(argument)] = value if isinstance(value, Range) else token(value)
            except DigestError as error:
                raise error.at(f"argument {argument!r}") from None
        query = Query(sought, tokens)
        if self._vault is None:
            return Records(NoRecords())
        from resultstore._index.select import CallSelect

        self._vault.flush()
        return Records(CallSelect(self._vault.index.connections, query, self))

    def record(self, key: bytes | str) -> Record | None:
        """Return the record of the call with a key, or None.

        Parameters
        ----------
        key : bytes or str
            As `CachedFunction.key` gives it, or its hexadecimal digits.

        Examples
        --------
        >>> store.record(square.key(3)).arguments
        {'x': 3}
        """
        parsed = parse_key(key)
        if self._vault is None:
            return None
        from resultstore._index.select import CallSelect
        from resultstore.query import Query
        from resultstore.record import Records

        self._vault.flush()
        wanted = Query(key=parsed)
        return Records(CallSelect(self._vault.index.connections, wanted, self)).first()

    def explain(self, record: Record | Reference | bytes | str, /) -> Explanation:
        """Say whether a past call would be a hit now, and what became of its result.

        Judged by the function as it is now, if this process has decorated it; otherwise by what is
        stored alone. Nothing is computed, loaded or written.

        Parameters
        ----------
        record : Record, Reference, bytes or str
            The call: its record, a reference to it, or its key.

        Raises
        ------
        OptionError
            If this is none of these.

        Examples
        --------
        >>> record = store.find(square).first()
        >>> store.reduce_size(items_limit=0)
        1
        >>> store.explain(record)
        miss: evicted by reduce_size
        ...square(x=3), version 1, computed ... UTC in ..., evicted
        """
        from resultstore import _explaining
        from resultstore.record import Record

        key = record.key if isinstance(record, (Record, Reference)) else record
        return _explaining.explain_record(self._vault, self, parse_key(key))

    def _load(self, record: Record, mmap_mode: str | bool | None) -> Any:
        if self._vault is None:
            raise MissingError(f"the result of {record.function} cannot be had: storing is switched off")
        mode = parse_mmap_mode(mmap_mode, self._defaults.mmap_mode)
        try:
            value = self._vault.load(record.key, mode)
        except Exception as error:  # whatever a damaged or tampered store makes a library raise
            raise MissingError(
                f"the result of {record.function} cannot be loaded ({error}). Call the function again to compute it."
            ) from error
        if value is MISS:
            raise missing(self._vault, record.key, record.function)
        if type(value) is Raised:
            raise value.error
        return value

    def _set_pinned(self, key: bytes, pinned: bool) -> None:
        if self._vault is None:
            raise MissingError("no call is on record: storing is switched off")
        self._vault.pin(key, pinned)

    def accept(self, function: Callable[..., Any], from_version: Version | int | str | bytes, reason: str) -> int:
        """Let results of an older version count for a function as it is now; return how many stored calls that brings.

        For a change that you know to be harmless. Who accepted what stays on record: the version is
        listed as accepted with the reason, and a record goes on saying which version computed it.

        Parameters
        ----------
        function : CachedFunction
            The function as it is now.
        from_version : int, str, bytes or Version
            The number of the older version, its label, or its fingerprint, as `CachedFunction.versions`
            lists them.
        reason : str
            Why its results are still right.

        Raises
        ------
        OptionError
            If the function is not a cached one, there is no such version, or no reason.
        DigestError
            If something that the function depends on has no digest.

        Examples
        --------
        >>> def half(x):
        ...     return x / 2
        >>> store.cache(half)(3)
        1.5
        >>> def half(x):
        ...     return x * 0.5
        >>> half = store.cache(half)
        >>> store.accept(half, from_version=1, reason="the same for all numbers")
        1
        >>> half.check_call_in_cache(3)
        True
        >>> [(version.number, version.standing, version.reason) for version in half.versions()]
        [(2, 'present', None), (1, 'accepted', 'the same for all numbers')]
        """
        if not isinstance(function, CachedFunction):
            raise OptionError("function", function, "accept takes a function that store.cache has decorated")
        if self._vault is None:
            return 0
        if function._vault is None or function._vault.place != self._vault.place:
            raise OptionError("function", function, "its results lie in another store: ask that one")
        from resultstore import _versions

        present = function._present(strict=True)
        count = _versions.accept(self._vault, present, from_version, reason)
        _aliases.forget_all()
        return count

    def stats(self) -> Stats:
        """Return hits, misses, seconds saved, evictions and bytes, in all and by function.

        Counted over the store's life and all its processes; hits of other processes as of their
        last flush.

        Examples
        --------
        >>> square(3)
        9
        >>> stats = store.stats()
        >>> stats.hits, stats.misses, stats.evictions
        (1, 1, 0)
        """
        from resultstore import _upkeep

        return _upkeep.Stats() if self._vault is None else _upkeep.stats(self._vault)
