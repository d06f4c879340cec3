"""Takes one tool through scenarios: in a process that has imported the tool, which forks for every visit."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from battery import scenarios
from battery.lab import HungError, Lab
from battery.tools import TOOLS, NotHere

SCRIPTS = Path(__file__).parent.parent


@dataclass(frozen=True)
class Mark:
    """What became of a tool in a scenario: nothing if it was right; or why the scenario was left out."""

    faults: tuple[tuple[str, str], ...] = ()
    absent: str = ""

    @property
    def is_right(self) -> bool:
        """Whether the tool did all that was asked."""
        return not self.faults and not self.absent


def survey(tool: str, keys: Iterable[str] = ()) -> dict[str, Mark]:
    """Return the marks of a tool, by the keys of the scenarios; by default of all."""
    done = subprocess.run(
        [sys.executable, "-m", "battery.survey", tool, *keys],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPTS), os.environ.get("PYTHONPATH", "")])},
        check=True,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    marks = {}
    for line in done.stdout.splitlines():
        told = json.loads(line)
        marks[told["name"]] = Mark(tuple((kind, text) for kind, text in told["faults"]), told["absent"])
    return marks


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    tool, wanted = TOOLS[sys.argv[1]], set(sys.argv[2:])
    importlib.import_module(tool.module)
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        top.chmod(0o755)
        warm_up(Lab(tool, made(top / "warm")))
        for number, scenario in enumerate(scenarios.all_of_them()):
            if wanted and scenario.key not in wanted:
                continue
            lab = Lab(tool, made(top / str(number)))
            started = time.perf_counter()
            absent = ""
            try:
                scenario.act(lab)
            except NotHere as reason:
                absent = str(reason)
            except HungError:
                pass  # which the lab has noted
            finally:
                lab.clean()
            if os.environ.get("BATTERY_LOUD"):
                print(
                    f"{time.perf_counter() - started:6.1f} s  {scenario.key}: {absent or lab.faults}", file=sys.stderr
                )
            mark = Mark() if absent else Mark(tuple(lab.faults))
            answers.write(json.dumps({"name": scenario.key, **asdict(mark), "absent": absent}) + "\n")
            answers.flush()


def made(folder: Path) -> Path:
    """Make a folder."""
    folder.mkdir()
    return folder


def warm_up(lab: Lab) -> None:
    """Import all that the tool may import when it is used or damaged, so that no visit needs to read a file for it.

    The libraries that it would import for their kinds of values stay away.
    """
    tool = importlib.import_module(lab.tool.module)
    usual = set(sys.modules)

    def used() -> dict[str, list[str]]:
        for one in pkgutil.walk_packages(tool.__path__, f"{tool.__name__}."):
            if not any(part in one.name for part in ("adapters", "encoders", "test", "__main__")):
                with contextlib.suppress(Exception):
                    importlib.import_module(one.name)
        lab.used()
        return {"modules": sorted(sys.modules.keys() - usual)}

    for module in lab.visit(used).get("modules", ()):
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    lab.clean()


if __name__ == "__main__":
    main()
