"""The budget: the limit holds by itself, the least recently used go first, records stay."""

from __future__ import annotations

import contextlib
import datetime
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resultstore import CacheWarning, OptionError, Store
from resultstore._sizes import format_seconds, format_size, parse_age, parse_size
from resultstore.eviction import Budget
from tests import science

pytestmark = pytest.mark.versionless


def disk_usage(folder: Path) -> int:
    """Return the blocks of all files, as du counts them."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(root, name)).st_blocks * 512
    return total


def test_the_limit_holds_by_itself(folder, open_store):
    """However much is computed, the directory stays under the limit at every moment that we look."""
    store = open_store(size_limit="5 MB")
    f = store.cache(science.slow_block)
    for i in range(60):
        f(i, 400_000)
        assert disk_usage(folder) <= 5_000_000
    assert store.stats().nbytes >= disk_usage(folder) - 50_000
    states = [record.state for record in store.find(f)]
    assert states.count("stored") >= 5
    assert states.count("stored") + states.count("evicted") == 60


def test_the_least_recently_used_go(open_store):
    """Results that were asked for lately stay; the record of an evicted one says why it went."""
    store = open_store(size_limit="5 MB")
    f = store.cache(science.slow_block)
    f(0, 400_000)
    for i in range(1, 30):
        f(i, 400_000)
        f(0, 400_000)
    assert f.check_call_in_cache(0, 400_000)
    assert f.check_call_in_cache(29, 400_000)
    assert not f.check_call_in_cache(1, 400_000)
    record = store.find(f, i=1).first()
    assert record.state == "evicted"
    assert record.note == "evicted to keep the size limit"
    assert record.nbytes == 0
    assert store.stats().evictions == store.stats().by_function[f.name].evictions > 10


def test_small_results_stay_within_the_limit_too(folder, open_store):
    """Calls with scalar results, which take no file, are bounded as well; the oldest records go."""
    store = open_store(size_limit="1 MB")
    f = store.cache(lambda i, text: i)
    for i in range(4000):
        f(i, "some text that takes room in the index " * 3)
        if i % 100 == 0:
            assert disk_usage(folder) <= 1_000_000
    assert disk_usage(folder) <= 1_000_000
    assert f.check_call_in_cache(3999, "some text that takes room in the index " * 3)
    assert 300 < len(store.find(f)) < 3000


def test_inline_arrays_stay_within_the_limit(folder, open_store):
    """Arrays small enough to lie in the index are evicted like files, and their pages given back."""
    store = open_store(size_limit="2 MB")
    f = store.cache(science.slow_block)
    for i in range(600):
        f(i, 8_000)
        assert disk_usage(folder) <= 2_000_000
    assert sum(record.state == "stored" for record in store.find(f)) > 50


def test_a_result_over_the_limit_throws_nothing_out(open_store):
    """A result that the limit can never hold is returned, told of once, recorded, and not stored."""
    store = open_store(size_limit="2 MB")
    f = store.cache(science.slow_block)
    f(1, 200_000)
    with pytest.warns(
        CacheWarning, match=r"a result of 5 MB is not stored: a store of 2 MB takes 1.5 MB at most. Raise size_limit"
    ):
        assert len(f(2, 5_000_000)) == 625_000
    assert f.check_call_in_cache(1, 200_000)
    assert store.find(f, i=2).first().state == "not stored"
    assert store.stats().evictions == 0


def test_without_a_limit_nothing_goes(store):
    """A store that was given no limit evicts nothing."""
    f = store.cache(science.slow_block)
    for i in range(40):
        f(i)
    assert store.stats().evictions == 0
    assert all(record.state == "stored" for record in store.find(f))


def test_reduce_size_by_items_bytes_and_age(store, monkeypatch):
    """Each limit of reduce_size evicts the least recently used until it holds; records stay."""
    f = store.cache(science.slow_block)
    for i in range(10):
        f(i)
    f(0)
    assert store.reduce_size() == 0
    assert store.reduce_size(items_limit=8) == 2
    assert f.check_call_in_cache(0)
    assert not f.check_call_in_cache(1)
    assert store.reduce_size(bytes_limit=450_000) == 4
    assert store.reduce_size(bytes_limit="0.3M") == 1  # 2**20 as in joblib: three of 100,128 bytes fit
    later = time.time() + 3600
    monkeypatch.setattr("resultstore._clock.now", lambda: later)
    f(0)
    assert store.reduce_size(age_limit=datetime.timedelta(minutes=30)) == 2
    assert [r.arguments["i"] for r in store.find(f) if r.state == "stored"] == [0]
    assert store.reduce_size(age_limit="30 d") == 0
    assert store.reduce_size(bytes_limit=0) == 1
    assert len(store.find(f)) == 10


@pytest.mark.parametrize(
    "limits",
    [{"items_limit": -1}, {"items_limit": 1.5}, {"bytes_limit": "5 XB"}, {"bytes_limit": -1}, {"age_limit": -1},
     {"age_limit": datetime.timedelta(-1)}, {"age_limit": "soon"}, {"age_limit": None, "items_limit": True}],
)  # fmt: skip
def test_wrong_limits_are_errors(limits):
    """A limit that cannot be meant is the caller's mistake, on a store that stores nothing too."""
    with pytest.raises(OptionError):
        Store(None).reduce_size(**limits)


def test_equal_payloads_outlive_one_of_their_calls(store, folder):
    """A payload that two calls share stays until both are gone, and is counted once on the disk."""
    f = store.cache(science.slow_block, ignore=[])
    g = store.cache(lambda n: science.slow_block(7))
    f(7), g(1)
    assert len(list((folder / "payloads").rglob("*.npy"))) == 1
    f.forget(7)
    assert (g(1) == 7).all()
    assert len(list((folder / "payloads").rglob("*.npy"))) == 1
    g.clear()
    assert list((folder / "payloads").rglob("*.npy")) == []


def test_clearing_gives_the_disk_back(store, folder):
    """After a clear neither payloads nor their pages in the index stay."""
    f = store.cache(science.slow_block)
    for i in range(300):
        f(i, 12_000)
    f(1, 500_000)
    full = disk_usage(folder)
    store.clear()
    store.close()
    assert full > 4_000_000
    assert disk_usage(folder) < 400_000


@pytest.mark.parametrize("policy", ["lru", "cost"])
def test_four_processes_stay_within_the_limit(folder, policy):
    """Four writers at once exceed the limit at no sampled moment by more than one result each.

    All that lies in the directory counts: payloads, index, its log, journal, temporary and quarantined files.
    """
    limit, block = 6_000_000, 300_000
    code = (
        "import sys\nfrom resultstore import Store\nfrom tests import science\n"
        f"f = Store({str(folder)!r}, size_limit={limit}, policy={policy!r}).cache(science.slow_block)\n"
        f"for i in range(40): assert (f(100 * int(sys.argv[1]) + i % 25, {block}) == 100 * int(sys.argv[1]) + i % 25).all()\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(n)], stderr=subprocess.PIPE) for n in range(4)
    ]
    highest = 0
    while any(worker.poll() is None for worker in workers):
        if folder.exists():
            highest = max(highest, disk_usage(folder))
        time.sleep(0.002)
    errors = [worker.communicate()[1] for worker in workers]
    assert errors == [b""] * 4
    assert highest <= limit + 4 * (block + 8192)
    with Store(folder) as store:
        assert store.verify() == []
        assert len(store.find()) == 100


def test_a_budget_asks_for_what_is_over():
    """The excess is what must go for the incoming bytes to fit below the slack."""
    budget = Budget(100_000_000)
    assert budget.excess(50_000_000, 1_000_000) == 0
    assert budget.excess(99_000_000, 1_000_000) == 100_000_000 - (100_000_000 - budget.slack)
    assert 90_000_000 < budget.largest < 99_000_000
    assert budget.record_excess(11_000_000) == 1_000_000
    assert Budget(10_000_000).record_excess(510_000) == 0
    assert Budget(1_000_000).record_excess(250_000) == 0


def test_sizes_and_ages_as_people_write_them():
    """Decimal and binary units, joblib's bare suffixes, and ages."""
    assert [parse_size(s, "s") for s in ("200 MB", "1.5GiB", "10", 7, "1k", "2 K", " 3 TB ")] == [
        200_000_000, 1_610_612_736, 10, 7, 1000, 2000, 3 * 10**12
    ]  # fmt: skip
    assert parse_size("1M", "s", bare_is_binary=True) == 2**20
    assert parse_size("1MB", "s", bare_is_binary=True) == 10**6
    assert [parse_age(a, "a") for a in ("30 d", "12h", 5, 1.5, datetime.timedelta(hours=1), "2 w", "3 min")] == [
        2_592_000, 43_200, 5, 1.5, 3600, 1_209_600, 180
    ]  # fmt: skip
    assert [format_size(n) for n in (0, 999, 1000, 12_345_678, 5 * 10**12)] == [
        "0 B",
        "999 B",
        "1 kB",
        "12.3 MB",
        "5 TB",
    ]
    assert [format_seconds(s) for s in (2e-7, 0.00123, 1.5, 600, 9000)] == [
        "0.2 µs",
        "1.23 ms",
        "1.5 s",
        "10 min",
        "2.5 h",
    ]


def test_large_arrays_are_counted_in_blocks(store):
    """What the store says it takes is what du says, to the block."""
    store.cache(science.slow_block)(1, 1_000_001)
    store.close()
    place = Path(str(store.location))
    assert abs(store.stats().nbytes - disk_usage(place)) < 100_000
    assert np.isfinite(store.stats().seconds_saved)


def test_a_small_store_holds_many_small_results(folder):
    """In a store of 1 MB over a thousand small results stay, and always the latest."""
    with Store(folder, size_limit="1 MB") as store:
        f = store.cache(science.square)
        for i in range(4000):
            f(i)
        stored = [record.arguments["x"] for record in store.find(f) if record.state == "stored"]
        assert len(stored) > 1000
        assert stored == list(range(3999, 3999 - len(stored), -1))
        assert store.stats().evictions == 4000 - len(stored)
        assert store.verify() == []
    assert disk_usage(folder) <= 1_000_000


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), max_size=60))
def test_the_order_of_eviction_is_that_of_use(tmp_path_factory, steps):
    """Whatever is hit, computed, computed anew, flushed and asked in between: what was used last in this process goes last."""
    with Store(tmp_path_factory.mktemp("lru")) as store:
        f = store.cache(science.square)
        used: dict[int, None] = {}
        for x, what in steps:
            if what == 0:
                f.call(x)
            elif what == 1:
                store._vault.flush()
                continue
            else:
                f(x)
            used.pop(x, None)
            used[x] = None
        plan = store.plan_eviction(items_limit=0)
        assert [record.arguments["x"] for record in plan.records] == list(used)
        assert store.verify() == []


@pytest.mark.parametrize("limit", [1, 2])
def test_a_hit_before_a_miss_is_older_than_it(store, limit):
    """Though hits are written later than results, the latest result is not taken for the oldest."""
    f = store.cache(science.square)
    for i in range(5):
        f(i)
    f(0), f(1)
    f(7)
    store.reduce_size(items_limit=limit)
    stored = {record.arguments["x"] for record in store.find(f) if record.state == "stored"}
    assert stored == ({7} if limit == 1 else {7, 1})
