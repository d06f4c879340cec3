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
    """The base of every error of resultstore.

    Examples
    --------
    >>> from resultstore import StoreError
    >>> try:
    ...     square.get(4)
    ... except StoreError as error:
    ...     print(type(error).__name__)
    MissingError
    """


class OptionError(StoreError, ValueError):
    """An option has a value that it cannot have.

    Attributes
    ----------
    option : str
        The option's name.
    value : object
        What was given.

    Examples
    --------
    >>> Store("results", size_limit="much")
    Traceback (most recent call last):
    ...
    resultstore.errors.OptionError: size_limit='much': write a number of bytes, ...
    """

    def __init__(self, option: str, value: object, problem: str) -> None:
        super().__init__(f"{option}={value!r}: {problem}")
        self.option = option
        self.value = value
        self.problem = problem

    def __reduce__(self) -> tuple[type[OptionError], tuple[str, object, str]]:
        return type(self), (self.option, self.value, self.problem)


class FunctionError(StoreError, TypeError):
    """A function of this kind cannot be cached; the message says what can be done instead.

    Examples
    --------
    >>> @store.cache
    ... class Model:
    ...     pass
    Traceback (most recent call last):
    ...
    resultstore.errors.FunctionError: ...
    """


class LocationError(StoreError, NotADirectoryError):
    """The store's place exists and is not a directory.

    Examples
    --------
    >>> open("notes.txt", "w").close()
    >>> Store("notes.txt")
    Traceback (most recent call last):
    ...
    resultstore.errors.LocationError: ...notes.txt is a file: a store is a directory...
    """


class SchemaError(StoreError, RuntimeError):
    """The index was written by a newer resultstore, or by something else; it is left untouched.

    Examples
    --------
    >>> import os, sqlite3
    >>> os.mkdir("newer")
    >>> with sqlite3.connect("newer/index.sqlite") as index:
    ...     _ = index.execute("PRAGMA user_version = 99")
    ...     _ = index.execute("CREATE TABLE call (id)")
    >>> index.close()
    >>> Store("newer")
    Traceback (most recent call last):
    ...
    resultstore.errors.SchemaError: ...
    """


class DigestError(StoreError, TypeError):
    """A value has no stable content, so nothing can be keyed by it.

    Attributes
    ----------
    where : str
        The argument or dependency, as far as it is known: ``""`` or ``"argument 'x'"``.

    Examples
    --------
    >>> square.key(object())
    Traceback (most recent call last):
    ...
    resultstore.errors.DigestError: argument 'x': a builtins.object has no digest that could be trusted
    """

    def __init__(self, problem: str, where: str = "") -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.problem = problem
        self.where = where

    def at(self, where: str) -> DigestError:
        """Return the same error, said of a named place.

        Examples
        --------
        >>> from resultstore import DigestError
        >>> DigestError("no digest").at("argument 'x'")
        DigestError("argument 'x': no digest")
        """
        return DigestError(self.problem, where)

    def __reduce__(self) -> tuple[type[DigestError], tuple[str, str]]:
        return type(self), (self.problem, self.where)


class UnstorableError(StoreError, TypeError):
    """A result cannot be written so that a hit would return the same again.

    Examples
    --------
    Within a call it becomes a warning; the value is returned.

    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     _ = store.cache(lambda: (n for n in "abc"))()
    >>> print(told[0].message)
    __main__.<lambda>: a result of type generator is not stored: ...
    """


class DamagedError(StoreError, ValueError):
    """Stored bytes are not the bytes that were written, or cannot be read as their format.

    Examples
    --------
    >>> import numpy, pathlib
    >>> from resultstore import DamagedError, MissingError
    >>> _ = store.cache(numpy.negative)(numpy.ones(100_000))
    >>> store.close()
    >>> file = next(pathlib.Path(store.location).glob("payloads/*/*.npy"))
    >>> _ = file.write_bytes(b"garbage")
    >>> try:
    ...     store.find()[0].load()
    ... except MissingError as error:
    ...     isinstance(error.__cause__, DamagedError)
    True
    """


class MissingError(StoreError, KeyError):
    """Nothing is stored for this call, or its payload was evicted.

    Examples
    --------
    >>> square.get(4)
    Traceback (most recent call last):
    ...
    resultstore.errors.MissingError: the result of ...square with key ... is not stored: no such call is known here...
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BusyError(StoreError, TimeoutError):
    """Another process kept the write gate for longer than a call may wait, 10 s.

    Examples
    --------
    >>> from resultstore import BusyError
    >>> try:
    ...     store.clear()
    ... except BusyError:
    ...     print("try again later")
    1
    """


class CacheWarning(UserWarning):
    """Caching could not do its work for a call; the value that the call returned is right.

    Examples
    --------
    >>> import warnings
    >>> from resultstore import CacheWarning
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", CacheWarning)
    ...     store.cache(sum)(iter([1, 2]))
    3
    """
