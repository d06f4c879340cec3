"""Everything that resultstore raises or warns.

::

    StoreError                      the base of the tree
    ├── OptionError     ValueError          an option has a wrong value
    ├── FunctionError   TypeError           this kind of function cannot be cached
    ├── LocationError   NotADirectoryError  the store's place is not a directory
    ├── SchemaError     RuntimeError        the index is not one that this version can read
    ├── DigestError     TypeError           a value has no stable content to be keyed by
    ├── UnstorableError TypeError           a result cannot be written faithfully
    ├── DamagedError    ValueError          stored bytes are not the bytes that were written
    ├── MissingError    KeyError            nothing is stored for this call
    └── BusyError       TimeoutError        another process kept the write gate for too long
    CacheWarning        UserWarning         caching could not do its work; the value is right

Each class also inherits the built-in that a caller would catch without knowing us. A decorated
call raises none of them: what goes wrong there becomes one `CacheWarning`, and the function's own
value is returned.
"""

from __future__ import annotations

__all__ = [
    "BusyError",
    "CacheWarning",
    "DamagedError",
    "DigestError",
    "FunctionError",
    "LocationError",
    "MissingError",
    "OptionError",
    "SchemaError",
    "StoreError",
    "UnstorableError",
]


class StoreError(Exception):
    """The base of every error of resultstore."""


class OptionError(StoreError, ValueError):
    """An option has a value that it cannot have.

    Attributes
    ----------
    option : str
        The option's name.
    value : object
        What was given.
    """

    def __init__(self, option: str, value: object, problem: str) -> None:
        super().__init__(f"{option}={value!r}: {problem}")
        self.option = option
        self.value = value
        self.problem = problem

    def __reduce__(self) -> tuple[type[OptionError], tuple[str, object, str]]:
        return type(self), (self.option, self.value, self.problem)


class FunctionError(StoreError, TypeError):
    """A function of this kind cannot be cached; the message says what can be done instead."""


class LocationError(StoreError, NotADirectoryError):
    """The store's place exists and is not a directory."""


class SchemaError(StoreError, RuntimeError):
    """The index was written by a newer resultstore, or by something else; it is left untouched."""


class DigestError(StoreError, TypeError):
    """A value has no stable content, so nothing can be keyed by it.

    Attributes
    ----------
    where : str
        The argument or dependency, as far as it is known: ``""`` or ``"argument 'x'"``.
    """

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.where = where

    def at(self, where: str) -> DigestError:
        """Return the same error, said of a named place."""
        return DigestError(self.problem, where)

    def __reduce__(self) -> tuple[type[DigestError], tuple[str, str]]:
        return type(self), (self.problem, self.where)


class UnstorableError(StoreError, TypeError):
    """A result cannot be written so that a hit would return the same again."""


class DamagedError(StoreError, ValueError):
    """Stored bytes are not the bytes that were written, or cannot be read as their format."""


class MissingError(StoreError, KeyError):
    """Nothing is stored for this call, or its payload was evicted."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BusyError(StoreError, TimeoutError):
    """Another process kept the write gate for longer than a call may wait."""


class CacheWarning(UserWarning):
    """Caching could not do its work for a call; the value that the call returned is right."""
