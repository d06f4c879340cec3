"""Visits to arguments and results: many small calls in one process."""

from __future__ import annotations

import contextlib
import importlib
import signal
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trust.tools import Tool
from trust.visit import Seen, Watch, begin, failed, tool_warnings

_PATIENCE_S = 20


def visit_arguments(request: Seen) -> list[Seen]:
    """Call a function of its own with each argument."""
    with begin(request).context():
        return call_each(request)


def call_each(request: Seen) -> list[Seen]:
    """Call the functions of the project with the arguments, one by one."""
    study = importlib.import_module("study")
    world = vars(importlib.import_module("trust.world"))
    seen = []
    for number, expression in enumerate(request["expressions"]):
        function = getattr(study, f"f{number}")
        watch = Watch(f"f{number}", request["folder"])
        try:
            argument = eval(expression, world)
        except Exception:
            seen.append(unavailable())
            continue
        try:
            with tool_warnings() as told, patience(), watch.looking():
                text = repr(function(argument))
            one = {"value": text, "runs": watch.runs, "told": [str(warning.message) for warning in told]}
        except Exception as error:
            one = failed(error)
        seen.append({**one, "truth": repr(number)})
    return seen


@contextlib.contextmanager
def patience() -> Iterator[None]:
    """Raise TimeoutError in a with block that takes for ever: a tool may unfold what is shared."""

    def give_up(*signalled: object) -> None:
        raise TimeoutError("it took too long")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(_PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def unavailable() -> Seen:
    """Return what is seen of a value that cannot be made with the libraries that are here."""
    return {"value": "unavailable", "truth": "", "runs": 0, "told": [], "lost": "unavailable"}


def visit_results(request: Seen) -> list[Seen]:
    """Ask for each result twice, and compare it with what the plain function gives."""
    with begin(request).context():
        return ask_each(request)


def ask_each(request: Seen) -> list[Seen]:
    """Ask the functions of the project for their results, one by one."""
    plain = plain_functions(request["folder"])
    study = importlib.import_module("study")
    return [
        {
            "first": ask(getattr(study, f"f{number}"), plain[f"f{number}"], looks, request["folder"]),
            "second": ask(getattr(study, f"f{number}"), plain[f"f{number}"], looks, request["folder"]),
        }
        for number, looks in enumerate(request["looks"])
    ]


def plain_functions(folder: str) -> dict[str, Any]:
    """Return the functions of a project as they are without a cache."""
    caching = sys.modules["caching"]
    plain = types.ModuleType("caching")
    vars(plain).update(cache=Tool("", "", "").cache)
    sys.modules["caching"] = plain
    path = Path(folder, "study.py")
    namespace: dict[str, Any] = {"__name__": "plain"}
    exec(compile(path.read_text(), str(path) + " without cache", "exec"), namespace)
    sys.modules["caching"] = caching
    return namespace


def ask(function: Any, plain: Any, looks: list[str], folder: str) -> Seen:
    """Ask for a result, and say what it has lost."""
    watch = Watch(plain.__name__, folder)
    told: list[str] = []
    try:
        real = plain()
    except Exception:
        return unavailable()
    try:
        with tool_warnings() as warned, patience(), watch.looking():
            value = function()
        told = [str(warning.message) for warning in warned]
        lost = losses(real, value, looks)
    except Exception as error:
        lost = failed(error)["value"]
    return {"lost": lost, "runs": watch.runs, "told": told}


def losses(one: Any, other: Any, looks: list[str]) -> str:
    """Return in which way two values can be told apart, or nothing."""
    from resultstore.testing import assert_same
    from trust import world

    if looks:
        for look in looks:
            texts = [repr(eval(look, {**vars(world), "value": value})) for value in (one, other)]
            if texts[0] != texts[1]:
                return f"{look}: {texts[0]:.80} is not {texts[1]:.80}"
        if type(one) is not type(other):
            return f"type {type(one)} is not {type(other)}"
        return ""
    try:
        assert_same(one, other)
    except AssertionError as error:
        return f"{error!s:.160}"
    return ""
