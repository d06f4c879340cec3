"""One call that is asked for at several places at once: diskcache by its recipe `barrier`, the others as they come."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from battery import work
from battery.lab import BROKEN, STUCK, Lab, Report, Seen
from battery.model import Group

GROUP = Group("One call, asked for at once")


def computed_once(lab: Lab, line: str) -> None:
    """See that a call was computed once."""
    runs = lab.runs(line)
    if runs > 1:
        lab.saw(BROKEN, f"computed {runs} times")


def asks(lab: Lab, seconds: float, x: int = 1) -> Callable[..., Report]:
    """Return what a process does that makes one slow call."""

    def act(*_: int) -> Report:
        seen = Seen()
        with seen.trying():
            store = lab.open()
            seen.call(store.once(work.slow), work.table_value(x), x, seconds)
            store.close()
        return seen.report()

    return act


def begun(lab: Lab, line: str) -> None:
    """Wait until a function has begun to run."""
    for _ in range(1000):
        if lab.runs(line):
            return
        time.sleep(0.01)
    raise RuntimeError("the function did not begin")


@GROUP.scenario("by 16 processes: computed once")
def processes(lab: Lab) -> None:
    lab.fill()
    lab.together(16, asks(lab, 0.4))
    computed_once(lab, "slow 1")


@GROUP.scenario("by 16 processes, in a store that is not there yet: computed once")
def processes_anew(lab: Lab) -> None:
    lab.together(16, asks(lab, 0.4))
    computed_once(lab, "slow 1")


@GROUP.scenario("by 8 threads: computed once")
def threads(lab: Lab) -> None:
    def act() -> Report:
        seen = Seen()
        store = lab.open()
        slow = store.once(work.slow)
        workers = [
            threading.Thread(target=seen.call, args=(slow, work.table_value(1), 1, 0.4), daemon=True) for _ in range(8)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        store.close()
        return seen.report()

    lab.visit(act)
    computed_once(lab, "slow 1")


@GROUP.scenario("by 8 tasks of asyncio: computed once, and hits afterwards")
def tasks(lab: Lab) -> None:
    def act() -> Report:
        import asyncio

        seen = Seen()
        with seen.trying():
            store = lab.open()
            later = store.once(work.later)

            async def main() -> None:
                for value in await asyncio.gather(*[later(3) for _ in range(8)]):
                    seen.wrong += not work.same(value, 9.5)

            asyncio.run(main())
            store.close()
        return seen.report()

    lab.visit(act)
    lab.visit(act)
    computed_once(lab, "later 3")


@GROUP.scenario("who computes is killed: another does it soon")
def killed(lab: Lab) -> None:
    lab.fill()
    owner = lab.start(asks(lab, 1.0))
    begun(lab, "slow 1")
    others = [lab.start(asks(lab, 1.0)) for _ in range(2)]
    time.sleep(0.3)
    owner.kill()
    lab.judge(owner.finish(), killed=True)
    for other in others:
        lab.judge(other.finish(12))


@GROUP.scenario("who computes takes long: it is not computed twice")
def long(lab: Lab) -> None:
    lab.fill()
    owner = lab.start(asks(lab, 3.0))
    begun(lab, "slow 1")
    other = lab.start(asks(lab, 3.0))
    lab.judge(owner.finish())
    lab.judge(other.finish())
    computed_once(lab, "slow 1")


@GROUP.scenario("other calls are not delayed meanwhile")
def others(lab: Lab) -> None:
    lab.fill()
    owner = lab.start(asks(lab, 2.5))
    begun(lab, "slow 1")
    other = lab.start(asks(lab, 0.0, x=2))
    lab.judge(other.finish(8))
    if owner.is_done():
        lab.saw(STUCK, "waits for others")
    lab.judge(owner.finish())


@GROUP.scenario("Ctrl-C while waiting for it")
def interrupted(lab: Lab) -> None:
    lab.fill()
    owner = lab.start(asks(lab, 2.5))
    begun(lab, "slow 1")

    def act() -> Report:
        try:
            return asks(lab, 2.5)()
        except KeyboardInterrupt:
            return {"interrupted": True}

    other = lab.start(act)
    time.sleep(0.8)
    other.kill(signal.SIGINT)
    report = lab.judge(other.finish(10))
    if not report.get("interrupted") or owner.is_done():
        lab.saw(STUCK, "does not heed it")
    lab.judge(owner.finish())
    lab.goes_on()


@GROUP.scenario("calls within calls, by 4 threads of 2 processes: no deadlock")
def nested(lab: Lab) -> None:
    def act(_: int) -> Report:
        seen = Seen()
        store = lab.open()
        table, small = store.once(work.table), store.once(work.small)

        def climb(n: int) -> float:
            """Add up cached calls, each within the one before."""
            return float(n + small(n) + table(n % 3)[0] + (climbing(n - 1) if n else 0.0))

        climbing = store.once(climb)
        truth = sum(n + work.small_value(n) for n in range(13))
        workers = [threading.Thread(target=seen.call, args=(climbing, truth, 12), daemon=True) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        store.close()
        return seen.report()

    lab.together(2, act, 20)


@GROUP.scenario("in a store that may only be read: computed")
def read_only(lab: Lab) -> None:
    lab.become_nobody()
    lab.fill()
    paths = [lab.place, *lab.place.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    lab.together(4, asks(lab, 0.2), 15)
    for path in paths:
        if path.exists():
            path.chmod(0o755 if path.is_dir() else 0o644)
