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
_was_ours = False
"""Whether the thread that forks held `opening` before."""
is_over = False
"""Whether the process has begun to end: nobody will write what waits from now on."""


class Living(Protocol):
    """Something that holds connections, locks, and accesses that wait to be written."""

    def pause(self, wait_s: float) -> None:
        """Let no thread hold a lock that a forked child would inherit."""

    def resume(self) -> None:
        """Let threads go on, in the parent, wherever an interrupt has ended the pausing."""

    def abandon(self) -> None:
        """Start anew, in the child."""

    def close(self) -> None:
        """Write what waits and close all files."""


_living: weakref.WeakValueDictionary[int, Living] = weakref.WeakValueDictionary()
"""By `id`, and not a `WeakSet`: its references are listed in one step, whoever comes or goes meanwhile."""
_paused: list[Living] = []
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
    global _was_ours  # noqa: PLW0603 -- there is one process
    if not _forking.acquire(timeout=_FORK_WAIT_S):
        return
    _was_ours = opening._is_owned()  # type: ignore[attr-defined]
    for _ in range(_FORK_TRIES):
        known = set(map(id, _paused))
        for one in living():
            if id(one) not in known:
                _paused.append(one)  # first, for an interrupt may end the pausing
                one.pause(_FORK_WAIT_S)
        # Last: a thread that reads may be opening a connection.
        held = _was_ours or opening.acquire(timeout=_FORK_WAIT_S)
        known = set(map(id, _paused))
        if not held or all(id(one) in known for one in living()):
            _wait_for_imports()
            return
        _let_go()  # one has come meanwhile


def _let_go() -> None:
    # Whether it was taken is not remembered: an interrupt may have come before that.
    if not _was_ours:
        with contextlib.suppress(RuntimeError):
            opening.release()


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
    if not _forking._is_owned():  # type: ignore[attr-defined]
        return
    _let_go()
    while _paused:
        _paused.pop().resume()
    _forking.release()


def _after_fork_in_child() -> None:
    global opening, _forking
    opening, _forking = threading.RLock(), threading.RLock()
    # Those of threads that the child does not have are held by nobody else now, and must not be dropped
    # before they have been told: dropping would close what the parent uses.
    for one in {id(one): one for one in (*_paused, *living())}.values():
        one.abandon()
    _paused.clear()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
