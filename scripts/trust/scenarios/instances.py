"""Objects that the function refers to, with their state and their class; and objects as arguments."""

from __future__ import annotations

from trust.model import HIT, RUN, Act, Group

GROUP = Group("Objects of one's own classes")
CHANGE = ("x + 1", "x + 2")
A = "class A:\n    def __init__(self, n):\n        self.n = n\n    def g(self, x):\n        return x + self.n\n"

GROUP.changed("a global object's state", A + "a = A(1)\n@cache\ndef f(x):\n    return a.g(x)\n", ("A(1)", "A(2)"))
GROUP.changed(
    "a global object's method", A + "a = A(1)\n@cache\ndef f(x):\n    return a.g(x)\n", ("x + self", "x - self")
)
GROUP.changed("an attribute of a global object", A + "a = A(1)\n@cache\ndef f(x):\n    return a.n\n", ("A(1)", "A(2)"))
GROUP.changed(
    "an object in a global list", A + "a = [A(1)]\n@cache\ndef f(x):\n    return a[0].g(x)\n", ("A(1)", "A(2)")
)
GROUP.changed("an object in an object", A + "a = A(A(1))\n@cache\ndef f(x):\n    return a.n.n\n", ("A(1)", "A(2)"))
GROUP.changed("a bound method in a global", A + "g = A(1).g\n@cache\ndef f(x):\n    return g(x)\n", ("A(1)", "A(2)"))
GROUP.changed("a bound method's code", A + "g = A(1).g\n@cache\ndef f(x):\n    return g(x)\n", ("x + self", "x - self"))
GROUP.changed(
    "a callable object's state",
    A.replace("def g", "def __call__") + "a = A(1)\n@cache\ndef f(x):\n    return a(x)\n",
    ("A(1)", "A(2)"),
)
GROUP.changed(
    "a callable object's code",
    A.replace("def g", "def __call__") + "a = A(1)\n@cache\ndef f(x):\n    return a(x)\n",
    ("x + self", "x - self"),
)
GROUP.changed(
    "a global dataclass's field",
    "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\na = A(1)\n@cache\ndef f(x):\n    return x + a.n\n",
    ("A(1)", "A(2)"),
)
GROUP.changed(
    "a global object with slots",
    "class A:\n    __slots__ = ('n',)\na = A()\na.n = 1\n@cache\ndef f(x):\n    return x + a.n\n",
    ("a.n = 1", "a.n = 2"),
)
GROUP.changed(
    "a global enum member",
    "import enum\nclass A(enum.Enum):\n    ONE = 1\n    TWO = 2\na = A.ONE\n@cache\ndef f(x):\n    return a.value\n",
    ("a = A.ONE", "a = A.TWO"),
)
GROUP.changed(
    "a global namespace",
    "from types import SimpleNamespace\na = SimpleNamespace(n=1)\n@cache\ndef f(x):\n    return a.n\n",
    ("n=1", "n=2"),
)
GROUP.changed(
    "a global object made by a helper",
    A + "def make():\n    return A(1)\na = make()\n@cache\ndef f(x):\n    return a.g(x)\n",
    ("A(1)", "A(2)"),
)
GROUP.changed(
    "an argument's method", A + "@cache\ndef f(a):\n    return a.g(3)\n", ("x + self", "x - self"), call="f(A(1))"
)
GROUP.changed(
    "an argument's base", "class B:\n    def g(self, x):\n        return x + 1\nclass A(B):\n    pass\n@cache\ndef f(a):\n"
    "    return a.g(3)\n", CHANGE, call="f(A())",
)  # fmt: skip
GROUP.changed(
    "the method of an object in an argument", A + "@cache\ndef f(a):\n    return a[0].g(3)\n", ("x + self", "x - self"),
    call="f([A(1)])",
)  # fmt: skip
GROUP.changed("an argument's class attribute", "class A:\n    n = 1\n@cache\ndef f(a):\n    return a.n\n", ("n = 1", "n = 2"),
              call="f(A())")  # fmt: skip
GROUP.changed(
    "an argument's property",
    "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n    @property\n    def g(self):\n"
    "        return self.x + 1\n@cache\ndef f(a):\n    return a.g\n",
    CHANGE,
    call="f(A(3))",
)
GROUP.changed(
    "an argument's helper",
    "def h(x):\n    return x + 1\nclass A:\n    def g(self, x):\n        return h(x)\n@cache\ndef f(a):\n    return a.g(3)\n",
    CHANGE,
    call="f(A())",
)
GROUP.changed(
    "a bound method as an argument", A + "@cache\ndef f(g, x):\n    return g(x)\n", ("x + self", "x - self"),
    call="f(A(1).g, 3)",
)  # fmt: skip
GROUP.changed(
    "a partial as an argument",
    "from functools import partial\ndef g(n, x):\n    return x + n\n@cache\ndef f(g, x):\n    return g(x)\n",
    ("x + n", "x - n"),
    call="f(partial(g, 1), 3)",
)
GROUP.living(
    "a global object's state, set while it lives",
    A + "a = A(1)\n@cache\ndef f(x):\n    return a.g(x)\n",
    ("a.n = 2", RUN),
    ("a.n = 1", HIT),
    ("a = A(1)", HIT),
    ("a.n = [5][0]", RUN),
)
GROUP.living(
    "a state deep in a global object",
    A + "a = A([A(1)])\n@cache\ndef f(x):\n    return a.n[0].n\n",
    ("a.n[0].n = 2", RUN),
    ("a.n.insert(0, A(7))", RUN),
)
METHOD = """
class A:
    def __init__(self, n):
        self.n = n
    @cache
    def f(self, x):
        return self.n + x
"""
GROUP.acts(
    "a cached method: the object counts",
    METHOD,
    Act(RUN, call="A(1).f(3)"),
    Act(HIT, call="A(1).f(3)"),
    Act(RUN, call="A(2).f(3)"),
    Act(HIT, call="A(1).f(3)", fresh=True),
    Act(RUN, call="A(1).f(3)", edits=(("self.n + x", "self.n - x"),), fresh=True),
)
GROUP.acts(
    "a cached method: a method that it calls",
    METHOD.replace("return self.n + x", "return self.h() + x") + "    def h(self):\n        return self.n\n",
    Act(RUN, call="A(1).f(3)"),
    Act(HIT, call="A(1).f(3)", fresh=True),
    Act(RUN, call="A(1).f(3)", edits=(("return self.n\n", "return self.n * 9\n"),), fresh=True),
)
GROUP.acts(
    "a cached static method",
    "def h(x):\n    return x + 1\nclass A:\n    @staticmethod\n    @cache\n    def f(x):\n        return h(x)\n",
    Act(RUN, call="A.f(3)"),
    Act(HIT, call="A().f(3)", fresh=True),
    Act(RUN, call="A.f(3)", edits=(CHANGE,), fresh=True),
)
GROUP.acts(
    "a cached class method",
    "class A:\n    n = 1\n    @classmethod\n    @cache\n    def f(cls, x):\n        return cls.n + x\n"
    "class B(A):\n    n = 2\n",
    Act(RUN, call="A.f(3)"),
    Act(HIT, call="A.f(3)", fresh=True),
    Act(RUN, call="B.f(3)"),
    Act(HIT, call="B.f(3)", fresh=True),
    Act(RUN, call="A.f(3)", edits=(("n = 1", "n = 7"),), fresh=True),
)
