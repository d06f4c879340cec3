"""Decorators, partials, tables of functions, and what functools makes."""

from __future__ import annotations

from trust.model import HIT, RUN, Act, Group

GROUP = Group("Decorators, partials, tables")
CHANGE = ("x + 1", "x + 2")
LOUD = """
import functools
def loud(g):
    @functools.wraps(g)
    def wrapper(x):
        return [g(x), 1]
    return wrapper
"""

GROUP.changed("a decorator under the cache", LOUD + "@cache\n@loud\ndef f(x):\n    return x + 1\n", (", 1]", ", 2]"))
GROUP.changed("what a decorator under the cache wraps", LOUD + "@cache\n@loud\ndef f(x):\n    return x + 1\n", CHANGE)
GROUP.changed("a decorator that is added", LOUD + "@cache\n# here\ndef f(x):\n    return x + 1\n", ("# here", "@loud"))
GROUP.changed(
    "a decorator of a helper",
    LOUD + "@loud\ndef g(x):\n    return x + 1\n@cache\ndef f(x):\n    return g(x)\n",
    (", 1]", ", 2]"),
)
GROUP.changed(
    "a helper under a decorator",
    LOUD + "@loud\ndef g(x):\n    return x + 1\n@cache\ndef f(x):\n    return g(x)\n",
    CHANGE,
)
GROUP.changed(
    "a decorator without functools.wraps",
    "def loud(g):\n    def f(x):\n        return [g(x), 1]\n    return f\n@cache\n@loud\ndef f(x):\n    return x + 1\n",
    CHANGE,
)
GROUP.changed(
    "a decorator's argument",
    "def times(n):\n    def wrap(g):\n        def f(x):\n            return g(x) * n\n        return f\n    return wrap\n"
    "@cache\n@times(2)\ndef f(x):\n    return x\n",
    ("times(2)", "times(3)"),
)
GROUP.changed(
    "the order of decorators",
    "def a(g):\n    def f(x):\n        return g(x) + 1\n    return f\ndef b(g):\n    def f(x):\n        return g(x) * 2\n    return f\n"
    "@cache\n@a\n@b\ndef f(x):\n    return x\n",
    ("@a\n@b", "@b\n@a"),
)
GROUP.changed(
    "a decorator that is a class",
    "class Loud:\n    def __init__(self, g):\n        self.g = g\n    def __call__(self, x):\n        return [self.g(x), 1]\n"
    "@Loud\ndef g(x):\n    return x + 1\n@cache\ndef f(x):\n    return g(x)\n",
    CHANGE,
)
GROUP.changed(
    "a decorator in another file",
    "from tools import loud\n@cache\n@loud\ndef f(x):\n    return x + 1\n--- tools.py\n" + LOUD.strip("\n") + "\n",
    (", 1]", ", 2]"),
)
GROUP.changed(
    "contextlib.contextmanager",
    "import contextlib\n@contextlib.contextmanager\ndef g(x):\n    yield x + 1\n@cache\ndef f(x):\n    with g(x) as y:\n        return y\n",
    CHANGE,
)
PARTIAL = "from functools import partial\ndef g(n, x, m=0):\n    return n + x + m\n"
GROUP.changed(
    "a partial's argument", PARTIAL + "h = partial(g, 1)\n@cache\ndef f(x):\n    return h(x)\n", ("g, 1", "g, 2")
)
GROUP.changed(
    "a partial's keyword", PARTIAL + "h = partial(g, 1, m=1)\n@cache\ndef f(x):\n    return h(x)\n", ("m=1)", "m=2)")
)
GROUP.changed(
    "a partial's function", PARTIAL + "h = partial(g, 1)\n@cache\ndef f(x):\n    return h(x)\n", ("n + x", "n - x")
)
GROUP.changed("a cached partial", PARTIAL + "f = cache(partial(g, 1))\n", ("g, 1", "g, 2"), target="g")
GROUP.changed(
    "a partial method",
    "from functools import partialmethod\nclass A:\n    def g(self, n, x):\n        return n + x\n    h = partialmethod(g, 1)\n"
    "@cache\ndef f(x):\n    return A().h(x)\n",
    ("g, 1", "g, 2"),
)
LRU = "import functools\n@functools.lru_cache(maxsize=None)\ndef g(x):\n    return x + 1\n"
GROUP.changed("lru_cache around a helper", LRU + "@cache\ndef f(x):\n    return g(x)\n", CHANGE)
GROUP.changed(
    "lru_cache around a helper's helper",
    "import functools\ndef h(x):\n    return x + 1\n@functools.cache\ndef g(x):\n    return h(x)\n@cache\ndef f(x):\n    return g(x)\n",
    CHANGE,
)
GROUP.acts(
    "an lru_cache that has filled",
    LRU + "@cache\ndef f(x):\n    return g(x)\n",
    Act(RUN),
    Act(HIT),
    Act(HIT, before="g(100)"),
    Act(HIT, fresh=True),
)
DISPATCH = """
import functools
@functools.singledispatch
def g(x):
    return "any"
@g.register
def _(x: int):
    return x + 1
@g.register(str)
def _(x):
    return x * 2
@cache
def f(x):
    return g(x)
"""
GROUP.changed("singledispatch: a registered function", DISPATCH, CHANGE)
GROUP.changed("singledispatch: the general one", DISPATCH, ('"any"', '"all"'), call="f(3.0)")
GROUP.changed(
    "singledispatch: registered in another file",
    "import functools\n@functools.singledispatch\ndef g(x):\n    return 0\nimport tools\n@cache\ndef f(x):\n    return g(x)\n"
    "--- tools.py\nfrom study import g\n@g.register\ndef _(x: int):\n    return x + 1\n",
    CHANGE,
)
GROUP.living(
    "singledispatch: registered while it lives",
    DISPATCH,
    ("g.register(int, lambda x: x + 5)", RUN),
)
GROUP.changed(
    "singledispatchmethod",
    "import functools\nclass A:\n    @functools.singledispatchmethod\n    def g(self, x):\n        return 0\n    @g.register\n"
    "    def _(self, x: int):\n        return x + 1\n@cache\ndef f(x):\n    return A().g(x)\n",
    CHANGE,
)
GROUP.changed("total_ordering", "import functools\n@functools.total_ordering\nclass A:\n    def __init__(self, n):\n        self.n = n\n"
              "    def __eq__(self, other):\n        return self.n == other.n\n    def __lt__(self, other):\n        return self.n < other.n\n"
              "@cache\ndef f(x):\n    return A(1) >= A(2)\n", ("self.n < other", "self.n > other"))  # fmt: skip
TABLE = "def g(x):\n    return x + 1\ndef h(x):\n    return x * 5\n"
GROUP.changed("a dict of functions", TABLE + "T = {'g': g, 'h': h}\n@cache\ndef f(x):\n    return T['g'](x)\n", CHANGE)
GROUP.changed(
    "a dict of functions, exchanged",
    TABLE + "T = {'g': g, 'h': h}\n@cache\ndef f(x):\n    return T['g'](x)\n",
    ("'g': g", "'g': h"),
)
GROUP.changed("a list of functions", TABLE + "T = [g, h]\n@cache\ndef f(x):\n    return [t(x) for t in T]\n", CHANGE)
GROUP.changed(
    "a list of functions, in another order",
    TABLE + "T = [g, h]\n@cache\ndef f(x):\n    return [t(x) for t in T]\n",
    ("[g, h]", "[h, g]"),
)
GROUP.changed(
    "functions deep in a table", TABLE + "T = {'a': [(g, 1)]}\n@cache\ndef f(x):\n    return T['a'][0][0](x)\n", CHANGE
)
GROUP.changed("a dict of lambdas", "T = {'a': lambda x: x + 1}\n@cache\ndef f(x):\n    return T['a'](x)\n", CHANGE)
GROUP.changed("a dict of classes", "class A:\n    def g(self, x):\n        return x + 1\nT = {'a': A}\n@cache\ndef f(x):\n"
              "    return T['a']().g(x)\n", CHANGE)  # fmt: skip
GROUP.changed("a dict of functions of another file", "from tools import T\n@cache\ndef f(x):\n    return T['g'](x)\n--- tools.py\n" + TABLE
              + "T = {'g': g}\n", CHANGE)  # fmt: skip
GROUP.changed(
    "a registry that a decorator fills",
    "T = {}\ndef known(g):\n    T[g.__name__] = g\n    return g\n@known\ndef g(x):\n    return x + 1\n@cache\ndef f(x):\n    return T['g'](x)\n",
    CHANGE,
)
GROUP.living(
    "a dict of functions, set while it lives",
    TABLE + "T = {'g': g}\n@cache\ndef f(x):\n    return T['g'](x)\n",
    ("T['g'] = h", RUN),
    ("T['g'] = g", HIT),
    ("T.update(g=lambda x: x - 9)", RUN),
)
GROUP.changed("functions that are put together", "def compose(a, b):\n    return lambda x: b(a(x))\ndef g(x):\n    return x + 1\n"
              "h = compose(g, str)\n@cache\ndef f(x):\n    return h(x)\n", CHANGE)  # fmt: skip
GROUP.changed("operator.itemgetter", "import operator\ng = operator.itemgetter(0)\n@cache\ndef f(x):\n    return g([x, -x])\n",
              ("(0)", "(1)"))  # fmt: skip
GROUP.changed("operator.methodcaller", "import operator\ng = operator.methodcaller('upper')\n@cache\ndef f(x):\n    return g('aB')\n",
              ("upper", "lower"))  # fmt: skip
GROUP.changed("a bound method of a builtin", "g = {'a': 1}.get\n@cache\ndef f(x):\n    return g('a')\n", ("1}", "2}"))
GROUP.changed(
    "a compiled pattern",
    "import re\ng = re.compile('a+')\n@cache\ndef f(x):\n    return g.sub('-', 'aabb')\n",
    ("a+", "b+"),
)
GROUP.changed("a compiled pattern's flags", "import re\ng = re.compile('A', 0)\n@cache\ndef f(x):\n    return g.sub('-', 'aA')\n",
              (", 0)", ", re.I)"))  # fmt: skip
GROUP.changed(
    "a struct", "import struct\ng = struct.Struct('<i')\n@cache\ndef f(x):\n    return g.pack(x)\n", ("<i", ">i")
)
GROUP.changed("a numpy.vectorize", "import numpy as np\n@np.vectorize\ndef g(x):\n    return x + 1\n@cache\ndef f(x):\n"
              "    return g([x]).tolist()\n", CHANGE)  # fmt: skip
