"""What a lost index has left, for a repair to read: indexes and journals that were set aside, and payload files.

All of it counts in the budget, and none of it is deleted but to make room.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable

from resultstore import _clock
from resultstore._index.index import Index
from resultstore._journal import Journal
from resultstore._locks import Gate
from resultstore._report import logger
from resultstore._rights import check_no_link, make_folder, rights_of
from resultstore._sizes import format_size
from resultstore.blobs.base import Blobs

_YOUNG_S = 60.0
"""A file younger than this may be one whose row is just being written."""
_SHARE = 10
_TICK_NS = 50_000_000
_WAIT_S = 10.0


class Remains:
    """What lies in a store for a repair to read. What changes it needs the write gate, which the caller holds."""

    def __init__(self, place: str, index: Index, blobs: Blobs, journal: Journal) -> None:
        self._place = place
        self._index = index
        self._blobs = blobs
        self._journal = journal
        self._known: tuple[int, list[str]] = (-1, [])

    def indexes(self) -> list[str]:
        """Return the indexes that were set aside, oldest first."""
        from resultstore._index.damage import asides

        return asides(self._place)

    def journals(self) -> list[str]:
        """Return the journals that were set aside, oldest first."""
        return self._journal.asides()

    def files(self) -> list[str]:
        """Return all files that were set aside, and those that belong to them; listed anew when the folder changed."""
        try:
            changed = os.stat(self._place).st_mtime_ns
        except OSError:
            return []
        if self._known[0] == changed:
            return self._known[1]
        from resultstore._index.damage import SIDES, side_files

        found = [f for path in self.indexes() for f in (path, *(path + side for side in SIDES))]
        found = list(dict.fromkeys([*filter(os.path.lexists, [*found, *self.journals()]), *side_files(self._place)]))
        # File systems count time in ticks: what comes within the same one does not show.
        is_settled = abs(time.time_ns() - changed) > _TICK_NS
        self._known = changed if is_settled else -1, found
        return found

    def nbytes(self) -> int:
        """Return what the files that were set aside take on the disk."""
        total = 0
        for path in self.files():
            with contextlib.suppress(OSError):
                total += -(-os.lstat(path).st_size // 4096) * 4096
        return total

    def begin_anew(self) -> tuple[int, int] | None:
        """Set the journal aside of an index that is gone, as a new one is made in its place.

        Return the bytes of the payload files that lie there, and a place in the sequence of accesses that is after
        all of the old ones; None where nothing is left of an old index.
        """
        self._journal.set_aside()
        if not self.files():
            return None
        return self.payload_nbytes(), int(_clock.now() * 1000)

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        for name in self._blobs.names():
            with contextlib.suppress(OSError):
                sizes[name] = self._blobs.state(name).disk_nbytes
        return sizes

    def unclaimed(self) -> dict[str, int]:
        """Return the payload files that no row names, oldest first, with what they take on the disk."""
        found = []
        for name in self._blobs.names():
            with contextlib.suppress(OSError):
                state = self._blobs.state(name)
                if not self._index.has_file(name):
                    found.append((state.signature[2], name, state.disk_nbytes))
        return {name: disk for _, name, disk in sorted(found)}

    def give_up(self, nbytes: int) -> int:
        """Make room for so many bytes: by the oldest payloads that no row names, then by what was set aside."""
        if not self.files():
            return 0
        old_ns = time.time_ns() - int(_YOUNG_S * 1e9)
        unclaimed, freed = self.unclaimed(), 0
        at_least = max(nbytes, sum(unclaimed.values()) // _SHARE)  # to look for them takes longer than to delete them
        for name, disk in unclaimed.items():
            with contextlib.suppress(OSError):
                if freed < at_least and self._blobs.state(name).signature[2] < old_ns and self._blobs.delete(name):
                    freed += disk
        if freed:
            self._index.count_files(-freed)
        for path in self.files():
            if freed >= nbytes or unclaimed:
                break
            with contextlib.suppress(OSError):
                size = os.lstat(path).st_size
                os.unlink(path)
                freed += -(-size // 4096) * 4096
        logger.info("gave up %s that a repair could have read", format_size(freed))
        return freed

    def is_any(self) -> bool:
        """Say whether there is anything to repair from: also a journal whose index is gone."""
        try:
            return bool(self.files()) or (not self._index.connections.exists() and self._journal.nbytes() > 0)
        except OSError:  # a disk that fails for a moment says nothing of what there is
            return False

    def is_place(self) -> bool:
        """Say whether the directory is there."""
        return os.path.isdir(self._place)

    def are_without_index(self) -> bool:
        """Say whether payload files, or something to repair from, lie there and no index does."""
        if self._index.connections.exists():
            return False
        return self.is_any() or next(iter(self._blobs.names()), None) is not None

    def payload_nbytes(self) -> int:
        """Return what the payload files take on the disk, by looking at each."""
        return sum(self._sizes().values())

    def put_away(self, paths: Iterable[str]) -> list[str]:
        """Move files to ``quarantine/`` that nothing is to be got out of any more; return the names of those moved."""
        folder = os.path.join(self._place, "quarantine")
        make_folder(folder, rights_of(self._place))
        check_no_link(folder)
        moved = []
        for path in paths:
            name = os.path.basename(path)
            with contextlib.suppress(FileNotFoundError):  # somebody needed the room
                os.rename(path, os.path.join(folder, name))
                moved.append(name)
        return moved

    def clear(self) -> None:
        """Delete what was set aside, or an index that is gone has left, and the payload files of those calls."""
        if self.are_without_index():
            self._journal.set_aside()
        elif not self.files():
            return
        files = self.files()
        freed = 0
        for name, disk in self.unclaimed().items():
            with contextlib.suppress(OSError):
                freed += disk * self._blobs.delete(name)
        if self._index.connections.exists():
            self._index.count_files(-freed)
        for path in files:
            with contextlib.suppress(OSError):
                os.unlink(path)


class Heal:
    """Keeps a store going whose index is damaged, or was taken away while it was open."""

    def __init__(self, index: Index, gate: Gate, warn: Callable[[str, str, str], None]) -> None:
        self._index = index
        self._gate = gate
        self.warn = warn
        self._untold: list[str] = []

    def __call__(self, error: BaseException) -> bool:
        """Set the index aside if an error says that it is damaged, and it is; say whether to try again."""
        from resultstore._index.damage import is_damage

        if not is_damage(error):
            return isinstance(error, sqlite3.Error) and self.move_over(_WAIT_S)
        path = self._index.connections.path
        try:
            with self._gate.held(_WAIT_S):
                aside = self._index.connections.set_aside(error)
        except (OSError, sqlite3.Error):  # a read-only directory, say; the caller tells what it met
            return False
        if aside:
            what = (
                f"the index {path} is damaged ({error}). It was set aside as {os.path.basename(aside)}, and a new one "
                "takes its place. store.repair() brings back all that can be read"
            )
            self._untold.append(what)
        return aside is not None

    def tell(self) -> None:
        """Warn of what was set aside, now that all is safe that was at hand: a warning may be an error."""
        while self._untold:
            self.warn("", "index", self._untold.pop())

    def move_over(self, wait_s: float) -> bool:
        """Let go of an index, or a log, that is no more in its place; say whether it was so."""
        if not self._index.connections.is_lost():
            return False
        try:
            with self._gate.held(wait_s):
                self._index.connections.close()
        except OSError:  # nobody can write there; hits go on
            return False
        return True
