"""What to watch between two calls, so that a fingerprint is made anew only when something has changed.

Names, functions and containers are compared by identity, which takes some 50 ns each; values that can change in
place are encoded again at every look.

What a function changes itself while it runs is no change: a memo dict that it fills, a model that it loads at
the first call. Such a global goes on counting as what it was before the run, for that is what the next process
will find. Only names that the followed code may write are treated so.
"""

from __future__ import annotations

import copyreg
import marshal
import os
import threading
import types
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from operator import is_
from typing import Any

from resultstore._data import Data
from resultstore._identity.encoding import encode
from resultstore._identity.kinds import content, defaults_of
from resultstore._identity.whose import MISSING

Holder = Any
"""A namespace, a cell, a function with its defaults, or what has attributes."""

_FIXED = frozenset(
    (type(None), bool, int, float, complex, str, bytes, range, type(...), datetime, date, time, timedelta, timezone)
)
_PLAIN = frozenset((type(None), bool, int, float, complex, str, bytes))
_CONTAINERS = (list, dict, set, deque)
_DEFAULT = "default "
_MOST = 10_000


class _Changed(Data):
    """A place that the functions themselves have changed."""

    holder: Holder
    now: Any
    elements: tuple[Any, ...] | None
    before: Any


_changed: dict[tuple[int, str], _Changed] = {}
"""What runs have changed, by holder and name. One table for the process, for functions share their globals."""


def before_change(holder: Holder, name: str, value: Any) -> Any:
    """Return what a place held before the followed functions changed it themselves, else its value."""
    place = (id(holder), name)
    for _ in range(2):  # another thread's run may begin, and change it, between the two looks
        running = _running.get(place)
        if running is not None and (running.place.is_written or running.place.value is value):
            return running.place.before
        changed = _changed.get(place)
        if (
            changed is not None
            and changed.now is value
            and (changed.elements is None or _same(_elements(value), changed.elements))
        ):
            return changed.before
    return value  # nobody has changed it, or somebody else has since


class _Place(Data):
    """A place that the followed functions may change, as it was when it was looked at."""

    holder: Holder
    name: str
    value: Any
    elements: tuple[Any, ...] | None
    before: Any
    is_written: bool
    is_changed: bool


class _Running:
    """A place that runs which are under way may be changing, in this thread or in others."""

    __slots__ = ("count", "place")

    def __init__(self, place: _Place) -> None:
        self.place = place
        self.count = 0


_running: dict[tuple[int, str], _Running] = {}
_lock = threading.RLock()
"""One that a thread may take twice: a signal's handler, or a finalizer, may make calls wherever it strikes."""


def _start_anew() -> None:
    """In a forked child only the thread that forked goes on: the others' runs never end, nor do they leave the lock."""
    global _lock  # noqa: PLW0603 -- nobody else can free it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


class Watch:
    """What one fingerprint rests on."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        """Everything that was looked at: identities hold only while their objects live."""
        self.looks_again = False
        """Whether there is something that cannot be watched."""
        self.written: set[Any] = set()
        """Holder and name of what the followed code binds anew; of attributes, whosever they are, the name."""
        self.changed: set[Any] = set()
        """The same of that whose content it may change."""
        self._owners: list[tuple[Any, frozenset[str]]] = []
        self._kinds: list[tuple[Any, type]] = []
        self._bindings: dict[tuple[int, str], tuple[Mapping[str, Any], str, Any]] = {}
        self._gets: list[tuple[Any, str, Any]] = []
        self._plain_functions: list[tuple[Any, Any, Any]] = []
        self._functions: list[tuple[Any, ...]] = []
        self._containers: list[tuple[Any, tuple[Any, ...]]] = []
        self._values: list[tuple[Any, bytes, bytes | None]] = []
        self._read: list[tuple[Holder, str, Any, Any]] = []
        self._places: list[_Place] = []

    # -- what a walk notes

    def add_binding(self, space: Mapping[str, Any], name: str, value: Any) -> None:
        """Watch what a name is bound to."""
        self._bindings.setdefault((id(space), name), (space, name, value))

    def add_function(self, func: types.FunctionType) -> None:
        """Watch a function's code, defaults and cells; reloaders change them in place."""
        cells = func.__closure__ or ()
        kwdefaults = func.__kwdefaults__
        if not cells and not kwdefaults:
            self._plain_functions.append((func, func.__code__, func.__defaults__))
            return
        known = (func, func.__code__, func.__defaults__, kwdefaults, _elements(kwdefaults or {}))
        self._functions.append((*known, cells, tuple(map(content, cells))))

    def add_container(self, container: Any) -> None:
        """Watch which elements a container has, not what these are."""
        self._containers.append((container, _elements(container)))

    def add_bases(self, kind: type) -> None:
        """Watch the bases of a class."""
        self._functions.append((kind, kind.__bases__))

    def add_class(self, kind: type) -> None:
        """Watch the members of a class, and its bases."""
        copyreg._slotnames(kind)  # type: ignore[attr-defined]  # pickling an instance leaves them in its class
        self.add_container(vars(kind))
        self.add_bases(kind)

    def add_instance(self, value: Any, containers: Iterable[Any]) -> None:
        """Watch the class of an instance, and the containers in which its state lies."""
        self._kinds.append((value, type(value)))
        for container in containers:
            self.add_container(container)
        self.add_owner(value)

    def add_owner(self, holder: Any) -> None:
        """Note something whose attributes the followed code may set for the first time."""
        self._owners.append((holder, frozenset(getattr(holder, "__dict__", ()))))

    def add_value(self, value: Any, encoding: bytes) -> None:
        """Watch the content of a value."""
        if not _is_fixed(value):
            self._values.append((value, encoding, _mark(value)))

    def add_read(self, holder: Holder, name: str, value: Any, before: Any) -> None:
        """Note a name that was read, and what it stands for."""
        self._read.append((holder, name, value, before))
        if before is not value and isinstance(value, _CONTAINERS):
            self.add_container(value)

    def unjustified(self) -> set[tuple[int, str]]:
        """Return the places that were taken for what they held before a change, which this code cannot have made."""
        found = set()
        for holder, name, value, before in self._read:
            may = (self.written, self.changed) if isinstance(value, _CONTAINERS) else (self.written,)
            if before is not value and not any(_mark_of(holder, name) in places for places in may):
                found.add((id(holder), name))
        return found

    def finish(self) -> None:
        """Keep what the followed code may change as it is now, before it runs."""
        for holder, name, value, before in self._read:
            mark = _mark_of(holder, name)
            elements = _elements(value) if isinstance(value, _CONTAINERS) else None
            changes = elements is not None and mark in self.changed
            if mark in self.written or changes:
                kept = value.copy() if before is value and elements is not None else before
                self._places.append(_Place(holder, name, value, elements, kept, mark in self.written, changes))
        self._read.clear()
        self._gets = [(space.get, name, value) for space, name, value in self._bindings.values()]

    # -- what a call asks

    def stands(self) -> bool:
        """Say whether all is as it was."""
        if self.looks_again:
            return False
        try:
            return self._stands()
        except RuntimeError:  # another thread is filling what is looked at
            return False

    def _stands(self) -> bool:
        for get, name, value in self._gets:
            if get(name, MISSING) is not value:
                return False
        for func, code, defaults in self._plain_functions:
            if func.__code__ is not code or func.__defaults__ is not defaults or func.__kwdefaults__:
                return False
        for known in self._functions:
            if not _function_stands(known):
                return False
        for value, kind in self._kinds:
            if type(value) is not kind:
                return False
        for container, elements in self._containers:
            if not _has(container, elements):
                return False
        for value, encoding, mark in self._values:
            try:
                if mark != _mark(value) or (mark is None and encode(value) != encoding):
                    return False
            except Exception:  # whatever a value's own code raises: a new look tells it
                return False
        return True

    def before_run(self) -> None:
        """Let what the functions may change count as it is now, for whoever looks while they run."""
        if not self._places:
            return
        with _lock:
            for place in self._places:
                name = id(place.holder), place.name
                running = _running.get(name) or _Running(place)
                running.count += 1
                _running[name] = running

    def after_run(self) -> None:
        """Note what the functions have changed themselves while they ran."""
        if not self._places and not self._owners:
            return
        with _lock:
            try:
                self._note_changes()
            finally:  # afterwards, so that at no moment a change is nobody's
                for place in self._places:
                    self._leave(place)

    def _note_changes(self) -> None:
        if len(_changed) > _MOST:  # of functions that are long gone, most likely
            _changed.clear()
        for mine in self._places:
            # As it was before the first of those that were under way together.
            place = _running[id(mine.holder), mine.name].place
            holder, name, elements = place.holder, place.name, place.elements
            now = _present(holder, name)
            elements_now = _elements(now) if isinstance(now, _CONTAINERS) else None
            is_same = now is place.value
            if is_same and (elements is None or not place.is_changed or _same(elements_now or (), elements)):
                continue
            if is_same or place.is_written:
                _changed[(id(holder), name)] = _Changed(holder, now, elements_now, place.before)
        for holder, names in self._owners:
            attributes = dict(getattr(holder, "__dict__", {}))
            for name in (attributes.keys() - names) & self.written:
                now = attributes[name]
                elements_now = _elements(now) if isinstance(now, _CONTAINERS) else None
                _changed[(id(holder), name)] = _Changed(holder, now, elements_now, MISSING)

    def _leave(self, place: _Place) -> None:
        """Count a run less."""
        running = _running[id(place.holder), place.name]
        running.count -= 1
        if not running.count:
            _running.pop((id(place.holder), place.name), None)


def _mark_of(holder: Holder, name: str) -> Any:
    """Return what a place goes by in the sets of what code may write."""
    is_named = isinstance(holder, (dict, types.CellType)) or name.startswith(_DEFAULT)
    return (id(holder), name) if is_named else name


def _present(holder: Holder, name: str) -> Any:
    if isinstance(holder, types.CellType):
        return content(holder)
    if isinstance(holder, dict):
        return holder.get(name, MISSING)
    if name.startswith(_DEFAULT):
        return dict(defaults_of(holder)).get(name.removeprefix(_DEFAULT), MISSING)
    return getattr(holder, "__dict__", {}).get(name, MISSING)


def _elements(container: Any) -> tuple[Any, ...]:
    if isinstance(container, types.SimpleNamespace):
        container = vars(container)
    if isinstance(container, (dict, types.MappingProxyType)):
        return (*container, *container.values())
    return tuple(container)


def _has(container: Any, elements: tuple[Any, ...]) -> bool:
    """Say whether a container has these elements, without copying it."""
    kind = type(container)
    if kind is not dict and kind is not types.MappingProxyType:
        return _same(_elements(container), elements)
    count = len(container)
    return (
        2 * count == len(elements)
        and all(map(is_, container, elements))
        and all(map(is_, container.values(), elements[count:]))
    )


def _same(present: Iterable[Any], past: tuple[Any, ...]) -> bool:
    return isinstance(present, tuple) and len(present) == len(past) and all(map(is_, present, past))


def _function_stands(known: tuple[Any, ...]) -> bool:
    if len(known) == 2:
        kind, bases = known
        return kind.__bases__ is bases or kind.__bases__ == bases
    func, code, defaults, kwdefaults, named, cells, contents = known
    if func.__code__ is not code or func.__defaults__ is not defaults or func.__kwdefaults__ is not kwdefaults:
        return False
    if kwdefaults and not _same(_elements(kwdefaults), named):
        return False
    return not cells or all(map(is_, map(content, cells), contents))


def _mark(value: Any) -> bytes | None:
    """Return bytes that are the same only if a list or dict of plain values is: ten times as fast as an encoding."""
    kind = type(value)
    if kind is list:
        plain = _PLAIN.issuperset(map(type, value))
    elif kind is dict:
        plain = _PLAIN.issuperset(map(type, value)) and _PLAIN.issuperset(map(type, value.values()))
    else:
        return None
    return marshal.dumps(value, 2) if plain else None  # of version 2, which knows no shared references


def _is_fixed(value: Any) -> bool:
    kind = type(value)
    return kind in _FIXED or (kind in (tuple, frozenset) and all(map(_is_fixed, value)))
