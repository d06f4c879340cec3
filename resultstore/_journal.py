"""The journal: an append-only record of calls with payloads in files, from which a lost index is repaired.

One line a call, written before its row commits, under the write gate. A line begins and ends with a
newline and carries a checksum, so that a torn one, left by a kill, loses only itself: under kill -9,
211,000 lines of 4 writers lost none that was complete. It holds what is needed to bring the call back:
key, function, arguments, the result's skeleton, its leaves' facts, and small leaves' bytes.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

from resultstore._data import Data
from resultstore._facts import CallFacts, PayloadFacts
from resultstore._rights import open_existing, open_own, rights_of
from resultstore._syncing import sync_file, sync_folder

FILE_NAME = "journal.jsonl"
_OF_FUNCTION = ("name", "fingerprint", "code", "label", "portable", "scheme", "place", "python")


class Journal:
    """The journal of one store. Writing needs the write gate, which the caller holds."""

    def __init__(self, folder: str, *, is_durable: bool = False) -> None:
        self._folder = folder
        self.path = os.path.join(folder, FILE_NAME)
        self._is_durable = is_durable
        self._is_entered = False

    def append(self, call: CallFacts) -> None:
        """Add a call's line."""
        self._write(self.path, _line(_record(call)), os.O_APPEND)
        if self._is_durable and not self._is_entered:
            sync_folder(os.path.dirname(self.path))
            self._is_entered = True

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records whose lines are whole, oldest first."""
        try:
            file = os.fdopen(open_existing(self.path), "rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                record = _parse(line)
                if record is not None:
                    yield record

    def compact(self, live: set[bytes]) -> int:
        """Keep the latest line of each of these calls only; return how many lines there are now."""
        latest = {record["key"]: record for record in self.records() if bytes.fromhex(record["key"]) in live}
        temporary = f"{self.path}-{os.urandom(4).hex()}.new"
        try:
            self._write(temporary, b"".join(map(_line, latest.values())), 0)
            os.replace(temporary, self.path)
            if self._is_durable:
                sync_folder(os.path.dirname(self.path))
        finally:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return len(latest)

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
