"""Iterators: what can be read once only. No format takes them, for writing one would use it up."""

from __future__ import annotations

import io
from typing import Any


def is_iterator(kind: type) -> bool:
    """Say whether values of a type are iterators, ``async`` ones too; files in memory hold what they give."""
    return (hasattr(kind, "__next__") or hasattr(kind, "__anext__")) and not issubclass(kind, io.IOBase)


def what_to_do(kind: type) -> str:
    """Return why an iterator is not stored, and what helps."""
    return f'a {kind.__qualname__} can be read only once: return a list, or decorate with iterators="list"'


def listed(result: Any) -> Any:
    """Return an iterator's items as a list; any other value, files and ``async`` iterators too, as it is."""
    kind = type(result)
    return list(result) if is_iterator(kind) and hasattr(kind, "__next__") else result
