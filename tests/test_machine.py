"""A store against a dict and a list of calls, through any sequence of what users do."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from resultstore import Store
from resultstore.testing import assert_same

_ran: list[tuple[str, Any]] = []


def plain(x, y=0):
    """Return something small, of a type that depends on the argument."""
    _ran.append(("plain", (x, y)))
    return [None, x, float(x) / 2, str(x), {"x": [x, y]}, (x,)][x % 6]


def array(n, order="C"):
    """Return an array; a large one for large n."""
    _ran.append(("array", (n, order)))
    return np.asarray(np.arange(n * 700.0).reshape(n, 700), order=order)


class StoreMachine(RuleBasedStateMachine):
    """The model: a dict of stored results, and the list of calls in the order of their computation."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.mkdtemp()
        self.stored: dict[Any, Any] = {}
        self.calls: list[Any] = []
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder)
        self.functions: dict[str, Any] = {"plain": self.store.cache(plain), "array": self.store.cache(array)}

    def call(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Call a function both ways, and compare value, number of runs and the order of use."""
        full = (name, {"plain": lambda x, y=0: (x, y), "array": lambda n, order="C": (n, order)}[name](*args, **kwargs))
        _ran.clear()
        value = self.functions[name](*args, **kwargs)
        assert _ran == ([] if full in self.stored else [full])
        if full in self.stored:
            assert_same(value, self.stored[full])
            self.stored[full] = self.stored.pop(full)  # the dict's order is the order of use
        else:
            self.stored[full] = value
            if full in self.calls:
                self.calls.remove(full)
            self.calls.append(full)

    @rule(x=st.integers(0, 8), y=st.integers(0, 1), spelling=st.integers(0, 3))
    def call_plain(self, x: int, y: int, spelling: int) -> None:
        spellings = [((x, y), {}), ((x,), {"y": y}), ((), {"y": y, "x": x}), ((x,), {} if y == 0 else {"y": y})]
        self.call("plain", *spellings[spelling][0], **spellings[spelling][1])

    @rule(n=st.integers(0, 5), order=st.sampled_from("CF"))
    def call_array(self, n: int, order: str) -> None:
        self.call("array", n, order=order)

    @rule(x=st.integers(0, 8))
    def forget(self, x: int) -> None:
        full = ("plain", (x, 0))
        assert self.functions["plain"].forget(x) == (full in self.calls)
        self.stored.pop(full, None)
        if full in self.calls:
            self.calls.remove(full)

    @rule(name=st.sampled_from(["plain", "array"]))
    def clear_function(self, name: str) -> None:
        gone = [c for c in self.calls if c[0] == name]
        assert self.functions[name].clear() == len(gone)
        self.calls = [c for c in self.calls if c[0] != name]
        self.stored = {c: v for c, v in self.stored.items() if c[0] != name}

    @precondition(lambda self: self.stored)
    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        keep = data.draw(st.integers(0, len(self.stored)))
        assert self.store.reduce_size(items_limit=keep) == len(self.stored) - keep
        self.stored = dict(list(self.stored.items())[len(self.stored) - keep :])

    @rule()
    def close(self) -> None:
        self.store.close()

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def verify(self) -> None:
        assert self.store.verify() == []

    @invariant()
    def records_are_the_calls(self) -> None:
        if not hasattr(self, "store"):
            return
        found = [(r.function.rpartition(".")[2], tuple(r.arguments.values()), r.state) for r in self.store.find()]
        expected = [(*c, "stored" if c in self.stored else "evicted") for c in reversed(self.calls)]
        assert found == expected
        for call in self.calls:
            assert self.functions[call[0]].check_call_in_cache(*call[1]) == (call in self.stored)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert self.store.verify() == []
            self.store.close()
            shutil.rmtree(self.folder)


StoreMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestStoreMachine = pytest.mark.versionless(StoreMachine.TestCase)
TestStoreMachine.__doc__ = "A store does what a dict does, and remembers every call."
