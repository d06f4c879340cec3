"""Lets all faults strike at all operations, and prints figures; ``scripts/faults`` runs it with the shim."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.faults import power, runner, work
from tests.faults.runner import Tally

HEAD = (
    "| fault | operations struck | wrong values | errors | files left, then swept | seconds |",
    "|---|---|---|---|---|---|",
)
_APART = 5
"""In the short form a fault meets every so manyth piece of work, and another one the next."""


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)  # noqa: T201 -- this is what people read


def told(name: str, tallies: Callable[[], Iterable[Tally]]) -> Tally:
    """Add up tallies, and print what should not have been as it comes, and a line in the end."""
    total, started = Tally(), time.monotonic()
    for tally in tallies():
        total.add(tally)
        for line in tally.bad:
            say(f"   {line}")
    seconds = time.monotonic() - started
    say(f"| {name} | {total.points} | {total.wrong} | {total.errors} | {total.left} | {seconds:.0f} |")
    return total


def main() -> int:
    """Run what was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in a shell's background ignores it
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--work", default="", help="only work with one of these, parted by commas, in its name")
    parser.add_argument("--fault", default="", help="only faults with one of these in their names")
    parser.add_argument("--every", type=int, default=1, help="only every so manyth operation")
    parser.add_argument("--at", type=int, help="only this operation")
    parser.add_argument("--short", action="store_true", help="a sample, always the same")
    chosen = parser.parse_args()
    works = [some for some in work.ALL if any(part in some.name for part in chosen.work.split(","))]
    faults = [fault for fault in runner.FAULTS if any(part in fault.name for part in chosen.fault.split(","))]
    total = Tally()
    with tempfile.TemporaryDirectory() as folder:
        runner.warm_up(Path(folder), works)
        run = runner.Runner(Path(folder))
        say("\n".join(HEAD))
        for number, fault in enumerate(faults):

            def struck(number: int = number, fault: runner.Fault = fault) -> Iterable[Tally]:
                if chosen.short:
                    met = works[number % _APART :: _APART]
                    return (run.sample(some, fault, 7 * number + i) for i, some in enumerate(met))
                places = None if chosen.at is None else [chosen.at]
                return (run.run(some, fault, places, every=chosen.every) for some in works)

            total.add(told(fault.name, struck))
        if any(part in "power cut" for part in chosen.fault.split(",")):
            total.add(told("power cut", lambda: (power.cut_power(run, s, every=chosen.every) for s in works)))
    return 1 if total.bad or total.wrong or total.errors else 0


if __name__ == "__main__":
    sys.exit(main())
