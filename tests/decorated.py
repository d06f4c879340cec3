"""A module with a decorated function, as users write it."""

from __future__ import annotations

from resultstore import Store

store = Store(None)


@store.cache
def cube(x: int) -> int:
    """Return the third power."""
    return x**3
