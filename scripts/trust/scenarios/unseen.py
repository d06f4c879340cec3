"""What was found by people who looked for lies: dependencies that hide, and harmless things that moved a fingerprint."""

from __future__ import annotations

from trust.model import HIT, RUN, Act, Group

GROUP = Group("Hidden dependencies")
END = "@cache\ndef f(x):\n    "
TWO = ("K = 2", "K = 5")


def hidden(name: str, text: str, *edits: tuple[str, str]) -> None:
    """Add a project whose dependency is hard to see."""
    GROUP.changed(name, text, *(edits or [("* 2", "* 5")]))


def presence(name: str, data: str, more: str, write: str, error: str) -> None:
    """Add a project that asks what a container holds by writing to it."""
    text = f"{data}\n{END}try:\n        {write}\n    except {error}:\n        return 'absent'\n    return 'present'\n"
    GROUP.changed(name, text, (data, more))


presence("presence asked by del", "D = {7: 1}", "D = {7: 1, 1: 1, 2: 1, 3: 1}", "del D[x]", "KeyError")
presence("presence asked by remove", "D = [7]", "D = [7, 1, 2, 3]", "D.remove(x)", "ValueError")
presence("presence asked by += in place", "D = {7: 1}", "D = {7: 1, 1: 1, 2: 1, 3: 1}", "D[x] += 1", "KeyError")
presence("length asked by setting an item", "D = [1]", "D = [1, 2, 3, 4, 5]", "D[4] = x", "IndexError")
hidden(
    "the order of an OrderedDict of functions",
    "from collections import OrderedDict\ndef a(x):\n    return x + 1\ndef b(x):\n    return x * 2\n"
    f"S = OrderedDict(a=a, b=b)\n{END}for s in S.values():\n        x = s(x)\n    return x\n",
    ("a=a, b=b", "b=b, a=a"),
)
hidden(
    "one name of two modules of a standard package",
    f"from email.base64mime import decode\n{END}return decode('aGk=')\n",
    ("base64mime", "quoprimime"),
)
hidden(
    "attributes of functions in a list",
    f"def a(x):\n    return x\na.k = 1 * 2\nS = [a]\n{END}return sum(s.k for s in S)\n",
)
DATACLASS = "from dataclasses import dataclass, field, fields\n@dataclass\nclass C:\n    a: int = field(default=0, metadata={'k': 1 * 2})\n"
hidden("the metadata of a dataclass's field", f"{DATACLASS}{END}return fields(C)[0].metadata['k']\n")
hidden(
    "the type of a dataclass's field", f"{DATACLASS}{END}return repr(fields(C)[0].type(x))\n", ("a: int", "a: float")
)
for base, module in (("threading.local", "threading"), ("logging.Handler", "logging"), ("io.RawIOBase", "io")):
    hidden(
        f"one's own subclass of {base}",
        f"import {module}\nclass C({base}):\n    def m(self, x):\n        return x * 2\nc = C()\n{END}return c.m(x)\n",
    )
hidden(
    "a context variable's default",
    f"from contextvars import ContextVar\nV = ContextVar('V', default=1 * 2)\n{END}return V.get()\n",
)
hidden("the content of a StringIO", f"import io\nV = io.StringIO('a' * 2)\n{END}return V.getvalue()\n")
hidden(
    "a private attribute of an enumeration",
    f"import enum\nclass E(enum.Enum):\n    A = 1\n    __k = 1 * 2\n    def m(self):\n        return self.__k\n{END}return E.A.m()\n",
)
hidden(
    "classes of a union",
    f"from typing import Union, get_args\nclass A:\n    k = 1 * 2\nU = Union[A, int]\n{END}return get_args(U)[0].k\n",
)
hidden(
    "a generic class, made through its alias",
    "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass B(Generic[T]):\n    def m(self, x):\n        return x * 2\n"
    f"A = B[int]\n{END}return A().m(x)\n",
)
hidden("a value among the builtins", f"import builtins\nbuiltins.FACTOR = 1 * 2\n{END}return FACTOR\n")
hidden(
    "a helper through sys.modules",
    f"import sys\ndef h(x):\n    return x * 2\n{END}return getattr(sys.modules[__name__], 'h')(x)\n",
)
PACKAGE = "--- pkg/__init__.py\n--- pkg/sub.py\ndef run(x):\n    return x * 2\n"
hidden(
    "a module of a package that is handed on",
    f"import pkg.sub\ndef g(p, x):\n    return p.sub.run(x)\n{END}return g(pkg, x)\n{PACKAGE}",
)
hidden("a module of a package under another name", f"import pkg.sub\n{END}p = pkg\n    return p.sub.run(x)\n{PACKAGE}")
hidden(
    "a relative import by text",
    f"from importlib import import_module\n{END}return import_module('.sub', 'pkg').run(x)\n{PACKAGE}",
)

WRITER = "REG = {}\n@cache\ndef put(n):\n    REG[n] = n\n    return n\n"
GROUP.living(
    "what another cached function writes", f"{WRITER}{END}return sum(REG.values())\n", ("put(1)", RUN), ("put(2)", RUN)
)
GROUP.living(
    "what another cached function counts",
    f"N = 0\n@cache\ndef put(n):\n    global N\n    N += n\n    return n\n{END}return N\n",
    ("put(1)", RUN), ("put(2)", RUN),
)  # fmt: skip
VERSIONED = "def make(g):\n    @cache(version='1')\n    def f(x):\n        return g(x)\n    return f\n"
GROUP.living("a pinned version that closes over another function",
             f"def g(x):\n    return x + 1\ndef h(x):\n    return x * 5\n{VERSIONED}f = make(g)\n", ("f = make(h)", RUN))  # fmt: skip
GROUP.living("a helper of a pinned version, exchanged for another",
             "@cache(version='1')\ndef g(x):\n    return x + 1\n@cache(version='1')\ndef h(x):\n    return x * 5\n"
             f"s = g\n{END}return s(x)\n", ("s = h", RUN))  # fmt: skip
GROUP.living(
    "a method registered at run time",
    "from functools import singledispatchmethod\nclass C:\n    @singledispatchmethod\n    def m(self, x):\n        return 1\n"
    f"{END}return C().m(x)\n",
    ("C.__dict__['m'].register(int)(lambda self, x: 2)", RUN),
)
GROUP.living(
    "a module's own __getattr__",
    f"import conf\n{END}return conf.k\n--- conf.py\nS = {{'k': 2}}\ndef __getattr__(name):\n    return S[name]\n",
    ("conf.S['k'] = 5", RUN),
)
GROUP.living(
    "state that pickle would leave out",
    f"class C:\n    k = 0\n    def __getstate__(self):\n        return {{}}\nc = C()\nc.k = 2\n{END}return c.k\n",
    ("c.k = 5", RUN),
)
GROUP.living("the bases of a class whose attribute is taken",
             f"class A:\n    k = 2\nclass B:\n    k = 5\nclass C(A):\n    pass\n{END}return C.k\n", ("C.__bases__ = (B,)", RUN))  # fmt: skip


def harmless(name: str, text: str) -> None:
    """Add a project that must hit in the next process."""
    GROUP.acts(name, text, Act(RUN), Act(HIT, fresh=True))


harmless(
    "a set of one's own class", f"class T(set):\n    pass\nS = T(['abc', 'b', 'c', 'def', 'e'])\n{END}return len(S)\n"
)
harmless(
    "an annotation that holds an object",
    f"from typing import Annotated\nclass U:\n    pass\nT = Annotated[int, U()]\n{END}return T.__origin__(x)\n",
)
harmless("the standard generator, by from", f"from random import seed, gauss\n{END}seed(x)\n    return gauss(0, 1)\n")
harmless(
    "functions of one name in a set",
    f"def make(k):\n    return lambda x: x + k\nS = {{make(1), make(2)}}\n{END}return sum(s(x) for s in S)\n",
)
harmless("lambdas as keys", f"S = {{lambda x: x + 1: 1, lambda x: x + 2: 2}}\n{END}return sum(s(x) for s in S)\n")
