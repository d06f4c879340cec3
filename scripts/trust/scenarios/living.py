"""What changes while a process lives, and files that change under it."""

from __future__ import annotations

from trust.model import ANEW, HIT, RUN, Act, Group

GROUP = Group("While the process lives")
PAIR = "def g(x):\n    return x + 1\ndef h(x):\n    return x * 5\n@cache\ndef f(x):\n    return g(x)\n"
TOOLS = "import tools\n@cache\ndef f(x):\n    return tools.g(x)\n--- tools.py\ndef g(x):\n    return x + 1\n"
RELOAD = "import importlib, tools\nimportlib.reload(tools)"

GROUP.living("a helper, rebound", PAIR, ("g, saved = h, g", RUN), ("g = saved", HIT))
GROUP.living("a helper, rebound to one of the same code", PAIR, ("def g(x):\n    return x + 1\n", HIT))
GROUP.living(
    "a helper's code, swapped", PAIR, ("saved = g.__code__\ng.__code__ = h.__code__", RUN), ("g.__code__ = saved", HIT)
)
GROUP.living("a helper's defaults, swapped", "def g(x, n=1):\n    return x + n\n@cache\ndef f(x):\n    return g(x)\n",
             ("g.__defaults__ = (2,)", RUN), ("g.__defaults__ = (1,)", HIT))  # fmt: skip
GROUP.living("a helper's keyword defaults, changed", "def g(x, *, n=1):\n    return x + n\n@cache\ndef f(x):\n    return g(x)\n",
             ("g.__kwdefaults__['n'] = 2", RUN), ("g.__kwdefaults__ = {'n': 1}", HIT))  # fmt: skip
GROUP.living("the function's own code, swapped", "def plain(x):\n    return x + 1\ndef h(x):\n    return x * 5\nf = cache(plain)\n",
             ("plain.__code__ = h.__code__.replace(co_name='plain')", RUN), target="plain")  # fmt: skip
GROUP.living(
    "a module's function, patched", TOOLS, ("tools.g, saved = lambda x: x * 7, tools.g", RUN), ("tools.g = saved", HIT)
)
GROUP.living(
    "a module, exchanged in its name",
    TOOLS + "--- tools2.py\ndef g(x):\n    return x * 8\n",
    ("import tools2 as tools", RUN),
)
GROUP.living(
    "a builtin, hidden by a global", "@cache\ndef f(x):\n    return abs(x)\n", ("abs = str", RUN), ("del abs", HIT)
)
GROUP.living("a builtin, patched", "@cache\ndef f(x):\n    return abs(x)\n",
             ("import builtins\nsaved = abs\nbuiltins.abs = lambda x: 77", RUN), ("builtins.abs = saved", HIT))  # fmt: skip
GROUP.living(
    "a global that is deleted",
    "N = 1\n@cache\ndef f(x):\n    return globals().get('N', 0)\n",
    ("del N", RUN),
    ("N = 1", HIT),
)
GROUP.living(
    "a global that comes later",
    "@cache\ndef f(x):\n    try:\n        return N\n    except NameError:\n        return 0\n",
    ("N = 1", RUN),
)
GROUP.living("a reload without an edit", TOOLS, (RELOAD, HIT))
GROUP.living(
    "a reload after an edit", TOOLS, ("import caching\ncaching.edit('tools.py', 'x + 1', 'x + 2')\n" + RELOAD, RUN)
)
GROUP.living("a reload after an edit, and back", TOOLS,
             ("import caching\ncaching.edit('tools.py', 'x + 1', 'x + 2')\n" + RELOAD, RUN),
             ("caching.edit('tools.py', 'x + 2', 'x + 1')\n" + RELOAD, HIT))  # fmt: skip
GROUP.living("a reload of what a name was imported from",
             "from tools import g\n@cache\ndef f(x):\n    return g(x)\n--- tools.py\ndef g(x):\n    return x + 1\n",
             ("import caching\ncaching.edit('tools.py', 'x + 1', 'x + 2')\n" + RELOAD, HIT), ("from tools import g", RUN))  # fmt: skip
GROUP.living("autoreload: the old function takes the new code", TOOLS,
             ("old = tools.g\nimport caching\ncaching.edit('tools.py', 'x + 1', 'x + 2')\n" + RELOAD +
              "\nold.__code__ = tools.g.__code__\ntools.g = old", RUN))  # fmt: skip
GROUP.acts(
    "a file edited under a living process: the code that runs counts",
    TOOLS,
    Act(RUN),
    Act(HIT, before="import caching\ncaching.edit('tools.py', 'x + 1', 'x + 2')"),
    Act(RUN, call="f(4)"),
    Act(RUN, call="f(4)", edits=(("x + 1", "x + 2"),), fresh=True),
    Act(RUN, call="f(3)"),
    Act(HIT, call="f(4)", edits=(("x + 2", "x + 1"),), fresh=True),
)
GROUP.acts(
    "the function's own file edited before its first call",
    "@cache\ndef f(x):\n    return x + 1\n",
    Act(RUN, before="import caching\ncaching.edit('study.py', 'x + 1', 'x + 2')"),
    Act(RUN, edits=(("x + 1", "x + 2"),), fresh=True),
    Act(HIT, edits=(("x + 2", "x + 1"),), fresh=True),
)
GROUP.acts(
    "lines put above the function under a living process",
    "@cache\ndef f(x):\n    return x + 1\n\ndef g(x):\n    return x + 9\n",
    Act(
        RUN,
        before="import caching\ncaching.edit('study.py', '@cache', 'def z(x):\\n    return x * 9\\n\\n\\n\\n@cache')",
    ),
    Act(HIT),
    Act(HIT, fresh=True),
)
GROUP.living("a closure made anew with the same values",
             "def make(n):\n    def f(x):\n        return x + n\n    return cache(f)\nf = make(1)\n",
             ("f = make(1)", HIT), ("f = make(2)", RUN), ("f = make(1)", HIT))  # fmt: skip
GROUP.living("a lambda written anew with the same code", "g = lambda x: x + 1\n@cache\ndef f(x):\n    return g(x)\n",
             ("g = lambda x: x + 1", HIT), ("g = lambda x: x + 2", RUN))  # fmt: skip
GROUP.living("a class written anew with the same code", "class A:\n    def g(self, x):\n        return x + 1\n@cache\ndef f(x):\n"
             "    return A().g(x)\n", ("class A:\n    def g(self, x):\n        return x + 1\n", HIT),
             ("class A:\n    def g(self, x):\n        return x + 2\n", RUN))  # fmt: skip
GROUP.living("a function that is defined again", "@cache\ndef f(x):\n    return x + 1\n",
             ("@cache\ndef f(x):\n    return x + 2\n", RUN), ("@cache\ndef f(x):\n    return x + 1\n", HIT))  # fmt: skip
GROUP.living("a partial's keywords, changed", "from functools import partial\ndef g(x, n):\n    return x + n\nh = partial(g, n=1)\n"
             "@cache\ndef f(x):\n    return h(x)\n", ("h.keywords['n'] = 2", RUN), ("h.keywords['n'] = 1", HIT))  # fmt: skip
GROUP.living("an instance that shadows a method", "class A:\n    def g(self, x):\n        return x + 1\na = A()\n@cache\ndef f(x):\n"
             "    return a.g(x)\n", ("a.g = lambda x: x + 2", RUN), ("del a.g", HIT))  # fmt: skip
GROUP.living("a value that hides behind a property", "class A:\n    @property\n    def n(self):\n        return M[0]\nM = [1]\na = A()\n@cache\n"
             "def f(x):\n    return a.n\n", ("M[0] = 2", RUN))  # fmt: skip
GROUP.living(
    "an equal value in its place", "N = [1, {'a': 2}]\n@cache\ndef f(x):\n    return N[0]\n", ("N = [1, {'a': 2}]", HIT)
)
GROUP.living("an equal array in its place", "import numpy as np\nN = np.arange(5)\n@cache\ndef f(x):\n    return int(N.sum())\n",
             ("N = np.arange(5)", HIT), ("N = np.arange(10)[:5]", HIT), ("N = np.arange(5.0)", ANEW))  # fmt: skip
GROUP.living(
    "an unused global, changed", "N = 1\nM = 1\n@cache\ndef f(x):\n    return N\n", ("M = 2", HIT), ("del M", HIT)
)
GROUP.living("another attribute of a module, changed", TOOLS, ("tools.other = 5", HIT), ("tools.g2 = lambda: 1", HIT))
GROUP.living("an argument's own code, changed", "class A:\n    def g(self):\n        return 1\n@cache\ndef f(a):\n    return a.g()\n",
             ("A.g = lambda self: 2", RUN), call="f(A())")  # fmt: skip
GROUP.living(
    "a value, ignored and restored between calls", "N = 1\n@cache\ndef f(x):\n    return N\n", ("N = 2\nN = 1", HIT)
)
GROUP.acts(
    "edits while it lives, and then in the file",
    "N = 1\n@cache\ndef f(x):\n    return N\n",
    Act(RUN),
    Act(RUN, before="N = 2"),
    Act(HIT, edits=(("N = 1", "N = 2"),), fresh=True),
    Act(HIT, edits=(("N = 2", "N = 1"),), fresh=True),
)
