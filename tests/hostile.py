"""How to forge rows that are whole: with every digest and checksum right, as somebody writes them who knows the format."""

from __future__ import annotations

import pathlib
import pickle
import sqlite3
from pathlib import Path
from typing import Any

from blake3 import blake3

from resultstore._data import Data
from resultstore._facts import PayloadFacts
from resultstore._identity.encoding import digest
from resultstore._index import hot
from resultstore._index.index import CallRow, _leaf
from resultstore._verifying import row_checksum
from resultstore.formats.base import checksum, opaque_digest
from resultstore.formats.registry import format_named


class Planted(Data):
    """A payload as somebody plants it."""

    format: str
    body: bytes
    head: bytes = b""
    dtype: str | None = None
    shape: str | None = None
    order: str | None = "C"
    codec: str | None = None
    raw_nbytes: int | None = None
    head_nbytes: int | None = None
    file: str | None = None
    """Its name below ``payloads``; without one it lies in the index."""


class Bomb:
    """A pickle that leaves a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return pathlib.Path.touch, (self.path,)


def bomb(path: Path) -> bytes:
    """Return a pickle that makes a file when it is loaded."""
    return pickle.dumps(Bomb(path))


def forge(folder: Path, key: bytes, kind: str, *leaves: Planted, text: str | None = None, integer: Any = None) -> None:
    """Give a stored call another result, consistent in every way."""
    connection = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
    try:
        (call_id,) = connection.execute("SELECT id FROM call WHERE key = ?", (key,)).fetchone()
        connection.execute("DELETE FROM result_leaf WHERE call_id = ?", (call_id,))
        for i, leaf in enumerate(leaves):
            connection.execute(
                "INSERT INTO result_leaf VALUES (?, ?, ?, '', 1)", (call_id, i, _add_payload(connection, folder, leaf))
            )
        connection.execute(
            "UPDATE call SET state = 'stored', kind = ?, text = ?, integer = ?, number = NULL, leaf_count = ? WHERE id = ?",
            (kind, text, integer, len(leaves), call_id),
        )
        row = CallRow(*connection.execute(hot.FETCH, {"key": key}).fetchone())
        found = tuple(map(_leaf, connection.execute(hot.LEAVES, {"call_id": call_id}).fetchall()))
        connection.execute("UPDATE call SET checksum = ? WHERE id = ?", (row_checksum(key, row, found), call_id))
    finally:
        connection.close()


def _add_payload(connection: sqlite3.Connection, folder: Path, leaf: Planted) -> int:
    stored = leaf.head + leaf.body
    row = {
        "digest": _digest(leaf),
        "checksum": checksum(b"" if leaf.codec else leaf.head, blake3(stored if leaf.codec else leaf.body).digest()),
        "format": leaf.format,
        "codec": leaf.codec,
        "nbytes": len(stored),
        "raw_nbytes": len(leaf.body) if leaf.raw_nbytes is None else leaf.raw_nbytes,
        "head_nbytes": len(leaf.head) if leaf.head_nbytes is None else leaf.head_nbytes,
        "dtype": leaf.dtype,
        "shape": leaf.shape,
        "memory_order": leaf.order,
        "file": leaf.file,
        "disk_nbytes": 0,
        "inline": stored if leaf.file is None else None,
    }
    if leaf.file is not None:
        path = folder / "payloads" / leaf.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored)
    return connection.execute(hot.ADD_PAYLOAD, row).lastrowid or 0


def _digest(leaf: Planted) -> bytes:
    body_hash = blake3(leaf.body).digest()
    if leaf.format == "bytes":
        return digest(leaf.body)
    if leaf.format == "npy":
        facts = PayloadFacts(
            b"", b"", "npy", 0, len(leaf.body), len(leaf.head), leaf.dtype, leaf.shape, leaf.order
        )  # fmt: skip
        try:
            holder, view = format_named("npy").room(facts)
        except Exception:  # nobody will get as far as this
            return bytes(32)
        view[:] = leaf.body
        return format_named("npy").digest(holder, body_hash)
    return opaque_digest(leaf.format)(body_hash)
