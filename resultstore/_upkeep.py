"""What people ask of a whole store: reduce, clear, count, verify. Works through the vault."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from resultstore import _clock, _data
from resultstore._facts import PayloadFacts
from resultstore._index.connect import told
from resultstore._index.index import Total
from resultstore._vault import Vault
from resultstore.eviction import RECORD_BATCH, Limits, Use
from resultstore.record import Records

_REMEDY = "store.repair() brings back what can be read"
_NO_REMEDY = (
    "nothing else knows what the payload files are results of. Put a copy of it back, or remove them by store.clear()"
)


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """What the store did for one function.

    Attributes
    ----------
    hits : int
        Calls that were answered from the store.
    misses : int
        Calls that were computed.
    seconds_saved : float
        Compute time that hits made unnecessary, in seconds.
    evictions : int
        Results that were removed to free space.
    calls : int
        Stored calls.
    nbytes : int
        Stored bytes of their results; bytes that two results share count twice.

    Examples
    --------
    >>> store.stats().by_function[square.name].misses
    1
    """

    hits: int
    misses: int
    seconds_saved: float
    evictions: int
    calls: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class Stats:
    """What the store did, and what it holds.

    Attributes
    ----------
    hits : int
        Calls that were answered from the store.
    misses : int
        Calls that were computed.
    seconds_saved : float
        Compute time that hits made unnecessary, in seconds.
    evictions : int
        Results that were removed to free space.
    calls : int
        Stored calls.
    nbytes : int
        Bytes on the disk of payloads, index, journal, everything.
    by_function : dict
        The same for each function, by its full name.
    sqlite_version : str
        The version of the SQLite library that this process uses.
    journal : str
        How SQLite keeps the index whole, by a write-ahead log (``"wal"``) or a rollback journal (``"delete"``).

    Examples
    --------
    >>> square(3)
    9
    >>> stats = store.stats()
    >>> stats.hits, stats.misses, stats.calls, stats.evictions
    (1, 1, 1, 0)
    """

    hits: int = 0
    misses: int = 0
    seconds_saved: float = 0.0
    evictions: int = 0
    calls: int = 0
    nbytes: int = 0
    by_function: dict[str, FunctionStats] = field(default_factory=dict)
    sqlite_version: str = sqlite3.sqlite_version
    journal: str = ""


@dataclass(frozen=True)
class Plan:
    """What `Store.reduce_size` would evict.

    Attributes
    ----------
    records : Records
        What goes, in this order.
    nbytes : int
        Stored bytes of these results, as `Store.reduce_size` counts them; shared bytes count for each.
    disk_nbytes : int
        Bytes of payloads that this frees on the disk; none for a result that lies in its record, which stays.

    Examples
    --------
    >>> plan = store.plan_eviction(bytes_limit=0)
    >>> len(plan.records), plan.nbytes, plan.disk_nbytes
    (1, 8, 0)
    """

    records: Records
    nbytes: int
    disk_nbytes: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that `Store.verify` found.

    Attributes
    ----------
    kind : str
        ``"index"``, ``"missing"``, ``"damaged"``, ``"orphan"``, ``"unused"`` or ``"totals"``.
    where : str
        The file below the store, or the row, that is meant.
    message : str
        What is wrong with it.
    fixed : bool
        Whether ``verify(fix=True)`` mended it.

    Examples
    --------
    >>> import numpy, pathlib
    >>> _ = store.cache(numpy.negative)(numpy.ones(100_000))
    >>> next(pathlib.Path(store.location).glob("payloads/*/*.npy")).unlink()
    >>> store.verify()
    [Problem(kind='missing', where='...', message='the index names this file, and it is not there', fixed=False)]
    >>> store.verify(fix=True)[0].fixed
    True
    """

    kind: str
    where: str
    message: str
    fixed: bool = False


def drop_in_batches(vault: Vault, call_ids: Iterable[int]) -> int:
    """Drop calls and records some at a time, so that no write transaction is long; return how many went."""
    count = 0
    iterator = iter(call_ids)
    with told(vault.index.connections.path):
        while batch := list(islice(iterator, RECORD_BATCH)):
            count += vault.drop(batch).calls
        if count:
            vault.tidy()
    return count


class _Chooser:
    """Chooses what goes until limits hold, some at a time: first what is too old, then in the order of the policy."""

    def __init__(self, vault: Vault, limits: Limits, *, dry: bool) -> None:
        self._queue = vault.index.queue
        self._limits = limits
        self._before = None if limits.age_s is None else _clock.now() - limits.age_s
        self._after = -1
        self._dry = dry
        self._planned: set[int] = set()
        self._planned_nbytes = 0
        self._skip = 0

    def next(self) -> list[Use]:
        """Return the next that go; none if all limits hold. Unless it is a dry run, those before are gone."""
        chosen = self._too_old() or self._over()
        if self._dry:
            self._planned.update(use.id for use in chosen)
            self._planned_nbytes += sum(use.nbytes for use in chosen)
        return chosen

    def _too_old(self) -> list[Use]:
        if self._before is None:
            return []
        uses = self._queue.untouched(self._before, self._after)
        if not uses:
            self._before = None
            return []
        self._after = uses[-1].access_sequence
        return uses

    def _over(self) -> list[Use]:
        count, nbytes = self._queue.stored()
        over = 0 if self._limits.items is None else count - len(self._planned) - self._limits.items
        over_nbytes = 0 if self._limits.nbytes is None else nbytes - self._planned_nbytes - self._limits.nbytes
        chosen: list[Use] = []
        while not chosen and (over > 0 or over_nbytes > 0):
            uses = self._queue.victims(skip=self._skip)
            if not uses:
                break
            for use in uses:
                if over <= 0 and over_nbytes <= 0:
                    break
                self._skip += self._dry
                if use.id not in self._planned:
                    chosen.append(use)
                    over, over_nbytes = over - 1, over_nbytes - use.nbytes
        return chosen


def reduce_size(vault: Vault, limits: Limits) -> int:
    """Evict results, in the order of the policy, until all limits hold; return how many went."""
    vault.flush()
    if not limits.any or not vault.has_index():
        return 0
    count, chooser = 0, _Chooser(vault, limits, dry=False)
    with told(vault.index.connections.path):
        while gone := vault.evict(chooser.next, "evicted by reduce_size"):
            count += gone
        if count:
            vault.tidy()
    return count


def plan_eviction(vault: Vault, limits: Limits) -> tuple[list[int], int, int]:
    """Return what `reduce_size` would evict, in this order, its stored bytes, and what that frees on the disk."""
    vault.flush()
    if not limits.any or not vault.has_index():
        return [], 0, 0
    chosen: list[Use] = []
    with told(vault.index.connections.path), vault.choosing():
        chooser = _Chooser(vault, limits, dry=True)
        while some := chooser.next():
            chosen += some
        ids = [use.id for use in chosen]
        return ids, sum(use.nbytes for use in chosen), vault.index.queue.freed_by(ids)


def clear(vault: Vault) -> int:
    """Remove all calls, and what a lost index has left; return how many went."""
    count = drop_in_batches(vault, vault.index.queue.calls())
    if vault.remains.files() or vault.remains.are_without_index():
        vault.forget_remains()
    return count


def clear_versions(vault: Vault, version_ids: Iterable[int]) -> int:
    """Remove all calls of some versions; return how many went."""
    return drop_in_batches(vault, chain.from_iterable(map(vault.index.queue.calls, version_ids)))


def stats(vault: Vault) -> Stats:
    """Return the counters of the store."""
    from resultstore._index.select import function_totals

    vault.flush()
    with told(vault.index.connections.path):
        by_function = {row[0]: FunctionStats(*row[1:]) for row in function_totals(vault.index.connections)}
        nbytes = vault.disk_nbytes()
    values = by_function.values()
    return Stats(
        hits=sum(f.hits for f in values),
        misses=sum(f.misses for f in values),
        seconds_saved=sum(f.seconds_saved for f in values),
        evictions=sum(f.evictions for f in values),
        calls=sum(f.calls for f in values),
        nbytes=nbytes,
        by_function=by_function,
        journal=vault.index.journal(),
    )


@contextlib.contextmanager
def _looking(vault: Vault, *, fix: bool) -> Iterator[None]:
    """Keep others from writing; a store that we cannot write to can be looked at all the same."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(vault.gate.held(60.0))
        except OSError as error:
            if fix or error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
        yield


def verify(vault: Vault, *, fix: bool) -> list[Problem]:
    """Compare index and files both ways, read every payload, count the sums again."""
    vault.flush()
    if not vault.has_index() and not vault.remains.are_without_index():
        return []
    with contextlib.ExitStack() as stack:
        path = vault.index.connections.path
        with told(path):
            stack.enter_context(_looking(vault, fix=fix))
        if not vault.has_index():  # asked again: a first result was perhaps just being written
            return _lost_index(vault)
        problems = [Problem("index", path, f"{text}: {_REMEDY}") for text in _index_faults(vault)]
        if problems:
            return problems  # what else would be found may be of the damage
        stack.enter_context(told(path))
        named: set[str] = set()
        for problem, payload in _payload_faults(vault, named):
            if fix:
                vault.drop(vault.index.calls_of_payload(payload.id), keep_record=f"its payload was {problem.kind}")
                if payload.file is not None and problem.kind == "damaged":
                    vault.blobs.quarantine(payload.file)
            problems.append(replace(problem, fixed=fix))
        remains = [os.path.basename(path) for path in vault.remains.files()]
        problems += [Problem("index", name, "it was set aside: " + _REMEDY) for name in remains]
        for name in vault.blobs.names():
            if name in named:
                continue
            if remains:
                problems.append(
                    Problem("orphan", name, "no row of the index names this file, so it is kept: " + _REMEDY)
                )
                continue
            fixed = False
            with contextlib.suppress(OSError):  # a directory, say, that somebody put there
                fixed = fix and vault.blobs.delete(name)
            problems.append(Problem("orphan", name, "no row of the index names this file", fixed))
        for number in vault.index.unused_payloads():
            if fix:
                vault.index.drop_payload(number)
            problems.append(Problem("unused", str(number), "no result has this payload", fix))
        problems += put_sums_right(vault, fix=fix)
        if fix:
            vault.sweep()
    return problems


def _lost_index(vault: Vault) -> list[Problem]:
    """Say that there is no index, and what can be done."""
    if not vault.remains.are_without_index():
        return []
    remedy = _REMEDY if vault.remains.is_any() else _NO_REMEDY
    return [Problem("index", os.path.basename(vault.index.connections.path), f"it is gone: {remedy}")]


def put_sums_right(vault: Vault, *, fix: bool = True) -> list[Problem]:
    """Count all sums again; return which were wrong."""
    problems = []
    with _looking(vault, fix=fix):
        wrong = _wrong_totals(vault)
        if wrong is not None:
            if fix:
                vault.index.set_total(wrong)
            problems.append(Problem("totals", "total", f"the sums should be {wrong}", fix))
        for name, change in vault.index.queue.wrong_sums().items():
            if fix:
                vault.index.queue.set_sums(change)
            problems.append(Problem("totals", name, "the sums over its stored calls are wrong", fix))
    return problems


def _index_faults(vault: Vault) -> list[str]:
    """Return what SQLite itself finds wrong with the index."""
    try:
        return vault.index.check()
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        return [str(error)]


def _payload_faults(vault: Vault, named: set[str]) -> Iterator[tuple[Problem, PayloadFacts]]:
    """Read every payload; yield those that are not as they were written. Fills ``named`` with the files."""
    for payload in vault.index.payloads():
        if payload.file is not None:
            named.add(payload.file)
        where = payload.file or f"inline payload {payload.id}"
        fault = fault_of(vault, payload)
        if isinstance(fault, FileNotFoundError):
            yield Problem("missing", where, "the index names this file, and it is not there"), payload
        elif fault is not None:
            yield Problem("damaged", where, str(fault)), payload


def fault_of(vault: Vault, payload: PayloadFacts, *, again: bool = True) -> Exception | None:
    """Read a payload; return what is wrong with it, if it is so at a second look as well.

    Raises
    ------
    OSError
        If this process lacks what it takes to look: that says nothing of the payload.
    """
    try:
        vault.check(payload)
    except Exception as error:  # whatever a tampered row makes a library raise
        if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                raise
            if again:  # a disk may fail for a moment
                return fault_of(vault, payload, again=False)
        return error
    return None


def _wrong_totals(vault: Vault) -> Total | None:
    """Return what the sums should be, or None if they are right."""
    kept = vault.index.total()
    file_nbytes, inline_nbytes, payloads, file_calls = vault.index.count()
    if vault.remains.files():
        file_nbytes += sum(vault.remains.unclaimed().values())
    counted = {
        "file_nbytes": file_nbytes,
        "inline_nbytes": inline_nbytes,
        "payloads": payloads,
        "file_calls": file_calls,
    }
    true = _data.replace(kept, **counted)
    return None if true == kept else true
