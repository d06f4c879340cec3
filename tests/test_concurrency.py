"""Many processes and threads on one store: everything at once, the budget seen from outside, kills, opening and closing.

Short here. ``RESULTSTORE_TEST_ROUNDS=50 pytest -s tests/test_concurrency.py tests/test_upgrading.py`` runs them long, and prints figures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from resultstore import Store
from tests.test_budget import disk_usage

ROUNDS = int(os.environ.get("RESULTSTORE_TEST_ROUNDS", "1"))
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

MIXED = """
import collections, json, random, sys, threading, time, warnings
warnings.simplefilter("error")
from resultstore import MissingError, Store
from tests import science
folder, seed, limit, threads, seconds = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])
store = Store(folder, size_limit=limit)
block, table, number = (store.cache(function) for function in (science.slow_block, science.table, science.square))
done, wrong, errors = collections.Counter(), [], []
until = time.monotonic() + seconds

def call(rng):
    i = rng.randrange(30)
    kind = rng.randrange(3)
    if kind == 0:
        nbytes = 20_000 + 4_000 * (i % 10)
        value = block(i, nbytes)
        right = len(value) == nbytes // 8 and (value == i).all()
    elif kind == 1:
        right = (table(i, i) == science.table(i, i)).all()
    else:
        right = number(i + 1000 * rng.randrange(3)) >= 0
    if not right:
        wrong.append((kind, i))
    return "calls"

def other(rng):
    what = rng.choice(["find", "pin", "unpin", "forget", "reduce", "clear", "verify", "close", "stats"])
    if what == "find":
        for record in store.find(block, i=rng.randrange(30)):
            record.state, record.arguments
    elif what in ("pin", "unpin"):
        record = store.find(number).first()
        if record is not None:
            try:
                getattr(store, what)(record)
            except MissingError:
                pass
    elif what == "forget":
        block.forget(rng.randrange(30), 20_000)
    elif what == "reduce":
        store.reduce_size(items_limit=20)
    elif what == "clear":
        rng.choice([table, number]).clear()
    elif what == "verify":
        unsound = [problem for problem in store.verify() if problem.kind not in ("orphan", "unused")]
        if unsound:
            wrong.append(unsound)
    elif what == "close":
        store.close()
    else:
        store.stats()
    return what

def work(number):
    rng = random.Random(1000 * seed + number)
    while time.monotonic() < until:
        try:
            done[(other if rng.random() < 0.06 else call)(rng)] += 1
        except BaseException as error:
            errors.append(repr(error)[:500])
            return

workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
store.close()
print(json.dumps({"done": done, "wrong": wrong, "errors": errors}))
"""


def run_mixed(folder: Path, *, processes: int, threads: int, limit: int, seconds: float) -> tuple[int, int]:
    """Let processes do everything at once; return how many calls they made, and the most that lay on the disk."""
    command = [sys.executable, "-c", MIXED, folder]
    workers = [
        subprocess.Popen(
            [*command, str(seed), str(limit), str(threads), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for seed in range(processes)
    ]
    most = 0
    while any(worker.poll() is None for worker in workers):
        most = max(most, disk_usage(folder))
    calls = 0
    for worker in workers:
        output, complaint = worker.communicate()
        assert complaint.decode()[-2000:] == ""
        report = json.loads(output)
        assert report["wrong"] == []
        assert report["errors"] == []
        calls += report["done"]["calls"]
    return calls, most


LARGEST = 56_000 // 4096 * 4096 + 2 * 4096


@pytest.mark.parametrize(
    ("processes", "threads"), [(2, 8), (6, 2)] if ROUNDS == 1 else [(2, 8), (4, 8), (16, 8), (16, 1)]
)
def test_everything_at_once_under_a_tight_budget(folder, processes, threads):
    """Whatever processes and threads do at the same time, no value is wrong, nothing is raised or told, and the limit is kept.

    Seen from outside at every moment: the limit, and one result more for each process that is writing one.
    """
    limit = 1_500_000
    calls, most = run_mixed(folder, processes=processes, threads=threads, limit=limit, seconds=1.5 * ROUNDS)
    with Store(folder, size_limit=limit) as store:
        assert [problem for problem in store.verify() if problem.kind not in ("orphan", "unused")] == []
    sys.stderr.write(f"{processes} x {threads}: {calls} calls, wrong 0, errors 0, most {most} of {limit}\n")
    assert most <= limit + processes * LARGEST
