"""The normalised code of a function: what it does, without where it stands or how it is written down.

Comments, whitespace, positions, paths, docstrings and the function's own annotations do not enter;
constants are type-tagged by the canonical encoding, since ``1``, ``1.0`` and ``True`` compare equal
and leave the same bytecode. Bytecode differs between Python versions, whose tag therefore enters.
"""

from __future__ import annotations

import functools
import sys
import types
from opcode import opmap
from typing import TYPE_CHECKING, Any

from resultstore._identity.encoding import digest_of, encode

if TYPE_CHECKING:
    import dis

_JOINED = (
    ("LOAD_FAST", "LOAD_FAST"),
    ("STORE_FAST", "LOAD_FAST"),
    ("STORE_FAST", "STORE_FAST"),
    ("LOAD_FAST_BORROW", "LOAD_FAST_BORROW"),
)
_SAME = {"LOAD_FAST_BORROW": "LOAD_FAST"}  # which of the two it is, joining decides as well
_DOCSTRING = 0x4000000  # CO_HAS_DOCSTRING, Python 3.14; a text may be docstring and constant at once
_NO_BEHAVIOUR = (
    _DOCSTRING | 0x1FE0000
)  # and the marks of ``from __future__ import``, of which only annotations are left
_EXTENDED = opmap["EXTENDED_ARG"]
_LOADS_CONSTANT = {opmap[name] for name in ("LOAD_CONST", "RETURN_CONST", "KW_NAMES") if name in opmap}


@functools.lru_cache(maxsize=4096)
def code_parts(code: types.CodeType) -> tuple[Any, ...]:
    """Return plain values that make a code object up, nested code included."""
    return (
        "code",
        sys.implementation.cache_tag,
        *_instructions(code),
        tuple(_constant(constant) for constant in _constants(code)),
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_flags & ~_NO_BEHAVIOUR,
        code.co_name if code.co_name.startswith("<") else "def",
    )


@functools.lru_cache(maxsize=4096)
def code_digest(code: types.CodeType) -> bytes:
    """Return the digest, 32 bytes, of a code object."""
    return digest_of(encode(code_parts(code)))


def _instructions(code: types.CodeType) -> tuple[Any, ...]:
    """Return what a code object executes, and its table of exception handlers.

    From Python 3.13 on the compiler joins two instructions into one where they stand on one source line, so
    that a line break shows in the bytecode. There they are taken apart again, and jumps and handlers go by the
    numbers of the resulting instructions.
    """
    if sys.version_info < (3, 13):
        return code.co_code, code.co_exceptiontable
    import dis

    bytecode: Any = dis.Bytecode(code)
    numbers = {place: i for i, place in enumerate(_loaded(code))} if sys.version_info >= (3, 14) else {}
    listing: list[tuple[str, Any]] = []
    number_at: dict[int, int] = {}
    for instruction in bytecode:
        number_at[instruction.offset] = len(listing)
        if numbers and instruction.opcode in _LOADS_CONSTANT:
            listing.append((instruction.opname, numbers[instruction.arg]))
        elif instruction.opname not in ("NOP", "EXTENDED_ARG", "CACHE"):
            listing += _split(instruction)
    end = len(listing)
    jumps = tuple((name, ("to", number_at.get(arg[1], end)) if type(arg) is tuple else arg) for name, arg in listing)
    handlers = tuple(
        (number_at.get(e.start, end), number_at.get(e.end, end), number_at.get(e.target, end), e.depth, e.lasti)
        for e in bytecode.exception_entries
    )
    return jumps, handlers


def _split(instruction: dis.Instruction) -> list[tuple[str, Any]]:
    """Return one instruction, or the two that were joined; a jump's target is a tuple."""
    name, arg = instruction.opname, instruction.arg
    for first, second in _JOINED:
        if name == f"{first}_{second}" and arg is not None:
            return [(_SAME.get(first, first), arg >> 4), (_SAME.get(second, second), arg & 15)]
    target = getattr(instruction, "jump_target", None)  # an attribute since Python 3.13
    if target is not None:
        return [(name, ("target", target))]
    return [(_SAME.get(name, name), arg)]


def _constants(code: types.CodeType) -> tuple[Any, ...]:
    """Return the constants that count: all but the docstring, whose place is left empty where it has one."""
    constants = code.co_consts
    if sys.version_info >= (3, 14):  # a docstring moves the others, and small numbers are left that nothing loads
        return tuple(constants[place] for place in _loaded(code))
    if constants and isinstance(constants[0], str) and 0 not in _loaded(code):
        return (None, *constants[1:])
    return constants


def _loaded(code: types.CodeType) -> list[int]:
    """Return the places of the constants that instructions load, in the order in which they do."""
    places: dict[int, None] = {}
    extended = 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        argument = low | extended
        extended = argument << 8 if operation == _EXTENDED else 0
        if operation in _LOADS_CONSTANT:
            places[argument] = None
    return list(places)


def _constant(constant: Any) -> Any:
    if isinstance(constant, types.CodeType):
        return code_parts(constant)
    if type(constant) is tuple:
        return tuple(_constant(part) for part in constant)
    return constant
