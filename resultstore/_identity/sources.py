"""The source of code that runs, checked against it; and its syntax as a digest that is the same on every Python.

A file may have been edited since it was imported. So it is compiled, and only where that gives the code that
runs is its text believed.
"""

from __future__ import annotations

import ast
import functools
import linecache
import types
from typing import Any, NamedTuple

from resultstore._facts import plain_text
from resultstore._identity.code import code_digest
from resultstore._identity.encoding import digest_of, encode
from resultstore._identity.summary import describe

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_SKIPPED = frozenset("ctx type_comment type_params kind returns annotation".split())
_TEXT_LIMIT = 20_000


class Source(NamedTuple):
    """Where a code object comes from."""

    node: ast.AST
    text: str


def source_of(code: types.CodeType) -> Source | None:
    """Return the source of a code object, or None if it cannot be found, or is not what runs."""
    if code.co_filename.startswith("<") and code.co_filename not in linecache.cache:
        return None
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename))
    parsed = _parse(text) if text else None
    if parsed is None:
        return None
    wanted = code_digest(code)  # not the parts: to == 1, 1.0 and True are one
    candidates = [c for c in parsed.codes if c.co_qualname == code.co_qualname and code_digest(c) == wanted]
    candidates.sort(key=lambda c: c.co_firstlineno != code.co_firstlineno)
    for candidate in candidates:
        node = parsed.nodes.get(_span(candidate))
        if node is not None:
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])  # type: ignore[attr-defined]
            lines = text.splitlines(keepends=True)[first - 1 : node.end_lineno]  # type: ignore[attr-defined]
            return Source(node, plain_text("".join(lines)))
    return None


class _Parsed(NamedTuple):
    codes: list[types.CodeType]
    nodes: dict[Any, ast.AST]


@functools.lru_cache(maxsize=32)
def _parse(text: str) -> _Parsed | None:
    try:
        tree = ast.parse(text)
        whole = compile(text, "<source>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):  # half edited, or a notebook's cell with magics
        return None
    codes = [whole]
    nodes: dict[Any, ast.AST] = {}
    for code in codes:
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Lambda):
            body = node.body
            nodes["<lambda>", body.lineno, body.col_offset, body.end_lineno, body.end_col_offset] = node
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            nodes[node.name, min([node.lineno, *(d.lineno for d in node.decorator_list)])] = node
    return _Parsed(codes, nodes)


def _span(code: types.CodeType) -> Any:
    """Return what finds a code object's node: a lambda's body by its place, a ``def`` by name and line."""
    if code.co_name != "<lambda>":
        return code.co_name, code.co_firstlineno
    places = [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]
    if not places:
        return None  # Python was told to leave them out
    start, column = min((line, first) for line, _, first, _ in places)
    end, end_column = max((line, last) for _, line, _, last in places)
    return "<lambda>", start, column, end, end_column


@functools.lru_cache(maxsize=1024)
def _syntax_digest(code: types.CodeType, filename: str) -> bytes | None:
    source = source_of(code)
    if source is None:
        return None
    try:
        return b"s" + digest_of(encode(_syntax(source.node, is_root=True)))
    except RecursionError:
        return None


def syntax_digest(func: types.FunctionType) -> bytes | None:
    """Return the digest of a function's syntax: what ``ast.dump`` shows, without what Python versions add to it.

    Docstrings, annotations, positions and the decorators of the function itself, which count as objects, do not
    enter.
    """
    # Equal code objects of two files are one key for a cache, so the file is another.
    return _syntax_digest(func.__code__, func.__code__.co_filename)


def _syntax(node: Any, *, is_root: bool = False, in_function: bool = False) -> Any:
    if isinstance(node, list):
        return tuple(_syntax(part, in_function=in_function) for part in node)
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.AnnAssign) and in_function:
        if node.value is None:
            return ("Pass",)
        return ("Assign", ("targets", (_syntax(node.target),)), ("value", _syntax(node.value)))
    if isinstance(node, ast.JoinedStr):
        return ("JoinedStr", _joined(node.values))
    skipped = _SKIPPED if not isinstance(node, ast.AnnAssign) else _SKIPPED - {"annotation"}
    inside = isinstance(node, _FUNCTIONS) or (in_function and not isinstance(node, ast.ClassDef))
    fields: list[Any] = []
    for name in sorted(node._fields):
        value = getattr(node, name, None)
        if name in skipped or value is None or value == [] or (is_root and name in ("decorator_list", "name")):
            continue
        if name == "body" and isinstance(node, (*_FUNCTIONS[:2], ast.ClassDef)):
            value = _without_docstring(value)
        fields.append((name, _syntax(value, in_function=inside)))
    return (type(node).__name__, *fields)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:] or [ast.Pass()]
    return body


def _joined(values: list[ast.expr]) -> tuple[Any, ...]:
    """Return the parts of an f-string, neighbouring texts as one: how they are split depends on the version."""
    parts: list[Any] = []
    for value in values:
        if isinstance(value, ast.Constant) and parts and isinstance(parts[-1], str):
            parts[-1] += str(value.value)
        elif isinstance(value, ast.Constant):
            parts.append(value.value)
        else:
            parts.append(_syntax(value))
    return tuple(part for part in parts if part != "")


def described(kind: str, thing: Any) -> tuple[str | None, str | None]:
    """Return place and text of a dependency: where its code stands and what it says, or a value in short."""
    if kind == "function":
        code = thing.__code__
        source = source_of(code)
        return f"{code.co_filename}:{code.co_firstlineno}", None if source is None else source.text[:_TEXT_LIMIT]
    if kind == "class":
        methods = (getattr(m, "__code__", None) for m in vars(thing).values())
        lines = [(code.co_filename, code.co_firstlineno) for code in methods if code is not None]
        return (f"{lines[0][0]}:{lines[0][1]}" if lines else None), None
    if kind == "distribution":
        return None, str(thing)
    if kind in ("value", "untracked"):
        return None, describe(thing)[:_TEXT_LIMIT]
    return None, None
