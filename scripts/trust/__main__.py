"""Question: when code, arguments or values change, which tool hits only where it may, and where it can?

Run by scripts/trust/run. Options: ``--write`` puts the tables into the page; ``--only TOOL`` takes one tool and prints
what was not right.
"""

from __future__ import annotations

import argparse
import collections
import time

from trust import page, scenarios
from trust.runner import NONE, RIGHT
from trust.survey import survey
from trust.tools import RIVALS, missing


def main() -> None:
    words = argparse.ArgumentParser(prog="scripts/trust/run", description=(__doc__ or "").partition("\n")[0])
    words.add_argument("--write", action="store_true", help="put the tables into scripts/trust/trust.md")
    words.add_argument("--only", choices=["resultstore", *RIVALS], help="take this tool only")
    options = words.parse_args()
    scenarios.check()
    tools = [options.only] if options.only else ["resultstore", *RIVALS]
    lacking = {tool: f"{module} is not here" for tool in tools if (module := missing(tool))}
    surveys = {}
    for tool in tools:
        if tool in lacking:
            continue
        started = time.perf_counter()
        surveys[tool] = survey(tool)
        counts = collections.Counter(surveys[tool].values()).most_common()
        took = time.perf_counter() - started
        print(f"{tool}: {', '.join(f'{count} {mark}' for mark, count in counts)} in {took:.0f} s", flush=True)
    if options.only:
        for name, mark in surveys.get(options.only, {}).items():
            if mark not in (RIGHT, NONE):
                print(f"{mark:9} {name}")
    elif options.write:
        page.write(surveys, lacking)


if __name__ == "__main__":
    main()
