"""What a behaviour consists of: graphs, what is watched of them, whose code it is, and syntax that is the same everywhere."""

from __future__ import annotations

import functools
import linecache
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resultstore import CacheWarning, DigestError, Store, digest
from resultstore._identity.encoding import encode
from resultstore._identity.fingerprint import Fingerprint, dependencies_of, portable_of
from resultstore._identity.graph import Node, graph_digest
from resultstore._identity.origins import Owner, owner_of_file
from resultstore._identity.scan import references
from resultstore._identity.watch import _mark
from resultstore._settings import KeyOptions


def define(source: str, name: str = "f", **scope: Any) -> Any:
    """Return a function defined by a text whose lines can be looked up, as a notebook's can."""
    text = textwrap.dedent(source)
    file = f"<cell {hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = sys.modules["some.module"] = types.ModuleType("some.module")
    module.__dict__.update(scope)
    exec(compile(text, file, "exec", dont_inherit=True), module.__dict__)
    return getattr(module, name)


def portable(func: Any) -> str | None:
    """Return the portable fingerprint of a function."""
    fingerprint = Fingerprint(func)
    fingerprint.value()
    state = fingerprint.state()
    assert state is not None
    found = portable_of(state)
    return None if found is None else found.hex()[:32]


# -- graphs

shapes = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.tuples(st.sampled_from("ab"), st.lists(st.integers(0, n - 1), max_size=3)), min_size=n, max_size=n
    )
)


def build(shape: list[tuple[str, list[int]]]) -> list[Node]:
    """Return the nodes of a graph given as labels and edges by number."""
    nodes = [Node("x", "", label.encode()) for label, _ in shape]
    for node, (_, edges) in zip(nodes, shape, strict=True):
        node.edges = [(str(i), nodes[target]) for i, target in enumerate(edges)]
    return nodes


def bisimilar(one: Node, other: Node) -> bool:
    """Say whether nothing tells two nodes apart from outside."""
    assumed: set[tuple[int, int]] = set()
    stack = [(one, other)]
    while stack:
        a, b = stack.pop()
        if (id(a), id(b)) in assumed:
            continue
        assumed.add((id(a), id(b)))
        if a.local != b.local or [label for label, _ in a.edges] != [label for label, _ in b.edges]:
            return False
        stack += [(x, y) for (_, x), (_, y) in zip(a.edges, b.edges, strict=True)]
    return True


@given(shapes, shapes)
def test_nodes_that_can_be_told_apart_have_two_digests(one, other):
    """Digests of graph nodes are equal only if the nodes are bisimilar, in cycles and out of them."""
    nodes = build(one) + build(other)
    digests = [graph_digest(node, lambda n: n.local) for node in nodes]
    for i, a in enumerate(nodes):
        for j, b in enumerate(nodes):
            assert digests[i] != digests[j] or bisimilar(a, b)


@given(shapes)
def test_sharing_makes_no_difference(shape):
    """A copy of a graph has its digests; without cycles also one in which nothing is shared."""
    nodes, copies = build(shape), build(shape)
    assert [graph_digest(n, lambda n: n.local) for n in nodes] == [graph_digest(n, lambda n: n.local) for n in copies]
    downhill = [(label, [target for target in edges if target > i]) for i, (label, edges) in enumerate(shape)]

    def unfold(i):
        node = Node("x", "", downhill[i][0].encode())
        node.edges = [(str(k), unfold(target)) for k, target in enumerate(downhill[i][1])]
        return node

    assert graph_digest(build(downhill)[0], lambda n: n.local) == graph_digest(unfold(0), lambda n: n.local)


def test_long_chains_are_no_trouble():
    """A chain of ten thousand nodes is digested without recursion."""
    nodes = build([("a", [i + 1]) for i in range(9_999)] + [("a", [])])
    assert graph_digest(nodes[0], lambda n: n.local) != graph_digest(nodes[1], lambda n: n.local)


def test_functions_of_one_name_in_a_set_have_no_order():
    """A set of functions that share a name has one fingerprint, wherever in memory they lie; another set has another."""

    def made(k):
        return lambda x: x + k

    def user(functions):
        return lambda x: sum(f(x) for f in functions)

    kept, seen, orders = [], set(), set()
    for _ in range(200):
        functions = {made(1), made(2)}
        kept += [functions, *(object() for _ in range(len(kept) % 7))]
        orders.add(tuple(f(0) for f in functions))
        seen.add(Fingerprint(user(functions)).value())
    assert orders == {(1, 2), (2, 1)}
    assert len(seen) == 1
    assert Fingerprint(user({made(1), made(3)})).value() not in seen


def test_recursion_entered_from_either_end_is_the_same():
    """Two functions that call each other each have one fingerprint, whichever was looked at first."""
    source = """
    def even(n): return True if n == 0 else odd(n - 1)
    def odd(n): return False if n == 0 else even(n - 1)
    def other(n): return False if n == 1 else even(n - 1)
    """
    first, second = define(source, "even"), define(source, "even")
    odd = first.__globals__["odd"]
    values = [Fingerprint(f).value() for f in (first, odd, second.__globals__["odd"], second)]
    assert values[0] == values[3]
    assert values[1] == values[2]
    assert values[0] != values[1]
    second.__globals__["odd"] = second.__globals__["other"]
    assert Fingerprint(second).value() != values[0]


# -- what is read

READS = [
    ("return g(x)", {("global", "g", ())}),
    ("return m.g.h(x)", {("global", "m", ("g", "h"))}),
    ("return getattr(m, 'g')(x)", {("global", "getattr", ()), ("global", "m", ("g",))}),
    ("return getattr(m, 'g' + x)(x)", {("global", "getattr", ()), ("global", "m", ())}),
    ("return [k + i for i in x]", {("global", "k", ())}),
    ("import a.b\n    return a.b.c(x)", {("import", ("a.b", 0, None, "a"), ("b", "c"))}),
    ("import a.b as c\n    return c.d(x)", {("import", ("a.b", 0, None, "a.b"), ("d",))}),
    ("from .a import b as c\n    return c(x)", {("import", ("a", 1, "b", "a"), ())}),
    ("import a\n    def g(): return a.b\n    return g()", {("import", ("a", 0, None, "a"), ("b",))}),
    ("return globals()['g'](x)", {("global", "g", ())}),
    ("return __name__ + __file__", set()),
]


@pytest.mark.parametrize(("body", "expected"), READS, ids=[body for body, _ in READS])
def test_what_code_reads(body, expected):
    """A reference is a name and the attributes taken from it at once, nested code and local imports included."""
    func = define(f"def f(x):\n    {body}\n")
    found = {(r.space, r.name, r.chain) for r in references(func.__code__).reads if not r.only_written}
    free = {name for name in found if name[0] == "closure variable"}  # cells of the function itself
    assert found - free == expected


WRITES = [
    "g.append(x)", "g.append((x, [1, x.y], {'a': x}))", "g.add(-x)", "g[x] = 1", "g['a'] += x",
    "g.extend(y for y in ())" if sys.version_info < (3, 11) else "g.append(f'{x}')",
]  # fmt: skip


@pytest.mark.parametrize("statement", WRITES)
def test_what_is_only_written_is_not_read(statement):
    """A log that is appended to, a count that is increased: their content goes nowhere."""
    found = references(define(f"def f(x):\n    {statement}\n").__code__).reads
    assert [(r.name, r.only_written) for r in found if r.name == "g"] == [("g", True)]


@pytest.mark.parametrize(
    "statement",
    [
        "return g.append(x)",
        "y = g.pop(x)",
        "y = g[x]",
        "return g.setdefault(x, 1)",
        "x[g] = 1",
        "h(g)",
        "x += g",
        "del g[x]",
        "g.remove(x)",
    ],
)
def test_what_is_read_is_not_only_written(statement):
    """As soon as anything of a container is used, it counts."""
    found = references(define(f"def f(x):\n    {statement}\n").__code__).reads
    assert [(r.name, r.only_written) for r in found if r.name == "g"] == [("g", False)]


# -- what is watched


class Watching(RuleBasedStateMachine):
    """A function whose surroundings change all the time: its fingerprint is always that of a fresh look."""

    SOURCE = """
    import types
    class Base:
        k = 1
        def m(self, x): return x + self.k
    class C(Base):
        @property
        def p(self): return helper(1)
    def helper(x, n=2): return x + K + n
    def deep(x): return helper(x) + TABLE["a"](x) + len(ITEMS) + NS.value
    def other(x): return x - 1
    K, ITEMS, NS = 3, [1, [2]], types.SimpleNamespace(value=1)
    TABLE = {"a": helper, "b": other}
    THING = C()
    def f(x): return deep(x) + C().m(x) + C.k + THING.m(x) + SOMETIMES
    """

    def __init__(self) -> None:
        super().__init__()
        self.f = define(self.SOURCE)
        self.space = self.f.__globals__
        self.fingerprint = Fingerprint(self.f)
        self.count = 0

    @rule(value=st.integers(0, 2))
    def rebind(self, value):
        """Bind a global anew."""
        self.space["K"] = value

    @rule(value=st.integers(0, 1))
    def mutate(self, value):
        """Change a list inside a list."""
        self.space["ITEMS"][1][0] = value

    @rule(value=st.integers(0, 1))
    def set_attributes(self, value):
        """Change a namespace, an instance and a class."""
        self.space["NS"].value = value
        self.space["THING"].extra = value
        self.space["Base"].k = value

    @rule(name=st.sampled_from(["helper", "other"]), key=st.sampled_from("ab"))
    def redirect(self, name, key):
        """Put another function into the table."""
        self.space["TABLE"][key] = self.space[name]

    @rule(default=st.integers(0, 1))
    def swap(self, default):
        """Swap code and defaults in place, as reloaders do."""
        new = define(f"def helper(x, n={default}): return x * K + n + {default}", "helper")
        self.space["helper"].__code__, self.space["helper"].__defaults__ = new.__code__, new.__defaults__

    @rule(value=st.sampled_from([None, 1, 2]))
    def come_and_go(self, value):
        """Bind and unbind a name."""
        if value is None:
            self.space.pop("SOMETIMES", None)
        else:
            self.space["SOMETIMES"] = value

    @rule(value=st.integers(0, 1))
    def shadow(self, value):
        """Hide a builtin."""
        if value:
            self.space["len"] = self.space["other"]
        else:
            self.space.pop("len", None)

    @rule(base=st.sampled_from(["object", "Base"]))
    def replace_a_class(self, base):
        """Define a class anew."""
        self.space["C"] = define(f"class C({base}):\n    k = 5\n    def m(self, x): return x", "C", **self.space)

    @rule()
    def patch_a_method(self):
        """Replace a method of a class."""
        self.count += 1
        self.space["Base"].m = define(f"def m(self, x): return x - {self.count % 2}", "m")

    @invariant()
    def the_fast_check_equals_a_fresh_look(self):
        """Whatever happened, the watched fingerprint is the one that a new walk gives."""
        assert self.fingerprint.value() == Fingerprint(self.f).value()


TestWatching = pytest.mark.versionless(Watching.TestCase)


def test_looking_again_walks_no_more_while_nothing_changes(monkeypatch):
    """A fingerprint that stands is compared, not made anew."""
    machine = Watching()
    machine.fingerprint.value()
    monkeypatch.setattr("resultstore._identity.fingerprint.Walk", None)
    assert machine.fingerprint.value() == machine.fingerprint.value()


def test_what_runs_change_themselves_is_no_change(store):
    """Memo dicts, singletons, counters and caches in objects are what they were before the run; by others, they count."""
    source = """
    import functools
    memo, model, runs = {}, None, []
    class Holder:
        def __init__(self): self.scale, self.cache = 1, {}
        @functools.cached_property
        def heavy(self): return 5
        def get(self, x):
            self.last = x
            return self.cache.setdefault(x, x * self.scale) + self.heavy
    holder = Holder()
    def helper(x, _kept={}):
        global model
        if model is None: model = object()
        if x not in memo: memo[x] = x + 1
        if x not in _kept: _kept[x] = x
        return memo[x]
    def f(x):
        runs.append(x)
        return helper(x) + holder.get(x)
    """
    f = define(source)
    space, g = f.__globals__, store.cache(f)
    assert [g(1), g(2), g(1), g(2), g(1)] == [8, 10, 8, 10, 8]
    assert space["runs"] == [1, 2]
    assert len({record.fingerprint for record in store.find(g)}) == 1
    fresh = store.cache(define(source))
    assert [fresh(1), fresh(2)] == [8, 10]
    assert not fresh.func.__globals__["runs"]
    space["holder"].scale = 10
    assert g(3) == 4 + 30 + 5
    space["memo"][4] = 100
    assert g(4) == 100 + 40 + 5


def test_a_change_from_outside_during_a_run_is_told_apart_by_name(store):
    """What the code cannot write itself counts as changed; if it changed while the code ran, nothing is stored."""
    f = define("K = 1\ndef f(x, change):\n    change()\n    return x + K\n")
    space = f.__globals__
    g = store.cache(f, ignore=["change"])
    with pytest.warns(
        CacheWarning, match=r"depends on, some\.module\.K, was changed while it ran\. Make it an argument"
    ):
        assert g(1, lambda: space.update(K=5)) == 6
    assert store.find(g).first().state == "not stored"
    space["K"] = 1
    assert g(1, lambda: None) == 2
    assert store.find(g).first().state == "stored"


# -- whose code


def test_files_belong_to_who_lists_them(tmp_path, monkeypatch):
    """A file is a distribution's if a RECORD beside it names it, whatever the folder is called; not if it is editable."""
    for name in ("pkg", "extra"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "pkg" / "added.py").touch()
    info = tmp_path / "Some_Dist-1.5.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("pkg/__init__.py,sha256=x,0\nSome_Dist-1.5.dist-info/RECORD,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert owner_of_file(str(tmp_path / "pkg" / "__init__.py")) == Owner("Some_Dist", "1.5")
    assert owner_of_file(str(tmp_path / "pkg" / "added.py")) is None
    assert owner_of_file(str(tmp_path / "extra" / "__init__.py")) is None
    assert owner_of_file(functools.__file__) == Owner("", "")
    system = tmp_path / "system"  # as Debian installs: without a list of files
    (system / "image").mkdir(parents=True)
    (system / "image" / "__init__.py").touch()
    (system / "Pill-2.0.dist-info").mkdir()
    (system / "Pill-2.0.dist-info" / "top_level.txt").write_text("image\n")
    monkeypatch.setattr(sys, "path", [str(system), *sys.path])
    assert owner_of_file(str(system / "image" / "__init__.py")) == Owner("Pill", "2.0")
    other = tmp_path / "other"
    (other / "pkg").mkdir(parents=True)
    (other / "pkg" / "__init__.py").touch()
    info = other / "pkg-1.dist-info"
    info.mkdir()
    (info / "RECORD").write_text("pkg/__init__.py,,\n")
    (info / "direct_url.json").write_text('{"dir_info": {"editable": true}, "url": "file:///x"}')
    monkeypatch.setattr(sys, "path", [str(other), *sys.path])
    assert owner_of_file(str(other / "pkg" / "__init__.py")) is None


# -- what has no digest

HANDLE = "def f(x): return x if HANDLE else 0"


def test_what_has_no_digest_follows_the_policy(open_store):
    """By default such a call runs uncached with one warning; "strict" raises; "allow" caches."""
    f = define(HANDLE, HANDLE=iter("abc"))
    store = open_store()
    with pytest.warns(match="some.module.HANDLE: a builtins.str_ascii_iterator has no digest"):
        assert store.cache(f)(1) == 1
    with pytest.raises(DigestError, match=r"some\.module\.HANDLE"):
        store.cache(f, on_mutable="strict")(1)
    with pytest.raises(DigestError):
        open_store(on_mutable="strict").cache(f)(1)
    allowed = store.cache(f, on_mutable="allow")
    assert allowed(1) == 1
    assert allowed.check_call_in_cache(1)
    assert store.find(allowed).first().note == "not looked at: some.module.HANDLE"
    (untracked,) = [d for d in facts(f, on_mutable="allow") if d.kind == "untracked"]
    assert untracked.name == "some.module.HANDLE"
    ignoring = store.cache(f, ignore_globals="HANDLE")
    assert ignoring(1) == 1
    assert ignoring.fingerprint() == store.cache(f, ignore_globals=["some.module.HANDLE"]).fingerprint()


def facts(func: Callable[..., Any], **options: Any) -> tuple[Any, ...]:
    """Return what a function depends on."""
    fingerprint = Fingerprint(func, options=KeyOptions(**options))
    fingerprint.value()
    state = fingerprint.state()
    assert state is not None
    return dependencies_of(state)


def test_what_a_function_depends_on_is_on_record():
    """Each helper, class, value and distribution is named with its place and text."""
    np = pytest.importorskip("numpy")
    f = define(
        "class C:\n    n = 1\n    def m(self): return 2\nK = [1, 2]\ndef h(x): return x\ndef f(x): return h(C().m()) + K + np.sum(x)\n",
        np=np,
    )
    found = {(d.kind, d.name): d for d in facts(f)}
    assert set(found) == {
        ("function", "some.module.f"), ("function", "some.module.h"), ("class", "some.module.C"),
        ("function", "some.module.C.m"), ("value", "some.module.C.n"), ("value", "some.module.K"), ("distribution", "numpy"),
    }  # fmt: skip
    assert found["function", "some.module.h"].text == "def h(x): return x\n"
    assert str(found["function", "some.module.h"].place).endswith(":5")
    assert found["value", "some.module.K"].text == "[1, 2]"
    assert found["distribution", "numpy"].text == np.__version__


# -- labels


def test_a_label_stands_in_for_the_code_only(open_store):
    """With version=, edits change no key; closure values still do; the real code is on record."""
    store = open_store()

    def make(k: int, body: str) -> Any:
        source = f"def make(k):\n    def inner(x): return x * k\n    def f(x): return {body}\n    return f\n"
        return store.cache(define(source, "make")(k), version="1")

    one, edited, other = make(2, "inner(x)"), make(2, "inner(x) + 0"), make(3, "inner(x)")
    assert (one(1), edited(1), other(1)) == (2, 2, 3)
    assert one.fingerprint() == edited.fingerprint() != other.fingerprint()
    edited(5)
    assert len({version.code for version in edited.versions()}) == 3
    assert make(2, "inner(x)").fingerprint() != store.cache(one.func, version="2").fingerprint()


def test_a_pinned_function_counts_by_its_label_in_others(store):
    """What calls a function whose version is pinned does not see its edits either."""
    source = "def f(x): return g(x) + 1\n"
    prints = [
        Fingerprint(define(source, g=store.cache(define(f"def g(x): return x + {n}", "g"), version=label))).value()
        for n, label in ((1, "a"), (2, "a"), (2, "b"))
    ]
    assert prints[0] == prints[1] != prints[2]


# -- syntax

GOLDEN = {
    "plain": "def f(x, n=2):\n    y = x * n\n    return y + 1\n",
    "comprehension": "def f(xs):\n    return {k: [v for v in vs if v] for k, vs in xs}\n",
    "f-string": "def f(x, w):\n    return f'a{x!r:>{w}}b' f\"{x + 1=}\" 'c'\n",
    "match": "def f(x):\n    match x:\n        case {'a': [1, *rest], **kw} if rest: return kw\n        case int() | None as y: return y\n        case _: pass\n",
    "try": "def f(x):\n    try:\n        with open(x) as a, open(a): pass\n    except* ValueError as e:\n        raise KeyError from e\n    finally:\n        x = 1\n",
    "nested": "def f(x: int) -> str:\n    'Doc.'\n    z: int\n    y: int = 1\n    def g(a: int, /, b=y, *c, d: int = 2, **e) -> int:\n        'Doc.'\n        nonlocal y\n        y = a\n        return lambda q=1: q + b\n    class C:\n        n: int = 3\n    return g, C\n",
    "helpers": "import math\nK = 2.5\ndef h(x): return K * math.sin(x)\ndef f(x): return h(x) + g(x)\ndef g(x): return f(x - 1) if x else 0\n",
    "class": "from dataclasses import dataclass, field\n@dataclass(order=True)\nclass P:\n    x: int = 1\n    y: list = field(default_factory=list)\n    def m(self): return self.x\nclass Q(P):\n    @property\n    def p(self): return 1\ndef f(x): return Q(x).m()\n",
    "enum": "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2\n    def g(self): return self.value\ndef f(x): return E.A.g() + x\n",
    "generator": "def f(x):\n    async def g():\n        async with x as y: yield await y\n    return [*x, *(i async for i in g())] if (n := len(x)) > 1 else x[1:2, ...]\n",
}  # fmt: skip
DIGESTS = {
    "plain": "45b6c5c3c15220d8688ffbdded74b633",
    "comprehension": "4a69a889c39c798484f8845470193c63",
    "f-string": "9c006b3715b7180e3b9cada5bfd9c5cd",
    "match": "963d812134f0d8a296eb6e0ee2374ab3",
    "try": "e27a64632951d7e284d6eea3bcc3c390",
    "nested": "25676ff432b891a1fc72f68a8a7b9cbe",
    "helpers": "39b8940efeffa4a79b2bd89816da25c9",
    "class": "0adaf9a99d7fa285410584b69873f856",
    "enum": "e8c06a1f472e58874dcf0af0fba28ab1",
    "generator": "8ba8c5e39a6646d44a2e0fdd05862acb",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_portable_fingerprints_are_the_same_on_every_python(name):
    """By syntax a function has the same fingerprint on all Pythons that we support."""
    assert portable(define(GOLDEN[name], ok=1)) == DIGESTS[name]


@pytest.mark.parametrize(
    "variant",
    [
        "def f(x: float, n = 2):\n    'Doc.'\n    y: int = x * n # comment\n    return (y\n      + 1)\n",
        "import os\n\n\ndef f(x, n=2):\n    y = x * n; return y + 1\n",
    ],
)
def test_harmless_edits_keep_the_portable_fingerprint(variant):
    """Comments, layout, docstrings and annotations do not enter."""
    assert portable(define(variant)) == DIGESTS["plain"]


def test_annotations_of_nested_functions_are_no_change(store):
    """They are in the bytecode of the outer function, not in its syntax: the results are found by that."""
    one, other = (
        store.cache(define(f"def f(x):\n    def g(a: {kind}): return a + 1\n    return g(x)\n"))
        for kind in ("int", "float")
    )
    assert one(1) == 2
    assert one.fingerprint() != other.fingerprint() or sys.version_info >= (3, 14)
    assert other.check_call_in_cache(1)


def test_a_text_that_is_not_what_runs_is_not_believed():
    """Edited since it was loaded, a source is neither recorded nor digested."""
    f = define("def f(x): return x + 1\n")
    file = f.__code__.co_filename
    text = "def f(x): return x + 2\n"
    linecache.cache[file] = (len(text), None, [text], file)
    assert portable(f) is None
    assert Store(None).cache(f).source() is None


def test_lambdas_on_one_line_have_their_own_syntax():
    """A lambda's text is found by its place on the line."""
    source = "def make(): return (lambda x: x + 1), (lambda x: x + 2), (lambda x: x + 1)\n"
    one, other, same = define(source, "make")()
    assert portable(one) == portable(same) != portable(other)
    assert portable(one) is not None


def test_modules_under_one_name_are_told_apart(store):
    """A helper of the standard library counts by module and name: json.dumps is not pickle.dumps."""
    import json
    import pickle

    prints = {Fingerprint(define("def f(x): return dumps(x)\n", dumps=m.dumps)).value() for m in (json, pickle)}
    assert len(prints) == 2


def test_modules_may_be_made_by_hand(store):
    """A module without a file is the user's own."""
    module = types.ModuleType("by_hand")
    exec("def g(x): return x + 1", module.__dict__)
    f = define("def f(x): return by_hand.g(x)\n", by_hand=module)
    g = store.cache(f)
    assert g(1) == 2
    exec("def g(x): return x + 2", module.__dict__)
    assert g(1) == 3


def test_builtins_added_by_hand_count(monkeypatch):
    """A name that somebody has put among the builtins is followed like a global."""
    import builtins

    f = define("def f(x): return by_hand(x)\n")
    prints = []
    for n in (1, 2, 1):
        monkeypatch.setattr(builtins, "by_hand", define(f"def by_hand(x): return x + {n}\n", "by_hand"), raising=False)
        prints.append(Fingerprint(f).value())
    assert prints[0] == prints[2] != prints[1]
    monkeypatch.setattr(builtins, "by_hand", 5)
    assert Fingerprint(f).value() not in prints


def test_code_without_asserts_is_other_code(folder):
    """What runs under -O never gives its results to what runs without."""
    script = (
        "import sys\nfrom resultstore import Store\nstore = Store(sys.argv[1])\n@store.cache\ndef f(x):\n"
        "    assert x\n    return __debug__\nprint(f(1))\n"
    )
    path = folder.parent / "script.py"
    path.write_text(script)
    outputs = [
        subprocess.run([sys.executable, *option, path, folder], capture_output=True, text=True, check=True).stdout
        for option in ([], ["-O"], [])
    ]
    assert outputs == ["True\n", "False\n", "True\n"]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0, float("nan"), "", "a", b"a"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", 1, 1.0, True]), inner, max_size=3)
    ),
    max_leaves=4,
)


@given(values, values)
def test_the_quick_mark_of_a_container_is_never_the_same_for_two(one, other):
    """Equal marks mean equal encodings."""
    mark = _mark(one)
    assert mark is None or mark != _mark(other) or encode(one) == encode(other)


def test_a_hit_parses_no_source_and_asks_for_no_distributions(folder):
    """The first call of a process, if it is a hit, looks at live code only, whatever libraries it reaches."""
    script = (
        "import sys\nimport numpy as np\nbefore = set(sys.modules)\n"  # newer ones bring sysconfig
        "from resultstore import Store\nstore = Store(sys.argv[1])\n"
        "def helper(x):\n    return np.add(x, 1)\n@store.cache\ndef f(x):\n    return helper(x) * np.pi\nf(1)\n"
        "heavy = ['resultstore._identity.sources', 'importlib.metadata', 'sqlalchemy', 'sysconfig']\n"
        "print([name for name in heavy if name in set(sys.modules) - before])\n"
    )
    path = folder.parent / "script.py"
    path.write_text(script)
    outputs = [
        subprocess.run([sys.executable, path, folder], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[1] == "[]\n"
    assert "sources" in outputs[0]


def test_runs_under_way_see_what_was_before_them(folder):
    """A memo dict that several threads fill, or a call inside a call, counts as it was: the next process hits all."""
    source = """
    memo = {}
    def helper(x):
        for i in range(50): memo[x, i] = i
        return memo[x, 0]
    def f(x): return helper(x) + (f(x - 1) if x % 7 else 0)
    """
    store = Store(folder)
    g = define(source)
    cached = g.__globals__["f"] = store.cache(g)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(cached, range(60)))
    assert len({record.fingerprint for record in store.find(cached)}) == 1
    again = define(source)
    fresh = again.__globals__["f"] = store.cache(again)
    assert all(fresh.check_call_in_cache(x) for x in range(60))


def test_what_leads_back_to_itself_has_one_digest(tmp_path):
    """A function whose values hold another, whose values hold the first: the digest does not depend on who was asked first."""
    source = """
    from resultstore import register_digest
    class Box:
        def __init__(self, x): self.x = x
        def __resultstore_digest__(self): return self.x
    def one(x): return BOX_OF_OTHER
    def other(x): return BOX_OF_ONE
    BOX_OF_ONE, BOX_OF_OTHER = Box(one), Box(other)
    """
    first, second = define(source, "one").__globals__, define(source, "one").__globals__
    assert [digest(first[n]) for n in ("one", "other")] == [digest(second[n]) for n in ("other", "one")][::-1]


def test_a_local_import_counts_the_same_before_and_after_it_was_made(folder):
    """What an installed module brings counts by its name, whether somebody has imported it before or not."""
    script = (
        "import sys\nfrom resultstore import Store\nstore = Store(sys.argv[1])\n@store.cache\ndef f(x):\n"
        "    from scipy.ndimage import median_filter\n    import scipy.signal as s, scipy.fft\n"
        "    return float(median_filter([x, x, x], 3)[0]) + len(s.windows.hann(3)) + len(scipy.fft.fft([x]))\n"
        "prints = [f.fingerprint()]\nf(1)\nprints.append(f.fingerprint())\nprint(len(set(prints)), store.stats().misses)\n"
    )
    path = folder.parent / "script.py"
    path.write_text(script)
    outputs = [
        subprocess.run([sys.executable, *more, path, folder], capture_output=True, text=True, check=True)
        for more in ([], ["-X", "utf8"])
    ]
    assert [done.stdout for done in outputs] == ["1 1\n", "1 1\n"]
    assert outputs[0].stderr == outputs[1].stderr == ""
