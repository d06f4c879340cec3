"""All scenarios, in the order of the page."""

from __future__ import annotations

from collections.abc import Iterator

from battery.model import Group, Scenario
from battery.scenarios import alone, crash, hostile, index, payloads, rights, space, strange, surroundings, together


def groups() -> list[Group]:
    """Return the groups, in the order of the page."""
    return [
        module.GROUP
        for module in (crash, payloads, index, space, rights, alone, together, hostile, surroundings, strange)
    ]


def all_of_them() -> Iterator[Scenario]:
    """Yield the scenarios, in the order of the page."""
    for group in groups():
        yield from group.scenarios
