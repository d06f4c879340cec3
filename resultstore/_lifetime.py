"""The ends of a process and its forks: what every open store must be told of them."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
import weakref
from typing import Protocol

_FORK_WAIT_S = 10.0
_FORK_TRIES = 100
_IMPORT_WAIT_S, _IMPORT_PAUSE_S = 1.0, 0.0005
_forking = threading.RLock()
"""Held through a fork: what one thread has paused, another one that forks as well must not resume."""
_forker: int | None = None
_held = False
is_over = False
"""Whether the process has begun to end: nobody will write what waits from now on."""


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


_living: weakref.WeakValueDictionary[int, Living] = weakref.WeakValueDictionary()
"""By `id`, and not a `WeakSet`: its references are listed in one step, whoever comes or goes meanwhile."""
_paused: list[tuple[Living, bool]] = []
opening = threading.RLock()
"""Held while anything inside SQLite is opened or closed, and by stores that are only being made or dropped.

A fork waits for it, and the child gets a new one.
"""


def register(living: Living) -> None:
    """Tell this one of forks and of the end, as long as it lives."""
    with opening:
        _living[id(living)] = living


def unregister(living: Living) -> None:
    """Forget one that is being dropped. The caller holds `opening`."""
    _living.pop(id(living), None)


def living() -> list[Living]:
    """Return all that live."""
    return [living for ref in _living.valuerefs() if (living := ref()) is not None]


def _end() -> None:
    global is_over  # noqa: PLW0603 -- there is one process
    is_over = True
    close_all()


def close_all() -> None:
    """Close everything: the process ends."""
    for one in living():
        with contextlib.suppress(Exception):
            one.close()


def _before_fork() -> None:
    """Wait until no thread is inside SQLite or holds a gate: the child would find their locks taken for ever."""
    global _forker, _held  # noqa: PLW0603 -- there is one process
    if not _forking.acquire(timeout=_FORK_WAIT_S):
        return
    _forker = threading.get_ident()
    for _ in range(_FORK_TRIES):
        known = {id(one) for one, _ in _paused}
        _paused.extend((one, one.pause(_FORK_WAIT_S)) for one in living() if id(one) not in known)
        _held = opening.acquire(timeout=_FORK_WAIT_S)  # last: a thread that reads may be opening a connection
        known = {id(one) for one, _ in _paused}
        if not _held or all(id(one) in known for one in living()):
            _wait_for_imports()
            return
        opening.release()  # one has come meanwhile
        _held = False


def _wait_for_imports() -> None:
    """Wait until no other thread imports: the child would find a module's lock taken for ever, perhaps inside a gate.

    What our calls need is imported where it is first needed, so that it is our threads that may be at it. A large
    library takes seconds on a busy machine, module by module; an import in which nothing goes on may never end.
    """
    if not _living:
        return
    began = goes_on = time.monotonic()
    before: set[tuple[str, int]] = set()
    while others := _others_import():
        now = time.monotonic()
        if others != before:
            before, goes_on = others, now
        if now - goes_on > _IMPORT_WAIT_S or now - began > _FORK_WAIT_S:
            return
        time.sleep(_IMPORT_PAUSE_S)


def _others_import() -> set[tuple[str, int]]:
    """Return what other threads are importing: the modules, and the threads."""
    locks = getattr(sys.modules.get("_frozen_importlib"), "_module_locks", {})
    owned = {(name, getattr(ref(), "owner", None)) for name, ref in list(locks.items())}
    return {(name, owner) for name, owner in owned if owner not in (None, threading.get_ident())}


def _after_fork_in_parent() -> None:
    global _forker, _held  # noqa: PLW0603 -- there is one process
    if _forker != threading.get_ident():
        return
    if _held:
        _held = False
        opening.release()
    while _paused:
        one, paused = _paused.pop()
        one.resume(paused=paused)
    _forker = None
    _forking.release()


def _after_fork_in_child() -> None:
    global opening, _forking, _forker, _held
    opening, _forking, _forker, _held = threading.RLock(), threading.RLock(), None, False
    # Those of threads that the child does not have are held by nobody else now, and must not be dropped
    # before they have been told: dropping would close what the parent uses.
    for one in {id(one): one for one in (*(one for one, _ in _paused), *living())}.values():
        one.abandon()
    _paused.clear()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
