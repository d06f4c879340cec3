"""Versions of functions: what the index knows of them, and whose results count for whom."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from resultstore import MissingError, OptionError, Store
from resultstore._data import replace
from resultstore._facts import DependencyFacts
from tests import science

PORTABLE = b"p" * 32


def define(text: str, name: str = "f", module: str = "lab", **scope: Any) -> Any:
    """Return a function of a given source, as if a module had it."""
    namespace = {"__name__": module, "np": np, "runs": science.runs, **scope}
    exec(compile(text, f"/{module}.py", "exec"), namespace)
    return namespace[name]


def with_facts(cached: Any, **changes: Any) -> Any:
    """Say of a cached function what a look at its source would say."""
    facts = cached._identity.function_facts(cached.fingerprint())
    cached._facts = replace(facts, **changes)
    return cached


def pair(store, *, portable=(PORTABLE, PORTABLE), was=None, names=("f", "f")):
    """Return two functions whose code differs, with portable fingerprints as given."""
    first = store.cache(define(f"def {names[0]}(x):\n    runs.append(x)\n    return x * 2", names[0]))
    second = store.cache(define(f"def {names[1]}(x):\n    runs.append(x)\n    return 2 * x", names[1]), was=was)
    return with_facts(first, portable=portable[0]), with_facts(second, portable=portable[1])


@pytest.fixture(autouse=True)
def fresh_runs():
    """Forget earlier runs."""
    science.runs.clear()


# -- what is written


def test_a_version_is_written_with_all_that_it_depends_on(store, sql):
    """A version's row has code, label, portable fingerprint and source; its dependencies have rows of their own."""
    f = store.cache(define("def f(x):\n    return x"), version=2)
    helper = DependencyFacts("lab.helper", "function", b"h" * 32, "/lab.py:7", "def helper():\n    return '\udc80'\n")
    limit = DependencyFacts("lab.LIMIT", "value", b"l" * 32, None, "3")
    with_facts(f, portable=PORTABLE, source="def f(x): ...", dependencies=(helper, limit))
    code = store.cache(f.func).fingerprint()
    f(1)
    assert sql(
        "SELECT fingerprint, code, label, portable, text FROM function_version JOIN source ON digest = source_digest"
    ) == [(f.fingerprint(), code, "2", PORTABLE, "def f(x): ...")]
    assert sql(
        "SELECT name, kind, dependency.digest, place, detail, text FROM dependency "
        "LEFT JOIN source ON source.digest = source_digest ORDER BY id"
    ) == [
        ("lab.helper", "function", b"h" * 32, "/lab.py:7", None, "def helper():\n    return '\\udc80'\n"),
        ("lab.LIMIT", "value", b"l" * 32, None, "3", None),
    ]


def test_the_code_is_the_fingerprint_unless_a_label_stands_in(store, sql):
    """Without a label, code and fingerprint are one."""
    store.cache(science.square)(2)
    assert sql("SELECT count(*) FROM function_version WHERE code = fingerprint") == [(1,)]


def test_texts_are_kept_once(store, sql):
    """Versions that share a helper share its text."""
    helper = DependencyFacts("lab.helper", "function", b"h" * 32, "/lab.py:7", "def helper(): ...")
    for factor in range(3):
        f = store.cache(define(f"def f(x):\n    return x * {factor}"))
        with_facts(f, dependencies=(helper,), source=f"def f(x): return x * {factor}")(1)
    assert sql("SELECT count(*) FROM dependency") == [(3,)]
    assert sql("SELECT count(*) FROM source") == [(4,)]


def test_labelled_functions_may_close_over_each_other(store):
    """Functions with a label that call each other, or themselves, as closures have a fingerprint."""

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    even, odd = store.cache(even, version=1), store.cache(odd, version=1)
    assert even(4)
    assert even.check_call_in_cache(4)
    assert odd.check_call_in_cache(3)


def test_two_codes_under_one_label_are_two_versions(store, sql):
    """A label stands in for the code in the key; the record still says which code ran."""
    functions = [define(f"def f(x):\n    return x * {i}") for i in (1, 2)]
    codes = [store.cache(f).fingerprint() for f in functions]
    for i in (0, 1, 0):
        store.cache(functions[i], version=1)(len(store.find()))
    assert sql("SELECT number, code FROM function_version ORDER BY number") == list(enumerate(codes, 1))
    assert sql("SELECT count(DISTINCT fingerprint) FROM function_version") == [(1,)]
    assert [r.version for r in store.find("lab.f")] == ["1"] * 3
    assert [v.standing for v in store.cache(functions[0], version=1).versions()] == ["equal", "present"]


def test_unused_texts_leave_with_their_versions(store, sql):
    """When versions without calls are dropped, so are texts that no version has any more; others stay."""
    helper = DependencyFacts("lab.helper", "function", b"h" * 32, None, "def helper(): ...")
    old, new = store.cache(define("def f(x):\n    return x")), store.cache(define("def f(x):\n    return +x"))
    with_facts(old, source="old", dependencies=(helper,))(1)
    with_facts(new, source="new", dependencies=(helper,))(1)
    old.forget(1)
    store._vault.index.drop_unused_versions()
    assert sql("SELECT text FROM source ORDER BY text") == [("def helper(): ...",), ("new",)]
    new.forget(1)
    store._vault.index.drop_unused_versions()
    assert sql("SELECT (SELECT count(*) FROM source) + (SELECT count(*) FROM dependency)") == [(0,)]


def test_the_journal_repeats_no_source(store, folder):
    """A line of the journal has what names a version, and none of the texts."""
    f = store.cache(define("def f(n):\n    return np.arange(float(n))"))
    helper = DependencyFacts("lab.helper", "function", b"h" * 32, None, "def helper(): ...\n" * 1000)
    with_facts(f, source="def f(n): ...\n" * 1000, dependencies=(helper,), label="7")(5000)
    text = (folder / "journal.jsonl").read_text()
    assert len(text) < 2000
    (line,) = filter(None, text.splitlines())
    function = json.loads(line[9:])["function"]
    assert set(function) == {"name", "fingerprint", "code", "label", "portable", "scheme", "place", "python"}
    assert function["label"] == "7"


# -- aliases


def test_an_equal_version_answers(store):
    """A version with the same portable fingerprint, as another Python makes it, answers where the present one has nothing."""
    f, g = pair(store)
    assert f(1) == 2
    assert g(1) == 2
    assert g.check_call_in_cache(1)
    assert not g.check_call_in_cache(3)
    assert g.get(1) == 2
    assert g.call_and_shelve(1).get() == 2
    assert science.runs == [1]
    assert store.find(f).first().access_count == 3
    assert store.stats().misses == 1


def test_the_own_result_comes_first(store):
    """What the present version has computed itself is what it gives, whatever its aliases have."""
    f, g = pair(store)
    f(1)
    g.refresh(1)
    assert science.runs == [1, 1]
    assert g(1) == 2
    assert store.record(g.key(1)).access_count == 1


def test_versions_without_a_portable_fingerprint_are_strangers(store):
    """Where no source was at hand, no other version answers."""
    f, g = pair(store, portable=(None, None))
    f(1)
    g(1)
    assert science.runs == [1, 1]


def test_another_function_of_the_same_source_is_a_stranger(store):
    """Equal source under another name is another function."""
    f, g = pair(store, names=("f", "g"))
    f(1)
    g(1)
    assert science.runs == [1, 1]


@pytest.mark.parametrize("same", ["fingerprint", "portable"])
def test_results_follow_a_renamed_function(store, same):
    """With ``was``, what the function computed under its earlier name counts, by fingerprint or portable one."""
    if same == "portable":
        f, g = pair(store, names=("f", "g"), was="lab.f")
    else:
        text = "def {}(x):\n    runs.append(x)\n    return x * 2"
        f, g = store.cache(define(text.format("f"), "f")), store.cache(define(text.format("g"), "g"), was="lab.f")
        assert f.fingerprint() == g.fingerprint()
    f(1)
    assert g(1) == 2
    assert science.runs == [1]
    assert [r.function for r in store.find(g)] == ["lab.f"]
    g(2)
    assert {r.function for r in store.find(g)} == {"lab.f", "lab.g"}
    assert len(store.find(g, x=1)) == 1


def test_other_code_under_an_earlier_name_does_not_count(store):
    """A function that only had the name before, with other code, is another one."""
    f, g = pair(store, names=("f", "g"), was="lab.f", portable=(b"1" * 32, b"2" * 32))
    f(1)
    g(1)
    assert science.runs == [1, 1]


def test_forgetting_a_call_forgets_it_under_all_its_versions(store):
    """After forget, a call is computed, also if an equal version had it; so after clear, of earlier names too."""
    f, g = pair(store, names=("f", "g"), was="lab.f")
    f(1), f(2)
    assert g.forget(1) == 1
    assert not g.check_call_in_cache(1)
    assert g.check_call_in_cache(2)
    assert g.clear() == 1
    g(2)
    assert science.runs == [1, 2, 2]


def test_a_ttl_holds_for_aliases(store, open_store, monkeypatch):
    """The age of an equal version's result is judged by the present function's ttl."""
    f, _ = pair(store)
    f(1)
    g = with_facts(open_store().cache(define("def f(x):\n    return 2 * x"), ttl=60), portable=PORTABLE)
    assert g.check_call_in_cache(1)
    created = store.find(f).first().created_at.timestamp()
    monkeypatch.setattr("resultstore._clock.now", lambda: created + 61)
    assert not g.check_call_in_cache(1)
    with pytest.raises(MissingError):
        g.get(1)


def test_a_younger_result_of_an_equal_version_counts_when_the_own_one_is_old(store, open_store, monkeypatch):
    """Where the own result has expired, that of an equal version may still count."""
    f, g = pair(store)
    f(1)
    began = store.find(f).first().created_at.timestamp()
    monkeypatch.setattr("resultstore._clock.now", lambda: began + 61)
    g.refresh(1)
    h = with_facts(open_store().cache(f.func, ttl=60), portable=PORTABLE)
    assert h(1) == 2
    assert science.runs == [1, 1]


def test_an_evicted_result_is_not_missed_while_an_equal_version_has_one(store, monkeypatch):
    """An evicted own result is no reason to compute while an equal version, also a later one, has its own."""
    monkeypatch.setattr("resultstore._aliases._FRESH_S", -1)
    f, g = pair(store)
    f(1)
    g.refresh(1)
    store.reduce_size(items_limit=1)  # the older goes: that of f
    assert f(1) == 2
    assert science.runs == [1, 1]


def test_hits_ask_for_no_aliases_and_misses_seldom(store, monkeypatch):
    """The aliases of a fingerprint are looked up at its first miss, in one SELECT, and never by hits."""
    monkeypatch.setattr("resultstore._aliases._FRESH_S", float("inf"))
    f = store.cache(science.square)
    f(1)
    store.close()
    asked: list[str] = []
    connections = store._vault.index.connections
    query = connections.query
    connections.query = lambda sql, parameters: asked.append(sql) or query(sql, parameters)
    g = store.cache(science.square)
    g(1), g(1)
    assert sum("RECURSIVE" in sql for sql in asked) == 0
    g(2), g(3)
    assert sum("RECURSIVE" in sql for sql in asked) == 1
    del connections.query


def test_aliases_cost_a_known_version_no_statement(store, monkeypatch):
    """A miss of a known version writes nothing about it; its transaction has as many statements as without dependencies."""
    from tests.test_index import Trace

    counts = []
    for dependencies in (0, 50):
        f = store.cache(define(f"def f(x):\n    return x + {dependencies}"))
        facts = tuple(
            DependencyFacts(f"lab.h{i}", "function", bytes([i]) * 32, None, "def h(): ...") for i in range(dependencies)
        )
        with_facts(f, dependencies=facts)(0)
        for x in range(10, 20):  # until what was read is remembered
            f(x)
        trace = Trace(store, monkeypatch)
        f(1)
        counts.append(len(trace.statements))
        monkeypatch.undo()
        store.close()
    assert counts[0] == counts[1]


def test_a_store_that_cannot_be_read_has_no_aliases(store, folder):
    """Trouble with the index while aliases are looked up costs a call nothing."""
    f = store.cache(science.square)
    f(1)
    store._vault.aliases = lambda *args: 1 / 0
    assert f(2) == 4
    assert not f.check_call_in_cache(5)
    del store._vault.aliases


# -- versions, as people see them


def history(store, *texts, **scope):
    """Cache and call a function of several sources, one after the other; return the last."""
    f = None
    for text in texts:
        f = with_facts(store.cache(define(text, **scope)), source=text)
        f(1)
    return f


def test_versions_are_listed_newest_first(store):
    """Every version of the function has its facts and sums; the present one says so."""
    f = history(store, "def f(x):\n    return [x] * 9", "def f(x):\n    return x - 1", "def f(x):\n    return x - 2")
    f(2)
    f.refresh(2)
    store._vault.flush()
    new, middle, old = f.versions()
    assert [v.number for v in (new, middle, old)] == [3, 2, 1]
    assert (new.function, new.label, new.fingerprint, new.code) == ("lab.f", None, f.fingerprint(), f.fingerprint())
    assert (new.calls, new.stored, old.calls, old.stored) == (2, 2, 1, 1)
    assert new.nbytes == 16
    assert new.seconds > 0
    assert [v.standing for v in (new, middle, old)] == ["present", "old", "old"]
    assert [v.is_present for v in (new, middle, old)] == [True, False, False]
    assert old.created_at <= old.accessed_at < new.created_at <= new.accessed_at
    assert old.source == "def f(x):\n    return [x] * 9"
    assert len(f.versions()[1:]) == 2
    assert f.versions()[-1] == old
    assert "2      2       16 B" in repr(f.versions()).splitlines()[1]
    assert f.versions()._repr_html_().count("<tr>") == 4


def test_a_function_without_calls_has_no_versions(store):
    """Before anything is stored there is nothing to list, and without a store neither."""

    assert repr(store.cache(science.square).versions()) == "no versions"
    assert list(Store(None).cache(science.square).versions()) == []


def test_evicted_calls_count_as_calls_of_a_version(store):
    """A version whose results were evicted is still listed, with nothing stored."""
    f = history(store, "def f(x):\n    return x")
    store.reduce_size(items_limit=0)
    assert [(v.calls, v.stored, v.nbytes) for v in f.versions()] == [(1, 0, 0)]


def test_the_difference_of_versions_names_code_and_dependencies(store):
    """A diff shows the function's own source, and helpers, values and distributions that changed, by their names."""
    old = store.cache(define("def f(x):\n    return x"))
    new = store.cache(define("def f(x):\n    return x + 1"))

    def dependencies(text: str, limit: str, version: str) -> tuple[DependencyFacts, ...]:
        return (
            DependencyFacts("lab.helper", "function", text[:32].encode(), "/lab.py:7", text),
            DependencyFacts("lab.same", "function", b"s" * 32, "/lab.py:9", "def same(): ..."),
            DependencyFacts("lab.LIMIT", "value", limit.encode(), "/lab.py:1", limit),
            DependencyFacts("numpy", "distribution", version.encode(), None, version),
            DependencyFacts(f"lab.only_{limit}", "class", b"o" * 32, None, "class C: ..."),
        )

    with_facts(
        old, source="def f(x):\n    return x\n", dependencies=dependencies("def helper():\n    return 1\n", "3", "1.26")
    )(1)
    with_facts(
        new,
        source="def f(x):\n    return x + 1\n",
        dependencies=dependencies("def helper():\n    return 2\n", "4", "2.0"),
    )(1)
    latest, first = new.versions()
    assert latest.diff() == latest.diff(first)
    assert latest.diff() == (
        "lab.f changed\n--- lab.f, before\n+++ lab.f, now\n@@ -1,2 +1,2 @@\n def f(x):\n-    return x\n+    return x + 1\n"
        "lab.helper changed (/lab.py:7)\n--- lab.helper, before\n+++ lab.helper, now\n@@ -1,2 +1,2 @@\n def helper():\n-    return 1\n+    return 2\n"
        "lab.only_3 is no longer used\nlab.only_4 came in\n"
        "lab.LIMIT (/lab.py:1): 3 -> 4\nnumpy: 1.26 -> 2.0"
    )
    assert first.diff() == ""
    assert "-    return 2\n+    return 1" in first.diff(latest)


def test_a_difference_in_comments_is_none(store):
    """A changed comment is not shown as the reason of a new version; where nothing shows, the diff says that much."""
    old, new = pair(store, portable=(None, None))
    with_facts(old, source="def f(x):\n    return 2 * x  # old\n")(1)
    with_facts(new, source="def f(x):\n    return 2 * x  # new\n")(1)
    assert new.versions()[0].diff().startswith("lab.f changed")


def test_the_source_is_what_runs():
    """f.source() is the text of the function."""

    assert (
        Store(None).cache(science.square).source()
        == 'def square(x: float) -> float:\n    """Return the square."""\n    runs.append(x)\n    return x * x\n'
    )
    assert Store(None).cache(abs).source() is None


# -- accepting


def test_an_accepted_version_answers(store, sql):
    """What store.accept adopts are hits from then on, also for cached functions that have missed before."""
    f, g = pair(store, portable=(None, None))
    f(1), f(2)
    assert not g.check_call_in_cache(1)
    assert store.accept(g, from_version=1, reason="the same, written differently") == 2
    assert g(1) == 2
    assert science.runs == [1, 2]
    assert [(v.standing, v.reason) for v in g.versions()] == [
        ("present", None),
        ("accepted", "the same, written differently"),
    ]
    assert [v.standing for v in f.versions()] == ["old", "present"]
    assert {r.version for r in store.find(g, x=1)} == {1}
    (row,) = sql("SELECT version_id, accepted_id, reason FROM acceptance")
    assert row == (2, 1, "the same, written differently")
    assert store.accept(g, from_version=1, reason="looked again") == 0
    assert sql("SELECT reason FROM acceptance") == [("looked again",)]


def test_acceptance_holds_in_later_processes(store, open_store):
    """An acceptance is a fact of the store."""
    f, g = pair(store, portable=(None, None))
    f(1)
    store.accept(g, from_version=f.fingerprint(), reason="tried")
    assert open_store().cache(g.func)(1) == 2
    assert science.runs == [1]


def test_acceptance_goes_on_from_version_to_version(store):
    """What an accepted version had accepted counts too, and so do versions equal to it under another Python."""
    one, two, three = (store.cache(define(f"def f(x):\n    runs.append(x)\n    return x * {i}")) for i in (1, 2, 3))
    four = with_facts(store.cache(define("def f(x):\n    runs.append(x)\n    return x * 4")), portable=PORTABLE)
    with_facts(one, portable=PORTABLE)
    one(1), four(4)
    store.accept(two, from_version=one.fingerprint(), reason="first")
    store.accept(three, from_version=two.fingerprint(), reason="second")
    assert three(1) == 1
    assert three(4) == 16
    assert two(4) == 16
    assert science.runs == [1, 4]
    with_facts(one, portable=PORTABLE)
    assert not store.cache(define("def f(x):\n    runs.append(x)\n    return x * 1")).check_call_in_cache(9)


def test_acceptance_is_one_way(store):
    """The accepted version does not take over the results of the one that accepts it."""
    f, g = pair(store, portable=(None, None))
    f(1), g(2)
    store.accept(g, from_version=1, reason="tried")
    assert not f.check_call_in_cache(2)


def test_versions_are_accepted_by_label_number_fingerprint_or_themselves(store):
    """A version is named by whatever f.versions() shows of it."""
    f, g = pair(store, portable=(None, None))
    with_facts(f, label="one")(1)
    for name in ("one", 1, f.fingerprint(), f.versions()[0]):
        store.accept(g, from_version=name, reason="tried")
    assert g.check_call_in_cache(1)


@pytest.mark.parametrize(
    ("version", "reason", "message"),
    [
        (7, "tried", "lab.f has no such version here; it has 1, 2"),
        ("one", "tried", "no such version"),
        (b"x" * 32, "tried", "no such version"),
        (None, "tried", "a version's number"),
        (True, "tried", "a version's number"),
        (2, "tried", "this is lab.f as it is now"),
        (1, "", "write why"),
        (1, "  ", "write why"),
        (1, None, "write why"),
    ],
)  # fmt: skip
def test_what_cannot_be_accepted_is_said(store, version, reason, message):
    """A version that is not there, the present one, and an empty reason are refused."""
    f, g = pair(store, portable=(None, None))
    f(1), g(1)
    with pytest.raises(OptionError, match=message):
        store.accept(g, from_version=version, reason=reason)
    with pytest.raises(OptionError, match="decorated"):
        store.accept(g.func, from_version=1, reason="tried")
    with pytest.raises(OptionError, match="another store"):
        store.accept(Store(None).cache(g.func), from_version=1, reason="tried")


def test_accepting_without_a_store_does_nothing():
    """A store that stores nothing has nothing to adopt."""
    store = Store(None)
    assert store.accept(store.cache(science.square), from_version=1, reason="tried") == 0
    assert store.prune() == 0


def test_a_version_that_accepts_stays_without_calls(store):
    """An acceptance is not lost while the version that it was said of has no calls of its own."""
    f, g = pair(store, portable=(None, None))
    f(1)
    store.accept(g, from_version=1, reason="tried")
    store._vault.index.drop_unused_versions()
    assert g.check_call_in_cache(1)
    f.clear()
    store._vault.index.drop_unused_versions()
    store._vault.index.drop_unused_versions()
    assert len(g.versions()) == 0


# -- pruning


def test_old_versions_go_and_used_ones_stay(store, sql):
    """Pruning removes the calls of versions that no decorated function uses, and says beforehand how many."""
    f = history(store, "def f(x):\n    return x", "def f(x):\n    return x + 1", "def f(x):\n    return x + 2")
    assert store.prune(dry_run=True) == 2
    assert len(f.versions()) == 3
    assert store.prune() == 2
    assert [v.number for v in f.versions()] == [3]
    assert f.check_call_in_cache(1)
    assert sql("SELECT count(*) FROM source") == [(1,)]
    assert store.prune() == 0


def test_versions_that_are_leaned_on_stay(store):
    """Equal and accepted versions, and those of earlier names, are in use."""
    f, g = pair(store)
    f(1)
    del f
    assert store.prune() == 0
    h = with_facts(store.cache(define("def h(x):\n    return x + x", "h"), was="lab.f"), portable=PORTABLE)
    i = store.cache(define("def f(x):\n    return x + x + 0"))
    store.accept(i, from_version=1, reason="tried")
    del g
    assert store.prune() == 0
    del h
    assert store.prune() == 0
    assert i.check_call_in_cache(1)


def test_of_functions_that_are_not_decorated_here_the_last_used_version_stays(store):
    """Whoever prunes without importing a function removes only what was not used last."""
    old, new = pair(store, portable=(None, None))
    old(1), new(1)
    old(1)
    store._vault.flush()
    fingerprint = old.fingerprint()
    del old, new
    assert store.prune() == 1
    assert [r.fingerprint for r in store.find("lab.f")] == [fingerprint]


def test_the_same_function_of_another_script_is_judged_by_itself(store):
    """Versions of two scripts with a function of the same name are old or not each for its place."""
    for place in ("/a.py", "/b.py"):
        for i in (1, 2):
            f = store.cache(
                define(f"def f(x):\n    return x * {i} + {len(place)} + {ord(place[1])}", module="__main__")
            )
            f._identity.place = place
            f(1)
    del f
    assert store.prune() == 2
    assert {v.place for v in store.cache(define("def f(x): ...", module="__main__")).versions()} == {"/a.py", "/b.py"}


def test_young_calls_of_old_versions_stay(store, monkeypatch):
    """With older_than, calls that somebody has asked for since then stay."""
    f = history(store, "def f(x):\n    return x", "def f(x):\n    return x + 1")
    assert store.prune(older_than="1 h") == 0
    later = store.find(f)[0].accessed_at.timestamp() + 3601
    monkeypatch.setattr("resultstore._clock.now", lambda: later)
    assert store.prune(older_than="1 h", dry_run=True) == 1
    assert store.prune(older_than="1 h") == 1


def test_nothing_goes_of_a_function_that_cannot_be_looked_at(store):
    """A function that has no fingerprint just now keeps all its versions."""
    held: list[Any] = []
    make = "def make(held):\n    def f(x):\n        return x if held else 0\n    return f"
    f = store.cache(define(make, "make")(held))
    f(1)
    held.append(2)
    f(1)
    held.append(iter([]))
    assert store.prune() == 0
    del f
    assert store.prune() == 1


def test_functions_of_other_stores_at_the_same_place_count(store, open_store):
    """What any store object of this process has decorated at the place is in use."""
    f = history(store, "def f(x):\n    return x")
    g = open_store().cache(define("def f(x):\n    return x + 1"))
    g(1)
    assert store.prune() == 0
    del g
    assert store.prune() == 1
    assert f.check_call_in_cache(1)


@pytest.mark.parametrize("options", [{"versions": "all"}, {"older_than": -1}, {"older_than": "soon"}])
def test_wrong_options_of_pruning_are_refused(store, options):
    """Only old versions can be pruned, by an age that can be understood."""
    with pytest.raises(OptionError):
        store.prune(**options)
