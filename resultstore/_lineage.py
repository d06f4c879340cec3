"""Who calls whom: the stack of cached calls that are being computed in the present context."""

from __future__ import annotations

import contextlib
from contextvars import ContextVar

_children: ContextVar[list[tuple[str, bytes]] | None] = ContextVar("resultstore_children", default=None)


class Running:
    """Collects the cached calls made inside, of any store: (the store's place, the key)."""

    __slots__ = ("_token",)

    def __enter__(self) -> list[tuple[str, bytes]]:
        mine: list[tuple[str, bytes]] = []
        self._token = _children.set(mine)
        return mine

    def __exit__(self, *ended: object) -> None:
        with contextlib.suppress(ValueError):  # a coroutine that nobody awaits is closed in whatever context
            _children.reset(self._token)


def note(place: str, key: bytes) -> None:
    """Tell the call that is being computed, if any, that it made this one."""
    children = _children.get()
    if children is not None:
        children.append((place, key))
