"""Modules that another thread is just importing: `sys.modules` has them from their first line on."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

import resultstore
from resultstore._loaded import loaded

pytestmark = pytest.mark.versionless

SOURCES = sorted(Path(resultstore.__file__).parent.rglob("*.py"))
HALF = """
import json, sys, threading, time, types, warnings
warnings.simplefilter("error")
from resultstore import Store
half = [name for name in json.loads(sys.argv[1]) if name not in sys.modules]
for name in half:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__spec__ = types.SimpleNamespace(_initializing=True)

class Own:
    pass

def slow(x):
    time.sleep(0.05)
    own = Own()
    own.x = x
    return {"text": [x], "own": own}

f = Store("results").cache(slow)
got = []
threads = [threading.Thread(target=lambda x=x: got.append(f(x % 3)["text"][0])) for x in range(9)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps([half, sorted(got)]))
"""


def test_a_module_counts_as_loaded_when_its_last_line_has_run(tmp_path, monkeypatch):
    """While a thread imports a module, and before, there is none; afterwards there is the module."""
    name = "imported_by_a_thread"
    (tmp_path / f"{name}.py").write_text("import threading\ngate = threading.Event()\ngate.wait(30)\nlast = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert loaded(name) is None
    thread = threading.Thread(target=__import__, args=(name,))
    thread.start()
    while not hasattr(sys.modules.get(name), "gate"):
        pass
    assert loaded(name) is None
    sys.modules[name].gate.set()
    thread.join()
    assert loaded(name).last == 1


def test_a_module_made_by_hand_counts_as_loaded(monkeypatch):
    """A module without a specification, as notebooks and tests make them, is one that nobody is importing."""
    module = types.ModuleType("made_by_hand")
    monkeypatch.setitem(sys.modules, "made_by_hand", module)
    assert loaded("made_by_hand") is module
    del module.__spec__
    assert loaded("made_by_hand") is module


def test_nothing_is_looked_at_while_it_is_imported():
    """A module is never taken out of `sys.modules` by a name that is written out, but for the two that are always whole."""
    found = {
        (path.name, name)
        for path in SOURCES
        for name in re.findall(r'sys\.modules\.get\("([\w.]+)"', path.read_text(encoding="utf-8"))
    }
    assert found == {("names.py", "__main__"), ("_lifetime.py", "_frozen_importlib")}


def test_calls_do_not_mind_what_others_are_just_importing(tmp_path):
    """With every module that we look at half imported, calls are computed, waited for, stored by pickle and hit."""
    names = sorted({n for path in SOURCES for n in re.findall(r'\bloaded\("([\w.]+)"\)', path.read_text("utf-8"))})
    for rounds in range(2):
        done = subprocess.run(
            [sys.executable, "-c", HALF, json.dumps(names)], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.stderr == "", rounds
        half, got = json.loads(done.stdout)
        assert got == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert {"asyncio.events", "logging", "numpy"} <= set(half)
