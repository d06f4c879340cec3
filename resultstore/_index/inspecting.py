"""Looking at an index as a whole: what is in it, counted again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from resultstore._facts import PayloadFacts
from resultstore._index import changes, hot
from resultstore._index.changes import Total
from resultstore._index.connect import Connections


class Inspecting:
    """The half of the index that verifying needs."""

    connections: Connections

    def file_keys(self) -> set[bytes]:
        """Return the keys of the calls that have a payload in a file."""
        raise NotImplementedError

    def check(self) -> list[str]:
        """Return what SQLite finds wrong with the file, and rows that refer to none."""
        rows = self.connections.query("PRAGMA integrity_check", {})
        faults = [str(row[0]) for row in rows if row[0] != "ok"]
        return faults + [
            f"a row of {row[0]} refers to no {row[2]}" for row in self.connections.query("PRAGMA foreign_key_check", {})
        ]

    def payloads(self) -> Iterator[PayloadFacts]:
        """Yield all payloads, inline bytes included, some at a time."""
        after = 0
        while rows := self.connections.query(hot.PAYLOADS, {"after": after}):
            for row in rows:
                yield payload_of(row)
            after = rows[-1][0]

    def calls_of_payload(self, payload_id: int) -> list[int]:
        """Return the calls whose results have this payload."""
        return [row[0] for row in self.connections.query(hot.PAYLOAD_CALLS, {"payload_id": payload_id})]

    def unused_payloads(self) -> list[int]:
        """Return payloads that no result has."""
        return [row[0] for row in self.connections.query(hot.UNUSED_PAYLOADS, {})]

    def drop_payload(self, payload_id: int) -> None:
        """Forget a payload that no result has."""
        with self.connections.transaction() as connection:
            connection.execute(hot.DROP_PAYLOAD, {"id": payload_id})

    def count(self) -> tuple[int, int, int, int]:
        """Count the sums again: file bytes, inline bytes, payloads, calls with files."""
        rows = self.connections.query(hot.COUNT_PAYLOADS, {})
        files, inline, payloads = rows[0]
        return files, inline, payloads, len(self.file_keys())

    def has_file(self, name: str) -> bool:
        """Say whether a row names this payload file."""
        return bool(self.connections.query(hot.FILE_PAYLOAD, {"file": name}))

    def count_files(self, nbytes: int) -> None:
        """Add to the sum of the bytes of payload files, for files that no row names."""
        with self.connections.transaction() as connection:
            connection.execute(hot.CHANGE_TOTAL, changes.NO_CHANGE | {"file_nbytes": nbytes})

    def set_total(self, total: Total) -> None:
        """Replace the sums."""
        with self.connections.transaction() as connection:
            connection.execute(hot.SET_TOTAL, vars(total))


def payload_of(row: tuple[Any, ...]) -> PayloadFacts:
    number, digest, checksum, name, nbytes, raw, head, dtype, shape, order, codec, file, inline, disk = row
    return PayloadFacts(
        digest, checksum, name, nbytes, raw, head, dtype, shape, order, codec, file, inline, disk, number
    )
