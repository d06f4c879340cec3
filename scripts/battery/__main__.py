"""Question: when stores are killed, damaged, filled up, raced for and attacked, what does the caller notice?

Run by scripts/battery/run. Options: ``--write`` puts the tables into docs/design/faults.md; ``--only TOOL`` takes one
tool and prints what was not right; ``--scenario NAME`` takes one scenario.
"""

from __future__ import annotations

import argparse
import time

from battery import page
from battery.survey import survey
from battery.tools import TOOLS, missing


def main() -> None:
    words = argparse.ArgumentParser(prog="scripts/battery/run", description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--write", action="store_true", help="put the tables into docs/design/faults.md")
    words.add_argument("--only", choices=[*TOOLS], help="take this tool only")
    words.add_argument("--scenario", action="append", default=[], help="take this scenario only")
    options = words.parse_args()
    surveys = {}
    for tool in [options.only] if options.only else TOOLS:
        if missing(tool):
            raise SystemExit(f"{tool} is not installed here")
        started = time.perf_counter()
        surveys[tool] = marks = survey(tool, options.scenario)
        took = time.perf_counter() - started
        right = sum(mark.is_right for mark in marks.values())
        print(f"{tool}: {right} of {sum(not mark.absent for mark in marks.values())} right in {took:.0f} s", flush=True)
        for name, mark in marks.items():
            if not mark.is_right:
                print(f"    {name}: {mark.absent or ', '.join(text for _, text in mark.faults)}")
    if options.write:
        if options.only or options.scenario:
            raise SystemExit("the page is written of all tools and all scenarios")
        page.write(surveys)


if __name__ == "__main__":
    main()
