"""Values, classes and what belongs to libraries as nodes of a graph."""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from resultstore._identity import kinds, whose
from resultstore._identity.bytecode import FREE
from resultstore._identity.encoding import LEAVES, encode
from resultstore._identity.graph import Node
from resultstore._identity.origins import STANDARD, Owner, owner_of_module
from resultstore._identity.watch import Watch, before_change
from resultstore._identity.whose import MISSING
from resultstore.errors import DigestError

TRANSPARENT: dict[type, Callable[[Any], Any]] = {}
"""Types that stand for a function they hold: `CachedFunction` is one."""

PINNED: dict[type, Callable[[Any], str | None]] = {}
"""For such types, the label that stands in for the function's code, or None."""

_CONTAINERS = (dict, list, tuple)


class Nodes:
    """The half of a walk that knows values; `Walk` knows code."""

    watch: Watch
    untracked: list[tuple[str, str]]
    _as_they_are: frozenset[tuple[int, str]]
    _distributions: dict[Owner, Node]
    _labelled: dict[tuple[int, str], Node]
    _lenient: bool
    _nodes: dict[int, Node]
    _todo: deque[tuple[Callable[..., None], tuple[Any, ...]]]

    def _function(self, func: types.FunctionType) -> Node:
        raise NotImplementedError

    def _module(self, module: types.ModuleType) -> Node:
        raise NotImplementedError

    def _later(self, fill: Callable[..., None], *arguments: Any) -> None:
        self._todo.append((fill, (*arguments, self._lenient)))

    def _new(self, kind: str, name: str, local: Any, thing: Any = None) -> Node:
        node = Node(kind, name, encode(local), thing)
        if thing is not None:
            self._nodes[id(thing)] = node
            self.watch.kept.append(thing)
        return node

    # -- any value

    def of(self, value: Any, name: str) -> Node:
        """Return the node of a value; ``name`` is what people know it by."""
        while type(value) in TRANSPARENT:
            label = PINNED.get(type(value), _no_label)(value)
            value = TRANSPARENT[type(value)](value)
            if label is not None:
                return self._pinned(value, name, label)
        kind = type(value)
        if kind in LEAVES and kind is not bytearray:
            return Node("value", name, b"v" + LEAVES[kind](value), value)
        known = self._nodes.get(id(value))
        if known is not None:
            return known
        if value is MISSING:
            return self._new("missing", name, "missing")
        if kind is types.FunctionType:
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if kind is types.ModuleType or isinstance(value, types.ModuleType):
            return self._module(value)
        foreign = whose.global_of_a_library(value, name)
        parts = kinds.wrapper_parts(value) if foreign is None else None
        if parts is not None:
            return self._wrapper(value, name, *parts)
        if kinds.is_opaque(value):
            return self._new("value", name, ("opaque", kind.__qualname__), value)
        foreign = foreign or whose.foreign_name(value)
        if foreign is not None:
            return self._foreign(value, *foreign)
        inner = kinds.wrapped_function(value)
        if inner is not None:  # a library's object around a function: a jitted one, say
            local = ("around", kind.__module__, kind.__qualname__)
            lenient, self._lenient = self._lenient, True
            node = self._wrapper(value, name, local, [("function", inner), *kinds.attributes(value)], kind)
            self._lenient = lenient
            self.watch.add_instance(value, [getattr(value, "__dict__", {})])
            return node
        return self._value(value, name)

    def _pinned(self, func: Any, name: str, label: str) -> Node:
        """Return the node of a function whose code a label stands in for: what it closes over still counts."""
        known = self._labelled.get((id(func), label))
        if known is not None:  # it may close over itself
            return known
        node = self._labelled[id(func), label] = Node("pinned", name, encode(("pinned", kinds.plain_name(func), label)))
        self.watch.kept.append(func)
        cells = zip(func.__code__.co_freevars, func.__closure__ or (), strict=True) if hasattr(func, "__code__") else ()
        parts = [(f"{FREE} {variable}", kinds.content(cell), f"{name} {FREE} {variable}") for variable, cell in cells]
        if parts:
            self.watch.add_function(func)
        self._later(self._fill, node, [part for part in parts if part[1] is not getattr(func, "__wrapped__", None)])
        return node

    def _value(self, value: Any, name: str) -> Node:
        is_data = kinds.is_data(value)
        if is_data or kinds.is_identified(value):
            try:
                encoding = encode(value)
            except (DigestError, RecursionError) as error:
                return self._without_digest(value, name, error)
            node = self._new("value", name, None, value)
            node.local = b"v" + encoding
            if is_data and isinstance(value, _CONTAINERS):
                node.local += encode(kinds.orders(value))  # which a digest leaves out, but code may run through
            self.watch.add_value(value, encoding)
            return node
        parts = kinds.container_parts(value)
        if parts is not None:
            local, elements = parts
            node = self._new("value", name, ("container", type(value).__qualname__, local), value)
            self.watch.add_container(value)
            self._later(self._fill, node, [(label, part, f"{name}{label}") for label, part in elements])
            return node
        return self._instance(value, name)

    def _instance(self, value: Any, name: str) -> Node:
        lenient = self._lenient
        try:
            parts, watched = kinds.instance_parts(value)
        except Exception as error:  # it is anyone's code
            if not kinds.extends_a_handle(value):
                return self._without_digest(value, name, error)
            parts, watched = kinds.attributes(value), [getattr(value, "__dict__", {})]
            self._lenient = True
        kind = type(value)
        node = self._new("value", name, ("instance",), value)
        self.watch.looks_again |= watched is None
        self.watch.add_instance(value, watched or ())
        parts = [("class", kind), *((label, self._attribute(value, label, part)) for label, part in parts)]
        parts = [(label, part) for label, part in parts if part is not MISSING]
        self._later(self._fill, node, [(label, part, kinds.part_name(name, label, part)) for label, part in parts])
        self._lenient = lenient
        return node

    def _attribute(self, value: Any, label: str, part: Any) -> Any:
        return self._read(value, label[1:], part) if label.startswith(".") else part

    def _without_digest(self, value: Any, name: str, error: Exception) -> Node:
        kind = type(value)
        if self._lenient:
            return self._new("value", name, ("opaque", kind.__qualname__), value)
        problem = error.problem if isinstance(error, DigestError) else str(error)
        self.untracked.append((name, problem))
        return self._new("untracked", name, ("untracked", kind.__qualname__), value)

    def _fill(self, node: Node, parts: Iterable[tuple[str, Any, str]]) -> None:
        node.edges += [(label, self.of(part, name)) for label, part, name in parts]

    # -- what is not the user's own

    def _foreign(self, value: Any, module: str, name: str, owner: Owner) -> Node:
        """Return the node of what a distribution or the standard library vouches for."""
        node = self._new("foreign", f"{module}.{name}", ("foreign", whose.plain_module(module, owner), name), value)
        self._distribution(node, owner)
        return node

    def _distribution(self, node: Node, owner: Owner) -> None:
        if owner is STANDARD or not owner.name:
            return
        if owner not in self._distributions:
            self._distributions[owner] = self._new("distribution", owner.name, ("distribution", *owner))
            self._distributions[owner].thing = owner.version
        node.edges.append(("distribution", self._distributions[owner]))

    def _wrapper(
        self, value: Any, name: str, local: Any, parts: Iterable[tuple[str, Any]], owner: type | None = None
    ) -> Node:
        """Return the node of something that a library made around things that may be the user's own."""
        node = self._new("wrapper", name, local, value)
        if owner is not None:
            self._distribution(node, owner_of_module(owner.__module__) or STANDARD)
        if type(value) is functools.cached_property and value.attrname is not None:
            self.watch.written.add(value.attrname)
        if type(value) is functools.singledispatchmethod:
            self.watch.add_container(value.dispatcher.registry)
        self.watch.looks_again |= kinds.is_unwatched(value)
        keywords = getattr(value, "keywords", None)
        if isinstance(keywords, dict):
            self.watch.add_container(keywords)
        self._later(self._fill, node, [(label, part, f"{name} {label}" if name else label) for label, part in parts])
        return node

    def _read(self, holder: Any, name: str, value: Any) -> Any:
        """Return what a place stands for: what it held before the followed functions changed it."""
        before = value if (id(holder), name) in self._as_they_are else before_change(holder, name, value)
        self.watch.add_read(holder, name, value, before)
        return before

    def _class(self, kind: type) -> Node:
        owner = whose.owner_of_class(kind)
        if owner is not None:
            return self._foreign(kind, kind.__module__, kind.__qualname__, owner)
        from resultstore._identity import classes

        name = kinds.full_name(kind)
        members, local = classes.members_of(kind)
        node = self._new("class", name, ("class", kind.__qualname__, local), kind)
        self.watch.add_class(kind)
        self.watch.add_owner(kind)
        for member in vars(kind).values():
            if isinstance(member, types.FunctionType) and vars(member):
                self.watch.add_container(vars(member))
        members = [(label, self._read(kind, label, part)) for label, part in members]
        parts = [(label, part, f"{name}.{label}") for label, part in members if part is not MISSING]
        self._later(self._fill, node, parts)
        return node


def _no_label(value: Any) -> None:
    return None
