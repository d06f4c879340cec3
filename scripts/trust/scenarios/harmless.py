"""Edits that change no behaviour: every call after them must hit."""

from __future__ import annotations

from trust.model import HIT, Act, Group

GROUP = Group("Harmless edits")
F = '''
@cache
def f(x, n=1):
    """Add."""
    y = x + n  # a sum
    return [y, "a"]
'''
G = """
import tools
N = 1
def g(x):
    return x + N
def other(x):
    return x
@cache
def f(x):
    return g(x) + tools.h(x)
--- tools.py
M = 2
def h(x):
    return x * M
def other(x):
    return x
"""
CLASS = """
class A:
    def __init__(self, n):
        self.n = n
    def g(self, x):
        return x + self.n
@cache
def f(x):
    return A(1).g(x)
"""


def none(name: str, text: str, *edits: tuple[str, str], **options: object) -> None:
    """Add a project with a harmless edit."""
    GROUP.harmless(name, text, *edits, **options)


none("a comment", F, ("# a sum", "# the sum of both"))
none("a comment line that is added", F, ("    y = x", "    # here\n    y = x"))
none("a comment that is removed", F, ("  # a sum", ""))
none("a docstring", F, ("Add.", "Add two numbers."))
none("a docstring that is added", "@cache\ndef f(x):\n    return x\n", ("    return", '    """Same."""\n    return'))
none("a docstring that is removed", F, ('    """Add."""\n', ""))
none("blank lines", F, ("    return", "\n\n    return"))
none("the function further down", F, ("\n@cache", "\nUNUSED = 5\n\n\n@cache"))
none("spaces", F, ("x + n", "x  +  n"))
none("parentheses", F, ("x + n", "(x + n)"))
none("an expression on two lines", F, ("x + n", "(\n        x\n        + n\n    )"))
none("other quotes", F, ('"a"', "'a'"))
none("a trailing comma", F, ('[y, "a"]', '[\n        y,\n        "a",\n    ]'))
none("a semicolon", F, ("# a sum\n    return", "\n    pass; return"))
none("how a number is written", "@cache\ndef f(x):\n    return x + 1000\n", ("1000", "1_000"))
none("how a text is written", "@cache\ndef f(x):\n    return 'ab'\n", ("'ab'", "'a' 'b'"))
none("indentation", F.replace("    ", "  ").strip("\n"), ("  y = x", "  y =  x"))
none("tabs", "@cache\ndef f(x):\n    return x + 1\n", ("    return", "\treturn"))
none("annotations of parameters", F, ("(x, n=1)", "(x: int, n: int = 1)"))
none("the annotation of the result", F, ("(x, n=1):", "(x, n=1) -> list:"))
none("an annotation inside", F, ("y = x", "y: int = x"))
none("an annotation that is changed", "@cache\ndef f(x: int):\n    return x\n", ("x: int", "x: float"))
none(
    "an annotation that names a class", "class A:\n    n = 1\n@cache\ndef f(x: A):\n    return x\n", ("n = 1", "n = 2")
)
none("from __future__ import annotations", "from __future__ import annotations\nfrom caching import cache as keep\n@keep\ndef f(x: int):\n    return x\n",
     ("x: int", "x: float"))  # fmt: skip
none("a type comment", F, ("# a sum", "# type: int"))
none("an unused import", F, ("\n@cache", "\nimport json\n\n@cache"))
none("__all__", F, ("\n@cache", "\n__all__ = ['f']\n\n@cache"))
none("a function that is added above", F, ("\n@cache", "\ndef z():\n    return 9\n\n@cache"))
none(
    "a function of the same file that is not used",
    G,
    ("def other(x):\n    return x\n@cache", "def other(x):\n    return -x\n@cache"),
)
none("a value of the same file that is not used", "N = 1\nM = 2\n@cache\ndef f(x):\n    return N\n", ("M = 2", "M = 3"))
none("another function of a module", G, ("M\ndef other(x):\n    return x", "M\ndef other(x):\n    return -x"))
none("a function added to a module", G, ("M = 2\n", "M = 2\ndef new(x):\n    return x\n"))
none("a value added to a module", G, ("M = 2\n", "M = 2\nK = [1, 2]\n"))
none("a module's docstring", G, ("M = 2\n", '"""Tools."""\nM = 2\n'))
none(
    "another value of a module",
    "import tools\n@cache\ndef f(x):\n    return tools.A\n--- tools.py\nA = 1\nB = 2\n",
    ("B = 2", "B = 3"),
)
none("a file that is not used", G + "--- rest.py\nK = 1\n", ("K = 1", "K = 2"))
none("a module that is imported and not used", "import tools, rest\n@cache\ndef f(x):\n    return tools.A\n--- tools.py\nA = 1\n"
     "--- rest.py\nK = 1\n", ("K = 1", "K = 2"))  # fmt: skip
none("a helper's comment", G, ("def g(x):\n", "def g(x):\n    # adds\n"))
none("a helper's docstring", G, ("def h(x):\n", 'def h(x):\n    """Multiply."""\n'))
none("a helper's annotations", G, ("def h(x):", "def h(x: int) -> int:"))
none("helpers in another order", G, ("N = 1\ndef g(x):\n    return x + N\ndef other(x):\n    return x\n",
                                     "def other(x):\n    return x\ndef g(x):\n    return x + N\nN = 1\n"))  # fmt: skip
none("imports in another order", "import os\nimport tools\n@cache\ndef f(x):\n    return tools.A\n--- tools.py\nA = 1\n",
     ("import os\nimport tools", "import tools\nimport os"))  # fmt: skip
none("a constant, written otherwise", G, ("N = 1", "N = 2 - 1"))
none("a module's __init__ that is not reached", "from kit.tools import g\n@cache\ndef f(x):\n    return g(x)\n--- kit/__init__.py\nA = 1\n"
     "--- kit/tools.py\ndef g(x):\n    return x\n", ("A = 1", "A = 2"))  # fmt: skip
none("a class's docstring", CLASS, ("class A:\n", 'class A:\n    """Adds."""\n'))
none("a method's docstring", CLASS, ("def g(self, x):\n", 'def g(self, x):\n        """Add."""\n'))
none("a method's comment", CLASS, ("def g(self, x):\n", "def g(self, x):\n        # adds\n"))
none("a method's annotations", CLASS, ("def g(self, x):", "def g(self, x: int) -> int:"))
none("methods in another order", CLASS, ("    def __init__(self, n):\n        self.n = n\n    def g(self, x):\n        return x + self.n\n",
                                         "    def g(self, x):\n        return x + self.n\n    def __init__(self, n):\n        self.n = n\n"))  # fmt: skip
none("a class further down", CLASS, ("class A:", "\n\nclass A:"))
none("a class that is not used", CLASS, ("class A:\n", "class B:\n    n = 5\nclass A:\n"))
none("imports for type checkers", "from typing import TYPE_CHECKING\n@cache\ndef f(x):\n    return x\n",
     ("CHECKING\n", "CHECKING\nif TYPE_CHECKING:\n    from tools import A\n"))  # fmt: skip
none(
    "a nested function's comment",
    "@cache\ndef f(x):\n    def g():\n        return x\n    return g()\n",
    ("def g():\n", "def g():\n        # same\n"),
)
none("a nested function's docstring", "@cache\ndef f(x):\n    def g():\n        return x\n    return g()\n",
     ("def g():\n", 'def g():\n        """Same."""\n'))  # fmt: skip
none("a lambda's place on its line", "f = cache(lambda x: x + 1)\n", ("f = cache(", "f = cache(  "), target="<lambda>")
none(
    "a lambda's neighbour on its line",
    "g, f = 1, cache(lambda x: x + 1)\n",
    ("g, f = 1,", "g, f = 22,"),
    target="<lambda>",
)
none(
    "another lambda on its line",
    "g, f = (lambda x: x * 7), cache(lambda x: x + 1)\n",
    ("x * 7", "x * 8"),
    target="<lambda>",
)
none("a decorator's comment", "def loud(g):\n    def f(x):\n        return [g(x)]\n    return f\n@cache\n@loud\ndef f(x):\n    return x\n",
     ("    def f(x):\n        return [g", "    # louder\n    def f(x):\n        return [g"))  # fmt: skip
none("a metaclass's unused neighbour", "import enum\nclass A(enum.Enum):\n    ONE = 1\nclass B(enum.Enum):\n    ONE = 1\n@cache\ndef f(x):\n"
     "    return A.ONE.value\n", ("class B(enum.Enum):\n    ONE = 1", "class B(enum.Enum):\n    ONE = 9"))  # fmt: skip
none("a dataclass's comment", "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\n@cache\ndef f(x):\n    return A().n\n",
     ("= 1", "= 1  # one"))  # fmt: skip
none("a registered function of a type that is not asked for is moved", "import functools\n@functools.singledispatch\ndef g(x):\n    return 0\n"
     "@g.register\ndef _(x: int):\n    return 1\n@g.register\ndef _(x: str):\n    return 2\n@cache\ndef f(x):\n    return g(x)\n",
     ("@g.register\ndef _(x: int):\n    return 1\n@g.register\ndef _(x: str):\n    return 2\n",
      "@g.register\ndef _(x: str):\n    return 2\n@g.register\ndef _(x: int):\n    return 1\n"))  # fmt: skip
none("a test that is added below", F, ('[y, "a"]\n', "[y, \"a\"]\n\ndef test_f():\n    assert f(1) == [2, 'a']\n"))
none("a main block", F, ('[y, "a"]\n', "[y, \"a\"]\n\nif __name__ == '__main__':\n    print(f(1))\n"))
none(
    "an unused global that has no content to be known by",
    F,
    ("\n@cache", "\nimport threading\nLOCK = threading.Lock()\n\n@cache"),
)
none("a random global that is not used", F, ("\n@cache", "\nimport os\nTOKEN = os.urandom(8)\n\n@cache"))
GROUP.acts(
    "nothing at all, three times",
    G,
    Act("run"),
    Act(HIT, fresh=True),
    Act(HIT, fresh=True),
    Act(HIT, fresh=True),
)
GROUP.acts(
    "keywords, defaults and positions",
    "@cache\ndef f(x, n=1, *, k=2):\n    return [x, n, k]\n",
    Act("run"),
    Act(HIT, call="f(x=3)"),
    Act(HIT, call="f(3, 1)", fresh=True),
    Act(HIT, call="f(n=1, x=3, k=2)"),
    Act("run", call="f(3, 2)"),
    Act("run", call="f(3, k=1)"),
)
