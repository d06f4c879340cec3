"""What every policy of eviction must do."""

from __future__ import annotations

import itertools
import math
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from resultstore import Store
from resultstore._data import replace
from resultstore._index import hot
from resultstore.eviction import LRU, Policy, Use

_LARGEST = 3000
_COLUMNS = ", ".join(Use._fields)
_ran: list[int] = []

# Real stores take their time, and no number of examples is worth a minute of everybody's.
_few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
_many = settings(max_examples=200, deadline=None)


def block(number: int, nbytes: int) -> bytes | None:
    """Return so many bytes, other ones for every number, or None for no bytes: it takes nothing at all."""
    _ran.append(number)
    return bytes([number]) * nbytes or None


def _uses() -> st.SearchStrategy[list[Use]]:
    """Return facts of results, equal ones and those of results without a size or a duration among them."""
    use = st.builds(
        Use,
        id=st.integers(1, 2**40),
        access_sequence=st.integers(1, 5) | st.integers(1, 2**50),
        access_count=st.integers(0, 3) | st.integers(0, 2**31),
        created_at=st.sampled_from([0.0, 1.5e9]) | st.floats(0, 4e9),
        duration=st.sampled_from([0.0, 1e-6]) | st.floats(0, 1e7),
        nbytes=st.integers(0, 3) | st.integers(0, 2**45),
        age=st.just(0.0) | st.floats(0, 1e9),
    )
    return st.lists(use, max_size=12, unique_by=lambda use: use.id)


def _must_go(queue: Iterable[Use], limit: int) -> list[Use]:
    """Return the shortest beginning of a queue after which the rest is within a limit."""
    queue = list(queue)
    rests = itertools.accumulate((-use.nbytes for use in queue), initial=sum(use.nbytes for use in queue))
    return queue[: next(i for i, rest in enumerate(rests) if rest <= limit)]


class PolicyContract:
    """Subclass it, and override the fixture ``policy``."""

    @pytest.fixture
    def policy(self) -> Policy:
        """Return the policy."""
        raise NotImplementedError("override this fixture")

    def open_store(self, place: Path, policy: Policy) -> Store:
        """Return an empty store that evicts by the policy."""
        return Store(tempfile.mkdtemp(dir=place), policy=policy)

    def uses(self, store: Store) -> dict[bytes, Use]:
        """Return what the index holds of each stored result, by key, as a stranger reads it."""
        rows = self.read(store, f"SELECT key, {_COLUMNS} FROM call WHERE state = 'stored'")  # noqa: S608
        return {key: Use(*facts) for key, *facts in rows}

    def read(self, store: Store, sql: str) -> list[Any]:
        """Return what is in the index, with the hits that wait."""
        store.stats()
        connection = sqlite3.connect(Path(str(store.location)) / "index.sqlite")
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def test_the_order_is_total(self, policy: Policy) -> None:
        """Results have one order, the same every time and however they are shuffled, for all facts there can be."""

        @_many
        @given(_uses(), st.randoms())
        def check(uses: list[Use], random: Any) -> None:
            queue = policy.queue(uses)
            assert sorted(queue, key=lambda use: use.id) == sorted(uses, key=lambda use: use.id)
            random.shuffle(uses)
            assert policy.queue(uses) == queue
            for use in uses:
                assert all(part == part for part in policy.rank(use)), "a NaN has no place in an order"

        check()

    def test_the_index_says_the_same(self, policy: Policy) -> None:
        """The index gives results in the order of the rank, for all facts there can be, without sorting them."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        for statement in hot.CREATE:
            connection.execute(statement)
        insert = (
            f"INSERT INTO call ({_COLUMNS}, key, state, leaf_count, version_id, accessed_at) "  # noqa: S608
            f"VALUES ({', '.join('?' * len(Use._fields))}, randomblob(32), 'stored', 1, 1, 0)"
        )

        @_many
        @given(_uses())
        def check(uses: list[Use]) -> None:
            connection.execute("DELETE FROM call")
            connection.executemany(insert, (tuple(vars(use).values()) for use in uses))
            expected = policy.queue(uses)
            for text, index in zip((hot.VICTIMS, hot.VICTIMS_WITH_PAYLOAD), made, strict=True):
                sql = text.format(order=policy.order)
                assert [Use(*row) for row in connection.execute(sql, page)] == expected
                if policy.order != LRU.order:  # whose index is the schema's
                    plan = connection.execute("EXPLAIN QUERY PLAN " + sql, page).fetchall()
                    assert [row[3] for row in plan] == [f"SCAN call USING INDEX {index}"]

        page = {"count": 100, "skip": 0}
        made = ("any", "with_payload")
        for index, condition in zip(made, ("", " AND leaf_count > 0"), strict=True):
            connection.execute(
                f"CREATE INDEX {index} ON call ({policy.order}) WHERE state = 'stored' AND pinned IS 0{condition}"
            )
        try:
            check()
        finally:
            connection.close()

    def test_the_worth_is_finite_and_grows_with_the_age(self, policy: Policy) -> None:
        """The age counts for nothing, or is the first term's: what is asked for later is never worth less for it."""

        @_many
        @given(_uses(), st.floats(0, 1e9))
        def check(uses: list[Use], older: float) -> None:
            for use in uses:
                later = replace(use, age=use.age + older)
                if policy.ages:
                    assert math.isfinite(policy.rank(later)[0])
                    assert policy.rank(later)[0] >= policy.rank(use)[0] >= use.age
                    assert policy.rank(later)[1:] == policy.rank(use)[1:]
                else:
                    assert policy.rank(later) == policy.rank(use)

        check()

    def test_victims_are_those_that_the_rank_says(self, policy: Policy, tmp_path: Path) -> None:
        """Under a limit of bytes the results that rank first go, and not one more than must."""

        @_few
        @given(st.lists(st.integers(0, _LARGEST), min_size=6, max_size=6), st.data())
        def check(sizes: list[int], data: st.DataObject) -> None:
            with self.open_store(tmp_path, policy) as store:
                f = store.cache(block)
                for _ in range(2):  # the second time with results that were evicted and computed again
                    for number in data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=15), "calls"):
                        f(number, sizes[number])
                    before = self.uses(store)
                    limit = data.draw(st.integers(0, sum(use.nbytes for use in before.values())), "limit")
                    expected = _must_go(policy.queue(before.values()), limit)
                    plan = store.plan_eviction(bytes_limit=limit)
                    assert [before[record.key] for record in plan.records] == expected
                    assert store.reduce_size(bytes_limit=limit) == len(expected)
                    after = self.uses(store)
                    assert {use.id for key, use in before.items() if key not in after} == {use.id for use in expected}
                    assert sum(use.nbytes for use in after.values()) <= limit

        check()

    def test_a_hit_moves_a_call_to_where_the_policy_says(self, policy: Policy, tmp_path: Path) -> None:
        """After a hit results leave, one by one, in the order that the rank gives to the facts changed by it."""

        @_few
        @given(
            st.lists(st.integers(1, _LARGEST), min_size=2, max_size=5),
            st.lists(st.integers(0, 4), max_size=6),
            st.integers(0, 4),
        )
        def check(sizes: list[int], hits: list[int], last: int) -> None:
            with self.open_store(tmp_path, policy) as store:
                f = store.cache(block)
                calls = list(enumerate(sizes))
                for call in calls + [calls[hit % len(calls)] for hit in hits]:
                    f(*call)
                facts = self.uses(store)
                call = calls[last % len(calls)]
                f(*call)
                use = facts[f.key(*call)]
                latest = max(other.access_sequence for other in facts.values()) + 1
                ((age,),) = self.read(store, "SELECT age FROM total")
                facts[f.key(*call)] = replace(use, access_sequence=latest, access_count=use.access_count + 1, age=age)
                left = self.uses(store)
                for first in policy.queue(facts.values()):
                    assert store.reduce_size(bytes_limit=sum(use.nbytes for use in left.values()) - 1) == 1
                    left, before = self.uses(store), left
                    assert [use.id for key, use in before.items() if key not in left] == [first.id]

        check()

    def test_survivors_hit_and_the_evicted_keep_their_records(self, policy: Policy, tmp_path: Path) -> None:
        """What stayed is answered without running; what went has its record, and runs again when called."""

        @_few
        @given(st.lists(st.integers(0, _LARGEST), min_size=1, max_size=6), st.data())
        def check(sizes: list[int], data: st.DataObject) -> None:
            with self.open_store(tmp_path, policy) as store:
                f = store.cache(block)
                for call in enumerate(sizes):
                    f(*call)
                total = sum(use.nbytes for use in self.uses(store).values())
                store.reduce_size(bytes_limit=data.draw(st.integers(0, total), "limit"))
                stored = self.uses(store)
                records = {record.key: record for record in store.find(f)}
                assert len(records) == len(sizes)
                for number, nbytes in enumerate(sizes):
                    key = f.key(number, nbytes)
                    assert records[key].arguments == {"number": number, "nbytes": nbytes}
                    assert records[key].state == ("stored" if key in stored else "evicted")
                    assert records[key].note == (None if key in stored else "evicted by reduce_size")
                    _ran.clear()
                    assert f(number, nbytes) == (bytes([number]) * nbytes or None)
                    assert _ran == ([] if key in stored else [number])
                assert store.verify() == []

        check()
