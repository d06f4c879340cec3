"""Async functions: what holds for calls holds for awaited ones, and tasks share what one of them computes."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import multiprocessing
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from resultstore import CachedFunction, CacheWarning, MissingError, Store

pytestmark = pytest.mark.versionless

runs = []


async def doubled(x, pause=0.0):
    """Return twice as much, after a pause."""
    runs.append(x)
    await asyncio.sleep(pause)
    return x * 2


class Model:
    """An object with an async method."""

    def __init__(self, factor):
        self.factor = factor

    async def scaled(self, x):
        """Return x, scaled."""
        runs.append(x)
        return x * self.factor


@pytest.fixture(autouse=True)
def no_runs():
    """Forget what ran before."""
    runs.clear()


def test_a_coroutine_function_is_cached(store):
    """Its calls are awaited; the second one hits, and the record tells how long the first took."""
    f = store.cache(doubled)

    async def main():
        assert await f(2, pause=0.05) == 4
        assert await f(x=2, pause=0.05) == 4

    asyncio.run(main())
    assert runs == [2]
    record = store.find(f, x=2).first()
    assert record.duration >= 0.05
    assert record.access_count == 1
    assert record.load() == 4


def test_it_is_told_for_what_it_is(store):
    """Frameworks that look see a coroutine function, with its name, signature and own function."""
    f = store.cache(doubled)
    assert isinstance(f, CachedFunction)
    assert inspect.iscoroutinefunction(f)
    assert sys.version_info >= (3, 14) or asyncio.iscoroutinefunction(f)
    assert not inspect.iscoroutinefunction(store.cache(len))
    assert f.__name__ == "doubled"
    assert f.func is doubled
    assert list(inspect.signature(f).parameters) == ["x", "pause"]


def test_tasks_compute_a_call_once(store):
    """Tasks that ask for the same call get the result of the one that computes, each an object of its own."""

    @store.cache
    async def array(n):
        runs.append(n)
        await asyncio.sleep(0.05)
        return np.arange(n)

    async def main():
        return await asyncio.gather(*(array(5) for _ in range(10)))

    values = asyncio.run(main())
    assert runs == [5]
    assert all(np.array_equal(value, np.arange(5)) for value in values)
    assert len({id(value) for value in values}) == 10


async def held(x, ready, go):
    """Return twice as much, as soon as somebody says so."""
    runs.append(x)
    ready.set()
    while not go.is_set():  # noqa: ASYNC110 -- it may be another process that says so
        await asyncio.sleep(0.005)
    return x * 2


def test_loops_of_other_threads_and_processes_share_too(folder):
    """A task that asks for what another process computes waits for it without standing in the way of other tasks."""

    def ask():
        with Store(folder) as store:
            asyncio.run(store.cache(held, ignore=["ready", "go"])(1, ready, go))

    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=ask)
    other.start()
    assert ready.wait(60)

    async def main():
        task = asyncio.create_task(f(1, ready, go))
        for _ in range(20):
            await asyncio.sleep(0.005)
        assert not task.done()
        go.set()
        return await task

    with Store(folder) as store:
        f = store.cache(held, ignore=["ready", "go"])
        value = asyncio.run(main())
    other.join()
    assert value == 2
    assert runs == []


def test_a_cancelled_owner_is_replaced(store):
    """When the task that computes is cancelled, one of those that wait computes; nothing stays locked."""
    f = store.cache(doubled, ignore=["pause"])

    async def main():
        owner = asyncio.create_task(f(1, pause=60))
        await asyncio.sleep(0.02)
        waiters = [asyncio.create_task(f(1, pause=0.02)) for _ in range(3)]
        await asyncio.sleep(0.02)
        owner.cancel()
        with pytest.raises(asyncio.CancelledError):
            await owner
        return await asyncio.gather(*waiters)

    assert asyncio.run(main()) == [2, 2, 2]
    assert runs == [1, 1]
    assert store._vault.flights.running == {}


def test_a_cancelled_waiter_takes_nothing_with_it(store):
    """When a task that waits is cancelled, the one that computes goes on."""
    f = store.cache(held, ignore=["ready", "go"])

    async def main():
        ready, go = asyncio.Event(), asyncio.Event()
        owner = asyncio.create_task(f(1, ready, go))
        await ready.wait()
        waiter = asyncio.create_task(f(1, ready, go))
        await asyncio.sleep(0.02)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        go.set()
        return await owner

    assert asyncio.run(main()) == 2
    assert runs == [1]


def test_a_timeout_in_a_call_stores_nothing(store):
    """A call that `asyncio.wait_for` ends is computed anew the next time."""
    f = store.cache(doubled, ignore=["pause"])
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(f(1, pause=60), 0.05))
    assert asyncio.run(f(1, pause=0)) == 2
    assert runs == [1, 1]


def test_nested_and_gathered_calls(store):
    """Calls inside calls, also of the same key in a task of one's own, do not wait for themselves; lineage sees them."""

    @store.cache
    async def leaf(x):
        return x + 1

    @store.cache(ignore=["depth"])
    async def tree(x, depth=0):
        if depth:
            return await leaf(x)
        return sum(await asyncio.gather(leaf(x), leaf(x + 1), tree(x, depth=1)))

    assert asyncio.run(tree(1)) == 2 + 3 + 2
    assert len(store.find(leaf)) == 2


def test_methods(store):
    """An async method is cached with its object as an argument."""

    class Cached(Model):
        scaled = store.cache(Model.scaled)

    async def main():
        return [await Cached(factor).scaled(3) for factor in (2, 2, 5)]

    assert asyncio.run(main()) == [6, 6, 15]
    assert runs == [3, 3]


def test_asking_for_one_call(store):
    """What computes is awaited; what never does is not."""
    f = store.cache(doubled)

    async def main():
        with pytest.raises(MissingError):
            f.get(1)
        value, metadata = await f.call(1)
        assert (value, metadata["input_args"]) == (2, {"x": "1", "pause": "0.0"})
        assert await f.refresh(1) == 2
        reference = await f.call_and_shelve(1)
        assert reference.get() == 2
        assert (await f.call_and_shelve(2)).get() == 4

    asyncio.run(main())
    assert runs == [1, 1, 2]
    assert f.get(1) == 2
    assert f.check_call_in_cache(1)
    assert str(f.explain(1)).startswith("hit")
    assert f.forget(1) == 1


def test_exceptions_that_are_results(store):
    """An exception of ``cache_errors`` is stored and raised again; others are not stored."""

    @store.cache(cache_errors=ValueError)
    async def picky(x):
        runs.append(x)
        if x < 0:
            raise ValueError(x)
        raise KeyError(x)

    for x, kind in ((-1, ValueError), (-1, ValueError), (1, KeyError), (1, KeyError)):
        with pytest.raises(kind):
            asyncio.run(picky(x))
    with pytest.raises(ValueError, match="-1"):
        asyncio.run(picky.call_and_shelve(-1))
    assert runs == [-1, 1, 1]


async def drifting():
    """Return something else at each run."""
    runs.append(None)
    return len(runs)


def test_hits_that_are_checked(open_store):
    """With ``check_hits`` a hit is computed again; one that differs is told, and the new result takes its place."""
    store = open_store(check_hits=1.0)
    f = store.cache(doubled, ignore_globals=["runs"])
    assert [asyncio.run(f(2)), asyncio.run(f(2))] == [4, 4]
    assert runs == [2, 2]
    runs.clear()
    f = store.cache(drifting, ignore_globals=["runs"])
    with pytest.warns(CacheWarning, match="gave something else"):
        assert [asyncio.run(f()) for _ in range(3)] == [1, 2, 3]


def test_what_cannot_be_keyed_runs_uncached(store):
    """An argument without a digest is told once, and the call is computed."""

    @store.cache
    async def first(items):
        return next(items)

    with pytest.warns(CacheWarning, match="runs uncached"):
        assert asyncio.run(first(iter([7]))) == 7


def test_without_a_store(monkeypatch):
    """With storing switched off the coroutine is awaited, and nothing else."""
    assert asyncio.run(Store(None).cache(doubled)(1)) == 2
    assert asyncio.run(Store(None).cache(doubled).call(1)) == (2, {})
    assert asyncio.run(Store(None).cache(doubled).call_and_shelve(1)).get() == 2


def test_a_wrong_call_fails_as_the_function_does(store):
    """A call that does not fit the signature raises the function's own TypeError when it is awaited."""
    with pytest.raises(TypeError, match="doubled"):
        asyncio.run(store.cache(doubled)())


def test_it_travels(store):
    """A pickled async function is one again."""
    f = store.cache(doubled)
    twin = pickle.loads(pickle.dumps(f))
    assert asyncio.run(twin(4)) == 8
    assert asyncio.run(f(4)) == 8
    assert runs == [4]


def test_without_a_loop_of_asyncio_each_computes(store):
    """A coroutine that something else than asyncio runs never waits for another one."""

    @store.cache
    async def plain(x):
        runs.append(x)
        return x

    owner = store._vault.flights.turn(plain.key(1))
    assert owner.begin()
    try:
        with pytest.raises(StopIteration) as ended:
            contextvars.Context().run(plain(1).send, None)
    finally:
        owner.end()
    assert ended.value.value == 1


def test_single_flight_can_be_switched_off(store):
    """Without it each task computes."""
    f = store.cache(doubled, single_flight=False)

    async def main():
        return await asyncio.gather(f(1, 0.01), f(1, 0.01))

    assert asyncio.run(main()) == [2, 2]
    assert runs == [1, 1]


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_loop_that_stands_still_keeps_nobody_waiting(store, closes, elsewhere):
    """A task that was left behind in a loop that was stopped, or closed, is computed by whoever asks next."""
    f = store.cache(doubled)
    loop = asyncio.new_event_loop()
    left = loop.create_task(f(5, pause=0.1))
    loop.run_until_complete(asyncio.sleep(0.01))
    if closes:
        loop.close()

    def ask():
        return asyncio.run(asyncio.wait_for(f(5, pause=0.1), 20))

    with ThreadPoolExecutor(1) as pool:
        assert (pool.submit(ask).result() if elsewhere else ask()) == 10
    if closes:
        left._log_destroy_pending = False
    else:
        assert loop.run_until_complete(left) == 10
        loop.close()
    del left, loop
    gc.collect()
    assert store._vault.flights.running == {}
