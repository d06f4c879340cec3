"""Types whose users say what identifies their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload

from resultstore._identity.encoding import LEAVES, NODES, REGISTERED, Node, named
from resultstore.errors import DigestError, OptionError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[[Any], Any])

_OURS = frozenset({*LEAVES, *NODES, object, type})
"""Types that every key relies on."""


@overload
def register_digest(kind: type[T], function: Callable[[T], Any], *, subclasses: bool = False) -> Callable[[T], Any]: ...
@overload
def register_digest(kind: type[Any], function: None = None, *, subclasses: bool = False) -> Callable[[F], F]: ...
def register_digest(kind: Any, function: Any = None, *, subclasses: bool = False) -> Any:
    """Say what identifies the values of a type, for this process.

    Their digest is made of the type's name and of what the function returns; neither the type's code
    nor the function's enters. Give a changed rule another shape, so that what was keyed by the old one
    is not found: return ``("2", value.id)``, say.

    Parameters
    ----------
    kind : type
        The type. Plain values and containers of Python's cannot be registered.
    function : callable, optional
        Takes a value, and returns anything that has a digest: texts, numbers, arrays, tuples of such.
        Without it, a decorator is returned.
    subclasses : bool, default False
        Whether subclasses are identified in the same way, each under its own name.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    OptionError
        If the type is none that can be registered.

    See Also
    --------
    unregister_digest : The way back.

    Notes
    -----
    A class of one's own can have a method ``__resultstore_digest__(self)`` instead. It returns what
    identifies the instance; what the class does counts as well.

    Examples
    --------
    >>> import threading
    >>> from resultstore import digest, register_digest, unregister_digest
    >>> @register_digest(threading.Event)
    ... def state(event):
    ...     return event.is_set()
    >>> digest(threading.Event()) == digest(threading.Event())
    True
    >>> unregister_digest(threading.Event)
    """
    if not isinstance(kind, type):
        raise OptionError("kind", kind, "write a type: register_digest(Mesh, lambda mesh: mesh.points)")
    if kind in _OURS:
        raise OptionError("kind", kind, "its values have a digest that every store relies on; register a type of yours")
    if function is None:
        return lambda f: register_digest(kind, f, subclasses=subclasses)
    if not callable(function):
        raise OptionError("function", function, "this needs to be callable")

    def node(value: Any) -> Node:
        try:
            told = function(value)
        except Exception as error:  # it is anyone's code
            name = f"{type(value).__module__}.{type(value).__qualname__}"
            problem = f"what is registered for it raised {type(error).__name__}: {error}"
            raise DigestError(f"a {name} has no digest: {problem}") from error
        if told is value:
            name = f"{type(value).__module__}.{type(value).__qualname__}"
            raise DigestError(f"a {name} has no digest: what is registered for it returned the object itself")
        return named("registered", (type(value).__module__, type(value).__qualname__, told))

    from resultstore._identity.instances import WITH_SUBCLASSES

    unregister_digest(kind)
    REGISTERED[kind] = NODES[kind] = node
    LEAVES.pop(kind, None)
    if subclasses:
        WITH_SUBCLASSES[kind] = node
    return function


def unregister_digest(kind: type) -> None:
    """Take back what `register_digest` said of a type; nothing happens if it said nothing.

    Examples
    --------
    >>> import threading
    >>> from resultstore import unregister_digest
    >>> unregister_digest(threading.Event)
    """
    from resultstore._identity.instances import WITH_SUBCLASSES

    if REGISTERED.pop(kind, None) is not None:
        NODES.pop(kind, None)  # ours, if there is one, comes back when it is next looked for
    WITH_SUBCLASSES.pop(kind, None)
