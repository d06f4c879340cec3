"""The function's own code, its defaults, and what it closes over."""

from __future__ import annotations

from trust.model import RUN, Act, Group

GROUP = Group("Own code, defaults, closures")


def body(name: str, old: str, new: str, **options: object) -> None:
    """Add a function whose body is edited."""
    lines = "\n    ".join(["", *old.split("\n")])
    GROUP.changed(name, f"@cache\ndef f(x):{lines}\n", (lines, "\n    ".join(["", *new.split("\n")])), **options)


body("an operator", "return x + 2", "return x * 2")
body("a constant", "return x + 1", "return x + 2")
body("a constant's type: 2 and 2.0", "return x * 2", "return x * 2.0")
body("a constant's type: 1 and True", "return [x, 1]", "return [x, True]")
body("a constant's sign: 0.0 and -0.0", "return [0.0]", "return [-0.0]")
body("a text and the same bytes", "return 'a'", "return b'a'")
body("a long integer", f"return {10**30}", f"return {10**30 + 1}")
body("a tuple of constants", "return (1, (2, 3))", "return (1, (2, 3.0))")
body("a set of constants", "return x in {1, 2, 'a'}", "return x in {1, 3, 'a'}")
body("a name of a builtin", "return min(x, 4)", "return max(x, 4)")
body("an attribute's name", "return (x + 1j).real", "return (x + 1j).imag")
body("a method's name", "return 'aB'.upper()", "return 'aB'.lower()")
body("a keyword argument's name", "return dict(a=x)", "return dict(b=x)")
body("a comparison", "return x < 3", "return x <= 3")
body("is and ==", "y = 1000 + x\nreturn y == 1003", "y = 1000 + x\nreturn y is x")
body("the order of operands", "return x - 1", "return 1 - x")
body("a branch that is added", "return x", "if x > 2:\n    return -x\nreturn x")
body("the exception that is caught", "try:\n    return {}[x]\nexcept KeyError:\n    return 1",
     "try:\n    return {}[x]\nexcept (KeyError, ValueError):\n    return 2")  # fmt: skip
body("a finally clause", "y = [x]\ntry:\n    return y\nfinally:\n    y.append(1)",
     "y = [x]\ntry:\n    return y\nfinally:\n    y.append(2)")  # fmt: skip
body("a loop's range", "return [i for i in range(x)]", "return [i for i in range(1, x)]")
body("a comprehension's condition", "return [i for i in range(9) if i > x]", "return [i for i in range(9) if i < x]")
body("a generator expression", "return sum(i * 2 for i in range(x))", "return sum(i * 3 for i in range(x))")
body("a match statement's pattern", "match [x]:\n    case [3]:\n        return 1\n    case _:\n        return 2",
     "match [x]:\n    case [4]:\n        return 1\n    case _:\n        return 2")  # fmt: skip
body("a walrus", "return [y := x + 1, y]", "return [y := x + 2, y]")
body("the format in an f-string", "return f'{x:.1f}'", "return f'{x:.2f}'")
body("the text of an f-string", "return f'a{x}'", "return f'b{x}'")
body("!r in an f-string", "return f'{str(x)}'", "return f'{str(x)!r}'")
body("a slice", "return list(range(9))[x:]", "return list(range(9))[:x]")
body("a starred unpacking", "a, *b = range(x)\nreturn a, b", "*a, b = range(x)\nreturn a, b")
body("a lambda inside", "return (lambda y: y + 1)(x)", "return (lambda y: y + 2)(x)")
body("the default of a lambda inside", "return (lambda y=1: y + x)()", "return (lambda y=2: y + x)()")
body("a function inside", "def g(y):\n    return y + 1\nreturn g(x)", "def g(y):\n    return y + 2\nreturn g(x)")
body("a function in a function inside", "def g():\n    def h():\n        return x + 1\n    return h\nreturn g()()",
     "def g():\n    def h():\n        return x + 2\n    return h\nreturn g()()")  # fmt: skip
body("a class inside", "class A:\n    def g(self):\n        return x + 1\nreturn A().g()",
     "class A:\n    def g(self):\n        return x + 2\nreturn A().g()")  # fmt: skip
body("an attribute of a class inside", "class A:\n    n = 1\nreturn A.n", "class A:\n    n = 2\nreturn A.n")
body("an assertion's message", "try:\n    assert not x, 'a'\nexcept AssertionError as e:\n    return str(e)",
     "try:\n    assert not x, 'b'\nexcept AssertionError as e:\n    return str(e)")  # fmt: skip
body("a conditional expression", "return 1 if x else 2", "return 2 if x else 1")
body("and, or", "return x and 5", "return x or 5")
body("a chained comparison", "return 1 < x < 5", "return 1 < x > 5")
body("a standard function", "import math\nreturn math.floor(x + 0.5)", "import math\nreturn math.ceil(x + 0.5)")
body("a dict's values", "return {'a': x, 'b': 1}", "return {'a': x, 'b': 2}")
body("a dict's order", "return {'a': x, 'b': 1}", "return {'b': 1, 'a': x}")
body("yield inside", "def g():\n    yield x\nreturn list(g())", "def g():\n    yield from (x, x)\nreturn list(g())")

GROUP.changed("a default", "@cache\ndef f(x, n=1):\n    return x + n\n", ("n=1", "n=2"))
GROUP.changed("a keyword-only default", "@cache\ndef f(x, *, n=1):\n    return x + n\n", ("n=1", "n=2"))
GROUP.changed(
    "a default whose text stays",
    "LIMIT = 1\n\n@cache\ndef f(x, n=LIMIT):\n    return x + n\n",
    ("LIMIT = 1", "LIMIT = 2"),
)
GROUP.changed("a default that is a list", "@cache\ndef f(x, n=[1, 2]):\n    return x + sum(n)\n", ("2]", "3]"))
GROUP.changed(
    "a default that is a function",
    "def g(x):\n    return x + 1\n\n@cache\ndef f(x, g=g):\n    return g(x)\n",
    ("x + 1", "x + 2"),
)
GROUP.changed("a lambda", "f = cache(lambda x: x + 1)\n", ("x + 1", "x + 2"), target="<lambda>")
GROUP.acts(
    "two lambdas on one line",
    "f, g = cache(lambda x: x + 1), cache(lambda x: x + 2)\n",
    Act(RUN),
    Act(RUN, call="g(3)"),
    Act("hit", fresh=True),
    Act("hit", call="g(3)"),
    target="<lambda>",
)
GROUP.acts(
    "two closures of one function",
    """
    def make(n):
        def f(x):
            return x * n
        return cache(f)
    f, g = make(2), make(3)
    """,
    Act(RUN),
    Act(RUN, call="g(3)"),
    Act("hit", fresh=True),
    Act("hit", call="g(3)"),
)
CLOSURE = """
def make(n):
    def f(x):
        return [x, n]
    return cache(f)
f = make({})
"""
GROUP.changed("a closed-over number", CLOSURE.format(1), ("make(1)", "make(2)"))
GROUP.changed("a closed-over list", CLOSURE.format([1]), ("make([1])", "make([2])"))
GROUP.changed("a closed-over dict", CLOSURE.format({"a": [1]}), ("[1]})", "[2]})"))
GROUP.changed(
    "a closed-over array",
    "import numpy as np\n" + CLOSURE.format("np.arange(3)"),
    ("np.arange(3)", "np.arange(4)"),
)
GROUP.changed(
    "a closed-over function",
    """
    def g(x):
        return x + 1
    def make(g):
        def f(x):
            return g(x)
        return cache(f)
    f = make(g)
    """,
    ("x + 1", "x + 2"),
)
GROUP.changed(
    "a closed-over lambda's closure",
    """
    def make(n):
        g = lambda x: x + n
        def f(x):
            return g(x)
        return cache(f)
    f = make(1)
    """,
    ("make(1)", "make(2)"),
)
GROUP.acts(
    "two functions of one name, apart in their code",
    """
    @cache
    def f(x):
        return x + 1
    g = f
    @cache
    def f(x):
        return x + 2
    """,
    Act(RUN),
    Act(RUN, call="g(3)"),
    Act("hit", fresh=True),
    Act("hit", call="g(3)"),
)
