"""What a code object refers to: the names that it reads, and how far it reaches through their attributes.

Read off the bytecode, nested code included, in one pass of pure Python (1 us an instruction where ``dis``
takes 5), and remembered for each code object.
"""

from __future__ import annotations

import functools
import types
from collections import namedtuple
from typing import Any

from resultstore._data import Data
from resultstore._identity.bytecode import FREE, GLOBAL, LOCAL, Token, tokens_of

IMPORT, ATTRIBUTE = "import", "attribute"
SET_ITEM, ADD_TO_ITEM = "[]=", "[]+="

_WRITERS = frozenset("append appendleft add extend update insert clear discard".split())
_CHANGERS = _WRITERS | frozenset("remove setdefault pop popitem popleft move_to_end sort reverse".split())
_WHOLE_NAMESPACE = frozenset(("globals", "eval", "exec"))

_OF_THE_MODULE = frozenset(
    "__annotations__ __builtins__ __cached__ __debug__ __doc__ __file__ __loader__ __name__ __package__ __path__ "
    "__spec__".split()
)
"""What says where code stands, not what it does."""

_LOOKS = frozenset(
    "__annotations__ __doc__ signature get_annotations get_type_hints getdoc fields getfullargspec".split()
)
_UNARY = frozenset(
    "UNARY_NEGATIVE UNARY_NOT UNARY_INVERT FORMAT_SIMPLE CONVERT_VALUE GET_ITER CALL_INTRINSIC_1".split()
)
_BINARY = frozenset("BINARY_OP IN_PLACE BINARY_SUBSCR COMPARE_OP IS_OP CONTAINS_OP".split())


class Reference(namedtuple("Reference", "space name chain only_written", defaults=[False])):  # noqa: PYI024 -- see Owner
    """One name that code reads."""

    __slots__ = ()

    space: str
    """``GLOBAL``, ``FREE`` or ``IMPORT``."""
    name: Any
    """The name; of an import (module, level, name taken from it or None)."""
    chain: tuple[str, ...]
    """The attributes that are taken from it, one from the other."""
    only_written: bool
    """Whether its content goes nowhere: a log that is appended to, a counter that is increased."""


class References(Data):
    """All that a code object refers to, nested code included."""

    reads: tuple[Reference, ...]
    """In an order that depends on names only."""
    written: frozenset[tuple[str, str]]
    """Space and name of what the code binds anew; of an attribute the name only."""
    changed: frozenset[tuple[str, str]]
    """The same of that whose content it may change."""
    whole_namespace: bool
    """Whether any global may be read, as by ``eval``."""
    asks_for_looks: bool
    """Whether annotations or docstrings may be read."""


@functools.lru_cache(maxsize=4096)
def references(code: types.CodeType) -> References:
    """Return what a code object refers to."""
    scan = _Scan()
    scan.look(code, {})
    order = sorted(scan.reads, key=lambda r: (r.space, str(r.name), r.chain, r.only_written))
    return References(
        tuple(order), frozenset(scan.written), frozenset(scan.changed), scan.whole_namespace, scan.asks_for_looks
    )


class _Scan:
    def __init__(self) -> None:
        self.reads: set[Reference] = set()
        self.written: set[tuple[str, str]] = set()
        self.changed: set[tuple[str, str]] = set()
        self.whole_namespace = False
        self.asks_for_looks = False

    def look(self, code: types.CodeType, outer: dict[str, set[tuple[Any, ...]]]) -> None:
        tokens = tokens_of(code)
        self.asks_for_looks |= not _LOOKS.isdisjoint(code.co_names)
        imports = {name: set(found) for name, found in outer.items()}
        for i, (kind, value, _) in enumerate(tokens):
            if kind == "import":
                self._import(tokens, i, value, imports)
        self._note_writing(tokens)
        if "__class__" in code.co_freevars:  # super() reads it, in some Pythons without saying so
            self.reads.add(Reference(FREE, "__class__", ()))
        for i, (kind, name, space) in enumerate(tokens):
            if kind == "load" and (space != LOCAL or name in imports):
                self._load(tokens, i, space, name, imports)
        # What a nested function may find in cells of this one.
        shared = {name: found for name, found in imports.items() if name in code.co_cellvars or name in outer}
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self.look(constant, shared)

    def _note_writing(self, tokens: list[Token]) -> None:
        """Note which names are bound anew, and whose content may be changed."""
        for i, (kind, name, space) in enumerate(tokens):
            after = tokens[i + 1] if i + 1 < len(tokens) else ("op", "", 0)
            if kind == "store":
                self.written.add((space, name))
            elif kind == "op" and name in ("STORE_ATTR", "DELETE_ATTR"):
                self.written.add((ATTRIBUTE, space))
            elif (kind == "op" and name in ("STORE_SUBSCR", "DELETE_SUBSCR")) or (
                kind == "op" and name == "COPY" and [t[1] for t in tokens[i + 1 : i + 3]] == ["COPY", "BINARY_SUBSCR"]
            ):
                self._note_container(tokens, i - 1)
            elif kind in ("load", "attr"):
                is_handed_on = after[0] in ("load", "const") or after[1] in ("CALL", "CALL_KW", "CALL_FUNCTION_EX")
                if (after[0] == "attr" and after[1] in _CHANGERS) or is_handed_on:
                    self.changed.add((space, name) if kind == "load" else (ATTRIBUTE, name))

    def _note_container(self, tokens: list[Token], end: int) -> None:
        """Note what an item is set in, given where its key ends."""
        start = _start_of(tokens, end)
        first = None if start is None else _start_of(tokens, start - 1)
        if first is None:  # too involved to follow
            self.changed.update((space, name) for kind, name, space in tokens if kind == "load")
            self.changed.update((ATTRIBUTE, name) for kind, name, _ in tokens if kind == "attr")
            return
        for kind, name, space in tokens[first:start]:
            if kind in ("load", "attr"):
                self.changed.add((space, name) if kind == "load" else (ATTRIBUTE, name))

    def _import(self, tokens: list[Token], i: int, module: str, imports: dict[str, set[tuple[Any, ...]]]) -> None:
        """Note which variables an ``import`` statement binds, and to what."""
        level = tokens[i - 2][1] if i >= 2 and tokens[i - 2][0] == "const" else 0
        fromlist = tokens[i - 1][1] if i >= 1 and tokens[i - 1][0] == "const" else None
        after = tokens[i + 1 :]
        if not fromlist:
            # ``import a.b`` binds a; ``import a.b as c`` takes b from it first.
            steps, k = [], 0
            while k < len(after) and (after[k][0] == "from" or after[k][1] in ("SWAP", "POP_TOP")):
                steps += [after[k][1]] if after[k][0] == "from" else []
                k += 1
            top = module if steps else module.partition(".")[0]
            self._bind(after, k, (module, level, None, top), imports)
            return
        for k in range(0, len(after) - 1, 2):
            if after[k][0] != "from":
                break
            self._bind(after, k + 1, (module, level, after[k][1], module), imports)

    def _bind(
        self, after: list[Token], k: int, found: tuple[Any, ...], imports: dict[str, set[tuple[Any, ...]]]
    ) -> None:
        if k < len(after) and after[k][0] == "store":
            imports.setdefault(after[k][1], set()).add(found)

    def _load(
        self, tokens: list[Token], i: int, space: str, name: str, imports: dict[str, set[tuple[Any, ...]]]
    ) -> None:
        if space == GLOBAL and name in _OF_THE_MODULE:
            return
        chain, after = _chain(tokens, i + 1)
        if space != LOCAL:
            path = _written_path(tokens, i, space, name, chain, after)
            if path is not None:
                self.reads.add(Reference(space, name, path, only_written=True))
                return
        if space == GLOBAL and not chain:
            if name == "globals" and _is_constant_key(tokens, after):
                self.reads.add(Reference(GLOBAL, tokens[after + 1][1], ()))
                return
            if name in _WHOLE_NAMESPACE:
                self.whole_namespace = True
        if _names_an_attribute(tokens, i, after):
            chain = (*chain, tokens[after][1])
        for module, level, taken, top in imports.get(name, ()):
            self.reads.add(Reference(IMPORT, (module, level, taken, top), chain))
        if space != LOCAL:
            self.reads.add(Reference(space, name, chain))
        target = _import_by_name(tokens, name, chain, after)
        if target is not None:
            module, end = target
            if module == "$__name__":
                self.whole_namespace = True
                return
            taken, _ = _chain(tokens, end)
            top = module.partition(".")[0] if name == "__import__" and _is(tokens, end - 1, "CALL") else module
            self.reads.add(Reference(IMPORT, (module, 0, None, top), taken))


def _chain(tokens: list[Token], i: int) -> tuple[tuple[str, ...], int]:
    """Return the attributes taken at once, and where the tokens go on."""
    chain = []
    while i < len(tokens) and tokens[i][0] == "attr":
        chain.append(tokens[i][1])
        i += 1
    return tuple(chain), i


def _is(tokens: list[Token], i: int, *ops: str) -> bool:
    return 0 <= i < len(tokens) and tokens[i][0] == "op" and tokens[i][1] in ops


def _is_simple(tokens: list[Token], i: int) -> bool:
    return 0 <= i < len(tokens) and tokens[i][0] in ("load", "const")


def _written_path(
    tokens: list[Token], i: int, space: str, name: str, chain: tuple[str, ...], after: int
) -> tuple[str, ...] | None:
    """Return the attributes to what is only written to, whose content goes nowhere else; None where it is read.

    An attribute that is set itself ends in ``=``; a last step of `SET_ITEM` or `ADD_TO_ITEM` says that only some
    kinds of containers do that without asking what is there.
    """
    if chain and chain[-1] in _WRITERS and _is_discarded(tokens, after):  # log.append(x), whose answer nobody takes
        return chain[:-1]
    if _is_simple(tokens, after):
        if _is(tokens, after + 1, "STORE_SUBSCR"):  # seen[x] = y
            return (*chain, SET_ITEM)
        copies = after + 1
        if (  # count[x] += 1
            _is(tokens, copies, "COPY") and _is(tokens, copies + 1, "COPY") and _is(tokens, copies + 2, "BINARY_SUBSCR")
        ):
            return (*chain, ADD_TO_ITEM)
        if (
            not chain
            and _is(tokens, after + 1, "IN_PLACE")
            and tokens[after + 2 : after + 3] == [("store", name, space)]
        ):
            return ()  # count += 1
    if _is(tokens, after, "STORE_ATTR"):  # state.last = x
        return (*chain, f"{tokens[after][2]}=")
    if (
        _is(tokens, after, "COPY") and tokens[after + 1 : after + 2] and tokens[after + 1][0] == "attr"
    ):  # state.count += 1
        attribute = tokens[after + 1][1]
        if (
            _is_simple(tokens, after + 2)
            and _is(tokens, after + 3, "IN_PLACE")
            and _is(tokens, after + 4, "SWAP")
            and tokens[after + 5 : after + 6] == [("op", "STORE_ATTR", attribute)]
        ):
            return (*chain, f"{attribute}=")
    return None


def _start_of(tokens: list[Token], end: int) -> int | None:
    """Return where the expression begins whose last instruction stands at ``end``; None if there are jumps in it."""
    need, i = 1, end + 1
    while need:
        i -= 1
        if i < 0:
            return None
        kind, name, argument = tokens[i]
        if kind in ("load", "const"):
            need -= 1
        elif kind == "attr" or (kind == "op" and name in _UNARY):
            pass
        elif kind == "op" and name in ("CALL", "CALL_KW"):
            need += argument + (name == "CALL_KW")
        elif kind == "op" and name in _BINARY:
            need += 1
        elif kind == "op" and name in ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_STRING", "BUILD_SLICE"):
            need += argument - 1
        else:
            return None
    return i


def _is_discarded(tokens: list[Token], i: int) -> bool:
    """Say whether a call whose arguments begin here is a statement of its own.

    Followed are arguments without jumps, by the depth of the stack.
    """
    depth = 1  # the method
    while i < len(tokens):
        kind, name, argument = tokens[i]
        if kind in ("load", "const"):
            depth += 1
        elif kind == "attr":
            pass
        elif kind == "op" and name in ("CALL", "CALL_KW"):
            depth -= argument + (name == "CALL_KW")
            if depth <= 1:
                return depth == 1 and _is(tokens, i + 1, "POP_TOP")
        elif kind == "op" and name in ("BINARY_OP", "IN_PLACE", "BINARY_SUBSCR", "COMPARE_OP", "IS_OP", "CONTAINS_OP"):
            depth -= 1
        elif kind == "op" and name in ("BUILD_TUPLE", "BUILD_LIST", "BUILD_SET", "BUILD_STRING"):
            depth -= argument - 1
        elif kind == "op" and name == "BUILD_MAP":
            depth -= 2 * argument - 1
        elif kind == "op" and name == "BUILD_CONST_KEY_MAP":
            depth -= argument
        elif kind == "op" and name in ("LIST_EXTEND", "SET_UPDATE", "DICT_UPDATE"):
            depth -= 1
        elif kind == "op" and name == "FORMAT_VALUE":
            depth -= bool(argument & 4)
        elif kind != "op" or name not in ("UNARY_NEGATIVE", "UNARY_NOT", "FORMAT_SIMPLE", "CONVERT_VALUE"):
            return False
        i += 1
    return False


def _is_constant_key(tokens: list[Token], after: int) -> bool:
    """Say whether a call without arguments is subscribed with a text: ``globals()["x"]``."""
    return _is(tokens, after, "CALL") and _is_text(tokens, after + 1) and _is(tokens, after + 2, "BINARY_SUBSCR")


def _names_an_attribute(tokens: list[Token], i: int, after: int) -> bool:
    """Say whether this is the first argument of ``getattr(x, "name")``, perhaps with a default."""
    if i == 0 or tokens[i - 1] not in (("load", "getattr", GLOBAL), ("load", "hasattr", GLOBAL)):
        return False
    last = after + 1 if _is(tokens, after + 1, "CALL") else after + 2
    return (
        _is_text(tokens, after) and (last == after + 1 or _is_simple(tokens, after + 1)) and _is(tokens, last, "CALL")
    )


def _is_text(tokens: list[Token], i: int) -> bool:
    return i < len(tokens) and tokens[i][0] == "const" and isinstance(tokens[i][1], str)


def _import_by_name(tokens: list[Token], name: str, chain: tuple[str, ...], after: int) -> tuple[str, int] | None:
    """Return the module that a text names, and where it says so: ``import_module("x")``, ``sys.modules["x"]``.

    The name of a global stands for its text: ``$NAME``.
    """
    by_call = chain[-1:] == ("import_module",) or (not chain and name in ("import_module", "__import__"))
    by_key = chain[-1:] == ("modules",) or (not chain and name == "modules")
    if not (by_call or by_key) or after >= len(tokens):
        return None
    kind, value, space = tokens[after]
    said = str(value) if _is_text(tokens, after) else f"${value}" if (kind, space) == ("load", GLOBAL) else None
    if by_key:
        return (said, after + 2) if said is not None and _is(tokens, after + 1, "BINARY_SUBSCR") else None
    if said is not None and said.startswith(".") and _is_text(tokens, after + 1) and _is(tokens, after + 2, "CALL"):
        dots = len(said) - len(said.lstrip("."))
        package = str(tokens[after + 1][1]).split(".")
        return ".".join([*package[: len(package) - dots + 1], said.lstrip(".")]), after + 3
    return None if said is None else (said, after + 2)
