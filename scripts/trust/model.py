"""What a scenario is: a small project, and calls in it that must run or must hit.

The text of a project is ``study.py``; a line ``--- name.py`` begins another file. ``cache``, the decorator of the tool
that is tried, is there by its name.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

RUN = "run"
"""The function must run: its value has changed."""
ANEW = "run anew"
"""It must run although the value is the same as before: nothing may have been stored, or the label is another."""
HIT = "hit"
TOLD = "told"
"""It cannot be cached: it must run, and a warning must say so."""

_WORDS = {RUN: "recompute", ANEW: "recompute", HIT: "hit", TOLD: "tell"}

MAIN = "study.py"
PREAMBLE = "from caching import cache\n"
OURS = frozenset({"resultstore"})

Edit = tuple[str, str]
"""An old text, which stands exactly once in the project, and the new one."""


@dataclass(frozen=True)
class Act:
    """One call, and what comes before it."""

    expected: str
    edits: tuple[Edit, ...] = ()
    """Made in the files, before the process starts."""
    before: str = ""
    """Statements, run in the module before the call."""
    call: str = ""
    """An expression, if it is another than the project's."""
    fresh: bool = False
    """Whether a new process starts here."""
    files: str | None = None
    """All files anew, in the place of edits."""
    entry: str = ""
    """How the project is started, if otherwise than before."""
    moved: bool = False
    """Whether the project's folder has become another."""
    elsewhere: bool = False
    """Whether the working directory is another than the project's."""
    target: str = ""
    """The name of the code that runs, if it is another than the project's."""


@dataclass(frozen=True)
class Project:
    """A scenario of files and calls."""

    name: str
    group: str
    files: dict[str, str]
    acts: tuple[Act, ...]
    call: str = "f(3)"
    target: str = "f"
    """The name of the code that runs when the function does."""
    entry: str = "module"
    """``"module"``, ``"script"``, ``"notebook"``, ``"command"`` (python -c), ``"exec"``."""
    path: tuple[str, ...] = ()
    """Folders of the project that are searched for modules, too."""
    tools: frozenset[str] | None = None
    """Those that have what the scenario needs; None for all."""

    def states(self) -> Iterator[tuple[Act, dict[str, str]]]:
        """Yield each act with the project's files as they are then."""
        files = self.files
        for act in self.acts:
            if act.files is not None:
                files = split(act.files)
            for old, new in act.edits:
                files = replace_once(self.name, files, old, new)
            yield act, files

    @property
    def kind(self) -> str:
        """What is expected of the calls after the first one."""
        wanted = {act.expected for act in self.acts[1:]} or {self.acts[0].expected}
        return " and ".join(sorted({_WORDS[one] for one in wanted}, reverse=True))


@dataclass(frozen=True)
class Pair:
    """A scenario of two arguments: expressions in the namespace of `trust.world`."""

    name: str
    group: str
    one: str
    other: str
    expected: str

    @property
    def kind(self) -> str:
        """What is expected of the second call."""
        return _WORDS[self.expected]


@dataclass(frozen=True)
class Result:
    """A scenario of a result: an expression, and looks at what cannot be compared by itself."""

    name: str
    group: str
    make: str
    looks: tuple[str, ...] = ()
    """Expressions of ``value`` whose texts must be equal."""
    told: bool = False
    """Whether it cannot be stored, which must be told."""
    options: dict[str, str] = field(default_factory=dict)
    """Options of our decorator, as expressions."""

    @property
    def kind(self) -> str:
        """What is expected of a hit."""
        return "tell" if self.told else "hit"


def split(text: str) -> dict[str, str]:
    """Return the files of a project's text."""
    files: dict[str, str] = {}
    name, lines = MAIN, list[str]()
    for line in [*textwrap.dedent(text).strip("\n").split("\n"), "--- "]:
        if line.startswith("--- "):
            bare = name != MAIN or lines[0].startswith("from __future__")
            files[name] = ("" if bare else PREAMBLE) + "\n".join(lines) + "\n"
            name, lines = line[4:].strip(), []
        else:
            lines.append(line)
    return files


def replace_once(name: str, files: dict[str, str], old: str, new: str) -> dict[str, str]:
    """Return the files with a text replaced, which must stand in them once."""
    places = [file for file, text in files.items() if old in text]
    if sum(files[file].count(old) for file in places) != 1:
        raise ValueError(f"{name}: {old!r} does not stand exactly once in {sorted(files)}")
    return {**files, places[0]: files[places[0]].replace(old, new)}


class Group:
    """Collects scenarios of one kind."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.projects: list[Project] = []
        self.pairs: list[Pair] = []
        self.results: list[Result] = []

    def changed(self, name: str, text: str, *edits: Edit, **options: object) -> None:
        """Add a project whose edit must be seen, in a fresh process."""
        self.acts(name, text, Act(RUN), Act(HIT, fresh=True), Act(RUN, edits, fresh=True), **options)

    def harmless(self, name: str, text: str, *edits: Edit, **options: object) -> None:
        """Add a project whose edit must not matter, in a fresh process."""
        self.acts(name, text, Act(RUN), Act(HIT, edits, fresh=True), **options)

    def living(self, name: str, text: str, *steps: tuple[str, str], **options: object) -> None:
        """Add a project that changes while it lives: statements, and what the call after them must do."""
        acts = [Act(expected, before=textwrap.dedent(before)) for before, expected in steps]
        self.acts(name, text, Act(RUN), *acts, **options)

    def acts(self, name: str, text: str, *acts: Act, **options: object) -> None:
        """Add a project with these calls."""
        self.projects.append(Project(name, self.title, split(text), acts, **options))  # type: ignore[arg-type]

    def same(self, name: str, one: str, other: str) -> None:
        """Add two arguments that are the same: the second call must hit."""
        self.pairs.append(Pair(name, self.title, one, other, HIT))

    def differ(self, name: str, one: str, other: str) -> None:
        """Add two arguments that are not the same: the second call must run."""
        self.pairs.append(Pair(name, self.title, one, other, RUN))

    def refused(self, name: str, one: str) -> None:
        """Add an argument that has no content to be known by: both calls must run, and say so."""
        self.pairs.append(Pair(name, self.title, one, one, TOLD))

    def kept(self, name: str, make: str, *looks: str, **options: str) -> None:
        """Add a result that a hit must give back."""
        self.results.append(Result(name, self.title, make, looks, options=options))

    def unkept(self, name: str, make: str, *looks: str) -> None:
        """Add a result that is returned and not stored, which must be told."""
        self.results.append(Result(name, self.title, make, looks, told=True))


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError where two scenarios have one name."""
    seen: set[str] = set()
    for name in names:
        if name in seen or "|" in name:
            raise ValueError(f"two scenarios are called {name!r}, or it has a bar")
        seen.add(name)
