"""The projects that are written for arguments and for results: one function for each scenario."""

from __future__ import annotations

from collections.abc import Sequence

from trust.model import PREAMBLE, Pair, Result


def arguments_text(pairs: Sequence[Pair]) -> str:
    """Return a module with a function for each pair of arguments."""
    functions = [f"@cache\ndef f{number}(x):\n    return {number}\n" for number, _ in enumerate(pairs)]
    return "\n\n".join([PREAMBLE, *functions])


def results_text(results: Sequence[Result]) -> str:
    """Return a module with a function for each result; options are for our decorator only."""
    functions = []
    for number, result in enumerate(results):
        options = ", ".join(f"{name}={value}" for name, value in result.options.items())
        decorator = f"@cache({options})" if options else "@cache"
        functions.append(f"{decorator}\ndef f{number}():\n    return {result.make}\n")
    return "\n\n".join(["from trust.world import *\n" + PREAMBLE, *functions])
