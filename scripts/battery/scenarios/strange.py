"""Names, arguments and results that nobody thought of: the function's value comes back, and what can be stored hits."""

from __future__ import annotations

import threading
import types
from collections.abc import Callable
from typing import Any

from battery import work
from battery.lab import BROKEN, Lab, Report, Seen
from battery.model import Group

GROUP = Group("Strange")

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def called(name: str, *, hits: bool = True) -> Callable[[Callable[[], list[Arguments]]], None]:
    """Add a scenario: calls with these arguments, twice, each in a process of its own."""

    def added(make: Callable[[], list[Arguments]]) -> None:
        def act(lab: Lab) -> None:
            def calls() -> Report:
                seen = Seen()
                with seen.trying():
                    store = lab.open()
                    cached = store.cache(work.anything)
                    for args, kwargs in make():
                        seen.call(cached, len(args) + len(kwargs), *args, **kwargs)
                    store.close()
                return seen.report()

            lab.visit(calls)
            before = lab.runs()
            lab.visit(calls)
            if hits and lab.runs() != before:
                lab.saw(BROKEN, "computed again")
            outside(lab)

        GROUP.scenario(name)(act)

    return added


def outside(lab: Lab) -> None:
    """See that files lie in the store only."""
    if {path.name for path in lab.folder.iterdir()} - {"store", "runs"}:
        lab.saw(BROKEN, "files outside")


@called("texts: empty, lone surrogates, NUL, path separators, SQL")
def texts() -> list[Arguments]:
    words = ["", "\ud800", "a\0b", "../../x", "/etc/passwd", "CON", "'; DROP TABLE call; --", "ü" * 1000, "%s{}\n\r"]
    return [((word,), {"b": [word]}) for word in words]


@called("a text of 10 MB, 10,000 keywords, 2,000 lists in one another")
def large() -> list[Arguments]:
    deep: list[Any] = []
    for _ in range(2000):
        deep = [deep]
    return [(("x" * 10_000_000,), {}), ((), {f"key_{number}": number for number in range(10_000)}), ((deep,), {})]


@called("values that contain themselves")
def cyclic() -> list[Arguments]:
    own: list[Any] = [1]
    own.append(own)
    knot: dict[str, Any] = {}
    knot["own"] = [knot]
    return [((own,), {}), ((knot,), {})]


@called("without a content: a generator, a lock, an open socket, a module's function made by exec", hits=False)
def opaque() -> list[Arguments]:
    import socket

    made: dict[str, Any] = {}
    exec("def made(): yield 1", made)
    return [((value,), {}) for value in ((n for n in range(3)), threading.Lock(), socket.socket(), made["made"])]


class Rude:
    """A value whose every word raises."""

    def _raise(self, *args: Any) -> Any:
        raise RuntimeError("rude")

    __repr__ = __eq__ = __hash__ = __reduce_ex__ = __getattr__ = __bool__ = __len__ = _raise  # type: ignore[assignment]


@called("objects whose methods raise", hits=False)
def rude() -> list[Arguments]:
    return [((Rude(),), {})]


@GROUP.scenario("functions with names of 300 letters, with path separators, and with letters beyond ASCII")
def names(lab: Lab) -> None:
    def calls() -> Report:
        seen = Seen()
        for name in ("n" * 300, "größe_" * 20, "../../up", "a/b", "<odd>", "con"):
            func = types.FunctionType(work.anything.__code__, vars(work), name)
            func.__qualname__ = name
            func.__module__ = "battery.work"
            with seen.trying():
                store = lab.open()
                seen.call(store.cache(func), 1, 1)
                store.close()
        return seen.report()

    lab.visit(calls)
    before = lab.runs()
    lab.visit(calls)
    if lab.runs() != before:
        lab.saw(BROKEN, "computed again")
    outside(lab)


@GROUP.scenario("results that cannot be stored: returned")
def unstorable(lab: Lab) -> None:
    def calls() -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            cached = store.cache(work.unpicklable)
            for x in range(3):
                seen.wrong += cached(x)() != x
            store.close()
        return seen.report()

    lab.visit(calls)
    lab.goes_on()
    lab.stays_tidy()
