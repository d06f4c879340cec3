"""Versions of functions: what the index knows of them, and whose results count for whom."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from resultstore import MissingError
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
    f = store.cache(define("def f(x):\n    return x"))
    helper = DependencyFacts("lab.helper", "function", b"h" * 32, "/lab.py:7", "def helper():\n    return '\udc80'\n")
    limit = DependencyFacts("lab.LIMIT", "value", b"l" * 32, None, "3")
    with_facts(f, code=b"c" * 32, label="2", portable=PORTABLE, source="def f(x): ...", dependencies=(helper, limit))
    f(1)
    assert sql(
        "SELECT fingerprint, code, label, portable, text FROM function_version JOIN source ON digest = source_digest"
    ) == [(f.fingerprint(), b"c" * 32, "2", PORTABLE, "def f(x): ...")]
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


def test_two_codes_under_one_label_are_two_versions(store, sql):
    """A label stands in for the code in the key; the record still says which code ran."""
    f = store.cache(define("def f(x):\n    return x"))
    for i, code in enumerate((b"a" * 32, b"b" * 32, b"a" * 32)):
        with_facts(f, code=code, label="1")(i)
    assert sql("SELECT number, code FROM function_version ORDER BY number") == [(1, b"a" * 32), (2, b"b" * 32)]
    assert [r.version for r in store.find(f)] == ["1"] * 3


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
