"""Classes that the function uses."""

from __future__ import annotations

from trust.model import RUN, Group

GROUP = Group("Classes")
CHANGE = ("x + 1", "x + 2")
USE = "@cache\ndef f(x):\n    return {}\n"


def used(name: str, definition: str, use: str, *edits: tuple[str, str], more: str = "") -> None:
    """Add a project whose class is edited."""
    text = definition.strip("\n") + "\n" + USE.format(use) + more
    GROUP.changed(name, text, *(edits or [CHANGE]))


used("a method", "class A:\n    def g(self, x):\n        return x + 1", "A().g(x)")
used("__init__", "class A:\n    def __init__(self, x):\n        self.n = x + 1", "A(x).n")
used("__new__", "class A:\n    def __new__(cls, x):\n        return x + 1", "A(x)")
used("__call__", "class A:\n    def __call__(self, x):\n        return x + 1", "A()(x)")
used("an operator", "class A:\n    def __add__(self, x):\n        return x + 1", "A() + x")
used("__getattr__", "class A:\n    def __getattr__(self, x):\n        return x + 'a'", "A().b", ("'a'", "'b'"))
used(
    "a property",
    "class A:\n    n = 3\n    @property\n    def g(self):\n        x = self.n\n        return x + 1",
    "A().g",
)
used(
    "a property's setter",
    """
class A:
    @property
    def g(self):
        return self.n
    @g.setter
    def g(self, x):
        self.n = x + 1
def run(x):
    a = A()
    a.g = x
    return a.g
""",
    "run(x)",
)
used("a cached property", "from functools import cached_property\nclass A:\n    x = 3\n    @cached_property\n    def g(self):\n"
     "        return self.x + 1", "A().g")  # fmt: skip
used("a static method", "class A:\n    @staticmethod\n    def g(x):\n        return x + 1", "A.g(x)")
used("a class method", "class A:\n    @classmethod\n    def g(cls, x):\n        return x + 1", "A.g(x)")
used("a method that calls a method", "class A:\n    def g(self, x):\n        return self.h(x)\n    def h(self, x):\n"
     "        return x + 1", "A().g(x)")  # fmt: skip
used("a method's helper", "def h(x):\n    return x + 1\nclass A:\n    def g(self, x):\n        return h(x)", "A().g(x)")
used("a method's default", "class A:\n    def g(self, x, n=1):\n        return x + n", "A().g(x)", ("n=1", "n=2"))
used("a class attribute", "class A:\n    n = 1", "A.n + x", ("n = 1", "n = 2"))
used("a class attribute by an instance", "class A:\n    n = 1\n    def g(self):\n        return self.n", "A().g()",
     ("n = 1", "n = 2"))  # fmt: skip
used("a base's method", "class B:\n    def g(self, x):\n        return x + 1\nclass A(B):\n    pass", "A().g(x)")
used("a base's base", "class C:\n    def g(self, x):\n        return x + 1\nclass B(C):\n    pass\nclass A(B):\n    pass",
     "A().g(x)")  # fmt: skip
used("a base in another file", "from tools import B\nclass A(B):\n    pass", "A().g(x)",
     more="--- tools.py\nclass B:\n    def g(self, x):\n        return x + 1\n")  # fmt: skip
used("super()", "class B:\n    def g(self, x):\n        return x + 1\nclass A(B):\n    def g(self, x):\n"
     "        return super().g(x) * 2", "A().g(x)")  # fmt: skip
used(
    "another base",
    "class B:\n    n = 1\nclass C:\n    n = 2\nclass A(B):\n    pass",
    "A.n",
    ("class A(B)", "class A(C)"),
)
used(
    "the order of bases",
    "class B:\n    n = 1\nclass C:\n    n = 2\nclass A(B, C):\n    pass",
    "A.n",
    ("A(B, C)", "A(C, B)"),
)
used(
    "a mixin",
    "class M:\n    def g(self):\n        return self.n + 1\nclass A(M):\n    n = 3",
    "A().g()",
    ("n + 1", "n + 2"),
)
used("an abstract class's concrete one", "import abc\nclass B(abc.ABC):\n    @abc.abstractmethod\n    def g(self, x): ...\n"
     "class A(B):\n    def g(self, x):\n        return x + 1", "A().g(x)")  # fmt: skip
used(
    "a metaclass's method",
    "class M(type):\n    def g(cls, x):\n        return x + 1\nclass A(metaclass=M):\n    pass",
    "A.g(x)",
)
used("a metaclass's __call__", "class M(type):\n    def __call__(cls, x):\n        return x + 1\nclass A(metaclass=M):\n    pass",
     "A(x)")  # fmt: skip
used("a member made by a metaclass", "class M(type):\n    def __new__(m, name, bases, d):\n        d['g'] = lambda self, x: x + 1\n"
     "        return super().__new__(m, name, bases, d)\nclass A(metaclass=M):\n    pass", "A().g(x)")  # fmt: skip
used(
    "a class decorator",
    "def mark(cls):\n    cls.g = lambda self, x: x + 1\n    return cls\n@mark\nclass A:\n    pass",
    "A().g(x)",
)
used("__init_subclass__", "class B:\n    def __init_subclass__(cls):\n        cls.n = 1\nclass A(B):\n    pass", "A.n",
     ("n = 1", "n = 2"))  # fmt: skip
used("a class keyword", "class B:\n    def __init_subclass__(cls, n):\n        cls.n = n\nclass A(B, n=1):\n    pass", "A.n",
     ("n=1", "n=2"))  # fmt: skip
used("a descriptor's class", "class D:\n    def __get__(self, one, kind):\n        x = 3\n        return x + 1\nclass A:\n    g = D()",
     "A().g")  # fmt: skip
used("a descriptor's state", "class D:\n    def __init__(self, n):\n        self.n = n\n    def __get__(self, one, kind):\n"
     "        return self.n\nclass A:\n    g = D(1)", "A().g", ("D(1)", "D(2)"))  # fmt: skip
used(
    "__slots__ and their methods",
    "class A:\n    __slots__ = ('n',)\n    def __init__(self, x):\n        self.n = x + 1",
    "A(x).n",
)
used(
    "a class inside a class", "class A:\n    class B:\n        def g(self, x):\n            return x + 1", "A.B().g(x)"
)
used("a class made by type()", "A = type('A', (), {'g': lambda self, x: x + 1})", "A().g(x)")
used("a function put into a class", "class A:\n    pass\ndef g(self, x):\n    return x + 1\nA.g = g", "A().g(x)")
used("a class of another file", "import tools", "tools.A().g(x)",
     more="--- tools.py\nclass A:\n    def g(self, x):\n        return x + 1\n")  # fmt: skip
used("a class only reached by a helper's annotationless return", "class A:\n    def g(self, x):\n        return x + 1\ndef make():\n"
     "    return A()", "make().g(x)")  # fmt: skip
used(
    "an exception class's text",
    "class E(Exception):\n    def __str__(self):\n        return 'a'",
    "str(E())",
    ("'a'", "'b'"),
)
used("a context manager", "class A:\n    def __enter__(self):\n        return 1\n    def __exit__(self, *why):\n        pass\n"
     "def run(x):\n    with A() as n:\n        return x + n", "run(x)", ("return 1", "return 2"))  # fmt: skip
used("an iterator class", "class A:\n    def __iter__(self):\n        return iter([1])", "list(A())", ("[1]", "[2]"))
used("a subclass of a builtin", "class A(dict):\n    def __missing__(self, x):\n        return x + 1", "A()[x]")

DATA = (
    "from dataclasses import dataclass, field\n@dataclass{}\nclass A:\n    n: int = 1\n    m: int = field(default=2)\n"
)
used("a dataclass's default", DATA.format(""), "A().n", ("int = 1", "int = 5"))
used("a dataclass field's default", DATA.format(""), "A().m", ("default=2", "default=5"))
used("a dataclass field's repr", DATA.format(""), "repr(A())", ("default=2", "default=2, repr=False"))
used("a dataclass's options: order", DATA.format("(order=True)"), "'__lt__' in vars(A)", ("order=True", "order=False"))
used("a dataclass's options: eq", DATA.format("(eq=True)"), "A() == A()", ("eq=True", "eq=False"))
used(
    "a dataclass's field added", DATA.format(""), "repr(A())", ("    n: int = 1\n", "    n: int = 1\n    k: int = 7\n")
)
used("a dataclass's default factory", "from dataclasses import dataclass, field\n@dataclass\nclass A:\n"
     "    n: list = field(default_factory=lambda: [1])", "A().n", ("[1]", "[2]"))  # fmt: skip
used("__post_init__", "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\n    def __post_init__(self):\n"
     "        self.n = self.x + 1", "A(x).n")  # fmt: skip
used("an inherited dataclass field", "from dataclasses import dataclass\n@dataclass\nclass B:\n    n: int = 1\n@dataclass\nclass A(B):\n"
     "    m: int = 2", "A().n", ("int = 1", "int = 5"))  # fmt: skip
used(
    "a namedtuple's default",
    "from typing import NamedTuple\nclass A(NamedTuple):\n    n: int = 1",
    "A().n",
    ("int = 1", "int = 5"),
)
used(
    "a namedtuple's fields",
    "from collections import namedtuple\nA = namedtuple('A', 'a b')",
    "repr(A(1, 2))",
    ("a b", "b a"),
)
used(
    "an enum's value",
    "import enum\nclass A(enum.Enum):\n    ONE = 1\n    TWO = 2",
    "A.ONE.value",
    ("ONE = 1", "ONE = 5"),
)
used("an enum's method", "import enum\nclass A(enum.Enum):\n    ONE = 3\n    def g(self):\n        x = self.value\n        return x + 1",
     "A.ONE.g()")  # fmt: skip
used("an enum's other member", "import enum\nclass A(enum.Enum):\n    ONE = 1\n    TWO = 2", "[a.value for a in A]",
     ("TWO = 2", "TWO = 5"))  # fmt: skip
used(
    "a flag's value", "import enum\nclass A(enum.Flag):\n    R = 1\n    W = 2", "(A.R | A.W).value", ("W = 2", "W = 4")
)

GROUP.living(
    "a method patched into a class",
    "class A:\n    def g(self, x):\n        return x + 1\n" + USE.format("A().g(x)"),
    ("A.g = lambda self, x: x + 2", RUN),
    ("A.g = lambda self, x: x + 3", RUN),
)
GROUP.living(
    "a method patched into a base",
    "class B:\n    def g(self, x):\n        return x + 1\nclass A(B):\n    pass\n" + USE.format("A().g(x)"),
    ("B.g = lambda self, x: x + 2", RUN),
)
GROUP.living(
    "a class attribute, set while it lives",
    "class A:\n    n = 1\n" + USE.format("A.n"),
    ("A.n = 2", RUN),
    ("A.n = 1", "hit"),
)
GROUP.living(
    "a method whose code is swapped",
    "class A:\n    def g(self, x):\n        return x + 1\ndef other(self, x):\n    return x + 2\n"
    + USE.format("A().g(x)"),
    ("A.g.__code__ = other.__code__", RUN),
)
GROUP.living(
    "an instance's class, changed",
    "class A:\n    n = 1\nclass B:\n    n = 2\na = A()\n" + USE.format("a.n"),
    ("a.__class__ = B", RUN),
)
