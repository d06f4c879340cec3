"""Why a call hits or misses, as an object and as text."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

from resultstore._sizes import format_seconds, format_size
from resultstore.change import Change
from resultstore.record import Record

REASONS = {
    "stored": "the result is stored",
    "equal": "the result of an equal version is stored: the same source under another Python",
    "renamed": "the result is stored under an earlier name of the function",
    "accepted": "the result of a version that was accepted is stored",
    "never called": "no call of the function is on record, or none that is like this one",
    "argument": "a past call is like this one, but for some arguments",
    "code": "the same call was computed by other code: of the function, or of something that it uses",
    "value": "the same call was computed while a global, a default or a closed-over value was another one",
    "environment": "the same call was computed with another version of a distribution, or of Python",
    "label": "the same call was computed under another version= label",
    "expired": "the stored result is older than the function's ttl",
    "invalid": "the validation callback did not take the stored result",
    "exception": "the call raised an exception, and the function's cache_errors does not name its type",
    "evicted": "the result was removed to free space",
    "unreadable": "the payload is gone, damaged, or a pickle that may not be read",
    "not stored": "the result could not be stored",
    "unkeyed": "an argument, or something that the function depends on, has no digest",
    "off": "storing is switched off",
    "unknown": "no call with this key is on record",
}
"""What the reasons mean."""
HITS = ("stored", "equal", "renamed", "accepted")
_DIFF_LINES, _CHANGES, _ELEMENTS = 20, 6, 5


@dataclass(frozen=True, repr=False)
class Explanation:
    """Why a call hits or misses. Its text fits on a screen.

    Attributes
    ----------
    outcome : str
        ``"hit"`` or ``"miss"``.
    reason : str
        Why, in a word or two: see the table of reasons.
    changes : tuple of Change
        What differs from the nearest past call: its arguments, or the function.
    nearest : Record or None
        The past call that this one was compared with; of a hit, the one that answers.
    text : str
        All of it in words; also ``str(explanation)``.

    Examples
    --------
    >>> square.explain(3).outcome, square.explain(4).reason
    ('hit', 'argument')
    >>> square.explain(4)
    miss: argument x is another one than in the nearest call
      x: 3 -> 4
    nearest call: ...square(x=3), version 1, computed ... UTC in ..., stored
    """

    outcome: str
    reason: str
    changes: tuple[Change, ...]
    nearest: Record | None
    text: str

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"


def make(
    reason: str,
    head: str,
    lines: Iterable[str] = (),
    changes: tuple[Change, ...] = (),
    nearest: Record | None = None,
) -> Explanation:
    """Return an explanation with its text put together."""
    outcome = "hit" if reason in HITS else "miss"
    return Explanation(outcome, reason, changes, nearest, "\n".join([f"{outcome}: {head}", *lines]))


def describe_call(record: Record) -> str:
    """Return a call with its facts in one line."""
    arguments = ", ".join(f"{name}={value!r}" for name, value in record.arguments.items())
    if len(arguments) > 96:
        arguments = arguments[:93] + "..."
    return (
        f"{record.function}({arguments}), version {record.version}, "
        f"computed {record.created_at:%Y-%m-%d %H:%M:%S} UTC in {format_seconds(record.duration)}, {record.state}"
    )


def describe_hit(record: Record) -> str:
    """Return when a stored result was computed, and what it is."""
    hits = f"{record.access_count} hit{'' if record.access_count == 1 else 's'}"
    return (
        f"computed {record.created_at:%Y-%m-%d %H:%M:%S} UTC in {format_seconds(record.duration)}, "
        f"{format_size(record.nbytes)}, {hits}, by version {record.version}"
    )


def describe_changes(changes: tuple[Change, ...]) -> tuple[str, list[str]]:
    """Return the first change of a function as a headline, and the lines below it: diffs, and the other changes."""
    lines: list[str] = []
    room = _DIFF_LINES
    for i, change in enumerate(changes[:_CHANGES]):
        if i:
            lines.append(f"and {change}")
        diff = [] if change.diff is None else change.diff.splitlines()
        lines += diff[:room]
        if diff and len(diff) > room:
            lines.append(f"... {len(diff) - room} lines more in changes[{i}].diff")
        room = max(room - len(diff) - 1, 0)
    if len(changes) > _CHANGES:
        lines.append(f"and {len(changes) - _CHANGES} changes more")
    return str(changes[0]), lines


def describe_arguments(changes: tuple[Change, ...]) -> tuple[str, list[str]]:
    """Return a headline for arguments that differ, and a line or more for each."""
    names = [change.name for change in changes]
    shown = ", ".join(names[:_ELEMENTS]) + (", ..." if len(names) > _ELEMENTS else "")
    many = len(names) != 1
    head = f"argument{'s' * many} {shown} {'are others' if many else 'is another one'} than in the nearest call"
    lines = []
    for change in changes[:_ELEMENTS]:
        lines.append(f"  {change}")
        if change.before != change.after:  # else it is said already
            lines += [f"    {line}" for line in (change.diff or "").splitlines()]
    return head, lines


Argument = tuple[str, bytes, str]
"""Kind, token and summary of an argument."""


def argument_changes(before: dict[str, Argument], after: dict[str, Argument]) -> tuple[Change, ...]:
    """Return which arguments differ, and how."""
    changes = []
    for name in [*after, *(name for name in before if name not in after)]:
        was, now = before.get(name), after.get(name)
        if was is None or now is None or was[1] != now[1]:
            diff = None if was is None or now is None else "\n".join(_inner_changes(was, now)) or None
            old, new = (None if side is None else side[2] for side in (was, now))
            changes.append(Change("argument", name, None, old, new, diff))
    return tuple(changes)


def _inner_changes(was: Argument, now: Argument) -> Iterator[str]:
    """Yield how two values differ, as far as their summaries tell: by type, shape and dtype, or elements."""
    if was[0] != now[0]:
        yield f"type: {was[0]} -> {now[0]}"
        return
    old, new = was[2].split(" ", 2), now[2].split(" ", 2)
    if old[0] == new[0] == now[0] and len(old) == len(new) > 1:
        facts = zip(("shape", "dtype"), old[1:], new[1:], strict=False)
        different = [f"{fact}: {a} -> {b}" for fact, a, b in facts if a != b]
        yield from different or ["content"]
        return
    before, after = _parse(was[2]), _parse(now[2])
    if type(before) is type(after) and isinstance(after, (list, tuple, dict, set)):
        yield from _element_changes(before, after)


def _parse(summary: str) -> Any:

    try:
        return ast.literal_eval(summary)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _element_changes(before: Any, after: Any) -> Iterator[str]:
    if isinstance(after, set):
        yield from (f"without {element!r}" for element in list(before - after)[:_ELEMENTS])
        yield from (f"with {element!r}" for element in list(after - before)[:_ELEMENTS])
        return
    if not isinstance(after, dict):
        whole = [element for element in (*before, *after) if element is ...]
        before, after = (dict(enumerate(e for e in side if e is not ...)) for side in (before, after))
        if whole and repr(before) == repr(after):
            yield f"beyond the first {len(after)} elements"
    keys = [*after, *(key for key in before if key not in after)]
    different = [key for key in keys if key not in before or key not in after or repr(before[key]) != repr(after[key])]
    for key in different[:_ELEMENTS]:
        old, new = (repr(side[key]) if key in side else "nothing" for side in (before, after))
        yield f"[{key!r}]: {old} -> {new}"
    if len(different) > _ELEMENTS:
        yield f"... {len(different) - _ELEMENTS} elements more"
