"""Reading a damaged index: every row that can be read, whatever lies around it.

What SQLite will not open is read from a copy: one that was cut is padded with zeros to its length, and one whose
first page is garbage gets that of a fresh index, with what belongs to it. Tables are read by ranges of row numbers,
which are halved where they cannot be read, so that a damaged page costs its own rows. Nothing is believed of what is
read: whoever admits it compares checksums.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from resultstore._index.damage import SIDES, table_names
from resultstore._index.making import LONGEST, STRANGE, fill
from resultstore._index.opened import ERRORS

_PAGE = 4096
_MOST_FAILURES = 200_000
_MOST_PAGES = 1 << 28  # a terabyte: a file with holes takes nothing
_HIGHEST, _ROWS_A_PAGE = 62, 128
_HEAD_NBYTES = 100
_INTERIOR = 5


class Salvage:
    """A damaged index, opened to be read. Close it in the end."""

    def __init__(self, path: str, scratch: str) -> None:
        self.unreadable = 0
        """Ranges of rows that could not be read."""
        self._connection = _open_best(path, scratch)
        self._columns: dict[str, set[str]] = {}

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()

    def scan(self, table: str, columns: Sequence[str], number: str = "id") -> Iterator[tuple[Any, ...]]:
        """Yield the readable rows of a table, in the order of a column of numbers, which comes first."""
        sql = f"{self._select(table, (number, *columns))} WHERE {number} BETWEEN ? AND ? ORDER BY {number}"
        waiting = [(0, 2**_HIGHEST)]
        failures, lost = 0, -1
        while waiting and failures < _MOST_FAILURES:
            low, high = waiting.pop()
            try:
                for row in self._rows(sql, (low, high)):
                    if type(row[0]) is int and low <= row[0] <= high:
                        yield row
                        low = max(low, row[0] if number != "id" else row[0] + 1)
            except ERRORS:
                failures += 1
                if high == 2**_HIGHEST:
                    high = self._highest(table, number)
                if low < high:
                    middle = (low + high) // 2
                    waiting += (middle + 1, high), (low, middle)
                elif low == high:
                    self.unreadable += low != lost + 1  # rows one after the other are one place
                    lost = low

    def by_number(self, table: str, columns: Sequence[str], number: str, value: int) -> list[tuple[Any, ...]]:
        """Return the rows of a table with this number, as far as they can be read."""
        rows: list[tuple[Any, ...]] = []
        try:
            for row in self._rows(f"{self._select(table, columns)} WHERE {number} = ?", (value,)):
                rows.append(row)  # noqa: PERF402 -- those before an error count
        except ERRORS:
            self.unreadable += 1
        return rows

    def all_rows(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return the rows of a table without numbers, up to the first that cannot be read, from either end."""
        rows: dict[tuple[Any, ...], None] = {}
        for order in ("", " ORDER BY 1 DESC"):
            try:
                for row in self._rows(self._select(table, columns) + order, ()):
                    rows[row] = None
            except ERRORS:
                self.unreadable += 1
            else:
                break
        return list(rows)

    def _select(self, table: str, columns: Sequence[str]) -> str:
        """Return a SELECT of a table itself, not of its indexes; what an older schema lacks comes as NULL."""
        known = self._columns.get(table)
        if known is None:
            with contextlib.suppress(*ERRORS):
                known = {row[1] for row in self._rows(f"PRAGMA table_info({table})", ())}
            known = self._columns[table] = known or set()
        return f"SELECT {', '.join(c if c in known else 'NULL' for c in columns)} FROM {table} NOT INDEXED"  # noqa: S608

    def _rows(self, sql: str, values: Sequence[int]) -> Iterator[tuple[Any, ...]]:
        if self._connection is not None:
            yield from self._connection.execute(sql, values)

    def _highest(self, table: str, number: str) -> int:
        """Return a number that no row is beyond; -1 for a table of which nothing can be read.

        The greatest number there is may not be asked for: a damaged last page says anything.
        """
        one = f"SELECT 1 FROM {table} NOT INDEXED WHERE {number} = ?"  # noqa: S608
        if all(self._count(one, 2**power) is None for power in range(_HIGHEST)):
            self.unreadable += 1
            return -1
        beyond = f"SELECT 1 FROM {table} NOT INDEXED WHERE {number} > ? LIMIT 1"  # noqa: S608
        bound: int = 2**_HIGHEST
        while bound > 1 and self._count(beyond, bound // 2) == 0:
            bound //= 2
        pages = 0
        with contextlib.suppress(*ERRORS):
            pages = sum(int(row[0]) for row in self._rows("PRAGMA page_count", ()))
        return min(bound, pages * _ROWS_A_PAGE)

    def _count(self, sql: str, value: int) -> int | None:
        try:
            return sum(1 for _ in self._rows(sql, (value,)))
        except ERRORS:
            return None


# -- opening what will not be opened -----------------------------------------------------------


def _open_best(path: str, scratch: str) -> sqlite3.Connection | None:
    """Open an index in the way in which most of its tables can be read."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode) or not os.path.getsize(path):
            return None
    except OSError:
        return None
    best, most = None, 0
    for way in (_as_it_is, _padded, _with_head, _with_head_alone):
        try:
            connection = way(path, scratch)
        except (OSError, *ERRORS):
            continue
        readable = 0 if _is_strange(connection) else _readable_tables(connection)
        if readable > most:
            if best is not None:
                best.close()
            best, most = connection, readable
        else:
            connection.close()
        if most == len(table_names()):
            break
    return best


def _is_strange(connection: sqlite3.Connection) -> bool:
    """Say whether reading could run for ever: somebody has put views in the place of tables."""
    with contextlib.suppress(*ERRORS):
        return connection.execute(STRANGE).fetchone() is not None
    return False


def _readable_tables(connection: sqlite3.Connection) -> int:
    count = 0
    for name in table_names():
        with contextlib.suppress(*ERRORS):
            connection.execute(f"SELECT 1 FROM {name} NOT INDEXED LIMIT 1").fetchall()  # noqa: S608
            count += 1
    return count


def _connect(path: str, mode: str) -> sqlite3.Connection:
    uri = f"file:%{os.fsencode(path).hex('%')}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
    connection.text_factory = lambda data: data.decode("utf-8", "replace")
    return connection


def _as_it_is(path: str, scratch: str) -> sqlite3.Connection:
    connection = _connect(path, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except ERRORS:
        connection.close()
        raise
    return connection


def _padded(path: str, scratch: str) -> sqlite3.Connection:
    return _changed(path, scratch, log=True, head=False)


def _with_head(path: str, scratch: str) -> sqlite3.Connection:
    return _changed(path, scratch, log=True, head=True)


def _with_head_alone(path: str, scratch: str) -> sqlite3.Connection:
    return _changed(path, scratch, log=False, head=True)


def _changed(path: str, scratch: str, *, log: bool, head: bool) -> sqlite3.Connection:
    """Open a copy of an index that is as long as it says, or has a fresh head. Its files are unlinked at once."""
    copy = os.path.join(scratch, f"{os.getpid()}-{os.urandom(6).hex()}")
    try:
        shutil.copyfile(path, copy)
        os.chmod(copy, 0o600)
        if log and os.path.exists(path + "-wal"):
            shutil.copyfile(path + "-wal", copy + "-wal")
        with open(copy, "r+b") as file:
            pages = -(-os.fstat(file.fileno()).st_size // _PAGE)
            if head:
                _put_head(file, copy + "-head", pages, log=log)
            else:
                pages = max(pages, min(struct.unpack(">I", file.read(_HEAD_NBYTES)[28:32])[0], _MOST_PAGES))
            file.truncate(pages * _PAGE)
        connection = _connect(copy, "rw")
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        except ERRORS:
            connection.close()
            raise
    finally:
        for side in ("", "-head", *SIDES):
            with contextlib.suppress(OSError):
                os.unlink(copy + side)
    return connection


def _put_head(file: Any, scratch: str, pages: int, *, log: bool) -> None:
    """Write the first page of a fresh index, and those of its list of tables, over those of a damaged one."""
    with contextlib.closing(sqlite3.connect(scratch, isolation_level=None)) as connection:
        fill(connection, {}, None)
    with open(scratch, "rb") as fresh:
        head = bytearray(fresh.read(_PAGE))
        for number in _children(head):
            fresh.seek((number - 1) * _PAGE)
            file.seek((number - 1) * _PAGE)
            file.write(fresh.read(_PAGE))
    head[18:20] = bytes([1 + log, 1 + log])  # whether it has a write-ahead log
    head[28:32] = struct.pack(">I", pages)
    head[92:96] = head[24:28]  # only then its count of pages is believed
    file.seek(0)
    file.write(head)


def _children(head: bytes | bytearray) -> list[int]:
    """Return the pages that the tree of the first page consists of, beside it."""
    if head[_HEAD_NBYTES] != _INTERIOR:
        return []
    count = struct.unpack_from(">H", head, _HEAD_NBYTES + 3)[0]
    cells = struct.unpack_from(f">{count}H", head, _HEAD_NBYTES + 12)
    last = struct.unpack_from(">I", head, _HEAD_NBYTES + 8)[0]
    return [struct.unpack_from(">I", head, cell)[0] for cell in cells] + [last]
