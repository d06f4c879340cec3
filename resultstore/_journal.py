"""The journal: an append-only record of calls with payloads in files, from which a lost index is repaired.

One line a call, written before its row commits, under the write gate. A line begins and ends with a
newline and carries a checksum, so that a torn one, left by a kill, loses only itself: under kill -9,
211,000 lines of 4 writers lost none that was complete. It holds what is needed to bring the call back:
key, function, arguments, the result's skeleton, its leaves' facts, and small leaves' bytes. A line needs no
earlier one: of a leaf that leans on an equal payload, it names that one's file.

Another kind of line says that earlier lines no longer count: their calls were dropped, or replaced by a
result without a file, though their payloads lie on as those of other calls.

When an index is made anew beside a journal, that is set aside: it knows calls that the new index does not.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from resultstore._data import Data
from resultstore._facts import CallFacts, PayloadFacts
from resultstore._place import dated, free_name
from resultstore._rights import open_existing, open_own, rights_of
from resultstore._syncing import sync_file, sync_folder

_STEM, _SUFFIX = "journal", ".jsonl"
FILE_NAME = "journal.jsonl"
_OF_FUNCTION = ("name", "fingerprint", "code", "label", "portable", "scheme", "place", "python")
_BATCH = 1000
_LONGEST = 1 << 27
"""Bytes of a line that are read: what was planted may have no end, and a row of SQLite's is shorter."""


class Journal:
    """The journal of one store. Writing needs the write gate, which the caller holds."""

    def __init__(self, folder: str, *, is_durable: bool = False) -> None:
        self._folder = folder
        self.path = os.path.join(folder, FILE_NAME)
        self._is_durable = is_durable
        self._is_entered = False

    def append(self, *calls: CallFacts) -> None:
        """Add the lines of calls."""
        self._write(self.path, b"".join(_line(_record(call)) for call in calls), os.O_APPEND)
        if self._is_durable and not self._is_entered:
            sync_folder(os.path.dirname(self.path))
            self._is_entered = True

    def strike(self, keys: Iterable[bytes]) -> None:
        """Say that the lines of calls no longer count."""
        gone = [key.hex() for key in keys]
        if gone and os.path.exists(self.path):
            self._write(self.path, _line({"gone": gone}), os.O_APPEND)

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of calls whose lines are whole, oldest first."""
        return (record for _, record in _read(self.path) if "key" in record)

    def set_aside(self) -> None:
        """Begin a new journal; the old one stays beside it, with its date."""
        try:
            is_any = os.stat(self.path).st_size > 0
        except FileNotFoundError:
            is_any = False  # any other error is raised: a journal that stayed would be taken for the new index's own
        if is_any:
            folder = os.path.dirname(self.path)
            os.rename(self.path, free_name(folder, _STEM, _SUFFIX))
            self._is_entered = False

    def asides(self) -> list[str]:
        """Return the journals that were set aside, oldest first."""
        return dated(os.path.dirname(self.path), _STEM, _SUFFIX)

    def compact(self, live: set[bytes]) -> int:
        """Keep the latest line of each of these calls only; return how many lines there are now."""
        temporary = f"{self.path}-{os.urandom(4).hex()}.new"
        latest = lines_that_count(self.path)
        kept = sorted(at for key, at in latest.items() if key in live)
        try:
            self._write(temporary, b"", 0)
            for some in _batches(kept):
                self._write(temporary, b"".join(map(_line, records_at(self.path, some))), os.O_APPEND)
            os.replace(temporary, self.path)
            if self._is_durable:
                sync_folder(os.path.dirname(self.path))
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return len(kept)

    def clear(self) -> None:
        """Forget all lines."""
        self._is_entered = False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def nbytes(self) -> int:
        """Return what the journal takes on the disk."""
        try:
            return -(-os.stat(self.path).st_size // 4096) * 4096
        except OSError:
            return 0

    def _write(self, path: str, data: bytes, flag: int) -> None:
        fd = open_own(path, os.O_WRONLY | flag, rights_of(self._folder))
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            if self._is_durable:
                sync_file(fd)
        finally:
            os.close(fd)


def lines_that_count(path: str) -> dict[bytes, int]:
    """Return where the latest line of each call of a journal stands."""
    latest: dict[bytes, int] = {}
    for at, record in _read(path):
        with contextlib.suppress(ValueError, TypeError, AttributeError):
            if "key" in record:
                latest[bytes.fromhex(record["key"])] = at
            for key in record.get("gone", ()):
                latest.pop(bytes.fromhex(key), None)
    return latest


def records_at(path: str, places: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Yield the records whose lines stand at these places."""
    with os.fdopen(open_existing(path), "rb") as file:
        for place in places:
            file.seek(place)
            record = _parse(file.readline(_LONGEST))
            if record is not None:
                yield record


def _read(path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the lines of a journal that are whole, each with its place."""
    try:
        file = os.fdopen(open_existing(path), "rb")
    except FileNotFoundError:
        return
    at = 0
    with file:
        while line := file.readline(_LONGEST):
            record = _parse(line)
            if record is not None:
                yield at, record
            at += len(line)


def _batches(places: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(places), _BATCH):
        yield places[start : start + _BATCH]


def _record(call: CallFacts) -> dict[str, Any]:
    function = {name: getattr(call.function, name) for name in _OF_FUNCTION}
    # Without the sources of the function and its helpers, which would be many times the rest of a line.
    record = {**vars(call), "function": function}
    del record["children"]
    return record


def _plain(part: Any) -> Any:
    """Return what JSON takes for what it does not: facts by name, digests in hex, payload bytes in base64."""
    if isinstance(part, PayloadFacts):
        return vars(part) if part.inline is None else {**vars(part), "inline": _base64(part.inline)}
    if isinstance(part, Data):
        return vars(part)
    return bytes(part).hex()


def _base64(data: bytes) -> str:
    import binascii

    return binascii.b2a_base64(data, newline=False).decode()


@functools.cache
def _encoder() -> Any:
    import json

    return json.JSONEncoder(separators=(",", ":"), default=_plain)


def _line(record: dict[str, Any]) -> bytes:
    import binascii

    text = _encoder().encode(record).encode("ascii")
    return b"\n%08x %s\n" % (binascii.crc32(text), text)


def _parse(line: bytes) -> dict[str, Any] | None:
    import binascii
    import json

    text = line.rstrip(b"\n")[9:]
    try:
        if int(line[:8], 16) != binascii.crc32(text):
            return None
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
