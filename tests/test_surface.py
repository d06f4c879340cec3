"""The daily surface: what joblib.Memory's users call every day, by joblib's names."""

from __future__ import annotations

import copy
import functools
import gc
import io
import pickle
import re
import sqlite3
import subprocess
import sys
from datetime import timedelta

import cloudpickle
import joblib
import numpy as np
import pytest

import resultstore
from resultstore import CacheWarning, MissingError, OptionError, Reference, Store
from resultstore._travel import twin_of
from tests import science

# -- call, refresh, get


def test_call_always_runs_and_tells(store):
    """`f.call` runs whatever is stored, keeps the result, and returns it with joblib's metadata."""
    f = store.cache(science.count_runs)
    science.runs.clear()
    assert f(1) == 1
    value, metadata = f.call(1)
    assert value == 2
    assert sorted(metadata) == ["duration", "input_args", "time"]
    assert metadata["input_args"] == {"x": "1"}
    assert metadata["duration"] >= 0
    assert f(1) == 2
    memory = joblib.Memory(store.location.parent / "joblib", verbose=0)
    assert sorted(memory.cache(science.count_runs).call(1)[1]) == sorted(metadata)


def test_refresh_replaces(store):
    """`f.refresh` runs whatever is stored; later calls get the new result, and there is one record."""
    f = store.cache(science.count_runs)
    science.runs.clear()
    assert [f(5), f.refresh(5), f(5)] == [1, 2, 2]
    assert len(store.find(f)) == 1


def test_refresh_keeps_the_old_result_when_the_function_raises(store):
    """A refresh that fails leaves what was stored."""
    f = store.cache(science.fail_later)
    science.runs.clear()
    assert f(1) == 1
    with pytest.raises(ZeroDivisionError):
        f.refresh(1)
    assert f(1) == 1


def test_get_never_computes(store):
    """`f.get` gives the stored value, or a KeyError that says why; it never runs the function."""
    f = store.cache(science.count_runs)
    science.runs.clear()
    with pytest.raises(KeyError, match="no such call is known"):
        f.get(1)
    assert not science.runs
    f(1)
    assert f.get(x=1) == 1
    store.reduce_size(items_limit=0)
    with pytest.raises(MissingError, match=r"evicted by reduce_size.*Call the function again"):
        f.get(1)
    with pytest.raises(TypeError):
        f.get()


def test_get_counts_as_a_hit(store):
    """What `get` gives back counts as an access, like any hit."""
    f = store.cache(science.count_runs)
    f(1)
    f.get(1)
    assert store.find(f).first().access_count == 1


def test_eval_is_a_cached_call(store):
    """`store.eval(f, ...)` is `store.cache(f)(...)`."""
    science.runs.clear()
    assert [store.eval(science.count_runs, 3), store.eval(science.count_runs, x=3)] == [1, 1]


def test_nothing_is_stored_without_a_place():
    """`Store(None)` has the whole face, runs every time, and finds nothing."""
    store = Store(None, mmap_mode="r", verbose=2)
    f = store.cache(science.count_runs, ttl=3)
    science.runs.clear()
    assert [f(1), f.call(1), f.refresh(1), store.eval(f, 1)] == [1, (2, {}), 3, 4]
    reference = f.call_and_shelve(1)
    assert reference.get() == 5
    assert reference.record is None
    assert not f.check_call_in_cache(1)
    assert store.record(b"k" * 32) is None
    with pytest.raises(MissingError, match="switched off"):
        f.get(1)
    with pytest.raises(MissingError, match="switched off"):
        Reference(store, "00" * 32).get()


# -- references


def test_a_reference_loads_when_asked(store, monkeypatch):
    """`call_and_shelve` computes once; on a hit it opens no payload; `get` gives the value."""
    f = store.cache(science.slow_block)
    first = f.call_and_shelve(3, 50_000)
    opened = []
    real = type(store._vault.blobs).open
    monkeypatch.setattr(type(store._vault.blobs), "open", lambda self, name: opened.append(name) or real(self, name))
    again = f.call_and_shelve(3, 50_000)
    assert opened == []
    assert again == first
    assert hash(again) == hash(first)
    assert (again.get() == 3).all()
    assert len(opened) == 1
    assert again.record.arguments["i"] == 3


def test_a_cleared_reference_raises_key_error(store):
    """After `clear` neither the reference nor its equals find anything, and the call is a miss."""
    f = store.cache(science.slow_block)
    reference, other = f.call_and_shelve(3), f.call_and_shelve(3)
    reference.clear()
    for gone in (reference, other):
        with pytest.raises(KeyError, match="forgotten"):
            gone.get()
    assert reference.record is None
    assert not f.check_call_in_cache(3)


def test_a_reference_pickles_small_and_its_repr_can_be_pasted(store):
    """A reference to megabytes pickles to some hundred bytes; its repr gives an equal reference."""
    f = store.cache(science.slow_block, mmap_mode="r")
    reference = f.call_and_shelve(3, 500_000)
    assert len(pickle.dumps(reference)) < 600
    back = pickle.loads(pickle.dumps(reference))
    pasted = eval(repr(reference), {"Reference": Reference, "Store": Store})
    assert reference == back == pasted
    for each in (reference, back, pasted):
        assert isinstance(each.get(), np.memmap)
        assert not isinstance(each.get(mmap_mode=None), np.memmap)
    assert reference != Reference(store, reference.key)


def test_a_reference_travels(store, folder):
    """Another process loads what a reference names."""
    reference = store.cache(science.slow_block).call_and_shelve(4)
    code = "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])).get()[0])"
    done = subprocess.run(
        [sys.executable, "-c", code, pickle.dumps(reference).hex()], capture_output=True, text=True, check=True
    )
    assert done.stdout == "4\n"


def test_results_that_cannot_be_stored_are_held(store):
    """A shelved result that cannot be stored lies in its reference until it is cleared."""
    f = store.cache(science.make_lambda)
    with pytest.warns(CacheWarning, match="not stored"):
        reference = f.call_and_shelve(3)
    assert reference.get()(1) == 4
    assert "held in memory" in repr(reference)
    assert isinstance(reference, Reference)
    reference.clear()
    with pytest.raises(KeyError, match="cleared"):
        reference.get()
    with pytest.raises(KeyError):
        pickle.loads(pickle.dumps(reference)).get()


def test_a_call_that_cannot_be_keyed_is_shelved_in_memory(store):
    """An argument without a digest costs the caching, not the value."""
    f = store.cache(science.identity)
    with pytest.warns(CacheWarning, match="runs uncached"):
        reference = f.call_and_shelve(iter([1]))
    assert next(reference.get()) == 1


@pytest.mark.parametrize("key", ["abc", "zz" * 32, b"short", 7, 32, None])
def test_a_wrong_key_is_refused(store, key):
    """A reference needs a key of 32 bytes."""
    with pytest.raises(OptionError, match="key is 32 bytes"):
        Reference(store, key)
    with pytest.raises(OptionError, match="key is 32 bytes"):
        store.record(key)


def test_a_reference_of_an_expired_result_is_computed_anew(store, monkeypatch):
    """`call_and_shelve` judges age as a call does."""
    f = store.cache(science.count_runs, ttl="1 h")
    science.runs.clear()
    f(1)
    _pass_time(monkeypatch, 3601)
    assert f.call_and_shelve(1).get() == 2


# -- age and validation


def _pass_time(monkeypatch, seconds):
    from resultstore import _clock

    real = _clock.now
    monkeypatch.setattr(_clock, "now", lambda: real() + seconds)


@pytest.mark.parametrize("ttl", [86400, 86400.0, "1 d", "24 h", timedelta(days=1)])
def test_a_result_expires(store, monkeypatch, ttl):
    """With `ttl` a result counts until its age is reached; then it is computed anew, once."""
    f = store.cache(science.count_runs, ttl=ttl)
    science.runs.clear()
    assert [f(1), f(1)] == [1, 1]
    with monkeypatch.context() as later:
        _pass_time(later, 86_300)
        assert f(1) == 1
    _pass_time(monkeypatch, 86_401)
    assert not f.check_call_in_cache(1)
    with pytest.raises(MissingError, match="no longer counts"):
        f.get(1)
    assert [f(1), f(1)] == [2, 2]
    assert f.check_call_in_cache(1)
    assert store.cache(science.count_runs)(1) == 2


def test_age_is_judged_by_the_function_that_asks(store, monkeypatch):
    """An old result is a hit for a function without `ttl`, and a miss for one with it."""
    science.runs.clear()
    store.cache(science.count_runs)(1)
    _pass_time(monkeypatch, 100)
    assert store.cache(science.count_runs)(1) == 1
    assert store.cache(science.count_runs, ttl=1000)(1) == 1
    assert store.cache(science.count_runs, ttl=50)(1) == 2


@pytest.mark.parametrize("ttl", [-1, "soon", "3 parsecs", float("nan"), True])
def test_a_wrong_age_is_refused(store, ttl):
    """An age that cannot be meant is an error at decoration."""
    with pytest.raises(OptionError, match="ttl"):
        store.cache(science.count_runs, ttl=ttl)


def test_a_callback_decides(store):
    """`cache_validation_callback` gets duration, time and arguments; what it denies is computed anew."""
    seen = []
    answers = iter([True, False, True])

    def judge(metadata):
        seen.append(metadata)
        return next(answers)

    f = store.cache(science.count_runs, cache_validation_callback=judge)
    science.runs.clear()
    assert [f(7), f(7), f(7), f(7)] == [1, 1, 2, 2]
    assert len(seen) == 3
    record = store.find(f).first()
    assert seen[-1] == {
        "duration": record.duration,
        "time": pytest.approx(record.created_at.timestamp()),
        "input_args": {"x": "7"},
    }


def test_joblibs_own_callback_works(store, monkeypatch):
    """`joblib.expires_after` can be passed as it is."""
    f = store.cache(science.count_runs, cache_validation_callback=joblib.expires_after(minutes=5))
    science.runs.clear()
    assert [f(1), f(1)] == [1, 1]
    import time

    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 301)
    assert f(1) == 2


def test_a_callbacks_error_is_the_callers(store):
    """What a validation callback raises reaches the caller, as with joblib."""
    f = store.cache(science.count_runs, cache_validation_callback=lambda metadata: metadata["typo"])
    f(1)
    with pytest.raises(KeyError, match="typo"):
        f(1)


def test_metadata_that_cannot_be_read_is_a_miss(store, monkeypatch):
    """A callback is not asked about a call whose metadata the index cannot give; the call is computed."""
    f = store.cache(science.count_runs, cache_validation_callback=lambda metadata: metadata["time"] > 0)
    science.runs.clear()
    f(1)
    broken = sqlite3.DatabaseError("malformed")
    with monkeypatch.context() as patch, pytest.warns(CacheWarning, match="malformed"):
        patch.setattr(store._vault.index, "describe", lambda call_id: (_ for _ in ()).throw(broken))
        assert f(1) == 2
    assert f(1) == 2


def test_a_callback_must_be_callable(store):
    """Anything else is an error at decoration, in joblib's words."""
    with pytest.raises(ValueError, match="needs to be callable"):
        store.cache(science.count_runs, cache_validation_callback="no")


# -- verbose


def test_verbose_prints_joblibs_words(store, folder, capsys):
    """At each level the lines are those of joblib, but for the function's name and the digits of times."""
    memory = joblib.Memory(folder.parent / "joblib", verbose=0)
    for level in (0, 1, 2, 5):
        theirs = _lines(capsys, memory.cache(science.slow_block, verbose=level), 10 + level)
        ours = _lines(capsys, store.cache(science.slow_block, verbose=level), 10 + level)
        assert ours == theirs
    assert any(": Loading slow_block..." in line for line in ours)


def _lines(capsys, f, seed):
    f(seed, nbytes=24)
    f(seed, nbytes=24)
    out = capsys.readouterr().out
    assert ("slow_block(" in out) == bool(out)
    return [re.sub(r"\d+\.\d", "0.0", line).replace(f"{science.__name__}.", "") for line in out.splitlines()]


def test_verbose_is_a_stores_option_too(open_store, capsys):
    """A store's level holds for its functions unless they say otherwise; by default nothing is printed."""
    store = open_store(verbose=1)
    store.cache(science.identity)(1)
    assert "[Memory] Calling tests.science.identity...\nidentity(1)\n" in capsys.readouterr().out
    store.cache(science.identity, verbose=0)(2)
    open_store().cache(science.identity)(3)
    assert capsys.readouterr().out == ""
    open_store(verbose=10).cache(science.identity)(1)
    assert f"Loading identity from {store.location}" in capsys.readouterr().out


def test_a_closed_stream_costs_only_the_words(store, monkeypatch):
    """Where nothing can be printed, calls go on."""
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stdout", stream)
    f = store.cache(science.identity, verbose=20)
    assert [f(1), f(1)] == [1, 1]


@pytest.mark.parametrize("level", ["loud", 1.5, -1])
def test_a_wrong_level_is_refused(folder, level):
    """A level is a whole number from 0."""
    with pytest.raises(OptionError, match="verbose"):
        Store(folder, verbose=level)


# -- decoration and being an object


def test_every_way_to_decorate(store):
    """Bare, called, with options, through a partial: all give the same cached function."""
    bare = store.cache(science.count_runs)
    called = store.cache()(science.count_runs)
    partial = functools.partial(store.cache, ignore=[])(science.count_runs)
    assert bare.key(1) == called.key(1) == partial.key(1)
    assert bare.__wrapped__ is bare.func is science.count_runs
    assert bare.__name__ == "count_runs"


def test_caching_a_cached_function_unwraps_it(store, tmp_path):
    """The new options count, the old wrapper's do not, and results are shared where keys are equal."""
    f = store.cache(science.count_runs, ttl=1, ignore=["x"])
    g = store.cache(f)
    assert g.func is science.count_runs
    assert g.ignore == ()
    assert g._options == store.cache(science.count_runs)._options
    other = Store(tmp_path / "other").cache(f)
    assert other.store.location == tmp_path / "other"


def test_options_travel_with_a_cached_function(store, tmp_path):
    """Copies and pickles of a cached function and of a store keep their options, and stay small."""
    local = store.cache(lambda x: x, ttl=5, mmap_mode="r", verbose=0)
    assert copy.deepcopy(local)._options == local._options
    f = store.cache(science.slow_block, ttl=5, mmap_mode="r", verbose=0)
    f(1, 100_000)
    assert len(pickle.dumps(f)) < 1000
    assert pickle.loads(pickle.dumps(f))._options == f._options
    full = Store(tmp_path / "full", size_limit="5 MB", compression=("zstd", 3), verbose=1, strict=True)
    for twin in (copy.deepcopy(full), pickle.loads(pickle.dumps(full)), eval(repr(full), {"Store": Store})):
        assert twin == full
        assert hash(twin) == hash(full)
        assert twin._options == full._options
        assert bool(twin) is True
    assert len(pickle.dumps(full)) < 500
    assert full != Store(tmp_path / "full")


def test_a_key_finds_its_record(store):
    """`store.record` finds a call by its key, as bytes or text."""
    f = store.cache(science.count_runs)
    f(1)
    key = f.key(1)
    assert store.record(key).key_hex == key.hex()
    assert store.record(key.hex()).arguments == {"x": 1}
    assert store.record(b"0" * 32) is None


def test_the_names_of_joblib_are_there(store):
    """Every public method and attribute of joblib's memorized function that people call exists here."""
    f = store.cache(science.count_runs)
    for name in ("call", "call_and_shelve", "check_call_in_cache", "clear", "func", "ignore", "__wrapped__"):
        assert hasattr(f, name), name
    for name in ("cache", "clear", "eval", "reduce_size", "location"):
        assert hasattr(store, name), name
    assert resultstore.Reference is Reference


def test_a_wrapper_around_a_cached_function_travels(store):
    """functools.wraps copies nothing of our insides into a wrapper, so that cloudpickle can send it."""
    cached = store.cache(science.square)

    @functools.wraps(cached)
    def wrapper(x):
        return cached(x) + 1

    assert cloudpickle.loads(cloudpickle.dumps(wrapper))(3) == 10
    assert wrapper.__wrapped__ is cached


def test_a_callback_of_a_script_travels_to_workers(folder, tmp_path):
    """A script's function with a lambda for a callback goes to a pool by name, as it does without one."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, sys, joblib\nfrom resultstore import Store\nstore = Store(sys.argv[1])\n"
        "@store.cache(cache_validation_callback=lambda metadata: True)\ndef f(x):\n    return x + 1\n"
        "@store.cache(cache_validation_callback=joblib.expires_after(days=1))\ndef g(x):\n    return x + 2\n"
        "if __name__ == '__main__':\n    with multiprocessing.get_context('spawn').Pool(2) as pool:\n"
        "        print(pool.map(f, [1, 2]), pool.map(g, [1]))\n"
        "    print(joblib.Parallel(2)(joblib.delayed(f)(i) for i in (3, 4)))\n"
    )
    done = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "[2, 3] [3]\n[4, 5]\n"


def test_a_gone_payload_is_no_hit_for_anybody(store, folder):
    """Where a payload file is gone, no hit is announced, and shelving computes it anew."""
    f = store.cache(science.slow_block)
    f(3)
    for path in (folder / "payloads").rglob("*.npy"):
        path.unlink()
    assert not f.check_call_in_cache(3)
    assert (f.call_and_shelve(3).get() == 3).all()
    assert f.check_call_in_cache(3)


def test_the_repr_of_a_store_says_all_that_differs(folder):
    """Every option that is not the default stands in the repr, False where it is not the default too."""
    for options in (
        {"allow_pickle": False},
        {"allow_pickle": True},
        {"strict": True},
        {"verbose": 3},
        {"mmap_mode": "c"},
        {},
    ):
        store = Store(folder, **options)
        assert eval(repr(store), {"Store": Store}) == store
        assert repr(store).count("=") == len(options)


def test_copies_of_a_store_share_its_warnings(store):
    """A copied store, as scikit-learn makes one with each estimator, tells of trouble once, not once more."""
    with pytest.warns(CacheWarning, match="uncached"):
        store.cache(science.identity)(iter([]))
    twin = copy.deepcopy(store)
    assert twin == store
    twin.cache(science.identity)(iter([]))
    copy.copy(store).cache(science.identity)(iter([]))


def test_an_index_that_cannot_be_opened_leaves_no_noise(folder, monkeypatch):
    """A connection that never opened is dropped without a word of its own."""
    with Store(folder) as store:
        store.cache(science.square)(2)
    monkeypatch.setattr("sqlite3.connect", lambda *args, factory, **options: factory("/no/such/place/x.sqlite"))
    with pytest.warns(CacheWarning, match="unable to open"):
        assert Store(folder).cache(science.square)(2) == 4
    gc.collect()


def test_the_function_behind_cannot_be_replaced(store):
    """`f.func` is read-only: the value of another function would be stored under this one's key."""
    f = store.cache(science.square)
    with pytest.raises(AttributeError):
        f.func = abs


def test_a_twin_follows_its_function():
    """What a script's function sends to workers is made anew when its code or defaults change in place, else it is one."""
    scope = {}
    exec("def f(x, y=1): return x + y\ndef g(x, y=1): return x - y", scope)
    f, first = scope["f"], twin_of(scope["f"], None, "__main__", "f._portable")
    assert twin_of(f, first, "__main__", "f._portable") is first
    f.__defaults__ = (5,)
    second = twin_of(f, first, "__main__", "f._portable")
    assert second(1) == 6
    f.__code__ = scope["g"].__code__
    assert twin_of(f, second, "__main__", "f._portable")(1) == -4
