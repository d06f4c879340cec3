"""Records of past calls: facts first, payloads only when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, replace
from datetime import datetime
from html import escape
from typing import Any, Protocol, overload

from resultstore._sizes import format_seconds, format_size
from resultstore.errors import MissingError

_PAGE = 500
_SHOWN = 10
_ARGUMENTS_WIDTH = 96
_DIGEST_NBYTES = 32


@dataclass(frozen=True, slots=True)
class Summary:
    """An argument that the index describes but does not hold, such as an array.

    Attributes
    ----------
    kind : str
        The type's name.
    text : str
        What it was, in short, such as ``"ndarray 512x512 float64"``.
    token : bytes or None
        Its digest (or short encoding), or None if it was ignored.

    Examples
    --------
    >>> total = store.cache(lambda numbers: sum(numbers))
    >>> total(range(3))
    3
    >>> argument = store.find(total).first().arguments["numbers"]
    >>> argument
    <range(0, 3)>
    >>> argument.kind, argument.text
    ('range', 'range(0, 3)')
    """

    kind: str
    text: str
    token: bytes | None = None

    def __repr__(self) -> str:
        says_all = not self.text.startswith(self.kind + " ") and "..." not in self.text
        if says_all or self.token is None or len(self.token) < _DIGEST_NBYTES:
            return f"<{self.text}>"
        return f"<{self.text} #{self.token[:3].hex()}>"  # tells two arrays of one shape apart


class Home(Protocol):
    """Where the results of records lie: a store."""

    def _load(self, record: Record, mmap_mode: str | bool | None) -> Any:
        """Return the result of a call."""

    def _set_pinned(self, key: bytes, pinned: bool) -> None:
        """Pin a call, or let it go."""


@dataclass(frozen=True, repr=False)
class Record:
    """The facts of one past call.

    They are fields of a dataclass, so that ``pandas.DataFrame(store.find(f))`` is a table of calls. A record that is
    pickled takes its store along, by place and options, as a `Reference` does.

    Attributes
    ----------
    function : str
        The function's name, ``"package.module.f"``.
    version : int or str
        Which version of the function ran: 1, 2, 3 in order of appearance, or its label.
    fingerprint : bytes
        The digest, 32 bytes, of the code and what it depends on.
    arguments : dict
        Argument names and values, as they were before the function ran. Numbers and short strings are
        themselves, everything else is a `Summary`.
    created_at : datetime
        When it was computed, in UTC.
    accessed_at : datetime
        When it was last asked for, in UTC.
    access_count : int
        How many hits it has had.
    duration : float
        How long the function ran, in seconds.
    nbytes : int
        Stored bytes of the result.
    state : str
        ``"stored"``, ``"evicted"`` or ``"not stored"``.
    key : bytes
        The call's key, 32 bytes.
    note : str or None
        Why it is not stored; of an exception that is stored, its type and words; of a function with
        ``on_mutable="allow"``, what was not looked at.
    pinned : bool
        Whether it is kept from being evicted.
    place : str
        The script or notebook of a ``__main__`` function, in which this version of it ran first; else ``""``.

    Examples
    --------
    >>> record = store.find(square).first()
    >>> record
    <record of ...square(x=3): version 1, stored, computed ... UTC in ...>
    >>> record.arguments, record.state, record.access_count
    ({'x': 3}, 'stored', 0)
    >>> record.key == square.key(3)
    True
    """

    function: str
    version: int | str
    fingerprint: bytes
    arguments: dict[str, Any]
    created_at: datetime
    accessed_at: datetime
    access_count: int
    duration: float
    nbytes: int
    state: str
    key: bytes
    note: str | None = None
    pinned: bool = False
    place: str = ""
    # No field, for it is none of the facts; `dataclasses.replace` hands it on all the same.
    _home: InitVar[Home | None] = None

    def __post_init__(self, _home: Home | None) -> None:
        object.__setattr__(self, "_home", _home)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return (
            f"<record of {self.function}({arguments}): version {self.version}, {self.state}, "
            f"computed {self.created_at:%Y-%m-%d %H:%M:%S} UTC in {format_seconds(self.duration)}>"
        )

    @property
    def key_hex(self) -> str:
        """The call's key as text, 64 hexadecimal digits.

        Examples
        --------
        >>> store.find(square).first().key_hex == square.key(3).hex()
        True
        """
        return self.key.hex()

    def load(self, mmap_mode: str | bool | None = False) -> Any:
        """Return the result.

        Parameters
        ----------
        mmap_mode : {"r", "c", None, False}, default False
            How its arrays are loaded, see `Store`; None in memory, False as the store says.

        Raises
        ------
        MissingError
            If the payload was evicted, cleared, never stored, or is damaged; or the record was made by
            hand, so that no store is known.

        Examples
        --------
        >>> store.find(square).first().load()
        9
        """
        return self._known_home()._load(self, mmap_mode)

    def pin(self) -> Record:
        """Keep the result from being evicted, until `unpin`, or until somebody clears or forgets it.

        A call whose result is not stored now is pinned as well: the next one will stay.

        Returns
        -------
        Record
            The record as it is now.

        Raises
        ------
        MissingError
            If there is no such record any more.

        Examples
        --------
        >>> record = store.find(square).first().pin()
        >>> record.pinned, store.reduce_size(items_limit=0)
        (True, 0)
        >>> record.unpin().pinned, store.reduce_size(items_limit=0)
        (False, 1)
        """
        return self._pinned(pinned=True)

    def unpin(self) -> Record:
        """Let the result be evicted again; return the record as it is now.

        Raises
        ------
        MissingError
            If there is no such record any more.

        Examples
        --------
        >>> store.find(square).first().unpin().pinned
        False
        """
        return self._pinned(pinned=False)

    def _pinned(self, *, pinned: bool) -> Record:
        self._known_home()._set_pinned(self.key, pinned)
        return replace(self, pinned=pinned)

    def _known_home(self) -> Home:
        home: Home | None = vars(self)["_home"]
        if home is None:
            raise MissingError(
                f"this record of {self.function} was made by hand and knows of no store: "
                f'take store.record("{self.key_hex}"), of the store that has the call'
            )
        return home


class RecordSource(Protocol):
    """Where records come from, page by page."""

    def count(self) -> int:
        """Return how many records there are now."""

    def page(self, offset: int, limit: int) -> list[Record]:
        """Return some records, newest first."""

    def hint(self) -> str:
        """Return why there may be no records, or ``""``."""


class NoRecords:
    """A source of no records: of a store that is switched off."""

    def count(self) -> int:
        """Return how many records there are now."""
        return 0

    def page(self, offset: int, limit: int) -> list[Record]:
        """Return some records, newest first."""
        return []

    def hint(self) -> str:
        """Return why there are no records."""
        return "storing is switched off: Store(None), or RESULTSTORE_DISABLE in the environment"


class HeldRecords:
    """A source of records that are at hand."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def count(self) -> int:
        """Return how many records there are."""
        return len(self._records)

    def page(self, offset: int, limit: int) -> list[Record]:
        """Return some records, newest first."""
        return list(self._records[offset : offset + limit])

    def hint(self) -> str:
        """Return nothing: what else there may be is not known here."""
        return ""


class Records(Sequence[Record]):
    """The records that a query found: a lazy sequence, newest first.

    Nothing is read before it is asked for: ``len``, iteration (in pages), slices and single records
    each ask the index anew. No payload is opened until `Record.load`. Pickled are the records that
    there are at that moment.

    Examples
    --------
    >>> records = store.find(square)
    >>> len(records)
    1
    >>> [record.arguments["x"] for record in records]
    [3]
    >>> records
    function   version  arguments  created (UTC)  duration  size  hits  state
    ...square  1        x=3        ...                      8 B   0     stored
    >>> store.find(square, x=4)
    no calls
    """

    def __init__(self, source: RecordSource, start: int = 0, stop: int | None = None) -> None:
        self._source = source
        self._start = start
        self._stop = stop

    def __len__(self) -> int:
        count = self._source.count()
        stop = count if self._stop is None else min(self._stop, count)
        return max(0, stop - self._start)

    def __bool__(self) -> bool:
        return self.first() is not None

    def __iter__(self) -> Iterator[Record]:
        offset = self._start
        while self._stop is None or offset < self._stop:
            limit = _PAGE if self._stop is None else min(_PAGE, self._stop - offset)
            page = self._source.page(offset, limit)
            yield from page
            if len(page) < limit:
                return
            offset += limit

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return [self[i] for i in range(start, stop, step)]
            return Records(self._source, self._start + start, self._start + max(start, stop))
        position = index + len(self) if index < 0 else index
        if position >= 0 and (self._stop is None or self._start + position < self._stop):
            page = self._source.page(self._start + position, 1)
            if page:
                return page[0]
        raise IndexError(f"there is no record number {index}")

    def first(self) -> Record | None:
        """Return the newest record, or None.

        Examples
        --------
        >>> store.find(square).first().load()
        9
        >>> store.find(square, x=4).first() is None
        True
        """
        page = self._source.page(self._start, 1) if self._stop is None or self._start < self._stop else []
        return page[0] if page else None

    def __copy__(self) -> Records:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Records:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Records, (HeldRecords(list(self)),)

    def __repr__(self) -> str:
        count = len(self)
        if not count:
            hint = self._source.hint()
            return f"no calls ({hint})" if hint else "no calls"
        rows = [_COLUMNS, *map(_cells, self[:_SHOWN])]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if count > _SHOWN:
            lines.append(f"... {count} calls in all")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        count = len(self)
        if not count:
            return f"<p>{escape(repr(self))}</p>"
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(record)) + "</tr>"
            for record in self[:_SHOWN]
        )
        more = f"<p>{count} calls in all</p>" if count > _SHOWN else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


_COLUMNS = ("function", "version", "arguments", "created (UTC)", "duration", "size", "hits", "state")


def _cells(record: Record) -> tuple[str, ...]:
    arguments = ", ".join(f"{name}={value!r}" for name, value in record.arguments.items())
    return (
        record.function,
        str(record.version),
        arguments if len(arguments) <= _ARGUMENTS_WIDTH else arguments[: _ARGUMENTS_WIDTH - 3] + "...",
        f"{record.created_at:%Y-%m-%d %H:%M:%S}",
        format_seconds(record.duration),
        format_size(record.nbytes),
        str(record.access_count),
        f"{record.state}, pinned" if record.pinned else record.state,
    )
