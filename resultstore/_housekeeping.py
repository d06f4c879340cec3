"""What keeps a store in order: clearing, evicting, verifying, closing."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from resultstore._facts import plain_text
from resultstore._report import logger
from resultstore._shelf import Reference, parse_key
from resultstore._sizes import parse_age, parse_size
from resultstore._vault import Vault
from resultstore.errors import MissingError, OptionError

if TYPE_CHECKING:  # what keeps order is imported when it is asked to, not at every start
    from resultstore._repair import Repair
    from resultstore._upkeep import Plan, Problem
    from resultstore.eviction import Limits
    from resultstore.record import Record


class Housekeeping:
    """The housekeeping half of `Store`."""

    _vault: Vault | None

    def _load(self, record: Record, mmap_mode: str | bool | None) -> Any:
        raise NotImplementedError

    def _set_pinned(self, key: bytes, pinned: bool) -> None:
        raise NotImplementedError

    def record(self, key: bytes | str) -> Record | None:
        """Return the record of the call with a key, or None."""
        raise NotImplementedError

    def clear(self, warn: bool = True) -> int:
        """Remove all calls of all functions; return how many went. Other files are not touched.

        Parameters
        ----------
        warn : bool, default True
            Accepted for joblib's sake; the removal is logged, not warned of.

        Examples
        --------
        >>> store.clear()
        1
        """
        if self._vault is None:
            return 0
        from resultstore._upkeep import clear

        self._vault.flush()
        logger.info("clearing %s", self._vault.place)
        return clear(self._vault)

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

        Raises
        ------
        OptionError
            If neither place nor fingerprint is given, and all calls of the function were made in scripts or notebooks.

        Examples
        --------
        >>> store.clear_function("package.module.f")
        0
        >>> store.clear_function(square.name, fingerprint=square.fingerprint())
        1
        """
        count = self._clear_function(name, place, fingerprint)
        if not count and not place and fingerprint is None and self._vault is not None:
            from resultstore._index.select import places_of

            places = places_of(self._vault.index.connections, plain_text(name))
            if any(places):
                which = f"place={places[0]!r}" if len(places) == 1 else f"one of them as place={places[0]!r}"
                raise OptionError("place", place, f"calls of {name} were made in {', '.join(places)}: pass {which}")
        return count

    def _clear_function(self, name: str, place: str, fingerprint: bytes | None) -> int:
        if self._vault is None:
            return 0
        from resultstore._index.select import version_ids
        from resultstore._upkeep import clear_versions

        self._vault.flush()
        logger.info("clearing %s", name)
        ids = version_ids(self._vault.index.connections, plain_text(name), plain_text(place), fingerprint)
        return clear_versions(self._vault, ids)

    def prune(
        self, versions: str = "old", older_than: timedelta | float | str | None = None, dry_run: bool = False
    ) -> int:
        """Remove calls and records of versions that no present code uses; return how many calls went.

        Of a function that this process has decorated, the version that it is now stays, and those whose
        results count for it. Of every other function, the version that was used last, for each place.

        Parameters
        ----------
        versions : {"old"}
            Which versions go.
        older_than : timedelta, float or str, optional
            Only calls that nobody has asked for since then, in seconds unless it says otherwise (``"30 d"``).
        dry_run : bool, default False
            Only say how many calls would go.

        Raises
        ------
        OptionError
            If an option has a value that it cannot have.

        Examples
        --------
        >>> def half(x):
        ...     return x / 2
        >>> store.cache(half)(3)
        1.5
        >>> def half(x):
        ...     return x // 2
        >>> half = store.cache(half)
        >>> store.prune(dry_run=True), store.prune(older_than="30 d"), store.prune()
        (1, 0, 1)
        """
        if versions != "old":
            raise OptionError("versions", versions, 'write "old": the versions that no present code uses')
        older_s = None if older_than is None else parse_age(older_than, "older_than")
        if self._vault is None:
            return 0
        from resultstore import _versions

        present = [function._present() for function in _versions.functions_at(self._vault.place)]
        return _versions.prune(self._vault, present, older_s, dry_run=dry_run)

    def reduce_size(
        self,
        bytes_limit: int | str | None = None,
        items_limit: int | None = None,
        age_limit: timedelta | float | str | None = None,
    ) -> int:
        """Evict results, in the order of the store's policy, until all given limits hold. Records stay.

        Pinned results count, and stay. `plan_eviction` says beforehand what would go.

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

        Examples
        --------
        >>> store.reduce_size(bytes_limit="1 GB", age_limit="30 d")
        0
        >>> store.reduce_size(items_limit=0)
        1
        >>> store.find(square).first().state
        'evicted'
        """
        from resultstore._upkeep import reduce_size

        limits = _parse_limits(bytes_limit, items_limit, age_limit)
        return 0 if self._vault is None else reduce_size(self._vault, limits)

    def plan_eviction(
        self,
        bytes_limit: int | str | None = None,
        items_limit: int | None = None,
        age_limit: timedelta | float | str | None = None,
    ) -> Plan:
        """Say what `reduce_size` would evict with the same limits; nothing is evicted.

        Parameters
        ----------
        bytes_limit, items_limit, age_limit
            As for `reduce_size`.

        Raises
        ------
        OptionError
            As for `reduce_size`.

        Examples
        --------
        >>> plan = store.plan_eviction(items_limit=0)
        >>> [record.arguments for record in plan.records], plan.nbytes
        ([{'x': 3}], 8)
        >>> store.reduce_size(items_limit=0) == len(plan.records)
        True
        """
        from resultstore import _upkeep
        from resultstore.record import NoRecords, Records

        limits = _parse_limits(bytes_limit, items_limit, age_limit)
        if self._vault is None:
            return _upkeep.Plan(Records(NoRecords()), 0, 0)
        from resultstore._index.select import ListedCalls

        ids, nbytes, disk_nbytes = _upkeep.plan_eviction(self._vault, limits)
        listed = ListedCalls(self._vault.index.connections, ids, self)
        return _upkeep.Plan(Records(listed), nbytes, disk_nbytes)

    def pin(self, record: Record | Reference | bytes | str, /) -> Record:
        """Keep a result from being evicted, until `unpin`, or until somebody clears or forgets it.

        Parameters
        ----------
        record : Record, Reference, bytes or str
            The call: its record, a reference to it, or its key.

        Returns
        -------
        Record
            The record as it is now.

        Raises
        ------
        MissingError
            If no such call is on record.
        OptionError
            If this is none of these.

        Examples
        --------
        >>> store.pin(square.key(3)).pinned
        True
        >>> store.reduce_size(items_limit=0)
        0
        """
        return self._pin(record, pinned=True)

    def unpin(self, record: Record | Reference | bytes | str, /) -> Record:
        """Let a result be evicted again; return its record as it is now.

        Parameters
        ----------
        record : Record, Reference, bytes or str
            The call: its record, a reference to it, or its key.

        Raises
        ------
        MissingError
            If no such call is on record.
        OptionError
            If this is none of these.

        Examples
        --------
        >>> store.unpin(store.find(square).first()).pinned
        False
        """
        return self._pin(record, pinned=False)

    def _pin(self, record: Record | Reference | bytes | str, *, pinned: bool) -> Record:
        from resultstore.record import Record

        key = parse_key(record.key if isinstance(record, (Record, Reference)) else record)
        self._set_pinned(key, pinned)
        found = self.record(key)
        if found is None:
            raise MissingError(f"the call with the key {key.hex()} has just been forgotten")
        return found

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

        Examples
        --------
        >>> store.verify()
        []
        """
        from resultstore._upkeep import verify

        return [] if self._vault is None else verify(self._vault, fix=fix)

    def repair(self) -> Repair:
        """Bring back what a damaged or lost index knew, from what can be read of it and from the journal.

        If the present index is damaged, it is set aside first, as calls do when they meet the damage. What was
        set aside is read: every readable row of the index, then the journal, which knows the calls whose results
        lie in files. A call comes back if every byte of its result is as it was written; one whose result is not
        comes back on record. What the store has computed since stays, the newer computation counts, and nothing is
        unpickled. What was read is moved to ``quarantine/``. It can be interrupted, and run again.

        Returns
        -------
        Repair
            What is back, and what is not.

        Examples
        --------
        >>> import os
        >>> store.close()
        >>> with open(os.path.join(store.location, "index.sqlite"), "r+b") as index:
        ...     _ = index.write(bytes(4096))  # as if a disk had lost its first page
        >>> store.repair().results
        1
        >>> square(3)
        9
        """
        from resultstore._repair import Repair, repair

        return Repair() if self._vault is None else repair(self._vault)

    def close(self) -> None:
        """Write the access counts that wait and close all files. The next use opens them again.

        Examples
        --------
        >>> store.close()
        >>> with Store("results") as store:  # closes at the end
        ...     store.cache(abs)(-1)
        1
        """
        if self._vault is not None:
            self._vault.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _parse_limits(bytes_limit: int | str | None, items_limit: object, age_limit: object) -> Limits:
    from resultstore.eviction import Limits

    return Limits(
        None if bytes_limit is None else parse_size(bytes_limit, "bytes_limit", bare_is_binary=True),
        _check_items(items_limit),
        None if age_limit is None else parse_age(age_limit, "age_limit"),
    )


def _check_items(items_limit: object) -> int | None:
    if items_limit is None:
        return None
    if isinstance(items_limit, bool) or not isinstance(items_limit, int) or items_limit < 0:
        raise OptionError("items_limit", items_limit, "write how many results to keep, 0 or more")
    return items_limit
