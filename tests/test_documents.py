"""The documents: that every example runs, and that nothing public is missing from them."""

from __future__ import annotations

import ast
import collections
import dataclasses
import datetime
import decimal
import doctest
import importlib
import inspect
import math
import pickle
import re
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from blake3 import blake3

import resultstore
import resultstore.testing
from resultstore import Reference, Store, errors
from resultstore._facts import STATES
from resultstore._index import schema
from resultstore._loading import _SCALARS
from resultstore.eviction import POLICIES
from resultstore.explain import REASONS
from resultstore.formats import adapters, atoms, compression, registry, tree
from resultstore.testing import strategies
from tests import pages

ROOT = pages.ROOT
DOCS = ROOT / "docs"
SOURCES = sorted((ROOT / "resultstore").rglob("*.py"))


def read(page: str) -> str:
    """Return the text of a page below docs."""
    return (DOCS / page).read_text()


def first_cells(text: str) -> list[str]:
    """Return the names in the first cells of the tables of a text."""
    cells = re.findall(r"^\| ([^|]*) \|", text, flags=re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading of the second level."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return {title.strip("`").partition("`")[0]: body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


# -- examples


@pytest.mark.parametrize("page", pages.documents(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_examples_in_documents_run(page, tmp_path, monkeypatch):
    """Every example of a page does what the page says, in an empty directory, with warnings as errors."""
    monkeypatch.chdir(tmp_path)
    pages.run(page)


@pytest.mark.parametrize("page", pages.documents(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_example_escapes(page):
    """Every fenced block says what it is; what Python is, is run, and what is not run are outputs and our own scripts."""
    for language, text in pages.fences(page):
        assert language in pages.RUN | pages.SHOWN, f"{page.name}: {language or 'no language'}"
        assert language in pages.RUN or ">>>" not in text
        if language == "sh":
            for line in text.splitlines():
                assert (ROOT / line.split()[0]).is_file(), f"{page.name}: {line}"


def docstrings():
    """Yield every docstring of the package that has an example."""
    for path in SOURCES:
        if ">>>" in path.read_text():
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            yield from doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))


EXAMPLES = [example for example in docstrings() if example.examples]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_in_docstrings_run(example, tmp_path, monkeypatch):
    """Every example of a docstring prints what it says, where `store` holds `square(3)`, and nothing else."""
    monkeypatch.chdir(tmp_path)
    with Store("shared") as store:
        square = store.cache(doctest_square)
        square(3)
        example.globs.update(Store=Store, Reference=Reference, store=store, square=square, __name__="__main__")
        runner = doctest.DocTestRunner(optionflags=pages.FLAGS, verbose=False)
        out: list[str] = []
        runner.run(example, out=out.append)
        assert not runner.failures, "".join(out)


def doctest_square(x):
    """Return the square, and say so."""
    print("computing")  # noqa: T201 -- what examples show
    return x * x


def members(kind: type) -> list[str]:
    """Return the public methods and properties of a class that are ours."""
    found = {}
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] == "resultstore":
            found.update(vars(base))
    return [n for n, v in found.items() if not n.startswith("_") and (inspect.isfunction(v) or isinstance(v, property))]


def public() -> list[tuple[str, object]]:
    """Return every public name at the root, and every public method and property of it."""
    things: list[tuple[str, object]] = []
    for name in resultstore.__all__:
        thing = getattr(resultstore, name)
        things.append((name, thing))
        if inspect.isclass(thing):
            things += [(f"{name}.{member}", getattr(thing, member)) for member in members(thing)]
    return things


@pytest.mark.parametrize(("name", "thing"), public(), ids=[name for name, _ in public()])
def test_every_public_thing_has_an_example(name, thing):
    """Every public name, method and property says in its docstring what it does, and has an example that is run."""
    text = inspect.getdoc(thing) or ""
    assert ">>>" in text, f"{name} has no example"
    assert text.index(">>>") > 0


def test_everything_for_tests_is_shown_at_work():
    """Every name of resultstore.testing and its strategies stands in an example that is run, of a page or its docstring."""
    shown = "".join(
        text for page in pages.documents() for language, text in pages.fences(page) if language in pages.RUN
    )
    for name in (*resultstore.testing.__all__, *strategies.__all__):
        thing = getattr(resultstore.testing, name, None) or getattr(strategies, name)
        assert name in shown or ">>>" in (inspect.getdoc(thing) or ""), name


# -- what the reference must name


def test_the_reference_has_every_public_thing():
    """Every public name at the root and in resultstore.testing is built into the reference, and listed in its table."""
    reference = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    built = set(re.findall(r"^\.\. auto\w+:: resultstore\.([\w.]+)(?:\(\))?$", reference, flags=re.MULTILINE))
    shipped = {f"testing.{name}" for name in resultstore.testing.__all__}
    policies = {f"eviction.{name}" for name in (*map(str.upper, POLICIES), "POLICIES", "Policy", "Use")}
    assert built == {*resultstore.__all__, *shipped, *policies, "testing.strategies", "query.Range"}
    for name in (*resultstore.testing.__all__, *strategies.__all__):
        assert re.search(rf"`{name}\b", read("reference/testing.md")), name
    listed = read("reference/index.md") + read("reference/errors.md")
    for name in resultstore.__all__:
        assert f"`{name}`" in listed, name


def test_every_field_is_described():
    """Every field of a public record of facts has its words in the class's docstring, where help() shows them."""
    kinds = [kind for name in resultstore.__all__ if dataclasses.is_dataclass(kind := getattr(resultstore, name))]
    assert {"Record", "Stats", "Plan", "Problem", "Repair"} <= {kind.__name__ for kind in kinds}
    for kind in kinds:
        for field in dataclasses.fields(kind):
            assert field.name.startswith("_") or f"\n{field.name} : " in inspect.getdoc(kind), f"{kind}: {field.name}"


@pytest.mark.parametrize(("title", "function"), [("Store", Store), ("Options of `cache`", Store.cache)])
def test_every_option_is_described(title, function):
    """Every option of Store and of cache has a row with its default, and there is no other row."""
    text = read("reference/store.md")
    before, after = text.split("## Options of `cache`")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", before if title == "Store" else after, flags=re.MULTILINE))
    parameters = {n: p for n, p in inspect.signature(function).parameters.items() if n != "self"}
    assert list(rows) == list(parameters)
    for name, parameter in parameters.items():
        if name != "location":
            assert f"`{parameter.default!r}`" in rows[name], name


def test_every_method_of_a_call_is_in_the_table():
    """The table of what a cached function can do has all its methods."""
    cells = {cell.partition("(")[0].removeprefix("f.") for cell in first_cells(read("reference/function.md"))}
    methods = [name for name in members(resultstore.CachedFunction) if name not in ("name", "func")]
    assert set(methods) <= cells


def test_every_error_is_described():
    """Every error has a row that names the built-in error that it also is."""
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", read("reference/errors.md"), flags=re.MULTILINE))
    kinds = {name: getattr(errors, name) for name in errors.__all__ if name != "CacheWarning"}
    assert set(rows) == set(kinds)
    for name, kind in kinds.items():
        assert rows[name] in {base.__name__ for base in kind.__mro__[1:]}, name


def test_every_policy_is_described():
    """Every policy of eviction that ships stands on its page."""
    for name in POLICIES:
        assert f"`{name.upper()}`" in read("reference/eviction.md"), name


def strings_of(module: str, name: str, position: int) -> set[str]:
    """Return the literal texts that a module's code passes at a place to functions of a name."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / "resultstore" / module).read_text())):
        if isinstance(node, ast.Call) and name == getattr(node.func, "attr", getattr(node.func, "id", None)):
            argument = node.args[position] if len(node.args) > position else None
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                found.add(argument.value)
    return found


def test_every_kind_of_warning_is_explained():
    """Every kind of CacheWarning that the code issues has its section in the page on warnings, and no other has."""
    kinds = set()
    for path in SOURCES:
        kinds |= strings_of(str(path.relative_to(ROOT / "resultstore")), "warn", 1)
    kinds |= strings_of("_vault.py", "refuse", 1) | strings_of("_computing.py", "refuse", 1)
    assert kinds >= {"key", "damaged", "too large"}
    assert kinds == set(sections(read("howto/warnings.md"))) - {"See them happen"}


def test_every_kind_of_problem_is_explained():
    """Every kind of problem that verify finds has its row."""
    kinds = strings_of("_upkeep.py", "Problem", 0)
    assert kinds >= {"index", "orphan"}
    assert kinds <= set(first_cells(read("reference/records.md")))


def test_every_reason_and_kind_of_change_is_explained():
    """Every reason of an explanation has its row, and every kind of change, and there is no other row."""
    kinds = {kind for name in ("change.py", "_explaining.py", "explain.py") for kind in strings_of(name, "Change", 0)}
    reasons, changes = read("reference/explain.md").split("| `Change.kind`")
    assert set(first_cells(reasons)) - {"Explanation.reason"} == set(REASONS)
    assert kinds | {"value"} == set(first_cells("| `Change.kind`" + changes)) - {"Change.kind"}
    assert strings_of("_explaining.py", "make", 0) <= set(REASONS)


def test_every_state_is_explained():
    """Every state of a record has its row in the tutorial, and stands beside its column."""
    assert set(STATES) <= set(first_cells(read("tutorial/2-asking.md")))
    for state in STATES:
        assert f"`{state}`" in sections(read("format/schema.md"))["call"]


# -- what the format's pages must tell


def test_every_format_and_codec_is_described():
    """Every format has its row with its suffix, and every codec and its suffix are named."""
    text = read("format/files.md")
    for name in registry.NAMES:
        assert f"| `{name}` | `{registry.format_named(name).suffix}` |" in text, name
    for codec, suffix in compression.SUFFIXES.items():
        assert f"`{codec}`" in text
        assert f"`{suffix}`" in text
    assert str(compression.WORTH_NBYTES) in text


def test_every_table_and_column_is_described():
    """Every table of the index has its section with all its columns, and no column is described that is not there."""
    parts = sections(read("format/schema.md"))
    for table in schema.metadata.tables.values():
        text = parts.get(table.name, parts["Others"])
        for column in table.columns:
            assert f"`{column.name}`" in text, f"{table.name}.{column.name}"
        if table.name in parts:
            assert set(first_cells(text)) <= {column.name for column in table.columns}, table.name


def test_every_column_of_the_view_is_described(tmp_path):
    """The view for people is described with all its columns."""
    store = Store(tmp_path / "results")
    store.cache(abs)(-1)
    index = sqlite3.connect(tmp_path / "results" / "index.sqlite")
    names = [row[1] for row in index.execute("PRAGMA table_info(calls)")]
    tables = [row[0] for row in index.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    index.close()
    parts = sections(read("format/schema.md"))
    assert names
    for name in names:
        assert f"`{name}`" in parts["calls"], name
    for name in tables:
        assert name in parts or f"`{name}`" in parts["Others"], name


def test_every_file_of_a_store_is_described(tmp_path):
    """Whatever lies in a store that worked, its name is in the page on files."""
    store = Store(tmp_path / "results", compression="zstd")
    store.cache(np.arange)(10.0, 100_000.0)
    text = read("format/files.md")
    for path in (tmp_path / "results").rglob("*"):
        name = path.relative_to(tmp_path / "results").parts[0]
        assert name.removeprefix("index.sqlite") in text, name
        assert path.is_dir() or path.parent.name != "payloads"


def test_every_tag_and_kind_is_described():
    """Every kind of result and every tag of a skeleton is described; those of libraries in the page on tables."""
    text = read("format/skeleton.md")
    kinds = _SCALARS | {"leaf", "tree", "json", "pickle"}
    tags = {*atoms.ATOMS, *tree._TAGS.values(), *tree._BUILDERS, *tree._SHELLS, "leaf", "objects"}
    assert kinds | tags <= set(first_cells(text))
    tables = read("format/tables.md")
    for library, module in adapters._ADAPTERS.items():
        for tag in importlib.import_module(f"{adapters.__name__}.{module}").BUILD:
            name = tag.partition(".")[2].partition("_")[0]
            assert re.search(rf"`({library})?\.{name}\b|`{name}`", tables), tag


def results():
    """Return results that the reader of the page must read, as a stranger would compare them."""
    shared = [1, 2]
    return {
        "none": None,
        "bool": True,
        "int": -7,
        "float": 0.1,
        "nan": math.nan,
        "text": "µ",
        "array": np.arange(6.0).reshape(2, 3),
        "large": np.asfortranarray(np.arange(40_000.0).reshape(200, 200)),
        "bytes": b"x" * 5000,
        "tree": {
            "a": (1, 2.5, -0.0, math.inf, 2j),
            "b": [{1}, frozenset([2]), slice(1, None), range(3), ...],
            3: shared,
        },
        "shared": [shared, shared],
        "odd": ["\ud800", 2**3000, b"few", bytearray(b"more"), np.float32(1.5), collections.OrderedDict(a=1)],
        "objects": np.array([[1, "a"], [None, [2]]], dtype=object),
        "long": list(range(10_000)),
        "values": [decimal.Decimal("1.5"), datetime.date(2026, 1, 2)],
    }


def produce(name):
    """Return one of the results, or a frame of pandas."""
    import pandas as pd

    return pd.DataFrame({"a": [1, 2], "b": ["x", None]}) if name == "frame" else results()[name]


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"compression": "auto"}, {"mmap_mode": "r"}], ids=str)
def test_a_stranger_can_read_a_store(tmp_path, options):
    """The reader of the page, where resultstore cannot be imported, gives back what was stored."""
    code = next(text for language, text in pages.fences(DOCS / "format" / "reader.md") if language == "python")
    (tmp_path / "reader.py").write_text(code)
    with Store(tmp_path / "results", **options) as store:
        names = [*results(), "frame"]
        for name in names:
            store.cache(produce)(name)
    program = (
        "import sys, pickle; sys.modules['resultstore'] = None\n"
        "from reader import read\n"
        "got = {n: read('results', 'tests.test_documents.produce', f'name={n!r}') for n in sys.argv[1:]}\n"
        "print(pickle.dumps(got).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    got = pickle.loads(bytes.fromhex(done.stdout))
    wanted = results()
    wanted["values"] = [("decimal.Decimal", "1.5"), ("datetime.date", 2026, 1, 2)]
    frame = got.pop("frame")
    assert frame[0] == "pandas.DataFrame"
    assert any(getattr(part, "column_names", None) == ["a", "b"] for part in frame)
    assert np.isfortran(got["large"])
    for name, value in wanted.items():
        np.testing.assert_equal(got[name], value, err_msg=name)
        if name != "values":
            assert type(got[name]) is type(value), name


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"compression": "auto"}], ids=str)
def test_a_stranger_can_check_a_store(tmp_path, options):
    """Checksums and digests are made as the pages say: of payloads inline, in files and compressed, and of calls."""
    with Store(tmp_path / "results", **options) as store:
        for name in [*results(), "frame"]:
            store.cache(produce)(name)
    index = sqlite3.connect(tmp_path / "results" / "index.sqlite")
    columns = "id, digest, checksum, format, codec, head_nbytes, dtype, shape, memory_order, file, inline"
    payloads = {row[0]: row for row in index.execute(f"SELECT {columns} FROM payload")}
    for _, digest, checksum, name, codec, head, *_, file, inline in payloads.values():
        data = inline if file is None else (tmp_path / "results" / "payloads" / file).read_bytes()
        cut = 0 if codec else head
        assert blake3(data[:cut] + blake3(data[cut:]).digest()).digest() == checksum
        if name in ("arrow", "json") and codec is None:
            assert blake3(b"resultstore leaf 1\0" + name.encode() + b"\0" + blake3(data).digest()).digest() == digest
    query = "SELECT id, key, checksum, kind, integer, number, leaf_count, text FROM call"
    for call, key, checksum, *facts in index.execute(query).fetchall():
        kind, integer, number, count, text = facts
        parts = [key, f"{kind}|{integer}|{number!r}|{count}|{text}".encode()]
        for payload, writeable in index.execute(
            "SELECT payload_id, writeable FROM result_leaf WHERE call_id = ? ORDER BY position", (call,)
        ):
            _, digest, _, name, _, _, dtype, shape, order, *_ = payloads[payload]
            parts += [f"|{name}|{dtype}|{shape}|{order}|{writeable}|".encode(), digest]
        assert blake3(b"".join(parts)).digest(16) == checksum
    index.close()
    assert {row[3] for row in payloads.values()} >= {"npy", "arrow", "bytes", "json"}
    assert (options == {}) == all(row[4] is None for row in payloads.values())


# -- the house of documents


def test_documents_link_to_what_is_there():
    """Every relative link of a document leads to a file."""
    for page in pages.documents():
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_house_has_every_module():
    """Every module and package of resultstore stands in the table of the floors."""
    text = sections(read("design/architecture.md"))["The house"]
    for path in (ROOT / "resultstore").iterdir():
        name = path.stem
        if (path.suffix == ".py" and not name.startswith("__")) or (path / "__init__.py").exists():
            assert f"`{name}`" in text or f"resultstore.{name}`" in text, name


def test_the_changelog_names_the_version():
    """The version that is built has its entry in the changelog."""
    assert f"## {resultstore.__version__}" in (ROOT / "CHANGELOG.md").read_text()
