"""Whether caching hurts: resultstore in some scenarios of scripts/battery, and the page that shows it beside others."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.versionless

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
scenarios = importlib.import_module("battery.scenarios")
survey = importlib.import_module("battery.survey")
page = importlib.import_module("battery.page")

QUICK = [
    "Crash and power: a process is killed after its call has returned: the result is there",
    "Damaged results: one bit flipped",
    "Damaged results: two files swapped",
    "Damaged index: deleted",
    "Space: no file handle is left, before the store is opened",
    "Rights: the directory and all in it may only be read",
    "One call, asked for at once: by 16 processes: computed once",
    "Many at once: a fork after calls: parent and child go on",
    "Hostile: a pickle that runs code, put in a result's place",
    "Own files, and clocks: somebody's own files beside results, after evicting, tidying and clearing",
    "Strange: values that contain themselves",
]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fresh processes are made by forks")
def test_caching_does_not_hurt():
    """In each of some scenarios a right value comes back, no error, the store goes on, and nothing is left behind."""
    marks = survey.survey("resultstore", QUICK)
    assert list(marks) == sorted(QUICK, key=[one.key for one in scenarios.all_of_them()].index)
    assert {key: mark.faults for key, mark in marks.items() if mark.faults} == {}


def test_there_are_enough_scenarios():
    """Each has a name of its own; there are at least 50, and as many as README says."""
    keys = [one.key for one in scenarios.all_of_them()]
    assert len(keys) == len(set(keys)) >= 50
    assert f"[{len(keys)} faults](docs/design/faults.md)" in (ROOT / "README.md").read_text()


def test_the_page_lists_the_scenarios_there_are():
    """The page has every scenario in its order, and says what became of it for each tool."""
    listed = list(page.rows(page.PAGE.read_text()))
    assert [row[0] for row in listed] == [page.escaped(one.name) for one in scenarios.all_of_them()]
    assert {len(row) for row in listed} == {4}


def test_the_page_names_tests_that_there_are():
    """Each file of tests that a promise names is there."""
    named = re.findall(r"`(test_\w+\.py)`", page.PAGE.read_text())
    assert len(named) > 12
    assert {name for name in named if not (ROOT / "tests" / name).is_file()} == set()
