"""What the floors tell each other about a call: plain, frozen data."""

from __future__ import annotations

from resultstore._data import Data

STORED, EVICTED, NOT_STORED = "stored", "evicted", "not stored"
STATES = (STORED, EVICTED, NOT_STORED)
CODE_KINDS = frozenset({"function", "class"})
"""Kinds of dependencies whose text is source."""


def plain_text(text: str) -> str:
    """Return a text that every database takes: lone surrogates and NUL are written out."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


class DependencyFacts(Data):
    """One thing that a function's behaviour depends on, by itself: without what it depends on in turn."""

    name: str
    """Where it is known: ``"package.module.helper"``, ``"package.module.LIMIT"``, ``"numpy"``."""
    kind: str
    """``"function"``, ``"class"``, ``"value"``, ``"distribution"``, or ``"untracked"`` for what has no digest."""
    digest: bytes
    place: str | None = None
    """Its file and line, ``"/home/me/tools.py:12"``."""
    text: str | None = None
    """The source of code, a short text of a value, a distribution's version."""


class FunctionFacts(Data):
    """A function version."""

    name: str
    fingerprint: bytes
    scheme: int
    place: str
    """The script or notebook of a ``__main__`` function, else ``""``."""
    source: str | None
    signature: str | None
    python: str
    code: bytes = b""
    """The fingerprint without a ``version=`` label that stands in for the code."""
    label: str | None = None
    portable: bytes | None = None
    """The fingerprint by syntax tree, the same on every Python; None where the source is not at hand."""
    dependencies: tuple[DependencyFacts, ...] = ()


class ArgumentFacts(Data):
    """One argument of a call, as it was before the function ran."""

    position: int
    name: str
    kind: str
    """The type's name: ``"int"``, ``"ndarray"``."""
    number: float | None
    text: str | None
    token: bytes | None
    """The value's short encoding or digest; None for an ignored argument."""
    summary: str
    """A short text for people."""


class PayloadFacts(Data):
    """The stored bytes of one leaf."""

    digest: bytes
    checksum: bytes
    format: str
    nbytes: int
    """Bytes as stored."""
    raw_nbytes: int
    """Bytes of the value itself, before any compression."""
    head_nbytes: int
    """Where the body begins."""
    dtype: str | None = None
    shape: str | None = None
    order: str | None = None
    codec: str | None = None
    file: str | None = None
    """The file's name in the payload folder, or None when the bytes lie inline."""
    inline: bytes | None = None
    disk_nbytes: int = 0
    """What a file takes on the disk, in whole blocks."""
    id: int = 0


class LeafFacts(Data):
    """Where one leaf stands in a result."""

    position: int
    path: str
    payload: PayloadFacts
    writeable: bool = True


class ResultFacts(Data):
    """A result as the index keeps it: a scalar, or a skeleton with leaves."""

    kind: str
    """``"none"``, ``"bool"``, ``"int"``, ``"float"``, ``"str"``, ``"tree"`` (the skeleton is in
    ``text``), ``"leaf"`` (the result is its only leaf), ``"json"`` or ``"pickle"`` (the last leaf holds
    the skeleton), ``"error"`` (an exception that was raised; the last leaf holds the skeleton)."""
    integer: int | None = None
    number: float | None = None
    text: str | None = None
    leaves: tuple[LeafFacts, ...] = ()


class CallFacts(Data):
    """One call, ready to be written."""

    key: bytes
    function: FunctionFacts
    arguments: tuple[ArgumentFacts, ...]
    created_at: float
    duration: float
    state: str
    note: str | None
    result: ResultFacts | None
    checksum: bytes
    children: tuple[bytes, ...] = ()
    """The keys of the calls that this one made."""


class Computed(Data):
    """A call that has just been computed."""

    key: bytes
    function: FunctionFacts
    arguments: tuple[ArgumentFacts, ...]
    created_at: float
    duration: float
    children: tuple[tuple[str, bytes], ...] = ()


class RunFacts(Data):
    """The process that computed."""

    started_at: float
    process: int
    host: str
    username: str
    program: str
    python: str
    platform: str
    boot: str
    packages: dict[str, str]
