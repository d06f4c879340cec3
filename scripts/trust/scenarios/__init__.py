"""The scenarios, group by group."""

from __future__ import annotations

import importlib

from trust.model import Group, Pair, Project, Result, check_names

_IDENTITY = (
    "own_code helpers modules classes instances wrappers constants harmless places living returning opaque unseen"
)
_ARGUMENTS = "plain_arguments container_arguments array_arguments table_arguments object_arguments refused_arguments"
_RESULTS = "plain_results array_results table_results object_results unkept_results"
_AROUND = "calls"


def groups(names: str) -> list[Group]:
    """Return the groups of these modules."""
    return [importlib.import_module(f"trust.scenarios.{name}").GROUP for name in names.split()]


def projects() -> list[Project]:
    """Return the scenarios of function identity."""
    return [project for group in groups(_IDENTITY) for project in group.projects]


def around() -> list[Project]:
    """Return the scenarios of what happens around a call: changed arguments and results, exceptions, iterators."""
    return [project for group in groups(_AROUND) for project in group.projects]


def pairs() -> list[Pair]:
    """Return the scenarios of arguments."""
    return [pair for group in groups(_ARGUMENTS) for pair in group.pairs]


def results() -> list[Result]:
    """Return the scenarios of results."""
    return [result for group in groups(_RESULTS) for result in group.results]


def check() -> None:
    """Raise ValueError where two scenarios have one name."""
    everything = [*projects(), *around(), *pairs(), *results()]
    check_names(f"{scenario.group}: {scenario.name}: {scenario.kind}" for scenario in everything)
