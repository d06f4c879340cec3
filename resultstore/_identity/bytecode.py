"""Bytecode as a list of what matters for reading it: loads, attributes, constants, stores, imports, operations.

The same list for the same source on every Python, but for how calls and comprehensions are compiled.
"""

from __future__ import annotations

import sys
import types
from opcode import opname
from typing import Any

GLOBAL, FREE, LOCAL = "global", "closure variable", "local"

Token = tuple[str, Any, Any]
"""Kind, value, and space or argument."""

_IGNORED = frozenset(
    "CACHE EXTENDED_ARG RESUME PRECALL PUSH_NULL NOP KW_NAMES COPY_FREE_VARS MAKE_CELL NOT_TAKEN".split()
)
_LOAD_GLOBAL = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
_LOAD_FREE = frozenset(("LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"))
_STORE = {"STORE_FAST": LOCAL, "STORE_NAME": LOCAL, "STORE_DEREF": FREE, "STORE_GLOBAL": GLOBAL}
_IN_PLACE = 13  # of BINARY_OP: += and its like follow the plain operators
_SUBSCRIPT = 26  # of BINARY_OP, from Python 3.14 on


def tokens_of(code: types.CodeType) -> list[Token]:
    """Return the instructions of a code object as (kind, value, space or argument), without what does not matter."""
    names, consts = code.co_names, code.co_consts
    variables = (*code.co_varnames, *(n for n in code.co_cellvars if n not in code.co_varnames), *code.co_freevars)
    tokens: list[Token] = []
    bytecode = code.co_code
    extended = 0
    for i in range(0, len(bytecode), 2):
        name, argument = opname[bytecode[i]], bytecode[i + 1] | extended
        extended = argument << 8 if name == "EXTENDED_ARG" else 0
        if name in _IGNORED:
            continue
        if name in _LOAD_GLOBAL:
            token: Token = ("load", names[argument >> 1 if name == "LOAD_GLOBAL" else argument], GLOBAL)
        elif name in ("LOAD_ATTR", "LOAD_METHOD"):
            token = (
                "attr",
                names[argument >> 1 if name == "LOAD_ATTR" and sys.version_info >= (3, 12) else argument],
                0,
            )
        elif name in ("LOAD_CONST", "LOAD_SMALL_INT"):
            token = ("const", consts[argument] if name == "LOAD_CONST" else argument, 0)
        elif name in _LOAD_FREE:
            token = ("load", variables[argument], FREE)
        elif name in ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"):
            tokens.append(("load", variables[argument >> 4], LOCAL))
            token = ("load", variables[argument & 15], LOCAL)
        elif name == "STORE_FAST_LOAD_FAST":
            tokens.append(("store", variables[argument >> 4], LOCAL))
            token = ("load", variables[argument & 15], LOCAL)
        elif name == "STORE_FAST_STORE_FAST":
            tokens.append(("store", variables[argument >> 4], LOCAL))
            token = ("store", variables[argument & 15], LOCAL)
        elif name.startswith("LOAD_FAST"):
            # From Python 3.13 on a cell that is handed to a nested function is loaded like this, its content never.
            is_cell = variables[argument] in code.co_cellvars
            token = ("op", "LOAD_CLOSURE", 0) if is_cell else ("load", variables[argument], LOCAL)
        elif name in _STORE:
            by_name = name in ("STORE_NAME", "STORE_GLOBAL")
            token = ("store", (names if by_name else variables)[argument], _STORE[name])
        elif name == "IMPORT_NAME":
            token = ("import", names[argument], 0)
        elif name == "IMPORT_FROM":
            token = ("from", names[argument], 0)
        elif name == "BINARY_OP":
            what = "IN_PLACE" if _IN_PLACE <= argument < _SUBSCRIPT else "BINARY_OP"
            token = ("op", "BINARY_SUBSCR" if argument == _SUBSCRIPT else what, 0)
        else:
            token = ("op", name, names[argument] if name in ("STORE_ATTR", "DELETE_ATTR") else argument)
        tokens.append(token)
    return tokens
