"""Signing: what was not written with the store's key counts for nothing, whoever planted, swapped or replayed it."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest

from resultstore import CacheWarning, OptionError, Reference, Store
from resultstore._signing import VARIABLE, Signer
from tests import science
from tests.hostile import forge

KEY, OTHER = "a secret of the tests", b"another secret of the tests"
BIG = 100_000


@pytest.fixture(autouse=True)
def _forget_runs(monkeypatch):
    science.runs.clear()
    made.clear()
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def signed(folder):
    """Return a function that opens the test's store with the key."""
    stores = []

    def open_it(**options):
        stores.append(Store(folder, **{"signing_key": KEY, **options}))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()


class Value:
    """Something that only pickle can store."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return type(other) is Value and vars(other) == vars(self)

    def __hash__(self):
        return hash(self.value)


made = []


def wrap(x):
    """Return what only pickle can store."""
    made.append(x)
    return Value(x)


def test_what_is_signed_hits(signed):
    """With the key, results of every kind hit, also in another store object and of a burst."""
    calls = [(science.square, 3), (science.table, BIG), (science.table, 10), (wrap, 4), (science.identity, (1, "a"))]
    for f, x in calls:
        signed().cache(f)(x)
    store = signed()
    f = store.cache(science.square)
    for i in range(100):
        f(i)
    store.close()
    science.runs.clear()
    made.clear()
    again = signed()
    for g, x in calls:
        again.cache(g)(x)
    assert [again.cache(science.square)(i) for i in range(100)] == [i * i for i in range(100)]
    assert science.runs == made == []
    assert again.verify() == []


@pytest.mark.parametrize("options", [{"signing_key": None}, {"signing_key": OTHER}])
def test_what_is_not_signed_with_the_key_is_a_miss(signed, options):
    """What another key signed, or none, is computed again, told once a function, and then it is signed."""
    with signed(**options) as store:
        for i in range(3):
            store.cache(science.square)(i)
        store.cache(science.table)(BIG)
    store = signed()
    f, g = store.cache(science.square), store.cache(science.table)
    assert not f.check_call_in_cache(0)
    assert "unsigned" in str(f.explain(0))
    with pytest.warns(CacheWarning, match="not signed with the signing_key of this store") as caught:
        assert [f(i) for i in range(3)] == [0, 1, 4]
        assert (g(BIG) == science.table(BIG)).all()
    assert len(caught) == 2
    assert not (store._vault.place and os.path.exists(os.path.join(store._vault.place, "quarantine")))
    science.runs.clear()
    with signed() as again:
        assert [again.cache(science.square)(i) for i in range(3)] == [0, 1, 4]
        again.cache(science.table)(BIG)
    assert science.runs == []


def test_without_the_key_signed_results_are_read(signed, folder):
    """A store without a key believes rows that are whole, signed or not: who sets a key wants more than that."""
    signed().cache(science.square)(3)
    with Store(folder) as store:
        assert store.cache(science.square)(3) == 9
    assert science.runs == [3]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE call SET number = 5.0",
        "UPDATE call SET kind = 'none'",
        "UPDATE call SET created_at = created_at + 1000",
        "UPDATE call SET checksum = substr(checksum, 1, 16) || zeroblob(16)",
        "UPDATE call SET checksum = substr(checksum, 1, 16)",
        "UPDATE result_leaf SET writeable = 0",
        "UPDATE payload SET format = 'pickle'",
        "UPDATE payload SET shape = '[10, 10]'",
        "UPDATE payload SET dtype = '<i8'",
        "UPDATE payload SET memory_order = 'F', shape = '[10, 10]'",
        "UPDATE payload SET inline = zeroblob(length(inline))",
        "UPDATE payload SET digest = (SELECT max(digest) FROM payload)",
        "DELETE FROM result_leaf",
    ],
)
def test_a_changed_row_is_a_miss(signed, sql, change):
    """Whatever a hit rests on is bound by the signature: value, kind, leaves, their formats, and the time."""
    with signed() as store:
        store.cache(science.square)(2.5)
        store.cache(science.table)(100)
        store.cache(science.table)(101)
    sql(change)
    with signed() as store, pytest.warns(CacheWarning):
        assert store.cache(science.square)(2.5) == 6.25
        assert (store.cache(science.table)(100) == science.table(100)).all()
        assert (store.cache(science.table)(101) == science.table(101)).all()


def swap(sql, one, other, columns):
    """Swap columns of two rows of calls, as somebody does who may write to the index."""
    names = ", ".join(columns)
    values = {n: sql(f"SELECT {names} FROM call WHERE key = ?", n)[0] for n in (one, other)}
    places = ", ".join(f"{name} = ?" for name in columns)
    for mine, others in ((one, other), (other, one)):
        sql(f"UPDATE call SET {places} WHERE key = ?", *values[others], mine)


def test_swapped_rows_and_files_are_misses(signed, sql, folder):
    """A genuine result of another call, with its genuine signature, is none of this call."""
    with signed() as store:
        f, g = store.cache(science.square), store.cache(science.table)
        f(2), f(3), g(BIG), g(BIG, seed=1)
        keys, tables = [f.key(2), f.key(3)], [g.key(BIG), g.key(BIG, seed=1)]
    swap(sql, *keys, ["kind", "integer", "number", "text", "checksum", "created_at"])
    one, other = sorted((folder / "payloads").rglob("*.npy"))
    os.rename(one, folder / "kept")
    os.rename(other, one)
    os.rename(folder / "kept", other)
    with signed() as store, pytest.warns(CacheWarning):
        assert [store.cache(science.square)(x) for x in (2, 3)] == [4, 9]
        for seed in (0, 1):
            assert (store.cache(science.table)(BIG, seed=seed) == science.table(BIG, seed=seed)).all()
    calls = [sql("SELECT id FROM call WHERE key = ?", key)[0][0] for key in tables]
    sql("UPDATE result_leaf SET call_id = -1 WHERE call_id = ?", calls[0])
    sql("UPDATE result_leaf SET call_id = ? WHERE call_id = ?", calls[0], calls[1])
    with signed() as store, pytest.warns(CacheWarning):
        assert (store.cache(science.table)(BIG) == science.table(BIG)).all()


@pytest.mark.parametrize(
    ("n", "how"), [(50, {}), (BIG, {}), (BIG, {"mmap_mode": "r"}), (BIG, {"compression": "zstd"})], ids=str
)
def test_the_bytes_of_another_payload_are_a_miss(signed, sql, n, how):
    """Where a payload lies, and its checksum, nobody has signed: its bytes are the value's, or they are not used."""
    with signed(**how) as store:
        f = store.cache(science.slow_block)
        assert [f(i, n * 8)[0] for i in (1, 2)] == [1, 2]
    columns = "checksum, nbytes, raw_nbytes, head_nbytes, file, inline, disk_nbytes, codec"
    one, other = sql(f"SELECT {columns} FROM payload ORDER BY id")
    change = ", ".join(f"{name} = ?" for name in columns.split(", "))
    sql(f"UPDATE payload SET {change} WHERE id = 1", *other)
    sql(f"UPDATE payload SET {change} WHERE id = 2", *one)
    with signed(**how) as store, pytest.warns(CacheWarning, match="cannot be used"):
        f = store.cache(science.slow_block)
        assert [(f(i, n * 8) == i).all() for i in (1, 2)] == [True, True]


def test_the_key_of_a_row_cannot_be_another(signed, sql):
    """A row that is given the key of another call is a miss."""
    with signed() as store:
        f = store.cache(science.square)
        f(2)
        wanted = f.key(3)
    sql("UPDATE call SET key = ?", wanted)
    with signed() as store, pytest.warns(CacheWarning):
        assert store.cache(science.square)(3) == 9


def test_an_older_row_of_the_same_call_is_what_signing_does_not_stop(signed, sql, folder):
    """A genuine earlier result of the same call, put back, counts again; but it is no younger than it was."""
    with signed() as store:
        store.cache(science.count_runs)(1)
    shutil.copytree(folder, folder.parent / "kept")
    with signed() as store:
        store.cache(science.count_runs).call(1)
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "kept", folder)
    sql("UPDATE call SET created_at = created_at + 1000")
    with signed() as store, pytest.warns(CacheWarning, match="not signed"):
        store.cache(science.count_runs)(1)
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "kept", folder)
    with signed() as store:
        assert store.cache(science.count_runs)(1) == 1


def test_an_evicted_result_put_back_is_the_same_result(signed, sql):
    """A row that was evicted and is given its state back without its checksum counts for nothing."""
    with signed() as store:
        store.cache(science.square)(3)
        store.reduce_size(items_limit=0)
    sql("UPDATE call SET state = 'stored', kind = 'int', integer = 10")
    with signed() as store, pytest.warns(CacheWarning):
        assert store.cache(science.square)(3) == 9


def test_a_mapped_payload_is_verified_before_its_first_use(signed, folder):
    """A file whose bytes were changed, its size and time as they were, is found out at the first map of a process."""
    with signed(mmap_mode="r") as store:
        expected = store.cache(science.table)(BIG).copy()
    (path,) = (folder / "payloads").rglob("*.npy")
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\0" * 8)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    with signed(mmap_mode="r") as store, pytest.warns(CacheWarning, match="not those that were written"):
        assert (store.cache(science.table)(BIG) == expected).all()


def test_a_file_is_verified_at_every_read(signed, folder):
    """Bytes that are changed behind an unchanged size and time are noticed, after the first read too."""
    f = signed().cache(science.table)
    expected = f(BIG).copy()
    f(BIG)
    (path,) = (folder / "payloads").rglob("*.npy")
    found = path.stat()
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\0" * 8)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    with pytest.warns(CacheWarning, match="not those that were written"):
        assert (f(BIG) == expected).all()


def test_a_reference_is_known_by_what_is_signed(signed, sql):
    """A reference as an argument is keyed by the array that was stored, whatever digest the index names now."""
    with signed() as store:
        reference = store.cache(science.table).call_and_shelve(100)
        store.cache(science.table)(101)
        key = store.cache(science.identity).key(reference)
    sql("UPDATE payload SET digest = (SELECT digest FROM payload WHERE shape = '[101]') WHERE shape = '[100]'")
    with signed() as store, pytest.warns(CacheWarning):
        f = store.cache(science.identity)
        again = Reference(store, reference.key)
        f(again)
        assert f.key(store.cache(science.table).call_and_shelve(100)) == key


# -- versions that stand in


def version_of(body):
    """Return a function of one name whose code is this."""
    namespace = {"__name__": "signed_versions"}
    exec(body, namespace)
    return namespace["f"]


def test_a_version_is_not_made_to_stand_in(signed, sql):
    """Whoever writes to the index cannot have an older version's genuine result answer for a newer one."""
    old, new = version_of("def f(x): return x + 1"), version_of("def f(x): return x + 2")
    with signed() as store:
        store.cache(old)(1)
        store.cache(new)(5)
    sql("INSERT INTO acceptance VALUES (2, 1, 'because', 0)")
    sql("UPDATE function_version SET portable = x'00'")
    with signed() as store:
        assert store.cache(new)(1) == 3
    sql("UPDATE meta SET value = 'acceptance' WHERE value = 'version'")
    with signed() as store:
        assert store.cache(new)(1) == 3


def test_versions_that_were_accepted_stand_in(signed):
    """What the holder of the key accepts counts, over several steps."""
    versions = [version_of(f"def f(x): return (x * {i}, 1)[1]") for i in range(3)]
    store = signed()
    functions = [store.cache(version) for version in versions]
    functions[0](7)
    assert store.accept(functions[1], from_version=1, reason="the same") == 1
    assert store.accept(functions[2], from_version=functions[1].fingerprint(), reason="the same") == 1
    assert functions[1].check_call_in_cache(7)
    assert functions[2].check_call_in_cache(7)
    assert [v.standing for v in functions[2].versions()] == ["present", "accepted", "accepted"]


def test_earlier_names_and_equal_versions_stand_in(signed, sql):
    """A function under its earlier name, and one that another Python compiled, are found in a signed store too."""
    with signed() as store:
        store.cache(science.square)(3)
    renamed = types.FunctionType(science.square.__code__, vars(science), "squared")
    renamed.__qualname__, renamed.__module__ = "squared", "elsewhere"
    with signed() as store:
        assert store.cache(renamed, was="tests.science.square").check_call_in_cache(3)
    # As a Python with other bytecode sees it: its own fingerprint is not the stored one, the portable one is.
    facts = sql("SELECT fingerprint, portable FROM function_version")[0]
    with signed() as store:
        found = store._vault.aliases(("tests.science.square",), b"\0" * 32, facts[1])
        assert found == (("tests.science.square", facts[0]),)
        assert store._vault.aliases(("tests.science.square",), b"\0" * 32, b"\1" * 32) == ()


# -- the key


def test_a_store_without_a_key_signs_nothing(folder, sql):
    """By default a row's checksum is 16 bytes, and nothing about signing is in the index."""
    with Store(folder) as store:
        store.cache(science.square)(3)
    assert sql("SELECT length(checksum) FROM call") == [(16,)]
    assert sql("SELECT count(*) FROM meta WHERE name LIKE 'signed %'") == [(0,)]


def test_the_key_is_in_the_environment(folder, monkeypatch, sql):
    """RESULTSTORE_SIGNING_KEY signs what no option signs."""
    monkeypatch.setenv(VARIABLE, KEY)
    with Store(folder) as store:
        store.cache(science.square)(3)
    assert sql("SELECT length(checksum) FROM call") == [(32,)]
    monkeypatch.delenv(VARIABLE)
    with Store(folder, signing_key=KEY) as store:
        store.cache(science.square)(3)
    assert science.runs == [3]


def test_bytes_and_text_are_the_same_key(folder):
    """A key as text is the key of its UTF-8."""
    assert Store(folder, signing_key=KEY) == Store(folder, signing_key=KEY.encode())
    assert Store(folder, signing_key=KEY) != Store(folder, signing_key=OTHER)
    assert Store(folder, signing_key=KEY) != Store(folder)


@pytest.mark.parametrize("key", [b"short secret", "short", "", 17, 1.5, ["list of secrets!!"]])
def test_a_wrong_key_is_refused_unseen(folder, key):
    """A key that is too short, or no text, is refused, and the message does not show it."""
    with pytest.raises(OptionError, match="signing_key") as caught:
        Store(folder, signing_key=key)
    assert "secret" not in str(caught.value).replace("secrets.token_hex", "")
    assert "secret" not in repr(vars(caught.value)).replace("secrets.token_hex", "")


def test_the_key_is_nowhere(signed, folder):
    """The key and what is derived from it are in no file, no repr, no pickle and no digest."""
    with signed() as store:
        store.cache(science.square)(3)
        store.cache(science.table)(BIG)
        derived = store._settings.signer._key
        texts = [repr(store), repr(store._settings), repr(store.cache(science.square)), repr(vars(store))]
        pickles = [
            pickle.dumps(store),
            pickle.dumps(copy.copy(store)),
            pickle.dumps(store.cache(science.table).call_and_shelve(5)),
        ]
    for path in folder.rglob("*"):
        if path.is_file():
            pickles.append(path.read_bytes())
    for data in [*pickles, *(text.encode() for text in texts)]:
        assert KEY.encode() not in data
        assert derived not in data
        assert derived.hex().encode() not in data


def test_a_store_that_is_sent_finds_its_key(signed):
    """A process that has used the key knows it by the name that a pickled store carries."""
    store = signed()
    twin = pickle.loads(pickle.dumps(store))
    assert twin == store
    twin.cache(science.square)(3)
    assert store.cache(science.square).check_call_in_cache(3)
    twin.close()


SENT = """
import pickle, sys, warnings
from tests import science
from tests.hostile import forge
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    store = pickle.loads(bytes.fromhex(sys.argv[1]))
    twin = pickle.loads(pickle.dumps(store))
assert twin == store
print([str(w.message)[:15] for w in caught], store.cache(science.square)(3), len(science.runs))
"""


@pytest.mark.parametrize(("environment", "expected"), [({}, "['the signing_key'] 9 1"), ({VARIABLE: KEY}, "[] 9 0")])
def test_a_process_without_the_key_computes(signed, environment, expected):
    """Where the key did not come along nothing is read or stored, told once; the environment may bring it."""
    store = signed()
    store.cache(science.square)(3)
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", SENT, pickle.dumps(store).hex()],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == expected, done.stderr


def _square_in_a_child(store, queue):
    """Call in a child what the parent has computed; say how many runs that took."""
    value = store.cache(science.square)(3)
    queue.put((value, len(science.runs)))
    store.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_that_is_started_with_the_store_has_the_key(signed, method):
    """What multiprocessing starts a process with brings the key along."""
    store = signed()
    store.cache(science.square)(3)
    science.runs.clear()
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    process = context.Process(target=_square_in_a_child, args=(store, queue))
    process.start()
    assert queue.get() == (9, 0)
    process.join()


def test_a_signature_says_of_what_it_is_one():
    """No statement of one kind, or with its parts cut otherwise, has the signature of another."""
    signer = Signer(b"\1" * 32)
    signatures = [
        signer.sign(b"call", b"ab", b"c"),
        signer.sign(b"call", b"a", b"bc"),
        signer.sign(b"call", b"abc"),
        signer.sign(b"version", b"ab", b"c"),
        signer.sign(b"callab", b"c"),
        Signer(b"\2" * 32).sign(b"call", b"ab", b"c"),
    ]
    assert len(set(signatures)) == len(signatures)
    assert {len(signature) for signature in signatures} == {16}


# -- pickle


def test_pickle_is_on_in_a_shared_directory_that_is_signed(signed, folder):
    """Where only holders of the key can write what is read, pickles are read without a word."""
    folder.mkdir()
    folder.chmod(0o777)
    signed().cache(wrap)(3)
    assert signed().cache(wrap)(3) == Value(3)
    assert made == [3]


def test_an_unsigned_pickle_is_never_loaded(signed, folder, monkeypatch):
    """A pickle in a row without a signature is not loaded, consistent as it may be otherwise."""
    with Store(folder) as store:
        store.cache(wrap)(3)
    loaded = []
    with monkeypatch.context() as patch:
        patch.setattr("resultstore.formats.pickled.load", lambda *args: loaded.append(args))
        with pytest.warns(CacheWarning, match="not signed"):
            assert signed().cache(wrap)(3) == Value(3)
    assert loaded == []


def test_signed_results_are_mapped_and_recognised(signed):
    """A mapped result of a signed store is keyed without being read, as in any store."""
    store = signed(mmap_mode="r")
    f, g = store.cache(science.table), store.cache(science.count_runs)
    value = f(BIG)
    assert isinstance(value, np.memmap)
    assert g(value) == g(np.array(value))


# -- repair


def test_repair_brings_signatures_back_and_makes_none(signed, folder, sql):
    """After a repair what was signed hits, versions that were accepted stand in, and what was forged is a miss."""
    versions = [version_of(f"def f(x): return (x * {i}, 1)[1]") for i in range(2)]
    with signed() as store:
        store.cache(science.square)(3)
        store.cache(science.square)(4)
        store.cache(science.table)(BIG)
        store.cache(versions[0])(7)
        newer = store.cache(versions[1])
        store.accept(newer, from_version=1, reason="the same")
        forged = store.cache(science.square).key(4)
    forge(folder, forged, "int", integer=17)
    with (folder / "index.sqlite").open("r+b") as file:
        file.write(b"\0" * 100)
    science.runs.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)
        with signed() as store:
            store.cache(science.identity)(1)
            assert store.repair().results >= 4
    with signed() as store:
        assert store.cache(science.square)(3) == 9
        store.cache(science.table)(BIG)
        assert store.cache(versions[1]).check_call_in_cache(7)
        assert science.runs == []
        with pytest.warns(CacheWarning, match="not signed"):
            assert store.cache(science.square)(4) == 16
