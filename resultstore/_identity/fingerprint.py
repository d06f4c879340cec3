"""The fingerprint of a function, scheme 2: its code and all that its behaviour depends on, looked at at every call.

A better scheme gets another number, and results kept under this one then miss; they are never taken for its
results.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

from resultstore._data import Data
from resultstore._facts import DependencyFacts
from resultstore._identity.bytecode import FREE
from resultstore._identity.encoding import digest_of, encode
from resultstore._identity.graph import Node, graph_digest, reachable
from resultstore._identity.names import innermost
from resultstore._identity.walk import Walk
from resultstore._identity.watch import Watch
from resultstore._identity.whose import MISSING
from resultstore._settings import KeyOptions
from resultstore.errors import DigestError

SCHEME = 2

_TRIES = 5
_SHOWN = ("function", "class", "value", "distribution", "untracked", "pinned", "missing")


class State(Data):
    """A fingerprint and what it was made of; replaced as a whole, for threads look at it at any moment."""

    value: bytes
    code: bytes
    """The same without a label that stands in for the code."""
    walk: Walk
    problem: tuple[str, str] | None
    """What has no digest, and why."""


class Fingerprint:
    """The digest of all that a function's behaviour depends on.

    As long as all that was looked at is the same, the last answer stands. Defaults of ignored parameters do not
    count.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        ignored: frozenset[str] = frozenset(),
        options: KeyOptions = KeyOptions(),  # noqa: B008 -- frozen
    ) -> None:
        self._func = innermost(func)
        self._ignored = ignored
        self._options = options
        self._state: State | None = None

    def value(self) -> bytes:
        """Return the fingerprint, 32 bytes.

        Raises
        ------
        DigestError
            If something that counts has no digest, and is not to be left out.
        """
        state = self._state
        # What has no digest is not watched: it may have one now.
        if state is None or state.problem is not None or not state.walk.watch.stands():
            state = self._state = self._look()
        if state.problem is not None:
            where, problem = state.problem
            raise DigestError(problem, where)
        return state.value

    def _look(self) -> State:
        options = self._options
        walk = self._walk()
        value = code = _seal(graph_digest(walk.root, _local))
        untracked = walk.untracked
        if options.version is not None:
            kept = _closure_parts(walk.root, set())
            value = digest_of(encode(("resultstore version", options.version, kept)))
            untracked = [(name, why) for name, why in untracked if FREE in name]
        problem = untracked[0] if untracked and options.on_mutable != "allow" else None
        return State(value, code, walk, problem)

    def _walk(self) -> Walk:
        for _ in range(_TRIES):
            with contextlib.suppress(RuntimeError):  # a dictionary that another thread is filling
                return Walk(self._func, self._ignored, self._options.ignore_globals)
        return Walk(self._func, self._ignored, self._options.ignore_globals)

    def state(self) -> State | None:
        """Return what the last look has seen."""
        return self._state

    def running(self) -> Running:
        """Return a context to run the function in: what it changes itself is no change."""
        return Running(None if self._state is None else self._state.walk.watch)


class Running:
    """Runs a function within. Never raises by itself: the function's own value or error must not be lost for this."""

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch | None) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        watch, self._watch = self._watch, None
        with contextlib.suppress(Exception):
            if watch is not None:
                watch.before_run()
                self._watch = watch

    def __exit__(self, *ended: object) -> None:
        if self._watch is not None:
            with contextlib.suppress(Exception):
                self._watch.after_run()


def _local(node: Node) -> bytes:
    return node.local


def _seal(digest: bytes) -> bytes:
    return digest_of(encode(("resultstore fingerprint", SCHEME, digest)))


def _closure_parts(node: Node, seen: set[int]) -> tuple[Any, ...]:
    """Return what a function closes over, its code left out."""
    seen.add(id(node))
    parts: list[Any] = []
    for label, child in node.edges:
        if label.startswith(FREE) and child.thing is getattr(node.thing, "__wrapped__", MISSING):
            if id(child) not in seen:  # a decorator's function around it: the code that the label stands in for
                parts.append((label, _closure_parts(child, seen)))
        elif label.startswith(FREE) and child.thing is not node.thing:
            parts.append((label, graph_digest(child, _local)))
    return tuple(parts)


def portable_of(state: State) -> bytes | None:
    """Return the fingerprint by syntax instead of bytecode, the same on every Python; None without the source."""
    if state.value != state.code:
        return None  # a label is the same on every Python anyway
    from resultstore._identity import sources  # it parses, which only a miss does

    locals_by_node: dict[int, bytes] = {}
    for node in reachable(state.walk.root):
        local: bytes | None = node.local
        if node.kind == "function":
            local = sources.syntax_digest(node.thing)
        if local is None:
            return None
        locals_by_node[id(node)] = local
    digest = graph_digest(state.walk.root, lambda node: locals_by_node[id(node)])
    # Under -O the same source is other code: without asserts.
    return digest_of(encode(("resultstore portable", SCHEME, sys.flags.optimize, digest)))


def dependencies_of(state: State) -> tuple[DependencyFacts, ...]:
    """Return what a fingerprint is made of, each thing by itself, the function first."""
    from resultstore._identity import sources

    found: dict[tuple[str, str], DependencyFacts] = {}
    for node in reachable(state.walk.root):
        if node.kind in _SHOWN and node.name and (node.kind, node.name) not in found:
            place, text = sources.described(node.kind, node.thing)
            labels = tuple(label for label, _ in node.edges)
            digest = digest_of(encode(("resultstore dependency", node.local, labels)))
            found[node.kind, node.name] = DependencyFacts(node.name, node.kind, digest, place, text)
    return tuple(found.values())
