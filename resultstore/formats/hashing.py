"""The BLAKE3 hash of stored bytes, with as many threads as have a core to run on."""

from __future__ import annotations

import os
import threading

from blake3 import blake3

from resultstore.formats.base import Buffer

THREADS_NBYTES = 1 << 24
"""From here on several threads gain more than their start costs."""
BESIDE_NBYTES = 1 << 22
"""From here on hashing in a thread beside the write gains more than the thread's start costs."""
_MOST_THREADS = 8


def hash_of(*pieces: Buffer) -> bytes:
    """Return the BLAKE3 hash of some bytes, given in one piece or several."""
    threads = 1
    if sum(map(len, pieces)) >= THREADS_NBYTES:
        threads = min(1 + idle_cores(), _MOST_THREADS)
    # Never blake3.AUTO: its threads are shared, and a child forked after their start would wait for them for ever.
    hasher = blake3(max_threads=threads)
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest()


def idle_cores() -> int:
    """Return how many cores nobody uses at this moment: on a busy machine threads only get into each other's way."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        fd = os.open("/proc/loadavg", os.O_RDONLY)
        try:
            running = int(os.read(fd, 100).split()[3].partition(b"/")[0])
        finally:
            os.close(fd)
    except (OSError, ValueError, IndexError):  # no Linux; the mean of the last minute is all there is
        running = round(os.getloadavg()[0]) + 1 if hasattr(os, "getloadavg") else cores
    return max(cores - running, 0)


class HashBeside:
    """The hash of some bytes, made in a thread of its own while something else is done with them.

    Whoever starts it must take the result, whatever happens meanwhile: until then the bytes are in use.
    """

    def __init__(self, *pieces: Buffer) -> None:
        self._pieces = pieces
        self._hash: bytes | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._run, name="resultstore-hash", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads, or the process is ending
            self._thread = None

    def _run(self) -> None:
        self._hash = hash_of(*self._pieces)

    def result(self) -> bytes:
        """Wait for the hash."""
        if self._thread is not None:
            self._thread.join()
        return hash_of(*self._pieces) if self._hash is None else self._hash
