"""The house itself: names, docstrings, start-up, types and the wheel; test_documents.py has the documents."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import resultstore
from resultstore import errors

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "resultstore").rglob("*.py"))


def run(code: str, *, cwd: Path | None = None) -> str:
    """Run a program in a fresh process with warnings as errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_test_states_its_rule():
    """Every test has a docstring of one sentence, so that the list of tests reads as the specification."""
    for path in sorted((ROOT / "tests").glob("test_*.py")) + sorted((ROOT / "resultstore" / "testing").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                rule = ast.get_docstring(node)
                assert rule, f"{path.name}: {node.name}"
                assert rule.endswith("."), f"{path.name}: {node.name}"


def test_the_root_exports_what_it_names():
    """__all__ is sorted and complete: whatever is public at the root is in it."""
    public = {n for n in dir(resultstore) if not n.startswith("_") and not inspect.ismodule(getattr(resultstore, n))}
    assert sorted(public) == sorted(resultstore.__all__)
    assert set(errors.__all__) <= set(resultstore.__all__)


def test_errors_inherit_what_callers_catch():
    """Every error is a StoreError and a built-in error, and the module's tree names each with both."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        if name in ("StoreError", "CacheWarning"):
            continue
        builtin = kind.__mro__[2:]
        assert issubclass(kind, errors.StoreError)
        line = next(line for line in (errors.__doc__ or "").splitlines() if f" {name} " in line)
        assert line.split()[2] in {base.__name__ for base in builtin}, name


def test_errors_survive_pickling():
    """Errors come back from a worker with their message and their data."""
    import pickle

    for error in (errors.OptionError("a", 1, "no"), errors.DigestError("no", "here"), errors.MissingError("gone")):
        back = pickle.loads(pickle.dumps(error))
        assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def lines_beside_examples(path: Path) -> int:
    """Return how many lines a file has without the examples in its docstrings and their headings."""
    text = path.read_text()
    tree = ast.walk(ast.parse(text))
    docs = [ast.get_docstring(node) or "" for node in tree if isinstance(node, (ast.FunctionDef, ast.ClassDef))]
    examples = [doc.partition("Examples\n---")[2] for doc in docs]
    return len(text.splitlines()) - sum(2 + len(example.splitlines()) for example in examples if example)


def test_files_stay_small():
    """No module of the package is over 400 lines, examples apart, but the generated one."""
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := lines_beside_examples(p)) > 400}
    assert set(long) <= {"resultstore/_index/hot.py"}


def test_the_vault_knows_no_format_no_path_and_no_sql():
    """The vault's first sign of rot would be a format's name, a path joined, or SQL in it."""
    text = (ROOT / "resultstore" / "_vault.py").read_text()
    assert not re.search(r"\bSELECT\b|\bUPDATE\b|\bINSERT\b|format == ", text)


def test_importing_is_light():
    """`import resultstore` loads nothing heavy."""
    heavy = ["numpy", "sqlalchemy", "alembic", "pyarrow", "pandas", "zstandard", "asyncio", "multiprocessing", "joblib"]
    assert run(f"import sys, resultstore; print([m for m in {heavy} if m in sys.modules])") == "[]\n"


def test_test_tools_are_imported_by_the_shipped_tests_only():
    """No module but those of resultstore.testing imports pytest or hypothesis, at its top or anywhere."""
    for path in SOURCES:
        imported = set(re.findall(r"^\s*(?:import|from) (pytest|hypothesis)\b", path.read_text(), flags=re.MULTILINE))
        assert not imported or path.parent.name == "testing", path


def test_hits_and_misses_load_neither_sqlalchemy_nor_alembic(tmp_path):
    """Storing, hitting and evicting run without SQLAlchemy; find imports it, and never Alembic."""
    code = (
        "import sys\nfrom resultstore import Store\nstore = Store('results', size_limit='2 MB')\n"
        "f = store.cache(abs)\nfor i in range(2000): f(-i % 1500)\n"
        "print('numpy' in sys.modules, 'sqlalchemy' in sys.modules)\n"
        "len(store.find(f))\nprint('sqlalchemy' in sys.modules, 'alembic' in sys.modules)"
    )
    assert run(code, cwd=tmp_path) == "False False\nTrue False\n"


@pytest.mark.versionless
def test_types_are_seen_through_the_decorator():
    """A type checker sees arguments and results of decorated functions; wrong calls are found."""
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "tests/typing_examples.py"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert (ROOT / "resultstore" / "py.typed").exists()


def test_public_things_have_docstrings():
    """Every public name at the root, and every public method of it, says what it does."""
    for name in resultstore.__all__:
        thing = getattr(resultstore, name)
        assert inspect.getdoc(thing), name
        if inspect.isclass(thing):
            for member, value in vars(thing).items():
                if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                    assert inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.skipif(os.environ.get("RESULTSTORE_TEST_WHEEL") is None, reason="scripts/test names the wheel it built")
def test_the_wheel_is_whole():
    """The wheel carries the migrations, the type marker and the licence, and nothing of tests."""
    (wheel,) = Path(os.environ["RESULTSTORE_TEST_WHEEL"]).glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "resultstore/_migrations/versions/0001_first_schema.py" in names
    assert "resultstore/_migrations/env.py" in names
    assert "resultstore/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests/") for name in names)
