"""The process and its machine, as the index remembers them: once per process, at its first write."""

from __future__ import annotations

import os
import sys

from resultstore import _clock
from resultstore._facts import RunFacts, plain_text

_LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "polars", "sklearn", "skimage", "torch", "jax", "xarray")


def describe_run() -> RunFacts:
    """Return the facts of this process: who computes, where, with which libraries loaded."""
    import platform  # here, and not at every start

    return RunFacts(
        started_at=_clock.now(),
        process=os.getpid(),
        host=plain_text(platform.node()),
        username=plain_text(_user()),
        program=plain_text(str(sys.argv[0])) if sys.argv else "",
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        boot=boot_id(),
        packages={n: str(v) for n in _LIBRARIES if (v := getattr(sys.modules.get(n), "__version__", None))},
    )


def boot_id() -> str:
    """Return what identifies the present boot of this machine, or ``""`` where nothing does."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return ""
