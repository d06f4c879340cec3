"""What the encoders of compiled classes share: a value is its class, what that is made of, and attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from resultstore._identity.encoding import Node, named
from resultstore._identity.instances import refused
from resultstore._identity.vouching import vouched_compiled

Told = Callable[[Any], tuple[Any, ...]]


def compiled(kind: type, told: Told, kept: Callable[[Any], dict[str, Any]] | None = None) -> Callable[[Any], Node]:
    """Return the encoder of a library's own class, of which all that its instances are made of is known.

    Parameters
    ----------
    kind
        The class; instances of subclasses may hold more, and are refused.
    told
        Returns what an instance is made of.
    kept
        Returns the attributes that an instance was given, where they are not simply all that it has.
    """

    def node(value: Any) -> Node:
        if type(value) is not kind:
            raise refused(value, f": it derives from {kind.__qualname__}, and may keep more than that does")
        entry = vouched_compiled(kind)
        if entry is None:
            raise refused(value, ": a method of its class was replaced, or no distribution has it")
        own = getattr(value, "__dict__", {}) if kept is None else kept(value)
        return named("compiled", (("class", *entry), told(value), dict(own)))

    return node
