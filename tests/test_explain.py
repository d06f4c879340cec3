"""Why a call hits or misses: every reason, told with its evidence, without computing, loading or writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resultstore import CacheWarning, Change, OptionError, Store, StoreError
from resultstore._data import replace
from resultstore._facts import DependencyFacts
from resultstore.explain import HITS, REASONS, Explanation
from tests import science
from tests.test_versions import PORTABLE, define, pair, with_facts

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def fresh_runs():
    """Forget earlier runs."""
    science.runs.clear()


def check(made: Explanation, reason: str) -> Explanation:
    """Check an explanation's form; return it."""
    assert made.reason == reason, made.text
    assert reason in REASONS
    assert made.outcome == ("hit" if reason in HITS else "miss")
    assert str(made) == made.text == repr(made)
    assert made.text.startswith(f"{made.outcome}: ")
    assert len(made.text.splitlines()) <= 40
    assert made._repr_html_().startswith("<pre>")
    return made


# -- hits


def test_a_hit_is_described(store):
    """A hit says when and how fast the result was computed, how large it is, and which version made it."""
    f = store.cache(science.square)
    f(2), f(2)
    store._vault.flush()
    made = check(f.explain(x=2), "stored")
    assert "1 hit, by version 1" in made.text
    assert "8 B" in made.text
    assert made.nearest.arguments == {"x": 2}
    assert made.changes == ()


def test_a_hit_of_another_version_says_why_it_counts(store):
    """A hit under an alias says which: equal source, an earlier name, or an acceptance and its reason."""
    f, g = pair(store)
    f(1)
    assert "the same source under Python 3." in check(g.explain(1), "equal").text
    h = with_facts(store.cache(define("def h(x):\n    return x + x", "h"), was="lab.f"), portable=PORTABLE)
    assert "of lab.f, as the function was named before" in check(h.explain(1), "renamed").text
    i = store.cache(define("def f(x):\n    return x + x + 0"))
    store.accept(i, from_version=1, reason="rounding")
    assert "by version 1, accepted: rounding" in check(i.explain(1), "accepted").text
    assert science.runs == [1]


# -- misses without a past call like it


def test_a_function_that_was_never_called(store):
    """Before the first call, that is what is said."""
    f = store.cache(science.square)
    assert check(f.explain(1), "never called").text == "miss: no call of tests.science.square is on record"
    store.cache(science.identity)(1)
    check(f.explain(1), "never called")


def test_a_call_unlike_all_others(store):
    """Where no argument is that of any past call, none is blamed."""
    f = store.cache(science.table)
    f(10, 1, scale=2.0)
    made = check(f.explain(11, 2, scale=3.0), "never called")
    assert [c.name for c in made.changes] == ["n", "seed", "scale"]
    assert made.text.splitlines()[1:4] == ["  n: 10 -> 11", "  seed: 1 -> 2", "  scale: 2.0 -> 3.0"]
    assert "nearest call: tests.science.table(n=10" in made.text


def test_the_argument_that_differs_is_named(store):
    """The nearest past call is the one with most equal arguments, and what differs from it is told, old and new."""
    f = store.cache(science.table)
    f(10), f(10, 3), f(20, 4)
    made = check(f.explain(10, 4, scale=1.0), "argument")
    assert made.nearest.arguments["n"] in (10, 20)
    made = check(f.explain(10, 5), "argument")
    assert made.changes == (Change("argument", "seed", None, "3", "5"),)
    assert made.text.splitlines()[:2] == [
        "miss: argument seed is another one than in the nearest call",
        "  seed: 3 -> 5",
    ]


def test_types_are_told_apart(store):
    """Equal numbers of other types are told by their types."""
    f = store.cache(science.square)
    f(2)
    made = check(f.explain(2.0), "argument")
    assert made.changes[0].diff == "type: int -> float"
    assert "x: 2 -> 2.0" in made.text


@pytest.mark.parametrize(
    ("old", "new", "diff"),
    [
        (np.zeros((3, 4)), np.zeros((3, 5)), "shape: 3x4 -> 3x5"),
        (np.zeros((3, 4)), np.zeros((4, 4), "f4"), "shape: 3x4 -> 4x4\ndtype: float64 -> float32"),
        (np.zeros((3, 4)), np.ones((3, 4)), "content"),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, "['b']: 2 -> 3\n['c']: nothing -> 4"),
        ([1, 2, 3], [1, 5, 3], "[1]: 2 -> 5"),
        ([1, 2], [1, 2, 3], "[2]: nothing -> 3"),
        ((1, 2), (1, True), "[1]: 2 -> True"),
        ([0] * 9, [0] * 8 + [1], "beyond the first 6 elements"),
        ({1, 2}, {2, 3}, "without 1\nwith 3"),
        (list(range(6)), list(range(1, 7)), "[0]: 0 -> 1\n[1]: 1 -> 2\n[2]: 2 -> 3\n[3]: 3 -> 4\n[4]: 4 -> 5\n... 1 elements more"),
        ("a b", "a c", None),
        ([1], (1,), "type: list -> tuple"),
    ],
)  # fmt: skip
def test_how_values_differ_is_told(store, old, new, diff):
    """Of arrays shape, dtype or content is named, of small containers the elements."""
    f = store.cache(science.identity)
    f(old)
    assert check(f.explain(new), "argument").changes[0].diff == diff


def test_arguments_that_come_and_go(store):
    """Keyword arguments that only one of the calls has are told as such."""
    f = store.cache(science.spelled)
    f(1, c=2, extra=3)
    made = check(f.explain(1, c=2, other=4), "argument")
    assert {c.name: (c.before, c.after) for c in made.changes} == {"extra": ("3", None), "other": (None, "4")}
    assert "extra: 3 -> nothing" in made.text


def test_ignored_arguments_are_not_blamed(store):
    """What does not enter the key is no reason."""
    f = store.cache(science.table, ignore=["scale"])
    f(10, 1, scale=2.0)
    made = check(f.explain(10, 2, scale=3.0), "argument")
    assert [c.name for c in made.changes] == ["seed"]


def test_the_nearest_call_is_found_among_many(store, monkeypatch):
    """The cost is bounded, and a call with rare equal arguments is found however old it is."""
    monkeypatch.setattr("resultstore._index.nearest._OF_PRESENT", 5)
    monkeypatch.setattr("resultstore._index.nearest._OF_ARGUMENT", 5)
    f = store.cache(science.spelled)
    f("rare", "also rare", c=0)
    g = store.cache(science.identity)
    for i in range(20):
        g(i)
    for i in range(20):
        f(i, i, c=i)
    made = check(f.explain("rare", "also rare", c=-1), "argument")
    assert made.changes == (Change("argument", "c", None, "0", "-1"),)


# -- misses for the function


def helper_facts(text: str, place: str = "/home/me/tools.py:12") -> DependencyFacts:
    return DependencyFacts("tools.helper", "function", text[-32:].encode(), place, text)


def two_versions(store, old: dict[str, Any], new: dict[str, Any]) -> Any:
    """Call one version of a function with 1, and return another."""
    f, g = pair(store, portable=(None, None))
    with_facts(f, **({"source": "def f(x): ..."} | old))(1)
    return with_facts(g, **({"source": "def f(x): ..."} | new))


def test_a_changed_helper_is_shown_with_its_difference(store):
    """The dependency that changed is named with its file and line, and a unified diff; acceptance is offered."""
    before, now = "def helper(x):\n    return x + 1\n", "def helper(x):\n    return x + 2\n"
    g = two_versions(store, {"dependencies": (helper_facts(before),)}, {"dependencies": (helper_facts(now),)})
    made = check(g.explain(1), "code")
    assert made.text.startswith(
        "miss: tools.helper changed (/home/me/tools.py:12)\n--- tools.helper, before\n+++ tools.helper, now\n"
        "@@ -1,2 +1,2 @@\n def helper(x):\n-    return x + 1\n+    return x + 2\nthe call was lab.f(x=1), version 1, "
    )
    assert 'store.accept(f, from_version=1, reason="...")' in made.text
    (change,) = made.changes
    assert (change.kind, change.name, change.place) == ("code", "tools.helper", "/home/me/tools.py:12")
    assert "+    return x + 2" in change.diff


def test_changed_own_code_is_shown(store):
    """A change of the function itself is shown with its place."""
    g = two_versions(store, {"source": "def f(x):\n    return 1"}, {"source": "def f(x):\n    return 2"})
    made = check(g.explain(1), "code")
    assert made.text.startswith("miss: lab.f changed (/lab.py:1)\n--- lab.f, before")


def test_a_changed_global_is_shown_with_its_values(store):
    """A value that the function depends on is told as it was and as it is."""

    def limit(text: str) -> dict[str, Any]:
        return {"dependencies": (DependencyFacts("lab.LIMIT", "value", text.encode(), "/lab.py:3", text),)}

    made = check(two_versions(store, limit("3"), limit("4")).explain(1), "value")
    assert made.text.startswith("miss: lab.LIMIT (/lab.py:3): 3 -> 4\n")
    assert made.changes == (Change("value", "lab.LIMIT", "/lab.py:3", "3", "4"),)


def test_values_of_one_summary_are_told_to_differ(store):
    """Two arrays of one shape are other content."""

    def array(digest: bytes) -> dict[str, Any]:
        return {"dependencies": (DependencyFacts("lab.W", "value", digest, None, "ndarray 3 float64"),)}

    made = two_versions(store, array(b"1"), array(b"2")).explain(1)
    assert made.text.startswith("miss: lab.W: other content, ndarray 3 float64\n")


def test_a_table_is_told_by_its_shape_and_by_what_may_differ(store):
    """A global table stands in one line; what its shape does not show is named, for tables and arrays."""
    pandas = pytest.importorskip("pandas")
    scope = {"frame": pandas.DataFrame(np.zeros((50, 20))), "array": np.zeros((30, 2)), "few": np.zeros(3)}
    f = store.cache(define("def f(x):\n    return frame, array, few", **scope))
    f(1)
    f.__wrapped__.__globals__.update({name: value + 1 for name, value in scope.items()})
    assert {str(change) for change in check(f.explain(1), "value").changes} == {
        "lab.frame: other content (values, dtypes, index, column order or attrs), DataFrame 50x20",
        "lab.array: other content (values or memory order), ndarray 30x2 float64",
        "lab.few: array([0., 0., 0.]) -> array([1., 1., 1.])",
    }
    assert len(f.explain(1).text.splitlines()) == 5
    g = store.cache(science.identity)
    g(scope["frame"][0])
    assert "x: other content (values, index, name or attrs), Series 50 float64" in g.explain(scope["frame"][0] + 1).text


def test_a_dict_whose_order_changed_is_told_so(store):
    """Of a global dict that looks the same, the order of its entries is named; not of one that is not shown in full."""
    for table, word in (
        ({"a": 1, "b": 2}, "the same entries, in another order"),
        (dict.fromkeys("abcdef", 1), "other"),
    ):
        f = store.cache(define("def f(x):\n    return table", table=table))
        f(1)
        f.__wrapped__.__globals__["table"] = dict(reversed(table.items()))
        assert check(f.explain(1), "value").text.startswith(f"miss: lab.table: {word}")


def test_acceptance_is_offered_by_the_functions_name_where_it_helps(store):
    """The hint names the function as its caller writes it, and is left out where there is no result to accept."""

    def f(x):
        return x

    g = store.cache(f)
    g(1)

    def f(x):
        return x + 1

    h = store.cache(f)
    assert 'store.accept(f, from_version=1, reason="...")' in check(h.explain(1), "code").text
    h.__qualname__ = "Model.fit"
    assert "store.accept(Model.fit, " in h.explain(1).text
    h.__qualname__ = "<lambda>"
    assert "store.accept(f, " in h.explain(1).text
    store.reduce_size(items_limit=0)
    assert "store.accept" not in check(h.explain(1), "code").text


def test_a_changed_distribution_is_the_environment(store):
    """Another version of an installed distribution is told as that."""

    def numpy(version: str) -> dict[str, Any]:
        return {"dependencies": (DependencyFacts("numpy", "distribution", version.encode(), None, version),)}

    made = check(two_versions(store, numpy("1.26.4"), numpy("2.0.0")).explain(1), "environment")
    assert made.text.startswith("miss: numpy: 1.26.4 -> 2.0.0\n")


def test_another_python_is_the_environment(store):
    """Where source and dependencies are the same and Python is not, Python is the reason."""
    made = check(two_versions(store, {"python": "3.11.7"}, {"python": "3.13.0"}).explain(1), "environment")
    assert made.text.startswith("miss: Python: 3.11.7 -> 3.13.0\n")


def test_a_helper_of_the_same_source_under_another_python_has_not_changed(store):
    """Bytecode of another Python is no change of a helper; a change of its source is."""
    same, other = "def helper():\n    return 1  # one\n", "def helper():\n    return 1\n"
    first = replace(helper_facts(same), digest=b"a")
    g = two_versions(
        store,
        {"python": "3.11.7", "dependencies": (first,)},
        {"python": "3.13.0", "dependencies": (replace(helper_facts(other), digest=b"b"),)},
    )
    check(g.explain(1), "environment")


def test_another_label_is_the_reason(store):
    """A changed version= label is told as that."""
    made = check(two_versions(store, {"label": "1"}, {"label": "2"}).explain(1), "label")
    assert made.text.startswith("miss: version: 1 -> 2\n")


def test_a_change_that_nothing_shows_is_told_all_the_same(store):
    """Without sources and dependencies on record, it is said that the function changed."""
    made = check(two_versions(store, {"source": None}, {"source": None}).explain(1), "code")
    assert made.text.startswith("miss: lab.f changed (/lab.py:1)\n")


def test_an_older_rule_of_fingerprints_is_told(store):
    """Versions of an older scheme are not compared dependency by dependency."""
    g = two_versions(store, {"scheme": 0}, {"dependencies": (helper_facts("def helper(): ..."),)})
    made = check(g.explain(1), "environment")
    assert len(made.changes) == 1
    assert "the rule of fingerprints: 0 -> " in made.text


def test_an_argument_and_the_code_may_both_differ(store):
    """A call near a past one of another version names the argument, and says that the code changed too."""
    g = two_versions(store, {"source": "def f(x):\n    return 1"}, {"source": "def f(x):\n    return 2"})
    made = check(g.explain(2), "argument")
    assert [c.kind for c in made.changes] == ["argument", "code"]
    assert "and the function is another version since: lab.f changed" in made.text


def test_long_differences_stay_on_a_screen(store):
    """A text shows the beginning of long diffs and many changes; .changes has all."""
    texts = ["\n".join(f"x = {i * factor}" for i in range(200)) for factor in (2, 3)]
    facts = [
        tuple(DependencyFacts(f"lab.h{n}", "function", bytes([i, n % 256]), None, t) for n in range(60))
        for i, t in enumerate(texts)
    ]
    made = check(two_versions(store, {"dependencies": facts[0]}, {"dependencies": facts[1]}).explain(1), "code")
    assert len(made.changes) == 60
    assert "lines more" in made.text


# -- misses for the result


def test_an_evicted_result(store):
    """An evicted result is told with what removed it."""
    f = store.cache(science.square)
    f(2)
    store.reduce_size(items_limit=0)
    made = check(f.explain(2), "evicted")
    assert made.text.startswith("miss: evicted by reduce_size\n")
    assert made.nearest.state == "evicted"


def test_an_expired_result(store, monkeypatch):
    """An expired result is told with its age and the ttl; one that a callback refuses, as that."""
    f = store.cache(science.square, ttl="1 h")
    f(2)
    later = store.find(f)[0].created_at.timestamp() + 7300
    monkeypatch.setattr("resultstore._clock.now", lambda: later)
    assert check(f.explain(2), "expired").text.startswith("miss: expired: computed 2.03 h ago, and ttl is 60 min\n")
    check(store.cache(science.square, cache_validation_callback=lambda metadata: False).explain(2), "invalid")


def test_an_unreadable_result(folder):
    """A payload that is gone, or was found damaged, makes a result unreadable."""
    with Store(folder) as store:
        f = store.cache(science.slow_block)
        f(1)
        next(folder.glob("payloads/*/*.npy")).unlink()
        assert "its payload is gone" in check(f.explain(1), "unreadable").text
        store.verify(fix=True)
        assert check(f.explain(1), "unreadable").text.startswith("miss: unreadable: its payload was missing\n")


def test_a_result_that_was_not_stored(store):
    """A result that could not be stored is told with why."""
    f = store.cache(science.make_lambda)
    with pytest.warns(CacheWarning):
        f(1)
    assert "a result of type function is not stored" in check(f.explain(1), "not stored").text


def test_a_stored_exception(store):
    """An exception on record is a hit for a function that stores its type, and none for another."""
    f = store.cache(science.fail_later, cache_errors=ZeroDivisionError)
    f(1)
    with pytest.raises(ZeroDivisionError):
        f(2)
    assert "raises the exception again" in check(f.explain(2), "stored").text
    check(store.cache(science.fail_later).explain(2), "exception")


def test_a_call_that_cannot_be_keyed(store):
    """The argument or dependency without a digest is named with the problem."""
    f = store.cache(science.square)
    made = check(f.explain(object()), "unkeyed")
    assert made.text.startswith("miss: the call runs uncached: argument 'x': a builtins.object has no digest")
    assert (made.changes[0].kind, made.changes[0].name) == ("argument", "argument 'x'")
    assert not f.check_call_in_cache(object())
    with pytest.raises(TypeError, match="missing 1 required"):
        f.check_call_in_cache()
    held = iter([])
    assert not store.cache(lambda: held).check_call_in_cache()
    made = check(store.cache(lambda: held).explain(), "unkeyed")
    assert "held: a builtins.list_iterator has no digest" in made.text
    assert made.changes[0].kind == "value"


def test_storing_switched_off(monkeypatch, folder):
    """Without a store, or with the switch in the environment, that is the reason."""
    check(Store(None).cache(science.square).explain(1), "off")
    monkeypatch.setenv("RESULTSTORE_DISABLE", "1")
    off = Store(folder)
    check(off.cache(science.square).explain(1), "off")
    check(off.explain(b"k" * 32), "off")


def test_methods_are_explained_with_their_object(store):
    """Of a bound method the object is an argument like the others, and versions and source are those of its function."""

    class Scale:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        @store.cache(key={"self": lambda self: self.factor})
        def apply(self, x: int) -> int:
            return x * self.factor

    scale = Scale(3)
    scale.apply(2)
    check(scale.apply.explain(2), "stored")
    made = check(Scale(4).apply.explain(2), "argument")
    assert [(c.name, c.before, c.after) for c in made.changes] == [("self", "3", "4")]
    assert [v.standing for v in scale.apply.versions()] == ["present"]
    assert "x * self.factor" in scale.apply.source()
    assert store.prune() == 0


def test_an_index_that_cannot_be_read_is_an_error(folder):
    """Whoever asks why is told when nothing can be known."""
    store = Store(folder)
    f = store.cache(science.square)
    f(1)
    store.close()
    (folder / "index.sqlite").write_bytes(b"SQLite format 3\0" + b"garbage" * 1000)
    with pytest.raises(StoreError):
        f.explain(1)
    with pytest.raises(StoreError):
        store.explain(b"k" * 32)


def test_a_wrong_call_is_a_type_error(store):
    """A call that the function would refuse is refused."""
    with pytest.raises(TypeError):
        store.cache(science.square).explain()


# -- in real files and fresh processes


def run(folder: Path, *, before: str = "") -> str:
    """Run the project's main.py in a fresh process, with a line of Python before it; return what it prints."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        f"{before}\nimport runpy; runpy.run_path('main.py', run_name='__main__')",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


PROJECT = {
    "tools.py": "LIMIT = 3\n\n\ndef helper(x):\n    return x + 1\n\n\nclass Model:\n    scale = 2\n\n    def fit(self, x):\n        return x * self.scale\n",
    "main.py": """\
import sys

import tools
from resultstore import Store

store = Store("results")


@store.cache
def analyse(x, factor=2):
    print("computing")
    return tools.helper(x) * factor + tools.LIMIT + tools.Model().fit(x)


if __name__ == "__main__":
    sys.stdout.write(f"{analyse.explain(1)}\\n")
    if len(sys.argv) == 1:
        analyse(1)
""",
}


EDITS = [
    ("tools.py", "x + 1", "x + 2", "tools.helper changed", "-    return x + 1\n+    return x + 2\n"),
    ("tools.py", "LIMIT = 3", "LIMIT = 4", "tools.LIMIT: 3 -> 4", ""),
    ("tools.py", "scale = 2", "scale = 5", "tools.Model.scale: 2 -> 5", ""),
    ("tools.py", "x * self.scale", "x / self.scale", "tools.Model.fit changed", "+        return x / self.scale\n"),
    ("main.py", "factor=2", "factor=3", "argument factor is another one", "  factor: 2 -> 3\n"),
    ("main.py", ") * factor", ") / factor", "__main__.analyse changed", "+    return tools.helper(x) / factor"),
]


def test_an_edit_is_found_and_shown(tmp_path):
    """In a fresh process after an edit, the miss is explained by what was edited; after the edit is undone it is a hit."""
    for name, content in PROJECT.items():
        (tmp_path / name).write_text(content)
    assert run(tmp_path) == "miss: no call of __main__.analyse is on record\ncomputing\n"
    for file, old, new, reason, text in EDITS:
        (tmp_path / file).write_text(PROJECT[file].replace(old, new))
        told = run(tmp_path, before="import sys; sys.argv.append('only ask')")
        assert told.startswith("miss: ")
        assert reason in told.splitlines()[0]
        assert text in told
        (tmp_path / file).write_text(PROJECT[file])
    assert run(tmp_path).startswith("hit: ")


def test_an_upgrade_of_python_throws_nothing_away(tmp_path):
    """Where the bytecode is another Python's and the source is the same, the older results are hits, and say so."""
    for name, content in PROJECT.items():
        (tmp_path / name).write_text(content)
    run(tmp_path)
    other = "import sys; sys.implementation.cache_tag = 'cpython-999'"
    assert "the same source under Python 3." in run(tmp_path, before=other)
    path = tmp_path / "tools.py"
    path.write_text(path.read_text().replace("x + 1", "x + 2"))
    told = run(tmp_path, before=other)
    assert told.startswith("miss: tools.helper changed"), told


def test_a_moved_function_keeps_its_results(tmp_path):
    """A function that moved to another module, and says where it was, hits what it computed there."""
    (tmp_path / "old.py").write_text("def f(x):\n    print('computing')\n    return x * 2\n")
    main = "from {module} import f\nfrom resultstore import Store\ng = Store('results').cache(f{was})\nprint(g(2), g.explain(2).reason)\n"
    (tmp_path / "main.py").write_text(main.format(module="old", was=""))
    assert run(tmp_path) == "computing\n4 stored\n"
    (tmp_path / "old.py").rename(tmp_path / "new.py")
    (tmp_path / "main.py").write_text(main.format(module="new", was=", was='old.f'"))
    assert run(tmp_path) == "4 renamed\n"


# -- records


def test_a_record_is_explained(store):
    """A record, a reference, and a key all mean a call; the present function judges it."""
    f = store.cache(science.square)
    f(2)
    record = store.find(f)[0]
    for asked in (record, f.call_and_shelve(2), record.key, record.key_hex):
        check(store.explain(asked), "stored")
    store.reduce_size(items_limit=0)
    check(store.explain(record), "evicted")
    f.forget(2)
    assert "never made, or forgotten" in check(store.explain(record), "unknown").text
    with pytest.raises(OptionError):
        store.explain("nonsense")


def test_a_record_of_an_old_version_is_explained_by_what_changed(store):
    """A record whose version no longer counts says what changed, unless the present one has a result of its own."""
    g = two_versions(store, {"source": "def f(x):\n    return 1"}, {"source": "def f(x):\n    return 2"})
    old = store.find(x=1)[0]
    science.runs.clear()
    check(store.explain(old), "code")
    g(1)
    made = check(store.explain(old), "stored")
    assert made.nearest.fingerprint == g.fingerprint()
    store.accept(g, from_version=1, reason="harmless")
    assert "accepted: harmless" in check(store.explain(old), "accepted").text


def test_a_record_of_a_function_that_is_not_here(store):
    """Without the function in this process, what is stored is what can be said, and that it is so."""
    store.cache(define("def f(x):\n    return x"))(1)
    made = check(store.explain(store.find("lab.f")[0]), "stored")
    assert "lab.f is not decorated in this process" in made.text


def test_a_record_is_explained_with_its_lineage(store):
    """Which call made it, and which calls it made, stand below, with their states."""
    inner = store.cache(science.square)
    outer = store.cache(define("def outer(x):\n    return inner(x) + 1", "outer", inner=inner))
    outer(3)
    record = store.find(inner)[0]
    assert "made by: lab.outer(x=3), version 1" in store.explain(record).text
    assert "made: tests.science.square(x=3), version 1" in store.explain(store.find(outer)[0]).text


# -- what it costs


def test_explaining_changes_nothing(folder, store):
    """Asking why computes nothing, loads no payload, and changes no byte of the store, whatever the answer."""
    f, g = store.cache(science.slow_block), store.cache(science.square)
    f(1), g(2), g(3)
    store.reduce_size(items_limit=2)
    store.close()
    science.runs.clear()
    files = {
        p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix not in (".sqlite-wal", ".sqlite-shm")
    }
    blobs = store._vault.blobs
    opened, real = [], type(blobs).open
    blobs.open = lambda name: opened.append(name) or real(blobs, name)
    for made in (f.explain(1), f.explain(2), g.explain(2), g.explain(3), g.explain(object())):
        assert made.text
    for record in store.find():
        store.explain(record)
    del blobs.open
    assert opened == science.runs == []
    assert files == {p: p.read_bytes() for p in files}
