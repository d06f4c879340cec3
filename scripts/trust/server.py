"""A process that has imported a tool and forks for every visit: fresh processes at the price of a fork.

Requests and answers are lines of JSON on standard input and output.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import sysconfig
from typing import Any

from trust import values, visit
from trust.tools import TOOLS

_VISITS = {"project": visit.visit_project, "arguments": values.visit_arguments, "results": values.visit_results}
_LIMIT_S = 300


def main() -> None:
    sys.dont_write_bytecode = True  # an edit within the second that keeps a file's size would not be seen
    answers = os.fdopen(os.dup(1), "w")
    silence()
    for module in TOOLS[sys.argv[1]].needs + tuple(sys.argv[2:]):
        importlib.import_module(module)
    sysconfig.get_config_vars()  # read from a file once in a process: no visit needs to
    for line in sys.stdin:
        answers.write(answer(json.loads(line)) + "\n")
        answers.flush()


def silence() -> None:
    """Send what the tools print to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    if not os.environ.get("TRUST_LOUD"):
        os.dup2(nowhere, 2)


def answer(request: dict[str, Any]) -> str:
    """Fork, let the child make the visit, and return what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        signal.alarm(_LIMIT_S)
        try:
            seen = json.dumps(_VISITS[request["kind"]](request))
        except BaseException as error:  # the parent must hear of everything
            seen = json.dumps([visit.failed(error)])  # type: ignore[arg-type]
        with os.fdopen(writing, "w") as pipe:
            pipe.write(seen)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return text if status == 0 and text else json.dumps([{"value": f"died {status}", "runs": 0, "told": []}])


if __name__ == "__main__":
    main()
