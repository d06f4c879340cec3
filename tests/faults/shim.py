"""The shim as Python sees it: compiled where there is a compiler, loaded before the C library, armed from inside."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

MAKE, OPEN, WRITE, REMOVE, READ, SYNC, LOCK, LOOK, MAP = (1 << bit for bit in range(9))
KILL, FAIL, TEAR, INTERRUPT, COUNT = range(1, 6)
CHANGES = MAKE | WRITE | REMOVE | SYNC
ANYTHING = (1 << 9) - 1
VARIABLE = "RESULTSTORE_FAULT_SHIM"


def why_not() -> str:
    """Return why the shim cannot be used here, or an empty text."""
    if not sys.platform.startswith("linux"):
        return "the shim knows the C library of Linux only"
    if shutil.which("cc") is None:
        return "there is no C compiler"
    return ""


def compile_shim(folder: Path) -> Path:
    """Compile the shim into a folder."""
    built = folder / "shim.so"
    source = Path(__file__).with_name("shim.c")
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run(
        ["cc", *flags, "-o", str(built), str(source), "-ldl", "-lpthread"],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return built


def environment(built: Path) -> dict[str, str]:
    """Return the environment of a process that runs with the shim."""
    return os.environ | {"LD_PRELOAD": str(built), VARIABLE: str(built)}


class Shim:
    """The shim of this process, which was started with it."""

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(os.environ[VARIABLE])
        self._lib.fault_arm.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_int, ctypes.c_int]
        self._lib.fault_disarm.restype = ctypes.c_long
        self._lib.fault_clock.argtypes = [ctypes.c_double]
        self._lib.fault_mark.argtypes = [ctypes.c_long]

    def watch(self, folder: Path) -> None:
        """Count operations below a folder from now on, and know its files."""
        self._lib.fault_watch(os.fsencode(folder))

    def arm(self, action: int, kinds: int, at: int = 0, error: int = 0, *, lasting: bool = False) -> None:
        """Let a fault befall the operation that comes at this place among those of these kinds."""
        self._lib.fault_arm(action, kinds, at, error, int(lasting))

    def disarm(self) -> int:
        """Let all go well again; return how many operations were counted."""
        return int(self._lib.fault_disarm())

    @property
    def fired(self) -> bool:
        """Whether the fault has happened."""
        return bool(self._lib.fault_fired())

    def trace(self, fd: int) -> None:
        """Write a line for the operation that is befallen, and for each one that is counted."""
        self._lib.fault_trace(fd)

    def log(self, fd: int) -> None:
        """Write down all that changes."""
        self._lib.fault_log(fd)

    def mark(self, number: int) -> None:
        """Write a mark into what is written down."""
        self._lib.fault_mark(number)

    def boot(self, path: Path) -> None:
        """Take this file for what the system says of its boot."""
        self._lib.fault_boot(os.fsencode(path))

    @contextlib.contextmanager
    def clock(self, offset_s: float) -> Iterator[None]:
        """Move the wall clock of this process."""
        self._lib.fault_clock(offset_s)
        try:
            yield
        finally:
            self._lib.fault_clock(0.0)
