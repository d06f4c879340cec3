"""The store's directory: how it is made, and whether it is ours alone."""

from __future__ import annotations

import contextlib
import os
import stat


def make_place(place: str) -> None:
    """Make the directory at the first write; an existing one is only added to."""
    if os.path.isdir(place):
        return
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(place, 0o700)
        # Marks for backup programs and git; never put into a directory that was somebody's before.
        _write_mark(place, "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# made by resultstore\n")
        _write_mark(place, ".gitignore", "# made by resultstore\n*\n")


def others_can_write(place: str) -> bool:
    """Say whether the world, or a group that is not the user's own, can write to a directory."""
    try:
        mode = os.stat(place)
    except OSError:
        return False
    if mode.st_mode & stat.S_IWOTH:
        return True
    return bool(mode.st_mode & stat.S_IWGRP) and hasattr(os, "getgid") and mode.st_gid != os.getgid()


def _write_mark(folder: str, name: str, text: str) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
