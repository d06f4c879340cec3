"""Whose code is it: the standard library's, an installed distribution's, or the user's own.

A file belongs to a distribution if it lies on ``sys.path`` beside a ``.dist-info`` whose ``RECORD`` names it, and
the installation is not editable. Then its name and version stand for its code. Everything else may be edited at
any time, and is known by its code. No list of all distributions is made: only directories on the way are read.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
from collections import namedtuple


class Owner(namedtuple("Owner", "name version")):  # noqa: PYI024 -- typing's imports annotationlib and ast, from 3.14 on
    """The distribution that a file belongs to; of the standard library both are empty."""

    __slots__ = ()

    name: str
    version: str


STANDARD = Owner("", "")
_PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EAGAIN, errno.EINTR})
_OURSELVES = os.path.dirname(os.path.dirname(os.path.realpath(__file__))) + os.sep


@functools.cache
def owner_of_file(path: str) -> Owner | None:
    """Return whose a source file is, or None for what may be edited."""
    if path.startswith("<frozen "):
        return STANDARD
    if path.startswith("<"):
        return None
    real = os.path.realpath(path)
    if real.startswith(_OURSELVES):
        return STANDARD  # no result depends on how it is stored
    for root in _roots(tuple(sys.path)):
        if real.startswith(root + os.sep):
            owner = _owner_in(root, real[len(root) + 1 :].replace(os.sep, "/"))
            if owner is not None:
                return owner
    inside = any(real.startswith(root + os.sep) for root in _standard_roots())
    return STANDARD if inside and not {"site-packages", "dist-packages"} & set(real.split(os.sep)) else None


def owner_of_module(name: str) -> Owner | None:
    """Return whose a module is; None for the user's own, and for what is not imported."""
    if name in ("__main__", "__mp_main__"):
        return None
    top = name.partition(".")[0]
    module = sys.modules.get(name)
    if module is None:
        module = sys.modules.get(top)
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        # Built in, or frozen, or a namespace package, whose parts lie in its path.
        if top in sys.stdlib_module_names and (module is None or _is_built_in(module)):
            return STANDARD
        places = list(getattr(module, "__path__", ()))
        return owner_of_file(os.path.join(places[0], "__init__.py")) if places else None
    return owner_of_file(file)


def owner_of_import(name: str) -> Owner | None:
    """Return whose a module is that need not be imported yet, and is not imported for that."""
    top = name.partition(".")[0]
    if top in sys.modules:
        return owner_of_module(name)
    if top in sys.stdlib_module_names:
        return STANDARD
    import importlib.util

    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    origin = None if spec is None else spec.origin
    return owner_of_file(origin) if origin is not None else None


def _is_built_in(module: object) -> bool:
    origin = getattr(getattr(module, "__spec__", None), "origin", None)
    return origin in ("built-in", "frozen") or module is sys


@functools.cache
def _standard_roots() -> tuple[str, ...]:
    return (os.path.dirname(os.path.realpath(os.__file__)),)  # sysconfig says the same, and takes a millisecond


@functools.lru_cache(maxsize=16)
def _roots(path: tuple[str, ...]) -> list[str]:
    """Return the real directories that modules are looked for in, innermost first."""
    return sorted(
        {os.path.realpath(entry or os.curdir) for entry in path if os.path.isdir(entry or os.curdir)}, key=len
    )[::-1]


def _owner_in(root: str, relative: str) -> Owner | None:
    distributions = _distributions(root)
    if not distributions:
        return None
    top = _normal(relative.partition("/")[0].partition(".")[0])
    for normal in sorted(distributions, key=lambda name: name != top):  # most often they have one name
        name, version, folder = distributions[normal]
        record = _record(os.path.join(root, folder))
        if record is None:
            if normal == top or top in _top_level(os.path.join(root, folder)):  # a system's package, without a list
                return Owner(name, version)
        elif _names(record, relative):
            return None if _is_editable(os.path.join(root, folder)) else Owner(name, version)
    return None


def _normal(name: str) -> str:
    return name.replace("-", "_").replace(".", "_").lower()


def _see_it_is_lasting(error: OSError) -> None:
    """Raise an error that says nothing of the file: what is cached for good must not rest on a lack of handles."""
    if error.errno in _PASSING:
        raise error


@functools.cache
def _distributions(root: str) -> dict[str, tuple[str, str, str]]:
    """Return the distributions installed in a directory: normalised name -> (name, version, folder)."""
    found = {}
    try:
        entries = os.listdir(root)
    except OSError as error:
        _see_it_is_lasting(error)
        return {}
    for folder in entries:
        if folder.endswith((".dist-info", ".egg-info")):
            stem, extension = os.path.splitext(folder)
            name, _, version = stem.partition("-")
            if extension == ".dist-info" or _normal(name) not in found:
                found[_normal(name)] = (name, re.sub(r"-py\d.*$", "", version), folder)
    return found


@functools.cache
def _record(folder: str) -> bytes | None:
    try:
        with open(os.path.join(folder, "RECORD"), "rb") as file:
            return file.read()
    except OSError as error:
        _see_it_is_lasting(error)
        return None


def _names(record: bytes, relative: str) -> bool:
    """Say whether a list of files names this one."""
    name = relative.encode()
    lines = (b"\n" + name + b",", b'\n"' + name + b'",')
    return record.startswith(name + b",") or any(line in record for line in lines)


@functools.cache
def _top_level(folder: str) -> frozenset[str]:
    """Return the modules that a distribution says it has, where it keeps no list of its files."""
    try:
        with open(os.path.join(folder, "top_level.txt"), encoding="utf-8") as file:
            return frozenset(map(_normal, file.read().split()))
    except OSError as error:
        _see_it_is_lasting(error)
        return frozenset()


@functools.cache
def _is_editable(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "direct_url.json"), "rb") as file:
            text = file.read()
    except OSError as error:
        _see_it_is_lasting(error)
        return False
    return re.search(rb'"editable"\s*:\s*true', text) is not None
