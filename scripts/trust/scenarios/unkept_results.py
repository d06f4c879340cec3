"""Results that are returned as they are, and not stored."""

from __future__ import annotations

from trust.model import Group

GROUP = Group("Results that cannot be stored")
unkept = GROUP.unkept

unkept("a generator", "(i for i in range(3))", "list(value)")
unkept("an iterator", "iter([1, 2])", "list(value)")
unkept("map", "map(abs, [-1])", "list(value)")
unkept("zip", "zip([1], [2])", "list(value)")
unkept("an open file", "open(os.devnull)", "value.read()")
unkept("a lock", "threading.Lock()", "value.locked()")
unkept("a lambda", "lambda x: x + 1", "value(1)")
unkept("a closure", "adder(2)", "value(1)")
unkept("a module", "math", "value is math")
unkept("a generator in a list", "[1, (i for i in range(3))]", "list(value[1])")
unkept("an object with a lock", "Plain(lock=threading.Lock())", "value.lock.locked()")
unkept("a weak reference", "weakref.ref(Plain)", "value() is Plain")
