"""What a start costs: the modules that an import, a first hit and a first miss load; data without dataclasses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import resultstore
from resultstore._data import Data, replace

HEAVY = "numpy sqlalchemy alembic pyarrow pandas zstandard asyncio multiprocessing joblib"
NOT_TO_HIT = (
    "ast base64 dataclasses getpass html inspect json linecache logging pickle platform random subprocess tempfile "
    "tokenize traceback urllib urllib.parse uuid zlib"
)
OURS_NOT_TO_HIT = (
    "_checking _environment _explaining _travel _upkeep _versions change explain query record testing version "
    "_identity.arrays _identity.classes _identity.imports _identity.sources _identity.standard _identity.summary "
    "_index.nearest _index.queue _index.schema _index.select _index.statements _index.upgrade _index.versions "
    "formats.arrow formats.compression formats.npy formats.pickled formats.plain formats.shuffle"
)
MOST_OF_OURS = 90
SCRIPT = """
import sys
before = set(sys.modules)
import resultstore
imported = sorted(set(sys.modules) - before)
def double(x):
    return x * 2
assert resultstore.Store("results").cache(double)(3) == 6
called = sorted(set(sys.modules) - before)
import json
print(json.dumps([imported, called]))
"""


def run(code, cwd=None):
    """Run a program in a fresh process, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(cwd):
    """Return what the import has loaded, and what was loaded after the first call, in a fresh process."""
    imported, called = json.loads(run(SCRIPT, cwd=cwd))
    return set(imported), set(called)


def unwanted(modules, *names):
    """Return the modules among these that should not be there."""
    return {m for m in modules if m in names or m.partition(".")[0] in names}


def test_importing_and_a_first_hit_load_what_they_need(tmp_path):
    """A script that only hits loads no module that asks, evicts, compresses or explains, and no slow one of Python's."""
    loaded(tmp_path)
    imported, called = loaded(tmp_path)
    assert unwanted(imported | called, *HEAVY.split(), *NOT_TO_HIT.split()) == set()
    ours = {m.removeprefix("resultstore.") for m in called if m.startswith("resultstore")}
    assert ours & set(OURS_NOT_TO_HIT.split()) == set()
    assert len(ours) <= MOST_OF_OURS


def test_a_first_hit_imports_nothing(tmp_path):
    """All that a hit needs is loaded by the import: no thread can be in the middle of one when the process forks."""
    loaded(tmp_path)
    imported, called = loaded(tmp_path)
    assert called - imported <= {"dis"}  # Python 3.13 and newer: how bytecode is taken apart


def test_a_first_miss_loads_what_describes_it(tmp_path):
    """A small miss loads the source of the function, the facts of the process, what makes an index, and nothing heavy."""
    imported, called = loaded(tmp_path)
    assert unwanted(called, *HEAVY.split(), "dataclasses", "logging", "pickle", "tempfile") == set()
    ours = {m for m in called - imported if m.startswith("resultstore")}
    assert ours == {
        f"resultstore.{name}" for name in ("_environment", "_identity.sources", "_identity.summary", "_index.damage")
    }


def test_late_names_are_as_good_as_others():
    """What the package imports when it is asked for is found by import, by attribute, by dir and by star."""
    code = "import resultstore; assert set(resultstore.__all__) <= set(dir(resultstore)); from resultstore import *"
    run(f"{code}\nfor name in resultstore.__all__: assert globals()[name] is getattr(resultstore, name)")
    for name in resultstore._LATE:
        run(f"from resultstore import {name}; import pickle; assert pickle.loads(pickle.dumps({name})) is {name}")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        resultstore.nothing  # noqa: B018


def test_the_log_is_heard_from_the_moment_on_that_logging_is_there(tmp_path):
    """Nobody who imports logging after us, and after the first calls, misses a line, or is told another place of it."""
    code = (
        "import sys, resultstore\nf = resultstore.Store('results').cache(abs)\nf(-1)\nassert 'logging' not in sys.modules\n"
        "import logging\nlogging.basicConfig(level=logging.DEBUG, format='%(name)s %(module)s %(message)s', stream=sys.stdout)\n"
        "f(-1)\nf(-1)"
    )
    assert run(code, cwd=tmp_path) == "resultstore _function hit builtins.abs\n" * 2


# -- data without dataclasses


class Point(Data):
    """A class of data."""

    x: int
    y: int = 2
    z: int = 3


def make(*values, **named):
    """Return a point."""
    return Point(*values, **named)


@pytest.fixture(params=["few", "many"])
def point(request, monkeypatch):
    """Return the class as it is before many of its objects were made, and after."""
    monkeypatch.setattr(Point, "_made", 0)
    if "__init__" in vars(Point):
        del Point.__init__
    for _ in range(100 if request.param == "many" else 0):
        Point(1)
    assert ("__init__" in vars(Point)) == (request.param == "many")
    return Point


def test_data_behaves_as_a_dataclass(point):
    """Fields by position or by name, defaults, equality by value and type, a repr that can be read back."""
    one = make(1, z=5)
    assert (one.x, one.y, one.z) == (1, 2, 5)
    assert one == make(z=5, x=1)
    assert one != make(1)
    assert hash(one) == hash(make(1, 2, 5))
    assert repr(one) == "Point(x=1, y=2, z=5)"
    assert replace(one, y=7) == make(1, 7, 5)


@pytest.mark.parametrize(
    "wrong",
    [lambda: make(), lambda: make(1, 2, 3, 4), lambda: make(1, x=1), lambda: make(1, w=1), lambda: make(y=1, w=1)],
)
def test_data_refuses_wrong_arguments(point, wrong):
    """Wrong arguments raise what Python says of them, whether the constructor is compiled yet or not."""
    with pytest.raises(TypeError, match=r"Point.__init__\(\)"):
        wrong()
