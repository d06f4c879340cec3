"""Whole results, one by one: the first call, a hit in the same process, and a hit in a fresh one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resultstore import Store
from resultstore.testing import assert_same
from tests import outcomes
from tests.outcomes import LOST, SCENARIOS

ROOT = Path(__file__).parent.parent


def produce(name):
    """Return the result of a name, made anew; what makes them does not enter the fingerprint."""
    return outcomes.SCENARIOS[name]()


def cached(store):
    """Return the function cached, in this process and in others."""
    return store.cache(produce, ignore_globals=["outcomes"])


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_hit_is_what_the_first_call_returned(store, name):
    """A hit cannot be told from the first return by type, content, flags, order, names or sharing, and is no object twice."""
    f = cached(store)
    first = f(name)
    assert f.check_call_in_cache(name)
    assert_same(first, SCENARIOS[name]())
    hit, again = f(name), f(name)
    assert_same(hit, first)
    assert_same(again, first)
    if isinstance(hit, (list, dict, set, np.ndarray)) and hit is not np.ma.masked:
        assert hit is not again
        assert hit is not first
    assert store.find(f).first().access_count == 2


PROGRAM = """
import sys
from resultstore import Store
from resultstore.testing import assert_same
from tests.outcomes import SCENARIOS
from tests.test_outcomes import cached
store = Store(sys.argv[1])
f = cached(store)
for name, make in SCENARIOS.items():
    assert f.check_call_in_cache(name), name
    try:
        assert_same(f(name), make())
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from error
assert store.stats().misses == len(SCENARIOS), store.stats()
print(len(SCENARIOS))
"""


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}], ids=str)
def test_hits_of_a_fresh_process(folder, options):
    """A process that starts anew, with another hash seed, gets from hits what this one computed."""
    with Store(folder, **options) as store:
        f = cached(store)
        for name in SCENARIOS:
            f(name)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM, folder],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == len(SCENARIOS) >= 100


@pytest.mark.parametrize("name", LOST)
def test_what_comes_back_in_another_form(store, name):
    """What a hit gives in another form is on the list, and nothing but the form is lost."""
    make, expected = LOST[name]
    f = store.cache(lambda: make(), ignore_globals=["make"], version="1")
    assert_same(f(), make())
    assert_same(f(), expected())


def test_the_list_of_what_is_lost():
    """The page on skeletons names each form that is lost."""
    text = (ROOT / "docs" / "format" / "skeleton.md").read_text().partition("**What comes back differently**")[2]
    for words in ("memory map", "strided", "share memory", "`np.longlong`", "iterated"):
        assert words in text, words
