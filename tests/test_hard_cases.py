"""Cases that an adversary found: each was once a wrong value, an error that escaped, or a limit that did not hold."""

from __future__ import annotations

import decimal
import functools
import os
import sys
import threading
import time
import uuid
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

from resultstore import CacheWarning, DigestError, FunctionError, Store, digest
from resultstore.testing import assert_same
from tests import science
from tests.test_budget import disk_usage
from tests.test_results import round_trip

# -- wrong values


def test_a_wrapper_around_a_cached_function_is_itself(store):
    """A wraps-decorated wrapper takes over nothing of the cached function inside, nor of plain attributes."""

    def g(x):
        return x

    cached = store.cache(g)

    @functools.wraps(cached)
    def wrapper(*args):
        return cached(*args) * 10

    wrapper.store, wrapper.key = 5, "k"  # type: ignore[attr-defined]
    h = store.cache(wrapper)
    assert (h(2), h(2), cached(2)) == (20, 20, 2)
    assert h.store is store
    assert len(h.key(2)) == 32


def multiply(k, x):
    """Return the product."""
    return k * x


@pytest.mark.parametrize("wrap", [True, False])
def test_partials_in_closures_keep_their_arguments(store, wrap):
    """A partial that is closed over, cached or not, counts with what it binds."""

    def make(k):
        partial = functools.partial(multiply, k)
        inner = store.cache(partial) if wrap else partial
        return store.cache(lambda x: inner(x))

    assert (make(2)(1), make(3)(1), make(2)(1)) == (2, 3, 2)


def test_made_ufuncs_have_no_identity(store):
    """np.frompyfunc gives every ufunc of a name the same name: such a function is refused, not guessed."""
    made = np.frompyfunc(lambda x: x + 1, 1, 1)
    with pytest.raises(FunctionError, match="no module with a version"):
        store.cache(made)
    f = store.cache(lambda x: made(x))
    with pytest.warns(CacheWarning, match="closure variable made"):
        f(1)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="another extended precision")
def test_swapped_extended_precision_is_read_where_its_bits_are():
    """The unused bytes of big-endian extended precision lie at the front."""

    def swapped(exponent):
        return np.array([np.longdouble(1) + np.longdouble(2) ** exponent]).astype(">f16")

    assert digest(swapped(-20)) != digest(swapped(-60))
    dirty = swapped(-20)
    dirty.view(np.uint8)[:6] = 9
    assert digest(dirty) == digest(swapped(-20))


def test_record_dtypes_are_not_void_dtypes():
    """Dtypes that behave differently do not share a digest: those that we cannot tell whole are refused."""
    plain = np.zeros(2, [("x", "f8")])
    assert digest(plain.astype(np.dtype((np.record, [("x", "f8")])))) != digest(plain)
    with pytest.raises(DigestError):
        digest(np.zeros(2, np.dtype((np.int32, {"a": (np.int16, 0), "b": (np.int16, 2)}))))


def test_equal_dtypes_do_not_hide_each_other(folder):
    """A dtype seen before does not stand for another one that numpy calls equal."""
    plain = np.zeros(2, np.dtype([("x", "f8")]))
    for dtype in (np.dtype([("x", "f8")], align=True), np.dtype((np.record, [("x", "f8")]))):
        first, _ = round_trip(Store(folder), [plain, np.zeros(2, dtype)])
        assert first[1].dtype.isalignedstruct == dtype.isalignedstruct
        assert first[1].dtype.type is dtype.type
        Store(folder).clear()


def test_small_state_survives(folder):
    """What is easily lost: attributes, safety of a UUID, read-only arrays inside objects, dtype metadata."""
    frozen = np.arange(3)
    frozen.flags.writeable = False
    ordered = OrderedDict(a=1)
    ordered.note = "kept"  # type: ignore[attr-defined]
    tagged = np.array([1, "a"], dtype=np.dtype("O", metadata={"kind": "text"}))
    made = uuid.uuid1()
    value = [SimpleNamespace(a=frozen), ordered, tagged, made]
    (namespace, ordered_back, tagged_back, made_back), _ = round_trip(Store(folder), value)
    assert not namespace.a.flags.writeable
    assert ordered_back.note == "kept"
    assert tagged_back.dtype.metadata == {"kind": "text"}
    assert made_back.is_safe is made.is_safe
    assert digest(ordered) != digest(OrderedDict(a=1))


@pytest.mark.parametrize("value", [-0.0, np.zeros((0, 3)), {10**5000: 1}, [10**5000], {b"k" * 100: np.zeros(3)}])
def test_odd_plain_results_hit(folder, value):
    """Results that a database or a buffer treats in a special way are stored and found again."""
    first, _ = round_trip(Store(folder), value)
    assert_same(first, value)


def test_a_fingerprint_is_seen_whole_by_every_thread(store):
    """While a closed-over value changes, no thread ever pairs one value's key with another value's result."""
    box = [0]
    ballast = np.zeros(200_000)

    def f(x):
        return box[0], len(ballast)

    cached = store.cache(f)
    for value in (1, 2):
        box[0] = value
        cached(1)
    keys = {}
    for value in (1, 2):
        box[0] = value
        keys[value] = cached.key(1)
    stop = threading.Event()
    seen = set()

    def hammer():
        while not stop.is_set():
            seen.add(cached.key(1))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    threads = [threading.Thread(target=hammer) for _ in range(3)]
    try:
        for thread in threads:
            thread.start()
        for i in range(200):
            box[0] = 1 + i % 2
            assert cached.key(1) == keys[box[0]]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(interval)
    assert seen <= set(keys.values())


def test_payload_rows_that_change_places_are_found_out(folder, sql):
    """Two payload rows whose files and checksums were exchanged do not exchange their calls' answers."""
    with Store(folder) as store:
        f = store.cache(science.slow_block)
        f(1), f(2)
    rows = sql("SELECT id, file, checksum FROM payload ORDER BY id")
    for (number, _, _), (_, file, checksum) in zip(rows, reversed(rows), strict=True):
        sql("UPDATE payload SET file = ?, checksum = ? WHERE id = ?", file, checksum, number)
    with Store(folder) as store, pytest.warns(CacheWarning, match="of another value"):
        f = store.cache(science.slow_block)
        assert (f(1)[0], f(2)[0]) == (1, 2)
        store.verify(fix=True)


# -- errors that escaped


def test_closing_while_others_store(store):
    """One thread closes the store again and again while others store and hit: nothing breaks."""
    f = store.cache(science.square)
    stop = threading.Event()
    wrong = []

    def work(start):
        i = start
        while not stop.is_set():
            i += 1
            if f(i % 500) != (i % 500) ** 2:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(n * 100,)) for n in range(2)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        store.close()
        time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_transaction_left_open_is_undone(store):
    """An exception of a signal's at an unlucky moment leaves a transaction open: the next one undoes it."""
    f = store.cache(science.square)
    f(1)
    store._vault.index.connections.writer().execute("BEGIN IMMEDIATE")
    f(2)
    assert f.check_call_in_cache(2)


def test_a_signal_after_the_commit_deletes_nothing(store, monkeypatch):
    """If a row was committed, the file that it names stays, even if the call was interrupted right then."""
    f = store.cache(science.slow_block)
    index = store._vault.index
    real = index.add

    def add_then_interrupt(*args, **kwargs):
        real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index, "add", add_then_interrupt)
        with pytest.raises(KeyboardInterrupt):
            f(1)
    assert store.verify() == []
    assert (f(1) == 1).all()


def test_the_gate_is_free_after_an_interrupt(store, monkeypatch):
    """An interrupt while waiting for the gate's file leaves it to others."""
    gate = store._vault.gate
    store.cache(science.square)(1)
    with monkeypatch.context() as patch:
        patch.setattr(gate, "_lock_file", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt), gate.held(1):
            pass
    with Store(store.location)._vault.gate.held(0.1):  # type: ignore[union-attr]
        pass


class NoModule:
    """A class that claims to come from nowhere."""


NoModule.__module__ = None  # type: ignore[assignment]


class RudeDefault:
    """Something whose repr fails."""

    def __repr__(self):
        raise RuntimeError("no")


def with_rude_annotation(x: RudeDefault() = 1):  # type: ignore[valid-type]
    """Return the argument."""
    return x


with_rude_annotation.__annotations__["x"] = RudeDefault()


@pytest.mark.parametrize(
    "value",
    [
        NoModule(),
        {decimal.Decimal("nan"): 1, decimal.Decimal("NaN"): 2},
        {complex("nan"): 1, complex(0, float("nan")): 2},
    ],
)
def test_odd_arguments_do_no_harm(store, value, recwarn):
    """Whatever an argument does while it is looked at, the function's value comes back."""
    f = store.cache(lambda x: 7)
    assert f(value) == f(value) == 7
    assert all(issubclass(warning.category, CacheWarning) for warning in recwarn.list)


def test_odd_names_and_texts_are_stored(store):
    """Surrogates in keywords, and reprs that fail in signatures, keep nothing from being stored."""
    f = store.cache(science.spelled)
    odd = {"\ud800": 1, "nul\0": 2}
    assert f(1, c=1, **odd)[5] == odd
    assert f.check_call_in_cache(1, c=1, **odd)
    assert set(store.find(f).first().arguments) == {"a", "b", "c", "d", "\\ud800", "nul\\x00"}
    g = store.cache(with_rude_annotation)
    assert g(3) == 3
    assert g.check_call_in_cache(3)


def test_long_integers_under_a_low_limit(store):
    """The limit on printing long integers, however low, keeps none from being an argument or a result."""
    f = store.cache(lambda n: n * 3)
    old = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(640)
    try:
        assert f(10**1000) == 3 * 10**1000
        assert f(10**1000) == 3 * 10**1000
        assert f.check_call_in_cache(10**1000)
    finally:
        sys.set_int_max_str_digits(old)


def test_a_program_and_a_place_that_are_no_text(tmp_path, monkeypatch):
    """File names that are not valid UTF-8, of the program and of the store, are fine."""
    monkeypatch.setattr(sys, "argv", [os.fsdecode(b"caf\xe9.py")])
    with Store(os.fsdecode(os.fsencode(tmp_path) + b"/d\xe9p\xf4t #1?x=%20")) as store:
        f = store.cache(science.square)
        f(2)
        assert f.check_call_in_cache(2)
        assert store.verify() == []


@pytest.mark.parametrize("change", ["DELETE FROM total", "UPDATE total SET file_nbytes = 'abc'", "DROP TABLE argument"])
def test_a_mangled_index_does_no_harm(folder, sql, change, recwarn):
    """Sums that are gone or no numbers, and tables that are gone, cost the storing, never the value."""
    with Store(folder, size_limit="20 MB") as store:
        store.cache(science.square)(2)
    sql(change)
    store = Store(folder, size_limit="20 MB")
    f = store.cache(science.square)
    assert (f(2), f(3), f(2)) == (4, 9, 4)
    store.close()
    assert all(issubclass(warning.category, CacheWarning) for warning in recwarn.list)


def test_a_signature_that_loses_an_ignored_parameter(store):
    """A reloader that takes an ignored parameter away makes calls run uncached, told once."""

    def f(x, debug=False):
        return x

    def new(x):
        return x + 1

    g = store.cache(f, ignore=["debug"])
    g(1)
    f.__code__, f.__defaults__ = new.__code__, None
    with pytest.warns(CacheWarning, match="runs uncached"):
        assert g(1) == 2
    assert g(1) == 2


def test_only_the_first_call_waits_for_a_stuck_process(folder, monkeypatch):
    """While another process holds the gate for ever, one call waits for it, later ones do not."""
    monkeypatch.setattr("resultstore._writing.GATE_WAIT_S", 0.3)
    with Store(folder) as store, Store(folder) as other:
        f = store.cache(science.square)
        f(0)
        waits = []
        monkeypatch.setattr(time, "sleep", lambda s, real=time.sleep: waits.append(s) or real(s))
        with other._vault.gate.held(1), pytest.warns(CacheWarning):  # type: ignore[union-attr]
            f(1)
            first = len(waits)
            for i in range(2, 30):
                f(i)
        assert first > 1
        assert len(waits) == first


def test_special_files_in_our_places_do_not_block(folder, recwarn):
    """A FIFO in the place of the journal or the index is an error at once, not a wait for ever."""
    folder.mkdir()
    os.mkfifo(folder / "journal.jsonl")
    with Store(folder) as store:
        assert (store.cache(science.slow_block)(1) == 1).all()
    (folder / "index.sqlite").unlink(missing_ok=True)
    os.mkfifo(folder / "index.sqlite")
    with Store(folder) as store:
        assert store.cache(science.square)(2) == 4
    assert recwarn


def test_verify_passes_over_directories_in_payload_places(folder, store):
    """A directory where a payload was is reported, and mending does not fail on it."""
    store.cache(science.slow_block)(1)
    (path,) = (folder / "payloads").rglob("*.npy")
    path.unlink()
    path.mkdir()
    assert {problem.kind for problem in store.verify(fix=True)} == {"damaged"}
    for left in (folder / "payloads").rglob("*.npy"):
        left.rmdir()


def test_defaults_of_ignored_parameters_do_not_count(store):
    """A function whose ignored parameter has a default without a digest is cached all the same."""

    def f(x, log=sys.stderr):
        return x

    g = store.cache(f, ignore=["log"])
    g(1)
    assert g.check_call_in_cache(1)


# -- limits that did not hold


def test_folders_count_in_the_budget(folder, open_store):
    """Many small payload files do not exceed a small limit by the folders that they lie in."""
    store = open_store(size_limit="1 MB")
    f = store.cache(science.slow_block)
    for i in range(120):
        f(i, 20_000)
    folders = sum(4096 for path in folder.rglob("*") if path.is_dir())
    assert disk_usage(folder) + folders <= 1_000_000


def test_versions_without_calls_leave_with_the_records(folder, open_store):
    """A function that is edited all the time does not fill a small store with its versions."""
    store = open_store(size_limit="1 MB")
    for i in range(1500):
        namespace = {"__name__": "edited"}
        exec(f"def f(x):\n    return x + {i}\n", namespace)
        assert store.cache(namespace["f"])(1) == i + 1  # type: ignore[arg-type]
    assert disk_usage(folder) <= 1_000_000


def test_room_is_made_before_the_bytes_are_written(folder, open_store, monkeypatch):
    """A large result is staged only when there is room for it."""
    store = open_store(size_limit="10 MB")
    f = store.cache(science.slow_block)
    for i in range(8):
        f(i, 1_000_000)
    blobs = store._vault.blobs
    seen = []
    real = type(blobs).publish
    monkeypatch.setattr(type(blobs), "publish", lambda self, *a: seen.append(disk_usage(folder)) or real(self, *a))
    f(9, 8_000_000)
    assert max(seen) <= 10_000_000


def test_temporary_files_of_killed_writers_are_swept_soon(folder, open_store, monkeypatch):
    """What a killed writer staged goes at the next store that needs room; a living writer's stays."""
    monkeypatch.setattr("resultstore._room.STALE_S", 0.0)
    store = open_store(size_limit="4 MB")
    f = store.cache(science.slow_block)
    f(0)
    other = Store(folder)
    ticket = other._vault.blobs.stage([b"x" * 1_000_000])  # type: ignore[union-attr]
    dead = folder / "temporary" / "1-0123456789ab"
    dead.write_bytes(b"x" * 2_000_000)
    for i in range(1, 6):
        f(i, 300_000)
    assert not dead.exists()
    assert os.path.exists(ticket)
    assert f.check_call_in_cache(5, 300_000)
    other._vault.blobs.discard(ticket)  # type: ignore[union-attr]
