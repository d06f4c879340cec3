"""Plain data without `dataclasses`, whose import and whose classes would be half of the start of a program.

`dataclasses` imports `inspect` (10 ms), and each of its classes costs 0.4 ms: it compiles half a dozen methods.
Here a class costs 10 µs; `__init__` is compiled for those alone of which many objects are made, and then makes
one in a third of the time that a frozen dataclass takes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

_FEW = 20
"""So many objects are made without compiling: that takes as long as making forty."""


@dataclass_transform(frozen_default=True)
class Data:
    """The base of classes that are a list of annotated fields, with or without defaults.

    Type checkers take them for dataclasses, frozen unless they are told ``frozen=False``. Nothing checks that when
    the program runs: it would cost each object. Fields are not inherited, and a default is one object for all.
    """

    _fields: tuple[str, ...]
    _defaults: dict[str, Any]
    _made: int

    def __init_subclass__(cls, *, frozen: bool = True) -> None:
        cls._fields = tuple(cls.__annotations__)
        cls._defaults = {name: vars(cls)[name] for name in cls._fields if name in vars(cls)}
        cls._made = 0

    def __init__(self, /, *values: Any, **named: Any) -> None:
        kind: Any = type(self)
        given = dict(zip(kind._fields, values, strict=False), **named)
        fields = {**kind._defaults, **given}
        is_right = len(given) == len(values) + len(named) and fields.keys() == set(kind._fields)
        kind._made += 1
        if is_right and kind._made <= _FEW:
            self.__dict__.update(fields)
        else:  # it also says in Python's words what is wrong with the arguments
            kind.__init__ = _compile(kind)
            kind.__init__(self, *values, **named)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(getattr(self, name) for name in self._fields))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__qualname__}({fields})"


D = TypeVar("D", bound=Data)  # a bound that is a text costs the import of annotationlib, from Python 3.14 on


def _compile(kind: type[Data]) -> Callable[..., None]:
    """Return the constructor that a person would write out."""
    parameters = [f"{name}=None" if name in kind._defaults else name for name in kind._fields]
    namespace: dict[str, Any] = {}
    exec(  # noqa: S102 -- the names are those of our own fields
        f"def __init__(self, {', '.join(parameters)}):\n "
        + "\n ".join(f"self.{name} = {name}" for name in kind._fields),
        namespace,
    )
    init: Any = namespace["__init__"]
    init.__defaults__ = tuple(kind._defaults.values())
    init.__qualname__ = f"{kind.__qualname__}.__init__"
    return init  # type: ignore[no-any-return]


def replace(data: D, **changes: Any) -> D:
    """Return a copy with some fields changed."""
    return type(data)(**{**vars(data), **changes})
