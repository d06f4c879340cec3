"""Who calls whom: the stack of cached calls that are being computed in the present context."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

_children: ContextVar[list[tuple[str, bytes]] | None] = ContextVar("resultstore_children", default=None)


@contextlib.contextmanager
def running() -> Iterator[list[tuple[str, bytes]]]:
    """Collect the cached calls made inside, of any store: (the store's place, the key)."""
    mine: list[tuple[str, bytes]] = []
    token = _children.set(mine)
    try:
        yield mine
    finally:
        _children.reset(token)


def note(place: str, key: bytes) -> None:
    """Tell the call that is being computed, if any, that it made this one."""
    children = _children.get()
    if children is not None:
        children.append((place, key))
