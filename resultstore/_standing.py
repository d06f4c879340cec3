"""What another thread of this process stands still for, as far as can be seen from outside."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_RLOCK = type(threading.RLock())


def waits_for_threads(thread: int) -> bool:
    """Say whether a thread stands still until another one is done: in a join, a queue, a future's result."""
    frame = sys._current_frames().get(thread)
    name = "" if frame is None else frame.f_globals.get("__name__", "")
    return name in ("threading", "queue") or name.startswith("joblib.")


def needs_lock_of_ours(thread: int) -> bool:
    """Say whether what a thread is at names a lock that the present thread holds, and may take again itself.

    Only those count, and those of imports: with another kind the present thread could not compute either.
    """
    frame = sys._current_frames().get(thread)
    me = threading.get_ident()
    return frame is not None and any(_is_held(value, me) for value in _named(frame))


def _is_held(value: Any, thread: int) -> bool:
    if type(value) is _RLOCK:
        return f" owner={thread} " in repr(value)  # nothing else tells it
    return type(value).__name__ == "_ModuleLock" and vars(value).get("owner") == thread


def _named(frame: FrameType) -> Iterator[Any]:
    """Yield the values that a frame's code may reach by a name, or by one attribute; none of their code runs."""
    names = frame.f_code.co_names
    near = [*frame.f_locals.values(), *(frame.f_globals[name] for name in names if name in frame.f_globals)]
    for value in near:
        yield value
        for holder in (value, *type(value).__mro__):
            try:
                attributes = object.__getattribute__(holder, "__dict__")
            except AttributeError:
                continue
            yield from (attributes[name] for name in names if name in attributes)
