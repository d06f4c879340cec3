"""What a scenario is: a name, and what is done with a store in a lab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from battery.lab import Lab

Act = Callable[[Lab], None]


@dataclass(frozen=True)
class Scenario:
    """One fault, and what is done to see how a tool takes it."""

    name: str
    act: Act
    group: str

    @property
    def key(self) -> str:
        """What it is called among all."""
        return f"{self.group}: {self.name}"


class Group:
    """Collects scenarios of one kind."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.scenarios: list[Scenario] = []

    def scenario(self, name: str) -> Callable[[Act], Act]:
        """Add a scenario."""
        if "|" in name or any(name == one.name for one in self.scenarios):
            raise ValueError(f"the name {name!r} has a bar, or is there already")

        def added(act: Act) -> Act:
            self.scenarios.append(Scenario(name, act, self.title))
            return act

        return added
