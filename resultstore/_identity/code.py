"""The normalised code of a function: what it does, without where it stands or how it is written down.

Comments, whitespace, positions, paths, docstrings and the function's own annotations do not enter;
constants are type-tagged by the canonical encoding, since ``1``, ``1.0`` and ``True`` compare equal
and leave the same bytecode. Bytecode differs between Python versions, whose tag therefore enters.
"""

from __future__ import annotations

import sys
import types
from opcode import opmap
from typing import Any

_DOCSTRING = 0x4000000  # CO_HAS_DOCSTRING, Python 3.13
_LOADS_CONSTANT = {opmap[name] for name in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES") if name in opmap}


def code_parts(code: types.CodeType) -> tuple[Any, ...]:
    """Return plain values that make a code object up, nested code included."""
    return (
        "code",
        sys.implementation.cache_tag,
        code.co_code,
        tuple(_constant(constant) for constant in _constants(code)),
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_flags & ~_DOCSTRING,
        code.co_exceptiontable,
        code.co_name if code.co_name.startswith("<") else "def",
    )


def _constants(code: types.CodeType) -> tuple[Any, ...]:
    """Return the constants, the docstring's place left empty."""
    constants = code.co_consts
    if constants and isinstance(constants[0], str) and _has_docstring(code):
        return (None, *constants[1:])
    return constants


def _has_docstring(code: types.CodeType) -> bool:
    """Say whether the first constant is the docstring: it is, when no instruction loads it."""
    if sys.version_info >= (3, 13):
        return bool(code.co_flags & _DOCSTRING)
    instructions = zip(code.co_code[::2], code.co_code[1::2], strict=True)
    return not any(operation in _LOADS_CONSTANT and argument == 0 for operation, argument in instructions)


def _constant(constant: Any) -> Any:
    if isinstance(constant, types.CodeType):
        return code_parts(constant)
    if type(constant) is tuple:
        return tuple(_constant(part) for part in constant)
    return constant
