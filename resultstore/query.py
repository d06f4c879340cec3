"""What to look for: a query as plain data, without SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Query:
    """Which calls to find: all conditions must hold."""

    functions: tuple[str, ...] = ()
    """The function's full name, and earlier ones; none for calls of all functions."""
    arguments: Mapping[str, bytes] = field(default_factory=dict)
    """For each of these arguments, the token of its value."""
    key: bytes | None = None
    """The key of a single call."""
