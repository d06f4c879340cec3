"""What goes first, and what never goes: policies, pins, budgets of functions, results that are not worth keeping, plans."""

from __future__ import annotations

import datetime
import pickle
import random
import time
from pathlib import Path

import numpy as np
import pytest

from resultstore import CacheWarning, MissingError, OptionError, Store
from resultstore._index import hot
from resultstore.eviction import BATCH, COST, LFU, POLICIES, Policy, Use
from tests import science
from tests.test_budget import disk_usage
from tests.test_index import Trace

pytestmark = pytest.mark.versionless


def block(i, nbytes=100_000, seconds=0.0):
    """Return a block that took so long."""
    time.sleep(seconds)
    return science.slow_block(i, nbytes)


def stored(store, f):
    """Return which calls of `block` are stored, in the order of their numbers."""
    return sorted(record.arguments["i"] for record in store.find(f) if record.state == "stored")


def by_twice_the_age(use):
    """Return a rank of somebody's own."""
    return (2 * use.age, use.id)


# -- policies


def test_each_policy_chooses_as_it_says(open_store, sql):
    """Of the same calls, each policy evicts those that it names first."""
    gone = {}
    for name in POLICIES:
        with open_store(policy=name) as store:
            store.clear()
            f = store.cache(block)
            for i, nbytes in enumerate((80_000, 40_000, 300_000, 90_000, 80_000)):
                f(i, nbytes)
            for i in (0, 0, 3, 1, 2, 2):
                f(i, (80_000, 40_000, 300_000, 90_000)[i])
            store.stats()
            f(5, 50_000)
            dear = "SELECT call_id FROM argument WHERE name = 'i' AND number IN (1, 3)"
            sql(f"UPDATE call SET duration = iif(id IN ({dear}), 1.0, 0.01)")
            before = stored(store, f)
            assert store.reduce_size(items_limit=5) == 1
            (gone[name],) = set(before) - set(stored(store, f))
    assert gone == {"lru": 4, "lfu": 4, "fifo": 0, "largest": 2, "cost": 2}


def test_the_limit_is_kept_by_the_policy(folder, open_store):
    """Under a size limit what is dear for its bytes stays, and the directory stays within the limit."""
    store = open_store(size_limit="5 MB", policy="cost")
    f = store.cache(block)
    for i in range(3):
        f(i, 100_000, 0.05)
    for i in range(3, 40):
        f(i, 400_000)
        assert disk_usage(folder) <= 5_000_000
    assert stored(store, f)[:3] == [0, 1, 2]
    assert store.stats().evictions > 20


def test_what_was_popular_once_goes_in_the_end(open_store, sql):
    """A policy that ages lets new results overtake old favourites, which plain frequency would keep for ever."""
    store = open_store(policy="lfu")
    f = store.cache(block)
    for _ in range(6):
        f(0)
    for i in range(1, 4):
        f(i)
    for i in range(4, 60):
        f(i)
        if i % 4 == 0:
            f(i)
        store.reduce_size(items_limit=4)
    assert not f.check_call_in_cache(0)
    assert sql("SELECT age > 1, aged_by FROM total") == [(1, "lfu")]


def test_a_store_has_one_age(open_store, sql):
    """A policy that ages begins anew where another one has counted: their worths are of different kinds."""
    with open_store(policy="lfu") as store:
        f = store.cache(block)
        for i in range(6):
            f(i)
        store.reduce_size(items_limit=3)
        f(7)
        store.stats()
        assert sql("SELECT count(*) FROM call WHERE age > 0") == [(1,)]
    with open_store(policy="cost") as store:
        store.plan_eviction(items_limit=2)
        assert sql("SELECT age, aged_by FROM total") == [(0, "cost")]
        assert sql("SELECT count(*) FROM call WHERE age > 0") == [(0,)]
        store.reduce_size(items_limit=2)
        assert sql("SELECT age > 0 FROM total") == [(1,)]
    with open_store(policy="largest") as store:  # has no age, and touches none
        store.reduce_size(items_limit=1)
        assert sql("SELECT age > 0, aged_by FROM total") == [(1, "cost")]


def test_only_stores_that_use_a_policy_pay_for_its_indexes(open_store, sql, monkeypatch):
    """The order of a policy is an index that is made when it is first used, and dropped when nobody has used it for a day."""
    made = "SELECT count(*) FROM sqlite_master WHERE name LIKE 'ix_call_order_%'"
    with open_store(size_limit="50 MB") as store:
        for i in range(3):
            store.cache(block)(i)
        assert sql(made) == [(0,)]
    with open_store(size_limit="50 MB", policy="cost") as store:
        for i in range(3):
            store.cache(block)(i)
        assert sql(made) == [(0,)]  # hits want no order
        store.cache(block)(3)
        assert sql(made) == [(2,)]
    with open_store(policy="largest") as store:
        store.plan_eviction(items_limit=0)
        assert sql(made) == [(4,)]
    later = time.time() + 2 * 86_400
    monkeypatch.setattr("resultstore._clock.now", lambda: later)
    with open_store(policy="largest") as store:
        store.plan_eviction(items_limit=0)
        assert sql(made) == [(2,)]
        assert sql("SELECT count(*) FROM meta WHERE name LIKE 'ix_call_order_%'") == [(2,)]


def test_making_indexes_keeps_the_limit(folder, open_store):
    """A policy that is new to a full store makes room for its indexes first."""
    with open_store(size_limit="3 MB") as store:
        f = store.cache(block)
        for i in range(1500):
            f(i, 800)
    with open_store(size_limit="3 MB", policy="largest") as store:
        f = store.cache(block)
        for i in range(1500, 1600):
            f(i, 800)
            assert disk_usage(folder) <= 3_000_000


def test_a_policy_of_ones_own_is_taken(open_store):
    """A store evicts by any policy that an index can be sorted by, and takes it along to other processes."""
    mine = Policy("mine", "2 * age, id", by_twice_the_age)
    store = open_store(policy=mine)
    f = store.cache(block)
    for i in range(3):
        f(i)
    f(0)
    store.reduce_size(items_limit=2)
    assert stored(store, f) == [1, 2]
    assert pickle.loads(pickle.dumps(store)) == store
    assert Store(store.location, policy="cost") != store


@pytest.mark.parametrize(
    "policy",
    ["random", 1, None, Policy("bad", "nothing", by_twice_the_age), Policy("bad", "random()", by_twice_the_age)],
)
def test_a_policy_that_cannot_be_is_an_error(policy):
    """An unknown name, and an order that no index can have, are the caller's mistake, told when the store is made."""
    with pytest.raises(OptionError, match="policy"):
        Store("results", policy=policy)


def test_shipped_policies_travel():
    """The policies that ship are pickled, so that a store with one of them reaches other processes."""
    for policy in POLICIES.values():
        assert pickle.loads(pickle.dumps(policy)) == policy
    assert COST.aged([Use(1, 1, 0, 0.0, 5.0, 500)]) == 5.0 / 1000
    assert LFU.aged([]) == 0.0


# -- in bulk


def test_a_batch_is_dropped_by_a_few_statements(store, monkeypatch):
    """Evicting and clearing many calls takes as many statements as a few: what a call costs is its rows."""
    f = store.cache(science.square)
    for i in range(300):
        f(i)
    store.close()
    trace = Trace(store, monkeypatch)
    assert store.reduce_size(items_limit=50) == 250
    assert sum(s.split()[0] in ("UPDATE", "DELETE", "INSERT") for s in trace.statements) < 12
    trace.statements.clear()
    assert store.clear() == 300
    assert len(set(trace.statements)) < 25  # the trace repeats a statement for each row that it cascades to


def test_no_choice_reads_more_than_a_batch(store, monkeypatch, sql):
    """However many calls there are, eviction and clearing read and write them a batch at a time, from an index."""
    store.cache(science.square)(0)
    store.close()
    rows = ", ".join(row[1] for row in sql("PRAGMA table_info(call)") if row[1] not in ("id", "key"))
    sql(
        f"INSERT INTO call ({rows}, key) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3500) "
        f"SELECT {rows}, randomblob(32) FROM call, n"
    )
    sql("UPDATE function SET stored = 3501, nbytes = 8 * 3501")
    sql("UPDATE call SET access_sequence = id")
    sql("UPDATE total SET access_sequence = 3501")
    connections = store._vault.index.connections
    read, real = [], connections.query
    monkeypatch.setattr(connections, "query", lambda *args: read.append(real(*args)) or read[-1])
    assert store.reduce_size(items_limit=500) == 3001
    assert store.clear() == 3501
    assert max(map(len, read)) == BATCH


def test_evicted_pages_are_given_back(folder, store):
    """What eviction frees inside the index is given back to the file system."""
    f = store.cache(science.slow_block)
    for i in range(400):
        f(i, 12_000)
    store.close()
    full = (folder / "index.sqlite").stat().st_size
    store.reduce_size(items_limit=10)
    store.close()
    assert full > 4_500_000
    assert (folder / "index.sqlite").stat().st_size < 600_000


def test_sums_are_what_a_count_gives(open_store, sql):
    """After any calls, refreshes, evictions, refusals and clearings, the kept sums are those of the rows."""
    random_ = random.Random(7)
    store = open_store(size_limit="2 MB", policy="cost", max_result_size="90 kB")
    functions = [store.cache(block), store.cache(science.square, size_limit=80), store.cache(science.table)]
    actions = [
        lambda f, i: f(i) if f is not functions[0] else f(i, 1000 * i),
        lambda f, i: f.refresh(i),
        lambda f, i: f.forget(i),
        lambda f, i: store.reduce_size(items_limit=10 + i),
        lambda f, i: store.reduce_size(bytes_limit=10_000 * i),
    ]
    for _ in range(400):
        action = random_.choices(actions, (20, 3, 3, 1, 1))[0]
        action(random_.choice(functions), random_.randrange(100))
    functions[2].clear()
    store.close()
    count = """
        SELECT function.name, count(call.id), coalesce(sum(call.nbytes), 0) FROM function
        LEFT JOIN function_version ON function_id = function.id
        LEFT JOIN call ON version_id = function_version.id AND state = 'stored' GROUP BY function.id
    """
    kept = sql("SELECT name, stored, nbytes FROM function ORDER BY id")
    assert kept == sql(count + " ORDER BY function.id")
    assert sum(int(row[1]) for row in kept) > 10


def test_wrong_sums_are_found_and_mended(store, sql):
    """verify counts the sums of functions again, and mends them when asked."""
    store.cache(science.square)(2)
    store.close()
    sql("UPDATE function SET stored = 5, nbytes = 1")
    assert [(p.kind, p.where, p.fixed) for p in store.verify(fix=True)] == [("totals", "tests.science.square", True)]
    assert sql("SELECT stored, nbytes FROM function") == [(1, 8)]


# -- pins


def test_a_pinned_result_stays(store):
    """Neither reduce_size nor prune removes a pinned result; unpinned, it goes like any other."""
    f = store.cache(block)
    for i in range(4):
        f(i)
    record = store.find(f, i=1).first().pin()
    assert record.pinned
    assert store.record(record.key).pinned
    assert "stored, pinned" in repr(store.find(f, i=1))
    assert store.plan_eviction(items_limit=0).nbytes == 3 * 100_128
    assert store.reduce_size(items_limit=2) == 2
    assert store.reduce_size(bytes_limit=0, age_limit=0) == 1
    assert stored(store, f) == [1]
    f.func.__defaults__, defaults = (1, 2.0), f.func.__defaults__
    try:
        assert store.prune(dry_run=True) == 3  # it is an old version's now
    finally:
        f.func.__defaults__ = defaults
    assert not store.unpin(f.key(1)).pinned
    assert store.reduce_size(items_limit=0) == 1


def test_a_pinned_result_stays_under_a_limit(folder, open_store):
    """The budget never evicts a pinned result, whatever the policy says of it."""
    for policy in POLICIES:
        store = open_store(size_limit="4 MB", policy=policy)
        f = store.cache(block)
        store.clear()
        f(0, 500_000)
        store.pin(f.key(0, 500_000))
        for i in range(1, 20):
            f(i, 400_000)
        assert stored(store, f)[0] == 0
        assert store.verify() == []
        assert disk_usage(folder) <= 4_000_000
        store.close()


def test_a_store_full_of_pins_stores_nothing_more(folder, open_store):
    """When nothing is left that may go, results are returned, told of once and not stored: the limit holds."""
    store = open_store(size_limit="3 MB")
    f = store.cache(block)
    for i in range(6):
        f(i, 400_000)
        store.pin(f.key(i, 400_000))
    with pytest.warns(CacheWarning, match="pinned results fill the store"):
        for i in range(6, 12):
            assert (f(i, 400_000) == i).all()
    assert disk_usage(folder) <= 3_000_000
    assert stored(store, f) == [0, 1, 2, 3, 4, 5]
    store.unpin(f.key(0, 400_000))
    f(20, 400_000)
    assert stored(store, f) == [1, 2, 3, 4, 5, 20]


def test_a_store_full_of_pins_forgets_no_records_in_vain(folder, open_store):
    """A result that has no room beside what is pinned costs no record of other results, and no number that is stored."""
    store = open_store(size_limit="2 MB")
    block, number = store.cache(science.slow_block), store.cache(science.square)
    for i in range(12):
        number(i)
        block(i, 400_000)
    store.close()
    for i in stored(store, block):
        store.pin(block.key(i, 400_000))
    known = len(store.find())
    with pytest.warns(CacheWarning, match="pinned"):
        block(99, 1_000_000)
    assert len(store.find()) == known + 1
    assert all(number.check_call_in_cache(i) for i in range(12))


def test_a_pin_outlives_its_result(store):
    """A call that is pinned without a result keeps the next one; clearing and forgetting end it."""
    f = store.cache(block)
    f(1), f(2)
    store.reduce_size(items_limit=0)
    assert store.find(f, i=1).first().pin().state == "evicted"
    f(1), f(2)
    assert store.reduce_size(items_limit=0) == 1
    assert f.check_call_in_cache(1)
    assert f.forget(1) == 1
    f(1)
    assert not store.find(f, i=1).first().pinned
    store.find(f, i=1).first().pin()
    assert store.clear() == 2


def test_only_calls_on_record_can_be_pinned(store):
    """To pin what is not there, or is no key, is an error."""
    with pytest.raises(MissingError):
        store.pin(bytes(32))
    f = store.cache(block)
    f(1)
    with pytest.raises(MissingError):
        store.unpin(f.key(2))
    with pytest.raises(OptionError):
        store.pin("no key")
    with pytest.raises(MissingError):
        Store(None).pin(bytes(32))
    assert store.pin(f.call_and_shelve(1)).pinned


# -- a function's own budget, and what is not worth keeping


def test_a_functions_budget_is_kept_by_its_own_results(store):
    """A function over its own limit evicts its own results, in the order of the policy, and never another's."""
    f, g = store.cache(block, size_limit="450 kB"), store.cache(science.slow_block)
    g(1)
    for i in range(8):
        f(i)
        if i > 2:
            f(1)
        assert store.stats().by_function[f.name].nbytes <= 450_000
    assert stored(store, f) == [1, 5, 6, 7]
    assert g.check_call_in_cache(1)
    assert store.find(f, i=0).first().note == "evicted to keep the size limit of its function"
    with pytest.warns(CacheWarning, match="the size limit of its function is 450 kB"):
        f(9, 500_000)
    assert len(stored(store, f)) == 4


def test_a_functions_budget_spans_its_versions(store):
    """Results of older versions count for a function's budget, and go by the same order."""

    def make(factor):
        return store.cache(lambda i: np.full(12_500, i * factor), size_limit="350 kB")

    old, new = make(1.0), make(2.0)
    for i in range(3):
        old(i)
    old(0)
    new(1), new(2)
    assert [old.check_call_in_cache(i) for i in range(3)] == [True, False, False]
    assert new.check_call_in_cache(1)
    assert new.check_call_in_cache(2)


def test_a_functions_budget_reads_an_index(open_store, sql):
    """For a function's budget too the next victims are read off an index, made when it is first exceeded."""
    store = open_store(policy="cost")
    f = store.cache(block, size_limit="250 kB")
    for i in range(2):
        f(i)
    made = "SELECT count(*) FROM sqlite_master WHERE name LIKE 'ix_call_order_%'"
    assert sql(made) == [(0,)]
    f(2)
    assert sql(made) == [(3,)]
    plan = sql(
        "EXPLAIN QUERY PLAN "
        + hot.VICTIMS_OF_VERSION.format(order=COST.order).replace(":version_id", "1").replace(":count", "9")
    )
    assert len(plan) == 1
    assert "_version (version_id=?)" in str(plan[0][3])


def test_fast_results_are_not_stored(open_store):
    """What was computed in less than min_seconds is returned and leaves no record; a function may say otherwise."""
    store = open_store(min_seconds=1)
    f = store.cache(block)
    slow, fast = f(1, seconds=1), f(2)
    assert (slow[0], fast[0]) == (1, 2)
    assert stored(store, f) == [1]
    assert len(store.find(f)) == 1
    g = store.cache(science.square, min_seconds=0)
    g(3)
    assert g.check_call_in_cache(3)
    h = store.cache(science.table, min_seconds=datetime.timedelta(hours=1))
    assert len(h(5)) == 5
    assert not h.check_call_in_cache(5)
    with pytest.raises(MissingError):
        h.get(5)
    assert len(h.call_and_shelve(5).get()) == 5


def test_a_fast_result_takes_a_stored_ones_place(store):
    """When a stored call is computed again and is too fast to keep, the old result does not stay: it may differ."""
    f = store.cache(science.square)
    f(2)
    g = store.cache(science.square, min_seconds=60)
    assert g.refresh(2) == 4
    record = store.find(f, x=2).first()
    assert record.state == "not stored"
    assert "min_seconds is 60 s" in record.note


def test_large_results_are_not_stored(open_store):
    """A result over max_result_size is returned without a word; its record says why, and a function may say otherwise."""
    store = open_store(max_result_size="50 kB")
    f = store.cache(block)
    assert (f(1, 80_000) == 1).all()
    assert (f(2, 20_000) == 2).all()
    assert stored(store, f) == [2]
    record = store.find(f, i=1).first()
    assert (record.state, record.note) == ("not stored", "a result of 80.1 kB is not stored: max_result_size is 50 kB")
    g = store.cache(science.slow_block, max_result_size=None)
    g(1, 80_000)
    assert g.check_call_in_cache(1, 80_000)
    h = store.cache(science.table, max_result_size="1 kB")
    h(1000)
    assert not h.check_call_in_cache(1000)
    text = store.cache(lambda n: "x" * n, max_result_size=100)
    text(101), text(100)
    assert [text.check_call_in_cache(n) for n in (101, 100)] == [False, True]


@pytest.mark.parametrize(
    "options", [{"size_limit": "much"}, {"min_seconds": -1}, {"min_seconds": "soon"}, {"max_result_size": "5 XB"}]
)
def test_wrong_options_of_a_budget_are_errors(options):
    """A budget that cannot be meant is the caller's mistake."""
    with pytest.raises(OptionError):
        Store(None).cache(block, **options)


# -- plans


@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize(
    "limits", [{"items_limit": 7}, {"bytes_limit": 500_000}, {"age_limit": 100}, {"items_limit": 9, "bytes_limit": 700_000, "age_limit": 100}, {}]
)  # fmt: skip
def test_a_plan_is_what_then_happens(open_store, monkeypatch, policy, limits):
    """What plan_eviction names, in its order and with its sums, is what reduce_size then evicts."""
    store = open_store(policy=policy)
    f, g = store.cache(block), store.cache(science.slow_block)
    now = [time.time()]
    monkeypatch.setattr("resultstore._clock.now", lambda: now[0])
    for i in range(10):
        f(i, 10_000 * i, 0.001 * (i % 3))
        g(i, 10_000 * i)  # the same payload
        now[0] += 30
    for i in (0, 3, 3, 8):
        f(i, 10_000 * i, 0.001 * (i % 3))
    store.pin(f.key(5, 50_000, 0.001 * 2))
    states = {record.key: record.state for record in store.find()}
    plan = store.plan_eviction(**limits)
    planned = [record.key for record in plan.records]
    assert {record.key: record.state for record in store.find()} == states
    assert plan.nbytes == sum(record.nbytes for record in plan.records)
    before = store.stats()
    total = store._vault.index.total()
    assert store.reduce_size(**limits) == len(planned)
    gone = [record.key for record in store.find() if record.state == "evicted"]
    assert set(gone) == set(planned)
    assert bool(planned) == bool(limits)
    after = store._vault.index.total()
    freed = total.file_nbytes - after.file_nbytes + total.inline_nbytes - after.inline_nbytes
    assert plan.disk_nbytes == freed
    assert store.stats().evictions - before.evictions == len(planned)


def test_a_plan_is_a_sequence_of_records(store):
    """The records of a plan come in the order in which they go, a page at a time, and slices and reprs work."""
    f = store.cache(science.square)
    for i in range(1200):
        f(i)
    f(0)
    plan = store.plan_eviction(items_limit=100)
    assert len(plan.records) == 1100
    assert [record.arguments["x"] for record in plan.records] == list(range(1, 1101))
    assert [record.arguments["x"] for record in plan.records[500:502]] == [501, 502]
    assert plan.records[-1].load() == 1100**2
    assert len(Store(None).plan_eviction(items_limit=0).records) == 0
    assert not Path("nowhere").exists()
    assert len(Store("nowhere").plan_eviction(items_limit=0).records) == 0
