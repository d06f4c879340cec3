"""Plain data without `dataclasses`, whose import and whose classes would be half of the start of a program.

`dataclasses` imports `inspect` (10 ms), and each of its classes costs 0.4 ms: it compiles half a dozen methods.
Here a class costs 10 µs, its `__init__` is compiled when its first object is made, and making an object takes
a third of what a frozen dataclass takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

D = TypeVar("D", bound="Data")


@dataclass_transform(frozen_default=True)
class Data:
    """The base of classes that are a list of annotated fields, with or without defaults.

    Type checkers take them for dataclasses, frozen unless they are told ``frozen=False``. Nothing checks that when
    the program runs: it would cost each object. Fields are not inherited, and a default is one object for all.
    """

    _fields: tuple[str, ...]

    def __init_subclass__(cls, *, frozen: bool = True) -> None:
        cls._fields = tuple(cls.__annotations__)

    def __init__(self, *values: Any, **named: Any) -> None:
        kind: Any = type(self)
        kind.__init__ = _compile(kind, kind._fields)
        kind.__init__(self, *values, **named)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _compile(kind: type[Data], fields: tuple[str, ...]) -> Callable[..., None]:
    """Return the constructor that a person would write out."""
    defaults = [vars(kind)[name] for name in fields if name in vars(kind)]
    required = len(fields) - len(defaults)
    parameters = [*fields[:required], *(f"{name}=None" for name in fields[required:])]
    namespace: dict[str, Any] = {}
    exec(  # noqa: S102 -- the names are those of our own fields
        f"def __init__(self, {', '.join(parameters)}):\n " + "\n ".join(f"self.{name} = {name}" for name in fields),
        namespace,
    )
    init: Any = namespace["__init__"]
    init.__defaults__ = tuple(defaults)
    init.__qualname__ = f"{kind.__qualname__}.__init__"
    return init  # type: ignore[no-any-return]


def replace(data: D, **changes: Any) -> D:
    """Return a copy with some fields changed."""
    return type(data)(**{**vars(data), **changes})
