"""Runs the examples of a page as a reader would: top to bottom, in an empty directory.

======== =======================================================================================
block    what is done with it
======== =======================================================================================
python   run; if its first line is ``# name.py``, written to that file, for a console block to run
pycon    run as a doctest
console  each line ``$ command`` is run by a shell; what it prints is compared
sql      asked of ``results/index.sqlite``
sh       shown only
text     shown only
======== =======================================================================================
"""

from __future__ import annotations

import doctest
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

from sybil import Example, Sybil
from sybil.evaluators.doctest import DocTestEvaluator
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parent.parent
RUN = {"python", "pycon", "console", "sql"}
SHOWN = {"sh", "text", "{eval-rst}", "{toctree}", "{include}"}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_FILE = re.compile(r"# ([a-z_]+\.py)\n")
_WAIT_S = 120


def documents() -> list[Path]:
    """Return all pages that people read."""
    return [*sorted(ROOT.glob("*.md")), *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]


def fences(page: Path) -> list[tuple[str, str]]:
    """Return language and text of every fenced block of a page."""
    return re.findall(r"^```(\S*)[^\n]*\n(.*?)^```$", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def run(page: Path) -> int:
    """Run all examples of a page in the working directory; return how many there were.

    Raises what an example raises, and AssertionError where it prints something else than the page says.
    """
    namespace = {"__name__": "__main__"}
    document = Sybil(_PARSERS, path=str(ROOT)).parse(page)
    document.namespace.update(namespace)
    count = 0
    for example in document.examples():
        example.evaluate()
        count += 1
    unrun = [path.name for path in document.namespace.get("_written", []) if path not in document.namespace["_ran"]]
    assert not unrun, f"{page.name} shows {unrun} and does not run it"
    return count


class _Pycon(CodeBlockParser):
    """A block of ``>>>`` lines."""

    language = "pycon"

    def __call__(self, document):
        parser = DocTestStringParser(DocTestEvaluator(FLAGS))
        for region in super().__call__(document):
            for part in parser(region.parsed, document.path):
                part.adjust(region, region.parsed)
                yield part


def _python(example: Example) -> None:
    name = _FILE.match(example.parsed)
    if name is None:
        PythonEvaluator()(example)
        return
    path = Path(name[1])
    path.write_text(example.parsed)
    example.namespace.setdefault("_written", []).append(path)
    example.namespace.setdefault("_ran", set())


def _console(example: Example) -> None:
    """Run each command, with this interpreter first on the path and warnings as errors."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONWARNINGS": "error",
        "PYTHONDONTWRITEBYTECODE": "1",  # an edit within the second that keeps a file's size would not be seen
    }
    for step in re.split(r"^(?=\$ )", textwrap.dedent(example.parsed), flags=re.MULTILINE):
        if not step:
            continue
        command, _, wanted = step.removeprefix("$ ").partition("\n")
        program = command.split()[0]
        if program == "sqlite3" and shutil.which(program) is None:
            continue  # the one program that a machine with Python may lack
        for path in example.namespace.get("_written", []):
            if path.name in command or f"from {path.stem} import" in _text_of(command):
                example.namespace["_ran"].add(path)
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_WAIT_S,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        assert doctest.OutputChecker().check_output(wanted, done.stdout, FLAGS), (
            f"$ {command}\nis to print\n{wanted}\nand prints\n{done.stdout}"
        )


def _text_of(command: str) -> str:
    """Return the text of the files that a command names."""
    return "".join(path.read_text(errors="replace") for path in map(Path, command.split()) if path.is_file())


def _sql(example: Example) -> None:
    connection = sqlite3.connect("file:results/index.sqlite?mode=ro", uri=True)
    try:
        connection.execute(example.parsed).fetchall()
    finally:
        connection.close()


_PARSERS = [
    _Pycon(),
    CodeBlockParser("python", _python),
    CodeBlockParser("console", _console),
    CodeBlockParser("sql", _sql),
]
