"""The decorated call: what it computes, what it remembers, what it tells."""

from __future__ import annotations

import copy
import logging
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest

import resultstore
from resultstore import CachedFunction, CacheWarning, LocationError, MissingError, OptionError, SchemaError, Store
from tests import science


@pytest.fixture(autouse=True)
def _forget_runs():
    science.runs.clear()


def test_results_persist(store, folder):
    """A result computed once is loaded by every later call, also by a store opened anew."""
    f = store.cache(science.square)
    assert f(3) == 9
    assert f(3) == 9
    assert Store(folder).cache(science.square)(3) == 9
    assert science.runs == [3]


def test_the_decorator_keeps_the_function(store):
    """Name, docstring, module and the function itself are found on the decorated one."""
    f = store.cache(ignore=["seed"])(science.table)
    assert isinstance(f, CachedFunction)
    assert f.func is f.__wrapped__ is science.table
    assert f.__name__ == "table"
    assert f.__doc__ == science.table.__doc__
    assert f.name == "tests.science.table"
    assert f.ignore == ("seed",)
    assert "tests.science.table" in repr(f)


def test_caching_a_cached_function_unwraps_it(store, tmp_path):
    """A cached function that is cached again is the same function in the other store."""
    again = store.cache(Store(tmp_path / "other").cache(science.square))
    assert again.func is science.square


def test_a_store_without_a_place_stores_nothing(tmp_path, monkeypatch):
    """Store(None) has the same face, computes each time, and leaves nothing behind."""
    monkeypatch.chdir(tmp_path)
    store = Store(None)
    f = store.cache(science.square)
    assert (f(2), f(2)) == (4, 4)
    assert science.runs == [2, 2]
    assert not f.check_call_in_cache(2)
    assert f.forget(2) == f.clear() == store.clear() == store.reduce_size(bytes_limit=0) == 0
    assert len(store.find()) == 0
    assert store.find(f, x=2).first() is None
    assert store.stats() == resultstore.Stats()
    assert store.verify() == []
    assert store
    assert list(tmp_path.iterdir()) == []


def test_the_environment_switches_storing_off(folder):
    """RESULTSTORE_DISABLE=1 stores nothing, without a change to the program; 0 and empty do not count."""
    code = (
        f"from resultstore import Store\nstore = Store({str(folder)!r})\n"
        "@store.cache\ndef f(x):\n    print('ran')\n    return x\nf(1)\nf(1)"
    )

    def run(value):
        env = {"RESULTSTORE_DISABLE": value, "PATH": ""}
        return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout

    assert run("1") == "ran\nran\n"
    assert not folder.exists()
    assert run("0") == "ran\n"
    assert run("") == ""


def test_an_empty_store_is_true(store):
    """`if not memory:` never switches caching off."""
    assert store
    assert bool(Store(None))


def test_check_forget_and_clear(store):
    """A call is looked for, forgotten with its record, and all calls of a function are cleared."""
    f, g = store.cache(science.square), store.cache(science.table)
    assert not f.check_call_in_cache(2)
    f(2), f(3), g(4)
    assert f.check_call_in_cache(x=2)
    assert f.forget(2) == 1
    assert f.forget(2) == 0
    assert not f.check_call_in_cache(2)
    assert f.clear(warn=False) == 1
    assert [record.function for record in store.find()] == ["tests.science.table"]
    assert store.clear() == 1
    assert len(store.find()) == 0
    f(3)
    assert science.runs.count(3) == 2


def test_clearing_leaves_other_files_alone(store, folder):
    """Files that are not the store's survive every verb."""
    store.cache(science.table)(5000)
    (folder / "mine.txt").write_text("mine")
    (folder / "payloads" / "mine.npy").write_text("mine")
    store.clear()
    store.verify(fix=True)
    assert (folder / "mine.txt").read_text() == "mine"
    assert (folder / "payloads" / "mine.npy").read_text() == "mine"


@pytest.mark.parametrize("size", ["lots", "10 XB", "-5", -1, 10, "1 kB", True, [], "0.5 MB"])
def test_a_wrong_size_limit_is_an_error(size):
    """A limit that cannot be meant is told when the store is opened, saying how to write one."""
    with pytest.raises(OptionError, match="size_limit") as caught:
        Store(None, size_limit=size)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("option", ["strict", "check_arguments", "single_flight", "verify_maps"])
def test_a_switch_is_true_or_false(option):
    """A text such as "no" is refused, for it would switch on; None takes over what is set elsewhere, or nothing."""
    for value in ("no", "", 2):
        with pytest.raises(OptionError, match=f"{option}=.*: write True or False"):
            Store(None, **{option: value})
    for value in (True, False, 0, np.True_):
        Store(None, **{option: value})
    with pytest.raises(OptionError, match="single_flight"):
        Store(None).cache(single_flight="no")


@pytest.mark.parametrize("was", ["area", ["lab.area", "area"]])
def test_an_earlier_name_is_a_full_name(was):
    """A name without its module, which no function ever had, is refused with what to write."""
    with pytest.raises(OptionError, match="write full names, with the module"):
        Store(None).cache(was=was)


@pytest.mark.parametrize("location", ["", 3, b"\0", object()])
def test_a_wrong_location_is_an_error(location):
    """What cannot be a directory's name is told at once."""
    with pytest.raises(OptionError, match="location"):
        Store(location)


def test_a_location_that_is_a_file_is_an_error(tmp_path):
    """A store cannot lie where a file is; the file stays as it is."""
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(LocationError, match="is a file") as caught:
        Store(file)
    assert isinstance(caught.value, NotADirectoryError)
    assert file.read_text() == "mine"


def test_a_store_from_the_future_is_refused_untouched(folder):
    """An index of a newer schema is refused at opening, not a byte of it changed."""
    import sqlite3

    store = Store(folder)
    store.cache(science.square)(2)
    store.close()
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("UPDATE alembic_version SET version_num = '0099'")  # where its head alone says so, it is damaged
    connection.commit()
    connection.execute("PRAGMA user_version = 99")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(SchemaError, match=r"newer resultstore .schema 99"):
        Store(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_anothers_database_is_refused(folder):
    """A database of another program in our place is refused and left alone."""
    import sqlite3

    folder.mkdir()
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    with pytest.raises(SchemaError, match="another program"):
        Store(folder)


def test_opening_makes_nothing(folder):
    """The directory is made at the first write, not by opening or asking."""
    store = Store(folder)
    assert not store.cache(science.square).check_call_in_cache(2)
    assert len(store.find()) == 0
    assert store.stats().calls == 0
    assert store.verify() == []
    store.close()
    assert not folder.exists()


def test_the_place_is_fixed_when_the_store_is_made(tmp_path, monkeypatch):
    """A relative location is resolved once; .location echoes what was given."""
    monkeypatch.chdir(tmp_path)
    store = Store("results")
    f = store.cache(science.square)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    f(2)
    assert (tmp_path / "results" / "index.sqlite").exists()
    assert store.location == "results"
    reopened = pickle.loads(pickle.dumps(store))
    assert reopened.cache(science.square).check_call_in_cache(2)
    assert reopened.location == "results"
    store.close()


def test_stores_are_their_place_and_options(folder):
    """Stores are equal, hash and copy by place and options, small and without open files."""
    store = Store(folder, size_limit="5 MB")
    store.cache(science.square)(2)
    for other in (copy.deepcopy(store), copy.copy(store), pickle.loads(pickle.dumps(store))):
        assert other == store
        assert hash(other) == hash(store)
        assert other.cache(science.square).check_call_in_cache(2)
    assert len(pickle.dumps(store)) < 500
    assert Store(folder) != store
    assert repr(store) == f"Store({str(folder)!r}, size_limit='5 MB')"
    store.close()


def test_cached_functions_pickle(store):
    """A cached function pickles by its name where it has one, else as store, function and options."""
    f = store.cache(science.table, ignore=["seed"])
    back = pickle.loads(pickle.dumps(f))
    assert back.func is science.table
    assert back.ignore == ("seed",)
    assert back.store == store
    import tests.decorated as module

    assert pickle.loads(pickle.dumps(module.cube)) is module.cube


def test_unkeyable_arguments_run_uncached(store):
    """An argument without a digest is warned of once, by name and type, and the call runs each time."""
    f = store.cache(lambda x, y=0: next(x))
    with pytest.warns(CacheWarning, match="argument 'x': a builtins.list_iterator has no digest") as caught:
        assert f(iter([1, 2])) == 1
    assert caught[0].filename == __file__
    assert f(iter([3])) == 3
    assert len(store.find()) == 0
    with pytest.raises(resultstore.DigestError, match="argument 'x'"):
        f.key(iter([1]))


def test_a_cached_function_as_an_argument_of_find(store):
    """find takes the cached function, the function itself, or its name."""
    f = store.cache(science.square)
    f(2)
    assert store.find(f).first() == store.find(science.square).first() == store.find("tests.science.square").first()


def test_logging_tells_hits_and_misses(store, caplog):
    """The logger "resultstore" tells hits and misses at DEBUG and stores at INFO."""
    f = store.cache(science.square)
    with caplog.at_level(logging.DEBUG, logger="resultstore"):
        f(2)
        f(2)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["miss tests.science.square", "stored tests.science.square (0 bytes)", "hit tests.science.square"]


def test_a_fresh_process_is_silent(folder):
    """By default nothing is printed, neither at a miss nor at a hit nor at the end."""
    code = f"from resultstore import Store\nf = Store({str(folder)!r}).cache(abs)\nf(-1)\nf(-1)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_nested_calls_are_recorded(store, sql):
    """A cached function that calls another leaves the nesting of their calls, on misses and on hits."""
    inner = store.cache(science.square)

    def outer(x):
        return inner(x) + inner(x + 1)

    f = store.cache(outer)
    inner(2)
    assert f(1) == 5
    pairs = sql(
        "SELECT p.function, c.arguments FROM nesting JOIN calls p ON p.id = parent_id JOIN calls c ON c.id = child_id"
    )
    name = f.name
    assert sorted(pairs) == [(name, "x=1"), (name, "x=2")]


def test_many_threads_share_a_store(store):
    """Threads that miss and hit at once each get their right value."""
    f = store.cache(science.table)
    wrong = []

    def work(seed):
        for n in range(20):
            if not (f(200 + n, seed % 3) == science.table(200 + n, seed % 3)).all():
                wrong.append((n, seed))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(store.find(f)) == 60


def test_a_closed_store_opens_again(store):
    """Closing writes what waits; the next use opens the store again."""
    f = store.cache(science.square)
    f(2)
    store.close()
    store.close()
    assert f(2) == 4
    assert science.runs == [2]
    with store as same:
        assert same is store


def test_loading_what_is_gone_is_an_error(store):
    """A record whose payload is gone raises MissingError, a KeyError that says why."""
    f = store.cache(science.square)
    f(2)
    record = store.find(f).first()
    store.reduce_size(items_limit=0)
    with pytest.raises(MissingError, match="evicted by reduce_size") as caught:
        record.load()
    assert isinstance(caught.value, KeyError)


def test_results_survive_what_callers_do(store):
    """Neither a changed argument nor a changed result changes what is stored."""

    def centre(array):
        array -= array.mean()
        return array

    f = store.cache(centre)
    given = np.arange(4.0)
    f(given)
    assert (f(np.arange(4.0)) == np.arange(4.0) - 1.5).all()


def test_lambdas_inside_expressions_are_functions(store):
    """A lambda in a comprehension, a generator expression or another lambda is no method."""
    functions = [store.cache(lambda x, i=i: x + i) for i in range(2)]
    functions.extend(store.cache(lambda x: x - 1) for _ in range(1))
    make = lambda: store.cache(lambda x: -x)
    functions.append(make())
    assert [f(1) for f in functions] == [1, 2, 0, -1] == [f(1) for f in functions]
