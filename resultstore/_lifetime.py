"""The ends of a process and its forks: what every open store must be told of them."""

from __future__ import annotations

import atexit
import contextlib
import os
import weakref
from typing import Protocol

_FORK_WAIT_S = 10.0


class Living(Protocol):
    """Something that holds connections, locks, and accesses that wait to be written."""

    def pause(self, wait_s: float) -> bool:
        """Let no thread hold a lock that a forked child would inherit; say what `resume` must be told."""

    def resume(self, *, paused: bool) -> None:
        """Let threads go on, in the parent."""

    def abandon(self) -> None:
        """Start anew, in the child."""

    def close(self) -> None:
        """Write what waits and close all files."""


_living: weakref.WeakSet[Living] = weakref.WeakSet()
_paused: list[tuple[Living, bool]] = []


def register(living: Living) -> None:
    """Tell this one of forks and of the end, as long as it lives."""
    _living.add(living)


def close_all() -> None:
    """Close everything: the process ends."""
    for living in list(_living):
        with contextlib.suppress(Exception):
            living.close()


def _before_fork() -> None:
    """Wait until no thread is inside SQLite or holds a gate: the child would find their locks taken for ever."""
    _paused.extend((living, living.pause(_FORK_WAIT_S)) for living in list(_living))


def _after_fork_in_parent() -> None:
    while _paused:
        living, paused = _paused.pop()
        living.resume(paused=paused)


def _after_fork_in_child() -> None:
    _paused.clear()
    for living in list(_living):
        living.abandon()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
