"""Functions that the function calls, however it reaches them."""

from __future__ import annotations

from trust.model import HIT, RUN, Act, Group

GROUP = Group("Helpers")
CHANGE = ("x + 1", "x + 2")


def helper(name: str, text: str, *edits: tuple[str, str], **options: object) -> None:
    """Add a project whose helper is edited."""
    GROUP.changed(name, text, *(edits or [CHANGE]), **options)


helper("a helper", "def g(x):\n    return x + 1\n\n@cache\ndef f(x):\n    return g(x)\n")
helper(
    "a helper's helper",
    """
    def h(x):
        return x + 1
    def g(x):
        return h(x)
    @cache
    def f(x):
        return g(x)
    """,
)
helper(
    "a helper that stands below",
    """
    @cache
    def f(x):
        return g(x)
    def g(x):
        return x + 1
    """,
)
helper("a lambda as helper", "g = lambda x: x + 1\n\n@cache\ndef f(x):\n    return g(x)\n")
helper(
    "one of two lambdas on a line",
    "g, h = lambda x: x + 1, lambda x: x * 5\n\n@cache\ndef f(x):\n    return g(x)\n",
)
helper(
    "a helper's default",
    "def g(x, n=1):\n    return x + n\n\n@cache\ndef f(x):\n    return g(x)\n",
    ("n=1", "n=2"),
)
helper(
    "a helper's closure",
    """
    def make(n):
        def g(x):
            return x + n
        return g
    g = make(1)
    @cache
    def f(x):
        return g(x)
    """,
    ("make(1)", "make(2)"),
)
helper(
    "a helper's global",
    """
    N = 1
    def g(x):
        return x + N
    @cache
    def f(x):
        return g(x)
    """,
    ("N = 1", "N = 2"),
)
helper(
    "a helper in a comprehension",
    "def g(x):\n    return x + 1\n\n@cache\ndef f(x):\n    return [g(i) for i in range(x)]\n",
)
helper(
    "a helper in a function inside",
    """
    def g(x):
        return x + 1
    @cache
    def f(x):
        def inner():
            return g(x)
        return inner()
    """,
)
helper(
    "a helper that is handed on",
    "def g(x):\n    return x + 1\n\n@cache\ndef f(x):\n    return list(map(g, range(x)))\n",
)
helper(
    "a helper as the default of a lambda inside",
    "def g(x):\n    return x + 1\n\n@cache\ndef f(x):\n    return (lambda y, g=g: g(y))(x)\n",
)
helper(
    "a helper that is a generator",
    """
    def g(x):
        yield x + 1
    @cache
    def f(x):
        return list(g(x))
    """,
)
helper(
    "a helper that is a coroutine",
    """
    async def g(x):
        return x + 1
    @cache
    def f(x):
        try:
            g(x).send(None)
        except StopIteration as done:
            return done.value
    """,
)
helper(
    "a helper under another name",
    "def g(x):\n    return x + 1\nh = g\n\n@cache\ndef f(x):\n    return h(x)\n",
)
helper(
    "a helper used in a match guard",
    """
    def g(x):
        return x + 1 == 4
    @cache
    def f(x):
        match x:
            case y if g(y):
                return 1
            case _:
                return 2
    """,
)
helper(
    "a helper reached by globals()",
    """
    def g(x):
        return x + 1
    @cache
    def f(x):
        return globals()["g"](x)
    """,
)
helper(
    "another helper in its place",
    """
    def g(x):
        return x + 1
    def h(x):
        return x * 5
    helper = g
    @cache
    def f(x):
        return helper(x)
    """,
    ("helper = g", "helper = h"),
)
helper(
    "a helper that is cached itself",
    """
    @cache
    def g(x):
        return x + 1
    @cache
    def f(x):
        return g(x)
    """,
)
helper(
    "the helper of a cached helper",
    """
    def h(x):
        return x + 1
    @cache
    def g(x):
        return h(x)
    @cache
    def f(x):
        return g(x)
    """,
)
helper(
    "a recursive helper",
    """
    def g(x):
        return g(x - 1) + 1 if x else 0
    @cache
    def f(x):
        return g(x)
    """,
    (") + 1 if", ") + 2 if"),
)
helper(
    "helpers that call each other: the far one",
    """
    def odd(x):
        return x if x == 0 else even(x - 1)
    def even(x):
        return 10 if x == 0 else odd(x - 1)
    @cache
    def f(x):
        return even(x)
    """,
    ("return x if", "return -5 if"),
)
helper(
    "a function that calls itself",
    """
    @cache
    def f(x):
        return f(x - 1) + 1 if x else 0
    """,
    (") + 1 if", ") + 2 if"),
)
helper(
    "a function as an argument",
    "def g(x):\n    return x + 1\n\n@cache\ndef f(g, x):\n    return g(x)\n",
    call="f(g, 3)",
)
helper(
    "the helper of a function as an argument",
    """
    def h(x):
        return x + 1
    def g(x):
        return h(x)
    @cache
    def f(g, x):
        return g(x)
    """,
    call="f(g, 3)",
)
helper(
    "a lambda as an argument",
    "@cache\ndef f(g, x):\n    return g(x)\n\ndef run():\n    return f(lambda x: x + 1, 3)\n",
    call="run()",
)
helper(
    "a class as an argument",
    """
    class A:
        def g(self, x):
            return x + 1
    @cache
    def f(kind, x):
        return kind().g(x)
    """,
    call="f(A, 3)",
)
GROUP.acts(
    "mutual recursion, entered from either end",
    """
    @cache
    def odd(x):
        return 0 if x == 0 else even(x - 1) + 1
    @cache
    def even(x):
        return 10 if x == 0 else odd(x - 1) + 1
    """,
    Act(RUN, call="odd(3)"),
    Act(HIT, call="odd(3)", fresh=True),
    Act(HIT, call="even(2)", fresh=True),
    Act(HIT, call="odd(3)"),
    Act(HIT, call="odd(1)", fresh=True),
    Act(RUN, call="odd(3)", edits=(("return 10", "return 20"),), fresh=True),
    target="odd",
)
GROUP.acts(
    "recursion of cached functions, asked in both orders",
    """
    def g(x):
        return h(x - 1) + 1 if x else 0
    def h(x):
        return g(x - 1) + 2 if x else 0
    @cache
    def f(x):
        return g(x)
    @cache
    def k(x):
        return h(x)
    """,
    Act(RUN, call="[f(3), k(3)]"),
    Act(HIT, call="[k(3), f(3)]", fresh=True),
    Act(HIT, call="f(3)", fresh=True),
)
