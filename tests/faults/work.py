"""What stores do while faults befall them: each piece of work with the store it begins with."""

from __future__ import annotations

import os
import shutil
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from resultstore import CacheWarning, Store, StoreError
from resultstore.testing import same

GOLDEN = Path(__file__).parent.parent / "golden"
runs: list[tuple[str, int]] = []
"""What was really computed in this process."""


def number(x: int) -> float:
    """Return a small result."""
    runs.append(("number", x))
    return x * 0.5


def small(x: int) -> dict[str, Any]:
    """Return a small result of several parts."""
    runs.append(("small", x))
    return {"x": x, "text": "é" * (x % 50), "parts": [x, None, float(x)], "row": np.arange(x % 50)}


def array(x: int) -> Any:
    """Return an array that lies in a file, whose blocks are asked for at once."""
    runs.append(("array", x))
    return np.full(40_000, x)


def medium(x: int) -> Any:
    """Return an array that lies in a file."""
    runs.append(("medium", x))
    return np.full(2_500, x)


def curve(x: int) -> Any:
    """Return an array that compression makes smaller."""
    runs.append(("curve", x))
    return np.round(np.sin(np.arange(50_000) / 1000 + x), 2)


def tree(x: int) -> Any:
    """Return a result of several files, some of equal content."""
    runs.append(("tree", x))
    return [np.full(5_000, x), {"again": np.full(5_000, x), "other": np.full(4_000, x + 0.5)}, "text" * 10]


def table(x: int) -> Any:
    """Return a table with texts."""
    import pandas as pd

    runs.append(("table", x))
    return pd.DataFrame({"n": np.arange(3_000) + x, "text": [f"row {i} of {x}" for i in range(3_000)]})


FUNCTIONS: dict[str, Callable[[int], Any]] = {f.__name__: f for f in (number, small, array, medium, curve, tree, table)}
KEPT: dict[str, dict[str, Any]] = {"curve": {"compression": "zstd"}}
"""What functions are cached with."""


@dataclass
class Report:
    """What was seen in one process."""

    wrong: list[str] = field(default_factory=list)
    """Values that are not what the function returns."""
    errors: list[str] = field(default_factory=list)
    """What reached the caller and should not have."""
    told: list[str] = field(default_factory=list)
    """The warnings."""
    facts: dict[str, Any] = field(default_factory=dict)


class Session:
    """A store in use, by somebody who compares every value with what the function gives."""

    def __init__(self, folder: Path, options: dict[str, Any], kept: dict[str, dict[str, Any]], report: Report) -> None:
        self.folder = folder
        self.report = report
        self.store = Store(folder, **options)
        self.done: Callable[[int], object] = lambda number: None
        """Told after each call that came back."""
        self.cached = {n: self.store.cache(f, **(KEPT.get(n, {}) | kept.get(n, {}))) for n, f in FUNCTIONS.items()}

    def call(self, name: str, x: int) -> bool:
        """Call a cached function; say whether it was a hit."""
        before = len(runs)
        try:
            value = self.cached[name](x)
        except Exception as error:
            self.report.errors.append(f"{name}({x}) raised {error!r}")
            return False
        is_hit = len(runs) == before
        self.done(len(runs))
        self.check(name, x, value)
        return is_hit

    def check(self, name: str, x: int, value: Any) -> None:
        """Compare a value with the truth; a mapped array counts by what is in it."""
        true = FUNCTIONS[name](x)
        if type(value) is not type(true) and isinstance(value, np.ndarray):
            value = np.array(value)
        if isinstance(value, np.ndarray) and not value.flags.writeable:
            value = value.copy()
        if not same(value, true):
            self.report.wrong.append(f"{name}({x}) gave {str(value)[:200]}")

    def verb(self, what: Callable[[Store], Any]) -> Any:
        """Do something that people ask for: it may fail, in our own words."""
        try:
            return what(self.store)
        except StoreError as error:
            self.report.facts.setdefault("refused", []).append(str(error))
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            called = next((f.name for f in frames[1:] if "resultstore" in f.filename.split(os.sep)), "")
            self.report.errors.append(f"{called} raised {error!r}")
        return None


@dataclass(frozen=True)
class Work:
    """A piece of work."""

    name: str
    do: Callable[[Session], object]
    begin: Callable[[Path], object] = lambda folder: None
    """Makes the store that it begins with."""
    calls: tuple[tuple[str, int], ...] = ()
    """What is asked for afterwards."""
    options: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    stays: tuple[tuple[str, int], ...] = ()
    """What is stored in the beginning, and must be afterwards."""
    repairs: bool = False
    """Whether a repair is due afterwards, if it was cut short."""
    known: frozenset[str] = frozenset()
    """The kinds of problems that it begins with."""

    def session(self, folder: Path, report: Report) -> Session:
        """Open the store."""
        return Session(folder, self.options, self.kept, report)

    def all_calls(self) -> list[tuple[str, int]]:
        """Return what is asked for afterwards, without repeats."""
        return list(dict.fromkeys(self.calls))


def _filled(*calls: tuple[str, int], **options: Any) -> Callable[[Path], None]:
    def begin(folder: Path) -> None:
        report = Report()
        session = Session(folder, options, {}, report)
        for name, x in calls:
            session.call(name, x)
        session.store.close()
        assert not report.wrong
        assert not report.errors

    return begin


def _calling(*calls: tuple[str, int]) -> Callable[[Session], None]:
    def do(session: Session) -> None:
        for name, x in calls:
            session.call(name, x)
        session.verb(lambda store: store.close())

    return do


def _doing(verb: Callable[[Store], Any]) -> Callable[[Session], None]:
    def do(session: Session) -> None:
        session.verb(verb)
        session.verb(lambda store: store.close())

    return do


def _damaged(folder: Path) -> None:
    _filled(("array", 1), ("medium", 1), ("medium", 2), ("number", 1))(folder)
    first, second, *_ = sorted((folder / "payloads").rglob("*.npy"))
    first.write_bytes(first.read_bytes()[:-1])
    (second.parent / ("0" * len(second.name.partition(".")[0]) + ".npy")).write_bytes(b"an orphan")
    second.unlink()
    _filled(("array", 9), ("curve", 9))(folder)


def _old(schema: int) -> Callable[[Path], None]:
    def begin(folder: Path) -> None:
        shutil.copytree(GOLDEN / f"schema-{schema}", folder)

    return begin


def _recomputed(session: Session) -> None:
    for name, x in (("array", 1), ("number", 1)):
        try:
            value = session.cached[name].call(x)
        except Exception as error:
            session.report.errors.append(f"{name}.call({x}) raised {error!r}")
        else:
            session.check(name, x, value[0] if isinstance(value, tuple) else value)
    session.verb(lambda store: store.close())


def _forgetting(session: Session) -> None:
    session.verb(lambda store: session.cached["array"].forget(1))
    session.verb(lambda store: store.close())


_BURST = tuple(("number", x) for x in range(70))
_ARRAYS = tuple(("array", x) for x in range(1, 7))
_ROWS = tuple(("number", x) for x in range(20))
_MAPPED = {name: {"mmap_mode": "r"} for name in ("array", "medium", "tree", "table")}
_DURABLE = (("array", 1), ("small", 3), ("medium", 2), ("tree", 1))
_OLD_ONES = (("number", 0), ("number", 1))


def _asking(session: Session) -> None:
    for ask in (
        lambda store: [record.arguments for record in store.find()],
        lambda store: store.find(number, x=3).first().load(),
        lambda store: store.stats(),
        lambda store: store.plan_eviction(items_limit=1),
        lambda store: store.pin(store.find(number, x=3).first()),
        lambda store: store.unpin(store.find(number, x=3).first()),
        lambda store: session.cached["number"].explain(3),
        lambda store: session.cached["number"].check_call_in_cache(3),
        lambda store: session.cached["number"].versions(),
        lambda store: store.prune(),
        lambda store: store.verify(),
        lambda store: store.repair(),
        lambda store: store.close(),
    ):
        session.verb(ask)


def _lost(folder: Path) -> None:
    _filled(("array", 1), ("medium", 1), ("medium", 2), ("number", 1))(folder)
    (folder / "index.sqlite").unlink()


def _garbled(folder: Path) -> None:
    _filled(("array", 1), ("medium", 1), ("medium", 2), ("number", 1))(folder)
    with (folder / "index.sqlite").open("r+b") as file:
        file.seek(20_000)
        file.write(b"garbage" * 3_000)


ALL = (
    Work("first miss of a new store", _calling(("number", 1), ("number", 1)), calls=(("number", 1),)),
    Work("small result", _calling(("small", 3), ("small", 3)), _filled(*_OLD_ONES), (("small", 3),), stays=_OLD_ONES),
    Work("array", _calling(("array", 1), ("array", 1)), _filled(*_OLD_ONES), (("array", 1),), stays=_OLD_ONES),
    Work("mapped array", _calling(("array", 1), ("array", 1)), _filled(*_OLD_ONES), (("array", 1),), kept=_MAPPED,
         stays=_OLD_ONES),
    Work("compressed array", _calling(("curve", 1), ("curve", 1)), _filled(*_OLD_ONES), (("curve", 1),),
         stays=_OLD_ONES),
    Work("table", _calling(("table", 1), ("table", 1)), _filled(*_OLD_ONES), (("table", 1),), stays=_OLD_ONES),
    Work("mapped table", _calling(("table", 1), ("table", 1)), _filled(*_OLD_ONES), (("table", 1),), kept=_MAPPED,
         stays=_OLD_ONES),
    Work("several files", _calling(("tree", 1), ("tree", 1)), _filled(*_OLD_ONES), (("tree", 1),), stays=_OLD_ONES),
    Work("durable results", _calling(*_DURABLE), _filled(*_OLD_ONES), _DURABLE, {"durability": "full"}, stays=_OLD_ONES),
    Work("hits", _calling(*_ROWS, ("array", 1), ("tree", 1), ("array", 1)), _filled(*_ROWS, ("array", 1), ("tree", 1)),
         (*_ROWS, ("array", 1), ("tree", 1)), stays=(*_ROWS, ("array", 1), ("tree", 1))),
    Work("computed again", _recomputed, _filled(("array", 1), *_OLD_ONES), (("array", 1), ("number", 1)),
         stays=(("number", 0),)),
    Work("damage met", _calling(("array", 1), ("medium", 1), ("medium", 2), ("number", 1)), _damaged,
         (("array", 1), ("medium", 1), ("medium", 2), ("number", 1)),
         known=frozenset({"missing", "damaged", "orphan"})),
    Work("burst", _calling(*_BURST), _filled(("array", 1)), (*_BURST, ("array", 1)), stays=(("array", 1),)),
    Work("eviction", _calling(*((n, x + 6) for n, x in _ARRAYS[:3])), _filled(*_ARRAYS[:3], size_limit=1_200_000),
         _ARRAYS[:3], {"size_limit": 1_200_000}),
    Work("reduce_size", _doing(lambda store: store.reduce_size(items_limit=2)), _filled(*_ARRAYS, *_ROWS), _ARRAYS),
    Work("clear", _doing(lambda store: store.clear()), _filled(*_ARRAYS[:3], *_ROWS), (*_ARRAYS[:3], *_ROWS)),
    Work("forget", _forgetting, _filled(*_ARRAYS[:2]), _ARRAYS[:2], stays=_ARRAYS[1:2]),
    Work("verify", _doing(lambda store: store.verify(fix=True)), _damaged, stays=(("array", 9), ("curve", 9)), calls=
         (("array", 1), ("medium", 1), ("medium", 2), ("number", 1)), known=frozenset({"missing", "damaged", "orphan"})),
    Work("upgrade of schema 1", _calling(("number", 1)), _old(1), (("number", 1),)),
    Work("upgrade of schema 2", _calling(("number", 1)), _old(2), (("number", 1),)),
    Work("questions", _asking, _filled(*_ROWS, ("array", 1)), (*_ROWS, ("array", 1)), stays=(*_ROWS, ("array", 1))),
    Work("repair of a lost index", _doing(lambda store: store.repair()), _lost, (("array", 1), ("number", 1)),
         repairs=True, stays=(("array", 1), ("medium", 1), ("medium", 2))),
    Work("repair of a damaged index", _doing(lambda store: store.repair()), _garbled, (("array", 1), ("number", 1)),
         repairs=True, stays=(("array", 1), ("medium", 1), ("medium", 2))),
    Work("journal made shorter", _doing(lambda store: store.reduce_size(items_limit=3)),
         _filled(*(("medium", x) for x in range(120))), tuple(("medium", x) for x in range(115, 120))),
)  # fmt: skip


def quietly(report: Report, do: Callable[[], object]) -> None:
    """Do something, and note each warning that it gives."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            do()
        finally:
            report.told += [str(warning.message) for warning in told if issubclass(warning.category, CacheWarning)]
            # An interrupt may come after something was opened and before anybody has it.
            expected = (CacheWarning, ResourceWarning) if report.facts.get("interrupted") else CacheWarning
            report.errors += [
                f"warned {warning.category.__name__}: {warning.message}"
                for warning in told
                if not issubclass(warning.category, expected)
            ]
