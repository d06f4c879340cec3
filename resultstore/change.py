"""What differs between two calls, or two versions of a function: one change after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from resultstore._data import replace
from resultstore._facts import CODE_KINDS, DependencyFacts, FunctionFacts

_CONTEXT = 2
_UNSEEN = {
    "DataFrame": "values, dtypes, index, column order or attrs",
    "Series": "values, index, name or attrs",
    "ndarray": "values or memory order",
}
"""What can change in a value and does not show in its summary."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is not as it was.

    Attributes
    ----------
    kind : str
        ``"argument"``, ``"code"``, ``"value"``, ``"environment"`` or ``"label"``.
    name : str
        The argument, ``"package.module.helper"``, or the distribution.
    place : str or None
        File and line of code as it is now, ``"/home/me/tools.py:12"``.
    before : str or None
        What it was, in short; None if it was not there, or of code.
    after : str or None
        What it is now.
    diff : str or None
        Of code, a unified diff of its source, where both sources are known.

    Examples
    --------
    >>> square(3)
    9
    >>> square.explain(4).changes
    (Change(kind='argument', name='x', place=None, before='3', after='4', diff=None),)
    """

    kind: str
    name: str
    place: str | None = None
    before: str | None = None
    after: str | None = None
    diff: str | None = None

    def __str__(self) -> str:
        where = f" ({self.place})" if self.place else ""
        if self.kind == "code":
            gone = self.after is None and self.before is not None
            came = self.before is None and self.after is not None
            return f"{self.name} {'is no longer used' if gone else 'came in' if came else 'changed'}{where}"
        if self.before == self.after:
            return f"{self.name}{where}: {self._unseen()}"
        before, after = (text if text is not None else "nothing" for text in (self.before, self.after))
        return f"{self.name}{where}: {before} -> {after}"

    def _unseen(self) -> str:
        """Say what may have changed in a value whose text is the same."""
        text = self.after or ""
        kind, _, rest = text.partition(" ")
        parts = _UNSEEN.get(kind) if kind != "ndarray" or "x" in rest.partition(" ")[0] else None
        if parts is not None and rest:
            return f"other content ({parts}), {text}"
        if self.kind == "value" and "{" in text and ":" in text and "..." not in text and _is_literal(text):
            return f"the same entries, in another order or of other types, {text}"
        return f"other content, {text}"


def _is_literal(text: str) -> bool:
    import ast

    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def changes_between(old: FunctionFacts, new: FunctionFacts, place: str | None = None) -> tuple[Change, ...]:
    """Return what differs between two versions of a function: code first, then values, then the environment.

    ``place`` is where the new one stands.
    """
    changes = [*_own_changes(old, new, place), *_dependency_changes(old, new)]
    if not changes and old.python != new.python:
        changes.append(Change("environment", "Python", None, old.python, new.python))
    if not changes and (old.code or old.fingerprint) != (new.code or new.fingerprint):
        # Nothing on record shows it: a version of before dependencies were recorded, or code without a source.
        changes.append(Change("code", new.name, place))
    order = ("label", "code", "value", "environment")
    return tuple(sorted(changes, key=lambda change: order.index(change.kind)))


def _own_changes(old: FunctionFacts, new: FunctionFacts, place: str | None) -> Iterator[Change]:
    if old.label != new.label:
        yield Change("label", "version", None, old.label, new.label)
    if old.scheme != new.scheme:
        yield Change("environment", "the rule of fingerprints", None, str(old.scheme), str(new.scheme))
    elif all(_OWN in _by_name(facts) for facts in (old, new)):
        return  # the function is among its dependencies, with a digest of its own
    if old.source is not None and new.source is not None and _essence(old.source) != _essence(new.source):
        yield Change("code", new.name, place, None, None, diff_of(new.name, old.source, new.source))


def _dependency_changes(old: FunctionFacts, new: FunctionFacts) -> Iterator[Change]:
    if old.scheme != new.scheme:  # then all digests differ, and nothing can be told by them
        return
    before, after = _by_name(old), _by_name(new)
    for key in [*before, *(key for key in after if key not in before)]:
        was, now = before.get(key), after.get(key)
        if (was is None or now is None) and key == _OWN:
            continue
        if was is None or now is None or not _is_same(was, now):
            yield _change(was, now)


_OWN = ("", 0)


def _by_name(facts: FunctionFacts) -> dict[tuple[str, int], DependencyFacts]:
    """Return dependencies by name, without that of the function; several of one name by their order too."""
    counts: Counter[str] = Counter()
    found = {}
    for dependency in facts.dependencies:
        name = dependency.name
        if name == facts.name or name.startswith((f"{facts.name} ", f"{facts.name}.")):
            name = name[len(facts.name) :]
        if not name and dependency.text is None:
            dependency = replace(dependency, text=facts.source)  # noqa: PLW2901 -- the same one, better known
        found[name, counts[name]] = dependency
        counts[name] += 1
    return found


def _is_same(was: DependencyFacts, now: DependencyFacts) -> bool:
    if was.digest == now.digest:
        return True
    # Another Python compiles the same source to another code.
    both = was.text is not None and now.text is not None and now.kind in CODE_KINDS
    return both and _essence(was.text or "") == _essence(now.text or "")


def _change(was: DependencyFacts | None, now: DependencyFacts | None) -> Change:
    seen = now or was
    assert seen is not None
    name = seen.name
    before, after = (None if side is None else side.text or side.kind for side in (was, now))
    if seen.kind not in CODE_KINDS:
        return Change("environment" if seen.kind == "distribution" else "value", name, seen.place, before, after)
    if was is None or now is None:
        return Change("code", name, seen.place, None if was is None else was.kind, None if now is None else now.kind)
    known = was.text is not None and now.text is not None
    diff = diff_of(name, was.text or "", now.text or "") if known else None
    return Change("code", name, now.place, None, None, diff or None)


def _essence(source: str) -> str:
    """Return a source without comments and layout, where it can be parsed by itself."""
    import ast
    import textwrap

    try:
        return ast.unparse(ast.parse(textwrap.dedent(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source


def diff_of(name: str, before: str, after: str) -> str:
    """Return a unified diff of two sources."""
    import difflib

    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name}, before", f"{name}, now", lineterm="", n=_CONTEXT
    )
    return "\n".join(lines)
