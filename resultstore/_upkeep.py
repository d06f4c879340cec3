"""What people ask of a whole store: reduce, clear, count, verify. Works through the vault."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice

from resultstore import _clock
from resultstore._facts import PayloadFacts
from resultstore._index.connect import told
from resultstore._index.index import Total
from resultstore._room import STALE_S
from resultstore._vault import Vault
from resultstore.errors import DamagedError
from resultstore.eviction import Limits

_BATCH = 500


@dataclass(frozen=True, slots=True)
class FunctionStats:
    """What the store did for one function.

    Examples
    --------
    >>> store.stats().by_function[square.name].misses
    1
    """

    hits: int
    """Calls that were answered from the store."""
    misses: int
    """Calls that were computed."""
    seconds_saved: float
    """Compute time that hits made unnecessary, in seconds."""
    evictions: int
    """Results that were removed to free space."""
    calls: int
    """Stored calls."""
    nbytes: int
    """Stored bytes of their results; bytes that two results share count twice."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What the store did, and what it holds.

    Examples
    --------
    >>> square(3)
    9
    >>> stats = store.stats()
    >>> stats.hits, stats.misses, stats.calls, stats.evictions
    (1, 1, 1, 0)
    """

    hits: int = 0
    """Calls that were answered from the store."""
    misses: int = 0
    """Calls that were computed."""
    seconds_saved: float = 0.0
    """Compute time that hits made unnecessary, in seconds."""
    evictions: int = 0
    """Results that were removed to free space."""
    calls: int = 0
    """Stored calls."""
    nbytes: int = 0
    """Bytes on the disk of payloads, index, journal, everything."""
    by_function: dict[str, FunctionStats] = field(default_factory=dict)
    """The same for each function, by its full name."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that `Store.verify` found.

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
    """``"index"``, ``"missing"``, ``"damaged"``, ``"orphan"``, ``"unused"`` or ``"totals"``."""
    where: str
    """The file below the store, or the row, that is meant."""
    message: str
    """What is wrong with it."""
    fixed: bool = False
    """Whether ``verify(fix=True)`` mended it."""


def drop_in_batches(
    vault: Vault, call_ids: Iterable[int], *, keep_record: str | None = None, counted: bool = False
) -> int:
    """Drop calls some at a time, so that no write transaction is long; return how many went."""
    count = 0
    iterator = iter(call_ids)
    with told(vault.index.connections.path):
        while batch := list(islice(iterator, _BATCH)):
            count += vault.drop(batch, keep_record=keep_record, counted=counted).calls
        if count:
            vault.tidy()
    return count


def reduce_size(vault: Vault, limits: Limits) -> int:
    """Evict results, in the order of the policy, until all limits hold; return how many went."""
    from resultstore._index.select import stored_calls

    vault.flush()
    if not limits.any or not vault.index.connections.exists():
        return 0
    calls = stored_calls(vault.index.connections, vault.index.policy)
    nbytes, items, now = sum(call[1] for call in calls), len(calls), _clock.now()
    victims = []
    for call_id, stored, accessed_at in calls:
        too_many = limits.items is not None and items > limits.items
        too_large = limits.nbytes is not None and nbytes > limits.nbytes
        too_old = limits.age_s is not None and now - accessed_at > limits.age_s
        if too_many or too_large or too_old:
            victims.append(call_id)
            items, nbytes = items - 1, nbytes - stored
    return drop_in_batches(vault, victims, keep_record="evicted by reduce_size", counted=True)


def stats(vault: Vault) -> Stats:
    """Return the counters of the store."""
    from resultstore._index.select import function_totals

    vault.flush()
    by_function = {row[0]: FunctionStats(*row[1:]) for row in function_totals(vault.index.connections)}
    values = by_function.values()
    return Stats(
        hits=sum(f.hits for f in values),
        misses=sum(f.misses for f in values),
        seconds_saved=sum(f.seconds_saved for f in values),
        evictions=sum(f.evictions for f in values),
        calls=sum(f.calls for f in values),
        nbytes=vault.disk_nbytes(),
        by_function=by_function,
    )


def verify(vault: Vault, *, fix: bool) -> list[Problem]:
    """Compare index and files both ways, read every payload, count the sums again."""
    vault.flush()
    if not vault.index.connections.exists():
        return []
    with contextlib.ExitStack() as stack:
        stack.enter_context(vault.gate.held(60.0))
        problems = [Problem("index", vault.index.connections.path, text) for text in _index_faults(vault)]
        if problems and not _is_readable(vault):
            return problems
        stack.enter_context(told(vault.index.connections.path))
        named: set[str] = set()
        for problem, payload in _payload_faults(vault, named):
            if fix:
                vault.drop(vault.index.calls_of_payload(payload.id), keep_record=f"its payload was {problem.kind}")
                if payload.file is not None and problem.kind == "damaged":
                    vault.blobs.quarantine(payload.file)
            problems.append(replace(problem, fixed=fix))
        for name in vault.blobs.names():
            if name not in named:
                fixed = False
                with contextlib.suppress(OSError):  # a directory, say, that somebody put there
                    fixed = fix and vault.blobs.delete(name)
                problems.append(Problem("orphan", name, "no row of the index names this file", fixed))
        for number in vault.index.unused_payloads():
            if fix:
                vault.index.drop_payload(number)
            problems.append(Problem("unused", str(number), "no result has this payload", fix))
        wrong = _wrong_totals(vault)
        if wrong is not None:
            if fix:
                vault.index.set_total(wrong)
            problems.append(Problem("totals", "total", f"the sums should be {wrong}", fix))
        if fix:
            vault.blobs.sweep(STALE_S)
    return problems


def _index_faults(vault: Vault) -> list[str]:
    """Return what SQLite itself finds wrong with the index."""
    try:
        return vault.index.check()
    except sqlite3.Error as error:
        return [str(error)]


def _is_readable(vault: Vault) -> bool:
    try:
        vault.index.count()
    except sqlite3.Error:
        return False
    return True


def _payload_faults(vault: Vault, named: set[str]) -> Iterator[tuple[Problem, PayloadFacts]]:
    """Read every payload; yield those that are not as they were written. Fills ``named`` with the files."""
    for payload in vault.index.payloads():
        if payload.file is not None:
            named.add(payload.file)
        where = payload.file or f"inline payload {payload.id}"
        try:
            vault.check(payload)
        except FileNotFoundError:
            yield Problem("missing", where, "the index names this file, and it is not there"), payload
        except (DamagedError, OSError) as error:
            yield Problem("damaged", where, str(error)), payload


def _wrong_totals(vault: Vault) -> Total | None:
    """Return what the sums should be, or None if they are right."""
    kept = vault.index.total()
    file_nbytes, inline_nbytes, payloads, file_calls = vault.index.count()
    true = kept._replace(file_nbytes=file_nbytes, inline_nbytes=inline_nbytes, payloads=payloads, file_calls=file_calls)
    return None if true == kept else true
