"""Finding past calls: by function, by argument, lazily, and without us."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import math
import pickle
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resultstore import CacheWarning, DigestError, MissingError, OptionError, Record, Records, Store, Summary, between
from resultstore._index import select
from resultstore._vault import Vault
from tests import science
from tests.test_versions import define


@pytest.fixture
def filled(store):
    """Return a store with a few calls of two functions."""
    f, g = store.cache(science.table), store.cache(science.square)
    for n in (1, 2, 3):
        for seed in (0, 1):
            f(n, seed)
    g(2), g(2.0), g(True)
    return store


def test_find_by_function_and_argument(filled):
    """Calls are found by the function, its name, and the values of arguments."""
    f = filled.cache(science.table)
    assert len(filled.find()) == 9
    assert len(filled.find(f)) == len(filled.find("tests.science.table")) == 6
    assert len(filled.find(f, n=2)) == 2
    assert len(filled.find(f, n=2, seed=1)) == 1
    assert len(filled.find(f, n=7)) == 0
    assert len(filled.find(seed=1)) == 3
    assert len(filled.find("no.such.function")) == 0


def test_a_value_means_the_same_value(filled):
    """x=2 finds neither 2.0 nor True: the same value is the same type and content."""
    g = filled.cache(science.square)
    assert filled.find(g, x=2).first().arguments == {"x": 2}
    assert type(filled.find(g, x=2.0).first().arguments["x"]) is float
    assert filled.find(g, x=True).first().arguments["x"] is True
    assert [len(filled.find(g, x=x)) for x in (2, 2.0, True, 1, "2")] == [1, 1, 1, 0, 0]


def test_arrays_are_found_by_content(store):
    """A call is found by an array argument, by content and not by identity."""
    array = np.arange(1000.0)
    store.cache(np.add)(array, 1)
    store.cache(np.sum)(array)
    found = store.find("numpy.add", args=(np.arange(1000.0), 1))
    assert len(found) == 1
    assert len(store.find("numpy.add", args=(np.arange(1001.0), 1))) == 0


def test_extra_keywords_are_found_by_their_names(store):
    """What was passed by **kw is found like any argument."""
    f = store.cache(science.spelled)
    f(1, c=2, alpha=0.5)
    f(1, c=2, alpha=0.7)
    assert store.find(f, alpha=0.5).first().arguments == {"a": 1, "b": 2, "c": 2, "d": 4, "alpha": 0.5}
    assert len(store.find(f, c=2)) == 2


def test_a_record_holds_the_facts(store):
    """A record says what ran, on what, when, how long, how large, and how often it was asked for."""
    f = store.cache(science.table)
    before = datetime.datetime.now(datetime.UTC)
    f(5000, 1, scale=2.0)
    f(5000, 1, scale=2.0)
    record = store.find(f).first()
    assert isinstance(record, Record)
    assert record.function == "tests.science.table"
    assert record.version == 1
    assert record.fingerprint == f.fingerprint()
    assert record.key == f.key(5000, seed=1, scale=2.0)
    assert record.key_hex == record.key.hex()
    assert record.arguments == {"n": 5000, "seed": 1, "scale": 2.0}
    assert before <= record.created_at <= record.accessed_at <= datetime.datetime.now(datetime.UTC)
    assert record.created_at.tzinfo is datetime.UTC
    assert record.access_count == 1
    assert 0 < record.duration < 60
    assert record.nbytes == 40_000 + 128
    assert record.state == "stored"
    assert record.note is None
    assert (record.load() == science.table(5000, 1, scale=2.0)).all()


def test_arguments_come_back_as_values_or_summaries(store):
    """Numbers and short strings come back as themselves, everything else as a summary."""
    f = store.cache(science.spelled)
    values = [
        2**70,
        -0.0,
        math.inf,
        "text",
        "\ud800",
        None,
        False,
        10**400,
        "x" * 5000,
        b"bytes",
        [1, 2],
        np.zeros((3, 4)),
        1j,
    ]
    f(math.nan, c=values)
    for value in values:
        f(0, c=value)
    assert math.isnan(store.find(f, c=values).first().arguments["a"])
    back = [store.find(f, a=0, c=value).first().arguments["c"] for value in values]
    assert back[:4] + back[5:8] == values[:4] + values[5:8]
    assert str(back[1]) == "-0.0"
    assert [type(v) for v in back[:4]] == [int, float, float, str]
    assert all(isinstance(v, Summary) for v in (back[4], *back[8:]))
    assert repr(back[11]) == f"<ndarray 3x4 float64 #{back[11].token.hex()[:6]}>"
    assert repr(back[10]) == "<[1, 2]>"


def test_a_strange_repr_does_no_harm(store):
    """An ignored argument whose repr fails or is huge is described by its type."""

    class Rude:
        def __repr__(self):
            raise RuntimeError("no")

    f = store.cache(science.square, ignore=["x"])
    with pytest.raises(TypeError):
        f(Rude())  # it cannot be multiplied
    g = store.cache(science.spelled, ignore=["d"])
    with pytest.warns(CacheWarning, match="pickle refuses it"):
        g(1, c=2, d=Rude())
    assert store.find(g).first().arguments["d"].text.startswith("<Rude")
    h = store.cache(science.spelled, ignore=["c"])
    assert len(h(1, c="y" * 10**6)) == 6
    assert len(store.find(h).first().arguments["c"].text) <= 120


def test_records_are_a_lazy_sequence(filled):
    """Newest first; len, iteration, indexing, slicing; each asks the index anew."""
    records = filled.find("tests.science.table")
    assert isinstance(records, Records)
    assert isinstance(records, Sequence)
    order = [(r.arguments["n"], r.arguments["seed"]) for r in records]
    assert order == [(3, 1), (3, 0), (2, 1), (2, 0), (1, 1), (1, 0)]
    assert records[0] == records.first() == list(records)[0]
    assert records[-1].arguments["n"] == 1
    assert [r.arguments["n"] for r in records[1:4]] == [3, 2, 2]
    assert [r.arguments["n"] for r in records[::2]] == [3, 2, 1]
    assert [r.arguments["n"] for r in records[1:5][1:3]] == [2, 2]
    assert len(records[4:100]) == 2
    assert list(records[3:3]) == []
    assert records[2:].first() == records[2]
    for wrong in (6, -7):
        with pytest.raises(IndexError):
            records[wrong]
    filled.cache(science.table)(9)
    assert len(records) == 7


def test_long_iterations_go_by_pages(store, monkeypatch):
    """Iterating over more records than a page yields each once, in order."""
    monkeypatch.setattr("resultstore.record._PAGE", 7)
    f = store.cache(science.square)
    for i in range(23):
        f(i)
    assert [r.arguments["x"] for r in store.find(f)] == list(range(22, -1, -1))


def test_no_payload_is_opened_before_it_is_asked_for(store, monkeypatch):
    """Finding, counting and printing read no payload; load reads one."""
    f = store.cache(science.slow_block)
    for i in range(3):
        f(i)
    opened = []
    real = type(store._vault.blobs).open
    monkeypatch.setattr(type(store._vault.blobs), "open", lambda self, name: opened.append(name) or real(self, name))
    records = store.find(f)
    assert len(list(records)) == 3
    repr(records)
    records._repr_html_()
    assert opened == []
    records[1].load()
    assert len(opened) == 1


def test_records_print_as_a_table(filled):
    """repr and notebooks show a table with a header, a row a call, and the number of calls."""
    lines = repr(filled.find("tests.science.square")).splitlines()
    assert lines[0].split() == "function version arguments created (UTC) duration size hits state".split()
    assert len(lines) == 4
    assert "x=True" in lines[1]
    assert repr(filled.find("nothing")) == "no calls"
    assert filled.find("nothing")._repr_html_() == "<p>no calls</p>"
    html = filled.find()._repr_html_()
    assert html.count("<tr>") == 10
    g = filled.cache(lambda text: 0)
    for i in range(12):
        g(f"<b>{i}</b>")
    assert repr(filled.find(g)).splitlines()[-1] == "... 12 calls in all"
    assert "&lt;b&gt;" in filled.find(g)._repr_html_()
    assert "<b>" not in filled.find(g)._repr_html_()


@pytest.mark.parametrize(
    "travel",
    [
        copy.copy,
        copy.deepcopy,
        lambda thing: pickle.loads(pickle.dumps(thing)),
        lambda record: dataclasses.replace(record, access_count=7),
    ],
    ids=["copied", "copied deeply", "pickled", "replaced"],
)
def test_a_record_that_travels_knows_its_store(store, travel):
    """Copied or pickled, a record is equal, loads its result and pins it, as a reference does."""
    f = store.cache(science.table)
    f(3, 0)
    record = store.find(f).first()
    other = travel(record)
    assert dataclasses.replace(other, access_count=0) == record
    assert np.array_equal(other.load(), record.load())
    assert other.pin().pinned
    assert store.find(f).first().pinned
    assert not other.unpin().pinned


def test_records_travel_as_they_are(filled):
    """Many records are pickled as those that there are; copied, they go on asking the index."""
    f = filled.cache(science.table)
    records = filled.find(f)
    sent, copied = pickle.loads(pickle.dumps(records)), copy.deepcopy(records)
    f(4)
    assert (len(sent), len(copied), len(records)) == (6, 7, 7)
    assert list(sent) == list(records)[1:]
    assert sent[2:].first().load().shape == (2,)


def test_a_record_made_by_hand_says_that_it_knows_no_store(filled):
    """A record that was made of facts alone tells where to take one that loads."""
    record = filled.find("tests.science.square").first()
    facts = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    assert "_home" not in facts
    made = Record(**facts)
    assert made == record
    for ask in (made.load, made.pin):
        with pytest.raises(MissingError, match=r"knows of no store: take store\.record"):
            ask()


def test_a_pickled_record_says_that_storing_is_switched_off(filled, monkeypatch):
    """Where a pickled record arrives while storing is switched off, it says so."""
    sent = pickle.dumps(filled.find().first())
    monkeypatch.setenv("RESULTSTORE_DISABLE", "1")
    with pytest.raises(MissingError, match="storing is switched off"):
        pickle.loads(sent).load()


def test_records_and_versions_are_tables_to_pandas(filled):
    """pandas takes records and versions for rows of facts, and no column is of our own affairs."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(filled.find())
    assert list(frame.columns) == [field.name for field in dataclasses.fields(Record)]
    assert list(frame["function"].unique()) == ["tests.science.square", "tests.science.table"]
    assert frame["created_at"].is_monotonic_decreasing
    versions = pandas.DataFrame(filled.cache(science.square).versions())
    assert [name for name in (*frame.columns, *versions.columns) if name.startswith("_")] == []
    assert list(versions["calls"]) == [3]


def test_facts_of_a_record_as_a_dict(filled):
    """dataclasses.asdict gives the facts, of arguments too."""
    facts = dataclasses.asdict(filled.find("tests.science.square", x=2.0).first())
    assert (facts["arguments"], facts["state"]) == ({"x": 2.0}, "stored")


def test_a_version_that_was_pickled_is_a_list_of_facts(filled):
    """A version travels without the sources of its helpers, and says so when it is asked for them."""
    f = filled.cache(science.square)
    (version,) = f.versions()
    sent = pickle.loads(pickle.dumps(version))
    assert sent == version == copy.deepcopy(version)
    assert (
        copy.copy(version).diff() == copy.deepcopy(version).diff() == dataclasses.replace(version, calls=0).diff() == ""
    )
    assert version.diff(dataclasses.replace(version, calls=0)) == ""
    for ask in (sent.diff, lambda: version.diff(sent)):
        with pytest.raises(MissingError, match="are not at hand"):
            ask()


def test_what_is_no_whole_store_leaves_no_noise():
    """A store's inside that a failed copy left half made goes without a word."""
    vault = object.__new__(Vault)
    vault.__del__()


def test_what_is_not_found_says_what_there_is(filled):
    """Where a name has no calls, functions of that name in other modules are told; or that storing is switched off."""
    assert repr(filled.find("square")) == "no calls (there are calls of tests.science.square)"
    assert repr(filled.find("__main__.square")) == repr(filled.find("square"))
    assert repr(pickle.loads(pickle.dumps(filled.find("square")))) == "no calls"
    for query in (filled.find("tests.science.square", x=9), filled.find("are"), filled.find(x=9), filled.find()[9:]):
        assert repr(query) == "no calls"
    for i in range(4):
        filled.cache(define("def g(x):\n    return x", "g", f"lab{i}"))(1)
    assert repr(filled.find("g")) == "no calls (there are calls of lab0.g, lab1.g, lab2.g, ...)"
    assert filled.cache(science.square).clear() == 3
    assert repr(filled.find("square")) == "no calls"
    assert repr(Store(None).find()).startswith("no calls (storing is switched off: ")


def test_unknown_parameters_are_an_error(store):
    """Asking for what is no parameter, is ignored, or has no digest is the caller's mistake."""
    f = store.cache(science.table, ignore=["seed"])
    with pytest.raises(OptionError, match="has no parameter of this name"):
        store.find(f, sede=1)
    with pytest.raises(OptionError, match="takes a function, its name"):
        store.find(3)
    with pytest.raises(OptionError, match="is ignored"):
        store.find(f, seed=1)
    with pytest.raises(DigestError, match="argument 'n'"):
        store.find(f, n=object())


def test_another_process_finds_by_name(filled, folder):
    """A process that never imported the function finds and loads its results."""
    filled.close()
    code = (
        f"from resultstore import Store\nstore = Store({str(folder)!r})\n"
        "record = store.find('tests.science.table', n=3, seed=1).first()\n"
        "print(record.arguments, record.load().shape)\nimport sys; assert 'tests' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == "{'n': 3, 'seed': 1, 'scale': 1.0} (3,)\n"


def test_the_view_shows_the_same_to_sqlite(filled, sql):
    """The view `calls` gives a stranger names, arguments, ISO times and sizes."""
    filled.cache(science.table)(3, 1)
    filled.close()
    rows = sql(
        "SELECT function, version, arguments, state, access_count, nbytes, key, created_at FROM calls "
        "WHERE function = 'tests.science.table' ORDER BY created_at DESC, id DESC"
    )
    records = filled.find("tests.science.table")
    assert rows[0][:6] == ("tests.science.table", 1, "n=3, seed=1, scale=1.0", "stored", 1, records[0].nbytes)
    assert [row[6] for row in rows] == [record.key_hex for record in records]
    stamp = datetime.datetime.fromisoformat(str(rows[0][7]))
    assert abs((stamp - records[0].created_at).total_seconds()) < 0.002


def test_evicted_calls_are_still_found(filled):
    """Records outlive their payloads: what was computed, from what, and when."""
    filled.reduce_size(items_limit=2)
    states = [record.state for record in filled.find()]
    assert states.count("stored") == 2
    assert states.count("evicted") == 7
    assert filled.find("tests.science.table", n=1, seed=0).first().arguments == {"n": 1, "seed": 0, "scale": 1.0}


def test_stats_count_by_function(filled):
    """Hits, misses, seconds saved, evictions and bytes are counted, in all and by function."""
    f = filled.cache(science.table)
    for _ in range(3):
        f(3, 1)
    filled.reduce_size(items_limit=4)
    stats = filled.stats()
    assert (stats.hits, stats.misses, stats.evictions, stats.calls) == (3, 9, 5, 4)
    assert stats.nbytes > 100_000
    mine = stats.by_function["tests.science.table"]
    assert (mine.hits, mine.misses) == (3, 6)
    assert mine.seconds_saved == pytest.approx(3 * filled.find(f, n=3, seed=1).first().duration)
    assert stats.by_function["tests.science.square"].hits == 0


def test_recomputing_keeps_the_earlier_computation(store, sql):
    """A call that is computed again keeps one row; the earlier computation is remembered."""
    f = store.cache(science.square)
    f(2)
    store.reduce_size(items_limit=0)
    f(2)
    assert len(store.find(f)) == 1
    assert store.find(f).first().state == "stored"
    assert sql("SELECT count(*) FROM computation") == [(1,)]


def test_a_store_opened_twice_sees_itself(folder):
    """What one store object wrote, another one in the same process finds."""
    one, other = Store(folder), Store(folder)
    one.cache(science.square)(5)
    assert len(other.find()) == 1
    other.cache(science.square)(6)
    assert len(one.find()) == 2
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        (between(2, 5), [2, 3, 4, 5]),
        (between(2, 5, inclusive="neither"), [3, 4]),
        (between(2, 5, inclusive="left"), [2, 3, 4]),
        (between(2, 5, inclusive="right"), [3, 4, 5]),
        (between(7.5), [8, 9]),
        (between(high=1), [0, 1]),
        (between(), list(range(10))),
        (between(5, 2), []),
        (between(np.float64(3), float(np.int16(4))), [3, 4]),
    ],
)
def test_a_range_finds_the_numbers_in_it(store, sought, found):
    """between() takes the place of a value, with either end included or open, as pandas has it."""
    f = store.cache(science.square)
    for i in range(10):
        f(i)
    assert sorted(record.arguments["x"] for record in store.find(f, x=sought)) == found


@pytest.mark.parametrize(
    ("value", "is_in"),
    [
        (3, True), (3.0, True), (np.float64(3), True), (np.int8(3), True), (np.float32(3), True), (True, False),
        (2.9999, False), (math.nan, False), (np.float64("nan"), False), (math.inf, False), ("3", False), (None, False),
        ([3], False), (10**400, False), (2**70, False), (np.datetime64("2026-01-01"), False),
    ],
)  # fmt: skip
def test_numbers_of_any_kind_are_found_by_range(store, value, is_in):
    """Python's and numpy's numbers are found by range; a NaN is in none, and neither is what is no number."""
    f = store.cache(science.identity)
    f(value)
    assert len(store.find(f, x=between(3, 4))) == is_in


@pytest.mark.parametrize("bad", [{"low": "a"}, {"high": math.nan}, {"low": [1]}, {"low": 1, "inclusive": "all"}])
def test_an_end_that_is_no_number_is_told(bad):
    """A range that cannot be meant is refused where it is made."""
    with pytest.raises(OptionError):
        between(**bad)


def test_a_stand_in_is_not_asked_about_a_range(store):
    """What key= puts in the place of a value is found by range; the range itself is not put through it."""
    f = store.cache(science.identity, key={"x": lambda x: x["n"]})
    f({"n": 1}), f({"n": 7})
    assert len(store.find(f, x=between(5, 9))) == len(store.find(f, x={"n": 7})) == 1


@settings(max_examples=25)
@given(
    calls=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=40),
    sought=st.fixed_dictionaries(
        {}, optional={"a": st.integers(0, 3), "b": st.builds(between, st.integers(0, 6), st.integers(0, 6))}
    ),
    page=st.tuples(st.integers(0, 5), st.integers(1, 10)),
)
def test_looking_through_the_newest_calls_finds_what_looking_them_all_up_finds(tmp_path_factory, calls, sought, page):
    """Whichever way a page of records is found, it is the same page."""
    with Store(tmp_path_factory.mktemp("find")) as store, pytest.MonkeyPatch.context() as patch:
        f, g = store.cache(science.spelled), store.cache(science.square)
        for a, b in calls:
            f(a, b, c=1)
            g(b)
        store.stats()
        pages = []
        for few in (1, 3, 10**6):
            patch.setattr(select, "_FEW", few)
            source = store.find(f, **sought)._source
            pages.append([record.key for record in source.page(*page)])
        assert pages[0] == pages[1] == pages[2]
