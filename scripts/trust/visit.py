"""One visit to a project: what happens in a fresh process."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import traceback
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trust.tools import TOOLS, Tool

Seen = dict[str, Any]


class Watch:
    """Counts how often code of a given name starts to run, from outside of the code."""

    def __init__(self, target: str, folder: str) -> None:
        self.target = target
        self.folder = folder
        self.runs = 0

    def _look(self, frame: types.FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_name == self.target:
            file = frame.f_code.co_filename
            # Code without a file is the project's if its module is; tools compile functions for themselves, too.
            bare = file.startswith("<") and frame.f_globals.get("__name__") in ("study", "__main__", "space")
            self.runs += file.startswith(self.folder) or "ipykernel" in file or bare

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        """Watch for the length of a with block."""
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(None)


def visit_project(request: Seen) -> list[Seen]:
    """Start a project, make the calls, and return what was seen of each."""
    folder, entry = request["folder"], request["entry"]
    tool = begin(request)
    try:
        with tool_warnings():
            namespace = start(folder, entry)
    except Exception as error:
        return [failed(error)] * len(request["acts"])
    return [perform(tool, namespace, act, request) for act in request["acts"]]


def begin(request: Seen) -> Tool:
    """Set the process up, and give the project its decorator."""
    folder = request["folder"]
    os.chdir(request["cwd"])
    sys.path[:0] = [folder, *[f"{folder}/{part}" for part in request["path"]]]
    sys.argv = ["study.py"]
    tool = TOOLS[request["tool"]](request["store"], folder, request["entry"])
    caching = types.ModuleType("caching")
    vars(caching).update(cache=tool.cache, store=tool.store, edit=lambda *edit: rewrite(folder, *edit))
    sys.modules["caching"] = caching
    return tool


def rewrite(folder: str, file: str, old: str, new: str) -> None:
    """Edit a file of the project while it lives."""
    path = Path(folder, file)
    text = path.read_text()
    if text.count(old) != 1:
        raise ValueError(f"{old!r} does not stand once in {file}")
    path.write_text(text.replace(old, new))


@contextlib.contextmanager
def tool_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of a with block."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        warnings.simplefilter("ignore", ResourceWarning)
        yield told


def start(folder: str, entry: str) -> dict[str, Any]:
    """Start the project as Python would, and return the namespace of its main file."""
    path = Path(folder, "study.py")
    if entry == "module":
        import importlib

        return vars(importlib.import_module("study"))
    if entry == "exec":
        module = types.ModuleType("study")
        sys.modules["study"] = module
        exec(path.read_text(), vars(module))
        return vars(module)
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if entry == "script":
        main.__file__ = str(path)
        exec(compile(path.read_text(), str(path), "exec"), vars(main))
    elif entry == "command":
        exec(compile(path.read_text(), "<string>", "exec"), vars(main))
    else:
        run_cells(path.read_text(), entry, vars(main))
    return vars(main)


def run_cells(text: str, entry: str, namespace: dict[str, Any]) -> None:
    """Run cells as a kernel does: each has a file name of its own, and its lines in linecache only.

    The entry is ``"notebook"`` and the number of the first cell.
    """
    first = int(entry.partition(" ")[2] or 1)
    for number, cell in enumerate(text.split("# %%\n"), first):
        name = f"{os.path.sep}tmp{os.path.sep}ipykernel_{os.getpid()}{os.path.sep}{number}{abs(hash(cell))}.py"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec"), namespace)


def perform(tool: Tool, namespace: dict[str, Any], act: Seen, request: Seen) -> Seen:
    """Make one call."""
    watch = Watch(act["target"], request["folder"])
    try:
        with tool_warnings() as told:
            exec(act["before"], namespace)
            with tool.context(), watch.looking():
                value = eval(act["call"], namespace)
            text = repr(value)
    except Exception as error:
        return {**failed(error), "runs": watch.runs, "told": [str(one.message) for one in told]}
    return {"value": text, "runs": watch.runs, "told": [str(one.message) for one in told]}


def failed(error: Exception) -> Seen:
    """Return what was seen where a call raised."""
    trace = "".join(traceback.format_exception(error)[-3:])
    return {"value": f"raised {type(error).__name__}: {error}", "runs": 0, "told": [], "trace": trace}
