"""Whether hits can be trusted: resultstore in every scenario of scripts/trust, and the page that shows it beside others."""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))
scenarios = importlib.import_module("trust.scenarios")
runner = importlib.import_module("trust.runner")
survey = importlib.import_module("trust.survey")
page = importlib.import_module("trust.page")

PROJECTS = [*scenarios.projects(), *scenarios.around()]
LIBRARIES = "numpy|pandas|polars|pyarrow|scipy|sklearn|xarray"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="fresh processes are made by forks")


@pytest.fixture(scope="module")
def servers():
    """Return the processes that fork for visits: without a cache, and with ours."""
    with runner.Servers("none") as plain, runner.Servers("resultstore") as ours:
        yield plain, ours


def marked(project):
    """Return a project as a parameter: one that names no library has nothing to fear from another version of it."""
    named = re.search(rf"\b({LIBRARIES})\b", repr(project))
    return pytest.param(project, id=survey.key_of(project), marks=[] if named else pytest.mark.versionless)


@pytest.mark.parametrize("project", [marked(project) for project in PROJECTS])
def test_a_project_recomputes_where_it_must_and_hits_where_it_can(project, servers, tmp_path):
    """Every call of a project runs if its value has changed, hits if it has not, and tells what cannot be cached."""
    assert survey.mark_of(project, *servers, tmp_path / "visits") == runner.RIGHT


def test_arguments_are_the_same_or_not(tmp_path):
    """Of every pair of arguments, the second hits if and only if it is the same value; what has no content is told."""
    pairs = scenarios.pairs()
    with runner.Servers("resultstore", runner.HEAVY) as servers:
        marks = runner.see_pairs(servers, pairs, tmp_path)
    wrong = {survey.key_of(pair): mark for pair, mark in zip(pairs, marks, strict=True) if mark != runner.RIGHT}
    assert {name for name, mark in wrong.items() if mark != runner.NONE} == set(), wrong


def test_results_come_back_whole(tmp_path):
    """A hit, at once or in a fresh process, cannot be told apart from what the function returns."""
    results = scenarios.results()
    with runner.Servers("resultstore", runner.HEAVY) as servers:
        marks = runner.see_results(servers, results, tmp_path)
    wrong = {survey.key_of(one): mark for one, mark in zip(results, marks, strict=True) if mark[0] != runner.RIGHT}
    assert {name for name, (mark, _) in wrong.items() if mark != runner.NONE} == set(), wrong


def test_there_are_enough_scenarios():
    """Each has a name of its own; there are at least 100 of identity, 150 of arguments, 100 of results."""
    scenarios.check()
    assert len(scenarios.projects()) >= 100
    assert len(scenarios.pairs()) >= 150
    assert len(scenarios.results()) >= 100


def test_the_page_lists_the_scenarios_there_are():
    """The page has every scenario in its order, and ours is right in each."""
    listed = list(page.rows(page.PAGE.read_text()))
    there = [[page.escaped(one.name), one.kind] for _, members in survey.sections() for one in members]
    assert [row[:2] for row in listed] == there
    assert {row[2] for row in listed} == {runner.RIGHT}
