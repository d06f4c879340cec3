"""Versions of functions, as people see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass
from datetime import datetime
from html import escape
from typing import Any, Protocol, overload

from resultstore._facts import FunctionFacts
from resultstore._sizes import format_seconds, format_size
from resultstore.change import changes_between
from resultstore.errors import MissingError


class Sources(Protocol):
    """Where it is read what a version is made of, and which is older."""

    def facts(self) -> FunctionFacts:
        """Return what the version is made of."""

    def older(self) -> Version | None:
        """Return the next older version, or None."""


@dataclass(frozen=True, repr=False)
class Version:
    """A function as it behaved at some time: its code, and all that its behaviour depended on.

    Attributes
    ----------
    function : str
        The function's name, ``"package.module.f"``.
    number : int
        1, 2, 3 in order of appearance.
    label : str or None
        What ``version=`` said.
    fingerprint : bytes
        The digest, 32 bytes, that enters the keys of its calls.
    code : bytes
        The same without a label that stands in for the code.
    standing : str
        Whether its results count for the function as it is now: ``"present"``, it is that function;
        ``"equal"``, the same source under another Python, name or, with a label, other code;
        ``"accepted"`` by `Store.accept`; or ``"old"``, they do not.
    reason : str or None
        Why it was accepted.
    python : str
        The version of Python that first ran it.
    place : str
        The script or notebook of a ``__main__`` function, else ``""``.
    created_at : datetime
        When its first call was kept, in UTC.
    accessed_at : datetime or None
        When a call of it was last made or asked for, in UTC; None without calls.
    calls : int
        How many calls of it are on record.
    stored : int
        How many of them have a stored result.
    nbytes : int
        Stored bytes of these results; bytes that two results share count twice.
    seconds : float
        How long the function ran for these calls, in sum, in seconds.
    source : str or None
        The text of the function, if it was at hand.

    Examples
    --------
    >>> version = square.versions()[0]
    >>> version
    <version 1 of ...square: present, 1 call, 1 stored, since ... UTC>
    >>> version.fingerprint == square.fingerprint(), version.is_present
    (True, True)
    """

    function: str
    number: int
    label: str | None
    fingerprint: bytes
    code: bytes
    standing: str
    reason: str | None
    python: str
    place: str
    created_at: datetime
    accessed_at: datetime | None
    calls: int
    stored: int
    nbytes: int
    seconds: float
    source: str | None
    # No field, for it is none of the facts; `dataclasses.replace` hands it on all the same.
    _sources: InitVar[Sources | None] = None

    def __post_init__(self, _sources: Sources | None) -> None:
        object.__setattr__(self, "_sources", _sources)

    def __copy__(self) -> Version:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Version:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_sources": None}  # the index that they are read from stays where it is

    @property
    def is_present(self) -> bool:
        """Whether this is the function as it is now.

        Examples
        --------
        >>> [version.is_present for version in square.versions()]
        [True]
        """
        return self.standing == "present"

    def diff(self, other: Version | None = None) -> str:
        """Return what changed between another version and this one, dependencies included.

        Parameters
        ----------
        other : Version, optional
            By default the next older version of the function.

        Returns
        -------
        str
            Unified diffs of sources, and a line for everything else; ``""`` if there is no older version.

        Raises
        ------
        MissingError
            If one of the two was pickled, or made by hand: it is a list of facts then, without the sources of
            what the function depends on.

        Examples
        --------
        >>> square.versions()[0].diff()  # there is none before it
        ''
        """
        if other is None:
            other = self._known_sources().older()
        if other is None:
            return ""
        changes = changes_between(other._known_sources().facts(), self._known_sources().facts())
        return "\n".join(str(c) if c.diff is None else f"{c}\n{c.diff}" for c in changes)

    def _known_sources(self) -> Sources:
        sources: Sources | None = vars(self)["_sources"]
        if sources is None:
            raise MissingError(
                f"the sources of version {self.number} of {self.function} are not at hand, for this object was pickled "
                "or made by hand: take it from versions() of the function"
            )
        return sources

    def __repr__(self) -> str:
        label = "" if self.label is None else f" {self.label!r}"
        calls = f"{self.calls} call{'' if self.calls == 1 else 's'}"
        return (
            f"<version {self.number}{label} of {self.function}: {self.standing}, {calls}, {self.stored} stored, "
            f"since {self.created_at:%Y-%m-%d %H:%M:%S} UTC>"
        )


class Versions(Sequence[Version]):
    """The versions of a function, newest first.

    Examples
    --------
    >>> square.versions()
    function   version  standing  python  created (UTC)  last used (UTC)  calls  stored  size  seconds
    ...square  1        present   3...                                    1      1       8 B   ...
    >>> len(square.versions())
    1
    """

    def __init__(self, versions: Sequence[Version]) -> None:
        self._versions = tuple(versions)

    def __len__(self) -> int:
        return len(self._versions)

    def __iter__(self) -> Iterator[Version]:
        return iter(self._versions)

    @overload
    def __getitem__(self, index: int) -> Version: ...
    @overload
    def __getitem__(self, index: slice) -> Versions: ...
    def __getitem__(self, index: int | slice) -> Version | Versions:
        return Versions(self._versions[index]) if isinstance(index, slice) else self._versions[index]

    def __repr__(self) -> str:
        if not self._versions:
            return "no versions"
        rows = [_COLUMNS, *map(_cells, self._versions)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _cells(version)) + "</tr>" for version in self
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_COLUMNS = (
    "function", "version", "standing", "python", "created (UTC)", "last used (UTC)", "calls", "stored", "size",
    "seconds",
)  # fmt: skip


def _cells(version: Version) -> tuple[str, ...]:
    return (
        version.function,
        str(version.number) if version.label is None else f"{version.number} {version.label!r}",
        version.standing,
        version.python,
        f"{version.created_at:%Y-%m-%d %H:%M:%S}",
        "" if version.accessed_at is None else f"{version.accessed_at:%Y-%m-%d %H:%M:%S}",
        str(version.calls),
        str(version.stored),
        format_size(version.nbytes),
        format_seconds(version.seconds),
    )
