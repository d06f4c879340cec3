"""One walk over a function or class and all that its behaviour depends on: a graph, and what to watch of it.

Followed are the names that code really reads: globals, closure variables, imports inside of functions, and the
attributes taken from modules. What belongs to an installed distribution counts as that distribution's name and
version, the standard library by name alone; everything else by its code or its content.
"""

from __future__ import annotations

import sys
import types
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from resultstore._identity import kinds, whose
from resultstore._identity.bytecode import FREE, GLOBAL, LOCAL
from resultstore._identity.code import code_digest
from resultstore._identity.encoding import encode
from resultstore._identity.graph import Node
from resultstore._identity.nodes import Nodes
from resultstore._identity.origins import Owner, owner_of_module
from resultstore._identity.scan import ATTRIBUTE, Reference, references
from resultstore._identity.watch import Watch
from resultstore._identity.whose import MISSING
from resultstore.errors import DigestError

_LEADS_INSIDE = frozenset(("__wrapped__", "__isabstractmethod__", "__annotations__"))


class Walk(Nodes):
    """One walk. ``root`` is what was walked over, ``watch`` says later whether it still stands."""

    def __init__(
        self,
        thing: Any,
        ignored: frozenset[str] = frozenset(),
        ignore_globals: Iterable[str] = (),
        as_they_are: frozenset[tuple[int, str]] = frozenset(),
    ) -> None:
        self.watch = Watch()
        self.untracked: list[tuple[str, str]] = []
        """What has no digest, and why."""
        self._ignored = ignored
        self._ignore_globals = frozenset(ignore_globals)
        self._nodes: dict[int, Node] = {}
        self._distributions: dict[Owner, Node] = {}
        self._labelled: dict[tuple[int, str], Node] = {}
        self._members: dict[tuple[str, str], Node] = {}
        self._todo: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._lenient = False
        self._asks_for_looks = False
        self._root_thing = thing
        self._as_they_are = as_they_are
        self.root = self.of(thing, kinds.full_name(thing))
        while self._todo:
            fill, arguments = self._todo.popleft()
            self._lenient = bool(arguments[-1])
            fill(*arguments[:-1])
        if self._asks_for_looks:
            from resultstore._identity import classes

            for node in self._nodes.values():
                if node.kind in ("function", "class"):
                    node.local += encode(classes.looks_of(node.thing))
        wrong = self.watch.unjustified()
        if wrong:  # which names the code writes is known at the end only
            self.__init__(thing, ignored, ignore_globals, as_they_are | wrong)  # type: ignore[misc]
        else:
            self.watch.finish()

    # -- functions

    def _function(self, func: types.FunctionType) -> Node:
        name = kinds.full_name(func)
        owner = whose.owner_of_function(func)
        if owner is None:
            node = self._new("function", name, None, func)
            node.local = b"c" + code_digest(func.__code__)
            self.watch.add_function(func)
            self._later(self._fill_function, node, func)
            return node
        registry = kinds.registry_of(func)
        if registry is not None:
            self.watch.add_container(func.registry)  # type: ignore[attr-defined]
            return self._wrapper(func, name, ("singledispatch",), registry)
        node = self._foreign(
            func, func.__globals__.get("__name__") or func.__module__, func.__code__.co_qualname, owner
        )
        if func.__closure__ and not whose.is_its_own(func):
            # A library's wrapper around what may be the user's function. What else it holds is its own business.
            self.watch.add_function(func)
            cells = dict(zip(func.__code__.co_freevars, func.__closure__, strict=True))
            self._note_written(func, cells)
            parts = [(f"{FREE} {n}", self._read(c, "", kinds.content(c)), f"{name} {n}") for n, c in cells.items()]
            lenient, self._lenient = self._lenient, True
            self._later(self._fill, node, parts)
            self._lenient = lenient
        return node

    def _fill_function(self, node: Node, func: types.FunctionType) -> None:
        name = node.name
        ignored = self._ignored if func is self._root_thing else frozenset()
        for parameter, value in kinds.defaults_of(func):
            if parameter not in ignored:
                label = f"default {parameter}"
                node.edges.append((label, self.of(self._read(func, label, value), f"{name} {label}")))
        for attribute, value in sorted(vars(func).items()):
            if attribute not in _LEADS_INSIDE:
                part = self._read(func, attribute, value)
                if part is not MISSING:
                    node.edges.append((f"attribute {attribute}", self.of(part, f"{name}.{attribute}")))
        if vars(func):
            self.watch.add_container(vars(func))
        self.watch.add_owner(func)
        found = references(func.__code__)
        self._asks_for_looks |= found.asks_for_looks
        scope = func.__globals__
        cells = dict(zip(func.__code__.co_freevars, func.__closure__ or (), strict=True))
        self._note_written(func, cells)
        for reference in found.reads:
            self._reference(node, reference, scope, cells)
        if found.whole_namespace:
            self._later(self._fill_namespace, node, scope, str(scope.get("__name__")))

    def _note_written(self, func: types.FunctionType, cells: dict[str, types.CellType]) -> None:
        """Note what a function's code may change itself."""
        found = references(func.__code__)
        for places, noted in ((found.written, self.watch.written), (found.changed, self.watch.changed)):
            for space, name in places:
                if space == GLOBAL:
                    noted.add((id(func.__globals__), name))
                elif space == FREE and name in cells:
                    noted.add((id(cells[name]), ""))
                elif space == LOCAL:
                    noted.add((id(func), f"default {name}"))
                elif space == ATTRIBUTE:
                    noted.add(name)

    def _reference(
        self, node: Node, reference: Reference, scope: dict[str, Any], cells: dict[str, types.CellType]
    ) -> None:
        space, variable, chain = reference.space, reference.name, reference.chain
        if space == GLOBAL:
            module = scope.get("__name__")
            is_own = scope is getattr(self._root_thing, "__globals__", scope)
            if (is_own and variable in self._ignore_globals) or f"{module}.{variable}" in self._ignore_globals:
                return
            found, name = self._global(scope, variable), f"{module}.{variable}"
            if found is None:
                return
            (value,) = found
        elif space == FREE:
            if variable not in cells:
                return  # a nested function's, found in a cell of this function itself
            value = self._read(cells[variable], "", kinds.content(cells[variable]))
            name = f"{node.name} closure variable {variable}"
        else:
            from resultstore._identity.imports import absolute_name, imported

            if variable[0].startswith("$"):  # the text is a global's
                text = self._read(scope, variable[0][1:], scope.get(variable[0][1:], MISSING))
                self.watch.add_binding(scope, variable[0][1:], scope.get(variable[0][1:], MISSING))
                if not isinstance(text, str) or not text or text.startswith("."):
                    return
                variable = (text, 0, None, text)
            absolute, owner, top = absolute_name(scope, *variable)
            taken = variable[2]
            name = variable = absolute if taken is None else f"{absolute}.{taken}"
            if owner is not None and absolute not in sys.modules:
                # Not imported for our sake: it counts by its distribution.
                member = self._member(top if taken is None else absolute, (*filter(None, (taken,)), *chain), owner)
                node.edges.append((".".join((f"{space} {name}", *chain)), member))
                return
            value = imported(absolute, taken, top)
            if taken is not None and owner is not None and absolute in sys.modules:
                value, chain = sys.modules[absolute], (taken, *chain)  # by the name that is written, not by its home
        if reference.only_written:
            if kinds.is_only_written(value, chain):
                return
            chain = ()
        # As it is written: the same whether a module was imported before or not.
        label = ".".join((f"{space} {variable}", *(() if reference.only_written else reference.chain)))
        target = self._follow(value, chain, name)
        if label not in {known for known, _ in node.edges}:
            node.edges.append((label, target))

    def _global(self, scope: dict[str, Any], variable: str) -> tuple[Any] | None:
        """Return a global's value, in a tuple; None for a builtin."""
        value = scope.get(variable, MISSING)
        self.watch.add_binding(scope, variable, value)
        if value is not MISSING:
            return (self._read(scope, variable, value),)
        self.watch.add_read(scope, variable, value, value)
        builtins = scope.get("__builtins__", {})
        builtins = builtins if isinstance(builtins, dict) else vars(builtins)
        value = builtins.get(variable, MISSING)
        if value is not MISSING:
            self.watch.add_binding(builtins, variable, value)
            if whose.is_builtin(value):
                return None
        return (value,)

    def _follow(self, value: Any, chain: tuple[str, ...], name: str) -> Node:
        """Return the node of what a chain of attributes leads to, as far as it can be followed."""
        for i, attribute in enumerate(chain):
            if isinstance(value, types.ModuleType):
                owner = owner_of_module(value.__name__)
                module, space = value, vars(value)
                value = space.get(attribute, MISSING)
                self.watch.add_binding(space, attribute, value)
                if owner is not None and not whose.is_users_own(value):
                    if isinstance(value, types.ModuleType) and self._is_patched(value, chain[i + 1 :]):
                        continue
                    return self._member(module.__name__, chain[i:], owner)
                value = self._read(space, attribute, value)
                if value is MISSING:
                    value = kinds.lazy_attribute(module, attribute)
                    self.watch.looks_again |= value is not MISSING
                name = f"{module.__name__}.{attribute}"
            else:
                step = kinds.static_attribute(value, attribute)
                if step is None:
                    break
                spaces, found = step
                if isinstance(value, type):
                    self.watch.add_bases(value)
                for space in spaces:
                    self.watch.add_binding(space, attribute, space.get(attribute, MISSING))
                value = self._read(value, attribute, found)
                name = f"{name}.{attribute}"
        return self.of(value, name)

    def _is_patched(self, module: types.ModuleType, chain: tuple[str, ...]) -> bool:
        """Say whether an installed module has something of the user's own under a name."""
        for attribute in chain:
            value = vars(module).get(attribute, MISSING)
            self.watch.add_binding(vars(module), attribute, value)
            if not isinstance(value, types.ModuleType):
                return whose.is_users_own(value)
            module = value
        return False

    def _member(self, module: str, chain: tuple[str, ...], owner: Owner) -> Node:
        """Return the node of what an installed module has under a name."""
        path = ".".join(chain)
        known = self._members.get((module, path))
        if known is None:
            local = ("foreign", whose.plain_module(module, owner), path)
            known = self._members[module, path] = self._new("foreign", f"{module}.{path}", local)
            self._distribution(known, owner)
        return known

    # -- modules and classes

    def _module(self, module: types.ModuleType) -> Node:
        """Return the node of a module that is used as a whole."""
        owner = owner_of_module(module.__name__)
        if owner is not None:
            return self._foreign(module, module.__name__, "", owner)
        if str(getattr(module, "__file__", "")).endswith((".so", ".pyd")):
            return self._without_digest(module, module.__name__, DigestError("a compiled module without a version"))
        node = self._new("module", module.__name__, ("module",), module)
        self._later(self._fill_namespace, node, vars(module), module.__name__)
        return node

    def _fill_namespace(self, node: Node, space: dict[str, Any], name: str) -> None:
        self._lenient = True  # not everything in it is used
        self.watch.add_container(space)
        for variable, value in sorted(space.items()):
            dunder = variable.startswith("__") and variable.endswith("__")
            if isinstance(value, types.ModuleType) and not value.__name__.startswith(f"{name}."):
                continue  # imported into it, not a part of it
            if not dunder and variable not in self._ignore_globals:
                node.edges.append((f"member {variable}", self.of(value, f"{name}.{variable}")))
